"""Batches with any columns as Arrow tables in the layout of formats.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ecalwindows.core.batch import WindowBatch, partial_batch
from ecalwindows.core.schema import COLUMNS, HIT_DTYPES
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.parquet.writer import arrow_table


def batch_table(batch: WindowBatch, definition: FeaturesDefinition) -> Any:
    """A `pyarrow.Table` of the columns that the definition names; without `cl_h` when it names no hit component."""
    if definition.hits:
        return arrow_table(batch, definition)
    nothing = replace(batch, hits=empty_batch(HIT_DTYPES).hits, hits_offsets=np.zeros_like(batch.hits_offsets))
    return arrow_table(nothing, replace(definition, hits=(0,))).drop_columns(["cl_h"])


def empty_batch(names: Collection[str]) -> WindowBatch:
    """A partial batch of no windows with the columns and hit components of these names."""
    columns = [column for column in COLUMNS.values() if column.name in names and column.dtype != "str"]
    window, pair = (
        {column.name: np.zeros(0, column.dtype) for column in columns if column.level == level}
        for level in ("window", "cluster")
    )
    hits = {name: np.zeros(0, dtype) for name, dtype in HIT_DTYPES.items() if name in names}
    return partial_batch(window, pair, np.zeros(1, np.int64), np.zeros(1, np.int64), hits)
