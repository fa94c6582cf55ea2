"""The end of a production: every part complete or in quarantine, then a dataset with its record; else no record."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ecalwindows.commands.finalize import CARD, CROISSANT, finalize_dataset, warn_of_record
from ecalwindows.commands.finalize_matches import finalize_matches
from ecalwindows.commands.report import write_report
from ecalwindows.core.errors import EcalWindowsError, InputError
from ecalwindows.core.files.hidden_names import OLD, PARTIAL, hidden_beside
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.json_files import UnreadableError, read_object
from ecalwindows.core.files.output import write_text_atomically
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.names import some
from ecalwindows.core.urls import is_remote
from ecalwindows.dataset.finalizing.description import About
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import FOLDER, file_problem, file_record
from ecalwindows.formats.suffixes import FORMATS, RECORD, REPORT
from ecalwindows.production.errors import ProductionError
from ecalwindows.production.flat_names import flat_names
from ecalwindows.production.merge import merge_rest
from ecalwindows.production.plan import Plan, merges_of
from ecalwindows.production.settings import ABOUT_DATASET, Production
from ecalwindows.production.verify import Verdict
from ecalwindows.production.work_folder import Place
from ecalwindows.production.xrootd import far_name, publish, published_as

MAX_NAMED = 10

OURS = {RECORD, CARD, CROISSANT, REPORT, "manifests", "run", *FORMATS}
"""What is in the folder of a finished dataset."""


def target_of(production: Production) -> Path:
    """The local folder of the dataset; one for a server is copied there."""
    return production.work / "dataset" if is_remote(production.output) else Path(production.output)


def home(production: Production) -> Path:
    """Where record, manifests and run of the dataset are."""
    target = target_of(production)
    return target / FOLDER if production.layout == "flat" else target


def finalize(place: Place, plan: Plan, found: Sequence[Verdict], *, workers: int = 1) -> bool:
    """Make the dataset of the parts; False when it is there already and as it should be.

    workers : threads that write
    Raises ProductionError that names what is missing, unless every part is complete; then there is no new record.
    """
    refuse_unfinished(place, plan, found)
    if is_finalized(place, plan, found):
        warn_of_record(read_record(home(plan.production) / RECORD))
        return False
    place.finalized.unlink(missing_ok=True)
    target = target_of(plan.production)
    clear_left(target)
    try:
        _finalize(place, plan, target, workers)
        if plan.production.report:
            _write_report(plan.production, target)
    except InputError as error:
        raise _with_inputs(error, plan) from error
    write_run(plan, found, home(plan.production))
    if is_remote(plan.production.output):
        publish(target, plan.production.output)
    content = {"key": _key(plan, found), "files": _record_sum(plan)}
    write_text_atomically(place.finalized, json.dumps(content, indent=1) + "\n")
    return True


def refuse_unfinished(place: Place, plan: Plan, found: Sequence[Verdict]) -> None:
    """Raise ProductionError unless all parts are complete and contain something."""
    open_jobs = [(job, each) for job, each in zip(plan.jobs, found, strict=True) if not each.is_complete]
    if open_jobs:
        lines = [f"\n    {job.part}: {each.what}: {each.reason} (log: {place.log(job.part)})"
                 for job, each in open_jobs[:MAX_NAMED]]  # fmt: skip
        more = f"\n    and {len(open_jobs) - MAX_NAMED} more" if len(open_jobs) > MAX_NAMED else ""
        raise ProductionError(
            f"{len(open_jobs)} of {len(plan.jobs)} parts are not complete: no dataset was made{''.join(lines)}{more}",
            expected="every part complete, or its bad inputs in quarantine", where=str(place.work),
            todo="correct what the logs report, then `ecalwindows production resume`",
        )  # fmt: skip
    n_bad = sum(len(each.state.bad) for each in found if each.state)
    if n_bad == plan.n_inputs and not any(each.state.windows for each in found if each.state):
        raise ProductionError(
            f"none of the {n_bad} inputs can be read: no dataset was made", expected="inputs with events",
            where=str(place.work), todo="see `ecalwindows production status` for the reasons",
        )  # fmt: skip


def check_targets(production: Production) -> None:
    """Raise ProductionError when the folder of the dataset holds something else, also beside the dataset, or is to hold
    the work folder: it is replaced as a whole.
    """
    if is_remote(production.output) and (far := far_name(production.output)) not in (None, production.name):
        raise _other_output(far, production.output, production)
    target, record = target_of(production), home(production) / RECORD
    recover(target)
    if production.work.absolute().is_relative_to(target.absolute()):
        raise ProductionError(
            "the work folder is in the folder of the dataset", expected="a folder beside it",
            where=str(production.work), todo="name another with work_folder in the YAML file, or leave that out",
        )  # fmt: skip
    name = _name_in(record)
    if name == production.name:
        _refuse_foreign(target, production)
        return
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise _other_output(name, str(target), production)


def _name_in(record: Path) -> str | None:
    """The name of the dataset of a record, None where there is none. Raises ProductionError."""
    if not record.is_file():
        return None
    try:
        return read_record(record).name
    except EcalWindowsError as error:
        raise ProductionError(
            error.found, expected=error.expected, where=error.where,
            todo="remove the folder of the dataset: `ecalwindows production resume FILE` makes it again of its parts",
        ) from error  # fmt: skip


def _refuse_foreign(target: Path, production: Production) -> None:
    """Raise ProductionError for what somebody has put beside the dataset. In layout flat nothing distinguishes it."""
    foreign = sorted({path.name for path in target.iterdir() if path.name[0] != "."} - OURS)
    if foreign and production.layout == "dataset":
        raise ProductionError(
            f"the folder of the dataset holds what is not of the dataset: {some(foreign, 10)}",
            expected="nothing else: it is replaced as a whole", where=str(target), todo="move that elsewhere",
        )  # fmt: skip


def _other_output(name: str | None, where: str, production: Production) -> ProductionError:
    """The error of an output that holds a dataset of another name, or something else."""
    return ProductionError(
        f"the output holds {f'the dataset {name!r}' if name else 'something else'}",
        expected=f"no such folder, or the dataset '{production.name}'", where=where,
        todo="name another output, or remove it",
    )  # fmt: skip


def about_of(production: Production) -> About:
    """What a production says of its dataset."""
    return About(
        name=production.name, version=production.version, day=production.day, licence=production.licence,
        citation=production.citation, contact=production.contact, derived_from=production.derived_from, is_all=True,
    )  # fmt: skip


def _finalize(place: Place, plan: Plan, target: Path, workers: int) -> None:
    production = plan.production
    about = about_of(production)
    formats = sorted(production.formats, key=FORMATS.index)
    first, *others = [merge_rest(place, plan, format) for format in formats]
    if production.kind == "matches":
        finalize_matches(first, target, about=about, overwrite=True)
        return
    is_flat = production.layout == "flat"
    finalize_dataset(
        first,
        target,
        copies=others,
        about=about,
        splits=production.split_rule,
        flat=flat_names(production.formats[0], [job.part for job in plan.jobs]) if is_flat else None,
        overwrite=True,
        workers=workers,
        may_link=True,
    )


def _write_report(production: Production, target: Path) -> None:
    """Write the page of the dataset, and count it among the pages of the record; not for a dataset without windows."""
    above = home(production)
    record, page = read_record(above / RECORD), above / REPORT
    refuse_links([above, page, above / RECORD])
    if record.windows:
        write_report(str(target), page, name=record.title)
        pages = [*record.pages, file_record(page, target)]
        write_text_atomically(above / RECORD, record.model_copy(update={"pages": pages}).text())


def _with_inputs(error: InputError, plan: Plan) -> EcalWindowsError:
    """What parts do not agree in, with the inputs of the parts that are named: those are what people can change."""
    parts = {job.part: [entry.path for entry in job.inputs] for job in plan.jobs}
    merges = {each.part: [path for n in each.jobs for path in parts[plan.jobs[n].part]] for each in merges_of(plan)}
    of_parts = merges or parts
    named = {part: of_parts[part] for part in of_parts if re.search(rf"\b{re.escape(part)}\b", error.found)}
    if len(named) < 2:
        return error
    lines = "".join(f"\n    {part}: {some([repr(path) for path in paths], 3)}" for part, paths in named.items())
    return ProductionError(
        f"{error.found}{lines}", expected=error.expected, where=error.where,
        todo="leave the inputs out that are twice, or put them into samples of their own; then `ecalwindows production "
        "resume FILE`",
    )  # fmt: skip


def clear_left(target: Path) -> None:
    """Put right, and remove, what finalizing left when it was killed; this run holds the production, and what another
    living process or another host writes is left alone.
    """
    recover(target)
    for path, writer in (hidden_beside(target, PARTIAL) | hidden_beside(target, OLD)).items():
        if writer.is_alive is False:
            shutil.rmtree(path, ignore_errors=True)


def write_run(plan: Plan, found: Sequence[Verdict], above: Path) -> None:
    """Hosts, times, retries and memory of all attempts: `run/jobs.json`, which is no part of what a dataset is."""
    jobs = [each.state.model_dump(mode="json") for each in found if each.state]
    folder = above / "run"
    refuse_links([above, folder, folder / "jobs.json"])
    folder.mkdir(exist_ok=True)
    write_text_atomically(folder / "jobs.json", json.dumps({"plan": plan.digest, "jobs": jobs}, indent=1) + "\n")


def is_finalized(place: Place, plan: Plan, found: Sequence[Verdict]) -> bool:
    """Whether the dataset was made of these parts and is as it was then."""
    try:
        content = read_object(place.finalized)
        is_same = bool(content.get("key") == _key(plan, found) and content.get("files") == _held(plan))
    except (OSError, UnreadableError, EcalWindowsError):
        return False
    output = plan.production.output
    return is_same and (not is_remote(output) or published_as(target_of(plan.production), output))


def _key(plan: Plan, found: Sequence[Verdict]) -> str:
    """A hash of the parts, and of what decides how they are finalized."""
    parts = [(job.part, each.state.manifests if each.state else {}) for job, each in zip(plan.jobs, found, strict=True)]
    about = plan.production.model_dump(mode="json", by_alias=True, include={*ABOUT_DATASET, "day", "output", "name"})
    if not plan.production.report:
        about.pop("report")  # finished datasets of versions without it stay finished
    return hashlib.sha256(json.dumps([parts, about], sort_keys=True).encode()).hexdigest()


def _held(plan: Plan) -> str:
    """What the dataset holds now: the checksum of the record, and the files that are not as it says."""
    target = target_of(plan.production)
    files = read_record(home(plan.production) / RECORD).all_files
    wrong = [each.name for each in files if file_problem(each, target, "the record")]
    return " ".join([_record_sum(plan), *wrong])


def _record_sum(plan: Plan) -> str:
    """What the dataset holds (`_held`) when every file is as its record says, as far as it must be read for that."""
    return file_record(home(plan.production) / RECORD, target_of(plan.production)).sha256
