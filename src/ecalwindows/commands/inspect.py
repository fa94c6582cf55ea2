"""The driver of `ecalwindows inspect`: what a dumper file, a part or a dataset is, without reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ecalwindows.core.urls import is_remote
from ecalwindows.dataset.layout import data_files, record_path
from ecalwindows.dataset.record import read_record
from ecalwindows.dumper.inputs import GLOB_CHARACTERS, input_files
from ecalwindows.dumper.inspection import DumpFacts, FolderFacts, dump_facts, folder_facts
from ecalwindows.formats.readers import file_columns, file_manifest, file_metadata, kind_of, parquet_rows


@dataclass(frozen=True)
class DataFacts:
    """What was found of windows that are made already, or of tables of matched clusters (format matches).

    what : a finished dataset, a part, or files without a manifest
    windows : of tables the rows; None where only reading all would show it; settings : empty where they are not known
    """

    path: str
    what: str
    format: str
    files: int
    bytes: int
    windows: int | None
    events: int | None = None
    splits: tuple[str, ...] = ()
    data_model_version: int | None = None
    version: str | None = None
    settings: dict[str, object] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    known_issues: int = 0


Facts = DumpFacts | FolderFacts | DataFacts


def inspect(source: str, *, tree: str) -> Facts:
    """Look into a dumper file, a folder or glob of them, a part or a dataset.

    Parameters
    ----------
    source
        Path or URL.
    tree
        Path of the tree in dumper files.

    Returns
    -------
    DumpFacts, FolderFacts or DataFacts
        What was found.

    Raises
    ------
    InputError
        For what is not there or is neither.
    BadFileError
        For a single file that cannot be read.
    """
    if _is_dump(source):
        files = input_files(source)
        return dump_facts(files[0], tree) if files == [source] else folder_facts(files, tree)
    return _data_facts(Path(source))


def _is_dump(source: str) -> bool:
    if source.endswith(".root") or (is_remote(source) and not Path(source).suffix):
        return True
    path = Path(source)
    if path.is_dir():
        return record_path(path) is None and next(path.rglob("*.root"), None) is not None
    return bool(GLOB_CHARACTERS & set(source)) and not path.exists()


def _data_facts(path: Path) -> DataFacts:
    place = record_path(path)
    if place is not None and path.is_dir():
        record = read_record(place)
        return DataFacts(
            path=str(path),
            what=f"a finished dataset, {record.title}",
            format=", ".join(form.format for form in record.forms),
            files=len(record.all_files),
            bytes=sum(file.bytes for file in record.all_files),
            windows=record.windows,
            events=record.events,
            splits=tuple(split.name for split in record.splits),
            data_model_version=record.data_model_version,
            version=record.software[0].version if record.software else None,
            settings=record.settings,
            columns=tuple(record.columns),
            known_issues=len(record.known_issues),
        )
    files = data_files(path, linked=[])
    manifests = [file_manifest(file) for file in files]
    manifest, kind = manifests[0], kind_of(files[0])
    own = file_metadata(files[0])
    rows = [each.rows if each else (parquet_rows(file) if kind == "parquet" else None)
            for file, each in zip(files, manifests, strict=True)]  # fmt: skip
    what = "a part" if len(files) == 1 else "parts"
    return DataFacts(
        path=str(path),
        what=what if manifest else "files without manifest, perhaps by other programs",
        format="matches" if manifest and manifest.format == "matches" else kind,
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        windows=sum(n for n in rows if n is not None) if None not in rows else None,
        data_model_version=manifest.data_model_version if manifest else own.get("data_model_version"),
        version=manifest.version if manifest else own.get("version"),
        settings=dict(manifest.settings if manifest else own.get("settings") or {}),
        columns=tuple(manifest.columns if manifest else sorted(file_columns(files[0]) or ())),
    )
