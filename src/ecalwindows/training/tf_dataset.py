"""A stream as a dataset of TensorFlow. Imported only where TensorFlow is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ecalwindows.core.errors import MissingExtraError, SettingsError, near
from ecalwindows.training.flat import FlatBatch
from ecalwindows.training.stream import Stream, stream
from ecalwindows.training.tensors import arrays_of

try:
    import tensorflow as tf
except ImportError as error:
    raise MissingExtraError(
        "TensorFlow is not installed", expected="the extra tensorflow", where="tf_dataset",
        todo="pip install 'ecalwindows[tensorflow]'",
    ) from error  # fmt: skip


def tf_dataset(
    datasets: Any, batch_size: int | None = None, *, label: str | None = "in_scluster", **settings: Any
) -> Any:
    """A stream as a `tf.data.Dataset`, for `model.fit`.

    Parameters
    ----------
    datasets : a `Stream`, or what `ecalwindows.stream` takes
    batch_size, settings : those of `ecalwindows.stream`; not with a `Stream`
    label : the label of clusters that a model is to find. None: the elements are dictionaries of all arrays
        (`tensors.arrays_of`)

    Returns
    -------
    tf.data.Dataset
        Elements (inputs, labels, weights): inputs is a dictionary, of the tensors of the input definition or else of
        all arrays; labels float32 (n, c, 1); weights float32 (n, c), 0 where there is no cluster, else the weight of
        the window, or 1. Each iteration is an epoch, and its number of elements is known.

    Raises
    ------
    SettingsError, InputError : as `ecalwindows.stream`, and for a label that the data do not have
    MissingExtraError : if TensorFlow is not installed

    >>> data = ecalwindows.tf_dataset("windows.parquet", 512, seed=1, inputs="inputs.yaml")
    >>> model.fit(data.prefetch(2), epochs=3)
    """
    source = datasets if isinstance(datasets, Stream) else None
    if source is None:
        if batch_size is None:
            raise SettingsError(
                "there is no batch_size", expected="windows of a batch", where="tf_dataset", todo="add it"
            )
        source = stream(datasets, batch_size, **settings)
    elif batch_size is not None or settings:
        raise SettingsError(
            "a stream and settings", expected="one of them", where="tf_dataset", todo="give them to stream()"
        )
    first = source.first()
    if label is not None:
        if isinstance(first, FlatBatch):
            raise SettingsError(
                "labels of clusters without padding", expected="label=None with layout='flat'", where="tf_dataset",
                todo="add label=None",
            )  # fmt: skip
        known = source.names.cl_labels
        if label not in known:
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

    def elements() -> Iterator[Any]:
        for batch in source:
            yield element(batch)

    signature = _signature(element(first), source.has_one_shape)
    made = tf.data.Dataset.from_generator(elements, output_signature=signature)
    return made.apply(tf.data.experimental.assert_cardinality(len(source)))


MASKS = ("cl_mask", "hit_mask")


def _signature(values: Any, has_one_shape: bool, name: str = "") -> Any:
    """The types and shapes of elements; axes that differ between batches have no size."""
    if isinstance(values, Mapping):
        return {each: _signature(value, has_one_shape, each) for each, value in values.items()}
    if isinstance(values, tuple):
        return tuple(
            _signature(value, has_one_shape, each) for value, each in zip(values, ("", "", MASKS[0]), strict=True)
        )
    shape = [None, *values.shape[1:]] if has_one_shape else [None] * values.ndim
    if not has_one_shape and values.ndim > 1 and name not in MASKS:
        shape[-1] = values.shape[-1]
    return tf.TensorSpec(shape, tf.as_dtype(values.dtype))
