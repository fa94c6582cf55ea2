"""Figures for tests of how figures are saved; processes that draw import them from here."""

from __future__ import annotations

import os
from pathlib import Path

from matplotlib.figure import Figure

from ecalwindows.plots.style import new_figure


def bars(height: float, folder: Path | None = None) -> Figure:
    """A simple figure; a file in the folder is named after the process that drew it."""
    if folder is not None:
        (folder / str(os.getpid())).touch()
    figure, axes = new_figure()
    axes.bar([0, 1], [1, height])
    return figure


def nothing() -> None:
    """Draws nothing, as where there are no numbers."""


def broken(process: int | None = None) -> Figure:
    """Cannot be drawn, or only in this process."""
    if os.getpid() != process:
        raise ValueError("no numbers")
    return bars(3)
