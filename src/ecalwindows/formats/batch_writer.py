"""What all writers have in common: how they write a batch, and how they finish a file or leave it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Self

from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.summed_file import SummedFile


class Closing(ABC):
    """What is finished when its block ends well, and left as it is when it does not.

    files : those that are written, with their checksums when they are finished
    """

    files: Sequence[SummedFile]

    @abstractmethod
    def close(self) -> None:
        """Finish the file. Raises OSError."""

    @abstractmethod
    def discard(self) -> None:
        """Close the file without writing the rest: it is cut."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


class Writer(Closing):
    """Takes batches in order. `write` puts the pieces of a batch; pieces may be made in any thread."""

    def write(self, batch: WindowBatch) -> None:
        """Append all windows, or all events, of a batch."""
        for piece in self.pieces(batch):
            self.put(piece)

    @abstractmethod
    def pieces(self, batch: WindowBatch) -> Iterator[Any]:
        """What is written of a batch, in order."""

    @abstractmethod
    def put(self, piece: Any) -> None:
        """Append a piece."""
