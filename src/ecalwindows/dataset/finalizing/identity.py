"""The event that each window belongs to, as one number: the hash of `splits.event_hash`, read from any format.

Also the rows of a part with these hashes, in the order in which they were made, even where the part is divided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ecalwindows.core.arrays import Array, Words
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.core.event_hash import event_hash, sample_key
from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.dataset.part_output import EVENTS, WINDOWS
from ecalwindows.dataset.part_output import IDS as IDS
from ecalwindows.formats.ndjson.lines import as_lines, line_pieces
from ecalwindows.formats.parquet.stored import large_string, storage, stored_column
from ecalwindows.formats.parquet.writer import ROW_GROUP
from ecalwindows.formats.tfrecord.reader import record_pieces

WANTED = (*IDS, "window_index")
ROWS = 65536
"""Windows of which the identity is read at a time."""

SAMPLE = r"^(?P<sample>[A-Za-z0-9.+-]*)_-?[0-9]+_-?[0-9]+_-?[0-9]+_[0-9]+$"
"""A window_index written by ecalwindows; one of another origin (random letters) has no sample."""

WINDOW_LINE = (
    r'^\{(?:"window_index":"(?P<window_index>[^"\\]*)",)?"run_id":(?P<run_id>-?[0-9]+),"lumi_id":(?P<lumi_id>-?[0-9]+),'
    r'"event_id":(?P<event_id>-?[0-9]+)[,}]'
)
"""The beginning of a line of NDJSON written by ecalwindows."""

EVENT_LINE = r"^(?P<run_id>-?[0-9]+);(?P<lumi_id>-?[0-9]+);(?P<event_id>-?[0-9]+);"


Piece = tuple[Any, Callable[[], Words]]
"""Rows as an Arrow table, or as an Arrow array of complete lines or records; and what gives their hashes."""


def keys_of(columns: Mapping[str, Any], sample: str) -> Words:
    """The event hash of each window, uint64 (n,), from Arrow arrays of `IDS` and, if there, `window_index`.

    sample : used where window_index has none
    Raises ValueError for ids that are no int64.
    """
    numbers = [stored_column(columns[name], "int64") for name in IDS]
    key: Any = sample_key(sample)
    if "window_index" in columns and len(numbers[0]):
        names = pc.dictionary_encode(pc.fill_null(_samples(columns["window_index"]), sample))
        key = np.array([sample_key(name) for name in names.dictionary.to_pylist()])[names.indices.to_numpy()]
    return event_hash(key, *numbers)


def _samples(window_index: Any) -> Any:
    """The sample of each window_index; null for one of another origin."""
    return pc.struct_field(pc.extract_regex(storage(window_index), SAMPLE), "sample")


def sample_counts(window_index: Array) -> dict[str, int]:
    """How many windows of each sample there are, from their window_index as str; empty: no sample."""
    found = pc.value_counts(pc.fill_null(_samples(pa.array(window_index, pa.string())), ""))
    return {each["values"]: each["counts"] for each in found.to_pylist()}


def parquet_leaves(schema: Any) -> dict[str, str]:
    """Which of `WANTED` a Parquet file holds, and in which group."""
    groups = {field.name: group.name for group in schema if pa.types.is_struct(group.type) for field in group.type}
    return {name: groups[name] for name in WANTED if name in groups}


def has_identity(part: Part) -> bool:
    """Whether the columns of a part contain run, lumi and event."""
    return set(IDS) <= {name.rpartition(".")[2] for name in part.manifest.columns}


def table_keys(table: Any, sample: str) -> Words:
    """The event hashes of the rows of an Arrow table in the layout of ecalwindows."""
    leaves = parquet_leaves(table.schema)
    return keys_of({name: pc.struct_field(storage(table[group]), name) for name, group in leaves.items()}, sample)


def line_keys(lines: Any, pattern: str, sample: str) -> Words:
    """The event hashes of lines (`WINDOW_LINE` or `EVENT_LINE`). Raises ValueError for a line of another form."""
    found = pc.extract_regex(lines, pattern)
    if found.null_count:
        first = str(lines.filter(found.is_null())[0])[:80].strip()
        raise ValueError(f"a line does not begin as those of ecalwindows: {first}")
    columns = {name: pc.struct_field(found, name) for name in found.type.names}
    columns |= {name: pc.cast(columns[name], pa.int64()) for name in IDS}
    return keys_of(columns, sample)


def batch_keys(batch: WindowBatch, sample: str) -> Words:
    """The event hashes of the windows of a batch. Raises ValueError where run, lumi and event are missing."""
    if not set(IDS) <= batch.window.keys():
        raise ValueError(f"it has no {', '.join(name for name in IDS if name not in batch.window)}")
    columns = {name: pa.array(batch.window[name]) for name in IDS}
    return keys_of(columns | {"window_index": large_string(batch.window_index)}, sample)


def part_keys(part: Part) -> Iterator[Words]:
    """The event hashes of all windows of a part, in pieces; only the columns of the event are read.

    Raises ValueError for data not written by ecalwindows.
    """
    if part.has_keys:
        yield from (keys for kind, keys in part.read_keys().items() if kind != EVENTS)
        return
    leaves = [f"{group}.{name}" for name, group in parquet_leaves(part.schema or ()).items()]
    for path in part.data:
        yield from (keys() for _, keys in pieces(part, path, WINDOWS, rows=ROWS, leaves=leaves))


def pieces(
    part: Part, path: Path, kind: str, *, rows: int = ROW_GROUP, leaves: list[str] | None = None
) -> Iterator[Piece]:
    """The rows of a file of a part. Raises OSError; ValueError for data not written by ecalwindows.

    rows, leaves : of Parquet, rows in a piece and paths of the columns that are read; all by default
    """
    if part.manifest.format == "parquet":
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(use_threads=False, batch_size=rows, columns=leaves):
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


class SeenEvents:
    """The events of all parts by their hashes: how many there are, and whether one is in two parts."""

    def __init__(self) -> None:
        self._keys: list[Words] = []
        self._names: list[str] = []

    def add(self, name: str, pieces: Iterator[Words]) -> None:
        """Take the event hashes of a part; 8 bytes per event stay in memory."""
        self._keys.append(np.unique(np.concatenate([np.empty(0, np.uint64), *(np.unique(keys) for keys in pieces)])))
        self._names.append(name)

    @property
    def keys(self) -> Words:
        """The hashes of all events with windows, part by part."""
        return np.concatenate([np.empty(0, np.uint64), *self._keys])

    def check(self, where: str) -> None:
        """Raise InputError when an event is in two parts."""
        keys = self.keys
        keys.sort()
        if np.any(keys[1:] == keys[:-1]):
            keys = self.keys
            order = np.argsort(keys, kind="stable")
            twice = np.flatnonzero(keys[order][1:] == keys[order][:-1])
            part = np.repeat(np.arange(len(self._keys)), [len(each) for each in self._keys])
            first, second = (self._names[part[order[twice[0] + step]]] for step in (0, 1))
            n = f"{len(twice):,} events are" if len(twice) > 1 else "an event is"
            raise InputError(
                f"{n} in two parts{', the first' if len(twice) > 1 else ''}: in {first} and in {second}",
                expected="each event (sample, run, lumi, event) in one part",
                where=where,
                todo="remove one of the parts with its manifest, or give each sample its own name (--sample)",
            )
