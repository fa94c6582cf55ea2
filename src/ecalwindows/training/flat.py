"""Windows as flat NumPy arrays with offsets: no padding, for graph networks and jagged tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Integers, Singles, offsets_of
from ecalwindows.training.kernels.gather import fill_flat, fill_flat_hits
from ecalwindows.training.padding import (
    NamedArrays,
    Padding,
    Pieces,
    columns_of_windows,
    rows_of,
)
from ecalwindows.training.sharing import empty


@dataclass(frozen=True, repr=False)
class FlatBatch(NamedArrays):
    """Some windows without padding; n = windows, c = their clusters, h = the hits of these.

    cl_features     : float32 (c, n_features), columns `names.cl_features`
    cl_labels       : bool (c, n_labels), columns `names.cl_labels`
    cl_offsets      : int64 (n + 1,), the clusters of window i are cl_offsets[i] to cl_offsets[i + 1]
    cl_hits         : float32 (h, n_components), columns `names.components`
    hit_offsets     : int64 (c + 1,), the hits of cluster j are hit_offsets[j] to hit_offsets[j + 1]
    seed_features   : float32 (n, n_features), columns `names.seed_features`
    window_features : float32 (n, n_features), columns `names.window_features`
    metadata        : by name, (n,) in their stored dtypes; window_index as str
    """

    names: Padding
    cl_features: Singles
    cl_labels: Flags
    cl_offsets: Integers
    cl_hits: Singles
    hit_offsets: Integers
    seed_features: Singles
    window_features: Singles
    metadata: Mapping[str, Array]

    def __len__(self) -> int:
        return len(self.cl_offsets) - 1

    def __repr__(self) -> str:
        """Shapes and dtypes of the arrays."""
        return self._text(len(self))


def lengths(pieces: Pieces, n: int) -> Integers:
    """Clusters of each window of a batch, int64 (n,)."""
    counts = np.zeros(n, np.int64)
    for source, rows, places in pieces:
        offsets = source.batch.window_offsets
        counts[places] = offsets[rows + 1] - offsets[rows]
    return counts


def max_hits(pieces: Pieces) -> int:
    """The largest number of hits of a cluster of a batch."""
    found = [0]
    for source, rows, _ in pieces:
        pair = rows_of(source.batch.window_offsets, rows)[2]
        counts = source.batch.hits_offsets[pair + 1] - source.batch.hits_offsets[pair]
        found.append(int(counts.max(initial=0)))
    return max(found)


def flat_batch(pieces: Pieces, n: int, padding: Padding) -> FlatBatch:
    """A batch of n windows from pieces of sources, in the order of their places."""
    cl_offsets = offsets_of(lengths(pieces, n))
    c = int(cl_offsets[-1])
    features = empty((c, len(padding.cl_features)), np.float32)
    labels = empty((c, len(padding.cl_labels)), np.bool_)
    hit_counts = np.zeros(c, np.int64)
    for source, rows, places in pieces:
        fill_flat(
            source.batch.window_offsets, source.cl_features, source.cl_labels, source.batch.hits_offsets, rows, places,
            cl_offsets, features, labels, hit_counts,
        )  # fmt: skip
    hit_offsets = offsets_of(hit_counts if padding.components else np.zeros_like(hit_counts))
    hits = empty((int(hit_offsets[-1]), len(padding.components)), np.float32)
    for source, rows, places in pieces if padding.components else ():
        fill_flat_hits(
            source.batch.window_offsets, source.batch.hits_offsets, source.hits, rows, places, cl_offsets, hit_offsets,
            hits,
        )  # fmt: skip
    return FlatBatch(
        names=padding, cl_features=features, cl_labels=labels, cl_offsets=cl_offsets, cl_hits=hits,
        hit_offsets=hit_offsets, **columns_of_windows(pieces, n, padding),
    )  # fmt: skip
