"""Batches hold what the slow reference implementation holds, whatever is cut and wherever the seed is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from helpers.batches import random_batch
from reference.padding import padded

from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.training.flat import flat_batch
from ecalwindows.training.kernels.gather import clear_padded
from ecalwindows.training.padding import gathering_source, padded_batch, padding_of

N = 40
COLUMNS = ["et_cluster", "cluster_deta", "is_seed", "seed_eta", "max_dphi_cluster"]


def dataset_batch(seed: int) -> WindowBatch:
    """A batch as a dataset gives it: one value of each column per pair; seeds anywhere, or nowhere."""
    rng = np.random.default_rng(seed)
    made = random_batch(rng, N, mean_more_clusters=4.0, mean_hits=4.0)
    n = len(made.pair_cluster)
    again = random_batch(rng, N, n_clusters=n, mean_hits=4.0)
    sizes = np.diff(made.window_offsets)
    seeds = np.where(rng.random(N) < 0.1, -1, made.window_offsets[:-1] + rng.integers(0, sizes))
    pair = {name: column[made.pair_cluster] for name, column in made.cluster.items()} | dict(made.pair)
    return replace(
        made, pair=pair, cluster={}, pair_cluster=np.arange(n), window_seed=seeds, hits=again.hits,
        hits_offsets=again.hits_offsets,
    )  # fmt: skip


@pytest.mark.parametrize("seed_first", [False, True])
@pytest.mark.parametrize(("clusters", "hits"), [(1, 2), (3, 3), (5, 0), (20, 30)])
def test_padded_batches_are_those_of_the_reference(clusters: int, hits: int, seed_first: bool) -> None:
    batch = dataset_batch(clusters)
    padding = padding_of(features_definition(), clusters, hits, COLUMNS)
    source = replace(gathering_source(batch, padding), seed_first=seed_first)
    rows = np.random.default_rng(1).permutation(N)[:30]
    places = np.arange(30)
    got = padded_batch([(source, rows[:11], places[:11]), (source, rows[11:], places[11:])], 30, padding)
    expected = padded(batch, rows.tolist(), clusters, hits, padding, seed_first=seed_first)
    arrays: list[Any] = [got.cl_features, got.cl_labels, got.cl_mask, got.cl_hits, got.hit_mask]
    for array, other in zip(arrays, expected, strict=False):
        assert array.dtype == other.dtype and np.array_equal(array, other)
    assert (got.n_clusters_cut, got.n_hits_cut) == expected[-2:]
    assert clusters == 20 or got.n_clusters_cut > 0


@pytest.mark.parametrize(("clusters", "hits"), [(1, 2), (3, 3), (5, 0), (20, 30)])
def test_a_batch_that_is_cleared_is_all_zeros(clusters: int, hits: int) -> None:
    batch = dataset_batch(clusters)
    padding = padding_of(features_definition(), clusters, hits, COLUMNS)
    made = padded_batch([(gathering_source(batch, padding), np.arange(N), np.arange(N))], N, padding)
    arrays = (made.cl_mask, made.hit_mask, made.cl_features, made.cl_labels, made.cl_hits)
    assert made.cl_mask.any() and made.cl_features.any() and made.cl_hits.any() == (hits > 0)
    clear_padded(*arrays)
    assert not any(each.any() for each in arrays)


def test_columns_of_windows_are_at_the_places_of_their_windows() -> None:
    batch = dataset_batch(7)
    padding = padding_of(features_definition(), 2, 1, COLUMNS)
    source = gathering_source(batch, padding)
    rows, places = np.array([5, 3, 9]), np.array([2, 0, 1])
    for made in (padded_batch([(source, rows, places)], 3, padding), flat_batch([(source, rows, places)], 3, padding)):
        for name in ("seed_eta", "max_dphi_cluster", "event_id", "ncls"):
            assert made.column(name).dtype == batch.window[name].dtype
            assert np.array_equal(made.column(name)[places], batch.window[name][rows])
        assert made.metadata["window_index"].tolist() == ["ele_3_é", "ele_9_é", "ele_5_é"]
