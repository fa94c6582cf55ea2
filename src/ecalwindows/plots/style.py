"""The common style of all figures: CMS's style (mplhep), colours for colour-blind readers, files without a date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure as Figure  # also for those that name the type of a figure
from matplotlib.patches import StepPatch
from matplotlib.ticker import LogFormatter, StrMethodFormatter

from ecalwindows.core.errors import OutputError
from ecalwindows.core.files.output import check_output, holds, written_atomically
from ecalwindows.plots.label import label_text

COLOURS = ("#3f90da", "#ffa90e", "#bd1f01", "#832db6", "#717581")
"""Five of Petroff's ten colours, which CMS recommends: https://arxiv.org/abs/2107.02270."""

FLAVOURS = {11: ("electron", "#3f90da"), 22: ("photon", "#ffa90e"), 0: ("unknown", "#717581")}
"""Name and colour of each flavour."""

MARK = "drawn by ecalwindows"
"""In each picture that is drawn alone, if its format holds texts: PNG, PDF, SVG and JPEG."""

FORMATS = (".png", ".pdf")
"""Formats of the figures of studies."""

LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (9, 2)), (0, (3, 1, 1, 1, 1, 1)))
"""Line styles, so that curves differ without colours."""

TOP = 0.815
"""Upper end of axes with the legend above them, as a fraction of the height of the figure."""

MIN_ENTRIES = 20
"""Minimum number of entries of a bin for which a median and a resolution are drawn."""


@contextmanager
def cms_style(font_size: float = 20) -> Iterator[None]:
    """Use CMS's style inside the block, with ticks and lines in proportion to the font size [points]."""
    import mplhep  # imports pyplot, which nothing else needs

    style = dict(mplhep.style.CMS)
    scale = font_size / style["font.size"]
    for name in style:
        if name.endswith((".major.size", ".minor.size", ".linewidth", ".major.pad")):
            style[name] *= scale
    other = {"font.size": font_size, "svg.hashsalt": "ecalwindows", "axes.axisbelow": True, "axes.unicode_minus": True}
    with matplotlib.rc_context(style | other):
        yield


def new_figure(*, right: float = 0.965, top: float = 0.935, meaning: str = "") -> tuple[Figure, Axes]:
    """A figure with one pair of axes and the label.

    Parameters
    ----------
    right, top : right and upper end of the axes, as fractions of the width and height of the figure
    meaning : explanation of the quantity on the horizontal axis, written below its label
    """
    figure = Figure(figsize=(8, 6.5), dpi=80)
    bottom = 0.165 if meaning else 0.125
    axes = figure.add_axes((0.15, bottom, right - 0.15, top - bottom))
    figure.text(right, 0.012, meaning, ha="right", va="bottom", size="x-small", color="0.35")
    mark(axes)
    return figure, axes


def steps(axes: Axes, values: Any, edges: Any, **look: Any) -> None:
    """Draw a histogram like `Axes.stairs`, but do not change the limits: to find them takes long."""
    axes.add_artist(StepPatch(values, edges, **look))


def band(axes: Axes, values: Any, error: Any, edges: Any, colour: str, *, alpha: float = 0.25) -> None:
    """Draw the statistical errors of a histogram as a band."""
    steps(axes, values + error, edges, baseline=values - error, fill=True, color=colour, alpha=alpha, lw=0)


