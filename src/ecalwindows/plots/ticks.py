"""Ticks that are drawn as a few objects: matplotlib makes five objects for each tick, which took most of the time."""

from __future__ import annotations

from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT, TICKRIGHT, TICKUP
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation
from matplotlib.transforms import ScaledTranslation

PLAIN = FuncFormatter(lambda value, _: f"{value:.4f}".rstrip("0").rstrip("."))
PLAINLY = 1e-4, 99_999.0
"""Numbers in this range are written as 0.001, not as a power of ten, which takes much longer."""

LEFT = 0.022
"""Where the label of the vertical axis begins, as a fraction of the width of the figure."""


def draw_ticks(axes: Axes) -> None:
    """Draw ticks on all four sides, their numbers and the labels of the axes, in the style of CMS.

    This is the last step of a figure: scales, limits and labels are as they will be. The axis objects stay as they are,
    but are not drawn. The label of the vertical axis is at the left end of the figure, wherever its numbers end.
    """
    for axis, name, sides in ((axes.xaxis, "x", (TICKUP, TICKDOWN)), (axes.yaxis, "y", (TICKRIGHT, TICKLEFT))):
        major = _inside(axis, axis.get_majorticklocs())
        _marks(axes, name, major, sides, "major")
        _marks(axes, name, _inside(axis, axis.get_minorticklocs()), sides, "minor")
        _numbers(axes, axis, name, major)
        axis.set_visible(False)
    _labels(axes)


def _style(name: str) -> Any:
    """A setting of the style."""
    settings: Any = matplotlib.rcParams
    return settings[name]


def _inside(axis: Any, places: Any) -> list[float]:
    """The places of ticks that are on the axis, in increasing order."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-9 * (high - low)
    return sorted({place for place in places.tolist() if low - room <= place <= high + room})


def _marks(axes: Axes, name: str, places: list[float], sides: Any, which: str) -> None:
    tick = f"{name}tick"
    look = {
        "ls": "", "c": _style(f"{tick}.color"), "ms": _style(f"{tick}.{which}.size"),
        "mew": _style(f"{tick}.{which}.width"), "zorder": 2.6, "clip_on": False,
    }  # fmt: skip
    for side, mark in zip((0.0, 1.0), sides, strict=True):
        along = [side] * len(places)
        if name == "x":
            axes.add_artist(Line2D(places, along, marker=mark, transform=axes.get_xaxis_transform(), **look))
        else:
            axes.add_artist(Line2D(along, places, marker=mark, transform=axes.get_yaxis_transform(), **look))


def _numbers(axes: Axes, axis: Any, name: str, places: list[float]) -> None:
    formatter, (low, high) = axis.get_major_formatter(), PLAINLY
    if isinstance(formatter, LogFormatterSciNotation) and all(low <= place <= high for place in places):
        formatter = PLAIN
    figure: Any = axes.get_figure(root=True)
    pad, size = _style(f"{name}tick.major.pad") / 72, _style(f"{name}tick.labelsize")
    look: dict[str, Any] = {"size": size, "clip_on": False}
    if name == "x":
        away, at = ScaledTranslation(0, -pad, figure.dpi_scale_trans), axes.get_xaxis_transform()
        look |= {"ha": "center", "va": "top"}
    else:
        away, at = ScaledTranslation(-pad, 0, figure.dpi_scale_trans), axes.get_yaxis_transform()
        look |= {"ha": "right", "va": "center_baseline"}
    for place, text in zip(places, formatter.format_ticks(places), strict=True):
        if text:
            x, y = (place, 0.0) if name == "x" else (0.0, place)
            axes.add_artist(Text(x, y, text, transform=at + away, **look))
    if factor := formatter.get_offset():
        x, y = (1.0, 0.02) if name == "x" else (0.0, 1.0)
        axes.text(x, y, factor, transform=axes.transAxes, size=size, ha="right", va="bottom")


def _labels(axes: Axes) -> None:
    figure: Any = axes.get_figure(root=True)
    box, numbers = axes.get_position(), FontProperties(size=_style("xtick.labelsize")).get_size_in_points()
    below = box.y0 - (_style("xtick.major.pad") + 1.35 * numbers) / (72 * figure.get_figheight())
    for axis, x, y, look in (
        (axes.xaxis, box.x1, below, {"ha": "right", "va": "top"}),
        (axes.yaxis, LEFT, box.y1, {"ha": "left", "va": "top", "rotation": 90}),
    ):
        if axis.label.get_text():
            figure.text(x, y, axis.label.get_text(), fontproperties=axis.label.get_fontproperties(), **look)
