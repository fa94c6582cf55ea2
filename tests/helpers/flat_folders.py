"""Flat folders of parts as `ecalwindows windows` leaves them: what finalize and log start from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ecalwindows.commands.windows import write_windows
from ecalwindows.core.own_sum import sealed_text
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.manifest import file_record, read_manifest, write_manifest
from helpers.golden_files import GOLDEN


def write_part(
    folder: Path,
    name: str,
    sample: str = "ele",
    events: tuple[int, int] = (0, 24),
    suffix: str = ".parquet",
    **settings: Any,
) -> None:
    """A part from the golden electrons or photons, with its manifest."""
    source = GOLDEN / ("photons.root" if sample.startswith("pho") else "electrons.root")
    chosen = WindowSettings.model_validate({"maxnocalow": 2, "sample": sample} | settings)
    folder.mkdir(exist_ok=True, parents=True)
    write_windows(source, folder / f"{name}{suffix}", chosen, reading=Reading(events=events))


def flat_folder(folder: Path, suffix: str = ".parquet") -> Path:
    """Three parts: electrons in two, and photons; their order by name is not that of an ordinary sort."""
    write_part(folder, "w-2", "ele", (0, 14), suffix)
    write_part(folder, "w-10", "ele", (14, 24), suffix)
    write_part(folder, "w-11", "pho", (0, 24), suffix)
    return folder


def tfrecord_folder(folder: Path) -> Path:
    """The same as TFRecord."""
    for name, sample, events in (("w-2", "ele", (0, 14)), ("w-10", "ele", (14, 24)), ("w-11", "pho", (0, 24))):
        source = GOLDEN / ("photons.root" if sample == "pho" else "electrons.root")
        chosen = WindowSettings(maxnocalow=2, sample=sample)
        write_windows(source, folder, chosen, format="tfrecord", reading=Reading(events=events))
        _rename_tfrecord_part(folder, "0", name)
    return folder


def _rename_tfrecord_part(folder: Path, old: str, new: str) -> None:
    path = manifest_file(folder, f"{old}.proto")
    manifest = read_manifest(path)
    names = [record.name.replace(f"_{old}.proto", f"_{new}.proto") for record in manifest.files]
    for record, name in zip(manifest.files, names, strict=True):
        (folder / record.name).rename(folder / name)
    files = [file_record(folder / name, folder) for name in names]
    write_manifest(manifest.model_copy(update={"files": files}), manifest_file(folder, f"{new}.proto"))
    path.unlink()


def manifest_file(folder: Path, name: str) -> Path:
    """The manifest of a data file."""
    return folder / "_ecalwindows" / "manifests" / f"{name}.json"


def change_manifest(folder: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest of a data file as JSON, as if it had been written so."""
    change_json(manifest_file(folder, name), change)


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest or record as JSON, as if it had been written so: its own checksum fits."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(sealed_text(json.dumps(content)))


def seal(folder: Path, name: str, rows: int | None = None) -> None:
    """Make the manifest of a data file that was changed state its size, checksum and rows."""
    path = manifest_file(folder, name)
    manifest = read_manifest(path)
    files = [file_record(folder / record.name, folder) for record in manifest.files]
    counts = manifest.counts
    if rows is not None:
        counts = {key: n for key, n in counts.items() if key in ("events", "clusters")}
    update = {"files": files, "rows": manifest.rows if rows is None else rows, "counts": counts}
    write_manifest(manifest.model_copy(update=update), path)


def contents(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
