"""The dataset record (dataset.json): what a dataset is, from what it was made and how, and what is known to be wrong.

It is the one source of the Croissant file and of the README card. It holds what is the same each time the dataset is
made: no host, time or absolute path.
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.inside import PlainName
from ecalwindows.core.files.json_files import UnreadableError, read_model
from ecalwindows.core.own_sum import sealed_text
from ecalwindows.core.setting_types import Frozen
from ecalwindows.dataset.splits import exact_share
from ecalwindows.formats.known_values import ModelVersion, RecordedNotes, RecordedSettings
from ecalwindows.formats.manifest import FOLDER, FileRecord, Format, InputRecord, size_and_sha256
from ecalwindows.formats.suffixes import FORMATS, RECORD, REPORT

SUMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("candidates", ("windows_made", "in_another_window", "without_position")),
    ("windows_made", ("matched", "unmatched_low_score", "unmatched_gen_outside")),
    ("windows_made", ("windows_kept", "unmatched_dropped")),
)
"""How the counts of a production add up: a total and its parts."""


class Digest(Frozen):
    """A file by name and content."""

    name: str = Field(description="Name without folders.")
    sha256: str | None = Field(description="Checksum; of working points, that of the map as read.")


class Sample(Frozen):
    """What belongs to one sample."""

    name: str = Field(description="First part of window_index; empty where none was given.")
    flavour: int | str | None = Field(None, description="Setting of that name.")
    working_points: Digest | None = Field(None, description="simFraction working points; no name: the packaged map.")
    windows: int = Field(description="Windows of it.")


class Tally(Frozen):
    """How many inputs, and the events taken of them."""

    inputs: int
    events: int

    def __add__(self, other: Tally) -> Tally:
        return Tally(inputs=self.inputs + other.inputs, events=self.events + other.events)


class AbsentBranch(Tally):
    """A branch that some inputs lack: their windows hold what follows from the default value."""

    name: str
    default: float = Field(description="Value that stands for it.")


class InputSummary(Frozen):
    """What the inputs were found to be, summed over `inputs`, which say the same of each."""

    pileup: dict[str, Tally] = Field(
        description="Inputs by use of their pile-up branches: used, absent, incomplete, off (the setting), unknown."
    )
    absent: list[AbsentBranch] = Field(description="Branches that some inputs lack.")
    empty: int = Field(description="Inputs without events.")
    partial: int = Field(description="Inputs of which only a range of events was taken.")
    duplicates: int = Field(description="Events that were left out, as another input has them too.")


class Software(Frozen):
    """A version of ecalwindows that made parts."""

    version: str
    revision: str
    parts: int = Field(description="Parts made by it.")


class DataFile(FileRecord):
    """A file of the dataset; its name is relative to the folder of the dataset."""

    windows: int | None = Field(description="Windows in it; null for a table of events.")
    split: PlainName | None = Field(None, description="Split that it belongs to.")


class Copy(Frozen):
    """The same windows in a further format."""

    format: Format
    columns: list[str] = Field(description="Columns, `group.name` for Parquet.")
    hits: list[str] = Field(default_factory=list, description="Components of a hit in Parquet's cl_h.")
    files: list[DataFile]


class SplitRecord(Frozen):
    """A split."""

    name: PlainName
    share: str = Field(description="Share of events as given, exact.")
    windows: int
    events: int = Field(description="Events with at least one window.")

    @field_validator("share")
    @classmethod
    def _is_share(cls, value: str) -> str:
        exact_share(value)
        return value


class KnownIssue(Frozen):
    """Something found after the dataset was made."""

    day: date = Field(alias="date", description="Day of the note.")
    text: str
    column: str | None = Field(None, description="Column that it is about.")

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)


class DatasetRecord(Frozen):
    """All that is recorded of a dataset."""

    kind: Literal["ecalwindows dataset"] = "ecalwindows dataset"
    record_version: Literal[1] = 1
    name: str = Field(description="Name of the dataset.")
    version: str = Field(description="Version of the dataset.")
    day: date | None = Field(None, alias="date", description="Day of publication, if known.")
    data_model_version: ModelVersion = Field(description="Version of the meaning and layout of columns.")
    format: Format = Field(description="parquet, ndjson, tfrecord or matches.")
    windows: int = Field(description="Windows in all files.")
    events: int | None = Field(None, description="Events with at least one window; null where columns do not show it.")
    counts: dict[str, int] = Field(description="From events to windows, by reason; summed over parts.")
    settings: RecordedSettings = Field(description="Settings that all parts share.")
    samples: list[Sample] = Field(description="Samples, and the settings that go with a sample.")
    columns: list[str] = Field(description="Columns, `group.name` for Parquet.")
    hits: list[str] = Field(default_factory=list, description="Components of a hit in Parquet's cl_h.")
    split_method: str | None = Field(None, description="How events were split.")
    splits: list[SplitRecord] = Field(default_factory=list, description="Splits in the order that decides.")
    files: list[DataFile] = Field(description="Files of the dataset.")
    copies: list[Copy] = Field(default_factory=list, description="The same windows in further formats.")
    beside: list[FileRecord] = Field(
        default_factory=list, description="Manifests, and the index of Parquet: what readers use beside the data."
    )
    pages: list[FileRecord] = Field(
        default_factory=list, description="README.md and croissant.json, which are made of all else in this record."
    )
    inputs: list[InputRecord] = Field(description="Input files.")
    bad_inputs: list[dict[str, str]] = Field(description="Inputs that were left out, with the reason.")
    input_summary: InputSummary | None = Field(None, description="What the inputs were found to be; null: unknown.")
    notes: RecordedNotes = Field(
        default_factory=dict, description="Notes of the parts put together: counts are summed, lists united."
    )
    software: list[Software] = Field(description="Versions of ecalwindows that made the parts.")
    finalised_with: dict[str, str] = Field(description="Versions of what wrote the files of the dataset.")
    legacy_labels: bool = Field(False, description="Labels were made by another program, by its own rules.")
    licence: str | None = None
    citation: str | None = None
    contact: str | None = None
    derived_from: list[str] = Field(default_factory=list, description="Datasets that it was made from, name@version.")
    normalisation: list[Digest] = Field(default_factory=list, description="Files of normalisation factors.")
    reweighting: list[Digest] = Field(default_factory=list, description="Files of weights.")
    known_issues: list[KnownIssue] = Field(default_factory=list, description="What is known to be wrong.")

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        """Refuse counts that do not add up."""
        if wrong := unbalanced(self.counts) + self._other_sums():
            raise ValueError("; ".join(wrong))
        return self

    def _other_sums(self) -> list[str]:
        named = [("files", self.files), *((f"{copy.format} files", copy.files) for copy in self.copies)]
        sums = {name: sum(file.windows or 0 for file in files) for name, files in named}
        sums["samples"] = sum(sample.windows for sample in self.samples)
        if self.splits:
            sums["splits"] = sum(split.windows for split in self.splits)
        if "windows_kept" in self.counts:
            sums["counts"] = self.counts["windows_kept"]
        return [f"{n:,} windows in {what}, {self.windows:,} in all" for what, n in sums.items() if n != self.windows]

    @property
    def forms(self) -> list[Copy]:
        """The windows in each format, first the one that is read."""
        return [Copy(format=self.format, columns=self.columns, hits=self.hits, files=self.files), *self.copies]

    @property
    def all_files(self) -> list[DataFile]:
        """The files of all formats."""
        return [file for form in self.forms for file in form.files]

    @property
    def has_truth(self) -> bool:
        """Whether the windows were made with caloparticles, as far as it is recorded."""
        return self.settings.get("truth") != "none"

    @property
    def title(self) -> str:
        """Name and version, as `derived_from` gives them."""
        return f"{self.name}@{self.version}"

    def with_issue(self, issue: KnownIssue) -> DatasetRecord:
        """The record with one more known issue."""
        return self.model_copy(update={"known_issues": [*self.known_issues, issue]})

    def text(self) -> str:
        """The content of dataset.json, with its own checksum."""
        return sealed_text(self.model_dump_json())


def unbalanced(counts: dict[str, int]) -> list[str]:
    """Which of `SUMS` do not hold, one line for each; sums with a missing count are left out."""
    return [
        f"{total} is {counts[total]:,}, but {' + '.join(parts)} is {sum(counts[part] for part in parts):,}"
        for total, parts in SUMS
        if {total, *parts} <= counts.keys() and counts[total] != sum(counts[part] for part in parts)
    ]


def read_record(path: Path) -> DatasetRecord:
    """The record in a file. Raises InputError for one that cannot be read, or is of something else."""
    try:
        return read_model(path, DatasetRecord)
    except UnreadableError as error:
        raise InputError(
            f"the record of the dataset cannot be read: {error.reason}",
            expected="a dataset.json as `ecalwindows finalize` writes it",
            where=str(path),
            todo="finalize the dataset again, or use the version of ecalwindows that wrote it",
        ) from error


def record_checksum(path: Path) -> str:
    """The checksum of a record, as it is without the page of a report: with and without one a dataset is the same."""
    record = read_record(path)
    pages = [page for page in record.pages if PurePosixPath(page.name).name != REPORT]
    if pages == record.pages:
        return size_and_sha256(path)[1]
    return hashlib.sha256(record.model_copy(update={"pages": pages}).text().encode()).hexdigest()


def digest_of(checksums: dict[str, str]) -> str:
    """One hash of files, by their names relative to the dataset and their checksums."""
    lines = [f"{checksums[name]}  {name}\n" for name in sorted(checksums, key=PurePosixPath)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def recorded_digest(path: Path) -> str:
    """What `ecalwindows production digest` prints of a dataset whose files are as its record (at `path`) states."""
    record, is_flat = read_record(path), path.parent.name == FOLDER
    found = {PurePosixPath(each.name).parts: each for each in (*record.all_files, *record.beside)}
    wanted = {
        each.name: each.sha256
        for parts, each in found.items()
        if (FOLDER not in parts if is_flat else parts[0] in FORMATS)
    }
    return digest_of(wanted | {f"{FOLDER}/{RECORD}" if is_flat else RECORD: record_checksum(path)})
