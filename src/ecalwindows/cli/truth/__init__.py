"""`ecalwindows truth`: what clusters and caloparticles have to do with each other, and what follows for labels."""

from __future__ import annotations

import click

from ecalwindows.cli.main import LazyGroup

COMMANDS = {
    "match": "Make the table of matched clusters of dumper files.",
    "window-size": "Find how large windows must be.",
    "working-points": "Find the simFraction thresholds of best resolution.",
}
"""Subcommand and its short help; the command itself is `cli/truth/<name>.py:<name>`."""


class TruthGroup(LazyGroup):
    """The group of the commands above."""

    told = COMMANDS
    home = "ecalwindows.cli.truth"


@click.group(
    cls=TruthGroup,
    epilog="""\b
Examples:
  ecalwindows truth match dumps/ -o matches.parquet --sample electrons
  ecalwindows truth window-size matches.parquet -o size/
  ecalwindows truth working-points matches.parquet -o wp.json
""",
)
def truth() -> None:
    """Study the truth: which clusters belong to a caloparticle, and which of them make its energy best."""
