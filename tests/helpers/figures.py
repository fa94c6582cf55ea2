"""Figures for tests of how figures are saved; processes that draw import them from here."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ecalwindows.plots.style import new_figure
from ecalwindows.plots.ticks import draw_ticks


def bars(height: float, folder: Path | None = None) -> Figure:
    """A simple figure; a file in the folder is named after the process that drew it."""
    if folder is not None:
        (folder / str(os.getpid())).touch()
    figure, axes = new_figure()
    axes.bar([0, 1], [1, height])
    return figure


def everything() -> Figure:
    """A figure with everything that figures have: lines, areas, markers, hatches, maps, and texts in all directions."""
    figure, axes = new_figure(meaning="a meaning")
    axes.plot([1, 2, 3], [1, 4, 2], ls="--", lw=3, label="a line")
    axes.errorbar([1, 2, 3], [2, 3, 4], 0.5, marker="D", mfc="none", label="with errors")
    axes.bar([1, 2], [1, 1.5], color="0.8", hatch="//")
    axes.scatter([1.5, 2.5], [4, 4], s=[80, 200], c=["red", "blue"], alpha=0.5)
    axes.pcolormesh([2.2, 2.6, 3], [0.2, 1, 2], np.array([[1, 2], [3, 4]]), rasterized=True)
    axes.pcolormesh([3.2, 3.6, 4], [0.2, 1, 2], np.array([[1, 2], [3, 4]]))
    axes.text(1.2, 5, r"$10^{-3}$ of $\eta$", rotation=30)
    axes.fill_between([1, 2, 3], [5, 5, 5], [6, 7, 6], color="green", alpha=0.3)
    axes.set(xlim=(0.5, 4.2), ylim=(0, 6.5), xlabel="horizontal [GeV]", ylabel="vertical")
    axes.legend(loc="upper right")
    draw_ticks(axes)
    return figure


def nothing() -> None:
    """Draws nothing, as where there are no numbers."""


def broken(process: int | None = None) -> Figure:
    """Cannot be drawn, or only in this process."""
    if os.getpid() != process:
        raise ValueError("no numbers")
    return bars(3)
