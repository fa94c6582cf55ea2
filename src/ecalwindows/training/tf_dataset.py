"""A stream as a dataset of TensorFlow. Imported only where TensorFlow is used (`adaptors.tf_dataset`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from ecalwindows.core.errors import SettingsError, near
from ecalwindows.training.stream import Stream
from ecalwindows.training.tensors import arrays_of

MASKS = ("cl_mask", "hit_mask")


def dataset_of(source: Stream, label: str | None) -> Any:
    """The `tf.data.Dataset` of `adaptors.tf_dataset`."""
    first = source.first()
    known = source.names.cl_labels
    if label is not None and "cl_mask" not in arrays_of(first):
        raise SettingsError(
            "labels of clusters without padding", expected="label=None with layout='flat'", where="tf_dataset",
            todo="add label=None",
        )  # fmt: skip
    if label is not None and label not in known:
        raise SettingsError(
            f"the data have no label '{label}'", expected=near(label, known), where="tf_dataset", todo="correct it"
        )

    def element(batch: Any) -> Any:
        arrays = arrays_of(batch)
        if label is None:
            return arrays
        labels, mask = arrays["cl_labels"][..., known.index(label)], arrays["cl_mask"].astype(np.float32)
        if "weights" in arrays:
            mask *= arrays["weights"][:, None]
        inputs = arrays.get("inputs") or {name: value for name, value in arrays.items() if name != "metadata"}
        return inputs, labels[..., None].astype(np.float32), mask

    begin = source.state()

    def elements() -> Iterator[Any]:
        nonlocal begin
        source.resume(begin)
        begin = begin | {"epoch": begin["epoch"] + 1, "position": 0}
        for batch in source.share(0, 1):
            yield element(batch)

    signature = _signature(element(first), source.has_one_shape)
    made = tf.data.Dataset.from_generator(elements, output_signature=signature)
    if begin["position"]:  # the first epoch has fewer elements than the others
        return made
    return made.apply(tf.data.experimental.assert_cardinality(len(source)))


def _signature(values: Any, has_one_shape: bool, name: str = "") -> Any:
    """The types and shapes of elements; axes that differ between batches have no size."""
    if isinstance(values, Mapping):
        return {each: _signature(value, has_one_shape, each) for each, value in values.items()}
    if isinstance(values, tuple):
        names = ("", "", MASKS[0])
        return tuple(_signature(value, has_one_shape, each) for value, each in zip(values, names, strict=True))
    shape = [None, *values.shape[1:]] if has_one_shape else [None] * values.ndim
    if not has_one_shape and values.ndim > 1 and name not in MASKS:
        shape[-1] = values.shape[-1]
    return tf.TensorSpec(shape, tf.as_dtype(values.dtype))
