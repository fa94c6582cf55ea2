"""Padded batches, window by window, as the docstrings of `training/padding.py` state them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.batch import WindowBatch


def placed(batch: WindowBatch, window: int, places: int, *, seed_first: bool) -> list[tuple[int, int]]:
    """Place and index of the clusters of a window that find a place; the seed is never cut."""
    pairs = list(range(batch.window_offsets[window], batch.window_offsets[window + 1]))
    seed = [pair for pair in pairs if batch.pair_cluster[pair] == batch.window_seed[window]]
    others = [pair for pair in pairs if pair not in seed]
    if seed_first:
        pairs = seed + others
    elif seed and pairs.index(seed[0]) >= places:
        pairs = others[: places - 1] + seed
    return list(enumerate(pairs[:places]))


def padded(batch: WindowBatch, rows: list[int], clusters: int, hits: int, names: Any, *, seed_first: bool) -> Any:
    """Features, labels, mask, hits and mask of hits of windows, and how many clusters and hits are cut."""
    n, components = len(rows), [batch.hits[name] for name in names.components]
    features = np.zeros((n, clusters, len(names.cl_features)), np.float32)
    labels = np.zeros((n, clusters, len(names.cl_labels)), np.bool_)
    mask = np.zeros((n, clusters), np.bool_)
    cl_hits, hit_mask = np.zeros((n, clusters, hits, len(components)), np.float32), np.zeros((n, clusters, hits), bool)
    clusters_cut = hits_cut = 0
    for i, window in enumerate(rows):
        found = placed(batch, window, clusters, seed_first=seed_first)
        clusters_cut += int(batch.window_offsets[window + 1] - batch.window_offsets[window]) - len(found)
        for place, pair in found:
            mask[i, place] = True
            features[i, place] = [batch.column(name)[pair] for name in names.cl_features]
            labels[i, place] = [batch.column(name)[pair] for name in names.cl_labels]
            its = range(batch.hits_offsets[pair], batch.hits_offsets[pair + 1])
            hits_cut += max(len(its) - hits, 0) if hits else 0
            for j, hit in enumerate(its[:hits]):
                hit_mask[i, place, j] = True
                cl_hits[i, place, j] = [column[hit] for column in components]
    return features, labels, mask, cl_hits, hit_mask, clusters_cut, hits_cut
