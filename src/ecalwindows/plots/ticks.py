"""Ticks that are drawn as one object: matplotlib makes five objects for each tick, which took most of the time."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text
from matplotlib.colors import to_rgba
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator
from matplotlib.transforms import IdentityTransform

from ecalwindows.core.arrays import Floats

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
    axes.add_artist(_Ticks(axes))
    _labels(axes)


def _style(name: str) -> Any:
    """A setting of the style."""
    settings: Any = matplotlib.rcParams
    return settings[name]


class _Ticks(Artist):
    """The ticks of both axes on all four sides, and their numbers below and on the left."""

    def __init__(self, axes: Axes) -> None:
        super().__init__()
        self.set_zorder(2.6)
        self.set_in_layout(False)
        self._colour, self._size = to_rgba(_style("xtick.color")), _style("xtick.labelsize")
        self._looks = [[_style(f"xtick.{which}.{what}") for what in ("size", "width")] for which in ("major", "minor")]
        self._pad, self._axis = _style("xtick.major.pad"), {}
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            major, minor = (_inside(axis, places) for places in (axis.get_majorticklocs(), axis.get_minorticklocs()))
            if len(major) < 2 and axis.get_scale() == "log":  # one number does not show what a distance means
                major = _inside(axis, LogLocator(subs=(1.0, 2.0, 5.0)).tick_values(*sorted(axis.get_view_interval())))
            self._axis[name] = major, minor, _numbers(axes, axis, name, major)
            axis.set_visible(False)

    def draw(self, renderer: Any) -> None:
        """Draw everything."""
        gc, points = renderer.new_gc(), renderer.points_to_pixels(1.0)
        gc.set_foreground(self._colour, isRGBA=True)
        for number, (size, width) in enumerate(self._looks):
            gc.set_linewidth(width)
            ends = [self._ends(name, number, size * points) for name in self._axis]
            vertices = np.concatenate(ends)
            codes = np.tile(np.array([Path.MOVETO, Path.LINETO], Path.code_type), len(vertices) // 2)
            if len(vertices):
                renderer.draw_path(gc, Path(vertices, codes), IdentityTransform())
        self._write(renderer, gc, points)
        gc.restore()

    def _places(self, name: str, number: int) -> Floats:
        """Where the ticks are along their axis [pixels]."""
        axes: Any = self.axes
        values = np.array(self._axis[name][number], dtype=np.float64)
        other = np.full(len(values), axes.get_ylim()[0] if name == "x" else axes.get_xlim()[0])
        both = np.stack([values, other] if name == "x" else [other, values], axis=1)
        return np.asarray(axes.transData.transform(both))[:, 0 if name == "x" else 1]

    def _ends(self, name: str, number: int, size: float) -> Floats:
        """Both ends of each tick on both sides [pixels], (4 n, 2)."""
        axes: Any = self.axes
        along, box = self._places(name, number), axes.bbox
        low, high = (box.y0, box.y1) if name == "x" else (box.x0, box.x1)
        across = np.tile([low, low + size, high, high - size], len(along))
        both = np.stack([np.repeat(along, 4), across], axis=1)
        return both if name == "x" else both[:, ::-1]

    def _write(self, renderer: Any, gc: Any, points: float) -> None:
        """Write the numbers."""
        axes: Any = self.axes
        font, box, pad = FontProperties(size=self._size), axes.bbox, self._pad * points
        measured = renderer.get_text_width_height_descent
        digit, height = measured("0", font, ismath=False)[1], renderer.get_canvas_width_height()[1]
        for name, (_, _, texts) in self._axis.items():
            for place, text in zip(self._places(name, 0), texts, strict=True):
                if text:
                    ismath = is_math_text(text)
                    width = measured(text, font, ismath=ismath)[0]
                    if name == "x":
                        x, y = place - width / 2, box.y0 - pad - 1.3 * digit
                    else:
                        x, y = box.x0 - pad - width, place - digit / 2
                    renderer.draw_text(gc, x, height - y if renderer.flipy() else y, text, font, 0.0, ismath=ismath)


def _inside(axis: Any, places: Any) -> list[float]:
    """The places of ticks that are on the axis, in increasing order."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-9 * (high - low)
    return sorted({place for place in places.tolist() if low - room <= place <= high + room})


def _numbers(axes: Axes, axis: Any, name: str, places: list[float]) -> list[str]:
    """The text of each tick; what all numbers are multiplied with is written at the end of the axis."""
    formatter, (low, high) = axis.get_major_formatter(), PLAINLY
    if isinstance(formatter, LogFormatterSciNotation) and all(low <= place <= high for place in places):
        formatter = PLAIN
    texts = [str(text) for text in formatter.format_ticks(places)]
    if factor := formatter.get_offset():
        x, y = (1.0, 0.02) if name == "x" else (0.0, 1.0)
        size = _style(f"{name}tick.labelsize")
        axes.text(x, y, factor, transform=axes.transAxes, size=size, ha="right", va="bottom")
    return texts


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
