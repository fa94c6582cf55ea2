"""What a map of thresholds does to events that did not choose it: resolution by bin, of four ways to take clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.kernels import resolution as kernels
from ecalwindows.studies.caloparticles import Bins, Flags, Index, Numbers, Sample, rows_by_bin
from ecalwindows.studies.threshold_scan import SEED, BinDone, in_threads, round_keys

WAYS = ("all", "flat", "map", "mustache")
"""All matched clusters in the window; those above a flat 1e-3; above the map; the Mustache supercluster."""


@dataclass(frozen=True)
class Closure:
    """By bin, row by row, and in the last row all bins together (there each response is over the median of its bin).

    entries : int64 (n_bins + 1,); n_mustache : those with a Mustache supercluster, of which alone its numbers are
    response, resolution : float64 (4, n_bins + 1, n_rounds + 1), median and effective resolution, then rounds
    kept : float64 (4, n_bins + 1), mean number of clusters kept; for the Mustache the matched ones in it
    """

    entries: Index
    n_mustache: Index
    response: Numbers
    resolution: Numbers
    kept: Numbers

    def error(self, way: str) -> Numbers:
        """Error of the resolution, float64 (n_bins + 1,)."""
        return spread(self.resolution[WAYS.index(way)])

    def change(self) -> tuple[Numbers, Numbers]:
        """Resolution of the map over that of flat 1e-3, minus 1, and its error (same draws for both)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = self.resolution[WAYS.index("map")] / self.resolution[WAYS.index("flat")] - 1
        return ratio[:, 0], spread(ratio)

    def mean_change(self) -> tuple[float, float]:
        """The change of the resolution, mean over bins by entries, and its error."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = (self.resolution[WAYS.index("map")] / self.resolution[WAYS.index("flat")] - 1)[:-1]
        usable = np.isfinite(ratio).all(axis=1) & (self.entries[:-1] > 1)
        weight = self.entries[:-1][usable]
        means = weight @ ratio[usable] / max(weight.sum(), 1)
        return float(means[0]), float(np.std(means[1:])) if len(means) > 1 else 0.0


def spread(rounds: Numbers) -> Numbers:
    """Standard deviation over the rounds, NaN where there are none. (n, n_rounds + 1) -> (n,)."""
    usable = np.isfinite(rounds[:, 1:]).sum(axis=1) > 1
    spread = np.full(len(rounds), np.nan)
    spread[usable] = np.nanstd(rounds[usable, 1:], axis=1)
    return spread


def closure(
    sample: Sample, chosen: Flags, bins: Bins, levels: Index, flat: int, *, rounds: int, seed: int = SEED,
    done: BinDone | None = None,
) -> Closure:  # fmt: skip
    """Resolutions of the chosen caloparticles. levels : of the map, int64 (n_bins,); flat : level of flat 1e-3."""
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
                numbers[way, number] = kernels.resolutions(response[there], weights[:, there])
                kept[way, number] = n_clusters[there].mean()
                relative[way, rows[there]] = response[there] / numbers[way, number, 0, 0]

    in_threads(close_bin, n_bins, done)
    rows = np.flatnonzero(chosen)
    if len(rows):
        weights = kernels.poisson_weights(sample.key[rows], keys)
        for way in range(len(WAYS)):
            there = np.isfinite(relative[way, rows])
            if there.any():
                numbers[way, -1] = kernels.resolutions(relative[way, rows][there], weights[:, there])
                kept[way, -1] = counts[way, rows][there].mean()
    entries = np.array([len(each) for each in by_bin] + [len(rows)], dtype=np.int64)
    with_mustache = [int(np.isfinite(sample.mustache[each]).sum()) for each in [*by_bin, rows]]
    return Closure(entries, np.array(with_mustache, dtype=np.int64), numbers[:, :, 0], numbers[:, :, 1], kept)


def _response(sample: Sample, rows: Index, way: int, flat: int, level: int) -> tuple[Numbers, Index]:
    """Energy over true energy, NaN where there is none, and number of clusters."""
    if WAYS[way] == "mustache":
        return sample.mustache[rows] / sample.true_energy[rows], sample.n_mustache[rows]
    least = {"all": -1, "flat": flat, "map": level}[WAYS[way]]
    total, number = kernels.kept_energies(
        rows, sample.offsets, sample.energy, sample.level, np.full(len(rows), least, dtype=np.int64)
    )
    return total / sample.true_energy[rows], number
