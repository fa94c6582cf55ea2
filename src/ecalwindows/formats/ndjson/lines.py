"""Text files of ecalwindows, compressed or not, in pieces of complete lines; pieces as Arrow arrays of lines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from ecalwindows.formats.ndjson.text_source import RAW_PIECE, Limits, StreamError, decompressed, text_chunks
from ecalwindows.formats.suffixes import is_archive

PIECE = 1 << 23
"""Bytes of text read at a time; bounds the memory."""


class _Text:
    """The decompressed text of a file, in pieces of the size that is asked for, the last one shorter."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self._pieces = decompressed(iter(lambda: file.read(RAW_PIECE), b""), name)
        self._name, self._waiting = name, bytearray()

    def read(self, size: int) -> bytes:
        """The next bytes. Raises ValueError where the compression is cut or damaged."""
        try:
            while len(self._waiting) < size and (piece := next(self._pieces, None)) is not None:
                self._waiting += piece
        except StreamError as error:
            raise ValueError(f"{self._name}: {error}") from error
        found = bytes(memoryview(self._waiting)[:size])
        del self._waiting[:size]
        return found


def line_pieces(path: Path, size: int = PIECE) -> Iterator[bytes]:
    """The text in pieces of complete lines, each with its newline.

    Raises ValueError when the last line is cut, or the compression is cut or damaged; BadFileError for an archive that
    is damaged.
    """
    if is_archive(path.name):
        yield from _archived(path)
        return
    rest = b""
    with path.open("rb") as file:
        text = _Text(file, path.name)
        while piece := text.read(size):
            head, newline, tail = piece.rpartition(b"\n")
            if newline:
                yield rest + head + newline
                rest = tail
            else:
                rest += piece
    if rest:
        raise ValueError("the last line is cut")


def _archived(path: Path) -> Iterator[bytes]:
    for chunk in text_chunks(path, Limits(), []):
        if not chunk.has_end:
            raise ValueError("the last line is cut")
        yield chunk.text


def count_lines(path: Path) -> int:
    """Lines of a file; raises as `line_pieces`."""
    return sum(piece.count(b"\n") for piece in line_pieces(path))


def as_lines(piece: bytes) -> Any:
    """A piece as an Arrow array of its lines, newlines included; no copy."""
    data = np.frombuffer(piece, dtype=np.uint8)
    ends = np.flatnonzero(data == ord("\n")) + 1
    offsets = np.concatenate([[0], ends]).astype(np.int64)
    return pa.Array.from_buffers(pa.large_string(), len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(piece)])


def text_of(lines: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The text of an Arrow array of lines (large_string or large_binary, no nulls), uint8 (n_bytes,); no copy."""
    _, offsets, data = lines.buffers()
    if data is None or not len(lines):
        return np.empty(0, np.uint8)
    ends = np.frombuffer(offsets, np.int64)[[lines.offset, lines.offset + len(lines)]]
    return np.frombuffer(data, np.uint8)[ends[0] : ends[1]]
