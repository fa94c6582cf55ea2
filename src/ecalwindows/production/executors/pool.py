"""The loop over jobs that all executors share: what is begun, what ended, what is tried again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from ecalwindows.core.errors import EcalWindowsError, OutputError
from ecalwindows.core.progress import Progress
from ecalwindows.production.errors import ServerError, one_line
from ecalwindows.production.job_state import read_state, write_state
from ecalwindows.production.plan import Plan
from ecalwindows.production.verify import clear_scratch
from ecalwindows.production.work_folder import Place

STOPPED = "it was stopped"
"""The error of a job whose process was interrupted."""


@dataclass(frozen=True)
class Answer:
    """The outcome of a job. again: it may go well another time; fatal: the others would fail too; lost: its process
    ended silently.
    """

    windows: int = 0
    error: str | None = None
    again: bool = False
    fatal: bool = False
    lost: bool = False


def answer_to(error: Exception) -> Answer:
    """The answer of a job that failed."""
    again = not isinstance(error, EcalWindowsError) or isinstance(error, ServerError)
    return Answer(error=one_line(error), again=again, fatal=isinstance(error, OutputError))


class Pool(Protocol):
    """Where jobs run: the processes of a machine, or workers anywhere."""

    def room(self) -> int:
        """How many jobs it may have at once."""
        ...

    def begin(self, number: int) -> None:
        """Take a job of the plan."""
        ...

    def ended(self) -> Iterable[tuple[int, Answer]]:
        """Jobs that ended; waits a second at most for one."""
        ...


OpenPool = Callable[[Place, Plan, int], AbstractContextManager[Pool]]
"""Opens a pool for so many jobs; when its block ends, none of them runs any more."""


@dataclass
class JobsRun:
    """What a pool did: jobs done, their windows, what failed by index of the job."""

    done: int = 0
    windows: int = 0
    failed: dict[int, str] = field(default_factory=dict)


def run_jobs(pool: Pool, place: Place, plan: Plan, numbers: Sequence[int], progress: Progress | None = None) -> JobsRun:
    """Run jobs of the plan; one that may go well another time is tried again, as often as the production says.

    After a fatal answer, such as that of an output that cannot be written, no further job is begun.
    """
    waiting, running, tries, result = deque(numbers), set[int](), Counter[int](), JobsRun()
    may_begin = True
    while waiting or running:
        for _ in range(min(len(waiting), pool.room() - len(running))):
            number = waiting.popleft()
            tries[number] += 1
            running.add(number)
            pool.begin(number)
        for number, answer in pool.ended():
            running.discard(number)
            if answer.error is not None:
                note_end(place, plan.jobs[number].part, answer.error)
            if answer.fatal:
                may_begin = False
                waiting.clear()
            _note(answer, number, waiting, result, may_begin and tries[number] <= plan.production.max_retries)
            if progress:
                progress(result.done + len(result.failed), len(numbers), result.windows)
    return result


def _note(answer: Answer, number: int, waiting: deque[int], result: JobsRun, may_try: bool) -> None:
    """Take an answer into the result, or the job back into the queue."""
    if answer.error is None:
        result.done += 1
        result.windows += answer.windows
    elif answer.again and may_try:
        waiting.append(number)
    else:
        result.failed[number] = answer.error


def note_end(place: Place, part: str, reason: str) -> None:
    """Record how an attempt ended that could not record it itself, where that is possible; remove what it left."""
    state = read_state(place.state(part))
    if state and state.outcome == "running":
        with suppress(OutputError, OSError):
            write_state(state.ended("failed", error=reason), place.state(part))
    clear_scratch(place, part)
