"""`ecalwindows production`: many files to a finished dataset."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

SECONDS_BETWEEN_LINES = 5.0
REMOVED = 4
"""DAGMan's status of a DAG that was removed."""


@click.group(
    epilog="""\b
Examples:
  ecalwindows production plan electrons.yaml --estimate
  ecalwindows production run electrons.yaml -j 4
  ecalwindows production status electrons.yaml --watch
  ecalwindows production resume electrons.yaml
"""
)
def production() -> None:
    """Make datasets of many files, with nothing lost and nothing twice."""


@production.command(
    epilog="""\b
Examples:
  ecalwindows production plan electrons.yaml
  ecalwindows production plan electrons.yaml --estimate --jobs
  ecalwindows production plan electrons.yaml --checksums -o plan.json
"""
)
@click.argument("file", metavar="FILE")
@click.option("-o", "--output", metavar="PLAN", help="Write the plan to this file.")
@click.option("--checksums", is_flag=True, help="Read all inputs for their checksums.")
@click.option("--estimate", is_flag=True, help="Make some events of one file of each sample; guess time and output.")
@click.option("--jobs", is_flag=True, help="List all jobs with their inputs.")
def plan(file: str, output: str | None, checksums: bool, estimate: bool, jobs: bool) -> None:
    """List the inputs of a production and make its jobs. Nothing is run."""
    from pathlib import Path

    from ecalwindows.production.listing import listed_inputs, read_sources
    from ecalwindows.production.place import write_plan
    from ecalwindows.production.plan import made_plan
    from ecalwindows.production.settings import read_production
    from ecalwindows.reports.production import estimate_text, plan_text

    wanted = read_production(file)
    made = made_plan(wanted, listed_inputs(wanted, checksums=checksums), read_sources(wanted))
    click.echo(plan_text(made, jobs=jobs))
    if output is not None:
        write_plan(made, Path(output))
        click.echo(f"written: {output}")
    if estimate:
        from ecalwindows.production.estimate import estimates

        click.echo("\n" + estimate_text(estimates(made)))


@production.command()
@click.argument("plan_file", metavar="PLAN")
@click.argument("number", type=int, metavar="N")
@click.option("--executor", default="hand", hidden=True)
@click.option("--scratch", metavar="FOLDER", help="Where the part stands while it is made [scratch/ beside PLAN].")
def task(plan_file: str, number: int, executor: str, scratch: str | None) -> None:
    """Do job N (from 0) of a plan. The executors call this; the part goes into the folder of PLAN."""
    from pathlib import Path

    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.cache import kernel_cache
    from ecalwindows.production.place import Place, make_folders, read_plan

    path = Path(plan_file).absolute()
    plan, place = read_plan(path), Place(path.parent)
    make_folders(place)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(place)))
    from ecalwindows.production.task import run_task  # compiles with that cache

    with warnings_shown():
        state = run_task(place, plan, number, executor=executor, scratch=Path(scratch) if scratch else None)
    left_out = f", {len(state.bad)} inputs left out" if state.bad else ""
    click.echo(f"{state.part}: {state.windows:,} windows of {state.events:,} events{left_out}")


def _running_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of `run` and `resume`."""
    options = (
        click.argument("file", metavar="FILE"),
        click.option(
            "-j", "--workers", type=click.IntRange(min=0), metavar="N", help="Processes [all processors]; 0: this one."
        ),
        click.option("--checksums", is_flag=True, help="Read all inputs for their checksums."),
        click.option("--strict", is_flag=True, help="Fail on a bad input, instead of leaving it out."),
        click.option("--break-lock", is_flag=True, help="Take over from a runner on another host that is dead."),
        click.option("-q", "--quiet", is_flag=True, help="No progress and no summary."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@production.command(
    epilog="""\b
Examples:
  ecalwindows production run electrons.yaml -j 4
  ecalwindows production run electrons.yaml --redo
