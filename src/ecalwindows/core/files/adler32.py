"""Adler-32, the checksum of files that EOS and XRootD keep too: made by threads that share the parts of a file."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ecalwindows.core.files.file_state import FileState, file_state

if TYPE_CHECKING:  # `BegunSums` works while modules are imported, and needs none of the large ones
    from ecalwindows.core.threads import Threads

PART, BLOCK, BASE = 1 << 24, 1 << 20, 65521
"""Bytes of which a thread makes a sum at a time, and which it reads at once; the number modulo which sums are made."""

BEGUN_PART = 1 << 25
"""Bytes of which `BegunSums` makes a sum at a time: each time it waits for Python's lock, up to 5 ms."""

Sum = tuple[int, int]
"""The Adler-32 of some bytes, and how many they are."""

NOTHING: Sum = (1, 0)


def adler32(path: str | Path, threads: Threads | None = None, begun: Sum = NOTHING) -> str:
    """The Adler-32 of a file in eight hexadecimal digits. Raises OSError.

    threads : they share the parts of the file; begun : the sum of its first bytes, where this is known
    """
    firsts = range(begun[1], os.path.getsize(path), PART)
    calls = [partial(_sum_of_part, path, first) for first in firsts]
    parts = threads.together(calls) if threads else [call() for call in calls]
    return f"{_joined([begun, *parts]):08x}"


def _sum_of_part(path: str | Path, first: int) -> Sum:
    checksum, n_bytes = NOTHING
    with open(path, "rb") as file:
        file.seek(first)
        while piece := file.read(min(BLOCK, PART - n_bytes)):
            checksum, n_bytes = zlib.adler32(piece, checksum), n_bytes + len(piece)
    return checksum, n_bytes


def _joined(parts: Iterable[Sum]) -> int:
    """The Adler-32 of parts that follow one another."""
    low, high = 1, 0
    for checksum, n_bytes in parts:
        high = (high + (checksum >> 16) + n_bytes * (low - 1)) % BASE
        low = (low + (checksum & 0xFFFF) - 1) % BASE
    return high << 16 | low


class BegunSums:
    """In its block, and until `stop`, a thread makes sums of the first bytes of files.

    For the start of a program with several threads: imports leave all processors but one without work.
    paths : files are summed in this order; what is no local file, or cannot be read, is passed over
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._sums: dict[str, tuple[FileState, Sum]] = {}
        self._is_stopped = False
        self._thread = Thread(target=self._work, args=(paths,))

    def _work(self, paths: Sequence[str]) -> None:
        for path in paths:
            state = file_state(path, fresh=True)
            if state is not None:
                with suppress(OSError, ValueError):  # whoever reads the file says so
                    self._begin(path, state)

    def _begin(self, path: str, state: FileState) -> None:
        checksum = NOTHING[0]
        with open(path, "rb") as file:
            for first in range(0, state.bytes, BEGUN_PART):
                if self._is_stopped:
                    return
                n_bytes = min(BEGUN_PART, state.bytes - first)  # one part is mapped at a time: what is counts as memory
                with mmap.mmap(file.fileno(), n_bytes, access=mmap.ACCESS_READ, offset=first) as part:
                    checksum = zlib.adler32(part, checksum)
                self._sums[path] = state, (checksum, first + n_bytes)

    def of(self, path: str, state: FileState | None) -> Sum:
        """The sum of the first bytes of a file in this state; `NOTHING` where there is none."""
        found, begun = self._sums.get(path, (None, NOTHING))
        return begun if found is not None and found == state else NOTHING

    def stop(self) -> None:
        """Make no more sums after the one that is being made."""
        self._is_stopped = True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        self._thread.join()
