"""Jobs where there is no shared file system: what a job needs goes along with it, and what it made comes back.

Names are data: an input goes as `input-0000` and gets its own name where the job runs; files of settings are packed.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecalwindows.core.files.inside import escape_problem
from ecalwindows.core.urls import is_remote
from ecalwindows.production.errors import ProductionError, one_line
from ecalwindows.production.executors.htcondor.submit_files import CARRIED, COMMON, RESULT, RETURNED
from ecalwindows.production.job_state import JobState
from ecalwindows.production.kernel_cache import kernel_cache
from ecalwindows.production.plan import Job, Plan, recorded_name
from ecalwindows.production.settings import with_paths
from ecalwindows.production.work_folder import PLAN, Place, make_folders, read_plan, this_processor, write_plan

INPUTS, SOURCES = "inputs", "sources"
"""Where inputs and files of settings are on the machine where the job runs."""


def pack(plan: Plan, place: Place, numbers: Sequence[int], folder: Path) -> None:
    """Lay out what goes along with the jobs of these numbers: CARRIED/<part>/ for each, and COMMON for all: files of
    settings, and code compiled for this kind of processor.
    """
    from ecalwindows.core.jit import sources_digest

    shutil.rmtree(folder / CARRIED, ignore_errors=True)
    (folder / RETURNED).mkdir(exist_ok=True)
    (folder / CARRIED).mkdir()
    with tarfile.open(folder / CARRIED / COMMON, "w:gz", compresslevel=1) as archive:
        for source, name in _carried_sources(plan).items():
            archive.add(os.path.realpath(source), name)
        compiled = kernel_cache(place) / sources_digest()
        if compiled.is_dir():
            archive.add(compiled, f"numba/{this_processor()}/{compiled.name}")
    for number in numbers:
        job = plan.jobs[number]
        own = folder / CARRIED / job.part
        own.mkdir()
        write_plan(carried_plan(plan, job), own / PLAN)
        for count, entry in enumerate(job.inputs):
            if not is_remote(entry.path):
                (own / _safe(count)).symlink_to(entry.path)


def _safe(count: int) -> str:
    return f"input-{count:04d}"


def _carried_sources(plan: Plan) -> dict[str, str]:
    """Where the files of settings are in the archive; the data record their own names, which stay."""
    return {each.path: f"{SOURCES}/{count:04d}/{Path(each.path).name}" for count, each in enumerate(plan.sources)}


def carried_plan(plan: Plan, job: Job) -> Plan:
    """The plan of one job, with paths relative to the folder where it will run. Pure."""
    base = plan.bases[job.sample]
    return _moved(plan, job, _carried_sources(plan), lambda path: f"{INPUTS}/{recorded_name(path, base)}")


def _moved(plan: Plan, job: Job, sources: Mapping[str, str], place: Callable[[str], str]) -> Plan:
    """The plan of one job with its files elsewhere: files of settings by their paths now, inputs, whose times are not
    carried along, at `place`.
    """
    inputs = tuple(
        entry if is_remote(entry.path) else entry.model_copy(update={"path": place(entry.path), "mtime_ns": None})
        for entry in job.inputs
    )
    return plan.model_copy(
        update={
            "production": with_paths(plan.production, lambda path: sources.get(path, path)),
            "sources": tuple(each.model_copy(update={"path": sources[each.path]}) for each in plan.sources),
            "jobs": (job.model_copy(update={"inputs": inputs}),),
        }
    )


def _at(plan: Plan, folder: Path) -> Plan:
    """A carried plan with the paths of the folder in which it arrived. Raises ProductionError for paths elsewhere."""
    _refuse_outside(plan)
    sources = {each.path: str(folder / each.path) for each in plan.sources}
    moved = _moved(plan, plan.jobs[0], sources, lambda path: str(folder / path))
    return moved.model_copy(update={"bases": {plan.jobs[0].sample: str(folder / INPUTS)}})


def _refuse_outside(plan: Plan) -> None:
    """Raise ProductionError for a carried plan whose files would not be in the folder of the job."""
    inputs = {entry.path: f"{INPUTS}/" for job in plan.jobs for entry in job.inputs if not is_remote(entry.path)}
    for path, above in (inputs | {each.path: f"{SOURCES}/" for each in plan.sources}).items():
        if escape_problem(path) or not path.startswith(above):
            raise ProductionError(
                f"the plan of the job names the file {path!r}", expected=f"files below {above}", where=PLAN,
                todo="submit the production again; somebody else has changed this plan",
            )  # fmt: skip


def _packed_member(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file or folder that `pack` has packed. Raises TarError for anything else."""
    parts = member.name.split("/")
    if parts[0] not in (SOURCES, "numba") or ".." in parts or not (member.isreg() or member.isdir()):
        raise tarfile.TarError(f"{member.name!r} does not belong there")
    return member


def _unpack_common(archive: Path, work: Path) -> None:
    """What goes along with every job, into its work folder. Raises ProductionError."""
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # Python 3.11.2 has none
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(work, map(_packed_member, packed), **safely)
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise ProductionError(
            f"what goes along with the job cannot be unpacked: {one_line(error)}",
            expected="files of settings and compiled code, as `ecalwindows production submit` packs them",
            where=str(archive), todo="submit the production again",
        ) from error  # fmt: skip


def run_carried(folder: Path) -> JobState:
    """Do the job that arrived in a folder, and leave RESULT there, also when it fails. Raises what went wrong."""
    carried = read_plan(folder / PLAN)
    place = Place(folder / "work")
    make_folders(place)
    plan = _at(carried, place.work)
    _unpack_common(folder / COMMON, place.work)
    for path in (place.work / "numba").glob("**"):
        path.chmod(0o700)  # else it is not used
    job = plan.jobs[0]
    for count, entry in enumerate(job.inputs):
        if not is_remote(entry.path):
            Path(entry.path).parent.mkdir(parents=True, exist_ok=True)
            Path(entry.path).symlink_to(folder / _safe(count))
    os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_cache(place)))
    from ecalwindows.production.job import run_task  # compiles with that cache

    try:
        return run_task(place, plan, 0, executor="htcondor")
    finally:
        _restore_paths(place.state(job.part), plan.bases[job.sample], carried.bases[job.sample])
        _return(place, folder / RESULT)


def _restore_paths(state: Path, here: str, home: str) -> None:
    """Have a state name inputs by the paths that they have at home."""
    if state.is_file():
        text = state.read_text(encoding="utf-8")
        state.write_text(text.replace(_quoted(here), _quoted(home)), encoding="utf-8")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _return(place: Place, result: Path) -> None:
    """Pack what was made; the archive is written atomically, since all files there are sent home."""
    temporary = place.work / RESULT
    with tarfile.open(temporary, "w") as archive:
        for name in ("jobs", "parts"):
            if (place.work / name).is_dir():
                archive.add(place.work / name, name)
    temporary.replace(result)
