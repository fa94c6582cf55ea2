"""Bins in which weights are derived, given by the user or chosen from the windows.

Edges that are chosen have few digits, so that they are the same in JSON, tables and memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.core.errors import SettingsError
from ecalwindows.studies.binning import shortened
from ecalwindows.studies.reweighting.fit import Bins, Windows

ENDS = (0.001, 0.999)
"""Bins of equal width are between these quantiles, extended to round numbers."""

MAX_SINGLE = 15
"""If ncls has at most this number of values, each value has its own bin."""

Choice = int | tuple[float, ...]
"""A number of bins, or their edges."""


def parse_bins(text: str, option: str) -> Choice:
    """A number of bins (`10`) or edges (`0,10,50,100`). Raises SettingsError for other texts."""
    try:
        numbers = [float(word) for word in text.split(",")]
    except ValueError:
        raise _wrong(f"'{text}' is no list of numbers", option) from None
    if len(numbers) == 1 and 1 <= numbers[0] <= 1000 and numbers[0].is_integer():
        return int(numbers[0])
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)) or (np.diff(numbers) <= 0).any():
        raise _wrong(f"'{text}' gives no bins", option)
    return tuple(numbers)


def chosen_bins(windows: Sequence[Windows], et: Choice, eta: Choice, ncls: Choice, *, quantiles: bool) -> Bins:
    """The bins for these windows.

    Parameters
    ----------
    windows : of all flavours
    et, eta, ncls : numbers of bins, or edges
    quantiles : whether numbers of bins in Et and eta mean bins of equal contents, otherwise of equal width
    """
    make = equal_contents if quantiles else equal_width

    def edges(name: str, choice: Choice, of: Callable[[Floats, int], Floats]) -> Floats:
        values = np.concatenate([getattr(each, name) for each in windows])
        return of(values, choice) if isinstance(choice, int) else np.array(choice)

    return Bins(edges("et", et, make), edges("eta", eta, make), edges("ncls", ncls, integer_edges))


def equal_width(values: Floats, n: int) -> Floats:
    """Edges of n bins of equal width between round numbers, from 0 if the lowest values are near 0."""
    low, high = (float(end) for end in np.quantile(values, ENDS))
    step = 10.0 ** (math.floor(math.log10(high)) - 1) if high > 0 else 1.0
    low = 0.0 if 0 <= low < 0.05 * high else math.floor(low / step) * step
    return shortened(np.linspace(low, max(math.ceil(high / step) * step, low + step), n + 1))


def equal_contents(values: Floats, n: int) -> Floats:
    """Edges of at most n bins with about equal numbers of values."""
    edges = np.unique(shortened(np.quantile(values, np.linspace(0, 1, n + 1))))
    return edges if len(edges) > 1 else np.array([edges[0], edges[0] + 1])


def integer_edges(values: Floats, n: int) -> Floats:
    """Edges at integers: one bin per value if there are few values, else at most n bins of about equal contents."""
    low, high = (math.floor(end) for end in np.quantile(values, (0.0, ENDS[1]), method="higher"))
    if high - low <= max(MAX_SINGLE, n):
        return np.arange(low, high + 2, dtype=np.float64)
    return np.unique(np.concatenate([[low], np.ceil(np.quantile(values, np.linspace(0, 1, n + 1)[1:-1])), [high + 1]]))


def _wrong(found: str, option: str) -> SettingsError:
    return SettingsError(
        found, expected="a number of bins, or their edges, rising, with commas between", where=option,
        todo=f"write {option} 10 or {option} 0,10,50,100",
    )  # fmt: skip
