"""The command line as tests type it."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from ecalwindows.cli.main import main


@dataclass(frozen=True)
class Ran:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def attempt(*arguments: str) -> Ran:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as leave:
            code = int(leave.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def run(*arguments: str) -> Ran:
    """Run a command that must succeed."""
    ran = attempt(*arguments)
    assert ran.code == 0, ran.err
    return ran


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "ecalwindows", *arguments],
        capture_output=True, text=True, env=os.environ | environment, check=False, timeout=120,
    )  # fmt: skip


def commands(group: click.Group) -> Iterator[click.Command]:
    """All commands of the command line."""
    context = click.Context(group)
    for name in group.list_commands(context):
        below = group.get_command(context, name)
        assert below is not None
        yield from commands(below) if isinstance(below, click.Group) else [below]
