"""Windows as NDJSON: one JSON object per line, each number the shortest decimal that gives the stored value.

Most clusters are in several windows, so the text of what depends only on the cluster is made once and then copied.
All loops are compiled (`kernels.json_text`); here columns become tables of words and text goes to the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Bytes, Integers, Words, offsets_of
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import COLUMNS, EVENT_COLUMNS, HIT_DTYPES
from ecalwindows.formats.batch_writer import Writer
from ecalwindows.formats.kernels import json_text
from ecalwindows.formats.kernels.decimal import KINDS, WIDEST
from ecalwindows.formats.kernels.json_text import LONGEST_ESCAPE, MARKS, SLACK
from ecalwindows.formats.ndjson.text_file import Compression, TarFile, TextFile

MAX_WINDOWS, MAX_PAIRS = 1000, 5000
"""Windows and (window, cluster) pairs of which text is made at a time; bounds the memory."""


@dataclass(frozen=True)
class Table:
    """The columns of a table of words and their keys (`kernels.json_text`); `widest` row in bytes."""

    names: tuple[str, ...]
    columns: Integers
    keys: Words
    widest: int

    @property
    def arrays(self) -> tuple[Integers, Words]:
        """What the kernels take."""
        return self.columns, self.keys


def table(fields: Sequence[tuple[bytes, str, str]]) -> Table:
    """A table of (text before the value, name of the column, dtype); name and dtype are "" for text alone."""
    keys, lengths = json_text.packed([key for key, _, _ in fields])
    kinds = np.array([KINDS[dtype] for _, _, dtype in fields], dtype=np.int64)
    widest = sum(len(key) + WIDEST[dtype] for key, _, dtype in fields)
    return Table(tuple(name for _, name, _ in fields), np.column_stack([kinds, lengths]), keys, widest)


def key_text(name: str, before: str = ",") -> bytes:
    """A JSON key with the text before it."""
    return f'{before}"{name}":'.encode()


@cache
def window_table(names: frozenset[str]) -> Table:
    """The columns of a window that are there, `window_index` apart (its closing quote is in the first key)."""
    kept = names - {"window_index"}
    columns = [column for column in COLUMNS.values() if column.level == "window" and column.name in kept]
    return table(
        [(key_text(one.name, "," if place else '",'), one.name, one.dtype) for place, one in enumerate(columns)]
    )


HIT_TABLE = table(
    [(b",[" if place == 0 else b",", name, dtype) for place, (name, dtype) in enumerate(HIT_DTYPES.items())]
    + [(b"]", "", "")]
)
NO_HITS = {name: np.zeros(0, dtype) for name, dtype in HIT_DTYPES.items()}
EVENTS_HEADER = (";".join(EVENT_COLUMNS) + "\n").encode()
"""First line of a table of events."""

EVENT_TABLE = table([(b"" if name == "run_id" else b";", name, "int64") for name in EVENT_COLUMNS] + [(b"\n", "", "")])


@dataclass(frozen=True)
class ClusterLayout:
    """Where the columns of a cluster are taken from, as runs of neighbours (`json_text.write_windows`)."""

    own: Table
    pair: Table
    runs: Integers
    order: Integers


@cache
def cluster_layout(pair_names: frozenset[str], own_names: frozenset[str]) -> ClusterLayout:
    """The layout when the columns `pair_names` depend on the window and `own_names` don't; others are not there."""
    held = pair_names | own_names
    present = [column for column in COLUMNS.values() if column.level == "cluster" and column.name in held]
    own: list[tuple[bytes, str, str]] = []
    pair: list[tuple[bytes, str, str]] = []
    runs: list[int] = []
    order: list[tuple[int, int, int]] = []
    for of_pair, columns in groupby(present, lambda column: column.name in pair_names):
        fields = [(key_text(column.name), column.name, column.dtype) for column in columns]
        if not own and not pair:
            fields[0] = (key_text(fields[0][1], "{"), *fields[0][1:])
        if of_pair:
            order.append((1, len(pair), len(pair) + len(fields)))
            pair += fields
        else:
            order.append((0, len(runs), 0))
            runs.append(len(own))
            own += fields
    return ClusterLayout(table(own), table(pair), np.array([*runs, len(own)]), np.array(order))


def words(shape: Table, source: Mapping[str, Array], rows: Any, n_rows: int) -> Integers:
    """The words of some rows of columns, int64 (n_rows, n_columns)."""
    result = np.zeros((n_rows, len(shape.names)), dtype=np.int64)
    for place, name in enumerate(shape.names):
        if name:
            column = source[name][rows]
            if column.dtype.kind == "f":
                column = column.view(np.uint32 if column.dtype.itemsize == 4 else np.int64)
            result[:, place] = column
    return result


def table_text(shape: Table, source: Mapping[str, Array], n_rows: int) -> Bytes:
    """A complete table as text."""
    out = np.empty(n_rows * shape.widest + SLACK, dtype=np.uint8)
    return out[: json_text.write_table(out, words(shape, source, slice(None), n_rows), *shape.arrays)]


@dataclass(frozen=True)
class ClusterText:
    """The text of clusters, in pieces: piece k of cluster i ends at `ends[i * n_pieces + k + 1]`."""

    text: Bytes
    ends: Integers
    n_pieces: int

    @property
    def lengths(self) -> Integers:
        """Bytes of each cluster."""
        return np.diff(self.ends[:: self.n_pieces])


