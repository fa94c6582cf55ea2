"""What records and manifests say of data files, and how what was found differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ecalwindows.dataset.layout import FORMATS, data_files, dataset_root, format_of, record_path
from ecalwindows.dataset.manifest import FOLDER, FileRecord, Manifest, file_record, read_manifest
from ecalwindows.dataset.readers import file_manifest, told_by_file
from ecalwindows.dataset.record import read_record


@dataclass(frozen=True)
class Found:
    """What was counted in a data file: windows, those whose seed is matched (None: no column tells), clusters."""

    windows: int
    matched: int | None
    clusters: int


@dataclass(frozen=True)
class Claim:
    """What a record or a manifest says.

    where : the file that says it; base : the folder to which names are relative
    windows : by name of file, where it tells; rows : in all; counts : from events to windows
    manifest : the manifest itself, None for a record
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


def claims(path: Path) -> list[Claim]:
    """All that is said of a dataset or of a single file: of the record first, then of manifests.

    Raises InputError or OutputError for a record or manifest that cannot be read.
    """
    place = record_path(path)
    found = _of_record(place) if place else []
    if path.is_file():
        manifest = file_manifest(path)
        name = path.absolute()
        bases = [claim.base for claim in found] + list(name.parents[:3])
        fitting = [base for base in bases if manifest and any((base / each.name) == name for each in manifest.files)]
        return found + ([_of_manifest(fitting[0], fitting[0], manifest)] if manifest and fitting else [])
    root = dataset_root(place) if place else path.absolute()
    folders = [root / "manifests", *(root / "manifests" / name for name in FORMATS), root / FOLDER / "manifests"]
    paths = [each for folder in folders for each in sorted(folder.glob("[!.]*.json"))]
    return found + [_of_manifest(each, root, read_manifest(each)) for each in paths]


def _of_record(place: Path) -> list[Claim]:
    """A claim for each format."""
    record = read_record(place)
    result = []
    for one in record.forms:
        files = tuple(FileRecord(name=each.name, bytes=each.bytes, sha256=each.sha256) for each in one.files)
        windows = {each.name: each.windows for each in one.files if each.windows is not None}
        result.append(Claim(place, dataset_root(place), files, windows, record.windows, record.counts))
    return result


def _of_manifest(where: Path, base: Path, manifest: Manifest) -> Claim:
    return Claim(where, base, tuple(manifest.files), {}, manifest.rows, manifest.counts, manifest)


def wrong_files(claim: Claim, only: Path | None) -> list[str]:
    """Files that are missing, or have another size or checksum than is said, a line each. `only` : this one."""
    wrong = []
    for each in claim.files:
        path = claim.base / each.name
        if only not in (None, path):
            continue
        if not path.is_file():
            wrong.append(f"{each.name} is missing")
        elif path.stat().st_size != each.bytes:
            wrong.append(f"{each.name} has {path.stat().st_size:,} bytes, {claim.where.name} says {each.bytes:,}")
        elif file_record(path, claim.base).sha256 != each.sha256:
            wrong.append(f"{each.name} has other content than {claim.where.name} says (checksum)")
    return wrong


def strays(found: list[Claim], path: Path) -> list[str]:
    """Data files that neither record nor manifests know, a line each."""
    known = {claim.base / name for claim in found for name in claim.data}
    return [f"{each.name} is in no record" for each in data_files(path) if known and each.absolute() not in known]


def wrong_counts(claim: Claim, found: Mapping[Path, Found]) -> list[str]:
    """How the counts differ from what is said, a line each; sums only where all files were read."""
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
    """Files that say of themselves another origin than their manifest does, a line each. `only` : this one."""
    manifest = claim.manifest
    if manifest is None:
        return []
    said = {"data_model_version": manifest.data_model_version, "settings": manifest.settings,
            "working_points_sha256": manifest.working_points_sha256}  # fmt: skip
    wrong = []
    for name in claim.data:
        path = claim.base / name
        own = told_by_file(path) if path.is_file() and only in (None, path) else {}
        differ = [key for key, value in said.items() if key in own and own[key] != value]
        wrong += [f"{name} was made with another {key} than {claim.where.name} says" for key in differ]
    return wrong
