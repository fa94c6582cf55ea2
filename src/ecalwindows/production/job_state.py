"""The outcome of each job: one small file per job, written atomically, with every attempt."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.json_files import UnreadableError, read_model
from ecalwindows.core.files.output import write_text_atomically
from ecalwindows.core.setting_types import Frozen
from ecalwindows.formats.writers import Format
from ecalwindows.production.plan import Job

Outcome = Literal["running", "done", "failed"]


class BadInput(Frozen):
    """An input in quarantine: left out, with the reason."""

    path: str
    reason: str


def _is_time(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Process(Frozen):
    """A process of any host."""

    host: str
    pid: int
    pid_started: str = Field(description="When the process was started, to distinguish it from a later one.")

    @property
    def is_alive(self) -> bool | None:
        """Whether it is there; None when it is on another host."""
        return process_start(self.pid) == self.pid_started if self.host == socket.gethostname() else None


class Attempt(Process):
    """One try at a job."""

    executor: str = Field(description="local, htcondor, dask or hand.")
    started: Annotated[str, AfterValidator(_is_time)]
    seconds: Number = 0.0
    peak_memory_mb: Number = 0.0
    error: str | None = None
    where: str | None = Field(None, description="Where the error is: an input, a file, a folder.")


class JobState(Frozen):
    """The outcome of a job: its last outcome and all attempts."""

    part: str
    digest: str = Field(description="That of the job as it was made.")
    outcome: Outcome
    manifests: dict[Format, str] = Field(default_factory=dict, description="Checksums of the manifests of its parts.")
    bad: tuple[BadInput, ...] = ()
    windows: Annotated[int, Field(ge=0)] = 0
    events: Annotated[int, Field(ge=0)] = 0
    attempts: Annotated[tuple[Attempt, ...], Field(min_length=1)]

    @property
    def error(self) -> str | None:
        """The error of the last attempt."""
        return self.attempts[-1].error

    def ended(self, outcome: Outcome, **facts: Any) -> JobState:
        """The same with an outcome, and with more that is known of the last attempt."""
        last = self.attempts[-1].model_copy(update=facts)
        return self.model_copy(update={"outcome": outcome, "attempts": (*self.attempts[:-1], last)})


def write_state(state: JobState, path: Path) -> None:
    """Write it atomically. Raises OutputError, also where a link is in its place."""
    refuse_links([path])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, state.model_dump_json(indent=1) + "\n")


def read_state(path: Path) -> JobState | None:
    """What is known of a job; None for nothing that can be read."""
    try:
        return read_model(path, JobState)
    except UnreadableError:
        return None


def new_state(job: Job, path: Path, executor: str) -> JobState:
    """The state of a job of which an attempt begins now in this process. path : of its state before, if there is any"""
    before = read_state(path)
    attempt = Attempt(executor=executor, **this_process())
    attempts = (*(before.attempts if before else ()), attempt)
    return JobState(part=job.part, digest=job.digest, outcome="running", attempts=attempts)


def this_process() -> dict[str, Any]:
    """The fields of a process that begins something now, and the time."""
    return {
        "host": socket.gethostname(), "pid": os.getpid(), "pid_started": process_start(os.getpid()) or "",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def process_start(pid: int) -> str | None:
    """When a process of this host was started (clock ticks since boot, and the boot); None when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        return None
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{boot}:{fields[19]}"
