"""A batch of a stream as plain arrays by name: what the adaptors for PyTorch and TensorFlow hand over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ecalwindows.core.errors import SettingsError
from ecalwindows.training.flat import FlatBatch
from ecalwindows.training.padding import PaddedBatch
from ecalwindows.training.transform import InputBatch

Nested = dict[str, Any]
"""Arrays by name, and dictionaries of them."""


def arrays_of(batch: PaddedBatch | FlatBatch | InputBatch | Mapping[str, Any]) -> Nested:
    """The arrays of a batch, without copies; a dictionary of arrays, which a transform returned, as it is.

    Returns
    -------
    dict
        For batches with an input definition `inputs` (the tensors by name), `cl_labels`, `cl_mask` (flat batches:
        `cl_offsets`, `hit_offsets`) and, where they are known, `weights`; for others all arrays by the names of their
        attributes. `metadata`: columns of windows by name, but none of text.

    Raises
    ------
    SettingsError : for anything else that a transform returned
    """
    if isinstance(batch, InputBatch):
        found: Nested = {"inputs": dict(batch), "cl_labels": batch.cl_labels}
        for name in ("cl_mask", "cl_offsets", "hit_offsets", "weights"):
            if getattr(batch, name) is not None:
                found[name] = getattr(batch, name)
    elif isinstance(batch, Mapping):
        return dict(batch)
    elif not isinstance(batch, PaddedBatch | FlatBatch):
        raise SettingsError(
            f"the transform returned an object of type {type(batch).__name__}",
            expected="a batch, or a dictionary of arrays by name", where="transform", todo="return one of these",
        )  # fmt: skip
    else:
        found = {name: value for name, value in vars(batch).items() if isinstance(value, np.ndarray)}
    return found | {"metadata": _numbers(batch.metadata)}


def _numbers(columns: Mapping[str, Any]) -> Nested:
    return {name: column for name, column in columns.items() if column.dtype != object}
