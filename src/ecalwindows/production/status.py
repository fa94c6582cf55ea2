"""The state of a production: jobs done, running, waiting and failed, by sample; and why each failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from ecalwindows.production.job_state import JobState, read_state
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.work_folder import Place, read_plan

JobStatus = Literal["done", "running", "waiting", "failed"]
JOB_STATUSES: tuple[JobStatus, ...] = ("done", "running", "waiting", "failed")


@dataclass(frozen=True)
class Failure:
    """A job that failed: the inputs to blame (all of the job where the error names none), the error in one line, where
    the log is.
    """

    part: str
    inputs: tuple[str, ...]
    error: str
    log: Path


@dataclass
class Status:
    """The states of all jobs."""

    name: str
    kind: str
    counts: dict[str, Counter[JobStatus]]
    failures: list[Failure] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)
    windows: int = 0
    finalized: bool = False

    @property
    def total(self) -> Counter[JobStatus]:
        """Over all samples."""
        return sum(self.counts.values(), Counter())


def status_of(place: Place, *, is_run: bool = True) -> Status:
    """The state of a production, as its jobs have recorded it; the parts themselves are not read.

    is_run : somebody runs it; else no job on another host does any more
    """
    plan = read_plan(place.plan)
    production = plan.production
    status = Status(production.name, production.kind, {sample.name: Counter() for sample in production.samples})
    for job in plan.jobs:
        state = read_state(place.state(job.part))
        job_is = job_status(job, state, is_run=is_run)
        status.counts[job.sample][job_is] += 1
        if state is None or job_is == "waiting":
            continue
        status.windows += state.windows
        status.bad += [(bad.path, bad.reason) for bad in state.bad]
        if job_is == "failed":
            reason = state.error or f"its process ended silently on {state.attempts[-1].host}"
            status.failures.append(Failure(job.part, _to_blame(job, state), reason, place.log(job.part)))
    status.finalized = place.finalized.is_file()
    return status


def _to_blame(job: Job, state: JobState) -> tuple[str, ...]:
    """The inputs that the error of a job is about; all of them where that is unknown."""
    paths = tuple(entry.path for entry in job.inputs)
    where = state.attempts[-1].where or ""
    return (where,) if where in paths else tuple(path for path in paths if path in where.split(" and ")) or paths


def job_status(job: Job, state: JobState | None, *, is_run: bool = True) -> JobStatus:
    """The state of one job; one that belongs to inputs or settings of before waits."""
    if state is None or state.digest != job.digest:
        return "waiting"
    if state.outcome == "running":
        alive = state.attempts[-1].is_alive
        return "running" if alive or (alive is None and is_run) else "failed"
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
    first = min(began, default=0.0)
    ends = [start + took - first for start, took in zip(began, seconds, strict=True)]
    return ends, seconds, [state.events for state, _ in done]
