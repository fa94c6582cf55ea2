"""`ecalwindows demo`: a first look, no input needed."""

from __future__ import annotations

from pathlib import Path

import click

from ecalwindows.cli.printing import say


@click.command(
    epilog="""\b
Example:
  ecalwindows demo -o first-look
"""
)
@click.option(
    "-o", "--output", default="ecalwindows-demo", show_default=True, metavar="FOLDER",
    type=click.Path(path_type=Path), help="Folder for the results; created if it does not exist.",
)  # fmt: skip
def demo(output: Path) -> None:
    """Run the chain on a packaged sample.

    Makes windows of a small sample of simulated electrons, writes them as Parquet and NDJSON, draws one, and prints
    where the results are and what to type next.
    """
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.commands.demo import run_demo

    with warnings_shown():
        run_demo(output, say)
