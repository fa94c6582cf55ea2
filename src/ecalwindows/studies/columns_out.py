"""Tables of a study, by name, to a folder: each appears whole, numbers with eight digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecalwindows.dataset.output import check_output, written_aside
from ecalwindows.studies.tables import write_table

Columns = Mapping[str, Sequence[Any]]
"""Columns of one length by name."""


def write_columns(folder: Path, tables: Mapping[str, Columns]) -> dict[str, Path]:
    """Write each table to `<name>.csv` in the folder (made if need be); returns the paths. Raises OutputError."""
    paths = {name: folder / f"{name}.csv" for name in tables}
    for path in paths.values():
        check_output(path, overwrite=True)
    with written_aside(list(paths.values())) as places:
        for place, table in zip(places, tables.values(), strict=True):
            write_table(
                place, list(table), ([_short(value) for value in row] for row in zip(*table.values(), strict=True))
            )
    return paths


def _short(value: Any) -> Any:
    return float(f"{value:.8g}") if isinstance(value, float) else value
