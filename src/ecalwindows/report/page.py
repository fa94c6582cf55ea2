"""The page: one HTML file that loads nothing, with everything from records as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from ecalwindows.core.markup import html
from ecalwindows.plots.style import COLOURS

MARK = '<meta name="generator" content="ecalwindows report">'
REPORT = "report.html"
"""Name of the page in a dataset of a production."""

MAX_BYTES = 15_000_000
"""Largest size of a page."""


def page(title: str, overview: str, meta: Mapping[str, Any], tables: Mapping[str, str]) -> str:
    """The text of the page.

    Parameters
    ----------
    title : text
    overview : HTML
    meta : what the script needs to know, becomes JSON
    tables : packed data by name
    """
    script, style = asset("report.js"), asset("report.css")
    colours = "".join(f"--c{n}:{colour};" for n, colour in enumerate(COLOURS))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    parts = {
        "POLICY": policy, "MARK": MARK, "TITLE": html(title), "STYLE": f":root{{{colours}}}\n{style}",
        "OVERVIEW": overview, "META": json_text(meta),
        "TABLES": "\n".join(
            f'<script type="text/plain" id="{name}">{text}</script>' for name, text in tables.items()
        ),
        "SCRIPT": script,
    }  # fmt: skip
    text = asset("report.html")
    begin, *pieces = text.split("{{")
    return begin + "".join(parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces))


def asset(name: str) -> str:
    """A file of the page in the package."""
    return (files("ecalwindows") / "data" / "report" / name).read_text(encoding="utf-8")


def json_text(value: Any) -> str:
    """JSON that can be in a script element: no character of it begins or ends markup."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
