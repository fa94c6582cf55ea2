"""What tests share with those of parquet_reader."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS
from ecalwindows.formats.parquet.definition import DEFAULT_HITS, FeaturesDefinition, features_definition
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.formats.parquet.shape import HIT_NAMES
from ecalwindows.formats.parquet.writer import ParquetWriter
from helpers.batches import random_batch, texts_of

DEFAULT = features_definition()
ALL_HITS = replace(DEFAULT, hits=(0, 1, 2, 3, 4, 5))
SIX, FOUR = HIT_NAMES, tuple(HIT_NAMES[i] for i in DEFAULT_HITS)


def tame_batch(n_windows: int = 40, seed: int = 3, **options: Any) -> WindowBatch:
    """A random batch whose hits are crystals that add up to their cluster, each window with one seed."""
    rng = np.random.default_rng(seed)
    batch = random_batch(rng, n_windows, **options)
    n = int(batch.hits_offsets[-1])
    numbers = {"ieta": rng.integers(1, 86, n), "iphi": rng.integers(1, 361, n), "iz": np.zeros(n)}
    numbers |= {"energy": rng.random(n), "fraction": rng.random(n)}
    numbers["energy_fraction"] = numbers["energy"] * numbers["fraction"]
    hits = {name: numbers[name].astype(batch.hits[name].dtype) for name in batch.hits}
    has_hits = np.diff(batch.hits_offsets) > 0
    owner = np.repeat(np.arange(len(has_hits)), np.diff(batch.hits_offsets))
    sums = np.bincount(owner, hits["energy_fraction"], len(has_hits)).astype(np.float32)
    cluster = dict(batch.cluster) | {"en_cluster": np.where(has_hits, sums, batch.cluster["en_cluster"])}
    is_seed = np.isin(np.arange(len(batch.pair_cluster)), batch.window_offsets[:-1])
    return replace(batch, hits=hits, cluster=cluster, pair=dict(batch.pair) | {"is_seed": is_seed})


BATCH = tame_batch()


def written(path: Path, definition: FeaturesDefinition = ALL_HITS, batch: WindowBatch = BATCH) -> Path:
    with ParquetWriter(path, definition, row_group=15) as writer:
        writer.write(batch)
    return path


def joined(path: Path, **options: Any) -> dict[str, Any]:
    """All that the batches of a file hold, put together."""
    batches = list(read_batches(path, **options))
    columns = {
        name: np.concatenate([part(b)[name] for b in batches])
        for part in (lambda b: b.window, lambda b: b.pair, lambda b: b.hits)
        for name in part(batches[0])
    }
    return columns | {
        "window_index": [text for b in batches for text in texts_of(b.window_index)],
        "clusters": np.concatenate([np.diff(b.window_offsets) for b in batches]),
        "n_hits": np.concatenate([np.diff(b.hits_offsets) for b in batches]),
        "seed_place": np.concatenate([b.window_seed - b.window_offsets[:-1] for b in batches]),
    }


def assert_is_the_batch(found: dict[str, Any], components: tuple[str, ...] = SIX, batch: WindowBatch = BATCH) -> None:
    """Every column of the default definition equals the batch's, dtype and bits."""
    for names in DEFAULT.groups.values():
        for name in names:
            if name == "window_index":
                assert found[name] == texts_of(batch.window_index)
                continue
            assert found[name].dtype == np.dtype(COLUMNS[name].dtype), name
            np.testing.assert_array_equal(found[name], batch.column(name), err_msg=name)
    np.testing.assert_array_equal(found["clusters"], np.diff(batch.window_offsets))
    np.testing.assert_array_equal(found["n_hits"], np.diff(batch.hits_offsets)[batch.pair_cluster])
    assert (found["seed_place"] == 0).all()
    rows = np.concatenate([np.arange(*batch.hits_offsets[c : c + 2]) for c in batch.pair_cluster])
    for name, dtype, *_ in HIT_COMPONENTS:
        assert (name in found) == (name in components)
        if name in components:
            assert found[name].dtype == np.dtype(dtype)
            np.testing.assert_array_equal(found[name], batch.hits[name][rows], err_msg=name)


def problem(path: Path) -> BadFileError:
    with pytest.raises(BadFileError) as caught:
        for _ in read_batches(path):
            pass
    assert caught.value.where == str(path)
    return caught.value
