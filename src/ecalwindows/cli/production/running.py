"""`ecalwindows production run` and `resume`: on this machine."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

SECONDS_BETWEEN_LINES = 5.0


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


@click.command(
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
