"""Code blocks of the documentation, and what they print."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from click import Command, Context, Group

from ecalwindows.cli.main import cli

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


def is_printed(shown: str, printed: str) -> bool:
    """Whether a command printed what a page shows: `...` is left out (alone: any lines), seconds do not count."""
    shown, printed = (re.sub(r"(?m)^[\d.]+ s$", "some s", text.strip()) for text in (shown, printed))
    lines = [".*?" if line == "..." else re.escape(line).replace(r"\.\.\.", "[^\n]*") for line in shown.splitlines()]
    return re.fullmatch("\n".join(lines), printed, re.DOTALL) is not None


def unknown_words(line: str) -> list[str]:
    """The options of a command line that do not exist; the name of a command that does not exist."""
    words = shlex.split(line, comments=True)[1:]
    command: Command = cli
    while isinstance(command, Group) and words:
        inner = command.get_command(Context(command), words[0])
        if inner is None:
            return words[:1]
        command, words = inner, words[1:]
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    return [word for word in words if word.startswith("-") and word not in known]
