"""Several parts as one: their rows one after the other, values and bytes as they are."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.dataset.finalizing.routing import LineWriter, TableWriter, part_paths
from ecalwindows.dataset.notes import summed_notes
from ecalwindows.formats.manifest import FileRecord, Manifest, file_record
from ecalwindows.formats.ndjson.lines import line_pieces
from ecalwindows.formats.parquet.writer import ROW_GROUP


def write_merged(parts: Sequence[Part], name: str, folder: Path) -> Manifest:
    """Write the rows of parts, which belong together, as one part of a flat folder; its manifest is returned.

    Raises OSError.
    """
    format = parts[0].manifest.format
    paths = part_paths(format, name, folder, None)
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    if format == "parquet":
        _merge_parquet(parts, paths["windows"])
    elif format == "ndjson":
        _merge_lines(parts, paths["windows"])
        join_tables([part.events for part in parts if part.events], paths["events"])
    else:
        for kind, path in paths.items():
            _join([source for part in parts for source in part.data if source.parent.name == kind], path)
    written = [file_record(path, folder) for path in paths.values() if path.is_file()]
    return merged_manifest([part.manifest for part in parts], written)


def merged_manifest(parts: Sequence[Manifest], files: list[FileRecord]) -> Manifest:
    """The manifest of merged parts: the sum of their manifests. Pure."""
    first = parts[0]
    names = dict.fromkeys(name for part in parts for name in part.counts)
    return first.model_copy(
        update={
            "files": files,
            "rows": sum(part.rows for part in parts),
            "inputs": [each for part in parts for each in part.inputs],
            "counts": {name: sum(part.counts.get(name, 0) for part in parts) for name in names},
            "bad_inputs": [each for part in parts for each in part.bad_inputs],
            "notes": summed_notes([part.notes for part in parts]) | {"merged": len(parts)},
        }
    )


def _merge_parquet(parts: Sequence[Part], path: Path) -> None:
    """In row groups of the usual size, whatever those of the parts."""
    with TableWriter(path, parts[0].schema) as writer:
        writer.write_table(parts[0].schema.empty_table())
        for part in parts:
            with pq.ParquetFile(part.data[0]) as file:
                for batch in file.iter_batches(use_threads=False, batch_size=ROW_GROUP):
                    writer.write_table(pa.Table.from_batches([batch]))


def _merge_lines(parts: Sequence[Part], path: Path) -> None:
    with LineWriter(path, "zst") as file:
        for part in parts:
            for piece in line_pieces(part.data[0]):
                file.write(np.frombuffer(piece, np.uint8))


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
