"""Texts on the command line: paths in the home folder, and texts that records can hold."""

from __future__ import annotations

import os
from typing import Any

import click

PATHS = frozenset(
    {"FILE", "FOLDER", "OUT", "INPUT", "PLAN", "WORK", "ARCHIVE", "DATASET", "PATH", "PICTURE", "JSON", "MATCHES", "A",
     "B", "NAME@V"}
)  # fmt: skip
"""Words in the metavar of an option or argument that is a path on this machine."""

IN_FILES = frozenset({"tree"})
"""Options whose path is one in a file."""


class HomePath(click.Path):
    """A path. The shell replaces `~` at the beginning of a word, but not in `--output=~/x` and not in quotes."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, with `~` as the home folder."""
        return super().convert(os.path.expanduser(value) if isinstance(value, str) else value, param, ctx)


class Text(click.types.StringParamType):
    """A text that JSON and YAML can hold."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text itself, when it is UTF-8."""
        text = super().convert(value, param, ctx)
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            self.fail(f"'{shown}' is not UTF-8", param, ctx)
        return text


def with_text_types(command: click.Command) -> click.Command:
    """The command, and those below it, with these types for its options and arguments that are texts."""
    for param in command.params:
        if type(param.type) is click.Path:
            param.type = HomePath(path_type=param.type.type)
        elif isinstance(param.type, click.types.StringParamType):
            param.type = HomePath() if is_path(param) else Text()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_text_types(below)
    return command


def is_path(param: click.Parameter) -> bool:
    """Whether an option or argument is a path on this machine, as its metavar says."""
    words = (param.metavar or "").replace("...", "").strip("[]").split("|")
    return bool(PATHS.intersection(words)) and param.name not in IN_FILES
