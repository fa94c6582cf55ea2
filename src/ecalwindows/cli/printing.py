"""How commands print: no name or note can send control sequences to the terminal."""

from __future__ import annotations

import unicodedata

import click

NOT_SHOWN = ("Cc", "Cf", "Zl", "Zp")
"""Unicode categories that are escaped: controls, also those that turn the direction of text, and line ends."""


def terminal_text(text: str) -> str:
    """A text as it may be printed: control characters are escaped, but for line ends and tabs."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        ascii(each)[1:-1] if each not in "\n\t" and unicodedata.category(each) in NOT_SHOWN else each for each in text
    )


def say(text: str, *, err: bool = False) -> None:
    """Print a text with a line end, on standard error if `err`: the one way to print in commands."""
    click.echo(terminal_text(text), err=err)
