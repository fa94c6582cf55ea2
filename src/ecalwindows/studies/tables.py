"""Tables of studies as CSV files; the same numbers give the same bytes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = dict[str, NDArray[Any]]
"""Columns by name, (n_rows,): int64, float64 or str."""


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


def _typed(column: Sequence[str]) -> NDArray[Any]:
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
