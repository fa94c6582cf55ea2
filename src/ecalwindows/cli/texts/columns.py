"""The table of all columns, made from the schema: for a terminal, as Markdown (docs/columns.md) and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ecalwindows.core.errors import SettingsError, near
from ecalwindows.core.schema import COLUMNS, DATA_MODEL_VERSION, EVENT_COLUMNS, HIT_COMPONENTS

FORMATS = ("table", "markdown", "json")


class Row(NamedTuple):
    """A line of the table."""

    group: str
    name: str
    type: str
    unit: str
    meaning: str
    since: int


GROUPS = {
    "cl_features": "model inputs, one value per cluster",
    "cl_metadata": "more of each cluster, one value per cluster",
    "cl_labels": "truth and reconstruction flags, one value per cluster",
    "seed_features": "model inputs, one value per window",
    "seed_metadata": "more of the seed, one value per window",
    "window_features": "model inputs, one value per window",
    "window_metadata": "identity, event and truth, one value per window",
    "cl_h": "the numbers of a hit of a cluster, in the order of `hits_indices` 0 to 5 (Parquet keeps 0, 1, 2, 4)",
    "events": "columns of the `.events.csv` beside NDJSON, one row per event",
}
"""Groups in the order of the table, and what each is."""

INTRODUCTION = f"""# Columns

Made by `ecalwindows columns --format markdown` from `core/schema.py`: data-model version {DATA_MODEL_VERSION}.
Energies are in GeV, angles in rad; an empty unit is a pure number. `since` is the data-model version that brought the
column. No number is NaN or infinite: where a definition gives none, it is -999. In Parquet, `cl_h` stores all
components as float32.
"""


def column_rows(group: str | None = None) -> list[Row]:
    """All columns, or those of a group, in the order of the schema. Raises SettingsError for an unknown group."""
    if group is not None and group not in GROUPS:
        raise SettingsError(
            f"there is no group '{group}'", expected=near(group, GROUPS), where="--group", todo="name a known group"
        )
    rows = [Row(c.group, c.name, c.dtype, c.unit, c.meaning, c.since) for c in COLUMNS.values()]
    rows += [Row("cl_h", name, dtype, unit, meaning, 1) for name, dtype, unit, meaning in HIT_COMPONENTS]
    rows += [Row("events", name, "int64", "", meaning, 1) for name, meaning in EVENT_COLUMNS.items()]
    order = list(GROUPS)
    return sorted((row for row in rows if group in (None, row.group)), key=lambda row: order.index(row.group))


def columns_text(format_name: str = "table", group: str | None = None) -> str:
    """The table as text in one of FORMATS."""
    makers: dict[str, Callable[[Sequence[Row]], str]] = {"table": _table, "markdown": _markdown, "json": _json}
    return makers[format_name](column_rows(group))


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """Header and rows as text."""
    return [[str(value) for value in line] for line in (Row._fields, *rows)]


def _table(rows: Sequence[Row]) -> str:
    cells = _cells(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join(lines)


def _markdown(rows: Sequence[Row]) -> str:
    pieces = [INTRODUCTION]
    for group, meaning in GROUPS.items():
        of_group = [row for row in rows if row.group == group]
        if not of_group:
            continue
        header, *lines = (line[1:] for line in _cells(of_group))  # the group is in the title
        body = [header, ["---"] * len(header), *([f"`{line[0]}`", *line[1:]] for line in lines)]
        pieces.append(f"## `{group}`\n\n{meaning[0].upper()}{meaning[1:]}.\n")
        pieces.append("\n".join("| " + " | ".join(_escaped(cell) for cell in line) + " |" for line in body) + "\n")
    return "\n".join(pieces).rstrip("\n")


def _escaped(cell: str) -> str:
    """Text that Markdown shows as it is."""
    return cell.replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;")


def _json(rows: Sequence[Row]) -> str:
    return json.dumps({"data_model_version": DATA_MODEL_VERSION, "columns": [row._asdict() for row in rows]}, indent=1)
