"""TFRecord files in pieces of complete records: their bytes, and the event of each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ecalwindows.core.batch import WindowBatch
from ecalwindows.formats.tfrecord.frames import blocks
from ecalwindows.formats.tfrecord.reader import batch_of, find, optional_keys

HEAD, TAIL = 12, 4
"""Bytes of a frame before its payload (length, its checksum) and after it (checksum)."""

ROWS = 8192


def count_records(path: Path) -> int:
    """Records of a file. Raises BadFileError when one is wrong."""
    with path.open("rb") as file:
        return sum(len(block.records) for block in blocks(file, str(path), ROWS))


def record_pieces(path: Path, columns: frozenset[str]) -> Iterator[tuple[Any, WindowBatch]]:
    """Complete frames of records as an Arrow array (large_binary), and the same records as a batch of some columns.

    Raises BadFileError when a record is wrong.
    """
    has = None
    with path.open("rb") as file:
        for block in blocks(file, str(path), ROWS):
            spans, there = find(block)
            has = optional_keys(block, spans, there) if has is None else has
            yield _frames(block.data, block.records), batch_of(block, spans, there, has, columns)


def _frames(data: NDArray[np.uint8], records: NDArray[np.int64]) -> Any:
    """The frames around the payloads `records`, int64 (n, 2), which follow each other; no copy."""
    first = records[0, 0] - HEAD
    offsets = np.concatenate([[0], records[:, 1] + TAIL - first]).astype(np.int64)
    frames = np.ascontiguousarray(data[first : first + offsets[-1]])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(frames)]
    return pa.Array.from_buffers(pa.large_binary(), len(records), buffers)
