"""The end of a Parquet file, on which all else depends: checked before Arrow sees it; and checksums of all bytes.

A footer with a flipped bit can silently lose a column, or end the process inside Arrow. A flipped bit in the
header of a page can make Arrow pass over the page. Pages have checksums of their own, footer and headers have none. So
files written here have a seal in front of the footer, where the format allows bytes that no reader looks at:

    CRC-32 of each block of `BLOCK` bytes before it, 4 bytes each, little-endian
    their number, 4 bytes
    `MARK`
    length of the footer, 4 bytes
    SHA-256 of all of these but `MARK`, and of the footer

Only the blocks of what is read are checked.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from dataclasses import dataclass
from os import PathLike, fspath
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.errors import BadFileError

MAGIC = b"PAR1"
MARK = b"ecalwindows checksums:"
NUMBER, DIGEST = 4, 32
"""Bytes of an integer and of a SHA-256."""

BLOCK = 1 << 16
"""Bytes of which there is one checksum."""

SEARCHED = 1 << 20
"""Bytes from the end in which a seal is looked for, where none is in front of the footer: is the length damaged?"""

Sums = NDArray[np.uint32]


class BlockSums:
    """CRC-32 of each block of what is written, in order."""

    def __init__(self) -> None:
        self._sums: list[int] = []
        self._sum = self._n = 0

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take the next bytes."""
        view = memoryview(data).cast("B")
        while len(view):
            piece, view = view[: BLOCK - self._n], view[BLOCK - self._n :]
            self._sum, self._n = zlib.crc32(piece, self._sum), self._n + len(piece)
            if self._n == BLOCK:
                self._sums.append(self._sum)
                self._sum = self._n = 0

    def all(self) -> Sums:
        """The sums, that of a last shorter block too. uint32 (n_blocks,)"""
        return np.array([*self._sums, *([self._sum] if self._n else [])], dtype="<u4")


def sealed(end: bytes, sums: BlockSums) -> bytes:
    """The last bytes of a Parquet file (footer, its length, `PAR1`, perhaps more in front) with a seal.

    sums : of all bytes before `end`; takes those in front of the footer too
    """
    length = int.from_bytes(end[-8:-4], "little")
    start = len(end) - 8 - length
    sums.update(end[:start])
    blocks = sums.all()
    head = blocks.tobytes() + len(blocks).to_bytes(NUMBER, "little")
    return end[:start] + head + MARK + _tail(head, length, end[start:-8]) + end[start:]


def _tail(head: bytes, length: int, footer: bytes) -> bytes:
    """What is behind the mark."""
    number = length.to_bytes(NUMBER, "little")
    return number + hashlib.sha256(head + number + footer).digest()


@dataclass(frozen=True)
class Proof:
    """The checksums of the bytes in front of a seal.

    n_bytes : how many bytes there are; sums : uint32 (n_blocks,)
    """

    path: str
    n_bytes: int
    sums: Sums

    def check(self, block: int, data: memoryview) -> None:
        """Check the bytes of a block. Raises BadFileError."""
        if zlib.crc32(data) != int(self.sums[block]):
            first = block * BLOCK
            raise bad_file(
                f"the file is damaged: bytes {first:,} to {min(first + BLOCK, self.n_bytes):,} are not those that were "
                "written (checksum)", self.path,
            )  # fmt: skip


class CheckedBytes(io.RawIOBase):
    """A file with a seal, open for reading: the bytes in front of the seal are checked whenever they are read."""

    def __init__(self, path: str | PathLike[str], proof: Proof) -> None:
        self._file = open(path, "rb")  # noqa: SIM115  closed by `close`
        self._size, self._proof, self._at = os.fstat(self._file.fileno()).st_size, proof, 0
        self._begin, self._data = 0, memoryview(b"")  # what was read last, in blocks: columns share blocks

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> memoryview:
        """The next bytes. Raises BadFileError for damaged ones."""
        first, last = self._at, self._size if size < 0 else min(self._at + size, self._size)
        self._at = last
        if first >= last or last > self._proof.n_bytes:  # the seal and the footer, which `read_proof` checks
            return memoryview(_between(self._file, first, last))
        if not self._begin <= first <= last <= self._begin + len(self._data):
            begin, end = first // BLOCK * BLOCK, min(-(-last // BLOCK) * BLOCK, self._proof.n_bytes)
            data = memoryview(_between(self._file, begin, end))
            for place in range(begin, end, BLOCK):
                self._proof.check(place // BLOCK, data[place - begin :][:BLOCK])
            self._begin, self._data = begin, data
        return self._data[first - self._begin : last - self._begin]

    def close(self) -> None:
        self._file.close()
        super().close()


def read_proof(file: BinaryIO, size: int, path: str | PathLike[str]) -> Proof | None:
    """Check that the footer is what its seal says; the checksums of the rest, None where there is no seal.

    file : open for reading, `size` bytes long; its place afterwards is anywhere
    Raises BadFileError for a file that is cut, no Parquet, or has another footer than it was written with.
    """
    end = _last(file, size, 8)
    if len(end) < 8 or end[-4:] != MAGIC:
        raise bad_file(f"the file cannot be read: its last bytes are not those of Parquet ({MAGIC.decode()})", path)
    length = int.from_bytes(end[:4], "little")
    if length + 8 + len(MAGIC) > size:
        raise bad_file("the file cannot be read: it says that its footer is longer than the file", path)
    behind = len(MARK) + NUMBER + DIGEST
    end = _last(file, size, length + 8 + behind + NUMBER)
    seal, footer = end[: -8 - length], end[-8 - length : -8]
    if len(seal) == NUMBER + behind and seal[NUMBER:].startswith(MARK):
        n_blocks = int.from_bytes(seal[:NUMBER], "little")
        n_bytes = size - len(end) - 4 * n_blocks
        head = _between(file, n_bytes, size - len(end)) + seal[:NUMBER] if n_bytes >= 0 else b""
        if -(-n_bytes // BLOCK) != n_blocks or seal[NUMBER + len(MARK) :] != _tail(head, length, footer):
            raise bad_file("the footer is damaged: it is not the one that was written (checksum)", path)
        return Proof(fspath(path), n_bytes, np.frombuffer(head[:-NUMBER], "<u4"))
    end = _last(file, size, SEARCHED)
    place = end.rfind(MARK)
    if place >= 0:
        stated = int.from_bytes(end[place + len(MARK) :][:NUMBER], "little")
        if place + behind + stated + 8 == len(end):
            raise bad_file("the footer is damaged: its length is not the one that was written", path)
    return None


def _last(file: BinaryIO, size: int, n: int) -> bytes:
    return _between(file, max(size - n, 0), size)


def _between(file: BinaryIO, first: int, last: int) -> bytes:
    file.seek(first)
    return file.read(last - first)


def bad_file(
    found: str,
    path: str | PathLike[str],
    *,
    expected: str = "a complete Parquet file of windows",
    todo: str = "copy or make the file again",
) -> BadFileError:
    """The error for a file that is not what it should be."""
    return BadFileError(found, expected=expected, where=fspath(path), todo=todo)
