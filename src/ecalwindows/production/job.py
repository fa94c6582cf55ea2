"""One job: the very same on every executor. Made in a temporary folder, brought to its place, and recorded."""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ecalwindows.core.errors import EcalWindowsError, OutputError, SettingsError
from ecalwindows.core.files.file_state import FileState, file_states, refuse_changed
from ecalwindows.core.interrupts import interrupts_kept
from ecalwindows.core.urls import is_remote
from ecalwindows.formats.manifest import FOLDER, file_record, read_manifest, write_manifest
from ecalwindows.formats.writers import Format
from ecalwindows.production.delivery import deliver
from ecalwindows.production.errors import ChangedError, one_line
from ecalwindows.production.job_state import JobState, new_state, write_state
from ecalwindows.production.kinds.parts import MadePart, part_maker
from ecalwindows.production.listing import entry_of, read_sources
from ecalwindows.production.plan import Job, Plan, is_same, recorded_name
from ecalwindows.production.work_folder import Place, manifest_name


def run_task(place: Place, plan: Plan, number: int, *, executor: str, scratch: Path | None = None) -> JobState:
    """Make the part of a job, bring it to its place, and record the outcome.

    number : of the job in the plan, from 0; scratch : local folder for what is being made
    Raises what went wrong, when that is written down too.
    """
    job = job_of(plan, number)
    began, path = time.monotonic(), place.state(job.part)
    state = new_state(job, path, executor)
    write_state(state, path)
    try:
        states = file_states(entry.path for entry in job.inputs)
        check_unchanged(plan, job)
        with interrupts_kept(), scratch_folder(scratch or place.scratch, job.part) as folder:
            made, manifests = _made(place, plan, job, folder, states)
    except Exception as error:
        where = error.where if isinstance(error, EcalWindowsError) else None
        _write_failure(state.ended("failed", **_cost(began), error=one_line(error), where=where), path)
        raise
    done = {"manifests": manifests, "bad": tuple(made.bad), "windows": made.windows, "events": made.events}
    state = state.ended("done", **_cost(began)).model_copy(update=done)
    write_state(state, path)
    return state


def job_of(plan: Plan, number: int) -> Job:
    """The job of that number. Raises SettingsError."""
    if not 0 <= number < len(plan.jobs):
        raise SettingsError(
            f"there is no job {number}", expected=f"a number from 0 to {len(plan.jobs) - 1}", where="the plan",
            todo="see `ecalwindows production status`",
        )  # fmt: skip
    return plan.jobs[number]


def check_unchanged(plan: Plan, job: Job) -> None:
    """Raise ChangedError when an input, or a file that decides content, is not as it was planned."""
    for entry in job.inputs:
        now = entry_of(entry.path, checksum=entry.sha256 is not None)
        is_gone = entry.bytes is not None and now.bytes is None and not is_remote(entry.path)
        if is_gone or not is_same(entry, now):
            raise _changed("an input is gone" if is_gone else "an input has changed", entry.path)
    if plan.sources and tuple(read_sources(plan.production)) != plan.sources:
        raise _changed("a file of settings has changed", ", ".join(source.path for source in plan.sources))


def _changed(found: str, where: str) -> ChangedError:
    return ChangedError(
        f"{found} since the plan was made", expected="inputs as they were", where=where,
        todo="`ecalwindows production resume FILE` takes the change into the plan",
    )  # fmt: skip


def _cost(began: float) -> dict[str, float]:
    """What an attempt took until now."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return {"seconds": round(time.monotonic() - began, 3), "peak_memory_mb": round(peak, 1)}


def _write_failure(state: JobState, path: Path) -> None:
    """Write it down if the disk lets us: the error itself matters more."""
    try:
        write_state(state, path)
    except (OutputError, OSError) as error:
        print(f"warning: {one_line(error)}", file=sys.stderr)


@contextmanager
def scratch_folder(above: Path, part: str) -> Iterator[Path]:
    """A folder of one's own that goes when the block ends."""
    try:
        above.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"{part}.", dir=above))
    except OSError as error:
        raise OutputError(
            f"the folder for scratch files cannot be made: {error.strerror}",
            expected="a folder that you may write to, with space left", where=str(above), todo="correct that",
        ) from error  # fmt: skip
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _made(
    place: Place, plan: Plan, job: Job, folder: Path, states: Mapping[str, FileState | None]
) -> tuple[MadePart, dict[Format, str]]:
    """All formats of the part made first, then brought to their place, if the inputs are still those of the plan."""
    folders: dict[Format, Path] = {format: folder / format for format in plan.production.formats}
    for each in folders.values():
        each.mkdir()
    made = part_maker(plan.production.kind).make(plan, job, folders)
    for format, each in folders.items():
        manifests = each / FOLDER / "manifests"
        path = next(manifests.iterdir()).rename(manifests / manifest_name(format, job.part))
        _record_names(plan, job, made, path)
    refuse_changed(states, todo="`ecalwindows production resume FILE` takes the change into the plan")
    digests: dict[Format, str] = {}
    for format, each in folders.items():
        deliver(each, place.parts(format), manifest_name(format, job.part))
        path = place.manifest(format, job.part)
        digests[format] = file_record(path, path.parent).sha256
    return made, digests


def _record_names(plan: Plan, job: Job, made: MadePart, path: Path) -> None:
    """Inputs by their names below the folder of the sample, which no other input has; with checksums if planned."""
    manifest, base = read_manifest(path), plan.bases[job.sample]
    bad = {each.path: each.reason for each in made.bad}
    taken = [entry for entry in job.inputs if entry.path not in bad]
    inputs = (
        [
            record.model_copy(update={"name": recorded_name(entry.path, base), "sha256": entry.sha256})
            for record, entry in zip(manifest.inputs, taken, strict=True)
        ]
        if made.lists_inputs
        else manifest.inputs
    )
    left_out = [
        {"name": recorded_name(where, base), "reason": _named(reason, where, recorded_name(where, base))}
        for where, reason in bad.items()
    ]
    write_manifest(manifest.model_copy(update={"inputs": inputs, "bad_inputs": made.inherited_bad + left_out}), path)


def _named(reason: str, where: str, name: str) -> str:
    """A reason that names an input by its short name, also where it has lost line ends and doubled blanks."""
    return reason.replace(where, name).replace(" ".join(where.split()), " ".join(name.split()))
