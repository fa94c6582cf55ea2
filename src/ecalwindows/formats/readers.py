"""Windows of a data file of any format, as batches; and what else is known about the file."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.files.file_state import unchanged
from ecalwindows.core.files.json_files import UnreadableError, parsed_model, parsed_object
from ecalwindows.core.threads import Threads
from ecalwindows.core.urls import is_remote
from ecalwindows.formats.known_values import OwnWords
from ecalwindows.formats.manifest import FOLDER, Manifest, manifest_path, read_manifest
from ecalwindows.formats.ndjson import reader as ndjson_reader
from ecalwindows.formats.ndjson.reader import ReadNotes as ReadNotes
from ecalwindows.formats.ndjson.reader import warning_of as warning_of
from ecalwindows.formats.ndjson.text_source import Limits, bad_text
from ecalwindows.formats.parquet import reader as parquet_reader
from ecalwindows.formats.suffixes import FORMATS, MATCHED, RECORD, UNMATCHED, stem_of
from ecalwindows.formats.suffixes import kind_of as kind_of
from ecalwindows.formats.tfrecord import reader as tfrecord_reader


def read_batches(
    path: str | PathLike[str],
    *,
    rows: int = 8192,
    columns: Collection[str] | None = None,
    limits: Limits | None = None,
    notes: ReadNotes | None = None,
    threads: Threads | None = None,
) -> Iterator[WindowBatch]:
    """Windows of a data file as partial batches of at most `rows`: all its columns, or those of `columns` that it has.

    limits, notes, threads : for text (`ndjson.reader.read_batches`); for Parquet, notes get the unknown columns
    Raises BadFileError for a file that is cut or damaged, InputError for a name without a known format and for a file
    that changes while it is read.
    """
    kind, name, notes = kind_of(path), fspath(path), notes or ReadNotes()
    if kind == "ndjson":
        text = ndjson_reader.read_batches(name, rows=rows, columns=columns, limits=limits, notes=notes, threads=threads)
        batches = _not_empty(name, text)
    elif kind == "parquet":
        batches = parquet_reader.read_batches(
            name, rows=rows, columns=columns, unknown=notes.unknown, doubts=notes.doubts
        )
    else:
        batches = tfrecord_reader.read_batches(name, rows=rows, columns=columns)
    return unchanged(name, batches)


def _not_empty(path: str, batches: Iterator[WindowBatch]) -> Iterator[WindowBatch]:
    """The windows of a text. Raises BadFileError where there are none, unless the part has a manifest.

    A text without lines may be all that is left of one. What manifest and record state is compared by others.
    """
    n = 0
    for batch in batches:
        n += len(batch)
        yield batch
    if not n and not is_remote(path) and file_manifest(Path(path)) is None:
        raise bad_text("it has no lines, and no manifest says that there are 0 windows", path)


def file_columns(path: str | PathLike[str], limits: Limits | None = None) -> frozenset[str] | None:
    """Columns and hit components of a data file, from its header or its first windows; None where it has no window."""
    if kind_of(path) == "parquet":
        return parquet_reader.parquet_index(path).names if parquet_rows(path) else None
    for batch in read_batches(path, rows=1, limits=limits):
        if len(batch):
            return batch.held
    return None


def parquet_rows(path: str | PathLike[str]) -> int:
    """Windows in a Parquet file."""
    with parquet_reader.opened_parquet(path) as file:
        return int(file.metadata.num_rows)


def file_manifest(path: Path) -> Manifest | None:
    """The manifest of the part that a data file belongs to: in a flat folder or a finished dataset, or None."""
    path = path.absolute()
    beside, *others = manifest_places(path)
    found = beside if beside.is_file() else next((place for place in others if _is_manifest_of(place, path)), None)
    return read_manifest(found) if found else None


def manifest_places(path: Path) -> list[Path]:
    """Where the manifest of a data file may be: beside it in a flat folder; in a finished dataset around it."""
    if path.parent.name in (MATCHED, UNMATCHED):
        part = stem_of(path.name).removeprefix("nocalomatch_").removeprefix("calomatch_")
        places = [path.parents[1] / FOLDER / "manifests" / f"{part}.proto.json"]
    else:
        part, places = stem_of(path.name), [manifest_path(path)]
    for base in path.parents[:4]:
        format = path.relative_to(base).parts[0]
        if format in FORMATS:
            places += [base / "manifests" / format / f"{part}.json", base / "manifests" / f"{part}.json"]
        places.append(base / FOLDER / "manifests" / f"{part}.json")  # of a production with the flat layout
    return places


def _is_manifest_of(place: Path, path: Path) -> bool:
    """Whether a manifest of a finished dataset exists and is that of a data file."""
    if not place.is_file():
        return False
    if place.parents[1].name == FOLDER:
        inside = path.relative_to(place.parents[2]).as_posix()
        return inside in {record.name for record in read_manifest(place).files}
    return any((base / RECORD).is_file() for base in place.parents[1:3])


def file_metadata(path: Path) -> dict[str, Any]:
    """The metadata of a Parquet file (key `ecalwindows`); empty for other formats and other programs."""
    if kind_of(path) != "parquet":
        return {}
    with parquet_reader.opened_parquet(path) as file:
        try:
            words = (file.schema_arrow.metadata or {}).get(b"ecalwindows", b"{}")
            known = parsed_model(words, OwnWords)
            return parsed_object(words) | ({"settings": known.settings} if known.settings is not None else {})
        except UnreadableError as error:
            raise BadFileError(
                f"what the file says of itself cannot be read: {error.reason}", expected="a complete Parquet file",
                where=str(path), todo="copy or make it again",
            ) from error  # fmt: skip
