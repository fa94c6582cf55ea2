"""A batch of a stream as plain arrays by name: what the adaptors for PyTorch and TensorFlow hand over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecalwindows.training.flat import FlatBatch
from ecalwindows.training.padding import PaddedBatch
from ecalwindows.training.transform import InputBatch

Nested = dict[str, Any]
"""Arrays by name, and dictionaries of them."""


def arrays_of(batch: PaddedBatch | FlatBatch | InputBatch) -> Nested:
    """The arrays of a batch, without copies.

    Returns
    -------
    dict
        For batches with an input definition `inputs` (the tensors by name), `cl_labels`, `cl_mask` (flat batches:
        `cl_offsets`, `hit_offsets`) and, where they are known, `weights`; for others all arrays by the names of their
        attributes. `metadata`: columns of windows by name, but none of text.
    """
    if isinstance(batch, InputBatch):
        found: Nested = {"inputs": dict(batch), "cl_labels": batch.cl_labels}
        for name in ("cl_mask", "cl_offsets", "hit_offsets", "weights"):
            if getattr(batch, name) is not None:
                found[name] = getattr(batch, name)
    else:
        found = {name: value for name, value in vars(batch).items() if isinstance(value, np.ndarray)}
    return found | {"metadata": _numbers(batch.metadata)}


def _numbers(columns: Mapping[str, Any]) -> Nested:
    return {name: column for name, column in columns.items() if column.dtype != object}
