"""Figures of `ecalwindows reweight`, drawn from its tables: distributions before and after, and the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from ecalwindows.core.arrays import Floats
from ecalwindows.plots.saving import Draw, Look, draw_all
from ecalwindows.plots.style import PLAIN, mark
from ecalwindows.studies.tables import Table, read_table, rows_where

LABELS = {"et": r"seed $E_T$ [GeV]", "ncls": "clusters in the window"}
ETA = r"seed $|\eta|$"
WHEN = ("before", "after")
FEW = 0.7
"""Cells below this ratio have a dot: printed in grey, both ends of the colours are dark."""


def draw_reweighting(tables: Mapping[str, Path], folder: Path) -> list[Path]:
    """Draw all figures as PNG and PDF.

    Parameters
    ----------
    tables : paths of the tables by name, as `write_columns` returns them
    folder : of the figures

    Returns
    -------
    Paths of the figures.
    """
    check = read_table(tables["check_et_eta"])
    ncls = read_table(tables["check_ncls_eta"])
    figures: dict[str, Draw] = {}
    for flavour in ("electron", "photon"):
        rows = rows_where(check, flavour=flavour)
        titles = [f"{flavour}s, {when}" for when in WHEN]
        figures[f"et_eta_{flavour}s"] = partial(
            _before_and_after, rows, "et", [rows["flat"]] * 2, titles, "windows / flat"
        )
    photons, electrons = (rows_where(ncls, flavour=flavour) for flavour in ("photon", "electron"))
    over = [np.where(electrons[when] > 0, electrons[when], np.nan) for when in WHEN]
    figures["ncls_eta"] = partial(_before_and_after, photons, "ncls", over, WHEN, "photons / electrons")
    figures["ncls"] = partial(_projections, ncls)
    figures["weights"] = partial(_weights, read_table(tables["flattening"]), read_table(tables["photon_to_electron"]))
    return draw_all(figures, folder, Look(font_size=16))


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    """A figure of n panels side by side."""
    figure = Figure(figsize=(5.6 * n + 0.8, 5.2), dpi=80, layout="constrained")
    axes = figure.subplots(1, n, squeeze=False)[0].tolist()
    mark(axes[0])
    return figure, axes


def draw_map(axes: Axes, table: Table, y: str, values: Floats, title: str, **look: Any) -> Any:
    """Draw bins of (abs(eta), y) in the colour of their values; the bins of y can differ between bins of eta."""
    mesh: Any = None
    axes.set_facecolor("0.8")  # bins without a ratio: white would be read as 1
    values = np.maximum(values, 1e-300)  # 0 is the end of the colours, not the lack of one
    for low in np.unique(table["eta_low"]):
        in_row = table["eta_low"] == low
        edges = np.append(table[f"{y}_low"][in_row], table[f"{y}_high"][in_row][-1])
        mesh = axes.pcolormesh(
            [low, table["eta_high"][in_row][0]], edges, values[in_row][:, None], rasterized=True, **look
        )
        few = np.flatnonzero(values[in_row] < FEW)
        middle = (low + table["eta_high"][in_row][0]) / 2
        axes.plot(np.full(len(few), middle), ((edges[1:] + edges[:-1]) / 2)[few], ls="", marker="o", ms=2.5, c="white")
    axes.set(xlabel=ETA, ylabel=LABELS[y], xlim=(table["eta_low"].min(), table["eta_high"].max()))
    axes.set_title(title, loc="right", fontsize="small")
    return mesh


def _ratio_look(values: Sequence[Floats]) -> dict[str, Any]:
    """Colours for ratios, symmetric around 1."""
    finite = np.concatenate([each[np.isfinite(each) & (each > 0)] for each in values])
    limit = min(max(float(np.exp(np.quantile(np.abs(np.log(finite)), 0.98))), 1.5), 5.0) if len(finite) else 2.0
    return {"cmap": "RdBu_r", "norm": LogNorm(1 / limit, limit)}


def _bar(figure: Figure, mesh: Any, axes: Any, label: str) -> None:
    words = f"{label}   (with a dot: below {FEW:g})"
    bar = figure.colorbar(mesh, ax=axes, label=words, extend="both", pad=0.02)
    low, high = mesh.norm.vmin, mesh.norm.vmax
    ticks = [tick for tick in (0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5) if low <= tick <= high]
    bar.ax.yaxis.set(major_locator=FixedLocator(ticks), minor_locator=NullLocator())
    bar.ax.yaxis.set_major_formatter(PLAIN)


def _before_and_after(table: Table, y: str, over: Sequence[Floats], titles: Sequence[str], label: str) -> Figure:
    """Draw the share of each bin of `y` and eta over another share, before and after."""
    values = [table[when] / other for when, other in zip(WHEN, over, strict=True)]
    return _maps([(table, y, ratio, title) for ratio, title in zip(values, titles, strict=True)], label)


def _maps(maps: Sequence[tuple[Table, str, Floats, str]], label: str) -> Figure:
    """Draw maps side by side in the same colours: table, vertical axis, values and title of each."""
    figure, axes = _panels(len(maps))
    look = _ratio_look([values for _, _, values, _ in maps])
    meshes = [draw_map(panel, *each, **look) for panel, each in zip(axes, maps, strict=True)]
    _bar(figure, meshes[-1], axes, label)
    return figure


def _projections(table: Table) -> Figure:
    """Draw the shares by ncls in three bins of eta, for both flavours."""
    edges = np.unique(table["eta_low"])
    chosen = edges[[0, len(edges) // 2, len(edges) - 1]] if len(edges) > 2 else edges
    figure, axes = _panels(len(chosen))
    for each, low in zip(axes, chosen, strict=True):
        draw_shares(each, rows_where(table, eta_low=low))
    axes[0].set_ylabel("share of windows [%]")
    handles = axes[0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, fontsize="small")
    return figure


def draw_shares(axes: Axes, table: Table) -> None:
    """Draw the shares by ncls of one eta bin: electrons after (filled), photons before and after."""
    looks: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("electron", "after", {"color": "#3f90da", "fill": True, "alpha": 0.35, "label": "electrons, after"}),
        ("photon", "before", {"color": "#717581", "ls": "--", "lw": 1.8, "label": "photons, before"}),
    )
    for flavour, when, look in looks:
        rows = rows_where(table, flavour=flavour)
        axes.stairs(_percent(rows, when), np.append(rows["ncls_low"], rows["ncls_high"][-1]), **look)
    rows = rows_where(table, flavour="photon")
    middle = (rows["ncls_low"] + rows["ncls_high"]) / 2
    percent = _percent(rows, "after")
    axes.errorbar(middle, percent, yerr=_share_errors(rows), fmt="o", ms=5, color="#bd1f01", label="photons, after")
    axes.set(xlabel=LABELS["ncls"], ylim=(0, None))
    axes.set_title(rf"{rows['eta_low'][0]:g} < $|\eta|$ < {rows['eta_high'][0]:g}", loc="right", fontsize="small")


def _share_errors(rows: Table) -> Floats:
    """Errors of the shares after in percent of one eta bin: of a sum that is 100 % by definition there is none."""
    share = _percent(rows, "after") / 100
    variance = (100 * rows["after_error"] / max(float(rows["after"].sum()), 1e-300)) ** 2
    others = variance.sum() - variance
    return np.asarray(np.sqrt((1 - share) ** 2 * variance + share**2 * others))


def _percent(rows: Table, when: str) -> Floats:
    return np.asarray(100 * rows[when] / max(float(rows[when].sum()), 1e-300))


def _weights(flattening: Table, ratio_map: Table) -> Figure:
    """Draw the three maps of weights."""
    maps = [(rows_where(flattening, flavour=name), "et", f"flattening, {name}s") for name in ("electron", "photon")]
    maps.append((ratio_map, "ncls", "photons to electrons"))
    return _maps([(table, y, table["weight"], title) for table, y, title in maps], "weight")
