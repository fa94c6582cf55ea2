"""Signed or absolute values, distinguished although the numbers are those of another sample.

Two samples differ most in how many clusters their windows hold. Each hypothesis is therefore tried on the dataset with
its windows weighted by their number of clusters n: by exp(slope x n), and with one more factor for a single cluster.
The weights that fit the stated means and widths best are taken for each hypothesis; then their distances are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ecalwindows.core.arrays import Floats, Integers
from ecalwindows.studies.parity.forms import ABSOLUTE, ANGLES, FED, Name
from ecalwindows.studies.parity.scalers import Stated

SIZES = 30
"""Windows with this number of clusters or more are taken together."""

NEARER = 0.9
"""One of the two is named if its distance is below this share of that of the other."""

FAR = 3.0
"""Distance from a constant."""

Key = tuple[str, str, str]
"""Level, name and form of an input."""

_SLOPES, _SINGLES = (each.ravel() for each in np.meshgrid(np.linspace(-1.5, 1.5, 31), np.linspace(-4.0, 4.0, 41)))
_N = np.arange(SIZES)
_WEIGHTS = np.exp(_SLOPES[:, None] * (_N - 1.0) + np.where(_N == 1, _SINGLES[:, None], 0.0))


def is_angle(each: Stated) -> bool:
    """Whether an input is made of deta or dphi."""
    return (
        each.scaler == "MeanRms" and (each.name if each.level == "clusters" else each.name.partition("_")[2]) in ANGLES
    )


class BySize:
    """Number, sum and sum of squares of the inputs that are made of angles, by the number of clusters of the window."""

    def __init__(self, inputs: Sequence[Stated]) -> None:
        self._inputs = [each for each in inputs if is_angle(each)]
        self._sums: dict[Key, Floats] = {}

    def add(self, values: Mapping[Name, Mapping[str, Floats]], sizes: Integers) -> None:
        """Add the windows of a batch. sizes : clusters of each window, int64 (n_windows,)"""
        place = np.minimum(sizes, SIZES - 1)
        for each in self._inputs:
            at = np.repeat(place, sizes) if each.level == "clusters" else place
            for form in (FED, ABSOLUTE) if each.level == "windows" else (FED,):
                column = values[each.key][form]
                sums = np.stack([np.bincount(at, column**power, SIZES) for power in (0, 1, 2)])
                key = (*each.key, form)
                self._sums[key] = self._sums[key] + sums if key in self._sums else sums.astype(np.float64)

    def nearest(self) -> str | None:
        """The form of the windows' angles that is nearest: `FED` (signed) or `ABSOLUTE`; None where it is not clear."""
        if not any(each.level == "windows" for each in self._inputs) or not self._sums:
            return None
        signed, absolute = (self._distance(form) for form in (FED, ABSOLUTE))
        if min(signed, absolute) >= NEARER * max(signed, absolute):
            return None
        return ABSOLUTE if absolute < signed else FED

    def _distance(self, form: str) -> float:
        """Of the stated numbers from those of the dataset, with the best weights."""
        total = np.zeros(len(_WEIGHTS))
        for each in self._inputs:
            sums = self._sums[(*each.key, form if each.level == "windows" else FED)]
            n, first, second = sums @ _WEIGHTS.T
            mean = first / n
            width = np.sqrt(np.maximum(second / n - mean**2, 0.0))
            two = max(each.two, 1e-30)
            ratio = np.abs(np.log(np.where(width > 0, width, two) / two))
            total += np.abs(each.one - mean) / np.maximum(width, two) + np.where(width > 0, ratio, FAR)
        return float(total.min())
