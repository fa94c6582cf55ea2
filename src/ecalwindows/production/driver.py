"""Runs a production on this machine, from its YAML file to a finished dataset; again as often as need be."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ecalwindows.core.progress import Progress
from ecalwindows.production.errors import ChangedError
from ecalwindows.production.executors.htcondor.carrying import pack
from ecalwindows.production.executors.htcondor.submit import (
    Submitted,
    refuse_eos,
    refuse_if_queued,
    submit,
    write_submission,
)
from ecalwindows.production.executors.local import local_pool
from ecalwindows.production.executors.pool import JobsRun, OpenPool, run_jobs
from ecalwindows.production.finalizing import check_targets, finalize
from ecalwindows.production.kernel_cache import kernel_cache
from ecalwindows.production.listing import listed_inputs
from ecalwindows.production.lock import locked
from ecalwindows.production.merge import open_merges
from ecalwindows.production.plan import Plan, grown_plan, listing_changes, made_plan, setting_changes
from ecalwindows.production.refusals import checked_sources
from ecalwindows.production.settings import Production
from ecalwindows.production.verify import Verdict, clear_untracked, verdicts
from ecalwindows.production.work_folder import Place, make_folders, read_plan, write_plan

Mode = Literal["run", "resume", "redo"]
Notify = Callable[[str], None]


@dataclass
class Done:
    """What a run did."""

    plan: Plan
    place: Place
    pool: JobsRun = field(default_factory=JobsRun)
    n_todo: int = 0
    windows: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    finalized: bool = False


def run_production(
    production: Production,
    *,
    mode: Mode = "run",
    workers: int = 1,
    elsewhere: OpenPool | None = None,
    checksums: bool = False,
    retry_bad: bool = False,
    break_lock: bool = False,
    progress: Progress | None = None,
    notify: Notify = lambda _: None,
) -> Done:
    """Make what is missing of a production, then its dataset.

    mode : run (refuses when inputs or settings are not those of the plan), resume (takes changed inputs into the plan),
    redo (everything again); workers : processes of this machine; elsewhere : another pool that takes the jobs instead;
    checksums : of the inputs, in plan and manifests; retry_bad : try inputs in quarantine again
    Raises an EcalWindowsError for anything that a user can correct; complete parts stay for the next time.
    """
    with _begun(production, mode, checksums, retry_bad, break_lock, notify) as (place, plan, todo):
        done = Done(plan, place, n_todo=len(todo))
        if todo:
            with (elsewhere or local_pool(workers))(place, plan, len(todo)) as pool:
                done.pool = run_jobs(pool, place, plan, todo, progress)
        found = verdicts(place, plan, deep=False, strict=production.strict)  # finalizing compares checksums
        found = [
            replace(each, what="failed", reason=done.pool.failed.get(number, each.reason))
            if each.what == "missing" and number in done.pool.failed else each
            for number, each in enumerate(found)
        ]  # fmt: skip
        done.finalized = finalize(place, plan, found, workers=workers)
    done.windows = sum(each.state.windows for each in found if each.state)
    done.bad = [(bad.path, bad.reason) for each in found if each.state for bad in each.state.bad]
    return done


@contextmanager
def _begun(
    production: Production, mode: Mode, checksums: bool, retry_bad: bool, break_lock: bool, notify: Notify
) -> Iterator[tuple[Place, Plan, list[int]]]:
    """The production held for the block, with its plan and the jobs that are to be done."""
    check_targets(production)
    place = Place(production.work)
    make_folders(place)
    with locked(place.lock, notify, break_lock=break_lock):
        refuse_if_queued(place, break_lock=break_lock)
        plan = settled_plan(place, production, mode, checksums, notify)
        found = verdicts(place, plan, strict=production.strict)
        clear_untracked(place, plan)
        _report_redone(plan, found, notify)
        yield (
            place,
            plan,
            [
                number
                for number, each in enumerate(found)
                if not each.is_complete or (retry_bad and each.state is not None and each.state.bad)
            ],
        )


def submit_production(
    production: Production,
    *,
    mode: Mode = "run",
    checksums: bool = False,
    retry_bad: bool = False,
    break_lock: bool = False,
    dry_run: bool = False,
    notify: Notify = lambda _: None,
) -> tuple[Path, int, Submitted | None]:
    """Submit what is missing of a production to HTCondor, as one DAG that ends with the dataset.

    Returns the folder of the submit files, how many jobs they have, and what was submitted (None: dry_run).
    """
    refuse_eos(Place(production.work))
    with _begun(production, mode, checksums, retry_bad, break_lock, notify) as (place, plan, todo):
        transfer = production.htcondor.files == "transfer"
        merges = [] if transfer else open_merges(place, plan, todo)
        folder = write_submission(plan, place, todo, merges, "dry-run" if dry_run else None)
        kernel_cache(place)
        if transfer:
            pack(plan, place, todo, folder)
        return folder, len(todo), None if dry_run else submit(plan, place, folder)


def finish_production(place: Place, *, notify: Notify = lambda _: None) -> bool:
    """Finalize what jobs elsewhere have made. Raises ProductionError that names what is missing."""
    make_folders(place)
    with locked(place.lock, notify):
        plan = read_plan(place.plan)
        check_targets(plan.production)
        found = verdicts(place, plan, strict=plan.production.strict)
        return finalize(place, plan, found)


def settled_plan(place: Place, production: Production, mode: Mode, checksums: bool, notify: Notify) -> Plan:
    """The plan to follow, written down: the old one, the old one with changed inputs, or a new one."""
    sources = checked_sources(production)
    if mode == "redo":
        _forget(place)
    old = read_plan(place.plan) if place.plan.is_file() else None
    if old is None:
        plan = made_plan(production, listed_inputs(production, checksums=checksums), sources)
    else:
        _refuse_changes(place, setting_changes(old, production, sources))
        checksums = checksums or any(entry.sha256 for job in old.jobs for entry in job.inputs)
        listing = listed_inputs(production, checksums=checksums)
        if mode == "run":
            _refuse_changes(place, [str(changes)] if (changes := listing_changes(old, listing)) else [])
        plan, changes = grown_plan(old, production, listing)
        if changes:
            notify(f"inputs: {changes}")
    if plan != old:
        write_plan(plan, place.plan)
    return plan


def _forget(place: Place) -> None:
    """Remove plan, parts and states; the dataset stays until the new one is complete."""
    for path in (place.plan, place.finalized):
        path.unlink(missing_ok=True)
    for name in ("parts", "merged", "jobs", "logs"):
        shutil.rmtree(place.work / name, ignore_errors=True)
    make_folders(place)


def _refuse_changes(place: Place, changes: list[str]) -> None:
    if changes:
        raise ChangedError(
            "the production is there already, and what is asked for is not what its plan says"
            + "".join(f"\n    {line}" for line in changes),
            expected="the same settings and inputs", where=str(place.plan),
            todo="changed inputs: `ecalwindows production resume FILE`; other settings: another name and output, or "
            "`ecalwindows production run FILE --redo` to make all again",
        )  # fmt: skip


def _report_redone(plan: Plan, found: Sequence[Verdict], notify: Notify) -> None:
    """What was there and is made again."""
    redone = [
        f"{job.part} was {each.what}: {each.reason}"
        for job, each in zip(plan.jobs, found, strict=True)
        if each.what in ("broken", "changed", "strict")
    ]
    for words in [*redone[:10], *([f"{len(redone) - 10} more parts"] if len(redone) > 10 else [])]:
        notify(f"made again: {words}")
