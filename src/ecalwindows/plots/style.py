"""One look for all figures: CMS's style (mplhep), colours that all eyes tell apart, written aside without a date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from ecalwindows.dataset.output import check_output, written_aside
from ecalwindows.errors import OutputError

COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#717581")
"""Of Petroff's ten, which CMS takes: https://arxiv.org/abs/2107.02270."""

FLAVOURS = {11: ("electron", "#3f90da"), 22: ("photon", "#ffa90e"), 0: ("unknown", "#717581")}
"""Name and colour of each flavour."""

FORMATS = (".png", ".pdf")
"""Of the figures of studies."""

LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))
"""Lines that are told apart without colours."""

FEWEST = 20
"""Entries of a bin that has a median and a resolution."""

SIMULATION = "Private work (CMS simulation)"
"""What CMS asks to be written on a figure that it has not approved."""


@contextmanager
def cms_style(font_size: float = 20) -> Iterator[None]:
    """CMS's style in the block, ticks and lines in proportion to the font [points]; nothing is left changed."""
    import mplhep  # imports pyplot, which nothing else needs

    style = dict(mplhep.style.CMS)
    share = font_size / style["font.size"]
    for name in style:
        if name.endswith((".major.size", ".minor.size", ".linewidth", ".major.pad")):
            style[name] *= share
    more = {"font.size": font_size, "svg.hashsalt": "ecalwindows", "axes.axisbelow": True, "axes.unicode_minus": True}
    with matplotlib.rc_context(style | more):
        yield


def new_figure(*, right: float = 0.965, meaning: str = "") -> tuple[Figure, Axes]:
    """A figure with one pair of axes, and what CMS asks to be written above them.

    meaning : of the column along the horizontal axis, written below its label
    """
    figure = Figure(figsize=(8, 6.5), dpi=80)
    bottom = 0.165 if meaning else 0.125
    axes = figure.add_axes((0.15, bottom, right - 0.15, 0.935 - bottom))
    figure.text(right, 0.012, meaning, ha="right", va="bottom", size="x-small", color="0.35")
    mark(axes)
    return figure, axes


def mark(axes: Axes) -> None:
    """Write above the axes what CMS asks for."""
    axes.text(0, 1.012, SIMULATION, transform=axes.transAxes, ha="left", va="bottom", style="italic", size="x-small")


def flavour_look(flavour: int) -> tuple[str, str]:
    """Name and colour of a flavour."""
    return FLAVOURS.get(flavour, (f"flavour {flavour}", COLOURS[3]))


def group_look(level: str, flavour: int, label: int) -> tuple[str, str]:
    """Name and colour of the windows or clusters of a flavour with a label (`studies/distributions.py`)."""
    if label == (0 if level == "window" else 2):
        return "unmatched" if level == "window" else "in unmatched window", FLAVOURS[0][1]
    who, colour = FLAVOURS.get(flavour, (f"flavour {flavour}", COLOURS[3]))
    words = {1: "in supercluster", 0: "not in it"}.get(label, "") if level == "cluster" else ""
    return ", ".join(filter(None, (who, words))), colour


def with_unit(name: str, unit: str) -> str:
    """The label of an axis."""
    return f"{name} [{unit}]" if unit else name


def room_for_legend(axes: Axes, room: float) -> None:
    """Move the upper end up by this share of the axis, and put the legend there."""
    low, high = axes.get_ylim()
    if axes.get_yscale() == "log":
        axes.set_ylim(low, low * (high / low) ** (1 / (1 - room)))
    else:
        axes.set_ylim(low, low + (high - low) / (1 - room))
    legend(axes, fontsize=13, borderpad=0.2, labelspacing=0.3)


def legend(axes: Axes, **look: Any) -> None:
    """The legend; or, where nothing is drawn, why."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper right", **look)
    else:
        axes.text(0.5, 0.5, f"no bin has {FEWEST} entries", transform=axes.transAxes, ha="center")


PLAIN = StrMethodFormatter("{x:g}")
"""Ticks 1, 10, 100 of a logarithmic axis."""


def check_picture(path: Path) -> None:
    """Raise OutputError where no figure can be written to the path, for its suffix or its place."""
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise OutputError(
            f"a figure cannot be written as '{path.suffix}'",
            expected="one of ." + ", .".join(sorted(known)),
            where=str(path),
            todo="give the file another suffix, for example .png",
        )
    check_output(path, overwrite=True)


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure aside, then give it its name. Raises OutputError as `check_picture` does."""
    check_picture(path)
    kind = path.suffix[1:].lower()
    with written_aside([path]) as (place,):
        no_date: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
        figure.savefig(place, format=kind, metadata=no_date.get(kind))
