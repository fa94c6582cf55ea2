"""Tables of studies as CSV files; the same numbers give the same bytes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array
from ecalwindows.core.files.output import check_names, check_output, written_atomically
from ecalwindows.dataset.folder_output import has_page

Table = dict[str, Array]
"""Columns by name, (n_rows,): int64, float64 or str."""

Columns = Mapping[str, Iterable[Any]]
"""Columns of the same length, by name, to be written: lists or arrays."""


def check_study(folder: Path, names: Iterable[str], figures: Iterable[str], *, page: str, mark: str, by: str) -> None:
    """Raise OutputError where a file of a study would replace one that no earlier run of it has left in the folder.

    names, figures : of all files that may be written; of figures, which are written as PNG and PDF, without suffix
    page, mark : the file that each run leaves, and how it begins; by : the command
    """
    names = [*names, *(f"{name}{suffix}" for name in figures for suffix in (".png", ".pdf"))]
    is_own = lambda path: has_page(path.parent, page=page, mark=mark)  # noqa: E731
    check_names(folder, names, is_own=is_own, ours=f"a folder of `ecalwindows {by}`")


def write_table(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table. Numbers are written like Python prints them, so that reading gives exactly the same numbers."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def read_table(path: Path) -> Table:
    """Read a table. A column contains integers, numbers (NaN for an empty field) or text."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return {name: _typed(column) for name, column in zip(names, columns, strict=True)}


def _typed(column: Sequence[str]) -> Array:
    for kind in (np.int64, np.float64):
        try:
            return np.array([word or "nan" for word in column] if kind is np.float64 else column, dtype=kind)
        except ValueError:
            continue
    return np.array(column, dtype=str)


def rows_where(table: Table, **values: Any) -> Table:
    """The rows in which the given columns have these values."""
    keep = np.ones(len(next(iter(table.values()))), dtype=np.bool_)
    for name, value in values.items():
        keep &= table[name] == value
    return {name: column[keep] for name, column in table.items()}


def from_rows(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Columns:
    """The columns of rows, by name."""
    rows = list(rows)
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def joined(parts: Sequence[Columns]) -> Columns:
    """The rows of several tables with the same columns, one table after the other."""
    return {name: [value for part in parts for value in part[name]] for name in parts[0]}


def write_columns(folder: Path, tables: Mapping[str, Columns]) -> dict[str, Path]:
    """Write each table to `<name>.csv`, atomically, with numbers of eight digits.

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
