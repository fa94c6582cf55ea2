"""Windows as an Arrow table in the layout of formats.md, and the Parquet writer.

Existing training code reads with awkward 1.10 and pyarrow 11: nothing is nullable, all lists are plain lists.
"""

from __future__ import annotations

import contextlib
import io
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.kernels.gather import gathered_rows
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.core.threads import Threads
from ecalwindows.formats.batch_writer import Closing, Writer
from ecalwindows.formats.parquet.definition import CLUSTER_GROUPS, FeaturesDefinition
from ecalwindows.formats.parquet.footer import BlockSums, sealed
from ecalwindows.formats.parquet.splicing import Group, Splicing, encoded
from ecalwindows.formats.summed_file import SummedFile

ROW_GROUP = 8192
"""Windows in a row group: some MB, a few hundred batches of a training loader's size at most."""

BUFFER = 1 << 18
"""Bytes gathered before they are written: pyarrow writes each page by itself, hundreds in a small file."""


def arrow_table(batch: WindowBatch, definition: FeaturesDefinition) -> pa.Table:
    """One row per window; top-level columns are the groups and `cl_h` (clusters x hits x components, float32)."""
    arrays, fields = [], []
    for group, names in definition.groups.items():
        record = _record(batch, names)
        array = _lists(batch.window_offsets, record) if group in CLUSTER_GROUPS else record
        arrays.append(array)
        fields.append(pa.field(group, array.type, nullable=False))
    hits = _hits(batch, definition.hits)
    arrays.append(hits)
    components = ", ".join(HIT_NAMES[i] for i in definition.hits)
    fields.append(pa.field("cl_h", hits.type, nullable=False, metadata={"components": components}))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def _record(batch: WindowBatch, names: tuple[str, ...]) -> Any:
    """An Arrow struct array of columns of one level."""
    arrays = [_text(batch.window_index) if name == "window_index" else _numbers(batch.column(name)) for name in names]
    fields = [column_field(COLUMNS[name], array.type) for name, array in zip(names, arrays, strict=True)]
    return pa.StructArray.from_arrays(arrays, fields=fields)


def _numbers(column: Any) -> Any:
    """A column as an Arrow array, without a copy. (`pyarrow.array` imports pandas where it is installed.)"""
    bits = np.packbits(column, bitorder="little") if column.dtype == np.bool_ else np.ascontiguousarray(column)
    return pa.Array.from_buffers(pa.from_numpy_dtype(column.dtype), len(column), [None, pa.py_buffer(bits)])


def column_field(column: Any, kind: pa.DataType) -> pa.Field:
    """The Arrow field of a column, with its unit and meaning."""
    return pa.field(column.name, kind, nullable=False, metadata={"unit": column.unit, "meaning": column.meaning})


def _text(text: Text) -> Any:
    buffers = [None, pa.py_buffer(text.offsets.astype(np.int32)), pa.py_buffer(text.data)]
    return pa.Array.from_buffers(pa.string(), len(text), buffers)


def _lists(offsets: Any, values: Any) -> Any:
    """Plain non-nullable lists of values."""
    kind = pa.list_(pa.field("element", values.type, nullable=False))
    return pa.ListArray.from_arrays(_numbers(offsets.astype(np.int32)), values, type=kind)


def _hits(batch: WindowBatch, components: tuple[int, ...]) -> Any:
    columns = [batch.hits[HIT_NAMES[i]].astype(np.float32, copy=False) for i in components]
    offsets, index = gathered_rows(batch.hits_offsets, batch.pair_cluster)
    numbers = np.stack(columns, axis=1).take(index, axis=0).ravel()
    each = np.arange(0, len(numbers) + 1, len(components))
    return _lists(batch.window_offsets, _lists(offsets, _lists(each, _numbers(numbers))))


