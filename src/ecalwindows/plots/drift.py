"""A column of two datasets, one distribution over the other."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecalwindows.drift import Drift
from ecalwindows.plots.window import STYLE, save_figure
from ecalwindows.schema import COLUMNS

Floats = NDArray[np.float64]
BINS = 60
ENDS = (0.001, 0.999)
"""Quantiles between which the bins lie; what is beyond stands in the outermost ones."""

COLOURS = ("#0072B2", "#D55E00")
"""Okabe and Ito's; the lines differ too."""


def draw_drift(drift: Drift, a: Floats, b: Floats, labels: tuple[str, str], path: Path | None = None) -> Figure:
    """Figure of a column; with a path it is saved too. a, b : sorted values; labels : of the two datasets."""
    column = COLUMNS[drift.name]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 5), dpi=100)
        axes = figure.add_axes((0.12, 0.13, 0.84, 0.74))
        edges = common_bins(a, b)
        for values, label, colour, line in zip((a, b), labels, COLOURS, ("-", "--"), strict=True):
            counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
            share = counts / max(len(values), 1)
            axes.stairs(share, edges, color=colour, ls=line, lw=1.6, label=f"{label} ({len(values):,})")
        axes.set_xlabel(f"{drift.name} [{column.unit}]" if column.unit else drift.name)
        axes.set_ylabel(f"share of {column.level}s a bin")
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.set_title(f"{column.meaning}\nKS distance {drift.ks:.3g} (by chance up to {drift.noise:.2g})", fontsize=10)
        if path is not None:
            save_figure(figure, path)
    return figure


def common_bins(a: Floats, b: Floats) -> Floats:
    """Edges of bins for both: one bin a value where few whole numbers occur."""
    both = np.concatenate([a, b])
    if not len(both):
        return np.array([0.0, 1.0])
    low, high = np.quantile(both, ENDS)
    if (both == np.floor(both)).all() and high - low < BINS:
        return np.arange(low - 0.5, high + 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, BINS + 1)
