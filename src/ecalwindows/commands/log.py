"""The driver of `ecalwindows log`: the datasets below a folder and what is noted of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from ecalwindows.commands.finalize import write_record
from ecalwindows.core.errors import InputError, SettingsError, near
from ecalwindows.core.files.json_files import UnreadableError, file_content, read_object
from ecalwindows.core.files.recovery import recover, recover_below
from ecalwindows.dataset.layout import dataset_root, record_path
from ecalwindows.dataset.record import DatasetRecord, KnownIssue, read_record
from ecalwindows.formats.manifest import FOLDER
from ecalwindows.formats.suffixes import FORMATS, RECORD

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A dataset: its record, where it is, and the day it was made (UTC)."""

    record: DatasetRecord
    path: Path
    made: date


def datasets_below(folder: str | Path) -> list[Entry]:
    """All datasets in a folder and below, by day and name. A record that cannot be read is logged as a warning.

    Raises InputError where the folder is not there, or there is no dataset.
    """
    folder = Path(folder)
    recover(folder)
    entries = []
    for path in _record_files(folder):
        try:
            entries.append(Entry(read_record(path), dataset_root(path), _day_made(path)))
        except InputError as error:
            log.warning("%s: %s", path, error.found)
    if not entries:
        raise InputError(
            "there is no dataset" if folder.is_dir() else "there is no such folder",
            expected="a folder with datasets, as `ecalwindows finalize` makes them",
            where=str(folder),
            todo="check the path, or finalize the parts there first",
        )
    return sorted(entries, key=lambda entry: (entry.made, entry.record.name, entry.record.version, str(entry.path)))


def _record_files(folder: Path) -> Iterator[Path]:
    """Records at any depth; data, manifests and what is hidden are not looked into."""
    for place, folders, files in os.walk(folder):
        if recover_below(Path(place), [*folders, *files]):
            folders[:], files = next(os.walk(place), (place, [], []))[1:]
        if RECORD in files and _is_record(Path(place) / RECORD):
            yield Path(place) / RECORD
            folders[:] = [name for name in folders if name not in (*FORMATS, "manifests", "run")]
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (name == FOLDER or name[0] != "_"))


def _is_record(path: Path) -> bool:
    """Whether a dataset.json is a record, if a broken one, and not a file of another program."""
    try:
        return path.parent.name == FOLDER or b'"ecalwindows dataset"' in file_content(path)[:4096]
    except UnreadableError:
        return False


def _day_made(record: Path) -> date:
    """When the dataset was made: as its run says, else the day of the record's file."""
    try:
        started = read_object(record.parent / "run" / "finalize.json")["started"]
        return datetime.fromisoformat(started).astimezone(UTC).date()
    except (UnreadableError, ValueError, KeyError, TypeError, OverflowError):
        return datetime.fromtimestamp(record.stat().st_mtime, UTC).date()


def note_issue(dataset: str | Path, text: str, *, column: str | None = None, day: date | None = None) -> DatasetRecord:
    """Add a known issue to the record of a dataset, in its three forms; data are not touched.

    dataset : its folder, or a folder or file in it; column : the column that it is about; day : default today
    Raises InputError where there is no dataset, SettingsError for an unknown column or an empty text.
    """
    recover(dataset)
    path = record_path(dataset)
    if path is None:
        raise InputError(
            "there is no dataset",
            expected="the folder of a finalized dataset",
            where=str(dataset),
            todo="check the path, or make it one with `ecalwindows finalize`",
        )
    record = read_record(path)
    text = " ".join(text.split())
    if not text:
        raise _wrong("the note is empty", "what is wrong, and what to do about it", "the note")
    if column is not None and column not in (known := known_columns(record)):
        raise _wrong(f"{record.title} has no column '{column}'", near(column, known), "--column")
    issue = KnownIssue(day=day or datetime.now().astimezone().date(), text=text, column=column)
    if issue in record.known_issues:
        return record
    noted = record.with_issue(issue)
    write_record(noted, path.parent)
    return noted


def known_columns(record: DatasetRecord) -> frozenset[str]:
    """What the columns of a dataset are called, in all its formats: with and without their group, hits, keys."""
    names = set[str]()
    for form in record.forms:
        names |= {*form.columns, *(name.rpartition(".")[2] for name in form.columns)}
        names |= {*form.hits, "cl_h"} if form.hits else set()
        if form.format == "ndjson":
            names |= {"cl_hits", "seed_hits"}
        elif form.format == "tfrecord":
            from ecalwindows.formats.tfrecord.layout import CONTEXT, LISTS

            names |= {feature.key for feature in (*CONTEXT, *LISTS)}
    return frozenset(names)


def _wrong(found: str, expected: str, where: str) -> SettingsError:
    return SettingsError(found, expected=expected, where=where, todo="correct it; see `ecalwindows log note --help`")
