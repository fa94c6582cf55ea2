"""Bins for the values of a column, from the values themselves: the same for the same values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 60
ENDS = (0.001, 0.999)
"""Quantiles between which the bins lie; values beyond count as below or above."""

LONG_TAIL = 25.0
"""Positive values whose upper end is so many times their median get bins that grow with the value."""

LONGEST = 1e-6
"""Least value of such bins over the largest."""

DIGITS = 6
"""Digits of the edges, so that tables are short and the same on every machine."""


@dataclass(frozen=True)
class Binning:
    """Edges of bins, rising; is_log : bins grow with the value, and zero and what is below lies outside."""

    edges: Floats
    is_log: bool = False


def binning_of(values: Floats) -> Binning:
    """Bins for values (n,), none of them the sentinel: a bin a value or several where they are whole numbers."""
    if not len(values):
        return Binning(np.array([0.0, 1.0]))
    if (values == np.floor(values)).all():
        low, high = (float(end) for end in np.quantile(values, ENDS))
        width = int(max(np.ceil((high - low + 1) / BINS), 1))
        return Binning(np.arange(np.floor(low) - 0.5, np.ceil(high) + width, width))
    if ends := _long_tail(values):
        return Binning(_short(np.geomspace(*ends, BINS + 1)), is_log=True)
    return Binning(_short(np.linspace(*_ends(values), BINS + 1)))


def _long_tail(values: Floats) -> tuple[float, float] | None:
    """Ends for values that are positive, but for marks (0 or -1), and some of them much larger than most; else None."""
    positive = values[values > 0]
    if len(positive) < BINS or not np.isin(values[values <= 0], (0.0, -1.0)).all():
        return None
    least, middle, high = np.quantile(positive, (ENDS[0], 0.5, ENDS[1])).tolist()
    return (max(least, high * LONGEST), high) if high > LONG_TAIL * middle else None


def _ends(values: Floats) -> tuple[float, float]:
    """Ends of even bins: the quantiles, or the least and largest value where these are near; never equal."""
    low, high = np.quantile(values, ENDS).tolist()
    near = 0.1 * (high - low)
    least, most = float(values.min()), float(values.max())
    low, high = (least if least >= low - near else low), (most if most <= high + near else high)
    if low == high:
        return low - 0.5, high + 0.5
    step = 10.0 ** np.floor(np.log10(high - low) - 3)
    return float(np.floor(low / step) * step), float((np.floor(high / step) + 1) * step)


def _short(edges: Floats) -> Floats:
    """Edges with few digits, as long as they still rise."""
    short = np.array([float(f"{edge:.{DIGITS}g}") for edge in edges.tolist()])
    return short if (np.diff(short) > 0).all() else edges
