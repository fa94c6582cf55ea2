"""A part of a dataset is its data and its manifest: contents, inputs, and checksums that show that it is complete."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from ecalwindows.core.errors import OutputError
from ecalwindows.core.files.commit import FOLDER as FOLDER
from ecalwindows.core.files.inside import RelativeName, place_problem, refuse_links
from ecalwindows.core.files.json_files import UnreadableError, read_model
from ecalwindows.core.files.output import write_text_atomically
from ecalwindows.core.own_sum import sealed_text
from ecalwindows.core.setting_types import Frozen
from ecalwindows.core.settings import PileUpUse
from ecalwindows.formats.known_values import ModelVersion, RecordedNotes, RecordedSettings

Format = Literal["parquet", "ndjson", "tfrecord", "matches"]
"""What parts can contain: windows, in three formats, or matched clusters (Parquet; not a format of windows)."""


class InputRecord(Frozen):
    """An input file of a part."""

    name: str = Field(description="File name as given, without folders of this machine.")
    bytes: int | None = Field(None, description="Size, null if unknown.")
    events: int = Field(description="Events taken from it.")
    entries: int | None = Field(None, description="Events in it, more than were taken for a range; null if unknown.")
    first: int = Field(0, description="The first event that was taken, from 0.")
    duplicates: int = Field(0, description="Events of it that were left out, as an input before it has them too.")
    absent: dict[str, float] = Field(
        default_factory=dict, description="Branches that it lacks, and the values that stand for them."
    )
    pileup: PileUpUse | None = Field(
        None, description="used, absent, incomplete, off: see core.settings.PileUpUse; null if unknown."
    )
    adler32: str | None = Field(None, description="Checksum that EOS and XRootD keep too; null for remote files.")
    sha256: str | None = Field(None, description="Checksum, null if not asked for.")

    @property
    def identity(self) -> tuple[str, int | None, int, int, str | None, str | None]:
        """Which events of which file: the other fields depend on the requested columns."""
        return self.name, self.bytes, self.first, self.events, self.adler32, self.sha256


class FileRecord(Frozen):
    """A data file of a part."""

    name: RelativeName = Field(description="Path relative to the folder of the data.")
    bytes: int = Field(description="Size.")
    sha256: str = Field(description="Checksum.")


class Manifest(Frozen):
    """What one part holds; the same each time the part is made (no host, time or absolute path)."""

    format: Format = Field(description="parquet, ndjson, tfrecord or matches.")
    files: list[FileRecord] = Field(description="Data files.")
    rows: int = Field(description="Windows.")
    data_model_version: ModelVersion = Field(description="Version of the meaning and layout of columns.")
    version: str = Field(description="Version of ecalwindows.")
    revision: str = Field(description="Revision of the code.")
    settings: RecordedSettings = Field(description="Settings; wp_file by name only.")
    working_points_sha256: str | None = Field(None, description="Digest of the working-point map.")
    columns: list[str] = Field(description="Columns, `group.name` for Parquet.")
    inputs: list[InputRecord] = Field(description="Input files.")
    counts: dict[str, int] = Field(description="Counts from events to windows, by reason.")
    bad_inputs: list[dict[str, str]] = Field(default_factory=list, description="Inputs left out, with the reason.")
    notes: RecordedNotes = Field(default_factory=dict, description="Anything else that belongs to the part.")

    def text(self) -> str:
        """The text of its file, with its own checksum."""
        return sealed_text(self.model_dump_json())


def manifest_path(data: Path) -> Path:
    """The path of the manifest of a data file in a flat folder."""
    return data.parent / FOLDER / "manifests" / f"{data.name}.json"


def file_record(path: Path, base: Path, place: Path | None = None) -> FileRecord:
    """Size and checksum of a file. `place` : where it is until it has its name"""
    size, digest = size_and_sha256(place or path)
    return FileRecord(name=path.relative_to(base).as_posix(), bytes=size, sha256=digest)


def size_and_sha256(path: str | Path) -> tuple[int, str]:
    """Size [bytes] and SHA-256, in hexadecimal digits, of a file that is read in pieces. Raises OSError."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return os.fstat(file.fileno()).st_size, digest


def refuse_linked_manifest(path: Path) -> None:
    """Raise OutputError where a manifest, or a folder on the way to it, is a link."""
    refuse_links([path, path.parent, *(folder for folder in path.parents[1:3] if folder.name == FOLDER)])


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write it atomically. Raises OutputError, also where its folders are links."""
    refuse_linked_manifest(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the manifest cannot be written: {error.strerror}",
            expected="a folder that you may write to",
            where=str(path.parent),
            todo="name another place with -o",
        ) from error
    write_text_atomically(path, manifest.text())


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file. Raises OutputError for one that is absent, broken or of another form."""
    try:
        return read_model(path, Manifest)
    except UnreadableError as error:
        raise OutputError(
            f"the manifest cannot be read: {error.reason}",
            expected="the manifest that was written with the part",
            where=str(path),
            todo="make the part again",
        ) from error


def summed_counts(manifests: Iterable[Manifest]) -> dict[str, int]:
    """The counts of several parts together."""
    counts = Counter[str]()
    for manifest in manifests:
        counts.update(manifest.counts)
    return dict(counts)


def problems(manifest: Manifest, base: Path) -> list[str]:
    """How the files below `base` differ from the manifest, one line for each; no line when the part is complete."""
    return [problem for record in manifest.files if (problem := file_problem(record, base, "its manifest"))]


def file_problem(record: FileRecord, base: Path, said_by: str, *, checksum: bool = True) -> str | None:
    """How a file differs from its record, one line; None where it is the same.

    Parameters
    ----------
    record
        What is recorded: its name relative to `base`, size and checksum.
    base
        Folder to which the name is relative.
    said_by
        What recorded it, for the line.
    checksum
        Compare the content too, else only the size.
    """
    if problem := place_problem(base, record.name):
        return problem
    path = base / record.name
    if not path.is_file():
        return f"{record.name} is missing"
    if path.stat().st_size != record.bytes:
        return f"{record.name} has {path.stat().st_size:,} bytes, {said_by} says {record.bytes:,}"
    if checksum and file_record(path, base).sha256 != record.sha256:
        return f"{record.name} has other content than {said_by} says (checksum)"
    return None
