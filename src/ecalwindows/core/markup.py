"""Text from users and files in pages: escaped in one place, so that names and notes stay text and never become markup.

A page is made of `Markdown`, which is text that is markup already. Everything else that goes into a page (names, notes,
reasons, settings) is plain text, and is escaped when it is put in: by `markdown`, `code` and `table`.
"""

from __future__ import annotations

import html as standard
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ecalwindows.core.names import printable


class Markdown(str):
    """Text that is Markdown already, and is not escaped again."""

    __slots__ = ()


SPECIAL = re.compile(
    r"[\\`|$]|(?<!\s)\*|\*(?!\s)"  # escapes, code, cells of tables, formulas, emphasis
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # emphasis; in a word it is none
    r"|\](?=[(\[:])|!(?=\[)|(?<=\])\["  # links, pictures, references
    r"|~(?=~)|(?<=~)~|(?<!\S)#"  # struck out; the end of a heading
)
AT_START = re.compile(r"(?:[#=~\[:]|[-+*](?=[-+*\s]|$)|[0-9]{1,9}(?=[.)](?:\s|$)))")
"""Headings, lists, rules, fences, references and definitions at the beginning of a line."""
BAR = re.compile(r"(?<!\\)\|")
"""A bar that would end the cell of a table, also in a span of code."""


def one_line(text: object) -> str:
    """Any text on one line: runs of white space as one blank, other control characters as escapes."""
    return printable(" ".join(str(text).split()))


def plain(text: object, *, in_cell: bool = False) -> Markdown:
    """Plain text as Markdown that shows just this text, wherever it is put on a line.

    Parameters
    ----------
    text
        Anything; `Markdown` is returned as it is.
    in_cell
        It goes into a cell of a table, where no line begins.
    """
    if isinstance(text, Markdown):
        return text
    line = standard.escape(one_line(text), quote=False)
    line = SPECIAL.sub(lambda found: "\\" + found[0], line)
    start = None if in_cell else AT_START.match(line)
    if start and start[0].isdecimal():  # `1.` would begin a list
        line = f"{start[0]}\\{line[len(start[0]) :]}"
    elif start:
        line = "\\" + line
    return Markdown(line)


def markdown(template: str, *values: object) -> Markdown:
    """A line of a page: a template of `str.format` that is Markdown, with values that are text and are escaped."""
    return Markdown(template.format(*(plain(value) for value in values)))


def code(text: object) -> Markdown:
    """Text as a span of code; nothing for an empty text."""
    line = one_line(text)
    if not line:
        return Markdown("")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    gap = " " if "`" in (line[0], line[-1]) else ""
    return Markdown(f"{ticks}{gap}{line}{gap}{ticks}")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[int] = ()) -> Iterator[Markdown]:
    """The lines of a Markdown table, and an empty one after it; none without rows.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells: text, which is escaped, or `Markdown`.
    numbers
        Columns that are set to the right.
    """
    if not rows:
        return
    cells = [[BAR.sub(r"\\|", plain(cell, in_cell=True)) for cell in row] for row in [head, *rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(head))]
    lines = [
        [row[i].rjust(width) if i in numbers else row[i].ljust(width) for i, width in enumerate(widths)]
        for row in cells
    ]
    lines.insert(1, ["-" * (width - 1) + (":" if i in numbers else "-") for i, width in enumerate(widths)])
    yield from (Markdown(f"| {' | '.join(line)} |") for line in lines)
    yield Markdown("")


def html(text: object) -> str:
    """Plain text for HTML, between tags and in quoted attributes."""
    return standard.escape(one_line(text), quote=True)
