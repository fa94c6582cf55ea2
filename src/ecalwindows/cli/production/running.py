"""`ecalwindows production run`, `resume` and `submit`: on this machine, on dask workers, on HTCondor."""

from __future__ import annotations

import time
from collections.abc import Callable
from shlex import quote
from typing import Any

import click

from ecalwindows.cli.options import with_options
from ecalwindows.cli.printing import say
from ecalwindows.core.names import counted

SECONDS_BETWEEN_LINES = 5.0


dask_options = with_options(
    click.option("--scheduler", metavar="ADDRESS", help="dask: its scheduler [the cluster of the block dask:]."),
    click.option("--allow-insecure", is_flag=True, help="dask: speak to workers without encryption."),
)
"""Options of the dask executor."""

_running_options = with_options(
    click.argument("file", metavar="FILE"),
    click.option(
        "-j", "--workers", type=click.IntRange(min=0), metavar="N", help="Processes [all processors]; 0: this one."
    ),
    click.option(
        "--executor", type=click.Choice(["local", "dask"]), default="local", show_default=True, help="Where jobs run."
    ),
    dask_options,
    click.option("--checksums", is_flag=True, help="Read all inputs for their checksums."),
    click.option("--strict", is_flag=True, help="Fail on a bad input, instead of leaving it out."),
    click.option("--break-lock", is_flag=True, help="Take over from a runner on another host that is dead."),
    click.option("-q", "--quiet", is_flag=True, help="No progress and no summary."),
)
"""Options of `run` and `resume`."""


@click.command(
    epilog="""\b
Examples:
  ecalwindows production run electrons.yaml -j 4
  ecalwindows production run electrons.yaml --redo
  ecalwindows production run electrons.yaml --executor dask --scheduler tls://node1:8786
"""
)
@_running_options
@click.option("--redo", is_flag=True, help="Make everything again.")
def run(file: str, redo: bool, **options: Any) -> None:
    """Run a production to the finished dataset: on this machine, or on dask workers.

    Complete parts are not made again. If inputs or settings have changed since then, nothing is done and the
    difference is printed.
    """
    run_file(file, "redo" if redo else "run", **options)


@click.command(
    epilog="""\b
Examples:
  ecalwindows production resume electrons.yaml
  ecalwindows production resume electrons.yaml --retry-bad
"""
)
@_running_options
@click.option("--retry-bad", is_flag=True, help="Try inputs again that were left out.")
def resume(file: str, **options: Any) -> None:
    """Make what is missing or broken of a production, and its dataset.

    Parts are compared with their manifests. New inputs are added, changed ones are done again.
    """
    run_file(file, "resume", **options)


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
        say(f"{counted(n_jobs, 'job')}; nothing was submitted; read {folder}")
    else:
        say(f"{counted(n_jobs, 'job')} submitted: DAG {done.cluster} of {done.schedd}, in {folder}")
        say(f"watch it: ecalwindows production status {quote(file)} --watch")


def run_file(
    file: str,
    mode: Any,
    *,
    workers: int | None = None,
    strict: bool = False,
    quiet: bool = False,
    executor: str = "local",
    scheduler: str | None = None,
    allow_insecure: bool = False,
    **options: Any,
) -> None:
    """Run a production, show its progress, and print what was done."""
    from ecalwindows.cli.progress import progress, warnings_shown
    from ecalwindows.cli.texts.production import done_text
    from ecalwindows.core.files.commit import named
    from ecalwindows.core.threads import usual_workers
    from ecalwindows.production.driver import run_production
    from ecalwindows.production.kinds.table import KINDS
    from ecalwindows.production.settings import read_production

    wanted = read_production(file)
    if strict:
        wanted = wanted.model_copy(update={"strict": True})
    pool = None
    if executor == "dask":
        from ecalwindows.production.executors.dask.pool import dask_pool

        update = {"scheduler": scheduler, "cluster": None} if scheduler else {}
        pool = dask_pool(wanted.dask.model_copy(update=update), notify, allow_insecure=allow_insecure)
        if workers is not None:
            raise click.UsageError(
                "-j is for this machine; with dask, workers are set in the block dask: or with its scheduler"
            )
    elif scheduler or allow_insecure:
        raise click.UsageError("--scheduler and --allow-insecure are for --executor dask")
    try:
        with (
            warnings_shown(),
            progress(
                shown=not quiet, noun="jobs", found=f"{KINDS[wanted.kind].rows}s", lines=_lines(wanted.kind)
            ) as job_done,
        ):
            done = run_production(
                wanted,
                mode=mode,
                workers=usual_workers() if workers is None else workers,
                elsewhere=pool,
                progress=job_done,
                notify=notify,
                **options,
            )
    except KeyboardInterrupt:
        named[:] = [path for path in named if not path.is_relative_to(wanted.work.absolute())]
        say("stopped: parts that are done are kept; `ecalwindows production resume` makes the rest", err=True)
        raise
    if not quiet:
        say(done_text(done))


def notify(line: str) -> None:
    """A line for whoever watches."""
    say(line, err=True)


def _lines(kind: str) -> Callable[[int, int, int], None]:
    from ecalwindows.cli.texts.production import duration, rows_text

    began = last = time.monotonic()

    def job_done(done: int, of: int, windows: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done and (now - last >= SECONDS_BETWEEN_LINES or done == of):
            last, took = now, now - began
            left = duration(took / done * (of - done))
            rate = 60 * done / max(took, 1e-3)
            say(f"{done:,} of {of:,} jobs, {rate:,.1f} a minute, {rows_text(windows, kind)}, {left} left", err=True)

    return job_done
