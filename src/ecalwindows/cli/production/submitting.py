"""`ecalwindows production submit`: on HTCondor, or on dask workers."""

from __future__ import annotations

from typing import Any

import click

from ecalwindows.cli.printing import say
from ecalwindows.cli.production.running import dask_options, notify, run_file


@click.command(
    epilog="""\b
Examples:
  ecalwindows production submit electrons.yaml --dry-run
  ecalwindows production submit electrons.yaml
  ecalwindows production submit electrons.yaml --resume
  ecalwindows production submit electrons.yaml --executor dask
"""
)
@click.argument("file", metavar="FILE")
@click.option(
    "--executor", type=click.Choice(["htcondor", "dask"]), default="htcondor", show_default=True, help="Where jobs run."
)
@dask_options
@click.option("--dry-run", is_flag=True, help="Write the submit files to be read, and submit nothing.")
@click.option("--resume", "again", is_flag=True, help="Take changed inputs into the plan, as `resume` does.")
@click.option("--redo", is_flag=True, help="Make everything again.")
@click.option("--checksums", is_flag=True, help="Read all inputs for their checksums.")
@click.option("--retry-bad", is_flag=True, help="Try inputs again that were left out.")
@click.option("--break-lock", is_flag=True, help="Take over from a runner on another host that is dead.")
def submit(
    file: str, executor: str, scheduler: str | None, allow_insecure: bool, dry_run: bool, again: bool, redo: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Submit a production to HTCondor: one DAG, which is done when the dataset is finished.

    Only what is missing is submitted. The last node of the DAG always runs: it makes the dataset if every part is
    complete, and otherwise fails and names what is missing. With dask the command waits, as `run` does, until all is
    done.
    """
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.driver import submit_production
    from ecalwindows.production.settings import read_production

    if redo and again:
        raise click.UsageError("--redo makes all again, --resume what is missing: give one of them")
    mode: Any = "redo" if redo else "resume" if again else "run"
    if executor == "dask":
        if dry_run:
            raise click.UsageError("--dry-run writes the submit files of HTCondor; dask has none")
        run_file(file, mode, executor=executor, scheduler=scheduler, allow_insecure=allow_insecure, **options)
        return
    if scheduler or allow_insecure:
        raise click.UsageError("--scheduler and --allow-insecure are for --executor dask")
    with warnings_shown():
        folder, n_jobs, done = submit_production(
            read_production(file),
            mode=mode,
            dry_run=dry_run,
            notify=notify,
            **options,
        )
    if done is None:
        say(f"{n_jobs:,} jobs; nothing was submitted; read {folder}")
    else:
        say(f"{n_jobs:,} jobs submitted: DAG {done.cluster} of {done.schedd}, in {folder}")
        say(f"watch it: ecalwindows production status {file} --watch")
