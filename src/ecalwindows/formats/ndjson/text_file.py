"""A text file, compressed or not: written without seeking; the bytes do not depend on how the text is split."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal, Protocol

import numpy as np
import zstandard

from ecalwindows.core.arrays import Bytes
from ecalwindows.formats.batch_writer import Closing
from ecalwindows.formats.summed_file import SummedFile

Compression = Literal["zst", "gz", "tar.gz", "none"]

ZSTD_LEVEL = 1
"""On such text level 1 makes smaller files than level 3 (6.47 against 6.12 times on 3000 events), and faster."""

GZIP_LEVEL = 6
PIECE = 1 << 20
"""Bytes that the compressor gets at a time: always the same, so that its output does not depend on the batches."""

MEMBER = "output.ndjson"
"""Name of the text in an archive, as CMS's productions have it."""


class Encoder(Protocol):
    """What the compressors of zlib and zstandard have in common."""

    def compress(self, data: Any, /) -> Any: ...

    def flush(self) -> bytes: ...


class Plain:
    """The encoder that changes nothing."""

    def compress(self, data: Any, /) -> Any:
        return data

    def flush(self) -> bytes:
        return b""


def encoder(compression: Literal["zst", "gz", "none"]) -> Encoder:
    """The compressor of a format: zstd with checksum and one thread; gzip without time and name in its header."""
    if compression == "none":
        return Plain()
    if compression == "gz":
        return zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL, write_checksum=True).compressobj()


class TextFile(Closing):
    """A file that text is written to, without seeking; nothing stays open after an OSError.

    Text is copied to a piece by NumPy, so that other threads can run meanwhile. What is not compressed needs no pieces.
    """

    def __init__(self, path: Path, compression: Literal["zst", "gz", "none"] = "none") -> None:
        self._encoder = encoder(compression)
        self._piece = np.empty(PIECE, np.uint8)
        self._filled = 0
        self._file = SummedFile(path)
        self.files = [self._file]

    def write(self, text: Bytes | bytes) -> None:
        """Write all of `text`, bytes or uint8 (n_bytes,). Raises OSError; ValueError when the file is closed."""
        if self._file.closed:
            raise ValueError("write to a closed file")
        rest = np.frombuffer(text, np.uint8) if len(text) else self._piece[:0]
        if isinstance(self._encoder, Plain) and self._filled + len(rest) >= PIECE:
            self._file.write(self._piece[: self._filled])
            self._file.write(rest)
            self._filled = 0
            return
        while len(rest):
            part = rest[: PIECE - self._filled]
            self._piece[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            rest = rest[len(part) :]
            if self._filled == PIECE:
                self._file.write(self._encoder.compress(self._piece))
                self._filled = 0

    def close(self) -> None:
        """Write what is left and close; a second call does nothing. Raises OSError (disk full)."""
        if not self._file.closed:
            self._file.write(self._encoder.compress(self._piece[: self._filled]))
            self._file.write(self._encoder.flush())
            self._file.close()

    def discard(self) -> None:
        """Close without writing the rest: the file is cut."""
        self._file.close()


class TarFile(TextFile):
    """A text file that becomes an archive (`.ndjson.tar.gz`) when it is closed: its header has the length of the text.

    It is that of CMS's productions: a compressed archive of one text file, with the same bytes each time. Until then
    the text is in a temporary file without a name.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._text = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 (closed by `close` and `discard`)

    def write(self, text: Bytes | bytes) -> None:
        """Write all of `text`, bytes or uint8 (n_bytes,). Raises OSError; ValueError when the file is closed."""
        self._text.write(text)  # type: ignore[arg-type]  # both are buffers

    def close(self) -> None:
        """Write the archive and close; a second call does nothing. Raises OSError (disk full)."""
        if self._text.closed:
            return
        with self._text:
            compressor = encoder("gz")
            for piece in _archive(self._text):
                self._file.write(compressor.compress(piece))
            self._file.write(compressor.flush())
        super().close()

    def discard(self) -> None:
        """Close without writing: the file is empty."""
        self._text.close()
        super().discard()


def _archive(text: IO[bytes]) -> Iterator[bytes]:
    """The archive in pieces, of the same length each: without time, owner and name of the file."""
    member = tarfile.TarInfo(MEMBER)
    member.size = size = text.tell()
    text.seek(0)
    yield member.tobuf(tarfile.GNU_FORMAT)
    while piece := text.read(PIECE):
        yield piece
    padding = -size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
    yield bytes(padding)
    yield bytes(-(tarfile.BLOCKSIZE + size + padding) % tarfile.RECORDSIZE)
