"""All figures of a dataset, drawn from its tables (`studies/distributions.py`), and the figure of a single column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ecalwindows.core.schema import COLUMNS
from ecalwindows.plots import overview
from ecalwindows.plots.style import cms_style, group_look, new_figure, save_figure, with_unit
from ecalwindows.studies.tables import Table, read_table, rows_where

Floats = NDArray[np.float64]
Draw = Callable[[Sequence[Path]], None]
"""Draws a figure and saves it to all paths, one path per format."""

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
    For each name of a figure (a path without suffix), the function that draws it.
    """
    columns, histograms = read_table(folder / "columns.csv"), read_table(folder / "histograms.csv")
    found: dict[str, Callable[[], Figure]] = overview.figures(folder, columns, histograms)
    for name in dict.fromkeys(columns["column"].tolist()):
        rows = rows_where(columns, column=name), rows_where(histograms, column=name)
        found[f"columns/{name}"] = partial(draw_column, name, *rows)
    return {name: partial(_save, make) for name, make in found.items()}


def _save(make: Callable[[], Figure], paths: Sequence[Path]) -> None:
    with cms_style():
        figure = make()
        for path in paths:
            save_figure(figure, path)


def draw_column(name: str, columns: Table, histograms: Table) -> Figure:
    """Draw the distribution of a column by flavour and label.

    Parameters
    ----------
    name : of the column
    columns, histograms : rows of the tables `columns.csv` and `histograms.csv` for this column
    """
    column = COLUMNS[name]
    figure, axes = new_figure(meaning=column.meaning)
    highest, heights = 0.0, list[Floats]()
    for flavour, label, n in zip(columns["flavour"], columns["label"], columns["values"], strict=True):
        rows = rows_where(histograms, flavour=flavour, label=label)
        if n:
            words, colour = group_look(column.level, int(flavour), int(label))
            share = rows["count"] / n
            edges = np.append(rows["low"], rows["high"][-1])
            axes.stairs(
                share, edges, color=colour, ls=DASHES[int(label)], lw=2, label=f"{words} ({n:,})",
                fill=False, gid=f"{flavour}/{label}",
            )  # fmt: skip
            highest, heights = max(highest, share.max()), [*heights, share[share > 0]]
    _scale(axes, columns, np.concatenate(heights or [np.zeros(0)]), highest, is_integer=column.dtype.startswith("int"))
    axes.set_xlabel(with_unit(name, column.unit))
    axes.set_ylabel(f"share of {column.level}s per bin")
    if column.dtype == "bool":
        axes.set_xticks([0, 1], ["no", "yes"])
        axes.minorticks_off()
    if not heights:
        axes.text(0.5, 0.5, "no values (all are -999)", transform=axes.transAxes, ha="center")
    return figure


def _scale(axes: Axes, columns: Table, heights: Floats, highest: float, *, is_integer: bool) -> None:
    """Set the axes so that all bins are visible, with free space for the legend above them."""
    note, n_lines = _not_drawn(columns), int((columns["values"] > 0).sum())
    room = 0.075 * (n_lines + bool(note)) + 0.04
    if columns["bins"][0] == "log":
        axes.set_xscale("log")
    elif is_integer:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(heights) and heights.max() > MAX_RATIO * np.median(heights):
        axes.set_yscale("log")
        low = heights.min() * 0.5
        axes.set_ylim(low, low * (highest / low) ** (1 / (1 - room)))
    elif highest:
        axes.set_ylim(0, highest / (1 - room))
    if n_lines:
        axes.legend(loc="upper right", fontsize="x-small", title=note or None, title_fontsize="x-small", borderpad=0.2)


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
