"""`ecalwindows production submit`: on HTCondor."""

from __future__ import annotations

from typing import Any

import click


@click.command(
    epilog="""\b
Examples:
  ecalwindows production submit electrons.yaml --dry-run
  ecalwindows production submit electrons.yaml
  ecalwindows production submit electrons.yaml --resume
"""
)
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Write the submit files to be read, and submit nothing.")
@click.option("--resume", "again", is_flag=True, help="Take changed inputs into the plan, as `resume` does.")
@click.option("--redo", is_flag=True, help="Make everything again.")
@click.option("--checksums", is_flag=True, help="Read all inputs for their checksums.")
@click.option("--retry-bad", is_flag=True, help="Try inputs again that were left out.")
@click.option("--break-lock", is_flag=True, help="Take over from a runner on another host that is dead.")
def submit(file: str, dry_run: bool, again: bool, redo: bool, **options: Any) -> None:
    """Submit a production to HTCondor: one DAG, which is done when the dataset is finished.

    Only what is missing is submitted. The last node of the DAG always runs: it makes the dataset when every part is
    whole, and else fails and names what is missing.
    """
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.driver import submit_production
    from ecalwindows.production.settings import read_production

    if redo and again:
        raise click.UsageError("--redo makes all again, --resume what is missing: give one of them")
    with warnings_shown():
        folder, n_jobs, done = submit_production(
            read_production(file),
            mode="redo" if redo else "resume" if again else "run",
            dry_run=dry_run,
            tell=lambda line: click.echo(line, err=True),
            **options,
        )
    if done is None:
        click.echo(f"{n_jobs:,} jobs; nothing was submitted; read {folder}")
    else:
        click.echo(f"{n_jobs:,} jobs submitted: DAG {done.cluster} of {done.schedd}, in {folder}")
        click.echo(f"watch it: ecalwindows production status {file} --watch")
