"""A page that shows all figures of a folder, so that a person can look through."""

from __future__ import annotations

from collections.abc import Sequence

from ecalwindows.core.markup import html
from ecalwindows.core.schema import COLUMNS

PAGE = "index.html"
MARK = '<meta name="generator" content="ecalwindows plot">'
"""By this a folder is known as ours."""

STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:90em}"
    "figure{display:inline-block;width:21em;margin:.5em;vertical-align:top}"
    "img{width:100%}figcaption{font-size:.85em}nav a{margin-right:1em}code{background:#eee}"
)

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


def gallery(figures: Sequence[str], tables: Sequence[str], title: str, *, pdf: bool) -> str:
    """The page. figures : names without suffix, `columns/<column>` or others; tables : names of files.

    pdf : every figure is there as PDF too
    """
    sections: dict[str, list[str]] = {}
    for name in figures:
        sections.setdefault(_section(name), []).append(name)
    links = " ".join(f'<a href="#{key}">{HEADS[key]}</a>' for key in HEADS if key in sections)
    files = ", ".join(f'<a href="{html(name)}"><code>{html(name)}</code></a>' for name in tables)
    parts = [
        "<!DOCTYPE html>", '<html lang="en"><head><meta charset="utf-8">', MARK,
        f"<title>{html(title)}</title><style>{STYLE}</style></head><body>", f"<h1>{html(title)}</h1>",
        f"<nav>{links}</nav>", f"<p>Every figure is drawn from a table: {files}.</p>",
    ]  # fmt: skip
    for key, head in HEADS.items():
        if key in sections:
            parts += [f'<h2 id="{key}">{head}</h2>', *(_figure(name, pdf=pdf) for name in sections[key])]
    return "\n".join([*parts, "</body></html>", ""])


def _section(name: str) -> str:
    column = COLUMNS.get(name.removeprefix("columns/"))
    return column.group if column else "overview"


def _figure(name: str, *, pdf: bool) -> str:
    column = COLUMNS.get(name.removeprefix("columns/"))
    words = f"<code>{column.name}</code>: {html(column.meaning)}" if column else html(name.replace("_", " "))
    name = html(name)
    words += f' (<a href="{name}.pdf">PDF</a>)' if pdf else ""
    return (
        f'<figure><a href="{name}.png"><img src="{name}.png" alt="{name}" loading="lazy"></a>'
        f"<figcaption>{words}</figcaption></figure>"
    )
