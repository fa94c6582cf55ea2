"""The HTCondor executor, through the official bindings: submits a production as one DAG, and asks for its state."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any

from ecalwindows.core.errors import EcalWindowsError, needs_extra, one_line
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.json_files import UnreadableError, read_model
from ecalwindows.core.files.output import write_text_atomically
from ecalwindows.core.setting_types import Frozen
from ecalwindows.production.errors import LockedError, ProductionError
from ecalwindows.production.executors.htcondor.submit_files import DAG, RETURNED, site_lines, submission
from ecalwindows.production.plan import Plan
from ecalwindows.production.work_folder import Place

NO_LOGS_ON = ("/eos",)
"""Where HTCondor at CERN cannot keep logs and submit files."""

HELD = 5
STATES = {1: "idle", 2: "running", 3: "removed", 4: "completed", HELD: "held", 6: "transferring", 7: "suspended"}


class Submitted(Frozen):
    """A DAG in the queue of a schedd."""

    schedd: str
    cluster: int
    folder: Path


def bindings() -> Any:
    """The module htcondor2. Raises MissingExtraError."""
    with needs_extra("htcondor", "htcondor", "submit to HTCondor"):
        import htcondor2
    return htcondor2


def refuse_eos(place: Place) -> None:
    """Raise ProductionError for a work folder where HTCondor cannot write its logs."""
    real = place.work.resolve()
    if any(real.is_relative_to(folder) for folder in NO_LOGS_ON):
        raise ProductionError(
            "the work folder is on EOS, where HTCondor can keep no logs and submit files",
            expected="a work folder on AFS or a local disk (the dataset itself may go to EOS)", where=str(real),
            todo="name one with work_folder in the YAML file, such as /afs/cern.ch/work/...",
        )  # fmt: skip


def write_submission(
    plan: Plan, place: Place, numbers: Sequence[int], merges: Sequence[int] = (), name: str | None = None
) -> Path:
    """Write the submit files into a new folder below WORK/htcondor; its path."""
    base = place.work / "htcondor"
    base.mkdir(exist_ok=True)
    taken = [int(path.name) for path in base.iterdir() if path.name.isdecimal()]
    folder = base / (name or f"{max(taken, default=0) + 1:03d}")
    files = submission(plan, place, numbers, merges)
    refuse_links([base, folder, folder / RETURNED, *(folder / file for file in files)])
    folder.mkdir(exist_ok=True)
    for file, text in files.items():
        path = folder / file
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if path.suffix == ".sh" else 0o644)
    return folder


def submit(plan: Plan, place: Place, folder: Path) -> Submitted:
    """Submit the DAG of a folder. Raises ProductionError when HTCondor refuses."""
    htcondor2 = bindings()
    try:
        with chdir(folder):  # DAGMan takes names relative to the current folder
            dag = htcondor2.Submit.from_dag(DAG, {"force": True})
            for name, value in site_lines(plan.production.htcondor).items():
                dag[name] = value
            if plan.production.htcondor.send_credential:
                dag.issue_credentials()
            schedd = htcondor2.Schedd()
            result = schedd.submit(dag)
        name = htcondor2.param.get("SCHEDD_HOST") or htcondor2.param.get("FULL_HOSTNAME") or ""
        done = Submitted(schedd=str(name), cluster=int(result.cluster()), folder=folder)
    except (htcondor2.HTCondorException, OSError, RuntimeError) as error:
        raise ProductionError(
            f"HTCondor refuses the submission: {one_line(error)}",
            expected="a schedd that takes it", where=str(folder / DAG),
            todo="check condor_q, and your credentials (klist)",
        ) from error  # fmt: skip
    write_text_atomically(place.submitted, done.model_dump_json() + "\n")
    return done


def last_submission(place: Place) -> Submitted | None:
    """What was submitted last."""
    try:
        return read_model(place.submitted, Submitted)
    except UnreadableError:
        return None


def jobs_in_queue(submitted: Submitted) -> list[dict[str, Any]]:
    """The DAG and its jobs that are in the queue. Raises ProductionError when the schedd can't be asked."""
    htcondor2 = bindings()
    cluster = submitted.cluster
    wanted = ["ClusterId", "JobStatus", "HoldReason", "Arguments", "DAGNodeName"]
    try:
        found = htcondor2.Schedd().query(f"ClusterId == {cluster} || DAGManJobId == {cluster}", wanted)
    except (htcondor2.HTCondorException, OSError, RuntimeError) as error:
        raise ProductionError(
            f"HTCondor cannot be asked: {one_line(error)}", expected="an answer of its schedd",
            where=submitted.schedd, todo="check condor_q; --break-lock goes on if the DAG is surely gone",
        ) from error  # fmt: skip
    return [dict(ad) for ad in found]


def refuse_if_queued(place: Place, *, break_lock: bool = False) -> None:
    """Raise LockedError while a DAG of this production is in the queue: that is its runner."""
    submitted = last_submission(place)
    if submitted is None or break_lock:
        return
    if jobs_in_queue(submitted):
        raise LockedError(
            f"the production is being run by HTCondor (DAG {submitted.cluster} of {submitted.schedd})",
            expected="one runner a production", where=str(submitted.folder),
            todo=f"wait for it, or `condor_rm {submitted.cluster}`",
        )  # fmt: skip
    place.submitted.unlink(missing_ok=True)


def queue_lines(place: Place) -> tuple[list[str], bool]:
    """The states of the jobs of the last submission with the reasons of held ones, and whether its DAG may be queued.

    Nothing when nothing was submitted.
    """
    submitted = last_submission(place)
    if submitted is None:
        return [], False
    try:
        found = jobs_in_queue(submitted)
    except EcalWindowsError as error:
        return [f"HTCondor, DAG {submitted.cluster}: {error.found}"], True
    if found:
        return _queued_lines(submitted, found), True
    log = submitted.folder / "finish.log"
    why = "" if place.finalized.is_file() else f" without a dataset; see {log if log.is_file() else submitted.folder}"
    return [f"HTCondor, DAG {submitted.cluster}: it has ended{why}"], False


def _queued_lines(submitted: Submitted, found: Sequence[dict[str, Any]]) -> list[str]:
    jobs = [job for job in found if job.get("ClusterId") != submitted.cluster]
    counts = [f"{n} {name}" for code, name in STATES.items() if (n := sum(job["JobStatus"] == code for job in jobs))]
    lines = [f"HTCondor, DAG {submitted.cluster}: {', '.join(counts) or 'none of its jobs in the queue'}"]
    held = [job for job in jobs if job["JobStatus"] == HELD]
    return lines + [
        f"held: {job.get('DAGNodeName')} (job {job['ClusterId']}): {job.get('HoldReason')}" for job in held[:10]
    ]
