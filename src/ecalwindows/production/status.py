"""How a production stands: jobs done, running, waiting and failed, by sample; and what became of each that failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from ecalwindows.production.place import Place, read_plan
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.state import JobState, is_alive, read_state

Standing = Literal["done", "running", "waiting", "failed"]
STANDINGS: tuple[Standing, ...] = ("done", "running", "waiting", "failed")


@dataclass(frozen=True)
class Failure:
    """A job that failed: its first input, the error in one line, where the log is."""

    part: str
    input: str
    error: str
    log: Path


@dataclass
class Status:
    """How all jobs stand."""

    name: str
    counts: dict[str, Counter[Standing]]
    failures: list[Failure] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    windows: int = 0
    finalised: bool = False

    @property
    def total(self) -> Counter[Standing]:
        """Over all samples."""
        return sum(self.counts.values(), Counter())

    @property
    def is_over(self) -> bool:
        """Whether nothing runs or waits."""
        return not (self.total["running"] or self.total["waiting"])


def status_of(place: Place) -> Status:
    """How a production stands, as its jobs have written it down; the parts themselves are not read."""
    plan = read_plan(place.plan)
    status = Status(plan.production.name, {sample.name: Counter() for sample in plan.production.samples})
    for job in plan.jobs:
        _add(status, place, job, read_state(place.state(job.part)))
    status.finalised = place.finalised.is_file()
    return status


def _add(status: Status, place: Place, job: Job, state: JobState | None) -> None:
    standing = standing_of(job, state)
    status.counts[job.sample][standing] += 1
    if state is None or standing == "waiting":
        return
    status.windows += state.windows
    status.bad += [(bad.path, bad.reason) for bad in state.bad]
    if standing == "failed":
        reason = state.error or f"its process ended without a word on {state.attempts[-1].host}"
        status.failures.append(Failure(job.part, job.inputs[0].path, reason, place.log(job.part)))


def standing_of(job: Job, state: JobState | None) -> Standing:
    """How one job stands; one that belongs to inputs or settings of before waits."""
    if state is None or state.digest != job.digest:
        return "waiting"
    if state.outcome == "running":
        last = state.attempts[-1]
        return "failed" if is_alive(last.host, last.pid, last.pid_started) is False else "running"
    return state.outcome


def states_of(place: Place, plan: Plan) -> list[JobState]:
    """What is known of jobs, in the order of the plan."""
    states = (read_state(place.state(job.part)) for job in plan.jobs)
    return [state for state in states if state is not None]


def times_of(states: list[JobState]) -> tuple[list[float], list[float], list[int]]:
    """Of jobs that are done: when each ended [s since the first began], what it took [s], events."""
    done = [(state, state.attempts[-1]) for state in states if state.outcome == "done"]
    began = [datetime.fromisoformat(attempt.started).timestamp() for _, attempt in done]
    seconds = [attempt.seconds for _, attempt in done]
    ends = [start + took - min(began) for start, took in zip(began, seconds, strict=True)]
    return ends, seconds, [state.events for state, _ in done]
