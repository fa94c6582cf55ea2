"""The rows of a part with their event hashes, in the order in which they were made, also where the part is divided."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ecalwindows.core.arrays import Words
from ecalwindows.dataset.finalizing.identity import Piece, pieces
from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.formats.parquet.writer import ROW_GROUP


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
