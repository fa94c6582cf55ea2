"""What is at a path or URL: the data files of a dataset, the content of each, and its windows as batches."""

from __future__ import annotations

import logging
import posixpath
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError, InputError, OutputError, refuse_missing
from ecalwindows.core.files.file_state import FileState, file_state, refuse_changed
from ecalwindows.core.files.inside import absolute, escape_problem
from ecalwindows.core.files.json_files import UnreadableError, parsed_model, read_model
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.urls import is_remote, remote_filesystem, server_of
from ecalwindows.dataset.layout import data_files, dataset_root, natural_key, record_path
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.dataset.stated import Stated, check_stated, check_windows, checked_file, not_in_record
from ecalwindows.formats import readers
from ecalwindows.formats.parquet import reader as parquet_reader
from ecalwindows.formats.parquet.reader import Index, parquet_index
from ecalwindows.formats.suffixes import FORMATS, MATCHED, RECORD, UNMATCHED, format_of, real_file

log = logging.getLogger(__name__)

ROWS = 8192
"""Most windows of a batch."""


@dataclass(frozen=True)
class File:
    """A data file: its path or URL, the format by its name (None: unknown), and its split.

    state : of a local file when the dataset was opened: another file of that name is not read
    stated : what the record of its dataset states of a remote file (of a local one it is looked up when it is read)
    warned : warnings about it that were given, so that none is given twice where a file is read several times
    """

    path: str
    format: str | None
    split: str | None = None
    state: FileState | None = None
    stated: Stated | None = field(default=None, compare=False, repr=False)
    warned: set[str] = field(default_factory=set, compare=False, repr=False)

    @property
    def bytes(self) -> int | None:
        """Size, None if neither the file system nor a record states it."""
        known = self.state or self.stated
        return known.bytes if known else None

    def refuse_changed(self) -> None:
        """Raise InputError when the file was replaced, changed or removed since the dataset was opened."""
        refuse_changed(
            {self.path: self.state}, "the dataset has changed since it was opened", "open it again with open_dataset"
        )


def dataset_files(path: str, linked: list[str] | None = None) -> tuple[File, ...]:
    """The data files at a path or URL, in order. Raises InputError where there are none. linked : as of `data_files`"""
    if is_remote(path):
        return _remote_files(path)
    recover(path)
    place = real_file(Path(path))
    record = record_path(place)
    root = absolute(place) if record is None else dataset_root(record)
    return tuple(
        File(str(file), format_of(file.name), _split_of(absolute(file).relative_to(root).parts), file_state(file))
        for file in data_files(place, linked=linked)
    )


def _split_of(places: Sequence[str]) -> str | None:
    """The split of a file from its place below the folder of the dataset, or of its format."""
    places = places[1:] if places and places[0] in FORMATS else places
    return places[0] if len(places) > 1 and places[0] not in (MATCHED, UNMATCHED) else None


def _remote_files(url: str) -> tuple[File, ...]:
    """The data files at a URL: a file, a folder laid out as a local one, or a glob's matches."""
    filesystem, root = remote_filesystem(url)
    try:
        if set(root) & set("*?["):
            return _matches(url, [str(name) for name in filesystem.glob(root)])
        if format_of(posixpath.basename(root)) and not filesystem.isdir(root):
            return (File(url, format_of(posixpath.basename(root))),)
        names = sorted((str(name) for name in filesystem.find(root)), key=natural_key)
    except OSError as error:
        raise _no_data(f"the server cannot list it: {' '.join(str(error).split())}", url) from error
    places = [PurePosixPath(name).relative_to(PurePosixPath(root)) for name in names]
    kept = [place for place in places if not any(part.startswith((".", "_")) for part in place.parts)]
    kept = [place for place in kept if not escape_problem(str(place))]
    for base in (*FORMATS, ""):
        inside = [place for place in kept if format_of(place.name) and (not base or place.parts[0] == base)]
        if inside:
            return tuple(
                File(f"{url.rstrip('/')}/{place}", format_of(place.name), _split_of(place.parts)) for place in inside
            )
    folder, _, name = root.rstrip("/").rpartition("/")
    old = f".{name}.old"
    if filesystem.exists(f"{folder}/{old}"):
        raise InputError(
            f"a run was killed while it replaced this folder: the old one is now {old}",
            expected="a dataset", where=url, todo="`ecalwindows production resume FILE` gives it its name again",
        )  # fmt: skip
    raise _no_data("there are no data", url)


def _matches(url: str, names: Sequence[str]) -> tuple[File, ...]:
    found = [f"{server_of(url)}//{name.lstrip('/')}" for name in sorted(names, key=natural_key)]
    if not found:
        raise _no_data("no file matches", url)
    return tuple(File(file, format_of(posixpath.basename(file))) for file in found)


def _no_data(found: str, url: str) -> InputError:
    return InputError(
        found,
        expected="a data file, or a folder of a dataset",
        where=url,
        todo="check the URL and your credentials (voms-proxy-info, klist)",
    )


