"""A page that shows all figures of a folder, so that a person can look through; what pages of ecalwindows share."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from ecalwindows.core.markup import html
from ecalwindows.core.schema import COLUMNS
from ecalwindows.plots.style import COLOURS

PAGE = "index.html"
MARK = '<meta name="generator" content="ecalwindows plot">'
"""By this a folder is known as ours."""

HEADS = {
    "overview": "Overview",
    "cl_features": "Features of clusters",
    "cl_labels": "Labels of clusters",
    "cl_metadata": "More of clusters",
    "seed_features": "Features of the seed",
    "seed_metadata": "More of the seed",
    "window_features": "Features of the window",
    "window_metadata": "Identity, event and truth",
}
"""Sections of the page, by group of the columns."""


def asset(name: str) -> str:
    """A file of the package that is a part of pages."""
    return (files("ecalwindows") / "data" / "report" / name).read_text(encoding="utf-8")


def stylesheet() -> str:
    """The style of all pages of ecalwindows, with the colours of figures."""
    colours = "".join(f"--c{n}:{colour};" for n, colour in enumerate(COLOURS))
    return f":root{{{colours}}}\n{asset('report.css')}"


def gallery(figures: Sequence[str], tables: Sequence[str], title: str, *, pdf: bool) -> str:
    """The page. figures : names without suffix, `columns/<column>` or others; tables : names of files.

    pdf : every figure is there as PDF too
    """
    sections: dict[str, list[str]] = {}
    for name in figures:
        sections.setdefault(_section(name), []).append(name)
    links = " ".join(f'<a href="#{key}">{HEADS[key]}</a>' for key in HEADS if key in sections)
    names = ", ".join(f'<a href="{html(name)}"><code>{html(name)}</code></a>' for name in tables)
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">', MARK,
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{html(title)}</title><style>{stylesheet()}</style></head><body>",
        f"<header><h1>{html(title)}</h1><nav>{links}</nav></header><main>",
        f"<p>Every figure is drawn from a table: {names}. A page on which distributions can be selected is made by "
        "<code>ecalwindows report</code>.</p>",
    ]  # fmt: skip
    for key, head in HEADS.items():
        if key in sections:
            found = [_figure(name, pdf=pdf) for name in sections[key]]
            parts += [f'<h2 id="{key}">{head}</h2><div class="cards">', *found, "</div>"]
    return "\n".join([*parts, "</main></body></html>", ""])


def _section(name: str) -> str:
    column = COLUMNS.get(name.removeprefix("columns/"))
    return column.group if column else "overview"


def _figure(name: str, *, pdf: bool) -> str:
    column = COLUMNS.get(name.removeprefix("columns/"))
    words = f"<code>{column.name}</code>: {html(column.meaning)}" if column else html(name.replace("_", " "))
    name = html(name)
    words += f' (<a href="{name}.pdf">PDF</a>)' if pdf else ""
    return (
        f'<figure class="card"><a href="{name}.png"><img src="{name}.png" alt="{name}" loading="lazy"></a>'
        f"<figcaption>{words}</figcaption></figure>"
    )
