"""Figures of `ecalwindows truth working-points`, drawn from its tables: the scan, the map, and its effect."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, LogLocator, NullFormatter, NullLocator

from ecalwindows.core.arrays import Floats
from ecalwindows.plots.saving import Draw, Look, draw_all
from ecalwindows.plots.style import LINES, MIN_ENTRIES, PLAIN, mark_panels
from ecalwindows.studies.tables import Table, read_table, rows_where

ET = r"seed raw $E_T$ [GeV]"
ETA = r"seed $|\eta|$"
THRESHOLD = "simFraction threshold"
WAYS = {
    "all": ("all matched clusters", "#717581", "o"),
    "flat": (r"flat $10^{-3}$", "#3f90da", "s"),
    "map": ("derived map", "#bd1f01", "D"),
    "mustache": ("Mustache", "#ffa90e", "^"),
}
"""Label, colour and marker of each way to select clusters."""

THIN: dict[str, Any] = {"fill": False, "hatch": "////", "ec": "0.35", "lw": 0}
"""Look of bins with too few caloparticles."""


def draw_working_points(tables: Mapping[str, Path], folder: Path) -> list[Path]:
    """Draw all figures as PNG and PDF.

    Parameters
    ----------
    tables : paths of the tables by name, as `write_columns` returns them
    folder : of the figures

    Returns
    -------
    Paths of the figures.
    """
    scan, made, closure = (read_table(tables[name]) for name in ("scan", "map", "closure"))
    closure = {name: column[:-1] for name, column in closure.items()}  # the last row is for all bins together
    draw: dict[str, Draw] = {
        "resolution_by_threshold": partial(_scan, scan, made, "resolution", r"$\sigma_{eff}$ / minimum"),
        "response_by_threshold": partial(_scan, scan, made, "response", r"$E_{reco}/E_{true}$ / maximum"),
        "map": partial(_map, made),
        "resolution_before_and_after": partial(_closure, closure, "resolution", r"$\sigma_{eff}(E_{reco}/E_{true})$"),
        "change_of_resolution": partial(draw_change, closure),
        "clusters_kept": partial(_closure, closure, "clusters", "mean number of clusters"),
    }
    return draw_all(draw, folder, Look(font_size=15))


def _eta_bins(table: Table) -> list[tuple[float, float]]:
    return sorted(set(zip(table["eta_low"].tolist(), table["eta_high"].tolist(), strict=True)))


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    """A figure with one panel for each of n eta bins."""
    columns = min(4, n)
    rows = -(-n // columns)
    figure = Figure(figsize=(3.7 * columns + 1.2, 3.1 * rows + 1.3), dpi=100, layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
    for spare in axes[n:]:
        spare.remove()
    mark_panels(figure)
    return figure, axes[:n]


def _name_panel(axes: Axes, low: float, high: float, *, top: bool = True, left: bool = False) -> None:
    axes.text(
        0.05 if left else 0.95, 0.95 if top else 0.05, rf"{low:g} < $|\eta|$ < {high:g}", transform=axes.transAxes,
        ha="left" if left else "right", va="top" if top else "bottom", fontsize="medium",
    )  # fmt: skip


def _scan(scan: Table, made: Table, what: str, label: str) -> Figure:
    """Draw response or resolution against the threshold: a panel for each eta bin, a line for each Et bin.

    A point on each line marks the threshold of the map.
    """
    bins = _eta_bins(scan)
    figure, panels = _panels(len(bins))
    ets = [et for et in sorted(set(made["et_low"].tolist())) if _has_enough(rows_where(scan, et_low=et))]
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.93, len(ets)))
    styles = [LINES[place % len(LINES)] for place in range(len(ets))]
    highest = 1.0
    for axes, (low, high) in zip(panels, bins, strict=True):
        for et, colour, style in zip(ets, colours, styles, strict=True):
            rows = rows_where(scan, eta_low=low, et_low=et)
            if not _has_enough(rows):
                continue
            best = np.nanmin(rows[what]) if what == "resolution" else np.nanmax(rows[what])
            axes.plot(rows["threshold"], rows[what] / best, color=colour, lw=1.5, ls=style)
            chosen = rows_where(made, eta_low=low, et_low=et)["threshold"][0]
            place = int(np.argmin(np.abs(np.log(rows["threshold"] / chosen))))
            axes.plot(rows["threshold"][place], rows[what][place] / best, "o", color=colour, ms=5, mec="black", mew=0.6)
            highest = max(highest, float(np.nanquantile(rows[what] / best, 0.75)))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_minor_formatter(NullFormatter())
        _name_panel(axes, low, high, top=what == "resolution", left=True)
    panels[0].set_ylim((0.97, min(highest, 2.0)) if what == "resolution" else (0.88, 1.01))
    figure.supxlabel(THRESHOLD + "  (points: the map)", fontsize="large")
    figure.supylabel(label, fontsize="large")
    ends = dict(zip(made["et_low"].tolist(), made["et_high"].tolist(), strict=True))
    lines = [
        matplotlib.lines.Line2D([], [], color=colour, lw=2.5, ls=style, label=f"{et:g}-{ends[et]:g}")
        for et, colour, style in zip(ets, colours, styles, strict=True)
    ]
    figure.legend(handles=lines, title=ET, loc="outside right center", fontsize="small", title_fontsize="small")
    return figure


def _has_enough(rows: Table) -> bool:
    """Whether there are enough entries, in at least one bin, to draw a line."""
    return bool((rows["entries"] >= MIN_ENTRIES).any())


def _map(made: Table) -> Figure:
    """Draw the thresholds and their errors, one cell for each bin; bins with too few caloparticles are hatched."""
    figure = Figure(figsize=(17, 8), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    mark_panels(figure)
    factor = np.sqrt(made["threshold_high"] / made["threshold_low"])
    low, high = made["threshold"].min(), made["threshold"].max()
    middle = np.sqrt(low * high)
    norm = LogNorm(min(low, middle / 2), max(high, middle * 2))
    _cells(figure, left, made, made["threshold"], THRESHOLD + r" [$10^{-3}$ in the cells]", 1e3, norm)
    limits = LogNorm(1.0, max(3.0, float(factor.max())))
    _cells(figure, right, made, factor, "error (a factor)", 1.0, limits)
    left.set_ylabel(ETA)
    words = "too few caloparticles: value of the smooth surface"
    figure.legend([Rectangle((0, 0), 1, 1, **THIN)], [words], loc="outside upper right", fontsize="small")
    return figure


def _cells(figure: Figure, axes: Axes, made: Table, values: Floats, label: str, scale: float, norm: LogNorm) -> None:
    """Draw cells of equal size (bins of Et and eta have different sizes), with a number in each."""
    ets, etas = (sorted(set(made[name].tolist())) for name in ("et_low", "eta_low"))
    grid = values.reshape(len(ets), len(etas)).T
    mesh = axes.pcolormesh(np.arange(len(ets) + 1), np.arange(len(etas) + 1), grid, norm=norm, cmap="YlGnBu")
    for place, (value, is_thin) in enumerate(zip(values, made["is_thin"], strict=True)):
        x, y = divmod(place, len(etas))
        colour = "white" if norm(value) > 0.6 else "black"
        axes.text(x + 0.5, y + 0.5, f"{value * scale:.2g}", ha="center", va="center", fontsize="x-small", color=colour)
        if is_thin:
            axes.add_patch(Rectangle((x, y), 1, 1, **THIN))
    for axis, edges in ((axes.xaxis, [*ets, made["et_high"].max()]), (axes.yaxis, [*etas, made["eta_high"].max()])):
        axis.set_major_locator(FixedLocator(range(len(edges))))
        axis.set_minor_locator(NullLocator())
        axis.set_ticklabels([f"{edge:g}" for edge in edges], fontsize="small")
    axes.set_xlabel(ET)
    axes.tick_params(axis="x", rotation=45)
    bar = figure.colorbar(mesh, ax=axes, location="top", aspect=40, pad=0.01, label=label)
    bar.ax.xaxis.set_major_formatter(PLAIN)
    bar.ax.xaxis.set_minor_formatter(NullFormatter())
    bar.ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    bar.ax.tick_params(labelsize="x-small", which="both")


def _filled(closure: Table, eta_low: float) -> Table:
    """The bins of an eta bin with enough entries."""
    rows = rows_where(closure, eta_low=eta_low)
    return {name: column[rows["entries"] >= MIN_ENTRIES] for name, column in rows.items()}


def _bins_of_et(rows: Table) -> tuple[Floats, Any]:
    """Geometric centres of the Et bins, and their distances from the edges."""
    middle = np.sqrt(rows["et_low"] * rows["et_high"])
    return middle, [middle - rows["et_low"], rows["et_high"] - middle]


def _log_et(panels: list[Axes], rows: Table) -> None:
    """Et is logarithmic, and reaches over the bins that are drawn."""
    drawn = rows["entries"] >= (MIN_ENTRIES if _has_enough(rows) else 0)
    limits = 0.9 * rows["et_low"][drawn].min(), 1.1 * rows["et_high"][drawn].max()
    for axes in panels:
        axes.set(xscale="log", xlim=limits)
        axes.xaxis.set_major_locator(
            FixedLocator([1, 5, 20, 100, 500] if limits[0] < 10 else [10, 20, 50, 100, 200, 500])
        )
        axes.xaxis.set_major_formatter(PLAIN)
        axes.xaxis.set_minor_formatter(NullFormatter())


def _closure(closure: Table, what: str, label: str) -> Figure:
    """Draw resolution or number of clusters against Et for each way to select clusters, one panel per eta bin."""
    bins = _eta_bins(closure)
    figure, panels = _panels(len(bins))
    for axes, (low, high) in zip(panels, bins, strict=True):
        rows = _filled(closure, low)
        for index, (way, (text, colour, marker)) in enumerate(WAYS.items()):
            x = _bins_of_et(rows)[0] * 1.06 ** (index - 1.5)
            error = np.nan_to_num(rows[f"{what}_{way}_error"]) if f"{what}_{way}_error" in rows else None
            axes.errorbar(
                x, rows[f"{what}_{way}"], error, fmt=marker, color=colour, ms=5, lw=1.2, capsize=0, label=text,
                alpha=0.95,
            )  # fmt: skip
        _name_panel(axes, low, high)
        if what == "resolution":
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
    if what == "clusters":
        panels[0].set_ylim(0.8, 1.12 * panels[0].get_ylim()[1])
    _log_et(panels, closure)
    figure.supxlabel(ET, fontsize="large")
    figure.supylabel(label, fontsize="large")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=4, fontsize="small")
    return figure


def draw_change(closure: Table) -> Figure:
    """Draw the resolution with the map over that with flat 1e-3, by bin."""
    bins = _eta_bins(closure)
    figure, panels = _panels(len(bins))
    for axes, (low, high) in zip(panels, bins, strict=True):
        rows = _filled(closure, low)
        x, width = _bins_of_et(rows)
        axes.axhline(0, color="0.5", lw=1)
        band = 100 * rows["resolution_map_error"] / rows["resolution_map"]
        axes.bar(rows["et_low"], 2 * band, rows["et_high"] - rows["et_low"], -band, align="edge", color="0.9", zorder=0)
        axes.errorbar(x, 100 * rows["change"], 100 * np.nan_to_num(rows["change_error"]), width, fmt="o",
                      color=WAYS["map"][1], ms=4, lw=1.2)  # fmt: skip
        _name_panel(axes, low, high)
    _log_et(panels, closure)
    drawn = 100 * closure["change"][(closure["entries"] >= MIN_ENTRIES) & np.isfinite(closure["change"])]
    limit = max(20.0, 1.15 * float(np.abs(drawn).max(initial=0)))
    panels[0].set_ylim(-limit, limit)
    figure.supxlabel(ET + "   (grey: error of the resolution itself)", fontsize="large")
    figure.supylabel(r"$\sigma_{eff}$: map over flat $10^{-3}$, change [%]", fontsize="large")
    return figure
