"""The scan of simFraction thresholds in each bin (docs/truth.md): effective resolution with bootstrap rounds.

Bootstrap rounds weight events with Poisson random numbers that depend only on the event and the round. So the same
events give the same errors for any files, and two ways to select clusters are compared with the same random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Integers, Words
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.event_hash import splitmix64
from ecalwindows.core.threads import usual_workers
from ecalwindows.studies.kernels import resolution as kernels
from ecalwindows.studies.working_points.caloparticles import Bins, Sample, rows_by_bin

ROUNDS = 100
SEED = 0

BinDone = Callable[[], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Scan:
    """Results of the scan.

    Attributes
    ----------
    bins : bins of Et and eta, in the order of `Bins.of`
    thresholds : float64 (n_thresholds,)
    entries : int64 (n_bins,), number of caloparticles
    response, resolution : float64 (n_bins, n_thresholds, n_rounds + 1), median response and effective resolution of the
        sample itself, then of the bootstrap rounds; NaN in empty bins
    kept : float64 (n_bins, n_thresholds), mean number of clusters kept
    """

    bins: Bins
    thresholds: Floats
    entries: Integers
    response: Floats
    resolution: Floats
    kept: Floats


def round_keys(rounds: int, seed: int = SEED) -> Words:
    """Keys of the bootstrap rounds, uint64 (n_rounds,). Raises SettingsError as `check_seed`."""
    check_seed(seed)
    start = splitmix64(np.array([seed], dtype=np.uint64))[0]
    return splitmix64(np.arange(rounds, dtype=np.uint64) ^ start)


def check_seed(seed: int) -> None:
    """Raise SettingsError for a seed of the bootstrap that is not one of its 2^64."""
    if not 0 <= seed < 2**64:
        raise SettingsError(
            f"the seed {seed} of the bootstrap", expected="0 to 2^64 - 1", where="--seed", todo="correct it"
        )


def scanned(
    sample: Sample,
    chosen: Flags,
    bins: Bins,
    thresholds: Floats,
    *,
    rounds: int = ROUNDS,
    seed: int = SEED,
    done: BinDone | None = None,
) -> Scan:
    """Scan the thresholds in all bins.

    Parameters
    ----------
    sample : caloparticles and their clusters
    chosen : bool (n,), the caloparticles to use
    bins : bins of Et and eta
    thresholds : float64 (n_thresholds,)
    rounds, seed : number and seed of the bootstrap rounds
    done : called after each bin
    """
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


def in_threads(work: Callable[[int], T], n: int, done: BinDone | None) -> list[T]:
    """What `work` gives for 0 to n - 1, made on all cores (kernels release Python's lock)."""
    with ThreadPoolExecutor(usual_workers()) as pool:
        found = []
        for each in pool.map(work, range(n)):
            found.append(each)
            if done:
                done()
    return found


def best_levels(resolution: Floats) -> Integers:
    """Index of the threshold with the best resolution; the middle one of several consecutive equal ones.

    Parameters
    ----------
    resolution : float64 (n_thresholds, ...)

    Returns
    -------
    int64 (...)
    """
    filled = np.where(np.isnan(resolution), np.inf, resolution)
    first = np.argmin(filled, axis=0)
    least = np.take_along_axis(filled, first[None], axis=0)
    place = np.arange(len(filled)).reshape(-1, *[1] * first.ndim)
    breaks = (filled != least) & (place > first)
    last = np.where(breaks.any(axis=0), np.argmax(breaks, axis=0), len(filled)) - 1
    return np.asarray((first + last) // 2)
