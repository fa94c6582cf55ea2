"""Code blocks of the documentation, and what they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), flags=re.MULTILINE | re.DOTALL)


def typed(page: str) -> list[tuple[list[str], str]]:
    """Commands of a page's console blocks, and what the page says they print."""
    text = "".join(blocks(page, "console"))
    return [
        (shlex.split(command)[1:], output)
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.M)
    ]
