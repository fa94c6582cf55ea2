"""A Parquet file of which every byte is checked before Arrow reads it, where it has checksums of its own."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecalwindows.core.files.file_state import FileState, file_state
from ecalwindows.formats.parquet.footer import CheckedBytes, Proof, read_proof

KEPT_BYTES = 2**21
"""Bytes of footers, as files hold them, that a process remembers; in memory they are seven times as large (14 MB)."""

SETTLED = 2 * 10**9
"""Nanoseconds since the last change of a file after which another change shows in its time, on any file system."""


@dataclass
class End:
    """What the end of a file says: its footer, and its proof (None: a file of another program).

    layout, index : what `reader.file_layout` and `reader.parquet_index` found in it; None until then
    """

    metadata: Any
    proof: Proof | None
    layout: Any = None
    index: Any = None


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
    """`pyarrow.parquet.ParquetFile` of a local file, with its end. Raises BadFileError where it reads damaged bytes."""

    def __init__(self, path: str | Path, **options: Any) -> None:
        path = Path(path)
        state = file_state(path)
        known = _ends.get(path, state)
        if known is None:
            with path.open("rb") as file:
                proof = read_proof(file, os.fstat(file.fileno()).st_size, path)
        else:
            proof = known.proof
        self._bytes = CheckedBytes(path, proof) if proof else None
        try:
            super().__init__(
                self._bytes or str(path), metadata=known and known.metadata,
                page_checksum_verification=proof is None, **options,
            )  # fmt: skip
        except BaseException:
            self._close_bytes()
            raise
        self.end = known or End(self.metadata, proof)
        if known is None:
            _ends.add(path, state, self.end)

    def close(self, force: bool = False) -> None:
        """As of `ParquetFile`."""
        super().close(force or self._bytes is not None)
        self._close_bytes()

    def _close_bytes(self) -> None:
        if self._bytes is not None:
            self._bytes.close()
