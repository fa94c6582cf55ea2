"""Mean and width of a column with their errors, in one pass: values of the same event are not independent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Floats, Integers

MIN_EVENTS = 30
"""Minimum of `Statistics.events` from which the error of a width is known."""


@dataclass(frozen=True)
class Statistics:
    """What is known of a column.

    Attributes
    ----------
    n : int
        Number of values.
    mean, width : float
        Mean and standard deviation (divided by n).
    mean_error, width_error : float
        Their standard errors, from the spread between events.
    least, largest : float
        Range.
    events : float
        Effective number of events that decide the width; it is small where a few values are far from all others.
    """

    n: int
    mean: float
    mean_error: float
    width: float
    width_error: float
    least: float
    largest: float
    events: float

    @property
    def is_constant(self) -> bool:
        """Whether all values are the same."""
        return self.least == self.largest

    @property
    def is_uncertain(self) -> bool:
        """Whether too few events share in the width for its error to be known."""
        return not self.is_constant and self.events < MIN_EVENTS


class EventMoments:
    """Sums over events, from which mean, width and their errors follow; nothing else is kept.

    Values are counted from the mean of the first ones, so that large means cost no digits.
    """

    def __init__(self) -> None:
        self._shift: float | None = None
        self._sums = np.zeros(3)
        self._products = np.zeros((3, 3))
        self._low, self._high = math.inf, -math.inf

    def add(self, values: Floats, event: Integers) -> None:
        """Add values. event : number of the event of each, from 0; what is not finite is left out"""
        kept = np.isfinite(values)
        if not kept.all():
            values, event = values[kept], event[kept]
        if not len(values):
            return
        if self._shift is None:
            self._shift = float(values.mean())
        moved = values - self._shift
        weights = (None, moved, moved**2)
        sums = np.stack([np.bincount(event, each).astype(np.float64) for each in weights])
        self._sums += sums.sum(axis=1)
        self._products += sums @ sums.T
        self._low, self._high = min(self._low, float(values.min())), max(self._high, float(values.max()))

    @property
    def statistics(self) -> Statistics | None:
        """Mean, width and errors; None without values."""
        if self._shift is None:
            return None
        n, total, squares = map(float, self._sums)
        mean = total / n
        variance = max(squares / n - mean**2, 0.0)
        if self._low == self._high:
            return Statistics(int(n), self._low, 0.0, 0.0, 0.0, self._low, self._high, 0.0)
        of_mean = np.array([-mean, 1.0, 0.0]) / n
        of_variance = np.array([mean**2 - variance, -2 * mean, 1.0]) / n
        errors = [math.sqrt(max(float(each @ self._products @ each), 0.0)) for each in (of_mean, of_variance)]
        width = math.sqrt(variance)
        share = squares**2 / self._products[2, 2] if self._products[2, 2] else 0.0
        return Statistics(
            int(n), self._shift + mean, errors[0], width, errors[1] / (2 * width) if width else 0.0, self._low,
            self._high, float(share),
        )  # fmt: skip
