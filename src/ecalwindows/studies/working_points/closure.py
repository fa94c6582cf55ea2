"""The effect of a map of thresholds on independent events: resolution by bin for four ways to select clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Integers
from ecalwindows.studies.kernels import resolution as kernels
from ecalwindows.studies.working_points.caloparticles import Bins, Sample, rows_by_bin
from ecalwindows.studies.working_points.threshold_scan import SEED, BinDone, in_threads, round_keys

WAYS = ("all", "flat", "map", "mustache")
"""All matched clusters in the window; those above a flat 1e-3; those above the map; the Mustache supercluster."""


@dataclass(frozen=True)
class Closure:
    """Results by bin. The last bin is for all bins together; there, each response is divided by the median of its bin.

    Attributes
    ----------
    entries : int64 (n_bins + 1,), number of caloparticles
    n_mustache : int64 (n_bins + 1,), number with a Mustache supercluster; only these count for the way "mustache"
    response : float64 (4, n_bins + 1, n_rounds + 1), median of the response: of the sample, then of bootstrap rounds
    resolution : float64 (4, n_bins + 1, n_rounds + 1), effective resolution
    kept : float64 (4, n_bins + 1), mean number of clusters kept; for the Mustache, of matched clusters in it
    """

    entries: Integers
    n_mustache: Integers
    response: Floats
    resolution: Floats
    kept: Floats

    def error(self, way: str) -> Floats:
        """Error of the resolution, float64 (n_bins + 1,)."""
        return spread(self.resolution[WAYS.index(way)])

    def change(self) -> tuple[Floats, Floats]:
        """Resolution with the map over that with flat 1e-3, minus 1, and its error, float64 (n_bins + 1,) each.

        Both resolutions use the same bootstrap rounds.
        """
        ratio = self._changes()
        return ratio[:, 0], spread(ratio)

    def _changes(self) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.resolution[WAYS.index("map")] / self.resolution[WAYS.index("flat")] - 1)

    def mean_change(self) -> tuple[float, float]:
        """Mean of the change of the resolution over all bins, weighted by entries, and its error; NaN if unknown."""
        ratio = self._changes()[:-1]
        usable = np.isfinite(ratio).all(axis=1) & (self.entries[:-1] > 1)
        weight = self.entries[:-1][usable]
        if not len(weight):
            return math.nan, math.nan
        means = weight @ ratio[usable] / weight.sum()
        return float(means[0]), float(np.std(means[1:]))


def spread(rounds: Floats) -> Floats:
    """Standard deviation over the bootstrap rounds, NaN if there are none.

    Parameters
    ----------
    rounds : float64 (n, n_rounds + 1), the sample itself, then the rounds

    Returns
    -------
    float64 (n,)
    """
    usable = np.isfinite(rounds[:, 1:]).sum(axis=1) > 1
    spread = np.full(len(rounds), np.nan)
    spread[usable] = np.nanstd(rounds[usable, 1:], axis=1)
    return spread


def closure(
    sample: Sample, chosen: Flags, bins: Bins, levels: Integers, flat: int, *, rounds: int, seed: int = SEED,
    done: BinDone | None = None,
) -> Closure:  # fmt: skip
    """Resolutions of the chosen caloparticles.

    Parameters
    ----------
    sample : caloparticles and their clusters
    chosen : bool (n,), the caloparticles to use
    bins : bins of Et and eta
    levels : int64 (n_bins,), levels of the map
    flat : level of flat 1e-3
    rounds, seed : number and seed of the bootstrap rounds
    done : called after each bin
    """
    n_bins, keys = bins.shape[0] * bins.shape[1], round_keys(rounds, seed)
    numbers = np.full((len(WAYS), n_bins + 1, 2, rounds + 1), np.nan)
    kept, relative = np.full((len(WAYS), n_bins + 1), np.nan), np.full((len(WAYS), len(sample)), np.nan)
    counts = np.full((len(WAYS), len(sample)), np.nan)
    by_bin = list(rows_by_bin(sample, chosen, n_bins))

    def close_bin(number: int) -> None:
        rows = by_bin[number]
        if not len(rows):
            return
        weights = kernels.poisson_weights(sample.key[rows], keys)
        for way in range(len(WAYS)):
            response, n_clusters = _response(sample, rows, way, flat, int(levels[number]))
            there = np.isfinite(response)
            counts[way, rows[there]] = n_clusters[there]
            if there.any():
                numbers[way, number] = kernels.resolutions(response[there], np.compress(there, weights, axis=1))
                kept[way, number] = n_clusters[there].mean()
                relative[way, rows[there]] = response[there] / numbers[way, number, 0, 0]

    in_threads(close_bin, n_bins, done)
    rows = np.flatnonzero(chosen)
    if len(rows):
        weights = kernels.poisson_weights(sample.key[rows], keys)
        for way in range(len(WAYS)):
            there = np.isfinite(relative[way, rows])
            if there.any():
                numbers[way, -1] = kernels.resolutions(relative[way, rows][there], np.compress(there, weights, axis=1))
                kept[way, -1] = counts[way, rows][there].mean()
    entries = np.array([len(each) for each in by_bin] + [len(rows)], dtype=np.int64)
    with_mustache = [int(np.isfinite(sample.mustache[each]).sum()) for each in [*by_bin, rows]]
    return Closure(entries, np.array(with_mustache, dtype=np.int64), numbers[:, :, 0], numbers[:, :, 1], kept)


def _response(sample: Sample, rows: Integers, way: int, flat: int, level: int) -> tuple[Floats, Integers]:
    """Energy over true energy, NaN if there is no supercluster, and number of clusters, (n_rows,) each."""
    if WAYS[way] == "mustache":
        return sample.mustache[rows] / sample.true_energy[rows], sample.n_mustache[rows]
    least = {"all": -1, "flat": flat, "map": level}[WAYS[way]]
    total, number = kernels.kept_energies(
        rows, sample.offsets, sample.energy, sample.level, np.full(len(rows), least, dtype=np.int64)
    )
    return total / sample.true_energy[rows], number
