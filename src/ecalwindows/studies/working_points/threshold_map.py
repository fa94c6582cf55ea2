"""From a scan to a map of thresholds: each bin's best threshold if it is significant, otherwise that of its neighbours.

The cost of a threshold in a bin is the square of (resolution - best resolution of the bin) over the standard deviation
of this difference, from the bootstrap. Two neighbours that differ by a factor 10^STIFFNESS add a cost of 1, like one
standard deviation in one bin; so does a bin that differs from the flat 1e-3 by a factor 10^REACH. The map has
the minimum cost of all maps in which neighbours differ by at most a factor 3. So a difference between neighbours, or
from 1e-3, needs a gain in resolution. Bins with few entries have no resolution cost: they follow their neighbours.
For the errors, a map is made from each bootstrap round.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Integers
from ecalwindows.core.errors import InputError
from ecalwindows.studies.kernels.smoothing import smooth_levels
from ecalwindows.studies.working_points.caloparticles import FLAT
from ecalwindows.studies.working_points.threshold_scan import Scan, best_levels

STIFFNESS = 0.3
"""Difference between neighbours [decades] that costs as much as one standard deviation."""
REACH = 1.0
"""Difference from the flat 1e-3 [decades] that costs as much as one standard deviation."""
MAX_FACTOR = 3.0
FLOOR = 0.1
"""Differences of the resolution far below this share of its error have almost no cost."""
SWEEPS = 200
MIN_ENTRIES = 50
MAX_THIN = 0.5
"""A map of which more bins are thin than this share is no map: most of it would follow from a few bins."""


@dataclass(frozen=True)
class ThresholdMap:
    """A map of thresholds, with its errors.

    Attributes
    ----------
    level : int64 (n_bins,), index of the threshold among those of the scan
    threshold : float64 (n_bins,)
    low, high : float64 (n_bins,), limits of one standard deviation: the wider of the range of the bootstrap rounds and
        of the range in which the bin costs at most 1 more while its neighbours are fixed
    best, best_low, best_high : float64 (n_bins,), the bin's own best threshold and the range of its bootstrap rounds;
        NaN in thin bins
    significance : float64 (n_bins,), standard deviations by which the own best is better than the map's threshold
    is_thin : bool (n_bins,), fewer entries than required; the threshold follows from the neighbours
    """

    level: Integers
    threshold: Floats
    low: Floats
    high: Floats
    best: Floats
    best_low: Floats
    best_high: Floats
    significance: Floats
    is_thin: Flags


def smooth_map(scan: Scan, *, min_entries: int = MIN_ENTRIES) -> ThresholdMap:
    """The map of a scan.

    Parameters
    ----------
    scan : resolutions by bin and threshold, with two rounds of the bootstrap or more
    min_entries : bins with fewer caloparticles are thin

    Raises
    ------
    InputError : if every bin is thin
    """
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


def map_problem(made: ThresholdMap, min_entries: int) -> str | None:
    """Why the map cannot be used; None if it can."""
    thin, n = int(made.is_thin.sum()), len(made.is_thin)
    if thin <= MAX_THIN * n:
        return None
    return f"{thin:,} of {n:,} bins have fewer than {min_entries} entries, and at most half of them may"


def _spreads(scan: Scan, is_thin: Flags) -> Floats:
    """Standard deviation of (resolution - best resolution) for each threshold, float64 (n_bins, n_thresholds)."""
    spread = np.ones(scan.resolution.shape[:2])
    for number in np.flatnonzero(~is_thin):
        rounds = scan.resolution[number, :, 1:]
        best = best_levels(scan.resolution[number, :, 0])
        own = np.nanstd(rounds[best])
        spread[number] = np.sqrt(np.nanvar(rounds - rounds[best], axis=1) + (FLOOR * own) ** 2)
    return np.maximum(spread, np.finfo(float).tiny)


def _cost(resolution: Floats, spread: Floats, is_thin: Flags) -> Floats:
    """Cost of the resolution of each threshold, float64 (n_bins, n_thresholds); 0 in thin bins."""
    usable = np.where(np.isnan(resolution), np.inf, resolution)
    usable[is_thin] = 0.0
    return np.asarray(np.minimum((usable - usable.min(axis=1, keepdims=True)) / spread, 1e6) ** 2)


def _solved(scan: Scan, is_thin: Flags, spread: Floats, number: int) -> Integers:
    """The map of one bootstrap round (0: the sample itself), int64 (n_bins,)."""
    resolution = scan.resolution[:, :, number]
    cost = _cost(resolution, spread, is_thin | np.isnan(resolution).all(axis=1))
    cost = cost + _pull(scan.thresholds)
    stiffness, most = _springs(scan)
    levels: Integers = smooth_levels(
        cost.reshape(*scan.bins.shape, -1), int(best_levels(cost.sum(axis=0))), stiffness, most, SWEEPS
    )
    return levels.ravel()


def _pull(thresholds: Floats) -> Floats:
    """Cost of the difference from the flat 1e-3, float64 (n_thresholds,)."""
    return np.asarray((np.log10(thresholds / FLAT) / REACH) ** 2)


def _springs(scan: Scan) -> tuple[float, int]:
    """Cost of one step of the scan between neighbours, and the maximum number of steps."""
    step = float(np.log10(scan.thresholds[1] / scan.thresholds[0]))
    return (step / STIFFNESS) ** 2, int(np.floor(np.log10(MAX_FACTOR) / step + 1e-9))


def _given_neighbours(scan: Scan, cost: Floats, levels: Integers) -> tuple[Floats, Floats]:
    """Thresholds below and above the map's at which a bin costs 1 more with fixed neighbours, float64 (n_bins,)."""
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


def _ends(levels: Integers, thresholds: Floats, middle: Integers) -> tuple[Floats, Floats]:
    """Quantiles 16 % and 84 % of the rounds' thresholds, at least half a step of the scan from the value itself.

    Parameters
    ----------
    levels : int64 (n_rounds, n_bins)
    thresholds : float64 (n_thresholds,), of the scan
    middle : int64 (n_bins,), level of the value

    Returns
    -------
    float64 (n_bins,) each
    """
    half = float(np.log10(thresholds[1] / thresholds[0])) / 2
    value = np.log10(thresholds[middle])
    low, high = np.quantile(np.log10(thresholds)[levels], (0.16, 0.84), axis=0)
    return 10 ** np.minimum(low, value - half), 10 ** np.maximum(high, value + half)


def largest_step(threshold: Floats) -> float:
    """The maximum factor between two neighbours of a map. threshold : float64 (n_et, n_eta)."""
    logs = np.log10(threshold)
    steps = [np.abs(np.diff(logs, axis=axis)).max(initial=0.0) for axis in (0, 1)]
    return float(10 ** max(steps))
