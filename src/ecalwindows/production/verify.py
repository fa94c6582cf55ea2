"""Which parts are complete: checked, not believed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ecalwindows.core.errors import EcalWindowsError
from ecalwindows.core.files.hidden_names import PARTIAL
from ecalwindows.formats.manifest import FOLDER, file_problem, file_record, read_manifest
from ecalwindows.formats.suffixes import MATCHED, UNMATCHED
from ecalwindows.formats.writers import Format
from ecalwindows.production.job_state import JobState, read_state
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.work_folder import Place, manifest_name


@dataclass(frozen=True)
class Verdict:
    """What a job's part is found to be: complete, missing, broken, changed, failed, strict; with the reason."""

    what: str
    reason: str = ""
    state: JobState | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing is to be done."""
        return self.what == "complete"


def verdicts(place: Place, plan: Plan, *, deep: bool = True, strict: bool = False) -> list[Verdict]:
    """A verdict for each job of the plan.

    deep : compare checksums of all files, else only their sizes; strict : a part that leaves inputs out is not complete
    """
    return [verdict(place, plan, job, deep=deep, strict=strict) for job in plan.jobs]


def verdict(place: Place, plan: Plan, job: Job, *, deep: bool, strict: bool) -> Verdict:
    """What is there of one job."""
    state = read_state(place.state(job.part))
    if state is None:
        return Verdict("missing", "it was not begun")
    if state.digest != job.digest:
        return Verdict("changed", "its inputs or settings are not those it was made from", state)
    if state.outcome != "done":
        return Verdict("failed", state.error or _unfinished(state), state)
    if strict and state.bad:
        return Verdict("strict", f"{state.bad[0].path}: {state.bad[0].reason}", state)
    for format in plan.production.formats:
        if reason := _broken(place, format, job.part, state, deep):
            return Verdict("broken", reason, state)
    return Verdict("complete", state=state)


def _unfinished(state: JobState) -> str:
    last = state.attempts[-1]
    return f"its process {last.pid} on {last.host} {'runs' if last.is_alive else 'ended silently'}"


def _broken(place: Place, format: Format, part: str, state: JobState, deep: bool) -> str:
    """How a part differs from what was recorded; nothing when it is complete."""
    path = place.manifest(format, part)
    if not path.is_file():
        return f"its manifest {path.name} is missing"
    if file_record(path, path.parent).sha256 != state.manifests.get(format):
        return f"its manifest {path.name} has other content than when it was made"
    try:
        manifest = read_manifest(path)
    except EcalWindowsError as error:
        return error.found
    found = (file_problem(each, place.parts(format), "its manifest", checksum=deep) for each in manifest.files)
    return next((problem for problem in found if problem), "")


def clear_untracked(place: Place, plan: Plan) -> None:
    """Remove what belongs to no job of the plan: unfinished files of processes that died, and parts of former plans.

    The caller holds the production: nothing else writes there.
    """
    clear_scratch(place)
    for path in place.work.glob(f".*{PARTIAL}"):  # a plan that was being written
        path.unlink()
    for folder in (place.work / "numba").glob(".*"):  # a copy of compiled code that was stopped
        shutil.rmtree(folder, ignore_errors=True)
    parts = {job.part for job in plan.jobs}
    for path in (place.work / "jobs").glob("*"):
        if path.suffix != ".json" or path.stem not in parts:
            path.unlink()
    for folder in (*(place.work / "parts").glob("*"), *(place.work / "merged").glob("*")):
        if folder.name not in plan.production.formats or (folder.parent.name == "merged" and not plan.production.merge):
            shutil.rmtree(folder)
    for format in plan.production.formats:
        clear_parts(place.parts(format), {manifest_name(format, part) for part in parts})


def clear_scratch(place: Place, part: str = "*") -> None:
    """Remove what processes that died left, of one part or of all."""
    for folder in place.scratch.glob(f"{part}.*"):
        shutil.rmtree(folder, ignore_errors=True)


def clear_parts(base: Path, known: set[str]) -> None:
    """Remove files of a flat folder that no known manifest names, such as those of a part that lost its runner."""
    named = set[Path]()
    for path in (base / FOLDER / "manifests").glob("*"):
        if path.name not in known or path.name.startswith("."):
            path.unlink()
            continue
        try:
            named |= {base / record.name for record in read_manifest(path).files}
        except EcalWindowsError:
            path.unlink()
    for folder in (base, base / MATCHED, base / UNMATCHED, base / FOLDER / "keys"):
        for path in folder.glob("*") if folder.is_dir() else ():
            if path.is_file() and path not in named:
                path.unlink()
