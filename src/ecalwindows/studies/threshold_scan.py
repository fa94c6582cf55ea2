"""The scan of simFraction thresholds, bin by bin (truth.md): effective resolution with bootstrap rounds.

Bootstrap rounds weigh events by Poisson numbers that depend on the event and the round alone: the same events give the
same errors, whatever the files, and two ways to choose clusters are compared on the same draws.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.event_hash import splitmix64
from ecalwindows.kernels import resolution as kernels
from ecalwindows.studies.caloparticles import Bins, Flags, Index, Numbers, Sample, rows_by_bin

ROUNDS = 100
SEED = 0

BinDone = Callable[[], None]


@dataclass(frozen=True)
class Scan:
    """What came of the scan; bins row by row (n_bins,), the first along Et.

    entries : int64 (n_bins,), caloparticles
    response, resolution : float64 (n_bins, n_thresholds, n_rounds + 1), median and effective resolution; the sample
        itself first, then the bootstrap rounds; NaN in empty bins
    kept : float64 (n_bins, n_thresholds), mean number of clusters kept
    """

    bins: Bins
    thresholds: Numbers
    entries: Index
    response: Numbers
    resolution: Numbers
    kept: Numbers


def round_keys(rounds: int, seed: int = SEED) -> NDArray[np.uint64]:
    """A key for each bootstrap round, uint64 (n_rounds,)."""
    start = splitmix64(np.array([seed % 2**64], dtype=np.uint64))[0]
    return splitmix64(np.arange(rounds, dtype=np.uint64) ^ start)


def scanned(
    sample: Sample,
    chosen: Flags,
    bins: Bins,
    thresholds: Numbers,
    *,
    rounds: int = ROUNDS,
    seed: int = SEED,
    done: BinDone | None = None,
) -> Scan:
    """Scan the chosen caloparticles, bool (n,), in all bins."""
    n_bins, keys = bins.shape[0] * bins.shape[1], round_keys(rounds, seed)
    shape = (n_bins, len(thresholds))
    both, kept = np.full((*shape, 2, rounds + 1), np.nan), np.full(shape, np.nan)
    by_bin = list(rows_by_bin(sample, chosen, n_bins))

    def scan_bin(number: int) -> None:
        rows = by_bin[number]
        if len(rows):
            weights = kernels.poisson_weights(sample.key[rows], keys)
            both[number], kept[number] = kernels.scan(
                rows, sample.offsets, sample.energy, sample.level, sample.true_energy[rows], weights, len(thresholds)
            )

    in_threads(scan_bin, n_bins, done)
    entries = np.array([len(rows) for rows in by_bin], dtype=np.int64)
    return Scan(bins, thresholds, entries, both[:, :, 0], both[:, :, 1], kept)


def in_threads(work: Callable[[int], None], n: int, done: BinDone | None) -> None:
    """`work` of 0 .. n - 1 on all cores (kernels let go of Python's lock); what each writes is its own."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for _ in pool.map(work, range(n)):
            if done:
                done()


def best_levels(resolution: Numbers) -> Index:
    """The threshold of least resolution along the first axis, the middle one where several next to it are equal.

    resolution : float64 (n_thresholds, ...). int64 (...).
    """
    filled = np.where(np.isnan(resolution), np.inf, resolution)
    first = np.argmin(filled, axis=0)
    least = np.take_along_axis(filled, first[None], axis=0)
    place = np.arange(len(filled)).reshape(-1, *[1] * first.ndim)
    breaks = (filled != least) & (place > first)
    last = np.where(breaks.any(axis=0), np.argmax(breaks, axis=0), len(filled)) - 1
    middle: Index = (first + last) // 2
    return middle
