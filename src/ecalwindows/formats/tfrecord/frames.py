"""The records of a TFRecord file: frames of a length, data and checksums, all of which are checked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from ecalwindows.core.arrays import Bytes, Flags, Integers
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.urls import is_remote
from ecalwindows.formats.kernels import tfrecord_reader as kernels

BLOCK = 16_000_000
"""Bytes read at a time."""

LONGEST_RECORD = 64_000_000
"""Bytes of a record beyond which the file is refused: a window has some kB."""

FRAME_HEAD, FRAME_TAIL = 12, 4
"""Bytes of a frame before its data (length, its checksum) and after it (checksum)."""

PROBLEMS = {
    kernels.BAD_LENGTH: "the checksum of its length is wrong",
    kernels.TOO_LONG: f"it says that it is longer than {LONGEST_RECORD:,} bytes",
    kernels.BAD_DATA: "its checksum is wrong",
}


@dataclass(frozen=True)
class Block:
    """Records with correct checksums: their spans in `data`, int64 (n, 2), the file, and the index of the first."""

    data: Bytes
    records: Integers
    path: str
    first: int

    @property
    def frames(self) -> Any:
        """The complete frames of the records, which follow each other, as an Arrow array (large_binary); no copy."""
        first = self.records[0, 0] - FRAME_HEAD
        offsets = np.concatenate([[0], self.records[:, 1] + FRAME_TAIL - first]).astype(np.int64)
        frames = np.ascontiguousarray(self.data[first : first + offsets[-1]])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(frames)]
        return pa.Array.from_buffers(pa.large_binary(), len(self.records), buffers)

    def check(self, good: Flags, owner: Integers, found: str) -> None:
        """Raise BadFileError for the first row that is not good; `owner` is the record of each row."""
        if not good.all():
            raise bad_record(self.path, self.first + int(owner[np.argmin(good)]), found)


def bad_record(path: str, number: int, found: str) -> BadFileError:
    """The error about a record, counted from 0 (in the message from 1)."""
    return BadFileError(
        f"record {number + 1:,} cannot be read: {found}",
        expected="a TFRecord of a window, as `ecalwindows` and the CMS converters write it",
        where=path,
        todo="copy or make the file again",
    )


def opened(path: str) -> AbstractContextManager[BinaryIO]:
    """A file on disk or, where the path is a URL, elsewhere."""
    if is_remote(path):
        import fsspec

        remote: AbstractContextManager[BinaryIO] = fsspec.open(path, "rb")
        return remote
    return open(path, "rb")


def blocks(file: BinaryIO, path: str, rows: int, size: int = BLOCK) -> Iterator[Block]:
    """The records of a file, at most `rows` at a time; `size` bytes are read at a time. Raises BadFileError."""
    data, at, number, missing = np.zeros(0, np.uint8), 0, 0, 1
    spans = np.empty((rows, 2), np.int64)
    while True:
        fresh = file.read(max(size, missing))
        data, at, missing = np.concatenate([data[at:], np.frombuffer(fresh, np.uint8)]), 0, 0
        while not missing:
            n, at, missing, problem = kernels.record_spans(data, at, LONGEST_RECORD, spans)
            if n:
                yield Block(data, spans[:n].copy(), path, number)
                number += n
            if problem != kernels.COMPLETE:
                raise bad_record(path, number, PROBLEMS[problem])
        if not fresh:
            break
    if at < len(data):
        raise bad_record(path, number, f"the file is cut: {missing:,} bytes are missing at least")


def count_records(path: Path) -> int:
    """Records of a file. Raises BadFileError when one is wrong."""
    with path.open("rb") as file:
        return sum(len(block.records) for block in blocks(file, str(path), 8192))
