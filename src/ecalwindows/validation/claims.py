"""What records and manifests say of data files, and how what was found differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from ecalwindows.core.errors import InputError, OutputError
from ecalwindows.core.files.inside import absolute
from ecalwindows.dataset.layout import data_files, dataset_root, record_path
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import FOLDER, FileRecord, Manifest, file_problem, read_manifest
from ecalwindows.formats.parquet.index import indexed_files
from ecalwindows.formats.readers import file_manifest, file_metadata
from ecalwindows.formats.suffixes import FORMATS, format_of

Read = TypeVar("Read")


@dataclass(frozen=True)
class Found:
    """What was counted in a data file: windows, those whose seed is matched (None: unknown), and clusters."""

    windows: int
    matched: int | None
    clusters: int


@dataclass(frozen=True)
class Claim:
    """What a record or a manifest states.

    Attributes
    ----------
    where
        The file that states it.
    base
        The folder to which names are relative.
    files
        Names, sizes and checksums.
    windows
        Windows by name of file, where they are stated.
    rows
        Windows of all files.
    counts
        Counts from events to windows.
    manifest
        The manifest itself, None for a record.
    """

    where: Path
    base: Path
    files: tuple[FileRecord, ...]
    windows: Mapping[str, int]
    rows: int
    counts: Mapping[str, int]
    manifest: Manifest | None = None

    @property
    def data(self) -> list[str]:
        """Names of the files with windows."""
        return [each.name for each in self.files if format_of(Path(each.name).name)]


def claims(path: Path) -> tuple[list[Claim], list[str]]:
    """All that is stated of a dataset or of a single file: of the record first, then of manifests.

    Returns
    -------
    list of Claim
        What can be read.
    list of str
        A line for each record or manifest that cannot: damaged, of another form, or with names that lead out of the
        dataset.
    """
    place, wrong = record_path(path), list[str]()
    found = _readable(lambda: _of_record(place), place.name, wrong) or [] if place else []
    if path.is_file():
        manifest = _readable(lambda: file_manifest(path), "the manifest", wrong)
        name = absolute(path)
        bases = [claim.base for claim in found] + list(name.parents[:3])
        fitting = [base for base in bases if manifest and any((base / each.name) == name for each in manifest.files)]
        return found + ([_of_manifest(fitting[0], fitting[0], manifest)] if manifest and fitting else []), wrong
    root = dataset_root(place) if place else absolute(path)
    folders = [root / "manifests", *(root / "manifests" / name for name in FORMATS), root / FOLDER / "manifests"]
    paths = [each for folder in folders for each in sorted(folder.glob("[!.]*.json"))]
    manifests = [(each, _readable(partial(read_manifest, each), each.name, wrong)) for each in paths]
    return found + [_of_manifest(each, root, manifest) for each, manifest in manifests if manifest], wrong


def _readable(read: Callable[[], Read], name: str, wrong: list[str]) -> Read | None:
    """What is read; None for what cannot be, with a line in `wrong`."""
    try:
        return read()
    except (InputError, OutputError) as error:
        wrong.append(f"{name}: {error.found}")
        return None


def _of_record(place: Path) -> list[Claim]:
    """A claim for each format."""
    record = read_record(place)
    result = []
    for number, one in enumerate(record.forms):
        files = (*one.files, *record.beside, *record.pages) if number == 0 else tuple(one.files)
        windows = {each.name: each.windows for each in one.files if each.windows is not None}
        result.append(Claim(place, dataset_root(place), files, windows, record.windows, record.counts))
    return result


def _of_manifest(where: Path, base: Path, manifest: Manifest) -> Claim:
    return Claim(where, base, tuple(manifest.files), {}, manifest.rows, manifest.counts, manifest)


def wrong_files(claim: Claim, only: Path | None) -> list[str]:
    """Files that are missing, or of another size or checksum than stated, one line per file. `only` : this file."""
    return [
        problem
        for each in claim.files
        if only in (None, claim.base / each.name) and (problem := file_problem(each, claim.base, claim.where.name))
    ]


def wrong_indices(found: list[Claim]) -> list[str]:
    """How the Parquet files that indices (`_metadata`) name differ from those that are stated, one line per file.

    An index that is not the file that is stated is not read: this is found by `wrong_files`.
    """
    known = {claim.base / name for claim in found for name in claim.data}
    empty = {claim.base / name for claim in found for name, windows in claim.windows.items() if not windows}
    wrong = []
    for claim in found:
        for each in claim.files:
            index = claim.base / each.name
            if index.name != "_metadata" or file_problem(each, claim.base, claim.where.name):
                continue
            named = indexed_files(index)
            below, without = _names_below(index.parent, known), _names_below(index.parent, empty)
            wrong += [f"{each.name} does not name {name}" for name in sorted(below - named - without)]
            wrong += [f"{each.name} names {name}, which is in no record" for name in sorted(named - below)]
    return wrong


def _names_below(folder: Path, paths: set[Path]) -> set[str]:
    """Of Parquet files, the names of those in a folder, relative to it."""
    inside = (path for path in paths if path.suffix == ".parquet" and path.is_relative_to(folder))
    return {path.relative_to(folder).as_posix() for path in inside}


def untracked_files(found: list[Claim], path: Path) -> list[str]:
    """Data files that neither record nor manifests name, one line per file."""
    known = {claim.base / name for claim in found for name in claim.data}
    return [
        f"{each.name} is in no record" for each in data_files(path, linked=[]) if known and absolute(each) not in known
    ]


def wrong_counts(claim: Claim, found: Mapping[Path, Found]) -> list[str]:
    """How counts differ from those that are stated, one line per count; sums only where all files were read."""
    here = {name: found[claim.base / name] for name in claim.data if claim.base / name in found}
    wrong = [
        f"{name} has {here[name].windows:,} windows, {claim.where.name} says {said:,}"
        for name, said in claim.windows.items()
        if name in here and here[name].windows != said
    ]
    if len(here) < len(claim.data):
        return wrong
    said = {"rows": claim.rows, "windows_kept": claim.counts.get("windows_kept", claim.rows)}
    said |= {name: claim.counts[name] for name in ("clusters_in_windows", "matched") if name in claim.counts}
    windows, clusters = (sum(getattr(each, what) for each in here.values()) for what in ("windows", "clusters"))
    total = {"rows": windows, "windows_kept": windows, "clusters_in_windows": clusters}
    matched = [each.matched for each in here.values() if each.matched is not None]
    total |= {"matched": sum(matched)} if len(matched) == len(here) else {}
    return wrong + [
        f"{total[name]:,} {name}, {claim.where.name} says {n:,}"
        for name, n in said.items()
        if name in total and total[name] != n
    ]


def wrong_origin(claim: Claim, only: Path | None) -> list[str]:
    """Files whose own metadata state another origin than their manifest, one line per key. `only` : this file."""
    manifest = claim.manifest
    if manifest is None:
        return []
    said = {"data_model_version": manifest.data_model_version, "settings": manifest.settings,
            "working_points_sha256": manifest.working_points_sha256}  # fmt: skip
    wrong = []
    for name in claim.data:
        path = claim.base / name
        own = file_metadata(path) if path.is_file() and only in (None, path) else {}
        differ = [key for key, value in said.items() if key in own and own[key] != value]
        wrong += [f"{name} was made with another {key} than {claim.where.name} says" for key in differ]
    return wrong
