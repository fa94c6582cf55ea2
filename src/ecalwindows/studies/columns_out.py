"""Write the tables of a study into a folder, atomically, with numbers of eight digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecalwindows.core.files.output import check_output, written_atomically
from ecalwindows.studies.tables import write_table

Columns = Mapping[str, Sequence[Any]]
"""Columns of the same length, by name."""


def write_columns(folder: Path, tables: Mapping[str, Columns]) -> dict[str, Path]:
    """Write each table to `<name>.csv`.

    Parameters
    ----------
    folder : of the files; made if it does not exist
    tables : columns by name, for each name of a table

    Returns
    -------
    Path of each table.

    Raises
    ------
    OutputError : if a file cannot be written
    """
    paths = {name: folder / f"{name}.csv" for name in tables}
    for path in paths.values():
        check_output(path, overwrite=True)
    with written_atomically(list(paths.values())) as places:
        for place, table in zip(places, tables.values(), strict=True):
            write_table(
                place, list(table), ([_short(value) for value in row] for row in zip(*table.values(), strict=True))
            )
    return paths


def _short(value: Any) -> Any:
    return float(f"{value:.8g}") if isinstance(value, float) else value
