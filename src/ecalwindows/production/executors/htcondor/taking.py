"""Results of a job that saw none of our files: checked, brought to their place, and recorded."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from ecalwindows.core.errors import EcalWindowsError, OutputError
from ecalwindows.formats.manifest import FOLDER, problems, read_manifest
from ecalwindows.production.delivery import deliver
from ecalwindows.production.errors import ProductionError, one_line
from ecalwindows.production.job import check_unchanged, job_of, scratch_folder
from ecalwindows.production.job_state import JobState, new_state, read_state, write_state
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.work_folder import Place, make_folders, manifest_name, part_files


def take(place: Place, plan: Plan, number: int, archive: Path, *, code: int) -> JobState:
    """Take what came back from a job to its place, and record the outcome.

    code : what the job ended with
    Raises ProductionError when nothing came back or the job failed, ChangedError when its inputs are not as they were
    when it was planned, OutputError for an archive with files that are not of the job, for a part that is not what its
    manifest says, or cannot be written.
    """
    job = job_of(plan, number)
    make_folders(place)
    with scratch_folder(place.scratch, job.part) as folder:
        silent = f"the job ended with {code} and nothing came back"
        begun = new_state(job, place.state(job.part), "htcondor")
        state = begun.ended("failed", error=silent, host="", pid=0, pid_started="")
        try:
            if returned := _returned(archive, folder, plan, job):
                state = returned.model_copy(update={"attempts": (*begun.attempts[:-1], *returned.attempts)})
            if state.outcome == "done":
                _deliver(place, plan, job, folder)
        except EcalWindowsError as error:
            write_state(state.ended("failed", error=one_line(error)), place.state(job.part))
            raise
        write_state(state, place.state(job.part))
    archive.unlink(missing_ok=True)
    if state.outcome != "done":
        raise ProductionError(
            f"{job.part} failed: {state.error}", expected="a part", where=str(place.log(job.part)),
            todo="correct what the log reports, then `ecalwindows production submit FILE --resume`",
        )  # fmt: skip
    return state


def owned_names(plan: Plan, job: Job) -> set[str]:
    """Names of all files that the archive of a job may hold: its state, and data and manifest of its part. Pure."""
    parts = {
        f"parts/{format}/{name}"
        for format in plan.production.formats
        for name in part_files(plan.production, format, job.part)
    }
    return parts | {f"jobs/{job.part}.json"}


def _returned(archive: Path, folder: Path, plan: Plan, job: Job) -> JobState | None:
    """What a job packed, in a folder, and its state; None when there is nothing that can be read, or of another job.

    Raises OutputError for an archive that holds anything else, and where it cannot be unpacked, for example on a full
    disk: then nothing is taken from it.
    """
    try:
        with tarfile.open(archive, "r:") as packed:
            _unpack(packed, folder, owned_names(plan, job), job.part)
    except (FileNotFoundError, EOFError, ValueError, tarfile.TarError):
        return None
    except OSError as error:
        raise OutputError(
            f"what came back from {job.part} cannot be unpacked: {error.strerror}",
            expected="a folder that you may write to, with space left", where=str(folder),
            todo="correct that; `ecalwindows production submit FILE --resume` does the job again",
        ) from error  # fmt: skip
    state = read_state(Place(folder).state(job.part))
    is_of_job = state is not None and (state.part, state.digest) == (job.part, job.digest)
    return state if state is not None and is_of_job and state.outcome != "running" else None


def _unpack(packed: tarfile.TarFile, folder: Path, owned: set[str], part: str) -> None:
    """Write the files of an archive below a folder.

    Raises OutputError for a name that is not among `owned`, a name that is there twice, and for what is no plain file:
    links, devices, files with holes.
    """
    seen = set[str]()
    for member in packed:
        name = member.name.removeprefix("./")
        if member.isdir():
            continue
        if name not in owned or name in seen or not member.isreg() or member.issparse():
            raise OutputError(
                f"what came back from {part} holds {member.name!r}, which is "
                + ("there twice" if name in seen else "no plain file" if name in owned else "not of this job"),
                expected=f"the state, data and manifests of {part}", where=str(packed.name),
                todo="find out who changed it; `ecalwindows production submit FILE --resume` does the job again",
            )  # fmt: skip
        seen.add(name)
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        source = packed.extractfile(member)
        assert source is not None
        with source, place.open("xb") as target:
            shutil.copyfileobj(source, target)


def _deliver(place: Place, plan: Plan, job: Job, folder: Path) -> None:
    check_unchanged(plan, job)
    for format in plan.production.formats:
        base, name = Place(folder).parts(format), manifest_name(format, job.part)
        manifest = read_manifest(base / FOLDER / "manifests" / name)
        others = {each.name for each in manifest.files} - part_files(plan.production, format, job.part)
        wrong = [f"its manifest names {each!r}, which is not of this job" for each in sorted(others)]
        wrong += problems(manifest, base)
        if wrong:
            raise OutputError(
                f"a part came back broken: {wrong[0]}", expected="what its manifest says", where=job.part,
                todo="`ecalwindows production submit FILE --resume` makes it again",
            )  # fmt: skip
    for format in plan.production.formats:
        deliver(Place(folder).parts(format), place.parts(format), manifest_name(format, job.part))
