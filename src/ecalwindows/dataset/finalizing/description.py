"""The record of a dataset, made from its parts, its files and the statements of users."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version as version_of
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Words
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.names import storable
from ecalwindows.core.version import revision, version
from ecalwindows.dataset.finalizing.agreement import BY_SAMPLE
from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.dataset.input_warnings import input_summary
from ecalwindows.dataset.layout import natural_key, record_path
from ecalwindows.dataset.notes import dataset_notes
from ecalwindows.dataset.origins import LEGACY
from ecalwindows.dataset.record import Copy, DataFile, DatasetRecord, Digest, Sample, Software, SplitRecord, read_record
from ecalwindows.dataset.splits import METHOD, Splits, share_text
from ecalwindows.formats.manifest import FileRecord, InputRecord, Manifest, size_and_sha256, summed_counts
from ecalwindows.formats.parquet.shape import hit_components

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
LIBRARIES = ("numpy", "pyarrow", "zstandard")
FIRST_VERSION = "1"


@dataclass(frozen=True)
class About:
    """What users state about a dataset; fields that are None or empty are taken from an existing record, if any.

    derived_from : names (name@version), or paths of datasets; normalisation, reweighting : files
    is_all : this is all there is to say: nothing is taken from the record but its known issues
    """

    name: str | None = None
    version: str | None = None
    day: date | None = None
    licence: str | None = None
    citation: str | None = None
    contact: str | None = None
    derived_from: Sequence[str] = ()
    normalisation: Sequence[str | Path] = ()
    reweighting: Sequence[str | Path] = ()
    is_all: bool = False


@dataclass(frozen=True)
class Form:
    """The windows of a dataset in one format: the parts, the files made of them, manifests and index beside them."""

    parts: Sequence[Part]
    files: list[DataFile]
    beside: list[FileRecord] = field(default_factory=list)

    @property
    def copy(self) -> Copy:
        """What the record holds of it as a further format."""
        first = self.parts[0]
        columns, hits = first.manifest.columns, hit_components(first.schema)
        return Copy(format=first.manifest.format, columns=columns, hits=hits, files=self.files)


def stated_fields(about: About, place: Path, previous: DatasetRecord | None) -> dict[str, Any]:
    """The fields of the record that people decide: said now, else as in the previous record, else the usual.

    Raises SettingsError for a name that cannot be one, and for files and datasets that are not there.
    """
    old = previous.model_dump(by_alias=False) if previous and not about.is_all else {}
    fields: dict[str, Any] = {
        "name": about.name or old.get("name") or place.absolute().resolve().name,
        "version": about.version or old.get("version") or FIRST_VERSION,
        "day": about.day or old.get("day"),
        "derived_from": [_parent(text) for text in about.derived_from] or old.get("derived_from", []),
        "normalisation": [digest(path) for path in about.normalisation] or old.get("normalisation", []),
        "reweighting": [digest(path) for path in about.reweighting] or old.get("reweighting", []),
        "known_issues": previous.known_issues if previous else [],
    }
    for key in ("licence", "citation", "contact"):
        fields[key] = getattr(about, key) or old.get(key)
    for key in ("name", "version"):
        if not NAME.fullmatch(fields[key]):
            raise SettingsError(
                f"a dataset cannot have the {key} '{fields[key]}'",
                expected="letters, digits, '.', '_', '+' and '-', first a letter or digit",
                where=f"--{key}",
                todo=f"give another one with --{key}",
            )
    return fields


def _parent(text: str) -> str:
    """The name of a dataset, or of the dataset at a path."""
    recover(text)
    if Path(text).exists() and (path := record_path(text)) is not None:
        return read_record(path).title
    if "/" in text or not text.strip():
        raise SettingsError(
            f"there is no dataset at '{text}'",
            expected="the folder of a finalized dataset, or a name like ndjson_2022@2",
            where="--derived-from",
            todo="check the path, or finalize that dataset first",
        )
    return text


def digest(path: str | Path) -> Digest:
    """Name and checksum of a file. Raises SettingsError where it cannot be read."""
    try:
        return Digest(name=storable(Path(path).name), sha256=size_and_sha256(path)[1])
    except OSError as error:
        raise SettingsError(
            f"the file cannot be read: {error.strerror}",
            expected="a file of normalisation factors or weights",
            where=str(path),
            todo="check the path",
        ) from error


def described(
    forms: Sequence[Form], events: Words | None, splits: Splits | None, fields: dict[str, Any]
) -> DatasetRecord:
    """The record.

    events : hash of each event with windows, None if unknown; fields : from `stated_fields`, and bad_inputs
    """
    parts, files = forms[0].parts, forms[0].files
    first = parts[0].manifest
    weights = [
        part.manifest.notes["weights"] for form in forms for part in form.parts if part.manifest.notes.get("weights")
    ]
    if weights and not fields["reweighting"]:
        fields = fields | {"reweighting": [Digest.model_validate(weights[0])]}
    inputs = merged_inputs(forms)
    return DatasetRecord(
        data_model_version=first.data_model_version,
        format=first.format,
        windows=sum(part.manifest.rows for part in parts),
        events=None if events is None else len(events),
        counts=summed_counts(part.manifest for part in parts),
        settings={key: value for key, value in first.settings.items() if key not in ("sample", *BY_SAMPLE)},
        samples=_samples(parts),
        columns=first.columns,
        hits=hit_components(parts[0].schema),
        split_method=METHOD if splits else None,
        splits=_splits(files, events, splits) if splits else [],
        files=files,
        copies=[form.copy for form in forms[1:]],
        beside=[each for form in forms for each in form.beside],
        inputs=inputs,
        input_summary=input_summary(inputs),
        notes=_notes(forms),
        software=_software(parts),
        finalised_with={"ecalwindows": f"{version} ({revision})"} | {name: version_of(name) for name in LIBRARIES},
        legacy_labels=any(part.manifest.notes.get(LEGACY) for part in parts),
        **fields,
    )


def _notes(forms: Sequence[Form]) -> dict[str, Any]:
    """The notes of the parts in the first format; of the same windows in others only what those do not have."""
    first, *others = ([part.manifest.notes for part in form.parts] for form in forms)
    return dataset_notes(first) | {
        name: value
        for name, value in dataset_notes([*chain(*others)]).items()
        if not any(name in each for each in first)
    }


def _samples(parts: Sequence[Part]) -> list[Sample]:
    windows = Counter[str]()
    for part in parts:
        windows[part.sample] += part.manifest.rows
    settings = {part.sample: part.manifest for part in reversed(parts)}
    return [
        Sample(
            name=name,
            flavour=settings[name].settings.get("flavour"),
            working_points=_points(settings[name]),
            windows=windows[name],
        )
        for name in sorted(windows)
    ]


def _points(manifest: Manifest) -> Digest | None:
    """The working points, None where they are not recorded."""
    name, sha256 = manifest.settings.get("wp_file"), manifest.working_points_sha256
    return Digest(name=name or "", sha256=sha256) if name or sha256 else None


def _splits(files: Sequence[DataFile], events: Words | None, splits: Splits) -> list[SplitRecord]:
    hashes = np.empty(0, np.uint64) if events is None else events
    sides = np.bincount(splits.of_hash(hashes), minlength=len(splits.names))
    return [
        SplitRecord(
            name=name,
            share=share_text(share),
            windows=sum(file.windows or 0 for file in files if file.split == name),
            events=int(n),
        )
        for (name, share), n in zip(splits.shares.items(), sides, strict=True)
    ]


def merged_inputs(forms: Sequence[Form]) -> list[InputRecord]:
    """Each input of the parts once, by name: events of one that several parts share (ranges of it) are added up, and
    branches that it lacks are those that one of the formats would need.
    """
    found: dict[tuple[Any, ...], InputRecord] = {}
    for number, form in enumerate(forms):
        for each in (each for part in form.parts for each in part.manifest.inputs):
            key = (each.name, each.bytes, each.adler32, each.sha256, each.pileup)
            before = found.get(key, each.model_copy(update={"events": 0, "duplicates": 0}))
            sums = {name: getattr(before, name) + getattr(each, name) for name in ("events", "duplicates")}
            first = {"first": min(before.first, each.first)}
            absent = {"absent": dict(sorted((before.absent | each.absent).items()))}
            found[key] = before.model_copy(update=absent | first | (sums if number == 0 else {}))
    return sorted(found.values(), key=lambda each: natural_key(each.name))


def _software(parts: Sequence[Part]) -> list[Software]:
    made = Counter((part.manifest.version, part.manifest.revision) for part in parts)
    return [Software(version=key[0], revision=key[1], parts=n) for key, n in sorted(made.items())]
