"""The local executor: worker processes that die with this one, or this process itself."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO

from ecalwindows.core.errors import EcalWindowsError
from ecalwindows.core.interrupts import INTERRUPTED
from ecalwindows.production.executors.pool import STOPPED, Answer, OpenPool, Pool, answer_to
from ecalwindows.production.job import run_task
from ecalwindows.production.kernel_cache import kernel_cache
from ecalwindows.production.plan import Plan
from ecalwindows.production.work_folder import Place

PATIENCE = 10.0
"""Seconds that a worker has to end when it is asked to."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
"""A worker computes with one thread: there are as many workers as are wanted."""


@dataclass
class Worker:
    """A worker process, its standard input and output, and the job that it has."""

    process: subprocess.Popen[str]
    numbers: IO[str]
    answers: IO[str]
    number: int | None = None

    def give(self, number: int) -> None:
        """Give it a job."""
        self.number = number
        with suppress(BrokenPipeError):  # that it died is seen when its answers end
            self.numbers.write(f"{number}\n")
            self.numbers.flush()

    def answer(self) -> Answer:
        """Its answer, when there is one to read; a worker that has died answers with the reason."""
        if line := self.answers.readline():
            return Answer(**json.loads(line))
        code = self.process.wait()
        if code == INTERRUPTED:
            return Answer(error=STOPPED, again=True, lost=True)
        reason = f"its process died (signal {-code})" if code < 0 else f"its process ended with exit code {code}"
        return Answer(error=reason, again=True, lost=True)


def start_worker(place: Place, executor: str = "local") -> Worker:
    """A new worker, which waits for jobs."""
    environment = os.environ | ONE_THREAD | {"NUMBA_CACHE_DIR": str(kernel_cache(place))}
    arguments = [str(place.plan), str(os.getpid()), executor]
    words = [sys.executable, "-P", "-m", "ecalwindows.production.executors.worker", *arguments]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment, encoding="utf-8")
    assert process.stdin and process.stdout
    return Worker(process, process.stdin, process.stdout)


def dismiss(pool: Sequence[Worker]) -> None:
    """End workers: idle ones by themselves, busy ones are asked to, and killed if they do not."""
    for worker in pool:
        if worker.number is not None:
            worker.process.terminate()
        else:
            with suppress(BrokenPipeError):
                worker.numbers.close()
    deadline = time.monotonic() + PATIENCE
    for worker in pool:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        for pipe in (worker.numbers, worker.answers):
            with suppress(BrokenPipeError):
                pipe.close()


@dataclass
class LocalPool:
    """At most `size` worker processes, each started when there is work for it."""

    place: Place
    size: int
    workers: list[Worker] = field(default_factory=list)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def room(self) -> int:
        """One job for each worker."""
        return self.size

    def begin(self, number: int) -> None:
        """Give the job to an idle worker, or to a new one."""
        worker = next((each for each in self.workers if each.number is None), None)
        if worker is None:
            worker = start_worker(self.place)
            self.workers.append(worker)
            self.selector.register(worker.answers, selectors.EVENT_READ, worker)
        worker.give(number)

    def ended(self) -> Iterator[tuple[int, Answer]]:
        """Answers that are there within a second; workers that died are removed."""
        for key, _ in self.selector.select(timeout=1.0):
            worker: Worker = key.data
            answer, number = worker.answer(), worker.number
            worker.number = None
            if answer.lost:
                self.selector.unregister(key.fileobj)
                self.workers.remove(worker)
                dismiss([worker])
            if number is not None:
                yield number, answer

    def close(self) -> None:
        """End all workers."""
        dismiss(self.workers)
        self.selector.close()


@dataclass
class NoPool:
    """One job after the other in this process, for a debugger's sake."""

    place: Place
    plan: Plan
    begun: deque[int] = field(default_factory=deque)

    def room(self) -> int:
        """One."""
        return 1

    def begin(self, number: int) -> None:
        """Keep it until answers are asked for."""
        self.begun.append(number)

    def ended(self) -> Iterable[tuple[int, Answer]]:
        """Do what was begun; what is not an error of ecalwindows is raised."""
        while self.begun:
            number = self.begun.popleft()
            try:
                yield number, Answer(windows=run_task(self.place, self.plan, number, executor="local").windows)
            except EcalWindowsError as error:
                yield number, answer_to(error)


def local_pool(workers: int) -> OpenPool:
    """Opens a pool of worker processes; with no workers, of this one."""

    @contextmanager
    def opened(place: Place, plan: Plan, n_jobs: int) -> Iterator[Pool]:
        if not workers:
            yield NoPool(place, plan)
            return
        pool = LocalPool(place, min(workers, n_jobs))
        try:
            yield pool
        finally:
            pool.close()

    return opened
