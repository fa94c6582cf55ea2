"""`ecalwindows production plan`, `status`, `report` and `digest`: what is to be made, and what was made."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from ecalwindows.cli.options import refuse_unused
from ecalwindows.cli.printing import say


@click.command(
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
    from ecalwindows.cli.texts.production import estimate_text, plan_text
    from ecalwindows.core.files.output import check_output, holds
    from ecalwindows.production.listing import listed_inputs
    from ecalwindows.production.plan import made_plan
    from ecalwindows.production.refusals import checked_sources
    from ecalwindows.production.settings import read_production
    from ecalwindows.production.work_folder import write_plan

    if output is None and not jobs:
        refuse_unused("checksums are shown by --jobs and written by -o", "checksums")
    if output is not None:
        check_output(
            Path(output), overwrite=True, is_own=holds('\n "plan": {'), ours="a plan of `ecalwindows production`",
            suffixes=(".json",),
        )  # fmt: skip
    wanted = read_production(file)
    sources = checked_sources(wanted)
    made = made_plan(wanted, listed_inputs(wanted, checksums=checksums), sources)
    say(plan_text(made, jobs=jobs))
    if output is not None:
        write_plan(made, Path(output))
        say(f"written: {output}")
    if estimate:
        from ecalwindows.production.estimate import estimates

        say("\n" + estimate_text(estimates(made)))


@click.command(
    epilog="""\b
Examples:
  ecalwindows production status electrons.yaml
  ecalwindows production status datasets/electrons_2023 --watch
"""
)
@click.argument("file", metavar="FILE|FOLDER")
@click.option("--watch", is_flag=True, help="Show it again and again, as long as it is run.")
@click.option(
    "--every", type=click.FloatRange(min=0.1), metavar="X", default=5.0, show_default=True, help="Seconds between."
)
def status(file: str, watch: bool, every: float) -> None:
    """Print the state of a production: jobs done, running, waiting and failed, by sample; and why jobs failed."""
    from ecalwindows.cli.texts.production import status_text
    from ecalwindows.production.executors.htcondor.submit import queue_lines
    from ecalwindows.production.lock import has_runner
    from ecalwindows.production.status import status_of
    from ecalwindows.production.work_folder import find_place

    if not watch:
        refuse_unused("the state is printed once without --watch", "every")
    place = find_place(file)
    while True:
        queued, is_queued = queue_lines(place)
        is_run = is_queued or has_runner(place.lock)
        now = status_of(place, is_run=is_run)
        if watch and sys.stdout.isatty():
            click.clear()
        say("\n".join([status_text(now), *queued]))
        if not is_run and not now.finalized:
            say("nobody runs it: `resume` (or `submit --resume`) makes what is missing, or prints why it cannot")
        if not watch or not is_run:
            return
        time.sleep(every)


@click.command(epilog="\b\nExamples:\n  ecalwindows production digest datasets/electrons_2023\n")
@click.argument("folder", metavar="FOLDER")
def digest(folder: str) -> None:
    """Print one hash of a finished dataset: the same settings and inputs give the same."""
    from ecalwindows.production.digest import dataset_digest

    say(dataset_digest(folder))


@click.command(epilog="\b\nExamples:\n  ecalwindows production report electrons.yaml --plot jobs.png\n")
@click.argument("file", metavar="FILE|FOLDER")
@click.option("--plot", metavar="PICTURE", help="Draw it too: .png, .pdf or .svg.")
def report(file: str, plot: str | None) -> None:
    """Print the results of the jobs of a production: throughput, failures, retries, time by job."""
    from ecalwindows.cli.texts.production import fared_text
    from ecalwindows.core.files.output import no_empty_folders
    from ecalwindows.production.status import states_of
    from ecalwindows.production.work_folder import find_place, read_plan

    place = find_place(file)
    plan = read_plan(place.plan)
    states = states_of(place, plan)
    if plot:
        from ecalwindows.plots.production import draw_jobs
        from ecalwindows.plots.style import check_picture
        from ecalwindows.production.status import times_of

        with no_empty_folders([Path(plot)]):
            check_picture(Path(plot))
            draw_jobs(*times_of(states), Path(plot))
    say(fared_text(states, plan.production.kind))
    if plot:
        say(f"written: {plot}")
