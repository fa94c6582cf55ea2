"""The group of each column of a data file."""

from __future__ import annotations

from ecalwindows.core.schema import COLUMNS
from ecalwindows.dataset.reading.sources import File
from ecalwindows.formats.parquet.definition import GROUPS
from ecalwindows.formats.parquet.reader import file_layout, opened_parquet


def column_groups(file: File, names: frozenset[str]) -> dict[str, str]:
    """Group of each column of `names` that the file has: from its Parquet schema, else from core/schema.py."""
    if file.format != "parquet":
        return {name: column.group for name, column in COLUMNS.items() if name in names}
    with opened_parquet(file.path) as opened:
        leaves = file_layout(opened, file.path).leaves
    groups = {name: leaves[name].fields[0] for name in COLUMNS if name in names and name in leaves}
    return {name: group if group in GROUPS else COLUMNS[name].group for name, group in groups.items()}
