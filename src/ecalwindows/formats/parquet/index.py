"""What makes a folder of Parquet files one dataset: `_metadata`, `_common_metadata` and `_type.txt`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.output import written_atomically
from ecalwindows.formats.manifest import FileRecord, file_record

INDEX = ("_common_metadata", "_metadata", "_type.txt")


def write_parquet_index(folder: Path, names: Sequence[str], base: Path) -> list[FileRecord]:
    """Write the three files for the Parquet files `names` of a folder (at least one, all of one schema).

    Returns their names below `base`, with sizes and checksums, for the record of the dataset.

    `_metadata` : all row groups with the file of each, so that readers need not open every file;
    `_common_metadata` : the schema; `_type.txt` : the Awkward type, for people.
    Raises OutputError when they can't be written, or one of them is a link.
    """
    refuse_links(folder / name for name in INDEX)
    row_groups = _row_groups(folder, names)
    schema = row_groups.schema.to_arrow_schema()
    paths = [folder / name for name in INDEX]
    with written_atomically(paths) as (common, metadata, text):
        pq.write_metadata(schema, common)
        row_groups.write_metadata_file(str(metadata))
        text.write_text(awkward_type(schema, row_groups.num_rows) + "\n", encoding="utf-8")
        return [file_record(path, base, place) for path, place in zip(paths, (common, metadata, text), strict=True)]


def indexed_files(index: Path) -> set[str]:
    """Names of the files that an index (`_metadata`) has row groups of, relative to its folder."""
    metadata = pq.read_metadata(index)
    return {str(metadata.row_group(n).column(0).file_path) for n in range(metadata.num_row_groups)}


def _row_groups(folder: Path, names: Sequence[str]) -> Any:
    """The metadata of all files as one."""
    result: Any = None
    for name in names:
        metadata = pq.read_metadata(folder / name)
        metadata.set_file_path(name)
        if result is None:
            result = metadata
        else:
            result.append_row_groups(metadata)
    return result


def awkward_type(schema: Any, n_rows: int) -> str:
    """The type of the array that `ak.from_parquet` gives, on one line."""
    import awkward as ak

    return str(ak.types.ArrayType(ak.from_arrow_schema(schema).type, n_rows))
