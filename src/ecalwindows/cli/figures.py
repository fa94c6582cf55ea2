"""The option of all commands that draw figures."""

from __future__ import annotations

import click

from ecalwindows.plots.label import labelled


def _set_label(context: click.Context, option: click.Parameter, text: str) -> None:
    context.with_resource(labelled(text))


label_option = click.option(
    "--label", default="", metavar="TEXT", expose_value=False, callback=_set_label,
    help="Text above the figures, as 'Private work (CMS simulation)' [none].",
)  # fmt: skip