def cluster_text(batch: WindowBatch, layout: ClusterLayout, clusters: Integers) -> ClusterText:
    """The text of the clusters of a batch with the indices `clusters`, and of their hits if they are there."""
    starts, counts = batch.hits_offsets[clusters], np.diff(batch.hits_offsets)[clusters] * has_hits(batch)
    offsets = offsets_of(counts)
    n_hits, n_pieces = int(offsets[-1]), len(layout.runs)
    hit_rows = np.repeat(starts - offsets[:-1], counts) + np.arange(n_hits)
    out = np.empty(len(clusters) * layout.own.widest + n_hits * HIT_TABLE.widest + SLACK, dtype=np.uint8)
    ends = np.zeros(len(clusters) * n_pieces + 1, dtype=np.int64)
    json_text.write_clusters(
        out, ends, words(layout.own, batch.cluster, clusters, len(clusters)), *layout.own.arrays, layout.runs,
        words(HIT_TABLE, batch.hits if n_hits else NO_HITS, hit_rows, n_hits), *HIT_TABLE.arrays, offsets,
    )  # fmt: skip
    return ClusterText(out, ends, n_pieces)


def has_hits(batch: WindowBatch) -> bool:
    """Whether hits can be written: with all six components, or not at all."""
    return batch.hits.keys() >= HIT_DTYPES.keys()


def window_text(batch: WindowBatch, first: int, last: int) -> Bytes:
    """The lines of the windows `first` to `last` of a batch, uint8 (n_bytes,)."""
    layout = cluster_layout(frozenset(batch.pair), frozenset(batch.cluster))
    of_window = window_table(frozenset(batch.window))
    pair_rows = slice(batch.window_offsets[first], batch.window_offsets[last])
    n_windows, n_pairs = last - first, int(pair_rows.stop - pair_rows.start)
    seeds = batch.window_seed[first:last]
    used = np.concatenate([seeds[seeds >= 0], batch.pair_cluster[pair_rows]])
    clusters, places = np.unique(used, return_inverse=True)
    pair_places, seed_places = places[len(places) - n_pairs :], np.full(n_windows, -1)
    seed_places[seeds >= 0] = places[: len(places) - n_pairs]
    own = cluster_text(batch, layout, clusters)
    start, stop = batch.window_index.offsets[[first, last]]
    text = batch.window_index.data[start:stop].copy()
    text_offsets = batch.window_index.offsets[first : last + 1] - start
    size = n_windows * of_window.widest + (n_windows + n_pairs) * sum(map(len, MARKS)) + n_pairs * layout.pair.widest
    size += LONGEST_ESCAPE * len(text) + int(own.lengths[places].sum()) + SLACK
    out = np.empty(size, dtype=np.uint8)
    end = json_text.write_windows(
        out, text, text_offsets,
        words(of_window, batch.window, slice(first, last), n_windows), *of_window.arrays,
        seed_places, batch.window_offsets[first : last + 1] - pair_rows.start,
        words(layout.pair, batch.pair, pair_rows, n_pairs), *layout.pair.arrays, pair_places,
        layout.order, own.text, own.ends, has_hits(batch),
    )  # fmt: skip
    return out[:end]


def slices(
    window_offsets: Integers, max_windows: int = MAX_WINDOWS, max_pairs: int = MAX_PAIRS
) -> Iterator[tuple[int, int]]:
    """First and last window (not included) of slices of at most so many windows and pairs, or of one window."""
    first, n_windows = 0, len(window_offsets) - 1
    while first < n_windows:
        by_pairs = int(np.searchsorted(window_offsets, window_offsets[first] + max_pairs, "right")) - 1
        last = min(first + max_windows, max(by_pairs, first + 1), n_windows)
        yield first, last
        first = last


class TextWriter(Writer):
    """What the writers of text share: the file."""

    def __init__(self, path: Path, compression: Compression) -> None:
        self._file = TarFile(path) if compression == "tar.gz" else TextFile(path, compression)
        self.files = self._file.files

    def put(self, piece: Bytes) -> None:
        """Append text."""
        self._file.write(piece)

    def close(self) -> None:
        """Finish the file. Raises OSError."""
        self._file.close()

    def discard(self) -> None:
        """Leave the file as it is."""
        self._file.discard()


class NdjsonWriter(TextWriter):
    """Writes windows to `path` (a file, device or pipe). Raises OSError where that fails.

    Columns that a batch lacks are left out of its lines, and so are hits without all six components; some column of
    windows (beside `window_index`) and one of clusters must be there.
    """

    def __init__(
        self,
        path: Path,
        *,
        compression: Compression = "zst",
        max_windows: int = MAX_WINDOWS,
        max_pairs: int = MAX_PAIRS,
    ) -> None:
        super().__init__(path, compression)
        self._bounds = max_windows, max_pairs

    def pieces(self, batch: WindowBatch) -> Iterator[Bytes]:
        """The lines of all windows of a batch."""
        for first, last in slices(batch.window_offsets, *self._bounds):
            yield window_text(batch, first, last)


class EventsCsvWriter(TextWriter):
    """Writes the counts of `schema.EVENT_COLUMNS` to `path`: separated by `;`, one row per event. Raises OSError."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "none")
        self._file.write(EVENTS_HEADER)

    def pieces(self, batch: WindowBatch) -> Iterator[Bytes]:
        """The rows of all events of a batch."""
        yield table_text(EVENT_TABLE, batch.events, len(batch.events["run_id"]))
