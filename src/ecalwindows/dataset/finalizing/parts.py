"""The parts of a flat folder: each proven against its manifest, all proven to belong together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.core.arrays import Words
from ecalwindows.core.errors import BadFileError, InputError, SettingsError
from ecalwindows.core.files.file_state import FileState, file_states, refuse_changed
from ecalwindows.core.files.json_files import UnreadableError, parsed_object
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.names import some
from ecalwindows.dataset.layout import natural_key
from ecalwindows.dataset.part_output import EVENTS, KINDS, RULE, WINDOWS, keys_name, load_keys, split_name
from ecalwindows.dataset.record import unbalanced
from ecalwindows.dataset.splits import Splits, parse_split
from ecalwindows.formats.manifest import FOLDER, Format, Manifest, problems, read_manifest
from ecalwindows.formats.ndjson.lines import count_lines
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, MATCHED, RECORD, UNMATCHED, format_of, stem_of
from ecalwindows.formats.tfrecord.frames import count_records

MAX_LISTED = 10
"""Names that an error lists."""


@dataclass(frozen=True)
class Part:
    """A part: `name` (that of its data without suffix), folder, manifest, and what its files were found to hold.

    rows : windows by data file, as counted in the files; schema : Arrow schema of Parquet, else None
    manifest_file : where the manifest is; states : of it and of the data, before they were read
    splits : by which its files are divided
    may_link : whether its files may get second names in a dataset, as nothing ever writes to them
    """

    name: str
    base: Path
    manifest: Manifest
    rows: dict[str, int]
    schema: Any = None
    manifest_file: Path = Path()
    states: dict[str, FileState | None] = field(default_factory=dict)
    splits: Splits | None = None
    may_link: bool = False

    @property
    def has_keys(self) -> bool:
        """Whether the event hashes of its rows are kept beside it."""
        return any(record.name == keys_name(self.name) for record in self.manifest.files)

    def read_keys(self) -> dict[str, Words]:
        """The event hash of each row, by what the rows are. Raises OSError, ValueError.

        They are read each time they are needed: those of all parts would not fit into the memory.
        """
        return load_keys(self.base / keys_name(self.name), self.manifest.format)

    @property
    def data(self) -> list[Path]:
        """The files with windows, in order."""
        return [self.base / name for name in self.rows]

    def files_of(self, split: str | None) -> dict[str, Path]:
        """The files of a split, or of an undivided part, by what they hold (`part_output.KINDS`), in order."""
        stem = split_name(self.name, split)
        names = [record.name for record in self.manifest.files if _stem(record.name, self.manifest.format) == stem]
        found = {_kind(name, self.manifest.format): self.base / name for name in names}
        return {kind: found[kind] for kind in KINDS[self.manifest.format] if kind in found}

    @property
    def sample(self) -> str:
        """The sample that the settings name."""
        return str(self.manifest.settings.get("sample") or "")


def find_parts(folder: Path) -> list[Part]:
    """The parts of a flat folder by name, according to their manifests; only their place in the folder is checked.

    What gave no data at all, as none of its inputs could be read, is no part (`inputs_without_part`).
    Raises InputError for nothing in the folder, data without manifest, two parts with one name, a manifest that names
    files elsewhere.
    """
    recover(folder)
    if not folder.is_dir():
        found = "it is not a folder" if folder.exists() else "there is no such folder"
        raise parts_error(found, "a folder of parts", folder, "check the path")
    if (folder / RECORD).is_file():
        raise parts_error(
            "the folder is a finished dataset", "a flat folder of parts", folder, "give the folder of its parts"
        )
    parts: list[Part] = []
    for path in _manifests(folder):
        before = file_states([path])
        manifest = read_manifest(path)
        if not _is_without_data(manifest):
            parts.append(_part(folder, path, like(manifest, parts[-1].manifest if parts else manifest), before))
    _refuse_same_names(folder, parts)
    _refuse_untracked(folder, {record.name for part in parts for record in part.manifest.files})
    if not parts:
        raise parts_error(
            "there is nothing in the folder", "parts with their manifests", folder,
            "make them with `ecalwindows windows` or `ecalwindows convert`",
        )  # fmt: skip
    return sorted(parts, key=lambda part: natural_key(part.name))


def _is_without_data(manifest: Manifest) -> bool:
    return not manifest.files and bool(manifest.bad_inputs)


def _manifests(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER / "manifests").glob("[!.]*.json"), key=lambda path: natural_key(path.name))


def like(manifest: Manifest, other: Manifest) -> Manifest:
    """The manifest; what it has in common with another one is there once, as most of what a part is known by."""
    same = {name: getattr(other, name) for name in ("columns", "settings", "notes", "counts")}
    return manifest.model_copy(update={name: each for name, each in same.items() if getattr(manifest, name) == each})


def inputs_without_part(folder: Path, parts: Iterable[Part]) -> list[dict[str, str]]:
    """Bad inputs, with the reason, of jobs that gave no data at all. parts : the parts of the folder"""
    known = {part.manifest_file for part in parts}
    others = map(read_manifest, (path for path in _manifests(folder) if path not in known))
    return [bad for each in others if _is_without_data(each) for bad in each.bad_inputs]


def part_of(folder: Path, path: Path) -> Part:
    """The part of a manifest. Raises InputError for one that fits no flat folder."""
    before = file_states([path])
    return _part(folder, path, read_manifest(path), before)


def _part(folder: Path, path: Path, manifest: Manifest, before: dict[str, FileState | None]) -> Part:
    if manifest.format == "matches":
        raise parts_error(
            "the folder holds tables of matched clusters", "parts with windows", path,
            "use them as they are (`ecalwindows truth`); a production with `kind: matches` makes one dataset of them",
        )  # fmt: skip
    names = [record.name for record in manifest.files]
    data = [name for name in names if format_of(PurePosixPath(name).name) == manifest.format]
    if not data:
        raise parts_error(
            f"the manifest names no {manifest.format} file ({', '.join(names) or 'no file at all'})",
            "the data of its part", path, "make the part again",
        )  # fmt: skip
    name, splits = _stem(data[0], manifest.format), _splits_of(manifest, path)
    states = before | file_states(folder / name for name in names)
    part = Part(name, folder, manifest, dict.fromkeys(data, 0), manifest_file=path, states=states)
    if splits is None:
        return part
    part = replace(part, name=name.removesuffix(f".{splits.names[0]}"), splits=splits)
    kinds, keys = KINDS[manifest.format], keys_name(part.name)
    if keys not in names or any(tuple(part.files_of(split)) != kinds for split in splits.names):
        raise parts_error(
            f"the manifest names splits, and not {keys} and the files of each split", "all of them", path,
            "make the part again",
        )  # fmt: skip
    return part


def _stem(name: str, format: Format) -> str:
    """The name of a part, and of a split of it, in the name of one of its files."""
    stem = stem_of(PurePosixPath(name).name)
    return stem.removeprefix("nocalomatch_").removeprefix("calomatch_") if format == "tfrecord" else stem


def _kind(name: str, format: Format) -> str:
    """What a file holds."""
    if format == "tfrecord":
        return PurePosixPath(name).parent.name
    return EVENTS if name.endswith(EVENTS_SUFFIX) else WINDOWS


def _splits_of(manifest: Manifest, path: Path) -> Splits | None:
    rule = manifest.notes.get(RULE)
    try:
        return parse_split(str(rule)) if rule is not None else None
    except SettingsError as error:
        raise parts_error(
            f"the splits in the manifest: {error.found}", error.expected, path, "make the part again"
        ) from error


def refuse_changed_parts(parts: Iterable[Part]) -> None:
    """Raise InputError for a part that is not as it was when it was found: what is known of it may be old."""
    for part in parts:
        refuse_changed(part.states, "a part has changed while the dataset was made of it")


def _refuse_same_names(folder: Path, parts: Sequence[Part]) -> None:
    """Two parts of one name would be one file in the finished dataset, or are one file now."""
    seen: dict[str, Part] = {}
    for part in parts:
        for name in (part.name, *(record.name for record in part.manifest.files)):
            other = seen.setdefault(name, part)
            if other is not part:
                first, second = (next(iter(each.rows)) for each in (other, part))
                raise parts_error(
                    f"two parts have the name '{name}': {first} and {second}", "one part per name", folder,
                    "remove one of them, with its manifest, or rename it and make its manifest again",
                )  # fmt: skip


def _refuse_untracked(folder: Path, known: set[str]) -> None:
    folders = [folder, folder / MATCHED, folder / UNMATCHED]
    files = [file for place in folders if place.is_dir() for file in place.iterdir() if file.is_file()]
    names = sorted(
        (file.relative_to(folder).as_posix() for file in files if format_of(file.name) or _is_events(file.name)),
        key=natural_key,
    )
    untracked = [name for name in names if name not in known]
    if untracked:
        raise parts_error(
            f"{some(untracked, MAX_LISTED)}: data without a manifest",
            f"a manifest for each part in {FOLDER}/manifests", folder,
            "make the part again (a run that was stopped leaves none), or move the file elsewhere",
        )  # fmt: skip


def _is_events(name: str) -> bool:
    return name.endswith(EVENTS_SUFFIX) and not name.startswith((".", "_"))


def checked_parts(parts: Iterable[Part], done: Callable[[], None]) -> list[Part]:
    """The parts with the windows that their files really contain.

    Raises InputError that lists how files and manifests differ: absent files, other sizes or checksums, other numbers
    of windows, other settings in the data than in the manifest, counts that do not add up.
    """
    result: list[Part] = []
    found: list[str] = []
    for part in parts:
        wrong = problems(part.manifest, part.base)
        if not wrong:
            part, wrong = _read_part(part, result[-1].schema if result else None)
        found += [f"{part.name}: {line}" for line in wrong]
        result.append(part)
        done()
    if found:
        raise parts_error(
            "parts are not what their manifests say" + _lines(found),
            "each file as it was when its manifest was written", result[0].base,
            "make these parts again, or remove them with their manifests",
        )  # fmt: skip
    _refuse_copies(result)
    return result


def _read_part(part: Part, usual: Any) -> tuple[Part, list[str]]:
    """The part with rows and schema, and what is wrong with it. usual : a schema that takes no more memory"""
    manifest, schema = part.manifest, None
    try:
        stated = _rows_of_keys(part, part.read_keys()) if part.has_keys else None
        if manifest.format == "parquet":
            footers = {path.relative_to(part.base).as_posix(): pq.read_metadata(path) for path in part.data}
            rows = {name: footer.num_rows for name, footer in footers.items()}
            schema = next(iter(footers.values())).schema.to_arrow_schema()
            if usual is not None and schema.equals(usual, check_metadata=True):
                schema = usual
        elif stated is not None:
            rows = stated
        else:
            count = count_lines if manifest.format == "ndjson" else count_records
            rows = {path.relative_to(part.base).as_posix(): count(path) for path in part.data}
    except (OSError, EOFError, ValueError, pa.ArrowException) as error:
        return part, [f"its data cannot be read: {error}"]
    except BadFileError as error:
        return part, [error.found]
    wrong = [] if schema is None else _lies(manifest, schema)
    if stated is not None and rows != stated:
        wrong.append("its event hashes are not as many as its windows")
    if sum(rows.values()) != manifest.rows:
        wrong.append(f"it has {sum(rows.values()):,} windows, its manifest says {manifest.rows:,}")
    kept = manifest.counts.get("windows_kept", manifest.rows)
    if kept != manifest.rows:
        wrong.append(f"its manifest counts {kept:,} windows kept and {manifest.rows:,} rows")
    wrong += [f"the counts in its manifest do not add up: {line}" for line in unbalanced(manifest.counts)]
    return replace(part, rows=rows, schema=schema), wrong


def _rows_of_keys(part: Part, keys: Mapping[str, Words]) -> dict[str, int]:
    """The windows of each file by the hashes of their events."""
    rows = {}
    names: Sequence[str | None] = part.splits.names if part.splits else [None]
    files = {split: part.files_of(split) for split in names}
    for kind in (kind for kind in KINDS[part.manifest.format] if kind != EVENTS):
        sides = part.splits.of_hash(keys[kind]) if part.splits else np.zeros(len(keys[kind]), np.int64)
        for split, n in zip(names, np.bincount(sides, minlength=len(names)).tolist(), strict=True):
            rows[files[split][kind].relative_to(part.base).as_posix()] = n
    return rows


def _lies(manifest: Manifest, schema: Any) -> list[str]:
    """What a Parquet file says of itself that its manifest does not."""
    try:
        own = parsed_object((schema.metadata or {}).get(b"ecalwindows", b"{}"))
    except UnreadableError as error:
        return [f"what its data say of themselves cannot be read: {error.reason}"]
    said = {"data_model_version": manifest.data_model_version, "settings": manifest.settings,
            "working_points_sha256": manifest.working_points_sha256}  # fmt: skip
    differ = [key for key in said if own.get(key, said[key]) != said[key]]
    wrong = [f"its data were made with another {key} than its manifest says" for key in differ]
    columns = {f"{group.name}.{field.name}" for group in schema for field in fields_of(group.type)}
    if columns != set(manifest.columns) - {"cl_h"}:
        wrong.append(
            f"its columns are not those of its manifest: {some(sorted(columns ^ set(manifest.columns)), MAX_LISTED)}"
        )
    return wrong


def fields_of(kind: Any) -> list[Any]:
    """The fields of a record or of a list of records."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    return list(kind) if pa.types.is_struct(kind) else []


def _refuse_copies(parts: Sequence[Part]) -> None:
    """The same bytes under two names would count the same windows twice."""
    seen: dict[str, str] = {}
    for part in parts:
        for record in part.manifest.files:
            if part.rows.get(record.name):
                other = seen.setdefault(record.sha256, record.name)
                if other != record.name:
                    raise parts_error(
                        f"{other} and {record.name} are the same data", "each window once", part.base,
                        "remove one of them, with its manifest",
                    )  # fmt: skip


def _lines(found: list[str]) -> str:
    more = len(found) - MAX_LISTED
    return "".join(f"\n    {line}" for line in found[:MAX_LISTED]) + (f"\n    and {more} more" if more > 0 else "")


def parts_error(found: str, expected: str, where: Path, todo: str) -> InputError:
    """The error for parts that cannot be finalized."""
    return InputError(found, expected=expected, where=str(where), todo=todo)
