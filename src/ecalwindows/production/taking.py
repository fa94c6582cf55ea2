"""What came back from a job that saw no file of ours: checked, brought to its place, and written down."""

from __future__ import annotations

import tarfile
from pathlib import Path

from ecalwindows.dataset.manifest import FOLDER, problems, read_manifest
from ecalwindows.errors import EcalWindowsError, OutputError
from ecalwindows.production.errors import ProductionError, one_line
from ecalwindows.production.place import Place, manifest_name
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.state import JobState, new_attempt, read_state, write_state
from ecalwindows.production.stores import deliver
from ecalwindows.production.task import check_unchanged, job_of, scratch_folder


def take(place: Place, plan: Plan, number: int, archive: Path, *, code: int) -> JobState:
    """Take what came back from a job to its place, and write down what became of it.

    code : what the job ended with
    Raises ProductionError when nothing came back or the job failed, ChangedError when its inputs are not as they were
    when it was planned, OutputError for a part that is not what its manifest says, or cannot be written.
    """
    job = job_of(plan, number)
    with scratch_folder(place.scratch, job.part) as folder:
        state = _returned(archive, folder, job) or _silent(job, code)
        before = read_state(place.state(job.part))
        state = state.model_copy(update={"attempts": (*(before.attempts if before else ()), *state.attempts)})
        try:
            if state.outcome == "done":
                _deliver(place, plan, job, folder)
        except EcalWindowsError as error:
            write_state(_refused(state, one_line(error)), place.state(job.part))
            raise
        write_state(state, place.state(job.part))
    archive.unlink(missing_ok=True)
    if state.outcome != "done":
        raise ProductionError(
            f"{job.part} failed: {state.error}", expected="a part", where=str(place.log(job.part)),
            todo="mend what the log tells, then `ecalwindows production submit FILE --resume`",
        )  # fmt: skip
    return state


def _returned(archive: Path, folder: Path, job: Job) -> JobState | None:
    """What a job packed, in a folder, and its state; None when there is nothing that can be read, or of another job."""
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    except (OSError, tarfile.TarError):
        return None
    state = read_state(Place(folder).state(job.part))
    return state if state is not None and state.digest == job.digest and state.outcome != "running" else None


def _silent(job: Job, code: int) -> JobState:
    """The state of a job of which nothing came back."""
    error = f"the job ended with {code} and nothing came back"
    attempt = new_attempt("htcondor").model_copy(update={"error": error, "host": "", "pid": 0, "pid_started": ""})
    return JobState(part=job.part, digest=job.digest, outcome="failed", attempts=(attempt,))


def _refused(state: JobState, error: str) -> JobState:
    """The state of a job whose part was not taken."""
    last = state.attempts[-1].model_copy(update={"error": error})
    return state.model_copy(update={"outcome": "failed", "attempts": (*state.attempts[:-1], last)})


def _deliver(place: Place, plan: Plan, job: Job, folder: Path) -> None:
    check_unchanged(plan, job)
    for format in plan.production.formats:
        base, name = Place(folder).parts(format), manifest_name(format, job.part)
        wrong = problems(read_manifest(base / FOLDER / "manifests" / name), base)
        if wrong:
            raise OutputError(
                f"a part came back broken: {wrong[0]}", expected="what its manifest says", where=job.part,
                todo="`ecalwindows production submit FILE --resume` makes it again",
            )  # fmt: skip
    for format in plan.production.formats:
        deliver(Place(folder).parts(format), place.parts(format), manifest_name(format, job.part))
