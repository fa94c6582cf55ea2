"""Text files of ecalwindows, compressed or not, in pieces of complete lines; pieces as Arrow arrays of lines."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecalwindows.formats.ndjson.text_source import Chunk, Limits, StreamError, decompressed, line_chunks, text_chunks
from ecalwindows.formats.suffixes import is_archive


def line_pieces(path: Path) -> Iterator[bytes]:
    """The text in pieces of complete lines, each with its newline.

    Raises ValueError when the last line is cut, or the compression is cut or damaged; BadFileError for an archive that
    is damaged.
    """
    for chunk in text_chunks(path, Limits(), []) if is_archive(path.name) else _own_chunks(path):
        if not chunk.has_end:
            raise ValueError("the last line is cut")
        yield chunk.text


def _own_chunks(path: Path) -> Iterator[Chunk]:
    """The lines of a text that is no archive, of any length."""
    try:
        with path.open("rb") as file:
            yield from line_chunks(decompressed(file, path.name), Limits(max_line_mb=inf), "")
    except StreamError as error:
        raise ValueError(f"{path.name}: {error}") from error


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