"""
)
@_running_options
@click.option("--redo", is_flag=True, help="Make everything again.")
def run(file: str, redo: bool, **options: Any) -> None:
    """Run a production on this machine, to the finished dataset.

    What is there and whole is not made again. When inputs or settings are not those of before, nothing is done but to
    tell the difference.
    """
    _run(file, "redo" if redo else "run", **options)


@production.command(
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
    _run(file, "resume", **options)


def _run(file: str, mode: Any, *, workers: int | None, strict: bool, quiet: bool, **options: Any) -> None:
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.driver import run_production
    from ecalwindows.production.local import usual_workers
    from ecalwindows.production.settings import read_production
    from ecalwindows.reports.production import done_text

    wanted = read_production(file)
    if strict:
        wanted = wanted.model_copy(update={"strict": True})
    try:
        with warnings_shown(), _jobs_progress(shown=not quiet) as job_done:
            done = run_production(
                wanted,
                mode=mode,
                workers=usual_workers() if workers is None else workers,
                progress=job_done,
                tell=lambda line: click.echo(line, err=True),
                **options,
            )
    except KeyboardInterrupt:
        click.echo("stopped: parts that are done are kept; `ecalwindows production resume` makes the rest", err=True)
        raise
    if not quiet:
        click.echo(done_text(done))


@production.command(
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


@production.command()
@click.argument("folder", metavar="WORK")
@click.option("--dag-status", type=int, default=0, help="What DAGMan says of the DAG (4: removed).")
@click.option("--failed", type=int, default=0, help="How many of its nodes failed.")
def finish(folder: str, dag_status: int, failed: int) -> None:
    """Make the dataset of parts that are done. The FINAL node of a DAG calls this."""
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.driver import finish_production
    from ecalwindows.production.errors import ProductionError
    from ecalwindows.production.place import find_place

    place = find_place(folder)
    click.echo(f"DAG status {dag_status}, {failed} nodes failed")
    if dag_status == REMOVED:
        raise ProductionError(
            "the DAG was removed: no dataset was made", expected="a DAG that runs to its end", where=folder,
            todo="`ecalwindows production submit FILE` or `resume FILE` makes the rest",
        )  # fmt: skip
    with warnings_shown():
        finish_production(place, tell=lambda line: click.echo(line, err=True))
    click.echo("finalised")


@contextmanager
def _jobs_progress(*, shown: bool) -> Iterator[Callable[[int, int, int], None] | None]:
    """A bar on a terminal; elsewhere now and then a line with rate and time left."""
    from ecalwindows.cli.progress import progress

    if not shown or sys.stderr.isatty():
        with progress(shown=shown, noun="jobs") as job_done:
            yield job_done
        return
    yield _lines()


def _lines() -> Callable[[int, int, int], None]:
    from ecalwindows.reports.production import duration

    began = last = time.monotonic()

    def job_done(done: int, of: int, windows: int) -> None:
        nonlocal last
        now = time.monotonic()
        if done and (now - last >= SECONDS_BETWEEN_LINES or done == of):
            last, took = now, now - began
            left = duration(took / done * (of - done))
            rate = 60 * done / max(took, 1e-3)
            click.echo(f"{done:,} of {of:,} jobs, {rate:,.1f} a minute, {windows:,} windows, {left} left", err=True)

    return job_done


@production.command(
    epilog="""\b
Examples:
  ecalwindows production status electrons.yaml
  ecalwindows production status datasets/electrons_2023 --watch
"""
)
@click.argument("file", metavar="FILE|FOLDER")
@click.option("--watch", is_flag=True, help="Show it again and again, until nothing runs or waits.")
@click.option("--every", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds between.")
def status(file: str, watch: bool, every: float) -> None:
    """Tell how a production stands: jobs done, running, waiting and failed, by sample; and why those failed."""
    from ecalwindows.production.condor import queue_lines
    from ecalwindows.production.place import find_place
    from ecalwindows.production.status import status_of
    from ecalwindows.reports.production import status_text

    place = find_place(file)
    while True:
        now = status_of(place)
        if watch and sys.stdout.isatty():
            click.clear()
        click.echo(status_text(now))
        queued = queue_lines(place)
        if queued:
            click.echo("\n".join(queued))
        if not watch or now.is_over:
            return
        time.sleep(every)


@production.command(epilog="\b\nExamples:\n  ecalwindows production digest datasets/electrons_2023\n")
@click.argument("folder", metavar="FOLDER")
def digest(folder: str) -> None:
    """Print one hash of a finished dataset: the same settings and inputs give the same."""
    from ecalwindows.production.digest import dataset_digest

    click.echo(dataset_digest(folder))


@production.command(epilog="\b\nExamples:\n  ecalwindows production report electrons.yaml --plot jobs.png\n")
@click.argument("file", metavar="FILE|FOLDER")
@click.option("--plot", metavar="PICTURE", help="Draw it too: .png, .pdf or .svg.")
def report(file: str, plot: str | None) -> None:
    """Tell how the jobs of a production fared: throughput, failures, retries, time by job."""
    from ecalwindows.production.place import find_place, read_plan
    from ecalwindows.production.status import states_of
    from ecalwindows.reports.production import fared_text

    place = find_place(file)
    states = states_of(place, read_plan(place.plan))
    click.echo(fared_text(states))
    if plot:
        from ecalwindows.plots.production import jobs_figure, save
        from ecalwindows.production.status import times_of

        save(jobs_figure(*times_of(states)), plot)
        click.echo(f"written: {plot}")
