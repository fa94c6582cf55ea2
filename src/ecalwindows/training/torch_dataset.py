"""A stream as a dataset of PyTorch. Imported only where PyTorch is used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ecalwindows.core.errors import MissingExtraError, SettingsError
from ecalwindows.training.stream import Stream, stream
from ecalwindows.training.tensors import arrays_of

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError as error:
    raise MissingExtraError(
        "PyTorch is not installed", expected="the extra torch", where="torch_dataset",
        todo="pip install 'ecalwindows[torch]'",
    ) from error  # fmt: skip


def torch_dataset(datasets: Any, batch_size: int | None = None, **settings: Any) -> StreamDataset:
    """A stream as an `IterableDataset` of PyTorch.

    Parameters
    ----------
    datasets : a `Stream`, or what `ecalwindows.stream` takes
    batch_size, settings : those of `ecalwindows.stream`; not with a `Stream`. With `DataLoader(num_workers=n)` leave
        `workers` at 0

    Returns
    -------
    StreamDataset

    Raises
    ------
    SettingsError, InputError : as `ecalwindows.stream`
    MissingExtraError : if PyTorch is not installed

    >>> data = ecalwindows.torch_dataset("windows.parquet", 512, seed=1, inputs="inputs.yaml")
    >>> loader = torch.utils.data.DataLoader(data, batch_size=None, num_workers=2, persistent_workers=True)
    >>> for batch in loader:
    ...     step(batch["inputs"], batch["cl_labels"], batch["cl_mask"])
    """
    if isinstance(datasets, Stream):
        if batch_size is not None or settings:
            raise SettingsError(
                "a stream and settings", expected="one of them", where="torch_dataset", todo="give them to stream()"
            )
        return StreamDataset(datasets)
    if batch_size is None:
        raise SettingsError(
            "there is no batch_size", expected="windows of a batch", where="torch_dataset", todo="add it"
        )
    return StreamDataset(stream(datasets, batch_size, **settings))


class StreamDataset(IterableDataset):  # type: ignore[misc,type-arg,unused-ignore]
    """The batches of a stream as dictionaries of tensors (`tensors.arrays_of`), which share memory with the arrays.

    For `DataLoader(dataset, batch_size=None)`, with any number of workers: each makes its share of the batches, and the
    loader takes them in turn, so the sequence is that of the stream. An iteration is a complete epoch, or after
    `load_state_dict` and `resume` the rest of one; the next one is the next epoch. One that is broken off begins again.
    """

    def __init__(self, source: Stream) -> None:
        self._stream = source
        state = source.state()
        # In shared memory, so that all workers and the main process have the same: epoch and position of its beginning.
        self._begin = torch.tensor([state["epoch"], state["position"]], dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call,unused-ignore]
        self._given = 0
        self._loaded: dict[str, Any] | None = None

    def __len__(self) -> int:
        return len(self._stream)

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        return int(self._begin[0])

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch, from its beginning."""
        self._stream.set_epoch(epoch)
        self._begin[0], self._begin[1] = epoch, 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The batches of this worker."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if info and self._stream.n_workers:
            raise SettingsError(
                f"a stream with {self._stream.n_workers} workers in a worker of a DataLoader",
                expected="workers of one of them", where="DataLoader", todo="leave out `workers` of the stream",
            )  # fmt: skip
        if self._loaded is not None:
            begin, self._given = self._loaded["begin"], self._loaded["given"]
            self._loaded = None
            self._begin[:] = torch.tensor(begin)
        else:
            begin, self._given = self._begin.tolist(), 0
        self._go_to(begin)
        for batch in self._stream.share(worker, workers, self._given):
            self._given += 1
            yield tensors_of(arrays_of(batch))
        self._given = 0
        self._begin[0], self._begin[1] = begin[0] + 1, 0

    def _go_to(self, begin: list[int]) -> None:
        state = self._stream.state()
        self._stream.resume(state | {"epoch": begin[0], "position": begin[1]})

    def state_dict(self) -> dict[str, Any]:
        """Where this copy is, as torchdata's `StatefulDataLoader` keeps it for each worker."""
        begin = self._begin.tolist() if not self._given else [self._stream.epoch, self._stream.state()["position"]]
        return {"stream": self._stream.state(), "begin": begin, "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue there at the next iteration. Raises SettingsError for a state of other data, selection or order."""
        self._stream.resume(state["stream"])
        self._loaded = {"begin": list(state["begin"]), "given": int(state["given"])}

    def state_after(self, batches: int) -> dict[str, Any]:
        """The state of the stream after a number of batches of this iteration, for any number of workers and ranks."""
        self._go_to(self._begin.tolist())
        return self._stream.state_after(batches)

    def resume(self, state: Mapping[str, Any]) -> StreamDataset:
        """Continue at a state of the stream (`Stream.state`, `state_after`); returns the dataset."""
        self._stream.resume(state)
        self._begin[0], self._begin[1] = state["epoch"], state["position"]
        return self


def tensors_of(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors in place of arrays, which share their memory."""
    return {
        name: tensors_of(value) if isinstance(value, Mapping) else torch.from_numpy(np.ascontiguousarray(value))
        for name, value in arrays.items()
    }
