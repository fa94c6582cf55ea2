"""Batches with any columns as Arrow tables in the layout of formats.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.parquet.writer import arrow_table


def batch_table(batch: WindowBatch, definition: FeaturesDefinition) -> Any:
    """A `pyarrow.Table` of the columns that the definition names; without `cl_h` when it names no hit component."""
    if definition.hits:
        return arrow_table(batch, definition)
    name, dtype, *_ = HIT_COMPONENTS[0]
    nothing = replace(batch, hits={name: np.zeros(0, dtype)}, hits_offsets=np.zeros_like(batch.hits_offsets))
    return arrow_table(nothing, replace(definition, hits=(0,))).drop_columns(["cl_h"])


def empty_batch(names: Collection[str]) -> WindowBatch:
    """A partial batch of no windows with the columns and hit components of these names."""
    kinds = {name: (column.level, column.dtype) for name, column in COLUMNS.items() if column.dtype != "str"}

    def columns(level: str) -> dict[str, np.ndarray[Any, Any]]:
        return {name: np.zeros(0, kind[1]) for name, kind in kinds.items() if name in names and kind[0] == level}

    offsets = np.zeros(1, np.int64)
    return WindowBatch(
        window_index=Text(offsets, np.zeros(0, np.uint8)),
        window=columns("window"),
        cluster={},
        pair=columns("cluster"),
        window_offsets=offsets,
        pair_cluster=offsets[:0],
        window_seed=offsets[:0],
        hits_offsets=offsets,
        hits={name: np.zeros(0, dtype) for name, dtype, *_ in HIT_COMPONENTS if name in names},
        events={},
    )
