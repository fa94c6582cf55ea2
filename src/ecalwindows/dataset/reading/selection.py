"""Which windows of a dataset are requested: exact by window, and a quick check that skips complete row groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.schema import SENTINEL


@dataclass(frozen=True)
class Selection:
    """Limits on windows; None is no limit. Lower ends are included, upper ends are not, as in bins.

    et : raw Et of the seed (`et_seed`) [GeV]; eta : absolute eta of the seed (`seed_eta`)
    matched : whether the seed is matched to a caloparticle
    A seed without a number (-999) passes no limit on that number.
    """

    et_min: float | None = None
    et_max: float | None = None
    eta_min: float | None = None
    eta_max: float | None = None
    matched: bool | None = None

    @property
    def text(self) -> str:
        """The limits as arguments of `filter`, for example "et_min=5.0, matched=True"."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)

    @property
    def columns(self) -> frozenset[str]:
        """Names of the columns that it looks at."""
        limits = {"et_seed": (self.et_min, self.et_max), "seed_eta": (self.eta_min, self.eta_max)}
        names = {name for name, ends in limits.items() if ends != (None, None)}
        return frozenset(names | ({"is_seed_calo_matched"} if self.matched is not None else set()))

    def passing(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Whether each window passes, bool (n_windows,); compared in float64 with the stored values."""
        keep = np.ones(len(next(iter(columns.values()))), dtype=bool)
        if "et_seed" in self.columns:
            keep &= _inside(columns["et_seed"], self.et_min, self.et_max)
        if "seed_eta" in self.columns:
            eta = columns["seed_eta"]
            keep &= _inside(np.where(eta == SENTINEL, eta, np.abs(eta)), self.eta_min, self.eta_max)
        if self.matched is not None:
            keep &= columns["is_seed_calo_matched"] == self.matched
        return keep

    def may_pass(self, ranges: Mapping[str, tuple[float, float]]) -> bool:
        """Whether some window can pass where the columns have these least and largest values."""
        least, largest = ranges.get("et_seed", (-np.inf, np.inf))
        possible = _overlap(least, largest, self.et_min, self.et_max)
        low, high = ranges.get("seed_eta", (-np.inf, np.inf))
        nearest = 0.0 if low <= 0.0 <= high else min(abs(low), abs(high))
        possible &= _overlap(nearest, max(abs(low), abs(high)), self.eta_min, self.eta_max)
        no, yes = ranges.get("is_seed_calo_matched", (0.0, 1.0))
        return possible and (self.matched is None or no <= float(self.matched) <= yes)


def _inside(values: NDArray[Any], low: float | None, high: float | None) -> NDArray[np.bool_]:
    values = values.astype(np.float64)
    keep: NDArray[np.bool_] = values != SENTINEL
    if low is not None:
        keep &= values >= low
    if high is not None:
        keep &= values < high
    return keep


def _overlap(least: float, largest: float, low: float | None, high: float | None) -> bool:
    return (low is None or largest >= low) and (high is None or least < high)
