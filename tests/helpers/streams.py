"""Datasets of a few small files with uneven row groups, and streams of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows import Stream, open_dataset
from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.parquet.definition import DEFAULT_HITS, FeaturesDefinition, features_definition
from ecalwindows.formats.parquet.writer import ParquetWriter
from helpers.batches import random_batch

SIZES = {"ele": (70, 33, 51), "pho": (44, 29)}
FEW = {"et_cluster", "cluster_deta", "is_seed", "in_scluster", "et_seed", "ncls", "flavour", "window_index",
       "run_id", "lumi_id", "event_id"}  # fmt: skip
DEFINITION = FeaturesDefinition(
    {
        group: kept
        for group, names in features_definition().groups.items()
        if (kept := tuple(name for name in names if name in FEW))
    },
    DEFAULT_HITS,
)
"""Few columns, so that reading is quick."""
N = sum(map(sum, SIZES.values()))


def sample_batch(sample: str, first: int, n: int) -> WindowBatch:
    """Windows of a sample, numbered through; their values are usual sizes."""
    rng = np.random.default_rng(first)
    made = random_batch(rng, n, texts=[f"{sample}_1_1_{first + i}_0" for i in range(n)])
    flavour = np.full(n, 11 if sample == "ele" else 22, np.int32)
    window = dict(made.window) | {
        "event_id": np.arange(first, first + n), "flavour": flavour, "run_id": np.ones(n, np.int64),
        "lumi_id": np.ones(n, np.int64), "et_seed": rng.uniform(1, 100, n).astype(np.float32),
    }  # fmt: skip
    starts = made.window_offsets[:-1]
    pair = dict(made.pair) | {"is_seed": np.isin(np.arange(len(made.pair_cluster)), starts)}
    hits = {name: np.clip(column, -400, 400).astype(column.dtype) for name, column in made.hits.items()}
    return WindowBatch(**{**made.__dict__, "window": window, "pair": pair, "hits": hits})


def write(path: Path, batch: WindowBatch, row_group: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with ParquetWriter(path, DEFINITION, row_group=row_group) as writer:
        writer.write(batch)


def write_folder(place: Path, times: int = 1) -> Path:
    """Five files of two samples, with row groups of uneven sizes; times : as many windows."""
    first = 0
    for sample, sizes in SIZES.items():
        for number, n in enumerate(sizes):
            made = sample_batch(sample, first, times * n)
            write(place / f"{sample}-{number}.parquet", made, times * (13 + 4 * number))
            first += times * n
    return place


def made(folder: Path, size: int = 7, **settings: Any) -> Stream:
    return open_dataset(folder).stream(size, **{"memory": 0, "pool": 3, "pad_clusters": 6, "pad_hits": 4} | settings)


def digest(batches: Any) -> str:
    found = hashlib.sha256()
    for batch in batches:
        for array in (batch.cl_features, batch.cl_hits, batch.cl_labels, batch.window_features):
            found.update(array.tobytes())
        found.update(repr(batch.metadata["window_index"].tolist()).encode())
    return found.hexdigest()


def sequence_digest(batches: Iterable[Any], n: int) -> str:
    """Of the first n windows of batches, however they are cut into batches."""
    kept, missing = [], n
    for batch in batches:
        kept.append((batch, min(len(batch), missing)))
        missing -= kept[-1][1]
    assert not missing
    found = hashlib.sha256()
    for name in ("cl_features", "cl_mask", "cl_hits", "cl_labels", "seed_features", "window_features"):
        for batch, m in kept:
            found.update(getattr(batch, name)[:m].tobytes())
    for batch, m in kept:
        found.update("".join(f"{each};" for each in batch.metadata["window_index"][:m]).encode())
    return found.hexdigest()


KILLED_RUN = """
import json, os, signal, sys
from ecalwindows import open_dataset

stream = open_dataset(sys.argv[1]).stream(7, memory=0, pool=3, pad_clusters=6, pad_hits=4)
for number, batch in enumerate(stream):
    print(json.dumps(stream.state()), flush=True)
    if number == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
"""
