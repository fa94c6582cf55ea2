"""The end of a production: every part whole or in quarantine, then a dataset with its record; else no record."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from ecalwindows.dataset.description import About
from ecalwindows.dataset.formats import Format
from ecalwindows.dataset.layout import RECORD
from ecalwindows.dataset.manifest import file_record
from ecalwindows.dataset.output import written_aside
from ecalwindows.dataset.record import read_record
from ecalwindows.errors import EcalWindowsError
from ecalwindows.finalize import finalize_dataset
from ecalwindows.finalize_matches import finalize_matches
from ecalwindows.production.checks import Verdict
from ecalwindows.production.errors import ProductionError
from ecalwindows.production.far import far_name, publish, published_as
from ecalwindows.production.place import Place
from ecalwindows.production.plan import Plan
from ecalwindows.production.settings import ABOUT_DATASET, Production
from ecalwindows.production.state import process_start
from ecalwindows.remote import is_remote

MOST_NAMED = 10


def targets(production: Production) -> dict[Format, Path]:
    """The local folder of the dataset of each format; that for a server is copied there."""
    output = production.work / "dataset" if is_remote(production.output) else Path(production.output)
    return {format: output if len(production.formats) == 1 else output / format for format in production.formats}


def finalise(place: Place, plan: Plan, found: Sequence[Verdict]) -> bool:
    """Make the dataset of the parts; False when it is there already and as it should be.

    Raises ProductionError that names what is missing, unless every part is whole; then there is no new record.
    """
    refuse_unfinished(place, plan, found)
    if is_finalised(place, plan, found):
        return False
    place.finalised.unlink(missing_ok=True)
    for format, target in targets(plan.production).items():
        clear_left(target)
        _finalise_one(place, plan, format, target)
        write_run(plan, found, target)
    if is_remote(plan.production.output):
        publish(plan.production.work / "dataset", plan.production.output)
    content = {"key": _key(plan, found), "files": _held(plan)}
    with written_aside([place.finalised]) as (aside,):
        aside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return True


def refuse_unfinished(place: Place, plan: Plan, found: Sequence[Verdict]) -> None:
    """Raise ProductionError unless all parts are whole and hold something."""
    open_jobs = [(job, each) for job, each in zip(plan.jobs, found, strict=True) if not each.is_whole]
    if open_jobs:
        lines = [f"\n    {job.part}: {each.what}: {each.reason} (log: {place.log(job.part)})"
                 for job, each in open_jobs[:MOST_NAMED]]  # fmt: skip
        more = f"\n    and {len(open_jobs) - MOST_NAMED} more" if len(open_jobs) > MOST_NAMED else ""
        raise ProductionError(
            f"{len(open_jobs)} of {len(plan.jobs)} parts are not whole: no dataset was made{''.join(lines)}{more}",
            expected="every part whole, or its bad inputs in quarantine", where=str(place.work),
            todo="mend what the logs tell, then `ecalwindows production resume`",
        )  # fmt: skip
    n_bad = sum(len(each.state.bad) for each in found if each.state)
    if n_bad == plan.n_inputs:
        raise ProductionError(
            f"none of the {n_bad} inputs can be read: no dataset was made", expected="inputs with events",
            where=str(place.work), todo="see `ecalwindows production status` for the reasons",
        )  # fmt: skip


def check_targets(production: Production) -> None:
    """Raise ProductionError when a folder of the dataset holds something else."""
    if is_remote(production.output):
        _check_far(production)
    for target in targets(production).values():
        record = target / RECORD
        if record.is_file() and read_record(record).name == production.name:
            continue
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            what = f"the dataset '{read_record(record).name}'" if record.is_file() else "something else"
            raise ProductionError(
                f"the output holds {what}", expected=f"no such folder, or the dataset '{production.name}'",
                where=str(target), todo="name another output, or remove it",
            )  # fmt: skip


def _check_far(production: Production) -> None:
    name = far_name(production.output)
    if name is None or name == production.name or (name == "" and len(production.formats) > 1):
        return
    raise ProductionError(
        f"the output holds {f'the dataset {name!r}' if name else 'something else'}",
        expected=f"no such folder, or the dataset '{production.name}'", where=production.output,
        todo="name another output, or remove it",
    )  # fmt: skip


def _finalise_one(place: Place, plan: Plan, format: Format, target: Path) -> None:
    production = plan.production
    about = About(
        name=production.name, version=production.version, day=production.day, licence=production.licence,
        citation=production.citation, contact=production.contact, derived_from=production.derived_from,
    )  # fmt: skip
    if format == "matches":
        finalize_matches(place.parts(format), target, about=about, overwrite=True)
        return
    finalize_dataset(place.parts(format), target, about=about, splits=production.split_rule, overwrite=True)


def clear_left(target: Path) -> None:
    """Remove what finalising left aside when it was killed; the production is held, and what lives is left alone."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*"):
        pid, _, kind = path.name.removeprefix(f".{target.name}.").partition(".")
        if kind in ("partial", "old") and pid.isdecimal() and process_start(int(pid)) is None:
            shutil.rmtree(path, ignore_errors=True)


def write_run(plan: Plan, found: Sequence[Verdict], target: Path) -> None:
    """Hosts, times, retries and memory of all attempts: `run/jobs.json`, which is no part of what a dataset is."""
    jobs = [each.state.model_dump(mode="json") for each in found if each.state]
    folder = target / "run"
    folder.mkdir(exist_ok=True)
    with written_aside([folder / "jobs.json"]) as (aside,):
        aside.write_text(json.dumps({"plan": plan.digest, "jobs": jobs}, indent=1) + "\n", encoding="utf-8")


def is_finalised(place: Place, plan: Plan, found: Sequence[Verdict]) -> bool:
    """Whether the dataset was made of these parts and is as it was then."""
    try:
        content = json.loads(place.finalised.read_bytes())
        is_same = bool(content["key"] == _key(plan, found) and content["files"] == _held(plan))
    except (OSError, ValueError, KeyError, EcalWindowsError):
        return False
    output = plan.production.output
    return is_same and (not is_remote(output) or published_as(plan.production.work / "dataset", output))


def _key(plan: Plan, found: Sequence[Verdict]) -> str:
    """A hash of the parts, and of what decides how they are finalised."""
    parts = [(job.part, each.state.manifests if each.state else {}) for job, each in zip(plan.jobs, found, strict=True)]
    about = plan.production.model_dump(mode="json", by_alias=True, include={*ABOUT_DATASET, "day", "output", "name"})
    return hashlib.sha256(json.dumps([parts, about], sort_keys=True).encode()).hexdigest()


def _held(plan: Plan) -> dict[str, str]:
    """What the datasets hold now: the record, and whether the files are those of the record."""
    held: dict[str, str] = {}
    for format, target in targets(plan.production).items():
        record = target / RECORD
        own = read_record(record)
        wrong = [each.name for each in own.files if _differs(target, each.name, each.sha256)]
        held[format] = " ".join([file_record(record, target).sha256, *wrong])
    return held


def _differs(target: Path, name: str, sha256: str) -> bool:
    path = target / name
    return not path.is_file() or file_record(path, target).sha256 != sha256
