"""Loops of `association.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel


@array_kernel
def owners(score_offsets: Any, score: Any, limit: float) -> Any:
    """For each row of scores: index of the largest one above `limit` (ties: lowest) and its value, else -1, -1."""
    n = len(score_offsets) - 1
    owner = np.full(n, -1, np.int64)
    best = np.full(n, -1.0)
    for row in range(n):
        start = score_offsets[row]
        highest = limit
        for i in range(start, score_offsets[row + 1]):
            if score[i] > highest:
                highest = score[i]
                owner[row] = i - start
                best[row] = highest
    return owner, best


@array_kernel
def main_clusters(cluster_offsets: Any, calo_offsets: Any, owner: Any, score: Any) -> Any:
    """For each caloparticle: the cluster (index over all events) it owns with the largest score, -1 if none."""
    main = np.full(calo_offsets[-1], -1, np.int64)
    for event in range(len(cluster_offsets) - 1):
        for cluster in range(cluster_offsets[event], cluster_offsets[event + 1]):
            if owner[cluster] >= 0:
                calo = calo_offsets[event] + owner[cluster]
                if calo >= calo_offsets[event + 1]:
                    continue  # a row of scores that is longer than the list of caloparticles
                if main[calo] < 0 or score[cluster] > score[main[calo]]:
                    main[calo] = cluster
    return main
