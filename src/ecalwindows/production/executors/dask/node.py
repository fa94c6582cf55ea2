"""What runs on a dask worker: one job in a process of its own, the same worker process as on one machine."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecalwindows.core.version import version
from ecalwindows.production.executors.local import Worker, dismiss, start_worker
from ecalwindows.production.executors.pool import STOPPED, Answer
from ecalwindows.production.work_folder import Place

LOOK_EVERY = 0.5
"""Seconds between two looks whether a job is still wanted."""

running: set[tuple[str, int]] = set()
"""Plans and indices of the jobs of this dask worker."""


def run_on_node(plan_file: str, number: int, runner_version: str) -> dict[str, Any]:
    """Do a job of a plan here; its Answer as plain values. It ends when nobody wants it any more."""
    if problem := _problem(Path(plan_file), runner_version):
        return asdict(Answer(error=problem, fatal=True))
    worker = start_worker(Place(Path(plan_file).parent), "dask")
    running.add((plan_file, number))
    try:
        worker.give(number)
        if not _ends_wanted(worker):
            return asdict(Answer(error=STOPPED))
        worker.number = None
        return asdict(worker.answer())
    finally:
        dismiss([worker])
        running.discard((plan_file, number))


def jobs_running(plan_file: str) -> int:
    """How many jobs of a plan this dask worker has."""
    return sum(plan == plan_file for plan, _ in running)


def _problem(plan_file: Path, runner_version: str) -> str | None:
    host = socket.gethostname()
    if not plan_file.is_file():
        return f"dask worker {host} does not see {plan_file}: the work folder must be on a disk that workers share"
    if version != runner_version:
        return f"dask worker {host} has ecalwindows {version}, this run {runner_version}: give both the same one"
    return None


def _ends_wanted(worker: Worker) -> bool:
    """Wait until a worker process has an answer, or nobody wants it any more."""
    is_wanted = _wanted_by_dask()
    with selectors.DefaultSelector() as selector:
        selector.register(worker.answers, selectors.EVENT_READ)
        while not selector.select(timeout=LOOK_EVERY):
            if not is_wanted():
                return False
    return True


def _wanted_by_dask() -> Callable[[], bool]:
    """A function that returns whether the task of this thread is still to be done. It is not when the client that asked
    for it cancelled it or is gone, or when the dask worker ends.
    """
    from distributed import Status, get_worker

    worker = get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        task = worker.state.tasks.get(key)
        return worker.status == Status.running and task is not None and task.state in ("executing", "long-running")

    return is_wanted
