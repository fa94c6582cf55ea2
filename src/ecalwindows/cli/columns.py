"""`ecalwindows columns`: what a dataset can hold."""

from __future__ import annotations

import click

from ecalwindows.cli.printing import say


@click.command(
    epilog="""\b
Examples:
  ecalwindows columns
  ecalwindows columns --group cl_labels
  ecalwindows columns --format json | jq '.columns[].name'
"""
)
@click.option(
    "--format", "format_name", type=click.Choice(["table", "markdown", "json"]), default="table", show_default=True,
    help="Form of the table.",
)  # fmt: skip
@click.option("--group", metavar="NAME", help="Only this group, such as cl_features, window_metadata or cl_h.")
def columns(format_name: str, group: str | None) -> None:
    """Print all columns of a dataset: group, name, type, unit, meaning, and since which data-model version.

    The names can be used in a features definition (windows -f FILE). cl_h lists the numbers of a hit.
    """
    from ecalwindows.cli.texts.columns import columns_text

    say(columns_text(format_name, group))
