"""From a scan to a map of thresholds: each bin's best where it is significant, else what its neighbours have.

A bin's cost of a threshold is the square of how many standard deviations its resolution lies above the bin's best
(that of the difference, from the bootstrap: both change together). Two neighbours that differ by a factor 10^STIFFNESS
cost 1 more, as much as one standard deviation in one bin; so does a bin that lies a factor 10^REACH from the flat 1e-3.
The map is the one of least cost in which no two neighbours differ by more than a factor 3. So a step, and a way from
1e-3, must be paid for by the resolution. Thin and empty bins have no cost of their own: they lie on the surface of the
others. Errors: the whole is done again with each bootstrap round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.errors import InputError
from ecalwindows.kernels.smoothing import smooth_levels
from ecalwindows.studies.caloparticles import FLAT, Flags, Index, Numbers
from ecalwindows.studies.threshold_scan import Scan, best_levels

STIFFNESS = 0.3
"""Decades between neighbours that cost as much as one standard deviation."""
REACH = 1.0
"""Decades from the flat 1e-3 that cost a bin as much as one standard deviation."""
MOST_FACTOR = 3.0
FLOOR = 0.1
"""Differences of resolution below this share of its own error are as good as none."""
SWEEPS = 200
MIN_ENTRIES = 50


@dataclass(frozen=True)
class ThresholdMap:
    """Thresholds of all bins, (n_bins,) each, row by row.

    level : int64, the map as index of the scan's thresholds; threshold : float64
    low, high : float64, the map a standard deviation below and above: the wider of what the bootstrap rounds say and
        of where the bin, its neighbours as they are, costs 1 more
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
    near_low, near_high = _given_neighbours(scan, cost, levels[0])
    best_low, best_high = _ends(own[:, 1:].T, scan.thresholds, own[:, 0])
    thin = np.where(is_thin, np.nan, 1.0)
    return ThresholdMap(
        level=levels[0],
        threshold=scan.thresholds[levels[0]],
        low=np.minimum(low, near_low),
        high=np.maximum(high, near_high),
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
    cost = cost + _pull(scan.thresholds)
    stiffness, most = _springs(scan)
    levels: NDArray[np.int64] = smooth_levels(
        cost.reshape(*scan.bins.shape, -1), int(best_levels(cost.sum(axis=0))), stiffness, most, SWEEPS
    )
    return levels.ravel()


def _pull(thresholds: Numbers) -> Numbers:
    """What it costs to be away from the flat 1e-3, float64 (n_thresholds,)."""
    pull: Numbers = (np.log10(thresholds / FLAT) / REACH) ** 2
    return pull


def _springs(scan: Scan) -> tuple[float, int]:
    """Cost of one step of the scan between neighbours, and the most steps."""
    step = float(np.log10(scan.thresholds[1] / scan.thresholds[0]))
    return (step / STIFFNESS) ** 2, int(np.floor(np.log10(MOST_FACTOR) / step + 1e-9))


def _given_neighbours(scan: Scan, cost: Numbers, levels: Index) -> tuple[Numbers, Numbers]:
    """Thresholds around the map's at which a bin costs 1 more, its neighbours left as they are. float64 (n_bins,)."""
    stiffness, _ = _springs(scan)
    padded = np.pad(levels.reshape(scan.bins.shape).astype(np.float64), 1, constant_values=np.nan)
    place = np.arange(cost.shape[1])
    total = cost + _pull(scan.thresholds)
    for beside in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        total += np.nan_to_num(stiffness * (place - beside.reshape(-1, 1)) ** 2)
    too_much = total > np.take_along_axis(total, levels[:, None], axis=1) + 1
    below, above = too_much & (place < levels[:, None]), too_much & (place > levels[:, None])
    last = len(place) - 1
    low = np.where(below.any(axis=1), last - np.argmax(below[:, ::-1], axis=1), 0)
    high = np.where(above.any(axis=1), np.argmax(above, axis=1), last)
    return scan.thresholds[low], scan.thresholds[high]


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
