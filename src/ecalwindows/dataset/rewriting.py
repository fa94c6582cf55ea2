"""A data file that is written again with the same layout: what is known of it, its windows, and the writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecalwindows.core.batch import WindowBatch, empty_batch
from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.core.threads import Threads
from ecalwindows.dataset.finalizing.parts import fields_of
from ecalwindows.dataset.origins import Source, source
from ecalwindows.dataset.stated import check_stated, stated_file
from ecalwindows.formats.batch_writer import Writer
from ecalwindows.formats.ndjson.text_file import Compression
from ecalwindows.formats.ndjson.text_source import Limits
from ecalwindows.formats.ndjson.writer import NdjsonWriter
from ecalwindows.formats.parquet import reader as parquet_reader
from ecalwindows.formats.parquet.definition import FeaturesDefinition, features_definition
from ecalwindows.formats.parquet.shape import HITS, hit_components
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.formats.readers import ReadNotes, kind_of, read_batches
from ecalwindows.formats.suffixes import is_archive


@dataclass(frozen=True)
class Origin:
    """What is known of a data file, Parquet or NDJSON; `definition` : the groups of Parquet."""

    source: Source
    format: str
    definition: FeaturesDefinition

    @property
    def settings(self) -> dict[str, Any]:
        """The settings with which the windows were made, as far as they are known."""
        return dict((self.source.origin or {}).get("settings") or {})


def file_origin(path: Path) -> Origin:
    """What is known of a file. Raises InputError for one of another format or layout."""
    kind = kind_of(path)
    if kind == "tfrecord" or is_archive(path.name):
        raise InputError(
            f"'{path.name}' cannot be written again as it is", expected=".parquet, .ndjson, .ndjson.gz or .ndjson.zst",
            where=str(path), todo="`ecalwindows convert` it first",
        )  # fmt: skip
    check_stated(path, stated_file(path), completely=True)
    definition = features_definition()
    if kind == "parquet":
        with parquet_reader.opened_parquet(path) as file:
            definition = schema_definition(file.schema_arrow, path)
    return Origin(source(path, Limits()), kind, definition)


def schema_definition(schema: Any, path: Path) -> FeaturesDefinition:
    """The groups of a Parquet file in their order. Raises InputError for another layout."""
    fields = {group.name: fields_of(group.type) for group in schema if group.name != HITS}
    groups = {group: tuple(field.name for field in inside) for group, inside in fields.items()}
    unexpected = [name for names in groups.values() for name in names if name not in COLUMNS]
    unexpected += [group for group, names in groups.items() if not names]
    hits = tuple(HIT_NAMES.index(name) for name in hit_components(schema) if name in HIT_NAMES)
    if unexpected or not hits:
        raise InputError(
            f"the layout is another one ({unexpected[0] if unexpected else 'cl_h does not name its components'})",
            expected="a Parquet file that ecalwindows wrote", where=str(path), todo="`ecalwindows convert` it first",
        )  # fmt: skip
    return FeaturesDefinition(groups, hits)


def source_batches(path: Path, origin: Origin, threads: Threads | None = None) -> Iterator[WindowBatch]:
    """All windows of a file, an empty batch first. Raises BadFileError, also for a line that is no window.

    threads : that read text side by side
    """
    wanted = origin.definition.wanted if origin.format == "parquet" else origin.source.columns
    yield empty_batch(wanted or {*COLUMNS, *HIT_NAMES})
    notes = ReadNotes()
    yield from read_batches(path, notes=notes, threads=threads)
    if notes.unusable or notes.cut:
        raise BadFileError(
            f"{notes.unusable + notes.cut} lines are no windows: {notes.reported[0]}", expected="one window per line",
            where=str(path), todo="make the file again, or `ecalwindows convert` it first",
        )  # fmt: skip


def rewriter(
    place: Path, origin: Origin, compression: Compression, metadata: Mapping[str, str], threads: Threads | None = None
) -> Writer:
    """The writer of the same layout, to be opened with `with`; `threads` help it."""
    if origin.format == "parquet":
        return ParquetWriter(place, origin.definition, metadata=metadata, threads=threads)
    return NdjsonWriter(place, compression=compression)
