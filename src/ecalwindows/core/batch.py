"""The batch that windowing makes and every writer takes: windows as flat columns and indices."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.schema import COLUMNS, HIT_DTYPES

Array = NDArray[Any]


@dataclass(frozen=True)
class Text:
    """A column of UTF-8 text: `data` uint8 (n_bytes,), `offsets` int64 (n_rows + 1,)."""

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one reading step. All arrays have the stored dtypes of `schema.COLUMNS`; no NaN, no infinity.

    window_index : the text column of that name, (n_windows,)
    window  : the other columns of level "window", shape (n_windows,)
    cluster : columns of level "cluster" that do not depend on the window, once per cluster of a window: (n_clusters,)
    pair    : the other columns of level "cluster", one row per (window, cluster), shape (n_pairs,)
    window_offsets : int64 (n_windows + 1,), rows of `pair` of each window
    pair_cluster   : int64 (n_pairs,), the cluster of each pair as index into `cluster`
    window_seed    : int64 (n_windows,), the seed as index into `cluster`
    hits_offsets   : int64 (n_clusters + 1,), rows of `hits` of each cluster
    hits           : the six components of `schema.HIT_COMPONENTS`, shape (n_hits,)
    events         : the counts of `schema.EVENT_COLUMNS`, shape (n_events,); an event without windows has a row too
    """

    window_index: Text
    window: Mapping[str, Array]
    cluster: Mapping[str, Array]
    pair: Mapping[str, Array]
    window_offsets: NDArray[np.int64]
    pair_cluster: NDArray[np.int64]
    window_seed: NDArray[np.int64]
    hits_offsets: NDArray[np.int64]
    hits: Mapping[str, Array]
    events: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return len(self.window_offsets) - 1

    @property
    def names(self) -> frozenset[str]:
        """Columns and hit components that it has, without window_index."""
        return frozenset({*self.window, *self.pair, *self.cluster, *self.hits})

    @property
    def held(self) -> frozenset[str]:
        """`names`, and window_index unless it is empty in all windows."""
        return self.names | ({"window_index"} if len(self.window_index.data) else frozenset[str]())

    @property
    def window_of_pair(self) -> NDArray[np.int64]:
        """The window of each (window, cluster) pair, int64 (n_pairs,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.window_offsets))

    def column(self, name: str) -> Array:
        """A column by name: shape (n_windows,) or, for clusters, (n_pairs,)."""
        if name in self.window:
            return self.window[name]
        if name in self.pair:
            return self.pair[name]
        return self.cluster[name][self.pair_cluster]


def partial_batch(
    window: Mapping[str, Array],
    pair: Mapping[str, Array],
    offsets: NDArray[np.int64],
    hits_offsets: NDArray[np.int64],
    hits: Mapping[str, Array],
    *,
    text: Text | None = None,
    is_seed: Array | None = None,
) -> WindowBatch:
    """Windows as readers give them: columns of clusters and hits once per (window, cluster).

    offsets : rows of `pair` of each window; hits_offsets : rows of `hits` of each pair, anything without `hits`
    text    : window_index, None where it is unknown; is_seed : bool (n_pairs,), None where it is unknown
    """
    n_pairs, seed = int(offsets[-1]), np.full(len(offsets) - 1, -1, np.int64)
    if is_seed is not None:
        rows = np.flatnonzero(is_seed)[::-1]  # of several in a window the first one is written last
        seed[np.searchsorted(offsets, rows, side="right") - 1] = rows
    return WindowBatch(
        window_index=no_text(len(seed)) if text is None else text,
        window=window,
        cluster={},
        pair=pair,
        window_offsets=offsets,
        pair_cluster=np.arange(n_pairs),
        window_seed=seed,
        hits_offsets=hits_offsets if hits else np.zeros(n_pairs + 1, np.int64),
        hits=hits,
        events={},
    )


def empty_batch(names: Collection[str]) -> WindowBatch:
    """A partial batch of no windows with the columns and hit components of these names."""
    columns = [column for column in COLUMNS.values() if column.name in names and column.dtype != "str"]
    window, pair = (
        {column.name: np.zeros(0, column.dtype) for column in columns if column.level == level}
        for level in ("window", "cluster")
    )
    hits = {name: np.zeros(0, dtype) for name, dtype in HIT_DTYPES.items() if name in names}
    return partial_batch(window, pair, np.zeros(1, np.int64), np.zeros(1, np.int64), hits)


def no_text(n: int) -> Text:
    """A column of n empty texts."""
    return Text(np.zeros(n + 1, np.int64), np.zeros(0, np.uint8))


def text_at(text: Text, row: int) -> str:
    """One of the texts."""
    return text.data[text.offsets[row] : text.offsets[row + 1]].tobytes().decode(errors="replace")


def window_sum(batch: WindowBatch, values: NDArray[Any]) -> NDArray[np.float64]:
    """Sum over the clusters of each window: from (n_pairs,) to (n_windows,)."""
    return np.bincount(batch.window_of_pair, values.astype(np.float64), minlength=len(batch)).astype(np.float64)
