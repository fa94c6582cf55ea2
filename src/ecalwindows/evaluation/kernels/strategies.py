"""Loops of `evaluation/strategies.py`: the four ways from scores to superclusters.

Arguments that all loops share:

seed_offsets    : int64 (n_graphs + 1,), windows of each graph; a window belongs to one seed
cluster_offsets : int64 (n_graphs + 1,), clusters of each graph; the first clusters are the seeds
edge_offsets    : int64 (n_windows + 1,), edges of each window
cluster         : int64 (n_edges,), cluster of each edge, counted from 0 within its graph
score           : float32 (n_edges,), score of each edge; changed by the loops
own             : int64 (n_windows,), edge from each seed to itself, -1 without
threshold       : float32
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel

NO_EDGE = -1


@array_kernel
def own_edges(seed_offsets: Any, edge_offsets: Any, cluster: Any) -> Any:
    """Return the edge from each seed to itself, int64 (n_windows,), -1 without."""
    own = np.full(seed_offsets[-1], NO_EDGE, np.int64)
    for graph in range(len(seed_offsets) - 1):
        for window in range(seed_offsets[graph], seed_offsets[graph + 1]):
            for edge in range(edge_offsets[window], edge_offsets[window + 1]):
                if cluster[edge] == window - seed_offsets[graph]:
                    own[window] = edge
                    break
    return own


@kernel
def own_score(score: Any, own: Any, window: int) -> Any:
    """Return the score of a seed in its own window, 0 without such an edge."""
    return score[own[window]] if own[window] != NO_EDGE else np.float32(0.0)


@array_kernel
def keep_highest(seed_offsets: Any, cluster_offsets: Any, edge_offsets: Any, cluster: Any, score: Any) -> None:
    """Set all scores of a cluster that is no seed to 0 but the highest (ties: that of the first seed)."""
    best = np.empty(cluster_offsets[-1], np.int64)
    best[:] = NO_EDGE
    for graph in range(len(seed_offsets) - 1):
        first = cluster_offsets[graph]
        n_seeds = seed_offsets[graph + 1] - seed_offsets[graph]
        edges = range(edge_offsets[seed_offsets[graph]], edge_offsets[seed_offsets[graph + 1]])
        for edge in edges:
            place = first + cluster[edge]
            if cluster[edge] >= n_seeds and (best[place] == NO_EDGE or score[edge] > score[best[place]]):
                best[place] = edge
        for edge in edges:
            if cluster[edge] >= n_seeds and best[first + cluster[edge]] != edge:
                score[edge] = 0.0


@kernel
def disable_seeds(seed_offsets: Any, edge_offsets: Any, cluster: Any, score: Any, own: Any, threshold: Any) -> None:
    """Set all scores in the window of a seed to 0 that a seed before it takes as a cluster."""
    for graph in range(len(seed_offsets) - 1):
        first, n_seeds = seed_offsets[graph], seed_offsets[graph + 1] - seed_offsets[graph]
        for seed in range(n_seeds):
            if own_score(score, own, first + seed) < threshold:
                continue
            for edge in range(edge_offsets[first + seed], edge_offsets[first + seed + 1]):
                other = cluster[edge]
                if other >= n_seeds or other == seed or score[edge] <= threshold:
                    continue
                if own_score(score, own, first + other) > 0:
                    for inner in range(edge_offsets[first + other], edge_offsets[first + other + 1]):
                        score[inner] = 0.0


@array_kernel
def cascade(
    seed_offsets: Any, cluster_offsets: Any, edge_offsets: Any, cluster: Any, score: Any, own: Any, threshold: Any
) -> Any:
    """Give each seed, in order, the clusters at or above the threshold that no seed before it took.

    Returns
    -------
    counts : int64 (n_graphs,), superclusters of each graph
    windows : int64 (n_superclusters,), window of the seed
    offsets : int64 (n_superclusters + 1,)
    members : int64, cluster within the graph, in the order of the window
    """
    n_graphs, n_edges = len(seed_offsets) - 1, len(cluster)
    counts, windows = np.zeros(n_graphs, np.int64), np.empty(seed_offsets[-1], np.int64)
    offsets, members = np.zeros(seed_offsets[-1] + 1, np.int64), np.empty(n_edges, np.int64)
    taken = np.zeros(cluster_offsets[-1], np.bool_)
    n_found = n_members = 0
    for graph in range(n_graphs):
        place = cluster_offsets[graph]
        for window in range(seed_offsets[graph], seed_offsets[graph + 1]):
            if own[window] == NO_EDGE or taken[place + window - seed_offsets[graph]]:
                continue
            if score[own[window]] < threshold:
                continue
            for edge in range(edge_offsets[window], edge_offsets[window + 1]):
                if score[edge] >= threshold and not taken[place + cluster[edge]]:
                    members[n_members] = cluster[edge]
                    n_members += 1
                    taken[place + cluster[edge]] = True
            windows[n_found] = window
            n_found += 1
            offsets[n_found] = n_members
            counts[graph] += 1
    return counts, windows[:n_found].copy(), offsets[: n_found + 1].copy(), members[:n_members].copy()


@array_kernel
def collect_and_merge(
    seed_offsets: Any, cluster_offsets: Any, edge_offsets: Any, cluster: Any, score: Any, own: Any, threshold: Any
) -> Any:
    """Give each seed its clusters and those of the seeds that it takes; see `cascade` for what is returned."""
    n_graphs, n_edges = len(seed_offsets) - 1, len(cluster)
    counts, windows = np.zeros(n_graphs, np.int64), np.empty(seed_offsets[-1], np.int64)
    offsets, members = np.zeros(seed_offsets[-1] + 1, np.int64), np.empty(n_edges, np.int64)
    is_linked = np.zeros(n_edges, np.bool_)
    n_found = n_members = 0
    for graph in range(n_graphs):
        first, n_seeds = seed_offsets[graph], seed_offsets[graph + 1] - seed_offsets[graph]
        for edge in range(edge_offsets[first], edge_offsets[first + n_seeds]):
            is_linked[edge] = cluster[edge] < n_seeds and own_score(score, own, first + cluster[edge]) > 0
        for seed in range(n_seeds):
            if own_score(score, own, first + seed) < threshold or own[first + seed] == NO_EDGE:
                continue
            for edge in range(edge_offsets[first + seed], edge_offsets[first + seed + 1]):
                if score[edge] >= threshold and (cluster[edge] == seed or not is_linked[edge]):
                    members[n_members] = cluster[edge]
                    n_members += 1
            for edge in range(edge_offsets[first + seed], edge_offsets[first + seed + 1]):
                other = cluster[edge]
                if other == seed or not is_linked[edge] or score[edge] <= threshold:
                    continue
                if own_score(score, own, first + other) <= threshold:
                    continue
                for inner in range(edge_offsets[first + other], edge_offsets[first + other + 1]):
                    if score[inner] >= threshold and (cluster[inner] == other or not is_linked[inner]):
                        members[n_members] = cluster[inner]
                        n_members += 1
                score[own[first + other]] = 0.0
            score[own[first + seed]] = 0.0
            windows[n_found] = first + seed
            n_found += 1
            offsets[n_found] = n_members
            counts[graph] += 1
    return counts, windows[:n_found].copy(), offsets[: n_found + 1].copy(), members[:n_members].copy()