def _integer_leaves(path: str, kind: pa.DataType) -> list[str]:
    """Parquet paths of the integer columns below: few values each, so that a dictionary pays."""
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _integer_leaves(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(kind):
        return _integer_leaves(f"{path}.list.element", kind.value_type)
    return [path] if pa.types.is_integer(kind) else []


class _Sink(io.RawIOBase):
    """A file to write to, until `is_open` is false: then bytes vanish. What is written after `hold` waits in `end`."""

    def __init__(self, file: SummedFile) -> None:
        self.file = file
        self.is_open = True
        self.place = 0
        self.sums = BlockSums()
        self.end: bytearray | None = None

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def hold(self) -> None:
        """Keep what comes from now on in `end`."""
        self.end = bytearray()

    def write(self, data: Any) -> int:
        """Write all of `data`."""
        if self.is_open and self.end is not None:
            self.end += data
        elif self.is_open:
            self.file.write(data)
            self.sums.update(data)
        self.place += len(data)
        return len(data)


class _Alone:
    """Encodes row groups one after the other, while they are written to the sink."""

    def __init__(self, sink: _Sink, schema: pa.Schema, options: Mapping[str, Any]) -> None:
        self._sink = sink
        self._stream = pa.BufferedOutputStream(pa.PythonFile(sink, "w"), BUFFER)
        self._writer = pq.ParquetWriter(self._stream, schema, **options)

    def put(self, table: pa.Table) -> None:
        """Encode and write a row group."""
        table = table.combine_chunks()
        self._writer.write_table(table, row_group_size=max(1, len(table)))

    def close(self) -> None:
        """Write what is left; the last bytes, the footer among them, are held by the sink."""
        self._stream.flush()
        self._sink.hold()
        self.abandon()

    def abandon(self) -> None:
        """Let go of what pyarrow holds."""
        self._writer.close()
        self._stream.close()


class _SideBySide:
    """Encodes as many row groups at once as there are threads, and writes them in their order."""

    def __init__(self, sink: _Sink, schema: pa.Schema, options: Mapping[str, Any], threads: Threads) -> None:
        self._sink, self._schema, self._options, self._threads = sink, schema, options, threads
        self._encoding: deque[Future[Group]] = deque()
        self._file = Splicing(sink)

    def put(self, table: pa.Table) -> None:
        """Have a row group encoded; the first one of too many that wait is written."""
        while len(self._encoding) >= self._threads.n:
            self._file.put(self._encoding.popleft().result())
        self._encoding.append(self._threads.begin(partial(encoded, table, self._schema, self._options)))

    def close(self) -> None:
        """Write what waits; the end is held by the sink."""
        while self._encoding:
            self._file.put(self._encoding.popleft().result())
        self._sink.hold()
        self._sink.write(self._file.end())

    def abandon(self) -> None:
        """Encode no more."""
        for each in self._encoding:
            each.cancel()


class TableWriter(Closing):
    """Writes Arrow tables to one Parquet file; row groups are cut by row count, whatever the tables' sizes.

    In front of the footer are checksums of it and of all else (`footer.py`).
    threads : encode row groups side by side, if there are several; the file has the same bytes
    """

    def __init__(
        self,
        path: str | Path,
        *,
        metadata: Mapping[str, str] | None = None,
        row_group: int = ROW_GROUP,
        threads: Threads | None = None,
    ) -> None:
        self._metadata = dict(metadata or {})
        self._row_group = row_group
        self._threads = threads
        self._waiting: list[pa.Table] = []
        self._n_waiting = 0
        self._has_group = False
        self._file = SummedFile(path)
        self.files = [self._file]
        self._sink = _Sink(self._file)
        self._groups: _Alone | _SideBySide | None = None

    def put(self, piece: pa.Table) -> None:
        """Take a table; full row groups go to the file."""
        if self._groups is None:
            schema = piece.schema.with_metadata(self._metadata)
            integers = [path for field in schema for path in _integer_leaves(field.name, field.type)]
            options = {"compression": "zstd", "use_dictionary": integers, "write_page_checksum": True}
            if self._threads is not None and self._threads.n > 1:
                self._groups = _SideBySide(self._sink, schema, options, self._threads)
            else:
                self._groups = _Alone(self._sink, schema, options)
        self._waiting.append(piece)
        self._n_waiting += len(piece)
        while self._n_waiting >= self._row_group:
            self._write_group(self._row_group)

    def _write_group(self, n_rows: int) -> None:
        table = pa.concat_tables(self._waiting)
        assert self._groups is not None
        self._groups.put(table.slice(0, n_rows))
        rest = table.slice(n_rows)
        self._waiting = [rest] if len(rest) else []
        self._has_group = True
        self._n_waiting = len(rest)

    def close(self) -> None:
        """Write what waits and the footer. A file without a batch cannot be closed: its columns are unknown."""
        try:
            if self._n_waiting or (self._waiting and not self._has_group):  # Awkward wants a row group, if an empty one
                self._write_group(self._n_waiting)
            if self._groups is not None:
                self._groups.close()
            if self._sink.end:
                self._file.write(sealed(bytes(self._sink.end), self._sink.sums))
            self._file.close()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Leave the file as it is: what pyarrow still wants to write goes nowhere."""
        self._sink.is_open = False
        try:
            if self._groups is not None:
                self._groups.abandon()
        finally:
            with contextlib.suppress(OSError):
                self._file.close()


class ParquetWriter(TableWriter, Writer):
    """Writes batches of windows to one Parquet file."""

    def __init__(
        self,
        path: str | Path,
        definition: FeaturesDefinition,
        *,
        metadata: Mapping[str, str] | None = None,
        row_group: int = ROW_GROUP,
        threads: Threads | None = None,
    ) -> None:
        super().__init__(path, metadata=metadata, row_group=row_group, threads=threads)
        self._definition = definition

    def pieces(self, batch: WindowBatch) -> Iterator[pa.Table]:
        """The table of a batch."""
        yield arrow_table(batch, self._definition)
