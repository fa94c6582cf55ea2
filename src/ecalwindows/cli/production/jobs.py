"""`ecalwindows production task`, `merge`, `carried`, `take`, `finish`: what jobs and scripts of a batch system call.

`--help` does not list these commands: only executors call them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ecalwindows.cli.options import with_options
from ecalwindows.cli.printing import say
from ecalwindows.core.names import counted

if TYPE_CHECKING:
    from ecalwindows.production.job_state import JobState
    from ecalwindows.production.plan import Plan
    from ecalwindows.production.work_folder import Place

REMOVED = 4
"""DAGMan's status of a DAG that was removed."""


_of_plan = with_options(click.argument("plan_file", metavar="PLAN"), click.argument("number", type=int, metavar="N"))
"""The arguments of commands for one job of a plan."""

_scratch_option = click.option(
    "--scratch", type=click.Path(path_type=Path), metavar="FOLDER",
    help="Where the part is while it is made [scratch/ beside PLAN].",
)  # fmt: skip


def _opened(plan_file: str) -> tuple[Place, Plan]:
    """The work folder of a plan, and the plan."""
    from ecalwindows.production.work_folder import Place, read_plan

    path = Path(plan_file).absolute()
    return Place(path.parent), read_plan(path)


@click.command(hidden=True)
@_of_plan
@click.option("--executor", default="hand", hidden=True)
@_scratch_option
def task(plan_file: str, number: int, executor: str, scratch: Path | None) -> None:
    """Do job N (from 0) of a plan. The executors call this; the part goes into the folder of PLAN."""
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.kernel_cache import kernel_cache
    from ecalwindows.production.work_folder import make_folders

    place, plan = _opened(plan_file)
    make_folders(place)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(place)))
    from ecalwindows.production.job import run_task  # compiles with that cache

    with warnings_shown():
        state = run_task(place, plan, number, executor=executor, scratch=scratch)
    say(_summary(state, plan.production.kind))


def _summary(state: JobState, kind: str) -> str:
    from ecalwindows.cli.texts.production import rows_text

    left_out = f", {counted(len(state.bad), 'input')} left out" if state.bad else ""
    return f"{state.part}: {rows_text(state.windows, kind)} of {counted(state.events, 'event')}{left_out}"


@click.command(hidden=True)
@_of_plan
@_scratch_option
def merge(plan_file: str, number: int, scratch: Path | None) -> None:
    """Make merged part N (from 0) of parts that are done. The DAG calls this, or the process that makes the dataset."""
    from ecalwindows.production.merge import merge

    made = merge(*_opened(plan_file), number, scratch=scratch)
    say(f"{made.part}: {counted(len(made.jobs), 'part')}")


@click.command(hidden=True)
@click.argument("folder", metavar="FOLDER", default=".")
def carried(folder: str) -> None:
    """Do the job that HTCondor has transferred into FOLDER, and pack its results."""
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.executors.htcondor.carrying import run_carried
    from ecalwindows.production.work_folder import PLAN

    _, plan = _opened(str(Path(folder) / PLAN))
    with warnings_shown():
        say(_summary(run_carried(Path(folder).absolute()), plan.production.kind))


@click.command(hidden=True)
@_of_plan
@click.argument("archive", metavar="ARCHIVE")
@click.option("--code", type=int, metavar="N", default=0, help="Exit code of the job.")
def take(plan_file: str, number: int, archive: str, code: int) -> None:
    """Take what came back from job N of a plan into the folder of PLAN. The DAG calls this after each job."""
    from ecalwindows.production.errors import ProductionError
    from ecalwindows.production.executors.htcondor.taking import take

    place, plan = _opened(plan_file)
    try:
        state = take(place, plan, number, Path(archive), code=code)
    except ProductionError as error:
        say(f"error: {error.command_line_text}", err=True)
        raise SystemExit(code if 0 < code < 256 else 1) from error
    say(f"taken: {_summary(state, plan.production.kind)}")


@click.command(hidden=True)
@click.argument("folder", metavar="WORK")
@click.option("--dag-status", type=int, metavar="N", default=0, help="Status of the DAG, by DAGMan (4: removed).")
@click.option("--failed", type=int, metavar="N", default=0, help="How many of its nodes failed.")
def finish(folder: str, dag_status: int, failed: int) -> None:
    """Make the dataset of parts that are done. The FINAL node of a DAG calls this."""
    from ecalwindows.cli.progress import warnings_shown
    from ecalwindows.production.driver import finish_production
    from ecalwindows.production.errors import ProductionError
    from ecalwindows.production.work_folder import find_place

    place = find_place(folder)
    say(f"DAG status {dag_status}, {failed} nodes failed")
    if dag_status == REMOVED:
        raise ProductionError(
            "the DAG was removed: no dataset was made", expected="a DAG that runs to its end", where=folder,
            todo="`ecalwindows production submit FILE` or `resume FILE` makes the rest",
        )  # fmt: skip
    with warnings_shown():
        finish_production(place, notify=lambda line: say(line, err=True))
    say("finalized")
