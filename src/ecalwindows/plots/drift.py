"""A column of two datasets, one distribution over the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecalwindows.drift import Drift
from ecalwindows.plots.style import COLOURS, cms_style, new_figure, save_figure, with_unit
from ecalwindows.schema import COLUMNS
from ecalwindows.studies.binning import binning_of

Floats = NDArray[np.float64]


SHOWN = 40
"""Last characters of the name of a dataset that the legend shows."""


def draw_drift(drift: Drift, a: Floats, b: Floats, labels: tuple[str, str], path: Path | None = None) -> Figure:
    """Figure of a column; with a path it is saved too. a, b : sorted values; labels : of the two datasets.

    Values beyond the bins stand in the outermost ones.
    """
    column = COLUMNS[drift.name]
    binning = binning_of(np.concatenate([a, b]))
    with cms_style():
        figure, axes = new_figure(meaning=column.meaning)
        for values, label, colour, line in zip((a, b), labels, COLOURS[:3:2], ("-", (0, (4, 1.5))), strict=True):
            counts = np.histogram(np.clip(values, binning.edges[0], binning.edges[-1]), binning.edges)[0]
            share = counts / max(len(values), 1)
            words = f"{label[-SHOWN:]} ({len(values):,})"
            axes.stairs(share, binning.edges, color=colour, ls=line, lw=2, label=words)
        if binning.is_log:
            axes.set_xscale("log")
        axes.set_xlabel(with_unit(drift.name, column.unit))
        axes.set_ylabel(f"share of {column.level}s a bin")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
        told = f"KS distance {drift.ks:.3g} (by chance up to {drift.noise:.2g})"
        axes.legend(loc="upper right", fontsize="x-small", title=told, title_fontsize="x-small")
        if path is not None:
            save_figure(figure, path)
    return figure
