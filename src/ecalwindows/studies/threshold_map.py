"""From a scan to a map of thresholds: each bin's best where it is significant, else what its neighbours have.

A bin's cost of a threshold is the square of how many standard deviations its resolution lies above the bin's best
(that of the difference, from the bootstrap: both change together). The map is the one of least cost in which two
neighbours that differ by a factor 10^STIFFNESS cost 1 more, as much as one standard deviation in one bin; and no two
differ by more than a factor 3. So a step must be paid for by the bins on both sides of it. Thin and empty bins cost
nothing: they lie on the surface of the others. Errors: the whole is done again with each bootstrap round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.errors import InputError
from ecalwindows.kernels.smoothing import smooth_levels
from ecalwindows.studies.caloparticles import Flags, Index, Numbers
from ecalwindows.studies.threshold_scan import Scan, best_levels

STIFFNESS = 0.3
"""Decades between neighbours that cost as much as one standard deviation."""
MOST_FACTOR = 3.0
FLOOR = 0.1
"""Differences of resolution below this share of its own error are as good as none."""
SWEEPS = 200
MIN_ENTRIES = 50


@dataclass(frozen=True)
class ThresholdMap:
    """Thresholds of all bins, (n_bins,) each, row by row.

    level : int64, the map as index of the scan's thresholds; threshold : float64
    low, high : float64, the map a standard deviation below and above (16 % and 84 % of the bootstrap rounds)
    best, best_low, best_high : float64, the bin's own best threshold and its rounds; NaN in thin bins
    significance : float64, standard deviations by which the bin's own best is better than the map's threshold
    is_thin : bool, fewer entries than asked for: the value is that of the smooth surface
    """

    level: Index
    threshold: Numbers
    low: Numbers
    high: Numbers
    best: Numbers
    best_low: Numbers
    best_high: Numbers
    significance: Numbers
    is_thin: Flags


def smooth_map(scan: Scan, *, min_entries: int = MIN_ENTRIES) -> ThresholdMap:
    """The map of a scan. Raises InputError where every bin is thin."""
    is_thin = (scan.entries < min_entries) | np.isnan(scan.resolution[:, :, 0]).any(axis=1)
    if is_thin.all():
        raise InputError(
            f"no bin has {min_entries} caloparticles (the fullest one has {scan.entries.max():,})",
            expected="enough for a scan", where="the tables",
            todo="give more tables, wider bins (--et-bins, --eta-bins) or a smaller --min-entries",
        )  # fmt: skip
    spread = _spreads(scan, is_thin)
    levels = np.stack([_solved(scan, is_thin, spread, b) for b in range(scan.resolution.shape[2])])
    own = best_levels(np.moveaxis(scan.resolution, 1, 0))
    cost = _cost(scan.resolution[:, :, 0], spread, is_thin)
    low, high = _ends(levels[1:], scan.thresholds, levels[0])
    best_low, best_high = _ends(own[:, 1:].T, scan.thresholds, own[:, 0])
    thin = np.where(is_thin, np.nan, 1.0)
    return ThresholdMap(
        level=levels[0],
        threshold=scan.thresholds[levels[0]],
        low=low,
        high=high,
        best=scan.thresholds[own[:, 0]] * thin,
        best_low=best_low * thin,
        best_high=best_high * thin,
        significance=np.sqrt(np.take_along_axis(cost, levels[0][:, None], axis=1)[:, 0]) * thin,
        is_thin=is_thin,
    )


def _spreads(scan: Scan, is_thin: Flags) -> Numbers:
    """Standard deviation of each threshold's resolution minus the best's, float64 (n_bins, n_thresholds)."""
    spread = np.ones(scan.resolution.shape[:2])
    for number in np.flatnonzero(~is_thin):
        rounds = scan.resolution[number, :, 1:]
        best = best_levels(scan.resolution[number, :, 0])
        own = np.nanstd(rounds[best])
        spread[number] = np.sqrt(np.nanvar(rounds - rounds[best], axis=1) + (FLOOR * own) ** 2)
    return np.maximum(spread, np.finfo(float).tiny)


def _cost(resolution: Numbers, spread: Numbers, is_thin: Flags) -> Numbers:
    """Squared deviations of each threshold from the bin's best, float64 (n_bins, n_thresholds); 0 in thin bins."""
    usable = np.where(np.isnan(resolution), np.inf, resolution)
    usable[is_thin] = 0.0
    apart: Numbers = np.minimum((usable - usable.min(axis=1, keepdims=True)) / spread, 1e6) ** 2
    return apart


def _solved(scan: Scan, is_thin: Flags, spread: Numbers, number: int) -> Index:
    """The map of one bootstrap round (0: the sample itself), int64 (n_bins,)."""
    resolution = scan.resolution[:, :, number]
    cost = _cost(resolution, spread, is_thin | np.isnan(resolution).all(axis=1))
    step = float(np.log10(scan.thresholds[1] / scan.thresholds[0]))
    levels: NDArray[np.int64] = smooth_levels(
        cost.reshape(*scan.bins.shape, -1),
        int(best_levels(cost.sum(axis=0))),
        (step / STIFFNESS) ** 2,
        int(np.floor(np.log10(MOST_FACTOR) / step + 1e-9)),
        SWEEPS,
    )
    return levels.ravel()


def _ends(levels: NDArray[np.int64], thresholds: Numbers, middle: Index) -> tuple[Numbers, Numbers]:
    """16 % and 84 % of the rounds' thresholds; never less than half a step of the scan from the value itself.

    levels : int64 (n_rounds, n_bins). float64 (n_bins,) each.
    """
    half = float(np.log10(thresholds[1] / thresholds[0])) / 2
    value = np.log10(thresholds[middle])
    if not len(levels):
        return 10 ** (value - half), 10 ** (value + half)
    low, high = np.quantile(np.log10(thresholds)[levels], (0.16, 0.84), axis=0)
    return 10 ** np.minimum(low, value - half), 10 ** np.maximum(high, value + half)


def largest_step(threshold: Numbers) -> float:
    """The largest factor between two neighbours of a map, float64 (n, m)."""
    logs = np.log10(threshold)
    steps = [np.abs(np.diff(logs, axis=axis)).max(initial=0.0) for axis in (0, 1)]
    return float(10 ** max(steps))
