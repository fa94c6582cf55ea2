"""All figures of a dataset, each drawn from its tables (`studies/distributions.py`), and that of a single column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ecalwindows.plots import overview
from ecalwindows.plots.style import cms_style, group_look, new_figure, save_figure, with_unit
from ecalwindows.schema import COLUMNS
from ecalwindows.studies.tables import Table, read_table, rows_where

Floats = NDArray[np.float64]
Draw = Callable[[Sequence[Path]], None]
"""Draws a figure and saves it to all paths, one a format."""

TOLD = 0.002
"""Share of values beyond the bins that is told in the figure; the table tells all."""

STEEP = 50.0
"""A peak so many times higher than the median of the bins that are not empty gets a logarithmic axis."""

DASHES = {1: "-", -1: "-", 0: (0, (4, 1.5)), 2: (0, (1, 1))}
"""Line of each label, so that the figure is read without colours too."""


def figures(folder: Path) -> dict[str, Draw]:
    """All figures that the tables in a folder give: name without suffix -> what draws it. First the overview."""
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
    """The distribution of a column by flavour and label. columns, histograms : its rows of these tables."""
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
    _scale(axes, columns, np.concatenate(heights or [np.zeros(0)]), highest, whole=column.dtype.startswith("int"))
    axes.set_xlabel(with_unit(name, column.unit))
    axes.set_ylabel(f"share of {column.level}s a bin")
    if column.dtype == "bool":
        axes.set_xticks([0, 1], ["no", "yes"])
        axes.minorticks_off()
    if not heights:
        axes.text(0.5, 0.5, "no number (all are -999)", transform=axes.transAxes, ha="center")
    return figure


def _scale(axes: Axes, columns: Table, heights: Floats, highest: float, *, whole: bool) -> None:
    """Axes that show all bins, with room for the legend above them."""
    note, n_lines = _not_drawn(columns), int((columns["values"] > 0).sum())
    room = 0.075 * (n_lines + bool(note)) + 0.04
    if columns["bins"][0] == "log":
        axes.set_xscale("log")
    elif whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(heights) and heights.max() > STEEP * np.median(heights):
        axes.set_yscale("log")
        low = heights.min() * 0.5
        axes.set_ylim(low, low * (highest / low) ** (1 / (1 - room)))
    elif highest:
        axes.set_ylim(0, highest / (1 - room))
    if n_lines:
        axes.legend(loc="upper right", fontsize="x-small", title=note or None, title_fontsize="x-small", borderpad=0.2)


def _not_drawn(columns: Table) -> str:
    """What the figure leaves out, in words."""
    values, lost = int(columns["values"].sum()), int(columns["no_number"].sum())
    parts = [
        f"{_percent(n / values)} {where}" for where in ("below", "above")
        if values and (n := int(columns[where].sum())) / values > TOLD
    ]  # fmt: skip
    parts += [f"{_percent(lost / (values + lost))} are -999"] if lost else []
    return f"not drawn: {', '.join(parts)}" if parts else ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share >= 0.001 else "under 0.1 %"
