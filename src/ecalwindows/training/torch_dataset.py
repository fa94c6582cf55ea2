"""A stream as a dataset of PyTorch. Imported only where PyTorch is used (`adaptors.torch_dataset`)."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch.utils.data import IterableDataset, get_worker_info

from ecalwindows.core.errors import SettingsError
from ecalwindows.training.stream import Stream
from ecalwindows.training.tensors import arrays_of

EPOCH, POSITION, NEXT_EPOCH, NEXT_POSITION, SEED, NUMBER = range(6)
"""What is in the memory that all workers share: where the present iteration began, where the next one begins, and which
iteration the present one is: a number that all workers of an iterator have, and the count of iterations of a worker."""


class StreamDataset(IterableDataset):  # type: ignore[misc,type-arg,unused-ignore]
    """The batches of a stream as dictionaries of tensors (`tensors.arrays_of`), which share memory with the arrays.

    For `DataLoader(dataset, batch_size=None)`, with any number of workers: each makes its share of the batches, and the
    loader takes them in turn, so the sequence is that of the stream. Each iteration is one epoch, also if the one
    before was broken off; the first one after `load_state_dict` or `resume` is the rest of an epoch.
    """

    def __init__(self, source: Stream) -> None:
        distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
        if distributed and torch.distributed.get_world_size() != source.world:
            raise SettingsError(
                f"{torch.distributed.get_world_size()} processes train together, and the stream is for {source.world}",
                expected="as many ranks", where="torch_dataset", todo="give rank and world to the stream",
            )  # fmt: skip
        self._stream = source
        self._lock = multiprocessing.get_context("spawn").Lock()  # works in forked and in spawned workers
        self._shared = torch.full((6,), -1, dtype=torch.int64)
        self._shared.share_memory_()  # type: ignore[no-untyped-call,unused-ignore]
        self._iterations = self._given = 0
        self._begin: tuple[int, int] | None = None
        self._loaded: dict[str, Any] | None = None
        self._begin_next_at(source.state())

    def _begin_next_at(self, state: Mapping[str, Any]) -> None:
        with self._lock:
            self._shared[NEXT_EPOCH], self._shared[NEXT_POSITION] = state["epoch"], state["position"]

    def __len__(self) -> int:
        return len(self._stream)

    @property
    def epoch(self) -> int:
        """The epoch of the next iteration."""
        return int(self._shared[NEXT_EPOCH])

    def set_epoch(self, epoch: int) -> None:
        """The next iteration is this epoch, from its beginning."""
        self._stream.set_epoch(epoch)
        self._begin_next_at({"epoch": epoch, "position": 0})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The batches of this worker."""
        info = get_worker_info()
        worker, workers, seed = (info.id, info.num_workers, info.seed - info.id) if info else (0, 1, -1)
        if info and self._stream.n_workers:
            raise SettingsError(
                f"a stream with {self._stream.n_workers} workers in a worker of a DataLoader",
                expected="workers of one of them", where="DataLoader", todo="leave out `workers` of the stream",
            )  # fmt: skip
        self._iterations += 1
        self._begin, self._given = self._begin_iteration(seed)
        self._go_to(self._begin)
        return self._batches(self._stream.share(worker, workers, self._given))

    def _begin_iteration(self, seed: int) -> tuple[tuple[int, int], int]:
        """Where this iteration begins, the same for all of its workers, and the batches given before in this share."""
        with self._lock:
            shared = self._shared
            is_first = (int(shared[SEED]), int(shared[NUMBER])) != (seed, self._iterations)
            if self._loaded is not None:
                shared[EPOCH], shared[POSITION] = self._loaded["begin"]
            elif is_first:
                shared[EPOCH], shared[POSITION] = int(shared[NEXT_EPOCH]), int(shared[NEXT_POSITION])
            if is_first or self._loaded is not None:
                shared[NEXT_EPOCH], shared[NEXT_POSITION] = int(shared[EPOCH]) + 1, 0
                shared[SEED], shared[NUMBER] = seed, self._iterations
            given = self._loaded["given"] if self._loaded is not None else 0
            self._loaded = None
            return (int(shared[EPOCH]), int(shared[POSITION])), given

    def _batches(self, share: Iterator[Any]) -> Iterator[dict[str, Any]]:
        for batch in share:
            self._given += 1
            yield tensors_of(arrays_of(batch))

    def _go_to(self, begin: tuple[int, int]) -> None:
        self._stream.resume(self._stream.state() | {"epoch": begin[0], "position": begin[1]})

    def state_dict(self) -> dict[str, Any]:
        """Where this copy is, as torchdata's `StatefulDataLoader` keeps it for each worker."""
        begin = self._begin or (int(self._shared[NEXT_EPOCH]), int(self._shared[NEXT_POSITION]))
        return {"stream": self._stream.state(), "begin": list(begin), "given": self._given}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue there at the next iteration. Raises SettingsError for a state of other data, selection or order."""
        self._stream.resume(state["stream"])
        self._loaded = {"begin": [int(each) for each in state["begin"]], "given": int(state["given"])}

    def state_after(self, batches: int) -> dict[str, Any]:
        """The state of the stream after a number of batches of the last iteration that began.

        It can be given to `resume` with any number of workers and ranks.
        """
        if self._shared[EPOCH] < 0:
            self._go_to((int(self._shared[NEXT_EPOCH]), int(self._shared[NEXT_POSITION])))
        else:
            self._go_to((int(self._shared[EPOCH]), int(self._shared[POSITION])))
        return self._stream.state_after(batches)

    def resume(self, state: Mapping[str, Any]) -> StreamDataset:
        """The next iteration continues at a state of the stream (`state`, `state_after`); returns the dataset."""
        self._stream.resume(state)
        self._begin_next_at(state)
        return self


def ranks() -> dict[str, int]:
    """Rank and world of this process, where several train together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return {"rank": torch.distributed.get_rank(), "world": torch.distributed.get_world_size()}
    return {}


def tensors_of(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors in place of arrays, which share their memory."""
    return {
        name: tensors_of(value) if isinstance(value, Mapping) else torch.from_numpy(np.ascontiguousarray(value))
        for name, value in arrays.items()
    }
