"""The distributions of a column in two datasets, in one figure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecalwindows.core.schema import COLUMNS
from ecalwindows.plots.style import COLOURS, cms_style, new_figure, save_figure, with_unit
from ecalwindows.studies.binning import binning_of
from ecalwindows.validation.drift import Drift

Floats = NDArray[np.float64]

MAX_NAME_LENGTH = 40
"""The legend shows this number of characters from the end of a dataset's name."""


def draw_drift(drift: Drift, a: Floats, b: Floats, labels: tuple[str, str], path: Path | None = None) -> Figure:
    """Draw a column of two datasets. Values outside the bins are counted in the first or last bin.

    Parameters
    ----------
    drift : result of the comparison of this column
    a, b : float64 (n,), sorted values in the two datasets
    labels : names of the two datasets
    path : if given, the figure is also saved there
    """
    column = COLUMNS[drift.name]
    binning = binning_of(np.concatenate([a, b]))
    with cms_style():
        figure, axes = new_figure(meaning=column.meaning)
        for values, label, colour, line in zip((a, b), labels, COLOURS[:3:2], ("-", (0, (4, 1.5))), strict=True):
            counts = np.histogram(np.clip(values, binning.edges[0], binning.edges[-1]), binning.edges)[0]
            share = counts / max(len(values), 1)
            words = f"{label[-MAX_NAME_LENGTH:]} ({len(values):,})"
            axes.stairs(share, binning.edges, color=colour, ls=line, lw=2, label=words)
        if binning.is_log:
            axes.set_xscale("log")
        axes.set_xlabel(with_unit(drift.name, column.unit))
        axes.set_ylabel(f"share of {column.level}s per bin")
        axes.set_ylim(0, axes.get_ylim()[1] * 1.25)
        title = f"KS distance {drift.ks:.3g} (by chance up to {drift.noise:.2g})"
        axes.legend(loc="upper right", fontsize="x-small", title=title, title_fontsize="x-small")
        if path is not None:
            save_figure(figure, path)
    return figure
