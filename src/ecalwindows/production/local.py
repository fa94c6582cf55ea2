"""The local executor: a pool of worker processes that die with this one."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from ecalwindows.errors import EcalWindowsError, OutputError
from ecalwindows.production.cache import kernel_cache
from ecalwindows.production.checks import clear_scratch
from ecalwindows.production.errors import one_line
from ecalwindows.production.place import Place
from ecalwindows.production.plan import Plan
from ecalwindows.production.state import read_state, write_state
from ecalwindows.production.task import run_task

Progress = Callable[[int, int, int], None]
"""Called after each job with jobs done, jobs in all, and windows so far."""

PATIENCE = 10.0
"""Seconds that a worker has to end when it is told to."""


@dataclass
class Worker:
    """A worker process and the job that it has."""

    process: subprocess.Popen[str]
    number: int | None = None

    def give(self, number: int) -> None:
        """Give it a job."""
        assert self.process.stdin is not None
        self.number = number
        with suppress(BrokenPipeError):  # that it died is seen when its answers end
            self.process.stdin.write(f"{number}\n")
            self.process.stdin.flush()


@dataclass
class LocalRun:
    """What a pool did: windows made, and what failed by number of the job."""

    done: int = 0
    windows: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    not_tried: list[int] = field(default_factory=list)


def run_jobs(
    place: Place, plan: Plan, numbers: Sequence[int], *, workers: int, progress: Progress | None = None
) -> LocalRun:
    """Run jobs of the plan in worker processes; with no workers, in this one.

    A job whose worker dies is tried again, as often as the production says. After an output that cannot be written no
    further job is begun. KeyboardInterrupt stops the workers and is passed on.
    """
    if not workers:
        return _run_here(place, plan, numbers, progress)
    waiting, result, tries = deque(numbers), LocalRun(), Counter[int]()
    selector, pool = selectors.DefaultSelector(), list[Worker]()
    try:
        while waiting or any(worker.number is not None for worker in pool):
            _employ(place, pool, selector, waiting, min(workers, len(numbers)), tries)
            for key, _ in selector.select(timeout=1.0):
                worker: Worker = key.data
                line = worker.process.stdout.readline() if worker.process.stdout else ""
                answer = json.loads(line) if line else _death(place, plan, worker, pool, selector)
                number, worker.number = worker.number, None
                if number is not None:
                    _note(answer, number, waiting, result, tries[number] <= plan.production.max_retries)
                if progress:
                    progress(result.done + len(result.failed), len(numbers), result.windows)
    finally:
        _dismiss(pool)
        selector.close()
    return result


def _run_here(place: Place, plan: Plan, numbers: Sequence[int], progress: Progress | None) -> LocalRun:
    """One job after the other in this process, for a debugger's sake."""
    result, waiting = LocalRun(), deque(numbers)
    while waiting:
        number = waiting.popleft()
        try:
            result.windows += run_task(place, plan, number, executor="local").windows
            result.done += 1
        except EcalWindowsError as error:
            result.failed[number] = one_line(error)
            if isinstance(error, OutputError):
                result.not_tried += waiting
                waiting.clear()
        if progress:
            progress(result.done + len(result.failed), len(numbers), result.windows)
    return result


def _employ(
    place: Place, pool: list[Worker], selector: selectors.BaseSelector, waiting: deque[int], most: int,
    tries: Counter[int],
) -> None:  # fmt: skip
    """Give each idle worker a job; start workers as long as there is work for them."""
    while waiting:
        worker = next((each for each in pool if each.number is None), None)
        if worker is None:
            if len(pool) >= most:
                return
            worker = start_worker(place)
            pool.append(worker)
            selector.register(worker.process.stdout, selectors.EVENT_READ, worker)  # type: ignore[arg-type]
        number = waiting.popleft()
        tries[number] += 1
        worker.give(number)


def start_worker(place: Place) -> Worker:
    """A new worker, which waits for jobs."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_CACHE_DIR": str(kernel_cache(place))}
    words = [sys.executable, "-P", "-m", "ecalwindows.production.worker", str(place.plan), str(os.getpid())]
    return Worker(
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, encoding="utf-8")
    )


def _death(
    place: Place, plan: Plan, worker: Worker, pool: list[Worker], selector: selectors.BaseSelector
) -> dict[str, object]:
    """Bury a worker; what became of its job, written down."""
    selector.unregister(worker.process.stdout)  # type: ignore[arg-type]
    pool.remove(worker)
    code = worker.process.wait()
    _close(worker)
    reason = f"its process died (signal {-code})" if code < 0 else f"its process ended with exit code {code}"
    if worker.number is not None:
        note_death(place, plan.jobs[worker.number].part, reason)
        clear_scratch(place, plan.jobs[worker.number].part)
    return {"error": reason, "again": True}


def note_death(place: Place, part: str, reason: str) -> None:
    """Write down that an attempt ended without a word."""
    state = read_state(place.state(part))
    if state and state.outcome == "running":
        last = state.attempts[-1].model_copy(update={"error": reason})
        write_state(
            state.model_copy(update={"outcome": "failed", "attempts": (*state.attempts[:-1], last)}), place.state(part)
        )


def _note(answer: dict[str, object], number: int, waiting: deque[int], result: LocalRun, may_try: bool) -> None:
    """Take an answer into the result, or the job back into the queue."""
    if "error" not in answer:
        result.done += 1
        result.windows += int(str(answer["windows"]))
    elif answer.get("again") and may_try:
        waiting.append(number)
    else:
        result.failed[number] = str(answer["error"])
    if answer.get("hopeless"):
        result.not_tried += waiting
        waiting.clear()


def _dismiss(pool: list[Worker]) -> None:
    """End all workers: idle ones by themselves, busy ones are told to, and killed if they do not."""
    for worker in pool:
        if worker.number is not None:
            worker.process.terminate()
        elif worker.process.stdin:
            with suppress(BrokenPipeError):
                worker.process.stdin.close()
    deadline = time.monotonic() + PATIENCE
    for worker in pool:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        _close(worker)


def _close(worker: Worker) -> None:
    for pipe in (worker.process.stdin, worker.process.stdout):
        if pipe:
            with suppress(BrokenPipeError):
                pipe.close()


def usual_workers() -> int:
    """As many as there are processors for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
