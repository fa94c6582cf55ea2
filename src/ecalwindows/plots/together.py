"""A figure is drawn once, and becomes a PNG and a PDF; a text that several figures have is made once, too."""

from __future__ import annotations

import io
from collections.abc import Hashable
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.backends.backend_mixed import MixedModeRenderer
from matplotlib.backends.backend_pdf import PdfFile, RendererPdf
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Affine2D, Bbox, TransformedPath
from PIL import Image

from ecalwindows.core.arrays import Bytes

MAX_TEXTS = 4000
"""Texts that are kept for the next figures; each takes some kilobytes."""

Stamp = tuple[Bytes, int, int]
"""Pixels of a text (rows from below, columns, 4), and where they begin, from the left end of its baseline [pixels]."""


class Texts:
    """Sizes and pixels of texts, kept from figure to figure. The settings of matplotlib must be the same for all."""

    def __init__(self) -> None:
        self.sizes: dict[Hashable, tuple[float, float, float]] = {}
        self.stamps: dict[Hashable, Stamp] = {}

    def stamp(
        self, gc: Any, text: str, prop: FontProperties, angle: float, *, ismath: Any, mtext: Any, dpi: float
    ) -> Stamp:
        """The pixels of a text."""
        key = (text, prop, angle, ismath, gc.get_rgb(), gc.get_alpha(), gc.get_antialiased(), dpi)
        if key not in self.stamps:
            if len(self.stamps) > MAX_TEXTS:
                self.stamps.clear()
            self.stamps[(text, prop.copy(), *key[2:])] = _stamp(gc, text, prop, angle, ismath, mtext, dpi)
        return self.stamps[key]


def _pixels(width: int, height: int, dpi: float) -> Any:
    """Pixels to draw on, without a colour."""
    new: Any = RendererAgg
    return new(width, height, dpi)


@rc_context({"text.hinting": "none"})
def _stamp(gc: Any, text: str, prop: FontProperties, angle: float, ismath: Any, mtext: Any, dpi: float) -> Stamp:
    """Draw a text alone. Its letters keep their widths, as in the PDF, so that it ends where the PDF says."""
    canvas = _pixels(1, 1, dpi)
    width, height, descent = canvas.get_text_width_height_descent(text, prop, ismath)
    room = prop.get_size_in_points() * dpi / 72
    turn = Affine2D().rotate_deg(angle).transform
    ends = turn([(x, y) for x in (-room, width + room) for y in (-descent - room, height + room)])
    (left, below), (right, above) = np.floor(ends.min(axis=0)).astype(int), np.ceil(ends.max(axis=0)).astype(int)
    canvas = _pixels(int(right - left), int(above - below), dpi)
    plain = GraphicsContextBase()
    plain.copy_properties(gc)
    plain.set_clip_rectangle(None)
    plain.set_clip_path(None)
    canvas.draw_text(plain, -left, above, text, prop, angle, ismath, mtext)
    pixels = np.asarray(canvas.buffer_rgba())[::-1]
    filled = pixels[..., 3] > 0
    if not filled.any():
        return np.zeros((0, 0, 4), np.uint8), 0, 0
    rows, columns = np.flatnonzero(filled.any(axis=1)), np.flatnonzero(filled.any(axis=0))
    part = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()
    return part, int(left + columns[0]), int(below + rows[0])


