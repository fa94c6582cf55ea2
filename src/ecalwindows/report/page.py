"""The page: one HTML file that loads nothing, with everything from records as text."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ecalwindows.core.markup import html
from ecalwindows.plots.gallery import asset, stylesheet

MARK = '<meta name="generator" content="ecalwindows report">'
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
    script = asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:"
    parts = {
        "POLICY": policy, "MARK": MARK, "TITLE": html(title), "STYLE": stylesheet(),
        "OVERVIEW": overview, "META": json_text(meta),
        "TABLES": "\n".join(
            f'<script type="text/plain" id="{name}">{text}</script>' for name, text in tables.items()
        ),
        "SCRIPT": script,
    }  # fmt: skip
    text = asset("report.html")
    begin, *pieces = text.split("{{")
    return begin + "".join(parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces))


def json_text(value: Any) -> str:
    """JSON that can be in a script element: no character of it begins or ends markup."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
