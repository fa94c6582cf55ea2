"""The rows of a part with their event hashes, in the order in which they were made, also where the part is divided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.core.arrays import Words
from ecalwindows.dataset.finalizing.identity import (
    EVENT_LINE,
    WANTED,
    WINDOW_LINE,
    batch_keys,
    line_keys,
    table_keys,
)
from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.dataset.part_output import EVENTS
from ecalwindows.formats.ndjson.lines import as_lines, line_pieces
from ecalwindows.formats.parquet.writer import ROW_GROUP
from ecalwindows.formats.tfrecord.reader import record_pieces

Piece = tuple[Any, Callable[[], Words]]
"""Rows as an Arrow table, or as an Arrow array of complete lines or records; and what gives their hashes."""


def pieces(part: Part, path: Path, kind: str) -> Iterator[Piece]:
    """The rows of a file of a part. Raises OSError; ValueError for data not written by ecalwindows."""
    if part.manifest.format == "parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(use_threads=False, batch_size=ROW_GROUP):
                table = pa.Table.from_batches([batch])
                yield table, partial(table_keys, table, part.sample)
    elif part.manifest.format == "ndjson":
        is_table = kind == EVENTS
        for number, piece in enumerate(line_pieces(path)):
            lines = as_lines(piece)[int(is_table and number == 0) :]
            yield lines, partial(line_keys, lines, EVENT_LINE if is_table else WINDOW_LINE, part.sample)
    else:
        for frames, batch in record_pieces(path, frozenset(WANTED)):
            yield frames, partial(batch_keys, batch, part.sample)


def rows_of(part: Part, kind: str) -> Iterator[tuple[Any, Words]]:
    """All rows of a kind (`part_output.KINDS`) with their event hashes. Raises as `pieces`."""
    if part.splits is None:
        path = part.files_of(None).get(kind)
        yield from ((rows, keys()) for rows, keys in (pieces(part, path, kind) if path else ()))
        return
    keys, streams = part.read_keys()[kind], []
    for split in part.splits.names:
        streams.append(_Stream(pieces(part, part.files_of(split)[kind], kind)))
    for first in range(0, len(keys), ROW_GROUP):
        own = keys[first : first + ROW_GROUP]
        side = part.splits.of_hash(own)
        taken = [
            stream.take(int(n)) for stream, n in zip(streams, np.bincount(side, minlength=len(streams)), strict=True)
        ]
        place = np.empty(len(own), np.int64)
        place[np.argsort(side, kind="stable")] = np.arange(len(own))
        yield _joined([rows for each in taken for rows in each]).take(pa.array(place)), own


class _Stream:
    """The rows of a file, some at a time."""

    def __init__(self, found: Iterator[Piece]) -> None:
        self._found, self._rest = found, list[Any]()

    def take(self, n: int) -> list[Any]:
        """The next rows, in pieces. Raises ValueError where there are fewer."""
        taken = []
        while n:
            if not self._rest:
                rows = next(self._found, None)
                if rows is None:
                    raise ValueError("it has fewer rows than event hashes")
                self._rest = [rows[0]]
            rows = self._rest.pop()
            taken.append(rows.slice(0, n))
            if len(rows) > n:
                self._rest = [rows.slice(n)]
            n -= len(taken[-1])
        return taken


def _joined(found: list[Any]) -> Any:
    return pa.concat_tables(found) if isinstance(found[0], pa.Table) else pa.concat_arrays(found)
