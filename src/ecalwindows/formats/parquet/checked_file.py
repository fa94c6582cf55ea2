"""A Parquet file of which every byte is checked before Arrow reads it, where it has checksums of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecalwindows.core.files.file_state import FileState, file_state
from ecalwindows.formats.parquet.footer import Proof, read_proof

KEPT_BYTES = 2**21
"""Bytes of footers, as files hold them, that a process remembers; in memory they are seven times as large (14 MB)."""

MAX_RANGES = 64
"""Row groups and columns of a file of which is remembered where they are."""

SETTLED = 2 * 10**9
"""Nanoseconds since the last change of a file after which another change shows in its time, on any file system."""


@dataclass
class End:
    """What the end of a file says: its footer, and its proof (None: a file of another program).

    layout, index : what `reader.file_layout` and `reader.parquet_index` found in it; None until then
    ranges : of row groups and columns that were read, see `CheckedFile._ranges`
    """

    metadata: Any
    proof: Proof | None
    layout: Any = None
    index: Any = None
    ranges: dict[tuple[int, tuple[str, ...] | None], tuple[tuple[int, int], ...]] = field(default_factory=dict)


class _Ends:
    """The ends of the files that were read last, by name and state, so that each is read and checked once in a process.

    Any thread may ask. One that finds another at work does without: a forked process may get a lock that stays taken.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, FileState], End] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, path: Path, state: FileState | None) -> End | None:
        return None if state is None else self._kept.get((str(path), state))

    def add(self, path: Path, state: FileState | None, end: End) -> None:
        if state is None or time.time_ns() - state.mtime_ns < SETTLED or not self._lock.acquire(blocking=False):
            return
        try:
            if (str(path), state) not in self._kept:
                self._kept[str(path), state] = end
                self._bytes += end.metadata.serialized_size
            while self._bytes > KEPT_BYTES:
                self._bytes -= self._kept.pop(next(iter(self._kept))).metadata.serialized_size
        finally:
            self._lock.release()


_ends = _Ends()


def known_end(path: str | PathLike[str]) -> End | None:
    """The end of a file that this process has read, if the file is still the same."""
    return _ends.get(Path(path), file_state(fspath(path)))


class CheckedFile(pq.ParquetFile):  # type: ignore[misc]
    """`pyarrow.parquet.ParquetFile` of a local file, with its proof (None: a file of another program)."""

    def __init__(self, path: str | Path, **options: Any) -> None:
        self.path = Path(path)
        state = file_state(self.path)
        known = _ends.get(self.path, state)
        if known is None:
            with self.path.open("rb") as file:
                proof = read_proof(file, self.path.stat().st_size, path)
        else:
            proof = known.proof and replace(known.proof, good=set())
        metadata = known and known.metadata
        super().__init__(str(path), metadata=metadata, page_checksum_verification=True, **options)
        self.proof, self.end = proof, known or End(self.metadata, proof)
        if known is None:
            _ends.add(self.path, state, self.end)

    def iter_batches(
        self,
        *arguments: Any,
        row_groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        **more: Any,
    ) -> Iterator[Any]:
        """As of `ParquetFile`. Raises BadFileError for damaged bytes."""
        self._check(range(self.num_row_groups) if row_groups is None else row_groups, columns)
        found: Iterator[Any] = super().iter_batches(*arguments, row_groups=row_groups, columns=columns, **more)
        return found

    def read_row_group(self, i: int, columns: Sequence[str] | None = None, **more: Any) -> Any:
        """As of `ParquetFile`. Raises BadFileError for damaged bytes."""
        self._check([i], columns)
        return super().read_row_group(i, columns=columns, **more)

    def _check(self, groups: Sequence[int], columns: Sequence[str] | None) -> None:
        if self.proof is None:
            return
        wanted = None if columns is None else tuple(columns)
        with self.path.open("rb") as file:
            for number in groups:
                key = number, wanted
                if (ranges := self.end.ranges.get(key)) is None:
                    ranges = self._ranges(number, wanted)
                    if len(self.end.ranges) < MAX_RANGES:
                        self.end.ranges[key] = ranges
                self.proof.check(file, ranges)

    def _ranges(self, number: int, columns: Sequence[str] | None) -> tuple[tuple[int, int], ...]:
        """Where the bytes of columns of a row group are: first byte, and byte after the last."""
        found: list[tuple[int, int]] = []
        group, wanted = self.metadata.row_group(number), None if columns is None else frozenset(columns)
        for place in range(group.num_columns):
            chunk = group.column(place)
            if wanted is None or not wanted.isdisjoint(_names(chunk.path_in_schema)):
                first = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
                last = first + chunk.total_compressed_size
                found.append((found.pop()[0] if found and found[-1][1] == first else first, last))
        return tuple(found)


@lru_cache(maxsize=1024)
def _names(path: str) -> tuple[str, ...]:
    """The name of a column of Parquet, and those of all groups above it."""
    ends = [place for place, letter in enumerate(path) if letter == "."]
    return (path, *(path[:end] for end in ends))
