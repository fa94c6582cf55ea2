"""All figures of a dataset, drawn from its tables (`studies/distributions.py`), and the figure of a single column."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from ecalwindows.core.arrays import Floats
from ecalwindows.core.schema import COLUMNS
from ecalwindows.plots import overview
from ecalwindows.plots.saving import Draw
from ecalwindows.plots.style import (
    TOP,
    around,
    band,
    group_look,
    legend_above,
    new_figure,
    steps,
    with_unit,
    write_note,
)
from ecalwindows.plots.ticks import draw_ticks
from ecalwindows.studies.tables import Table, read_table, rows_where

MIN_SHARE = 0.002
"""Minimum share of values outside the bins that the figure states; the table has all shares."""

MAX_RATIO = 50.0
"""The vertical axis is logarithmic if the highest bin exceeds the median of the filled bins by this factor."""

DASHES = {1: "-", -1: "-", 0: (0, (4, 1.5)), 2: (0, (1, 1))}
"""Line style of each label, so that the lines differ without colours."""


def figures(folder: Path) -> dict[str, Draw]:
    """All figures that can be drawn from the tables in a folder, the overview first.

    Returns
    -------
    For each name of a figure (a path without suffix), the function that draws it, for `draw_all`.
    """
    columns, histograms = read_table(folder / "columns.csv"), read_table(folder / "histograms.csv")
    found = overview.figures(folder, columns, histograms)
    for name in dict.fromkeys(columns["column"].tolist()):
        rows = rows_where(columns, column=name), rows_where(histograms, column=name)
        found[f"columns/{name}"] = partial(draw_column, name, *rows)
    return found


def draw_column(name: str, columns: Table, histograms: Table) -> Figure:
    """Draw the distribution of a column by flavour and label, with statistical errors as bands.

    Parameters
    ----------
    name : of the column
    columns, histograms : rows of the tables `columns.csv` and `histograms.csv` for this column
    """
    column = COLUMNS[name]
    figure, axes = new_figure(meaning=column.meaning, top=TOP)
    heights = [np.zeros(0)]
    for flavour, label, n in zip(columns["flavour"], columns["label"], columns["values"], strict=True):
        rows = rows_where(histograms, flavour=flavour, label=label)
        if n:
            words, colour = group_look(column.level, int(flavour), int(label))
            share = rows["count"] / n
            edges = np.append(rows["low"], rows["high"][-1])
            error = np.sqrt(share * (1 - share) / n)
            band(axes, share, error, edges, colour)
            steps(axes, share, edges, edgecolor=colour, fill=False, ls=DASHES[int(label)], lw=2,
                  label=f"{words} ({n:,})", gid=f"{flavour}/{label}")  # fmt: skip
            heights.append(share[share > 0])
    if len(histograms["low"]):
        axes.set_xlim(*around(histograms["low"].min(), histograms["high"].max(), is_log=columns["bins"][0] == "log"))
    _scale(axes, columns, np.concatenate(heights), is_integer=column.dtype.startswith("int"))
    axes.set_xlabel(with_unit(name, column.unit))
    axes.set_ylabel(f"share of {column.level}s per bin")
    if column.dtype == "bool":
        axes.set_xlim(-0.6, 1.6)
        axes.set_xticks([0, 1], ["no", "yes"])
        axes.xaxis.set_minor_locator(NullLocator())
    if len(heights) == 1:
        axes.text(0.5, 0.5, "no values (all are -999)", transform=axes.transAxes, ha="center")
    write_note(axes, _not_drawn(columns))
    legend_above(axes)
    draw_ticks(axes)
    return figure


def _scale(axes: Axes, columns: Table, heights: Floats, *, is_integer: bool) -> None:
    """Set the axes so that all bins are visible."""
    if columns["bins"][0] == "log":
        axes.set_xscale("log")
    elif is_integer:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(heights) and heights.max() > MAX_RATIO * np.median(heights):
        axes.set_yscale("log")
        axes.set_ylim(heights.min() * 0.5, heights.max() * 1.6)
    elif len(heights):
        axes.set_ylim(0, heights.max() * 1.08)


def _not_drawn(columns: Table) -> str:
    """A note on the values that the figure does not show."""
    values, n_missing = int(columns["values"].sum()), int(columns["no_number"].sum())
    parts = [
        f"{_percent(n / values)} {where}" for where in ("below", "above")
        if values and (n := int(columns[where].sum())) / values > MIN_SHARE
    ]  # fmt: skip
    parts += [f"{_percent(n_missing / (values + n_missing))} are -999"] if n_missing else []
    return f"not drawn: {', '.join(parts)}" if parts else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 0.001 else "under 0.1 %"
