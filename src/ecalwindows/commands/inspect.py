"""The driver of `ecalwindows inspect`: what a dumper file, a part or a dataset is, without reading it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecalwindows.core.files.file_state import file_state
from ecalwindows.core.files.inside import absolute
from ecalwindows.core.names import some
from ecalwindows.core.urls import is_remote
from ecalwindows.dataset.layout import data_files, dataset_root, record_path
from ecalwindows.dataset.record import DataFile, read_record
from ecalwindows.dataset.stated import stated_file
from ecalwindows.dumper.inputs import GLOB_CHARACTERS, input_files
from ecalwindows.dumper.inspection import DumpFacts, FolderFacts, dump_facts, folder_facts
from ecalwindows.formats.manifest import Manifest
from ecalwindows.formats.readers import file_columns, file_manifest, file_metadata, kind_of, parquet_rows
from ecalwindows.formats.suffixes import format_of

log = logging.getLogger(__name__)


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
        below = absolute(path).relative_to(dataset_root(place))
        forms = {form.format: found for form in record.forms if (found := _files_below(form.files, below))}
        inside = [file for found in forms.values() for file in found]
        states = [file_state(dataset_root(place) / file.name) for file in inside]
        stated = zip(inside, states, strict=True)
        if wrong := [file.name for file, state in stated if state is None or state.bytes != file.bytes]:
            log.warning("%s: missing, or not of the size that the record states: %s", path, some(wrong))
        windows = sum(file.windows or 0 for file in next(iter(forms.values()), []))
        columns = next((form.columns for form in record.forms if form.format in forms), record.columns)
        return DataFacts(
            path=str(path),
            what=f"a finished dataset, {record.title}",
            format=", ".join(forms),
            files=len(inside),
            bytes=sum(file.bytes for file in inside),
            windows=windows,
            events=record.events if windows == record.windows else None,
            splits=tuple(split.name for split in record.splits if any(file.split == split.name for file in inside)),
            data_model_version=record.data_model_version,
            version=record.software[0].version if record.software else None,
            settings=record.settings,
            columns=tuple(columns),
            known_issues=len(record.known_issues),
        )
    files = data_files(path, linked=[])
    manifests = [file_manifest(file) for file in files]
    manifest, kind = manifests[0], kind_of(files[0])
    own = file_metadata(files[0])
    what = "a part" if len(files) == 1 else "parts"
    return DataFacts(
        path=str(path),
        what=what if manifest else "files without manifest, perhaps by other programs",
        format="matches" if manifest and manifest.format == "matches" else kind,
        files=len(files),
        bytes=sum(file.stat().st_size for file in files),
        windows=_n_windows(files, manifests),
        data_model_version=manifest.data_model_version if manifest else own.get("data_model_version"),
        version=manifest.version if manifest else own.get("version"),
        settings=dict(manifest.settings if manifest else own.get("settings") or {}),
        columns=tuple(manifest.columns if manifest else sorted(file_columns(files[0]) or ())),
    )


def _files_below(files: Sequence[DataFile], folder: Path) -> list[DataFile]:
    return [file for file in files if Path(file.name).is_relative_to(folder)]


def _n_windows(files: Sequence[Path], manifests: Sequence[Manifest | None]) -> int | None:
    """The windows in files, of which a manifest may describe several; None where only reading would show it."""
    n, parts = 0, dict[str, list[Manifest]]()
    for file, manifest in zip(files, manifests, strict=True):
        stated = stated_file(file)
        if stated is not None and stated.windows is not None:
            n += stated.windows
        elif kind_of(file) == "parquet":
            n += parquet_rows(file)
        elif manifest is None:
            return None
        else:
            parts.setdefault(manifest.text(), []).append(manifest)
    for found in parts.values():
        of = sum(format_of(Path(each.name).name) is not None for each in found[0].files)
        if len(found) % of:
            return None
        n += found[0].rows * len(found) // of
    return n
