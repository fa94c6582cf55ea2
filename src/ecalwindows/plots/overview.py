"""Overview figures of a dataset: seeds over Et and eta, numbers of clusters, labels, response."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from ecalwindows.core.schema import COLUMNS
from ecalwindows.plots import style
from ecalwindows.plots.response import draw_response, draw_response_by
from ecalwindows.plots.saving import Draw
from ecalwindows.plots.ticks import draw_ticks
from ecalwindows.studies.tables import Table, read_table, rows_where

SHARE_COLUMNS = (("et_cluster_calib", "et_cluster"), ("cluster_deta",), ("cluster_dphi",))
"""Columns over which the share of clusters in the supercluster is drawn: the first available one of each tuple."""

SHARE_MARKS = (("o", 4.5), ("s", 7.5), ("^", 10.5), ("D", 13.5))
"""Open markers and their sizes, so that points at the same place do not hide each other."""

GROUPED_BY = "is_seed_calo_matched"
"""The label by which windows are grouped; its share in each group is trivial."""

KINDS = {
    "all": "all",
    "in_scluster": "in true supercluster",
    "in_geom_mustache": "in geometric mustache",
    "in_mustache": "in reconstructed supercluster",
}


def figures(folder: Path, columns: Table, histograms: Table) -> dict[str, Draw]:
    """The figures for which the tables have entries: for each name, the function that draws it."""
    found: dict[str, Draw] = {}
    seeds, clusters, response, satellites = (
        read_table(folder / f"{name}.csv") for name in ("seeds", "clusters", "response", "satellites")
    )
    found |= _by_group("seeds", seeds, partial(draw_seeds, clusters))
    found |= _by_group("clusters", clusters, draw_clusters)
    if any(COLUMNS[name].dtype == "bool" for name in set(columns["column"].tolist())):
        found["labels"] = partial(draw_labels, columns)
    for names in SHARE_COLUMNS:
        name = next((name for name in names if name in columns["column"]), "")
        rows = rows_where(satellites if len(satellites["count"]) else histograms, column=name)
        if {0, 1} <= set(rows["label"].tolist()):
            found[f"supercluster_share_by_{name}"] = partial(
                draw_share, name, rows, columns, has_seeds=not len(satellites["count"])
            )
    for by in ("seed_eta", "et_true"):
        rows = rows_where(response, by=by)
        if len(rows["count"]):
            found.setdefault("response", partial(draw_response, rows))
            found[f"response_by_{by}"] = partial(draw_response_by, by, rows)
    return found


def _by_group(what: str, table: Table, draw: Callable[[Table], Figure]) -> dict[str, Draw]:
    """One figure for each flavour and label of the table. Raises ValueError if two would have the same name."""
    found: dict[str, Draw] = {}
    groups = sorted(set(zip(table["flavour"].tolist(), table["label"].tolist(), strict=True)))
    for flavour, label in groups:
        words = style.group_look("window", flavour, label)[0].replace(",", "").replace(" ", "_")
        found[f"{what}_{words}"] = partial(draw, rows_where(table, flavour=flavour, label=label))
    if len(found) < len(groups):
        raise ValueError(f"{len(groups)} groups of windows have only {len(found)} names: {', '.join(found)}")
    return found


def draw_seeds(clusters: Table, rows: Table) -> Figure:
    """Draw the seeds of one flavour and label over eta and Et; `clusters` has the numbers of all windows."""
    eta, et = (np.unique(np.concatenate([rows[f"{axis}_low"], rows[f"{axis}_high"]])) for axis in ("eta", "et"))
    counts = np.zeros((len(et) - 1, len(eta) - 1))
    counts[np.searchsorted(et, rows["et_low"]), np.searchsorted(eta, rows["eta_low"])] = rows["count"]
    figure, axes = style.new_figure(right=0.8)
    mesh = axes.pcolormesh(
        eta, et, np.ma.masked_equal(counts, 0), norm=LogNorm(1, max(counts.max(), 2)), cmap="viridis", gid="seeds",
        rasterized=True,
    )  # fmt: skip
    bar = figure.colorbar(mesh, cax=figure.add_axes((0.815, 0.125, 0.03, 0.81)))
    bar.set_label("windows per bin")
    bar.ax.yaxis.set(major_locator=LogLocator(subs=(1.0, 2.0, 5.0)), minor_locator=NullLocator())
    bar.ax.yaxis.set_major_formatter(style.PLAIN)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(style.PLAIN)
    axes.set(xlim=(-3, 3), xlabel=r"seed $\eta$", ylabel=style.with_unit(r"seed $E_T$", "GeV"))
    of = rows_where(clusters, flavour=rows["flavour"][0], label=rows["label"][0], kind="all")
    _title(axes, rows, int(counts.sum()), int(of["windows"].sum()))
    draw_ticks(axes)
    return figure


def _title(axes: Axes, rows: Table, drawn: int, n: int) -> None:
    """Write the name of the group of windows, and how many of them are drawn, above the axes."""
    who = style.group_look("window", int(rows["flavour"][0]), int(rows["label"][0]))[0]
    number = f"{drawn:,} of {n:,}" if drawn < n else f"{n:,}"
    axes.set_title(f"{who}: {number} windows", loc="right", size="x-small", pad=5)


def draw_clusters(table: Table) -> Figure:
    """Draw the windows of one flavour and label by number of clusters: all clusters, and those with each label."""
    figure, axes = style.new_figure(top=style.TOP)
    last, n = 1, 0
    for (kind, words), line, colour in zip(KINDS.items(), style.LINES, style.COLOURS, strict=False):
        rows = rows_where(table, kind=kind)
        if len(rows["windows"]):
            counts = np.bincount(rows["clusters"], rows["windows"])
            edges, mean = np.arange(len(counts) + 1) - 0.5, np.average(rows["clusters"], weights=rows["windows"])
            error = np.sqrt(counts)
            style.band(axes, counts, error, edges, colour)
            axes.stairs(counts, edges, color=colour, ls=line, lw=2.5, label=f"{words} (mean {mean:.1f})", gid=kind)
            last, n = max(last, len(counts)), max(n, int(rows["windows"].sum()))
    axes.set(xlim=(-0.5, last - 0.5), yscale="log", xlabel="clusters per window", ylabel="windows")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _title(axes, table, n, n)
    axes.set_ylim(0.5, 1.6 * axes.get_ylim()[1])
    style.legend_above(axes)
    draw_ticks(axes)
    return figure


def draw_labels(columns: Table) -> Figure:
    """Draw the share of windows and clusters with each label, by flavour, separately for unmatched windows."""
    present = set(columns["column"].tolist())
    names = [name for name in COLUMNS if name in present and COLUMNS[name].dtype == "bool" and name != GROUPED_BY]
    series = _series(columns, names)
    figure = Figure(figsize=(8, 2.3 + 0.28 * len(names) * (len(series) + 0.6)), dpi=80)
    inch = 1 / figure.get_figheight()
    axes = figure.add_axes((0.36, 0.85 * inch, 0.585, 1 - 1.7 * inch))
    style.mark(axes)
    height = 0.8 / len(series)
    for index, ((who, colour), shares) in enumerate(series.items()):
        places = np.arange(len(names)) + (index - (len(series) - 1) / 2) * height
        axes.barh(places, shares, height, color=colour, label=who, gid=who)
        for place, share in zip(places, shares, strict=True):
            if np.isfinite(share):
                axes.text(share + 0.01, place, f"{100 * share:.3g} %", va="center", size=12)
    axes.set_yticks(range(len(names)), [f"{name}\n({COLUMNS[name].level}s)" for name in names], size=13)
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.18), xlabel="share with the label")
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    figure.legend(loc="upper right", bbox_to_anchor=(0.965, 1), ncol=3, fontsize=14, columnspacing=1, borderpad=0.2)
    return figure


def _series(columns: Table, names: list[str]) -> dict[tuple[str, str], list[float]]:
    """For each group of windows (name, colour), the share with each label, NaN if it is unknown."""
    groups = zip(columns["column"].tolist(), columns["flavour"].tolist(), columns["label"].tolist(), strict=True)
    owners = np.array(["/".join(_owner(*group)) for group in groups])
    found: dict[tuple[str, str], list[float]] = {}
    for owner in sorted(set(owners.tolist())):
        group = {key: column[owners == owner] for key, column in columns.items()}
        who, colour = owner.split("/")
        found[who, colour] = [_mean(rows_where(group, column=name)) for name in names]
    return found


def _owner(column: str, flavour: int, label: int) -> tuple[str, str]:
    """Name and colour of the group of windows to which a group of windows or clusters belongs."""
    is_unmatched = label == (0 if COLUMNS[column].level == "window" else 2)
    return style.group_look("window", flavour, 0 if is_unmatched else -1 if label == -1 else 1)


def _mean(rows: Table) -> float:
    """Mean of rows of `columns`, weighted with their numbers of values; NaN if there are none."""
    n = rows["values"]
    return float((rows["mean"][n > 0] * n[n > 0]).sum() / n.sum()) if n.sum() else float("nan")


def draw_share(name: str, rows: Table, columns: Table, *, has_seeds: bool) -> Figure:
    """Draw the share of clusters that are in the true supercluster in bins of a column, with errors of 68 %.

    has_seeds : whether the seed of each window is counted too, because nothing says which cluster it is
    """
    figure, axes = style.new_figure(meaning=COLUMNS[name].meaning)
    for place, flavour in enumerate(sorted(set(rows["flavour"].tolist()))):
        inside, outside = (rows_where(rows, flavour=flavour, label=label) for label in (1, 0))
        if not len(inside["count"]) or not len(outside["count"]):
            continue
        who, colour = style.flavour_look(flavour)
        n = inside["count"] + outside["count"]
        enough = n >= style.MIN_ENTRIES
        if not enough.any():
            continue
        share = inside["count"][enough] / n[enough]
        error = style.share_error(share, n[enough])
        low, high = inside["low"][enough], inside["high"][enough]
        middle = (low + high) / 2
        half = np.stack([middle - low, high - middle])
        mark, size = SHARE_MARKS[place % len(SHARE_MARKS)]
        axes.errorbar(middle, share, error, half, ls="", marker=mark, ms=size, c=colour, mfc="none", label=who)
    if (rows_where(columns, column=name)["bins"] == "log").any():
        axes.set_xscale("log")
    axes.set(ylim=(0, 1.15), xlabel=style.with_unit(name, COLUMNS[name].unit), ylabel="share in the true supercluster")
    note = "all clusters, seeds too" if has_seeds else "clusters other than the seed"
    axes.set_title(note, loc="right", size="x-small", pad=5)
    style.legend(axes, fontsize="small", ncol=2)
    draw_ticks(axes)
    return figure
