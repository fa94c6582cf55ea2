"""`ecalwindows production`: many files to a finished dataset."""

from __future__ import annotations

import click

from ecalwindows.cli.groups import SuggestingGroup
from ecalwindows.cli.production.jobs import carried, finish, merge, take, task
from ecalwindows.cli.production.reporting import digest, plan, report, status
from ecalwindows.cli.production.running import resume, run, submit


@click.group(
    cls=SuggestingGroup,
    epilog="""\b
Examples:
  ecalwindows production plan electrons.yaml --estimate
  ecalwindows production run electrons.yaml -j 4
  ecalwindows production status electrons.yaml --watch
  ecalwindows production resume electrons.yaml
""",
)
def production() -> None:
    """Make datasets of many files, with nothing lost and nothing twice."""


for command in (plan, run, resume, submit, status, report, digest, task, merge, carried, take, finish):
    production.add_command(command)
