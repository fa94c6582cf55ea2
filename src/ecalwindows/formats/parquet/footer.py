"""The end of a Parquet file, on which all else depends: checked before Arrow sees it.

A footer with a flipped bit can lose a column without a word, or end the process inside Arrow. Pages have checksums of
their own, the footer has none. So files written here have a seal in front of the footer, where the format allows bytes
that no reader looks at: `MARK`, the length of the footer, its SHA-256.
"""

from __future__ import annotations

import hashlib
from os import PathLike, fspath
from typing import BinaryIO

from ecalwindows.core.errors import BadFileError

MAGIC = b"PAR1"
MARK = b"ecalwindows footer sha256:"
SEAL = len(MARK) + 4 + 32
"""Bytes of a seal."""

SEARCHED = 1 << 20
"""Bytes from the end in which a seal is looked for, where none is in front of the footer: is the length damaged?"""


def sealed(end: bytes) -> bytes:
    """The last bytes of a Parquet file (footer, its length, `PAR1`, perhaps more in front) with a seal."""
    length = int.from_bytes(end[-8:-4], "little")
    start = len(end) - 8 - length
    footer = end[start:-8]
    return end[:start] + MARK + length.to_bytes(4, "little") + hashlib.sha256(footer).digest() + end[start:]


def check_footer(file: BinaryIO, size: int, path: str | PathLike[str]) -> bool:
    """Check that the footer is what its seal says; whether there is a seal (files of other programs have none).

    file : open for reading, `size` bytes long; its place afterwards is anywhere
    Raises BadFileError for a file that is cut, no Parquet, or has another footer than it was written with.
    """
    end = _last(file, size, 8)
    if len(end) < 8 or end[-4:] != MAGIC:
        raise bad_file(f"the file cannot be read: its last bytes are not those of Parquet ({MAGIC.decode()})", path)
    length = int.from_bytes(end[:4], "little")
    if length + 8 + len(MAGIC) > size:
        raise bad_file("the file cannot be read: it says that its footer is longer than the file", path)
    end = _last(file, size, length + 8 + SEAL)
    seal, footer = end[: -8 - length], end[-8 - length : -8]
    if seal.startswith(MARK) and len(seal) == SEAL:
        if seal[len(MARK) :] != length.to_bytes(4, "little") + hashlib.sha256(footer).digest():
            raise bad_file("the footer is damaged: it is not the one that was written (checksum)", path)
        return True
    end = _last(file, size, SEARCHED)
    place = end.rfind(MARK)
    if place >= 0:
        stated = int.from_bytes(end[place + len(MARK) :][:4], "little")
        if place + SEAL + stated + 8 == len(end):
            raise bad_file("the footer is damaged: its length is not the one that was written", path)
    return False


def _last(file: BinaryIO, size: int, n: int) -> bytes:
    file.seek(max(size - n, 0))
    return file.read(min(n, size))


def bad_file(
    found: str,
    path: str | PathLike[str],
    *,
    expected: str = "a complete Parquet file of windows",
    todo: str = "copy or make the file again",
) -> BadFileError:
    """The error for a file that is not what it should be."""
    return BadFileError(found, expected=expected, where=fspath(path), todo=todo)
