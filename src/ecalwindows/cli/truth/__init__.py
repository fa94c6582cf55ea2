"""`ecalwindows truth`: how clusters and caloparticles are related, and what follows for labels."""

from __future__ import annotations

import click

from ecalwindows.cli.groups import LazyGroup


class TruthGroup(LazyGroup):
    """The group of the studies of the truth."""

    sections = {  # noqa: RUF012
        "Commands": {
            "match": "Make the table of matched clusters of dumper files.",
            "window-size": "Find how large windows must be.",
            "working-points": "Find the simFraction thresholds of best resolution.",
        }
    }
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
