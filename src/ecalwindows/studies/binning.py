"""Bins for the values of a column, chosen from the values themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Array, Floats, Integers

BINS = 60
ENDS = (0.001, 0.999)
"""The bins are between these quantiles; values outside are counted as below or above."""

LONG_TAIL = 25.0
"""Positive values get logarithmic bins if their upper end is more than this factor times their median."""

MIN_RATIO = 1e-6
"""Minimum ratio of the lower end to the upper end of logarithmic bins."""

HALVES = 2.0**52
"""From this number on there are no halves between integers in double precision."""

DIGITS = 6
"""Number of digits of the edges, so that tables are short and the same on every machine."""


def shortened(values: Floats, digits: int = DIGITS) -> Floats:
    """The numbers with so many significant digits."""
    return np.array([float(f"{value:.{digits}g}") for value in values.tolist()])


@dataclass(frozen=True)
class Binning:
    """Bins of a column.

    Attributes
    ----------
    edges : float64 (n_bins + 1,), increasing
    is_log : whether the bins are logarithmic; values of 0 and below are then outside
    """

    edges: Floats
    is_log: bool = False


def place_in(edges: Sequence[float] | Floats, values: Array) -> Integers:
    """The bin of each value, int64 (n,), -1 outside; bins include their lower edge."""
    place = np.searchsorted(edges, values, side="right") - 1
    return np.where(place < len(edges) - 1, place, -1)


def binning_of(values: Floats) -> Binning:
    """Bins for values, float64 (n,) without the sentinel; for integers, every bin has the same number of integers."""
    if not len(values):
        return Binning(np.array([0.0, 1.0]))
    if (values == np.floor(values)).all() and np.abs(values).max() < HALVES:
        low, high = (float(end) for end in np.quantile(values, ENDS))
        width = int(max(np.ceil((high - low + 1) / BINS), 1))
        return Binning(np.arange(np.floor(low) - 0.5, np.ceil(high) + width, width))
    if ends := _long_tail(values):
        return Binning(_short(np.geomspace(*ends, BINS + 1)), is_log=True)
    return Binning(_short(np.linspace(*_ends(values), BINS + 1)))


def _long_tail(values: Floats) -> tuple[float, float] | None:
    """Ends of logarithmic bins, or None.

    The bins are logarithmic if all values are positive (or marks, 0 or -1) and some are much larger than most.
    """
    positive = values[values > 0]
    if len(positive) < BINS or not np.isin(values[values <= 0], (0.0, -1.0)).all():
        return None
    low, middle, high = np.quantile(positive, (ENDS[0], 0.5, ENDS[1])).tolist()
    return (max(low, high * MIN_RATIO), high) if high > LONG_TAIL * middle else None


def _ends(values: Floats) -> tuple[float, float]:
    """Ends of bins of equal width: the quantiles, or the minimum and maximum if these are near; never equal."""
    low, high = np.quantile(values, ENDS).tolist()
    near = 0.1 * (high - low)
    minimum, maximum = float(values.min()), float(values.max())
    low, high = (minimum if minimum >= low - near else low), (maximum if maximum <= high + near else high)
    if low == high:
        half = max(0.5, BINS * float(np.spacing(abs(low))))
        return low - half, high + half
    step = 10.0 ** np.floor(np.log10(high - low) - 3)
    return float(np.floor(low / step) * step), float((np.floor(high / step) + 1) * step)


def _short(edges: Floats) -> Floats:
    """The edges rounded to DIGITS digits, or unchanged if they would not increase any more."""
    short = shortened(edges)
    return short if (np.diff(short) > 0).all() else edges
