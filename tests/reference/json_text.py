"""Reference implementation of the writers of NDJSON and of the event table: dicts and the json module."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from helpers.batches import texts_of

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import CLUSTER_COLUMNS, EVENT_COLUMNS, HIT_COMPONENTS, WINDOW_COLUMNS


def plain(value: Any) -> Any:
    """A value for Python's json module: a float32 becomes the float64 with the same shortest decimal."""
    return float(str(value)) if isinstance(value, np.float32) else value.item()


def hits(batch: WindowBatch, cluster: int) -> list[list[Any]]:
    rows = range(batch.hits_offsets[cluster], batch.hits_offsets[cluster + 1])
    return [[plain(batch.hits[name][row]) for name, *_ in HIT_COMPONENTS] for row in rows]


def cluster_object(batch: WindowBatch, pair: int) -> dict[str, Any]:
    cluster = batch.pair_cluster[pair]
    columns = {
        column.name: plain(
            batch.pair[column.name][pair] if column.name in batch.pair else batch.cluster[column.name][cluster]
        )
        for column in CLUSTER_COLUMNS
    }
    return columns | {"cl_hits": hits(batch, cluster)}


def window_objects(batch: WindowBatch) -> list[dict[str, Any]]:
    """The windows as Python objects, in the order of the fields."""
    texts = texts_of(batch.window_index)
    return [
        {"window_index": texts[window]}
        | {column.name: plain(batch.window[column.name][window]) for column in WINDOW_COLUMNS[1:]}
        | {
            "seed_hits": hits(batch, batch.window_seed[window]),
            "clusters": [
                cluster_object(batch, pair)
                for pair in range(batch.window_offsets[window], batch.window_offsets[window + 1])
            ],
        }
        for window in range(len(batch))
    ]


def ndjson(batch: WindowBatch) -> bytes:
    """The lines of a batch."""
    lines = (
        json.dumps(window, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        for window in window_objects(batch)
    )
    return "".join(line + "\n" for line in lines).encode()


def events_csv(batch: WindowBatch) -> bytes:
    """The event table of a batch, with its header."""
    rows = zip(*(batch.events[name].tolist() for name in EVENT_COLUMNS), strict=True)
    return "".join(";".join(map(str, row)) + "\n" for row in [tuple(EVENT_COLUMNS), *rows]).encode()