def dataset_record(path: str) -> DatasetRecord | None:
    """The record (dataset.json) that describes a path or URL; None where there is none.

    One that cannot be read is reported by a warning: the data may be used without.
    """
    try:
        if is_remote(path):
            filesystem, root = remote_filesystem(path)
            with filesystem.open(f"{root.rstrip('/')}/{RECORD}", "rb") as remote:
                return parsed_model(remote.read(), DatasetRecord)
        place = record_path(path)
        return read_model(place, DatasetRecord) if place else None
    except OSError:
        return None
    except UnreadableError as error:
        log.warning("%s: the record cannot be read: %s", path, error.reason)
        return None


def what_is_stated(file: File) -> Stated | None:
    """What record or manifest state of a file. A local file is compared with it; BadFileError where it differs."""
    if is_remote(file.path):
        return file.stated
    try:
        return checked_file(Path(file.path))
    except BadFileError:
        raise
    except InputError:  # the record cannot be read: `dataset_record` warns of it
        return None
    except OutputError as error:
        _warn_once(file, f"{file.path}: not checked against its manifest: {error.found} ({error.where})")
        return None


def files_of_record(path: str, files: Sequence[File], record: DatasetRecord | None) -> tuple[File, ...]:
    """The files with what the record states of remote ones; warns of files that it does not name.

    Raises InputError where it names files that are missing.
    """
    if record is None:
        return tuple(files)
    if is_remote(path):
        stated = {each.name: Stated(Path(RECORD), each.bytes, each.sha256, each.windows) for each in record.all_files}
        root = path.rstrip("/")
        return tuple(replace(file, stated=stated.get(file.path.removeprefix(f"{root}/"))) for file in files)
    if unknown := not_in_record(Path(path), [Path(file.path) for file in files], record):
        log.warning(
            "%s: %s not in the record of the dataset, but read: %s%s", path,
            "a data file is" if len(unknown) == 1 else f"{len(unknown):,} data files are",
            ", ".join(unknown[:5]), " ..." if unknown[5:] else "",
        )  # fmt: skip
    return tuple(files)


def file_index(file: File) -> Index:
    """What a file holds: of Parquet from the footer, else from the first window.

    Raises InputError for one that was replaced, BadFileError for one that is not what its record or manifest states.
    """
    if file.format == "parquet":
        file.refuse_changed()
        stated = what_is_stated(file)
        index = parquet_index(file.path)
        file.refuse_changed()
        check_windows(file.path, sum(index.rows or ()), stated)
        return index
    for batch in _all_batches(file, rows=1, columns=None):
        if len(batch):  # a TFRecord without windows does not show whether the others have truth
            return Index(batch.held)
    return Index(frozenset())


def file_batches(file: File, columns: Collection[str], row_group: int | None = None) -> Iterator[WindowBatch]:
    """The windows of a file (of one row group) with the columns asked for.

    Raises BadFileError when the file lacks one of them, InputError when it is not the file that was opened.
    """
    groups = None if row_group is None else [row_group]
    for batch in _all_batches(file, rows=ROWS, columns=columns, row_groups=groups):
        refuse_missing(
            columns, batch.names | {"window_index"}, file.path, found="this file has no {}", kind=BadFileError,
            expected="the columns of the first file of the dataset",
            todo="select() other columns, or make all files with one features definition",
        )  # fmt: skip
        yield batch


def _all_batches(
    file: File, *, rows: int, columns: Collection[str] | None, row_groups: Sequence[int] | None = None
) -> Iterator[WindowBatch]:
    """What is read of a file, as long as it is the one that was opened, and what its record or manifest states."""
    file.refuse_changed()
    stated, n, notes = what_is_stated(file), 0, readers.ReadNotes()
    for batch in _batches_of(file, stated, notes, rows=rows, columns=columns, row_groups=row_groups):
        file.refuse_changed()
        n += len(batch)
        yield batch
    file.refuse_changed()
    if row_groups is None:
        check_windows(file.path, n, stated)
    if notes.reasons:
        _warn_once(file, readers.warning_of(notes.reasons, notes.windows, notes.reported))
    for doubt in sorted(notes.doubts):
        _warn_once(file, f"{file.path}: {doubt}")


def _batches_of(
    file: File, stated: Stated | None, notes: readers.ReadNotes, *, rows: int, columns: Collection[str] | None,
    row_groups: Sequence[int] | None,
) -> Iterator[WindowBatch]:  # fmt: skip
    if file.format == "parquet":
        yield from parquet_reader.read_batches(
            file.path, rows=rows, columns=columns, row_groups=row_groups, doubts=notes.doubts
        )
        return
    with _local_copy(file.path) as path:
        if is_remote(file.path):
            check_stated(Path(path), stated)
        yield from readers.read_batches(path, rows=rows, columns=columns, notes=notes)


def _warn_once(file: File, warning: str) -> None:
    if warning not in file.warned:
        file.warned.add(warning)
        log.warning("%s", warning)


@contextmanager
def _local_copy(path: str) -> Iterator[str]:
    """The path itself, or a copy of a remote file for as long as it is read."""
    if not is_remote(path):
        yield path
        return
    filesystem, place = remote_filesystem(path)
    with tempfile.TemporaryDirectory(prefix="ecalwindows-") as folder:
        copy = Path(folder) / posixpath.basename(place)
        filesystem.get_file(place, str(copy))
        yield str(copy)