def around(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """Limits of an axis with some room around low and high."""
    if is_log:
        room = (high / low) ** 0.045
        return low / room, high * room
    return low - 0.045 * (high - low), high + 0.045 * (high - low)


def mark(axes: Axes) -> None:
    """Write the label, if there is one, above the axes."""
    axes.text(0, 1.012, label_text(), transform=axes.transAxes, ha="left", va="bottom", style="italic", size="x-small")


def write_note(axes: Axes, text: str) -> None:
    """Write a note, if there is one, above the right end of the axes."""
    if text:
        axes.text(1, 1.012, text, transform=axes.transAxes, ha="right", va="bottom", size="x-small", color="0.35")


def mark_panels(figure: Figure) -> None:
    """Write the label, if there is one, above all panels of a figure."""
    if text := label_text():
        figure.suptitle(text, x=0.012, ha="left", style="italic", fontsize="medium")


def flavour_look(flavour: int) -> tuple[str, str]:
    """Name and colour of a flavour."""
    return FLAVOURS.get(flavour, (f"flavour {flavour}", COLOURS[3]))


def group_look(level: str, flavour: int, label: int) -> tuple[str, str]:
    """Name and colour of a group of windows or clusters; two groups never have the same name.

    Parameters
    ----------
    level : "window" or "cluster"
    flavour : PDG code of the particle, 0 if unknown
    label : of the group, see `studies/distributions.py`
    """
    who, colour = flavour_look(flavour)
    if label == (0 if level == "window" else 2):  # without a caloparticle, a flavour is known only where it was given
        words = "unmatched" if level == "window" else "in unmatched window"
        return (f"{who}, {words}", _paler(colour)) if flavour else (words, colour)
    words = {1: "in supercluster", 0: "not in it"}.get(label, "") if level == "cluster" else ""
    if level == "window" and label == -1:
        words = "matched or not"
    return ", ".join(filter(None, (who, words))), colour


def _paler(colour: str) -> str:
    """The colour, half of it white."""
    red, green, blue = (0.5 + 0.5 * part for part in to_rgb(colour))
    return to_hex((red, green, blue))


def with_unit(name: str, unit: str) -> str:
    """The label of an axis: the name and, if there is one, the unit."""
    return f"{name} [{unit}]" if unit else name


def legend_above(axes: Axes) -> None:
    """Draw the legend, in two columns, above axes that end at `TOP`: it hides nothing, and needs no room in them."""
    handles = axes.get_legend_handles_labels()[0]
    if handles and isinstance(axes.figure, Figure):
        axes.figure.legend(
            handles=handles, loc="upper right", bbox_to_anchor=(0.975, 1.0), ncols=2 if len(handles) > 2 else 1,
            fontsize=13, borderpad=0.1, labelspacing=0.25, columnspacing=1.0, borderaxespad=0.2,
        )  # fmt: skip


def legend(axes: Axes, **look: Any) -> None:
    """Draw the legend, or the reason why nothing is drawn."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**{"loc": "upper right"} | look)
    else:
        axes.text(0.5, 0.5, f"no bin has {MIN_ENTRIES} entries", transform=axes.transAxes, ha="center")


PLAIN = StrMethodFormatter("{x:g}")
"""Format of the ticks of a logarithmic axis: 1, 10, 100."""


def share_error(share: Any, n: Any) -> Any:
    """Distances from shares of n entries to both ends of Wilson's interval of 68 %, (2, ...): also of 0 and 1 not 0."""
    middle = (share + 0.5 / n) / (1 + 1 / n)
    half = np.sqrt(np.maximum(share * (1 - share), 0) / n + 0.25 / n**2) / (1 + 1 / n)
    return np.maximum([share - middle + half, middle + half - share], 0)


class _Plain(LogFormatter):
    """Numbers like 2 and 0.5 at the ticks between powers of ten, where matplotlib writes numbers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:g}" if super().__call__(x, pos) else ""


def plain_numbers(axis: Any) -> None:
    """Write the numbers of a logarithmic axis as 0.5, 1 and 20, not as powers of ten."""
    axis.set_major_formatter(PLAIN)
    axis.set_minor_formatter(_Plain())


def check_picture(path: Path) -> None:
    """Raise OutputError if no figure can be written to the path, or if another file than a drawn picture is there."""
    check_suffix(path)
    check_output(path, overwrite=True, is_own=holds(MARK), ours="a picture that ecalwindows has drawn")


def check_suffix(path: Path) -> None:
    """Raise OutputError for a suffix that is not that of a picture."""
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise OutputError(
            f"a figure cannot be written as '{path.suffix}'",
            expected="one of ." + ", .".join(sorted(known)),
            where=str(path),
            todo="give the file another suffix, for example .png",
        )


def save_figure(figure: Figure, path: Path) -> None:
    """Write the figure atomically, in the format of the suffix. Raises OutputError."""
    check_suffix(path)
    check_output(path, overwrite=True)
    with written_atomically([path]) as (temporary,), temporary.open("wb") as file:
        write_picture(figure, file, path.suffix)


def write_picture(figure: Figure, file: IO[bytes], suffix: str) -> None:
    """Write the figure, in the format of the suffix and without a date, to an open file."""
    kind = suffix[1:].lower()
    more: dict[str, Any] = {
        "png": {"metadata": {"Software": MARK}, "pil_kwargs": {"compress_level": 4}},  # half of the time of 6
        "pdf": {"metadata": {"CreationDate": None, "Keywords": MARK}},
        "svg": {"metadata": {"Date": None, "Description": MARK}},
        "jpg": {"pil_kwargs": {"comment": MARK}},
    }
    more["jpeg"] = more["jpg"]
    figure.savefig(file, format=kind, **more.get(kind, {}))
