"""The driver of `ecalwindows validate`: windows are checked against the invariants, files against records."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, OutputError, near
from ecalwindows.core.files.inside import absolute
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.geometry import Geometry, geometry_of
from ecalwindows.core.progress import Progress
from ecalwindows.core.schema import COLUMNS
from ecalwindows.core.threads import Threads
from ecalwindows.dataset.finalizing.identity import batch_keys
from ecalwindows.dataset.input_warnings import input_warnings, record_warnings
from ecalwindows.dataset.layout import record_path
from ecalwindows.dataset.notes import dataset_notes
from ecalwindows.dataset.reading.sources import File, dataset_files
from ecalwindows.dataset.record import DatasetRecord, read_record
from ecalwindows.dataset.splits import Splits, exact_share
from ecalwindows.dataset.stated import is_safe_to_read
from ecalwindows.formats.manifest import Manifest
from ecalwindows.formats.ndjson.reader import ReadNotes
from ecalwindows.formats.readers import file_manifest, file_metadata, read_batches
from ecalwindows.formats.suffixes import real_file
from ecalwindows.validation.claims import (
    Found,
    claims,
    untracked_files,
    wrong_counts,
    wrong_files,
    wrong_indices,
    wrong_origin,
)
from ecalwindows.validation.invariants import Outcome, check, outcomes
from ecalwindows.validation.invariants.seen import Seen
from ecalwindows.validation.raw_numbers import not_finite
from ecalwindows.validation.seen_windows import IDENTITY, SeenWindows, identity_keys, text_keys

OF_WINDOWS = {
    "readable": "every line is a window",
    "finite": "no NaN or infinity is stored",
    "unique identity": "(sample, run, lumi, event, seed_index) occurs once in the dataset",
    "unique window_index": "window_index occurs once in the dataset",
    "split": "every window is in the split of its event",
}
OF_FILES = {
    "files": "every file has the size and checksum that record and manifest say, and none is unknown",
    "counts": "windows and clusters are as many as record and manifests say",
    "origin": "files say the settings and working points that their manifests say",
}
"""What is checked of a dataset beyond single windows: name and sentence."""


@dataclass
class Validation:
    """What was found.

    files : number of data files; outcomes : by invariant, in the order of the report; those of files count files
    issues : known issues that the record states; warnings : what it, or manifests, say of the inputs
    """

    path: str
    files: int = 0
    windows: int = 0
    clusters: int = 0
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    issues: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def failed(self) -> list[Outcome]:
        """The invariants that do not hold."""
        return [outcome for outcome in self.outcomes.values() if outcome.failed]


class Walk:
    """One way through the data: what is counted and remembered."""

    def __init__(self, validation: Validation, record: DatasetRecord | None, threads: Threads) -> None:
        self.validation, self.record, self.threads = validation, record, threads
        self.results = outcomes()
        self.more = {name: Outcome(name, sentence) for name, sentence in OF_WINDOWS.items()}
        self.identities, self.texts = SeenWindows(), SeenWindows()
        self.found: dict[Path, Found] = {}
        splits = {each.name: exact_share(each.share) for each in record.splits} if record else {}
        self.splits = Splits(splits) if splits else None

    def file(self, file: File) -> None:
        """Check all windows of a file against the invariants."""
        path = Path(file.path)
        if not is_safe_to_read(path):  # the outcome `files` says what is wrong with it
            return
        settings, sample = settings_of(path, _manifest_or_none(path), self.record)
        notes, counted = ReadNotes(), Found(0, 0, 0)
        file.refuse_changed()
        stored_wrong = self.threads.begin(lambda: list(not_finite(path)))

        def checked(batch: WindowBatch, first: int) -> tuple[WindowBatch, list[Outcome]]:
            found = outcomes()
            check(Seen(batch, settings), found, path.name, first)
            return batch, found

        def calls() -> Iterator[Callable[[], tuple[WindowBatch, list[Outcome]]]]:
            first = 0
            batches = read_batches(path, columns=frozenset(COLUMNS), notes=notes, threads=self.threads)
            for batch in self.threads.ahead(batches):
                yield partial(checked, batch, first)
                first += len(batch)

        for batch, found in self.threads.results(calls()):
            for outcome, more in zip(self.results, found, strict=True):
                outcome.take(more)
            self._rows(batch, sample, file, counted.windows)
            counted = _counted(counted, batch)
        self._text(path, notes, counted.windows, stored_wrong.result())
        self.found[absolute(path)] = counted
        self.validation.windows += counted.windows
        self.validation.clusters += counted.clusters

    def _rows(self, batch: WindowBatch, sample: str, file: File, first: int) -> None:
        """Check that windows occur once, and are in the split of their event. first : number of the first one"""
        names, where = batch.window_index if len(batch.window_index.data) else None, Path(file.path).name
        identity, text, split = (self.more[name] for name in ("unique identity", "unique window_index", "split"))
        if missing := set(IDENTITY) - batch.window.keys():
            identity.missing |= missing
        else:
            identity.count(~self.identities.again(identity_keys(batch, sample)), names, where, first)
        if names is None:
            text.missing.add("window_index")
        else:
            text.count(~self.texts.again(text_keys(names)), names, where, first)
        if self.splits is None or file.split not in self.splits.names or not set(IDENTITY[:3]) <= batch.window.keys():
            split.missing.add("splits")
        else:
            right = self.splits.of_hash(batch_keys(batch, sample)) == self.splits.names.index(file.split)
            split.count(right, names, where, first)

    def _text(self, path: Path, notes: ReadNotes, n: int, stored_wrong: Sequence[tuple[str, int]]) -> None:
        """Lines that are no windows, and numbers that are not finite as they are stored, of a file with n windows."""
        readable, finite = self.more["readable"], self.more["finite"]
        readable.checked += n + notes.unusable + notes.cut
        for line in notes.reported:
            readable.fail(line.removeprefix(str(path.parent) + "/"))
        readable.failed += max(notes.unusable + notes.cut - len(notes.reported), 0)
        finite.checked += n
        for place, number in stored_wrong:
            finite.fail(f"{path.name}, {place}: {number:,}", number)


def validate_dataset(
    path: str | Path, *, split: str | None = None, jobs: int = 1, progress: Progress | None = None
) -> Validation:
    """Check a dataset, a folder of parts or a file against all invariants of which the columns are there.

    split : only this one
    jobs : threads; 0 for as many as there are processors
    Memory does not grow with the data but for 32 bytes per window (to find repeated ones).
    Raises InputError for what cannot be read.
    """
    began, path = time.monotonic(), real_file(Path(path))
    recover(path)
    record, linked = dataset_record_or_none(path), list[str]()
    files = _files(path, split, linked)
    validation = Validation(str(path), files=len(files))
    with Threads(jobs) as threads:
        walk = Walk(validation, record, threads)
        for number, file in enumerate(files):
            walk.file(file)
            if progress:
                progress(number + 1, len(files), validation.windows)
    found = [*walk.results, *walk.more.values(), *_books(path, walk.found, split, linked)]
    validation.outcomes = {outcome.name: outcome for outcome in found}
    for issue in record.known_issues if record else ():
        column = f" [{issue.column}]" if issue.column else ""
        validation.issues.append(f"{issue.day.isoformat()}{column}: {issue.text}")
    validation.warnings = _warnings(path, record)
    validation.seconds = time.monotonic() - began
    return validation


def _warnings(path: Path, record: DatasetRecord | None) -> list[str]:
    """What the manifest of a file, else the record, else the manifests of a folder say of the inputs."""
    own = _manifest_or_none(path) if path.is_file() else None
    if record is not None and own is None:
        return record_warnings(record)
    manifests = [own] if own else [claim.manifest for claim in claims(path)[0] if claim.manifest]
    inputs = [each for manifest in manifests for each in manifest.inputs]
    bad = [each for manifest in manifests for each in manifest.bad_inputs]
    return input_warnings(inputs, bad, dataset_notes([manifest.notes for manifest in manifests]))


def dataset_record_or_none(path: Path) -> DatasetRecord | None:
    """The record, None where there is none or it cannot be read, which is found with the files."""
    place = record_path(path)
    try:
        return read_record(place) if place else None
    except InputError:
        return None


def _files(path: Path, split: str | None, linked: list[str]) -> list[File]:
    files = dataset_files(str(path), linked)
    names = sorted({file.split for file in files if file.split is not None})
    if split is not None and split not in names:
        raise InputError(
            f"there is no split '{split}'", expected=near(split, names) if names else "none: there are no splits",
            where=str(path), todo="name another split",
        )  # fmt: skip
    return [file for file in files if split in (None, file.split)]


def _counted(before: Found, batch: WindowBatch) -> Found:
    flag = batch.window.get("is_seed_calo_matched")
    matched = None if flag is None or before.matched is None else before.matched + int(flag.sum())
    return Found(before.windows + len(batch), matched, before.clusters + len(batch.pair_cluster))


def known_settings(path: Path, record: DatasetRecord | None) -> tuple[dict[str, Any], str]:
    """The settings with which a file was made, as far as manifest, file or record state them, and its sample.

    Raises OutputError for a manifest that cannot be read.
    """
    return settings_of(path, file_manifest(path), record)


def settings_of(path: Path, manifest: Manifest | None, record: DatasetRecord | None) -> tuple[dict[str, Any], str]:
    """The same with the manifest of the file, None without."""
    settings = dict(
        manifest.settings if manifest else file_metadata(path).get("settings") or (record.settings if record else {})
    )
    try:
        shape = settings.get("geometry")
        settings["geometry"] = (
            Geometry.model_validate(shape) if isinstance(shape, dict) else geometry_of(shape, settings.get("mode"))
        )
    except (KeyError, ValidationError):
        settings["geometry"] = None
    return settings, str(settings.get("sample") or "")


def _manifest_or_none(path: Path) -> Manifest | None:
    """The manifest, None where there is none or it cannot be read, which is found with the files."""
    try:
        return file_manifest(path)
    except OutputError:
        return None


def _books(path: Path, found: dict[Path, Found], split: str | None, linked: list[str]) -> Iterator[Outcome]:
    """What record and manifests say against what was found. `linked` : sentences about data files that are links"""
    stated, unreadable = claims(path)
    only = absolute(path) if path.is_file() else None
    of_files = [line for claim in stated for line in wrong_files(claim, only)]
    of_folder = [] if only else wrong_indices(stated) + untracked_files(stated, path)
    wrong: dict[str, Iterable[str]] = {
        "files": dict.fromkeys(unreadable + linked + of_files + of_folder),
        "counts": [line for claim in stated for line in wrong_counts(claim, found)],
        "origin": [line for claim in stated for line in wrong_origin(claim, only)],
    }
    for name, sentence in OF_FILES.items():
        outcome = Outcome(name, sentence, checked=len(found)) if stated else Outcome(name, sentence)
        outcome.missing = set() if stated else {"record", "manifest"}
        for line in wrong[name]:
            outcome.fail(line)
        yield outcome
