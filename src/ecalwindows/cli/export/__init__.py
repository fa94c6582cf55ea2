"""`ecalwindows export`: models and their inputs as files for other programs."""

from __future__ import annotations

import click

from ecalwindows.cli.groups import LazyGroup


class ExportGroup(LazyGroup):
    """The group of the programs that are exported to."""

    sections = {  # noqa: RUF012
        "Commands": {"cmssw": "Write the files that CMS's reconstruction reads."}
    }
    home = "ecalwindows.cli.export"


@click.group(
    cls=ExportGroup,
    epilog="""\b
Examples:
  ecalwindows export cmssw inputs.yaml --model model.pb -o my_model/
""",
)
def export() -> None:
    """Write a model and what it is fed as files for other programs."""