class _Both:
    """Draws everything into a PDF, which also answers all questions, and enlarged into pixels."""

    def __init__(self, pdf: Any, pixels: Any, texts: Texts) -> None:
        self.pdf, self.pixels, self.texts = pdf, pixels, texts
        self.scale = pixels.dpi / 72
        self.larger = Affine2D().scale(self.scale)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("draw_"):  # it would be in the PDF alone
            raise AttributeError(f"{name} does not draw into pixels yet")
        return getattr(self.pdf, name)

    def _gc(self, gc: Any) -> GraphicsContextBase:
        """The same look, for pixels: widths of lines are in points, but what cuts off is not."""
        large = GraphicsContextBase()
        large.copy_properties(gc)
        if (box := gc.get_clip_rectangle()) is not None:
            large.set_clip_rectangle(Bbox(np.asarray(box.get_points()) * self.scale))
        path, transform = gc.get_clip_path()
        if path is not None:
            large.set_clip_path(TransformedPath(path, transform + self.larger))
        return large

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> tuple[float, float, float]:
        key, sizes = (s, prop, ismath), self.texts.sizes
        if key not in sizes:
            if len(sizes) > MAX_TEXTS:
                sizes.clear()
            sizes[s, prop.copy(), ismath] = self.pdf.get_text_width_height_descent(s, prop, ismath)
        return sizes[key]

    def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:
        self.pdf.draw_path(gc, path, transform, rgbFace)
        self.pixels.draw_path(self._gc(gc), path, transform + self.larger, rgbFace)

    def draw_markers(
        self, gc: Any, marker_path: Any, marker_trans: Any, path: Any, trans: Any, rgbFace: Any = None
    ) -> None:
        self.pdf.draw_markers(gc, marker_path, marker_trans, path, trans, rgbFace)
        shape = marker_trans + self.larger
        self.pixels.draw_markers(self._gc(gc), marker_path, shape, path, trans + self.larger, rgbFace)

    def draw_path_collection(
        self, gc: Any, master_transform: Any, paths: Any, all_transforms: Any, offsets: Any, offset_trans: Any,
        *rest: Any, **more: Any,
    ) -> None:  # fmt: skip
        self.pdf.draw_path_collection(gc, master_transform, paths, all_transforms, offsets, offset_trans, *rest, **more)
        master, places = (each.frozen() + self.larger for each in (master_transform, offset_trans))
        self.pixels.draw_path_collection(
            self._gc(gc), master.frozen(), paths, all_transforms, offsets, places.frozen(), *rest, **more
        )

    def draw_quad_mesh(
        self, gc: Any, master_transform: Any, width: int, height: int, coordinates: Any, offsets: Any,
        offset_trans: Any, *rest: Any,
    ) -> None:  # fmt: skip
        self.pdf.draw_quad_mesh(gc, master_transform, width, height, coordinates, offsets, offset_trans, *rest)
        master, places = (each.frozen() + self.larger for each in (master_transform, offset_trans))
        self.pixels.draw_quad_mesh(
            self._gc(gc), master.frozen(), width, height, coordinates, offsets, places.frozen(), *rest
        )

    def draw_image(self, gc: Any, x: float, y: float, im: Any, transform: Any = None) -> None:
        self.pdf.draw_image(gc, x, y, im, transform)
        self.pixels.draw_image(self._gc(gc), round(x * self.scale), round(y * self.scale), im)

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: FontProperties, angle: float, ismath: Any = False,
        mtext: Any = None,
    ) -> None:  # fmt: skip
        self.pdf.draw_text(gc, x, y, s, prop, angle, ismath, mtext)
        part, left, below = self.texts.stamp(gc, s, prop, angle, ismath=ismath, mtext=mtext, dpi=self.pixels.dpi)
        if part.size:
            large = self._gc(gc)
            large.set_alpha(1.0)
            self.pixels.draw_image(large, round(x * self.scale) + left, round(y * self.scale) + below, part)


def png_and_pdf(figure: Figure, texts: Texts) -> tuple[bytes, bytes]:
    """The same figure as PNG, in its number of dots per inch, and as PDF without a date."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    dpi, (width, height), there = figure.dpi, figure.get_size_inches().tolist(), io.BytesIO()
    pixels = _pixels(int(width * dpi), int(height * dpi), dpi)
    classes: Any = PdfFile, RendererPdf, MixedModeRenderer  # they have no types
    file = classes[0](there, metadata={"CreationDate": None})
    figure.dpi = 72
    try:
        file.newPage(width, height)
        both: Any = _Both(classes[1](file, dpi, height, width), pixels, texts)
        renderer = classes[2](figure, width, height, dpi, both)
        figure.draw(renderer)
        renderer.finalize()
        file.finalize()
    finally:
        figure.dpi = dpi
        file.close()
    picture, image = io.BytesIO(), Image.fromarray(np.asarray(pixels.buffer_rgba()))
    if to_rgba(figure.get_facecolor())[3] == 1:
        image = image.convert("RGB")
    image.save(picture, format="png", dpi=(dpi, dpi), compress_level=1)
    return picture.getvalue(), there.getvalue()
