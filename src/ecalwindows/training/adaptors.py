"""A stream as a dataset of PyTorch or TensorFlow; the libraries are imported when one is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ecalwindows.core.errors import SettingsError, missing_extra
from ecalwindows.training.stream import Stream, stream

if TYPE_CHECKING:
    from ecalwindows.training.torch_dataset import StreamDataset


def torch_dataset(datasets: Any, batch_size: int | None = None, **settings: Any) -> StreamDataset:
    """A stream as an `IterableDataset` of PyTorch.

    Parameters
    ----------
    datasets : a `Stream`, or what `ecalwindows.stream` takes
    batch_size, settings : those of `ecalwindows.stream`; not with a `Stream`. Where processes train together
        (torch.distributed), rank and world are theirs. With `DataLoader(num_workers=n)` leave `workers` at 0; workers
        of the stream (`workers=n`, with num_workers=0) give the same batches for much less work

    Returns
    -------
    StreamDataset

    Raises
    ------
    SettingsError, InputError : as `ecalwindows.stream`, and for a stream of another number of ranks than train together
    MissingExtraError : if PyTorch is not installed

    >>> data = ecalwindows.torch_dataset("windows.parquet", 512, seed=1, inputs="inputs.yaml")
    >>> loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2, persistent_workers=True)
    >>> for batch in loader:
    ...     step(batch["inputs"], batch["cl_labels"], batch["cl_mask"])
    """
    try:
        from ecalwindows.training import torch_dataset as adaptor
    except ImportError as error:
        raise missing_extra("torch", "torch", "feed PyTorch") from error
    return adaptor.StreamDataset(_stream(datasets, batch_size, settings, adaptor.ranks, "torch_dataset"))


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
        the window, or 1. Each iteration is one epoch, also if the one before was broken off; the number of elements
        is known unless the stream begins within an epoch.

    Raises
    ------
    SettingsError, InputError : as `ecalwindows.stream`, and for a label that the data do not have
    MissingExtraError : if TensorFlow is not installed

    >>> data = ecalwindows.tf_dataset("windows.parquet", 512, seed=1, inputs="inputs.yaml")
    >>> model.fit(data.prefetch(2), epochs=3)
    """
    try:
        from ecalwindows.training import tf_dataset as adaptor
    except ImportError as error:
        raise missing_extra("tensorflow", "tensorflow", "feed TensorFlow") from error
    return adaptor.dataset_of(_stream(datasets, batch_size, settings, dict, "tf_dataset"), label)


def _stream(
    datasets: Any,
    batch_size: int | None,
    settings: Mapping[str, Any],
    ranks: Callable[[], Mapping[str, int]],
    where: str,
) -> Stream:
    """The stream itself, or one made with the settings. Raises SettingsError for both, and for no batch size."""
    if isinstance(datasets, Stream):
        if batch_size is not None or settings:
            raise SettingsError(
                "a stream and settings", expected="one of them", where=where, todo="give them to stream()"
            )
        return datasets
    if batch_size is None:
        raise SettingsError("there is no batch_size", expected="windows of a batch", where=where, todo="add it")
    own: dict[str, Any] = {} if {"rank", "world"} & settings.keys() else dict(ranks())
    return stream(datasets, batch_size, **own, **settings)
