"""Random batches that keep the promises of `WindowBatch`: what the tests of writers write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.schema import (
    CLUSTER_COLUMNS,
    COLUMNS,
    EVENT_COLUMNS,
    HIT_COMPONENTS,
    SECOND,
    SECOND_COLUMNS,
    SENTINEL,
    WINDOW_COLUMNS,
    Column,
)

PAIR_COLUMNS = frozenset({
    "is_seed", "is_calo_matched", "is_calo_matched_diffcalo", "is_calo_seed", "is_any_calo_seed", "in_scluster",
    "in_geom_mustache", "in_mustache", "other_calo_index", "cluster_deta", "cluster_dphi", "cluster_den_seed",
    "cluster_det_seed", "cluster_den_seed_log", "cluster_det_seed_log", "calo_simen_sig", "cluster_PUfrac",
})  # fmt: skip
"""The cluster columns that depend on the window, as `features.pair_columns` makes them."""


def random_values(rng: np.random.Generator, dtype: str, size: int) -> NDArray[Any]:
    """Values of a dtype, of many sizes and signs, with sentinels, zeros and the ends of the range among them."""
    if dtype == "bool":
        return rng.random(size) < 0.5
    if dtype.startswith("int"):
        ends = np.iinfo(dtype)
        usual = rng.integers(-400, 400, size)
        return np.where(rng.random(size) < 0.05, rng.choice([ends.min, ends.max, 0], size), usual).astype(dtype)
    usual = rng.lognormal(0, 2, size) * rng.choice([-1, 1], size)
    limits = np.finfo(dtype)
    unusual = rng.choice([0.0, -0.0, 3.0, SENTINEL, -1.0, 1e-5, 1e16, limits.max, limits.smallest_subnormal], size)
    return np.where(rng.random(size) < 0.2, unusual, usual).astype(dtype)


def text_column(texts: Sequence[str]) -> Text:
    """Strings as a `Text`."""
    pieces = [text.encode() for text in texts]
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    return Text(offsets, np.frombuffer(b"".join(pieces), dtype=np.uint8))


def texts_of(column: Text) -> list[str]:
    """A `Text` as strings."""
    data = column.data.tobytes()
    return [data[first:last].decode() for first, last in zip(column.offsets[:-1], column.offsets[1:], strict=True)]


def random_batch(
    rng: np.random.Generator, n_windows: int, *, n_clusters: int | None = None, mean_hits: float = 3.0,
    mean_more_clusters: float = 2.0, texts: Sequence[str] | None = None, second: str = "",
) -> WindowBatch:  # fmt: skip
    """Windows that share `n_clusters` input clusters (default: half of them more than there are windows).

    mean_hits : of a cluster (some have none); mean_more_clusters : of a window, beside the seed.
    second : the collection of superclusters that is read beside the first one
    """
    n_clusters = n_windows * 3 // 2 + 1 if n_clusters is None else n_clusters
    sizes = 1 + rng.poisson(mean_more_clusters, n_windows)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    hits_offsets = np.concatenate([[0], np.cumsum(rng.poisson(mean_hits, n_clusters))]).astype(np.int64)
    pair_cluster = rng.integers(0, max(n_clusters, 1), int(offsets[-1]))

    def columns(which: Sequence[Column], size: int) -> dict[str, NDArray[Any]]:
        return {column.name: random_values(rng, column.dtype, size) for column in which}

    batch = WindowBatch(
        window_index=text_column([f"ele_{i}_é" for i in range(n_windows)] if texts is None else texts),
        window=columns(WINDOW_COLUMNS[1:], n_windows),
        cluster=columns([column for column in CLUSTER_COLUMNS if column.name not in PAIR_COLUMNS], n_clusters),
        pair=columns([column for column in CLUSTER_COLUMNS if column.name in PAIR_COLUMNS], len(pair_cluster)),
        window_offsets=offsets,
        pair_cluster=pair_cluster,
        window_seed=pair_cluster[offsets[:-1]],
        hits_offsets=hits_offsets,
        hits={name: random_values(rng, dtype, int(hits_offsets[-1])) for name, dtype, *_ in HIT_COMPONENTS},
        events={name: random_values(rng, "int64", n_windows // 2) for name in EVENT_COLUMNS},
    )
    more = SECOND_COLUMNS.get(second, ())
    of_windows = columns([column for column in more if column.level == "window"], n_windows)
    of_pairs = columns([column for column in more if column.level == "cluster"], len(pair_cluster))
    return replace(batch, window=dict(batch.window) | of_windows, pair=dict(batch.pair) | of_pairs)


def part_of(batch: WindowBatch, first: int, last: int) -> WindowBatch:
    """The windows `first` to `last` of a batch, all its clusters, and no events."""
    offsets = batch.window_offsets[first : last + 1]
    pairs = slice(offsets[0], offsets[-1])
    return WindowBatch(
        window_index=text_column(texts_of(batch.window_index)[first:last]),
        window={name: column[first:last] for name, column in batch.window.items()},
        cluster=batch.cluster,
        pair={name: column[pairs] for name, column in batch.pair.items()},
        window_offsets=offsets - offsets[0],
        pair_cluster=batch.pair_cluster[pairs],
        window_seed=batch.window_seed[first:last],
        hits_offsets=batch.hits_offsets,
        hits=batch.hits,
        events={name: column[:0] for name, column in batch.events.items()},
    )


def check_batch(batch: WindowBatch) -> None:
    """Assert the promises of `WindowBatch`: all columns there, right dtypes and lengths."""
    n_windows, n_pairs, n_clusters = len(batch), len(batch.pair_cluster), len(batch.hits_offsets) - 1
    assert len(batch.window_index) == n_windows
    for name, column in COLUMNS.items():
        if column.dtype == "str":
            continue
        homes = [part for part in (batch.window, batch.cluster, batch.pair) if name in part]
        if name in SECOND and not homes:
            continue
        assert len(homes) == 1, f"{name} is in {len(homes)} parts"
        length = n_windows if homes[0] is batch.window else n_pairs if homes[0] is batch.pair else n_clusters
        array = homes[0][name]
        assert array.shape == (length,) and array.dtype == np.dtype(column.dtype), (name, array.shape, array.dtype)
        if array.dtype.kind == "f":
            assert np.isfinite(array).all(), f"{name} is not finite"
    for name, dtype, _, _ in HIT_COMPONENTS:
        assert batch.hits[name].dtype == np.dtype(dtype) and len(batch.hits[name]) == batch.hits_offsets[-1]
    assert batch.window_offsets[-1] == n_pairs and len(batch.window_seed) == n_windows
