"""Groups of commands: they import a command only when it is called, and suggest names for an unknown one."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping

import click

from ecalwindows.cli.types import with_checked_types


class SuggestingGroup(click.Group):
    """A group that suggests the names of its commands when an unknown one is called.

    other_words : words that other programs use, or that name a command of another group, and what is meant
    """

    other_words: Mapping[str, tuple[str, ...]] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order in which they were added."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first argument names; an error with suggestions if there is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args[0].startswith("-"):
                raise
            raise click.UsageError(f"No such command '{args[0]}'.{self._suggestion(ctx, args[0])}", ctx) from error

    def _suggestion(self, ctx: click.Context, name: str) -> str:
        """A question that names what may have been meant."""
        shown = [each for each in self.list_commands(ctx) if self._is_shown(ctx, each)]
        word = name.lower().replace("_", "-")
        names = self.other_words.get(word) or difflib.get_close_matches(word, shown, n=3, cutoff=0.55)
        return f" Did you mean {' or '.join(repr(each) for each in names)}?" if names else ""

    def _is_shown(self, ctx: click.Context, name: str) -> bool:
        """Whether `--help` lists the command."""
        command = self.get_command(ctx, name)
        return command is not None and not command.hidden


class LazyGroup(SuggestingGroup):
    """A group that imports a command only when it is called, so that `--help` is quick.

    sections : titles in `--help`, and for each the commands with their short helps; the command itself is
        `<home>/<name>.py:<name>`, with '_' for '-'
    home : package of the commands
    """

    sections: Mapping[str, Mapping[str, str]] = {}
    home = ""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the sections."""
        return [name for commands in self.sections.values() for name in commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, imported."""
        if cmd_name not in self.list_commands(ctx):
            return None
        word = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"{self.home}.{word}"), word)
        assert isinstance(command, click.Command)
        return with_checked_types(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The sections in `--help`, without importing any command."""
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()), col_max=16)

    def _is_shown(self, ctx: click.Context, name: str) -> bool:
        return True
