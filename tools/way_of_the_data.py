"""Draw the way of the data through the rooms of the package: docs/way_of_the_data.svg, which README.md shows.

usage: way_of_the_data.py [FILE]      writes the picture [docs/way_of_the_data.svg]

The rooms are those of tools/rooms.py: a room without a place here is an error. The picture has its own background,
light or dark as the system of the reader, so that it can be read on any page.
"""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOMS: list[str] = list(runpy.run_path(str(Path(__file__).with_name("rooms.py")))["ROOMS"])
PICTURE = Path(__file__).parents[1] / "docs" / "way_of_the_data.svg"

WAY = {
    "dumper": ("reads the files", "events"),
    "windowing": ("makes windows", "windows"),
    "formats": ("writes and reads files", "parts"),
    "dataset": ("joins many files", "dataset"),
    "training": ("makes batches", "batches"),
}
"""Rooms on the way, in order: what each does, and what it passes on."""

BESIDE = {
    "simulation": ("makes such files, with known truth", "files", "files"),
    "validation": ("checks and compares", "dataset", "formats"),
    "studies": ("derive thresholds and weights", "dataset", "dataset"),
    "plots": ("draw figures", "dataset", "training"),
    "report": ("one page to look at", "dataset", "windowing"),
    "evaluation": ("from scores to superclusters", "model", "model"),
}
"""Rooms beside the way: what each does, the column that it works with, and the column in which it is drawn."""

AROUND = {
    "cli": "the command line",
    "production": "many files on many machines: a laptop, HTCondor, Slurm",
    "commands": "join the rooms below",
    "core": "schema, settings, errors and outputs, which all rooms share",
}
"""Rooms that are drawn as bars, from top to bottom; `core` is below the way."""

COLUMNS = ["files", *WAY, "model"]
WIDTH, STEP, BOX, MARGIN = 1176, 168, 114, 20
Y_BARS, Y_WAY, Y_BESIDE, Y_CORE, HEIGHT = 20, 132, 250, 336, 392

STYLE = """
  .page { fill: #ffffff; stroke: #d0d7de }
  .bar { fill: #f2f4f7; stroke: #c3cad3 }
  .way { fill: #dbeafe; stroke: #3b76c4 }
  .beside { fill: #e8f3e6; stroke: #579153 }
  .data { fill: #fdf0d5; stroke: #b98722 }
  text { font-family: Helvetica, Arial, sans-serif; fill: #1f2328; font-size: 13px; text-anchor: middle }
  .name { font-weight: bold; font-size: 15px }
  .passed { font-style: italic; font-size: 12px }
  path { stroke: #57606a; stroke-width: 1.6; fill: none; marker-end: url(#head) }
  marker path { fill: #57606a; stroke: none }
  @media (prefers-color-scheme: dark) {
    .page { fill: #161b22; stroke: #30363d }
    .bar { fill: #21262d; stroke: #484f58 }
    .way { fill: #15315c; stroke: #5a96e0 }
    .beside { fill: #1b3a20; stroke: #6aa865 }
    .data { fill: #4a3710; stroke: #d0a040 }
    text { fill: #e6edf3 }
    path { stroke: #9da7b3 }
    marker path { fill: #9da7b3 }
  }
"""


def x_of(column: str) -> int:
    """The middle of a column [px]."""
    return MARGIN + 10 + (BOX - 2) // 2 + STEP * COLUMNS.index(column)


def wrapped(text: str, length: int) -> list[str]:
    """The words of a text in lines of at most so many letters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= length:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def box(x: float, y: float, width: float, height: float, kind: str, name: str, lines: list[str]) -> Iterator[str]:
    """A box around its middle `x` from `y` down, with a name and lines below it."""
    yield f'<rect class="{kind}" x="{x - width / 2:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>'
    top = y + height / 2 - 8 * len(lines) + 5
    yield f'<text class="name" x="{x:g}" y="{top:g}">{escape(name)}</text>'
    for n, line in enumerate(lines, 1):
        yield f'<text x="{x:g}" y="{top + 17 * n:g}">{escape(line)}</text>'


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M {x1:g} {y1:g} L {x2:g} {y2:g}"/>'


def bars() -> Iterator[str]:
    """The rooms that use all others, above, and the one that all others use, below."""
    *upper, lowest = AROUND.items()
    for n, (name, does) in enumerate(upper):
        yield from bar(Y_BARS + 34 * n, name, does)
    yield from bar(Y_CORE, *lowest)


def bar(y: float, name: str, does: str) -> Iterator[str]:
    yield f'<rect class="bar" x="{MARGIN + 10}" y="{y}" width="{WIDTH - 2 * MARGIN - 20}" height="28" rx="8"/>'
    yield f'<text x="{WIDTH / 2:g}" y="{y + 19}"><tspan class="name">{name}</tspan>: {escape(does)}</text>'


def way() -> Iterator[str]:
    """The main row: dumper files, the rooms on the way and what they pass on, the model."""
    passed = ["", *(passes for _, passes in WAY.values())]
    for n, column in enumerate(COLUMNS):
        x, kind = x_of(column), "way" if column in WAY else "data"
        name, text = {"files": ("dumper files", "ROOT"), "model": ("your model", "PyTorch, TensorFlow, ...")}.get(
            column, (column, WAY.get(column, ("", ""))[0])
        )
        yield from box(x, Y_WAY, BOX, 70, kind, name, wrapped(text, 17))
        if n + 1 < len(COLUMNS):
            yield arrow(x + BOX / 2 + 2, Y_WAY + 35, x + STEP - BOX / 2 - 3, Y_WAY + 35)
            yield f'<text class="passed" x="{x + STEP / 2:g}" y="{Y_WAY + 28}">{passed[n]}</text>'


def beside() -> Iterator[str]:
    """The rooms below the main row."""
    for name, (does, near, column) in BESIDE.items():
        x, x_near = x_of(column), x_of(near)
        ends = [(x_near + (x > x_near) * 20 - (x < x_near) * 20, Y_WAY + 72), (x, Y_BESIDE - 3)]
        (x1, y1), (x2, y2) = ends[::-1] if near == "files" else ends  # only the simulation gives, all others take
        yield arrow(x1, y1, x2, y2)
        yield from box(x, Y_BESIDE, BOX, 70, "beside", name, wrapped(does, 17))


def picture() -> str:
    """The picture as SVG. A room that is drawn nowhere, or in another order than the data flow, is a ValueError."""
    drawn = [*AROUND, *WAY, *BESIDE]
    if sorted(drawn) != sorted(ROOMS):
        raise ValueError(f"give each room a place in {__file__}: {sorted({*drawn} ^ {*ROOMS})}")
    if [*WAY] != [room for room in ROOMS if room in WAY]:
        raise ValueError("the rooms on the way are in another order than in tools/rooms.py")
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">'
    title = "<title>The way of the data through the rooms of ecalwindows</title>"
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M 0 0 L 10 5 L 0 10 z"/></marker></defs>'
    )
    page = f'<rect class="page" x="1" y="1" width="{WIDTH - 2}" height="{HEIGHT - 2}" rx="12"/>'
    body = [*bars(), *way(), *beside()]
    return "\n".join([head, title, f"<style>{STYLE}</style>", marker, page, *body, "</svg>", ""])


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else PICTURE).write_text(picture(), encoding="utf-8")
