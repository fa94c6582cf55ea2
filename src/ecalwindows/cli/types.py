"""Types of options and arguments: paths in the home folder, texts that records can hold, numbers that are not NaN."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

PATHS = frozenset(
    {"FILE", "FOLDER", "OUT", "INPUT", "PLAN", "WORK", "ARCHIVE", "DATASET", "PATH", "PICTURE", "JSON", "MATCHES", "A",
     "B", "NAME@V"}
)  # fmt: skip
"""Words in the metavar of an option or argument that is a path on this machine."""

IN_FILES = frozenset({"tree"})
"""Options whose path is one in a file."""

WRITTEN = frozenset({"output", "outputs", "definition", "plot"})
"""Parameters that name what is written; files that others name are read."""


class HomePath(click.Path):
    """A path. The shell replaces `~` at the beginning of a word, but not in `--output=~/x` and not in quotes."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path, with `~` as the home folder. Raises OutputError for one that is read and written."""
        path = super().convert(os.path.expanduser(value) if isinstance(value, str) else value, param, ctx)
        if param is not None and ctx is not None and os.path.isfile(path):
            paths = ctx.meta.setdefault(__name__, {True: [], False: []})
            paths[param.name in WRITTEN].append(path)
            if all(paths.values()):
                from ecalwindows.core.files.output import refuse_inputs

                refuse_inputs(map(Path, paths[True]), paths[False])
        return path


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


class _NoNan(click.ParamType):  # type: ignore[type-arg]  # older versions of click have none
    """Refuses NaN: comparisons with it are false, so that it would pass every check, or none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number itself."""
        number = super().convert(value, param, ctx)
        if number != number:
            self.fail("nan is no number", param, ctx)
        return number


class Number(_NoNan, click.types.FloatParamType):
    """A number, not NaN."""


class NumberRange(_NoNan, click.FloatRange):
    """A number in a range, not NaN."""


def with_checked_types(command: click.Command) -> click.Command:
    """The command, and those below it, with these types for its options and arguments."""
    for param in command.params:
        if type(param.type) is click.Path:
            param.type = HomePath(path_type=param.type.type)
        elif type(param.type) is click.types.FloatParamType:
            param.type = Number()
        elif type(param.type) is click.FloatRange:
            kind = param.type
            param.type = NumberRange(kind.min, kind.max, kind.min_open, kind.max_open, kind.clamp)
        elif isinstance(param.type, click.types.StringParamType):
            param.type = HomePath() if is_path(param) else Text()
    if isinstance(command, click.Group):
        for below in command.commands.values():
            with_checked_types(below)
    return command


def is_path(param: click.Parameter) -> bool:
    """Whether an option or argument is a path on this machine, as its metavar says."""
    words = (param.metavar or "").replace("...", "").strip("[]").split("|")
    return bool(PATHS.intersection(words)) and param.name not in IN_FILES
