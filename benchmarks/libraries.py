"""Time of two own functions beside those of libraries: libraries.py

- The order of clusters in their windows (a merge sort in a kernel) beside `np.lexsort`.
- Thresholds of a map from a TH2 (`np.searchsorted` in its bins) beside correctionlib alone.

A library within 1.25 x of our time would replace ours. One thread; least processor time of some rounds, after one round
that compiles the kernels.
"""

from typing import Any

import numpy as np
from timing import min_seconds

from ecalwindows.core.working_points import BinnedWorkingPoints, WorkingPoints
from ecalwindows.windowing.kernels.windows import order_in_groups

ROUNDS = 7


def order_of_clusters(rng: np.random.Generator, n_clusters: int) -> None:
    """Half a million clusters in events of `n_clusters`."""
    offsets = np.arange(0, 500_001, n_clusters)
    key = rng.lognormal(0, 2, int(offsets[-1]))
    every = np.ones(len(key), np.bool_)
    group = np.repeat(np.arange(len(offsets) - 1), n_clusters)

    def library() -> Any:
        return np.lexsort((-key, group))

    assert np.array_equal(order_in_groups(offsets, key, every), library())
    ours, theirs = (min_seconds(task, ROUNDS) for task in (lambda: order_in_groups(offsets, key, every), library))
    print(f"order, {n_clusters:4} clusters an event: ours {ours * 1e3:6.1f} ms, np.lexsort {theirs / ours:5.2f} x")


def thresholds(rng: np.random.Generator) -> None:
    """A million seeds in a map of 40 x 20 bins with contents of 17 digits."""
    et_edges, eta_edges = np.linspace(0, 100, 41), np.linspace(0, 3, 21)
    binned = BinnedWorkingPoints(rng.random((40, 20)), et_edges, eta_edges, "benchmark")
    alone = WorkingPoints(binned.text)
    et, eta = rng.uniform(0, 120, 1_000_000), rng.uniform(0, 3, 1_000_000)
    ours, theirs = (min_seconds(task, ROUNDS) for task in (lambda: binned(et, eta), lambda: alone(et, eta)))
    n_other = int((binned(et, eta) != alone(et, eta)).sum())
    print(f"thresholds: ours {ours * 1e3:6.1f} ms, correctionlib {theirs / ours:5.2f} x; {n_other:,} have other bits")


def main() -> None:
    """All of them."""
    rng = np.random.default_rng(1)
    for n_clusters in (10, 100, 1000):
        order_of_clusters(rng, n_clusters)
    thresholds(rng)


if __name__ == "__main__":
    main()
