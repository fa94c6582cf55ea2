"""Several parts as one: their rows one after the other, values and bytes as they are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecalwindows.dataset.finalizing.identity import pieces, rows_of
from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.dataset.finalizing.routing import compress_lines, names_of, opened, part_paths
from ecalwindows.dataset.notes import summed_notes
from ecalwindows.dataset.part_output import EVENTS, KINDS, RULE, WINDOWS, keys_name, save_keys, split_name
from ecalwindows.formats.manifest import FileRecord, Manifest, summed_counts
from ecalwindows.formats.summed_file import SummedFile, file_records


def write_merged(parts: Sequence[Part], name: str, folder: Path) -> Manifest:
    """Write the rows of parts, which belong together, as one part of a flat folder; its manifest is returned.

    Raises OSError.
    """
    format, first = parts[0].manifest.format, parts[0]
    is_same = len({str(part.splits) for part in parts}) == 1
    written, summed = list[Path](), list[SummedFile]()
    for split in names_of(first.splits if is_same else None):
        for kind, path in part_paths(format, split_name(name, split), folder, None).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_same and format != "parquet":
                sources = [files[kind] for part in parts if kind in (files := part.files_of(split))]
                if kind == WINDOWS:
                    summed += compress_lines(sources, path)
                else:
                    (join_tables if kind == EVENTS else _join)(sources, path)
            else:
                with opened(first, kind, path) as out:
                    summed += out.files
                    for rows in _rows(parts, kind, split, is_same):
                        out.put(rows)
            written.append(path)
    if all(part.has_keys for part in parts):
        written.append(folder / keys_name(name))
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        held = [part.read_keys() for part in parts]
        save_keys(written[-1], {kind: [keys[kind] for keys in held] for kind in KINDS[format]})
    written = [path for path in written if path.is_file()]
    records = file_records(written, folder, written, summed)
    return merged_manifest([part.manifest for part in parts], records)


def _rows(parts: Sequence[Part], kind: str, split: str | None, is_same: bool) -> Iterator[Any]:
    """The rows of all parts: those of a split, or all in their order where the parts are divided in different ways."""
    for part in parts:
        found = pieces(part, part.files_of(split)[kind], kind) if is_same else rows_of(part, kind)
        yield from (rows for rows, _ in found)


def merged_manifest(parts: Sequence[Manifest], files: list[FileRecord]) -> Manifest:
    """The manifest of merged parts: the sum of their manifests. Pure."""
    first = parts[0]
    return first.model_copy(
        update={
            "files": files,
            "rows": sum(part.rows for part in parts),
            "inputs": [each for part in parts for each in part.inputs],
            "counts": summed_counts(parts),
            "bad_inputs": [each for part in parts for each in part.bad_inputs],
            "notes": _notes([part.notes for part in parts]) | {"merged": len(parts)},
        }
    )


def _notes(notes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The notes of all, without that of splits where these are not the same."""
    is_same = len({each.get(RULE) for each in notes}) == 1
    return {name: note for name, note in summed_notes(notes).items() if name != RULE or is_same}


def join_tables(sources: Sequence[Path], path: Path) -> None:
    """Tables of events, with one header."""
    if not sources:
        return
    with path.open("wb") as out:
        for number, source in enumerate(sources):
            with source.open("rb") as table:
                header = table.readline()
                if number == 0:
                    out.write(header)
                shutil.copyfileobj(table, out)


def _join(sources: Sequence[Path], path: Path) -> None:
    with path.open("wb") as out:
        for source in sources:
            with source.open("rb") as file:
                shutil.copyfileobj(file, out)
