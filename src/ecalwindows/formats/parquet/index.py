"""What makes a folder of Parquet files one dataset: `_metadata`, `_common_metadata` and `_type.txt`."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.output import written_atomically
from ecalwindows.formats.manifest import FileRecord, file_record

log = logging.getLogger(__name__)

METADATA = "_metadata"
INDEX = ("_common_metadata", METADATA, "_type.txt")

MAX_CHUNKS = 800_000
"""Columns of row groups of which `_metadata` is written: 100 MB, for which a reader needs 0.8 GB of memory."""


def write_parquet_index(
    folder: Path, names: Sequence[str], base: Path, *, max_chunks: int = MAX_CHUNKS
) -> list[FileRecord]:
    """Write the three files for the Parquet files `names` of a folder (at least one, all of one schema).

    Returns their names below `base`, with sizes and checksums, for the record of the dataset.

    `_metadata` : all row groups with the file of each, so that readers need not open every file; it is not written for
    more than `max_chunks` columns of row groups, and a warning says so: readers then read the footer of each file
    `_common_metadata` : the schema; `_type.txt` : the Awkward type, for people.
    Raises OutputError when they can't be written, or one of them is a link.
    """
    refuse_links(folder / name for name in INDEX)
    schema, rows, row_groups = _joined(folder, names, max_chunks)
    if row_groups is None:
        log.warning("%s: without the index %s: it would be too large for readers, which read the %s files instead",
                    folder, METADATA, f"{len(names):,}")  # fmt: skip
        (folder / METADATA).unlink(missing_ok=True)  # one of fewer files, where a dataset has grown
    paths = [folder / name for name in INDEX if row_groups is not None or name != METADATA]
    with written_atomically(paths) as places:
        pq.write_metadata(schema, places[0])
        if row_groups is not None:
            row_groups.write_metadata_file(str(places[1]))
        places[-1].write_text(awkward_type(schema, rows) + "\n", encoding="utf-8")
        return [file_record(path, base, place) for path, place in zip(paths, places, strict=True)]


def indexed_files(index: Path) -> set[str]:
    """Names of the files that an index (`_metadata`) has row groups of, relative to its folder."""
    metadata = pq.read_metadata(index)
    return {str(metadata.row_group(n).column(0).file_path) for n in range(metadata.num_row_groups)}


def _joined(folder: Path, names: Sequence[str], max_chunks: int) -> tuple[Any, int, Any]:
    """The schema of all files, their rows, and their metadata as one; None for too many row groups."""
    schema: Any = None
    result: Any = None
    n_rows = n_chunks = 0
    for name in names:
        metadata = pq.read_metadata(folder / name)
        metadata.set_file_path(name)
        n_rows += metadata.num_rows
        n_chunks += metadata.num_row_groups * metadata.num_columns
        if schema is None:
            schema, result = metadata.schema.to_arrow_schema(), metadata
        elif n_chunks > max_chunks:
            result = None
        else:
            result.append_row_groups(metadata)
    return schema, n_rows, result


def awkward_type(schema: Any, n_rows: int) -> str:
    """The type of the array that `ak.from_parquet` gives, on one line."""
    import awkward as ak

    return str(ak.types.ArrayType(ak.from_arrow_schema(schema).type, n_rows))
