"""Finalizing of matched clusters: tables checked with their manifests, made in the same way, no caloparticle twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ecalwindows.commands.finalize import warn_of_record, write_record
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.files.file_state import file_states
from ecalwindows.core.files.recovery import recover
from ecalwindows.dataset.finalizing.description import About, Form, described, stated_fields
from ecalwindows.dataset.finalizing.parts import Part, parts_error, refuse_changed_parts
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically
from ecalwindows.dataset.layout import natural_key
from ecalwindows.dataset.record import DataFile, DatasetRecord, read_record
from ecalwindows.formats.manifest import FOLDER, file_record, problems, read_manifest, write_manifest
from ecalwindows.formats.suffixes import RECORD
from ecalwindows.studies.matches.reading import FORMAT, read_matches


def finalize_matches(
    folder: str | Path, output: str | Path, *, about: About | None = None, overwrite: bool = False
) -> DatasetRecord:
    """Prove the tables of a flat folder and make them one dataset, `OUTPUT/matches/part-00000.parquet` and so on.

    Raises InputError for tables that are not what they should be, OutputError where nothing can be written.
    """
    folder, target = Path(folder), Path(output)
    if target.absolute() == folder.absolute():
        raise SettingsError(
            "the output is the folder of the parts", expected="a folder of its own", where=str(target),
            todo="name another",
        )  # fmt: skip
    check_folder(target, overwrite=overwrite, inputs=[folder])
    parts = _parts(folder)
    _refuse_differences(parts)
    _refuse_twice(parts)
    previous = read_record(target / RECORD) if (target / RECORD).is_file() else None
    fields = stated_fields(about or About(), target, previous)
    bad = [each for part in parts for each in part.manifest.bad_inputs]
    with folder_written_atomically(target, overwrite=overwrite) as temporary:
        names = [f"part-{number:05d}" for number in range(len(parts))]
        files = [_copied(part, name, temporary) for part, name in zip(parts, names, strict=True)]
        beside = [file_record(temporary / "manifests" / f"{name}.json", temporary) for name in names]
        record = described([Form(parts, files, beside)], None, None, fields | {"bad_inputs": bad})
        refuse_changed_parts(parts)
        write_record(record, temporary)
    warn_of_record(record)
    return record


def _parts(folder: Path) -> list[Part]:
    """The tables, as their manifests state, checked. Raises InputError."""
    recover(folder)
    paths = sorted((folder / FOLDER / "manifests").glob("[!.]*.json"), key=lambda path: natural_key(path.name))
    before = [file_states([path]) for path in paths]
    manifests = [read_manifest(path) for path in paths]
    states = [
        known | file_states(folder / each.name for each in manifest.files)
        for known, manifest in zip(before, manifests, strict=True)
    ]
    wrong = [line for manifest in manifests for line in problems(manifest, folder)]
    wrong += [f"{path.name}: it holds {each.format}" for path, each in zip(paths, manifests, strict=True)
              if each.format != FORMAT]  # fmt: skip
    wrong += [f"{path.name}: it names no file" for path, each in zip(paths, manifests, strict=True) if not each.files]
    if wrong or not manifests:
        raise parts_error(
            "; ".join(wrong[:10]) or "there are no tables in the folder",
            "tables of matched clusters with their manifests", folder, "make them again with `ecalwindows truth match`",
        )  # fmt: skip
    names = [manifest.files[0].name for manifest in manifests]
    return [
        Part(Path(name).stem, folder, manifest, {name: manifest.rows}, manifest_file=path, states=known)
        for name, manifest, path, known in zip(names, manifests, paths, states, strict=True)
    ]


def _refuse_differences(parts: Sequence[Part]) -> None:
    first = parts[0].manifest
    for part in parts[1:]:
        other = part.manifest
        differ = [key for key in first.settings if other.settings.get(key) != first.settings[key]]
        differ = [key for key in differ if key not in ("sample", "flavour", "wp_file")]
        if other.columns != first.columns:
            differ.append("columns")
        if differ:
            raise parts_error(
                f"{part.name} was made with other settings than {parts[0].name}: {', '.join(differ)}",
                "tables that were made in the same way", part.base, "make the others again",
            )  # fmt: skip


def _refuse_twice(parts: Sequence[Part]) -> None:
    """The same event in two tables would count twice."""
    groups, owner = [], []
    for number, part in enumerate(parts):
        for piece in read_matches(part.data, ["group_id", "is_seed"]):
            groups.append(piece["group_id"][piece["is_seed"]])
            owner.append(np.full(len(groups[-1]), number))
    all_groups, owners = (np.concatenate(arrays) if arrays else np.zeros(0, np.int64) for arrays in (groups, owner))
    order = np.argsort(all_groups, kind="stable")
    twice = np.flatnonzero(all_groups[order][1:] == all_groups[order][:-1])
    if len(twice):
        a, b = (parts[owners[order[twice[0] + step]]].name for step in (0, 1))
        raise parts_error(
            f"{len(twice):,} caloparticles occur twice, the first one in {a} and {b}",
            "every event once in a sample", parts[0].base, "leave one of them out, or give samples names of their own",
        )  # fmt: skip


def _copied(part: Part, name: str, out: Path) -> DataFile:
    """Table and manifest under their names in the finished folder."""
    place = out / FORMAT / f"{name}.parquet"
    place.parent.mkdir(exist_ok=True)
    shutil.copyfile(part.data[0], place)
    record = file_record(place, out)
    notes = part.manifest.notes | {"part": part.name}
    write_manifest(
        part.manifest.model_copy(update={"files": [record], "notes": notes}), out / "manifests" / f"{name}.json"
    )
    return DataFile(name=record.name, bytes=record.bytes, sha256=record.sha256, windows=part.manifest.rows)
