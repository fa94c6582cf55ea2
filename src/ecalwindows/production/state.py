"""What became of each job: one small file a job, written whole, with every attempt."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ecalwindows.dataset.formats import Format
from ecalwindows.dataset.output import written_aside
from ecalwindows.production.settings import Model

Outcome = Literal["running", "done", "failed"]


class BadInput(Model):
    """An input in quarantine: left out, with the reason."""

    path: str
    reason: str


class Attempt(Model):
    """One try at a job."""

    host: str
    pid: int
    pid_started: str = Field(description="When the process was started, to tell it from a later one of that number.")
    executor: str = Field(description="local, htcondor, dask or hand.")
    started: str
    seconds: float = 0.0
    peak_memory_mb: float = 0.0
    error: str | None = None
    where: str | None = Field(None, description="Where the error is: an input, a file, a folder.")


class JobState(Model):
    """What became of a job: its last outcome and all attempts."""

    part: str
    digest: str = Field(description="That of the job as it was made.")
    outcome: Outcome
    manifests: dict[Format, str] = Field(default_factory=dict, description="Checksums of the manifests of its parts.")
    bad: tuple[BadInput, ...] = ()
    windows: int = 0
    events: int = 0
    attempts: tuple[Attempt, ...] = ()

    @property
    def error(self) -> str | None:
        """What the last attempt died of."""
        return self.attempts[-1].error if self.attempts else None


def write_state(state: JobState, path: Path) -> None:
    """Write it whole. Raises OutputError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_aside([path]) as (aside,):
        aside.write_text(state.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_state(path: Path) -> JobState | None:
    """What is known of a job; None for nothing that can be read."""
    try:
        return JobState.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def new_attempt(executor: str) -> Attempt:
    """An attempt that begins now, in this process."""
    return Attempt(
        host=socket.gethostname(),
        pid=os.getpid(),
        pid_started=process_start(os.getpid()) or "",
        executor=executor,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


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


def is_alive(host: str, pid: int, pid_started: str) -> bool | None:
    """Whether a process is there; None when it is on another host."""
    if host != socket.gethostname():
        return None
    return process_start(pid) == pid_started
