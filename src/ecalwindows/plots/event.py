"""All windows of one event in the full detector: seeds, clusters, edges of the windows."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ecalwindows.core.arrays import Flags
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.geometry import BARREL_END, Geometry
from ecalwindows.plots.shapes import window_edge
from ecalwindows.plots.style import cms_style, save_figure
from ecalwindows.plots.window import GENERATED, HALO, OTHER_CALO, STAR, TRUE, UNRELATED, marker_area, pair_flag, seed_et

MAX_LABELS = 12
"""Maximum number of seeds with their Et beside them: matched seeds first, then by decreasing Et."""


def draw_event(batch: WindowBatch, geometry: Geometry, title: str, path: Path | None = None) -> Figure:
    """Draw all windows of one event.

    Parameters
    ----------
    batch : the windows of the event, with the columns that `draw_window` needs
    geometry : shape of the windows
    title : written above the figure
    path : if given, the figure is also saved there

    Raises
    ------
    OutputError : if the figure cannot be saved
    """
    with cms_style(13):
        figure = Figure(figsize=(9, 8), dpi=110)
        axes = figure.add_axes((0.09, 0.08, 0.88, 0.755))
        matched = batch.window.get("is_seed_calo_matched", np.zeros(len(batch))).astype(np.bool_)
        _draw_edges(axes, batch, geometry, matched)
        _draw_clusters(axes, batch, matched)
        _draw_seeds(axes, batch, matched)
        if has_generated(batch):
            position = (batch.window[name][matched] for name in ("gen_true_eta", "gen_true_phi"))
            axes.plot(*position, gid="generated", zorder=5, **GENERATED | {"ms": 15, "mew": 1.3})
        axes.set(xlim=(-3.2, 3.2), ylim=(-1.02 * math.pi, 1.02 * math.pi), xlabel=r"$\eta$", ylabel=r"$\phi$ [rad]")
        for edge in (-BARREL_END, BARREL_END):
            axes.axvline(edge, c="0.7", lw=0.8, ls=":", zorder=0)
        figure.text(0.09, 0.985, title, ha="left", va="top", gid="title")
        figure.legend(handles=_handles(matched, batch), loc="upper left", bbox_to_anchor=(0.075, 0.955), ncol=3,
                      fontsize=11.5, columnspacing=1.2)  # fmt: skip
        if path is not None:
            save_figure(figure, path)
    return figure


def has_generated(batch: WindowBatch) -> bool:
    """Whether the generated positions of matched windows are known."""
    return {"gen_true_eta", "gen_true_phi", "is_seed_calo_matched"} <= batch.window.keys()


def _draw_edges(axes: Axes, batch: WindowBatch, geometry: Geometry, matched: Flags) -> None:
    """Draw the edges of the windows; a window across phi = pi is drawn at both ends."""
    for index in range(len(batch)):  # one event has few windows
        seed = float(batch.window["seed_eta"][index]), float(batch.window["seed_phi"][index])
        (left, low), width, height = window_edge(*seed, geometry)
        for shift in (0.0, -2 * math.pi, 2 * math.pi):
            if low + shift < math.pi and low + shift + height > -math.pi:
                axes.add_patch(
                    Rectangle(
                        (left, low + shift), width, height, fill=False, ec=TRUE if matched[index] else "0.6",
                        lw=1.8 if matched[index] else 0.8, ls=(0, (6, 3)), gid=f"window {index}", zorder=2,
                    )
                )  # fmt: skip


def _draw_clusters(axes: Axes, batch: WindowBatch, matched: Flags) -> None:
    true = pair_flag(batch, "in_scluster") & np.repeat(matched, np.diff(batch.window_offsets))
    other = pair_flag(batch, "is_calo_matched_diffcalo") & ~true
    eta, phi, et = (batch.column(name).astype(np.float64) for name in ("cluster_eta", "cluster_phi", "et_cluster"))
    for which, colour, marker, gid in (
        (~(true | other), UNRELATED, "o", "others"),
        (other, OTHER_CALO, "D", "other particle"),
        (true, TRUE, "o", "true"),
    ):  # fmt: skip
        axes.scatter(
            eta[which], phi[which], s=marker_area(et[which]) / 6, marker=marker, facecolors="none", edgecolors=colour,
            linewidths=1.0, gid=gid, zorder=4,
        )  # fmt: skip


def _draw_seeds(axes: Axes, batch: WindowBatch, matched: Flags) -> None:
    eta, phi, found = batch.window["seed_eta"], batch.window["seed_phi"], seed_et(batch.window)
    et = found[1].astype(np.float64) if found else np.full(len(batch), np.nan)
    axes.plot(eta, phi, ms=9, mew=0.7, gid="seeds", zorder=6, **STAR)
    for index in np.lexsort((-et, ~matched))[:MAX_LABELS].tolist():
        if np.isfinite(et[index]):
            axes.annotate(
                f"{et[index]:.3g} GeV", (eta[index], phi[index]), (6, 5), textcoords="offset points", fontsize=10,
                ha="left" if eta[index] < 2.3 else "right", path_effects=HALO, zorder=7,
                color=TRUE if matched[index] else "0.25",
            )  # fmt: skip


def _handles(matched: Flags, batch: WindowBatch) -> list[Line2D]:
    """Entries of the legend."""
    words = f"seed, with its {found[0]} $E_T$" if (found := seed_et(batch.window)) else "seed"
    rows = [Line2D([], [], ms=9, mew=0.7, label=words, **STAR)]
    if has_generated(batch):
        rows.append(Line2D([], [], label="generated position", **GENERATED | {"ms": 12, "mew": 1.3}))
    if "is_seed_calo_matched" in batch.window:
        rows.append(Line2D([], [], c=TRUE, lw=1.8, ls=(0, (6, 3)), label=f"matched window ({int(matched.sum())})"))
    rows.append(Line2D([], [], c="0.6", lw=0.8, ls=(0, (6, 3)), label=f"other window ({int((~matched).sum())})"))
    for name, colour, marker, label in (
        ("in_scluster", TRUE, "o", "cluster in true supercluster"),
        ("is_calo_matched_diffcalo", OTHER_CALO, "D", "of another particle"),
        ("cluster_eta", UNRELATED, "o", "other cluster"),
    ):
        if name == "cluster_eta" or name in batch.pair:
            rows.append(Line2D([], [], ls="", marker=marker, ms=8, mfc="none", mec=colour, label=label))
    return rows
