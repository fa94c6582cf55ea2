"""Figures of `ecalwindows truth window-size`, drawn from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecalwindows.core.geometry import GEOMETRIES
from ecalwindows.plots.saving import Draw, draw_all
from ecalwindows.plots.style import COLOURS, LINES, PLAIN, TOP, legend_above, new_figure
from ecalwindows.studies.tables import Table, read_table, rows_where

BOUNDS = {"up": r"largest $\Delta\eta$", "down": r"smallest $\Delta\eta$", "width": r"largest $|\Delta\phi|$ [rad]"}
ETA = r"seed $|\eta|$"
MARKERS = "os^vD"
NAMED_GEOMETRIES = {"v3": ("black", "-"), "v2": ("#832db6", "--"), "v1": ("#717581", "-.")}
"""Colour and line of the named geometries."""

FITS = LINES[2:]
"""Lines of the fits, other than those of the named geometries."""


def draw_window_size(tables: Mapping[str, Path], folder: Path) -> list[Path]:
    """Draw all figures as PNG and PDF.

    Parameters
    ----------
    tables : paths of the tables by name, as `write_columns` returns them
    folder : of the figures

    Returns
    -------
    Paths of the figures.
    """
    boxes, lines, contained = (read_table(tables[name]) for name in ("boxes", "lines", "contained"))
    figures: dict[str, Draw] = {"contained": partial(_contained, contained)}
    figures |= {f"bound_{bound}": partial(_bound, boxes, lines, bound) for bound in BOUNDS}
    return draw_all(figures, folder)


def _bound(boxes: Table, lines: Table, bound: str) -> Figure:
    """Draw a bound against abs(eta): boxes with errors, the fitted lines, the named geometries."""
    figure, axes = new_figure(top=TOP)
    a = np.linspace(0, 3, 601)
    for name, (colour, style) in NAMED_GEOMETRIES.items():
        values = GEOMETRIES[name].bounds(a)[list(BOUNDS).index(bound)]
        axes.plot(a, values, style, c=colour, lw=1.6, label=name)
    for index, share in enumerate(np.unique(boxes["share"])):
        colour, rows = COLOURS[index % len(COLOURS)], rows_where(boxes, share=share)
        axes.errorbar(
            rows["eta"], rows[bound], yerr=rows[f"{bound}_error"], fmt=MARKERS[index % len(MARKERS)], ms=6,
            color=colour, label=f"{100 * share:g} %",
        )  # fmt: skip
        fit = rows_where(lines, share=share, bound=bound)
        axes.plot(fit["eta"], fit["height"], "-", c=colour, lw=1)
    axes.set(xlabel=ETA, ylabel=BOUNDS[bound], xlim=(0, 3))
    low, high = axes.get_ylim()
    axes.set_ylim((low, 0) if bound == "down" else (0, high))
    legend_above(axes)
    return figure


def _contained(table: Table) -> Figure:
    """Draw the share of the simulated energy outside the windows, by abs(eta)."""
    figure, axes = new_figure(top=TOP)
    names = list(dict.fromkeys(table["geometry"].tolist()))
    fits = [name for name in names if name.startswith("fit_")]
    looks = NAMED_GEOMETRIES | {name: (COLOURS[i % len(COLOURS)], FITS[i % len(FITS)]) for i, name in enumerate(fits)}
    looks |= {"seed_side": ("#b9ac70", "-")}
    for name in sorted(names, key=list(looks).index):
        _draw_outside(axes, rows_where(table, geometry=name), name, *looks[name])
    axes.set(xlabel=ETA, ylabel="energy outside [%]", yscale="log", xlim=(0, table["eta_high"].max()))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0.003), high * 1.3)
    axes.yaxis.set_major_formatter(PLAIN)
    legend_above(axes)
    return figure


def _draw_outside(axes: Axes, rows: Table, name: str, colour: str, style: str) -> None:
    """Draw one geometry. The last row of the table is for all bins together."""
    label = name.replace("fit_", "fit, ") + " %" if name.startswith("fit_") else name.replace("seed_side", "other side")
    low, high, share, error = (rows[key][:-1] for key in ("eta_low", "eta_high", "share", "error"))
    outside, middle = 100 * (1 - share), (low + high) / 2
    axes.stairs(outside, np.append(low, high[-1]), baseline=None, color=colour, ls=style, lw=1.8, label=label)
    axes.errorbar(middle, outside, yerr=100 * error, fmt="none", ecolor=colour, elinewidth=1)
