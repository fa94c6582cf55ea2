"""`ecalwindows production task` and `finish`: what jobs of a batch system call."""

from __future__ import annotations

import os

import click

REMOVED = 4
"""DAGMan's status of a DAG that was removed."""


@click.command()
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


@click.command()
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
