"""Figures of the energy response of superclusters: distribution, median and resolution."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ecalwindows.core.arrays import Floats
from ecalwindows.plots import style
from ecalwindows.plots.ticks import draw_ticks
from ecalwindows.studies.tables import Table, rows_where

MARKERS = ("o", "s", "^")
SHOWN = (0.5, 1.2)
"""Responses that are drawn."""

REBIN = 5
"""Number of fine bins of the response that are merged into one bin of the figure."""


def _by_kind(rows: Table) -> Iterator[tuple[int, str, int, Table]]:
    """Yield flavour, kind, index of the kind, and the rows of each."""
    kinds = sorted(set(rows["kind"].tolist()), key=lambda kind: (kind != "true supercluster", kind))
    for flavour in sorted(set(rows["flavour"].tolist())):
        for index, kind in enumerate(kinds):
            subset = rows_where(rows, flavour=flavour, kind=kind)
            if len(subset["count"]):
                yield flavour, kind, index, subset


def draw_response(rows: Table) -> Figure:
    """Draw the energy over that of the caloparticle, for each kind of supercluster."""
    figure, axes = style.new_figure()
    for flavour, kind, index, subset in _by_kind(rows):
        who, colour = style.flavour_look(flavour)
        fine, edges = response_counts(subset)
        counts = fine[: len(fine) // REBIN * REBIN].reshape(-1, REBIN).sum(axis=1) / max(fine.sum(), 1)
        _, middle, width = median_and_width(fine, edges)
        label = f"{who}, {kind}: {middle:.3f}, {width / middle:.3f}"
        error = np.sqrt(counts / max(fine.sum(), 1))
        style.band(axes, counts, error, edges[::REBIN], colour, alpha=0.2)
        axes.stairs(
            counts, edges[::REBIN], color=colour, ls=style.LINES[index], lw=2, label=label, gid=f"{flavour}/{kind}"
        )
    axes.set(xlim=SHOWN, yscale="log")
    n, below, above = (int(rows["count"][where].sum()) for where in (
        slice(None), rows["response_high"] <= SHOWN[0], rows["response_low"] >= SHOWN[1]
    ))  # fmt: skip
    parts = [f"{100 * part / n:.2g} % {where}" for part, where in ((below, "below"), (above, "above")) if part]
    style.write_note(axes, f"not drawn: {', '.join(parts)}" if parts else "")
    axes.set(xlabel="energy / energy of the caloparticle", ylabel="share of caloparticles per bin")
    axes.set_ylim(top=3 * axes.get_ylim()[1])
    style.legend(axes, loc="upper left", fontsize=12, borderpad=0.2, labelspacing=0.3, title="median, width",
           title_fontsize=12, alignment="left")  # fmt: skip
    draw_ticks(axes)
    return figure


def response_counts(rows: Table) -> tuple[Floats, Floats]:
    """Counts of the fine bins of a response, float64 (n,), and their edges, float64 (n + 1,)."""
    step = float(np.median(rows["response_high"] - rows["response_low"]))
    places = np.rint(rows["response_low"] / step).astype(np.int64)
    size = int(np.ceil((places.max() + 1) / REBIN) * REBIN)
    edges: Floats = np.arange(size + 1, dtype=np.float64) * step
    return np.bincount(places, rows["count"], minlength=size).astype(np.float64), edges


def median_and_width(counts: Floats, edges: Floats) -> tuple[float, float, float]:
    """Number, median and half of the distance from 16 to 84 % of binned values, by linear interpolation in the bins."""
    total = float(counts.sum())
    below = np.concatenate([[0.0], np.cumsum(counts)])
    q16, q50, q84 = (float(np.interp(q * total, below, edges)) for q in (0.16, 0.5, 0.84))
    return total, q50, (q84 - q16) / 2


def draw_response_by(by: str, rows: Table) -> Figure:
    """Draw median and resolution of the response in bins of abs(seed eta) or of the caloparticle's Et."""
    figure = Figure(figsize=(8, 8.5), dpi=80)
    top, bottom = figure.add_axes((0.15, 0.51, 0.815, 0.435)), figure.add_axes((0.15, 0.1, 0.815, 0.39))
    style.mark(top)
    flavours, kinds = sorted(set(rows["flavour"].tolist())), len(set(rows["kind"].tolist()))
    for flavour, kind, index, subset in _by_kind(rows):
        who, colour = style.flavour_look(flavour)
        shift = (flavours.index(flavour) * kinds + index + 0.5) / (len(flavours) * kinds) - 0.5
        points = np.array(list(_points(subset, shift * 0.5))).reshape(-1, 5)
        if len(points):
            x, n, median, width, half = points.T
            spread = width / median
            filled = colour if index == 0 else "none"
            look: dict[str, Any] = {"ls": "", "marker": MARKERS[index], "ms": 7, "c": colour, "mfc": filled}
            top.errorbar(x, median, 1.25 * width / np.sqrt(n), half, label=f"{who}: {kind}", **look)
            bottom.errorbar(x, spread, spread / np.sqrt(2 * n), half, **look)
    label = {"seed_eta": r"$|\eta|$ of the seed", "et_true": style.with_unit(r"$E_T$ of the caloparticle", "GeV")}[by]
    if by == "et_true":
        for axes in (top, bottom):
            axes.set_xscale("log")
            style.plain_numbers(axes.xaxis)
    top.tick_params(axis="x", which="both", labelbottom=False)
    top.set(ylabel="median response")
    bottom.set(xlabel=label, ylabel="effective resolution", xlim=top.get_xlim())
    bottom.set_ylim(bottom=0)
    low, high = top.get_ylim()
    room = 0.08 + 0.07 * len(flavours) * kinds  # for the legend, as a fraction of the height
    top.set_ylim(low, low + (high - low) / (1 - room))
    style.legend(top, fontsize=13, borderpad=0.2, labelspacing=0.3)
    return figure


def _points(rows: Table, shift: float) -> Iterator[tuple[float, float, float, float, float]]:
    """Yield x, number, median, width (half from 16 to 84 %) and 0 (no error of x) of each bin with enough entries."""
    for low, high in sorted(set(zip(rows["low"].tolist(), rows["high"].tolist(), strict=True))):
        n, median, width = median_and_width(*response_counts(rows_where(rows, low=low)))
        if n >= style.MIN_ENTRIES:
            yield (low + high) / 2 + shift * (high - low), n, median, width, 0.0
