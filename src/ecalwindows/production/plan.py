"""The plan: from a listing of inputs to jobs. Pure: the same listing and settings give the same plan, byte by byte."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pydantic import Field

from ecalwindows.core.files.inside import PlainName
from ecalwindows.core.names import some
from ecalwindows.core.setting_types import Frozen
from ecalwindows.core.urls import is_remote
from ecalwindows.core.working_points import is_packaged
from ecalwindows.production.settings import ABOUT_DATASET, ABOUT_RUNNING, Production

FORM = 1
"""Version of the form of a plan file."""


class Entry(Frozen):
    """An input as it was listed."""

    path: str = Field(description="Absolute path or URL.")
    bytes: int | None = Field(None, description="Size, null where the server does not report it.")
    mtime_ns: int | None = Field(None, description="Time of the last change, null for URLs and with a checksum.")
    sha256: str | None = Field(None, description="Checksum, if asked for.")


Listing = Mapping[str, Sequence[Entry]]
"""The inputs by sample, in order."""


class Job(Frozen):
    """What makes one part."""

    part: PlainName = Field(description="Name of the part.")
    sample: PlainName
    inputs: tuple[Entry, ...]
    digest: str = Field(description="Hash of all that decides the part.")


class Source(Frozen):
    """A file that decides content, such as working points."""

    path: str
    sha256: str


class Plan(Frozen):
    """Everything that the jobs of a production need to know."""

    form: int = FORM
    production: Production
    sources: tuple[Source, ...] = Field(description="Files that decide content, by what they held.")
    bases: dict[str, str] = Field(description="Common folder of the inputs of each sample.")
    jobs: tuple[Job, ...]

    @property
    def content(self) -> str:
        """The plan as text."""
        return self.model_dump_json(indent=1)

    @property
    def digest(self) -> str:
        """One hash of it."""
        return content_digest(json.loads(self.content))

    @property
    def n_inputs(self) -> int:
        """Input files."""
        return sum(len(job.inputs) for job in self.jobs)

    @property
    def n_bytes(self) -> int:
        """Size of the inputs in bytes, as far as it is known."""
        return sum(entry.bytes or 0 for job in self.jobs for entry in job.inputs)


def content_digest(content: Any) -> str:
    """The SHA-256 of plain values, independent of the order of keys.

    Of a plan these are the values in its file: a later version may know more settings.
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Changes:
    """How a new listing differs from that of a plan: paths."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        groups = ((what, getattr(self, what)) for what in ("added", "changed", "removed"))
        return "; ".join(f"{len(paths)} {what}: {some([*map(repr, paths)], 3)}" for what, paths in groups if paths)


def made_plan(production: Production, listing: Listing, sources: Sequence[Source] = ()) -> Plan:
    """The plan of a new production: each sample's inputs in order, `files_per_job` to a job."""
    recipes = _recipes(production, sources)
    jobs = [
        job
        for sample in production.samples
        for job in _new_jobs(sample.name, listing[sample.name], production.files_per_job, recipes[sample.name])
    ]
    bases = {sample.name: common_folder(listing[sample.name]) for sample in production.samples}
    return Plan(production=production, sources=tuple(sources), bases=bases, jobs=tuple(jobs))


def grown_plan(old: Plan, production: Production, listing: Listing) -> tuple[Plan, Changes]:
    """The plan for a changed listing.

    Old jobs keep their names and those inputs that still exist; new inputs get new jobs. So only what changed is made
    again.
    """
    recipes = _recipes(production, old.sources)
    changes, jobs = listing_changes(old, listing), list[Job]()
    for sample in production.samples:
        now = {entry.path: entry for entry in listing[sample.name]}
        mine = [job for job in old.jobs if job.sample == sample.name]
        for job in mine:
            inputs = tuple(now.pop(entry.path) for entry in job.inputs if entry.path in now)
            if inputs:
                jobs.append(_job(job.part, sample.name, inputs, recipes[sample.name]))
        first = 1 + max((int(job.part.rpartition("-")[2]) for job in mine), default=-1)
        jobs += _new_jobs(sample.name, list(now.values()), production.files_per_job, recipes[sample.name], first)
    return old.model_copy(update={"production": production, "jobs": tuple(jobs)}), changes


def listing_changes(plan: Plan, listing: Listing) -> Changes:
    """How the listing differs from what the plan was made of."""
    old = {(job.sample, entry.path): entry for job in plan.jobs for entry in job.inputs}
    new = {(sample, entry.path): entry for sample, entries in listing.items() for entry in entries}
    return Changes(
        added=tuple(key[1] for key in new if key not in old),
        changed=tuple(key[1] for key in new if key in old and not is_same(old[key], new[key])),
        removed=tuple(key[1] for key in old if key not in new),
    )


def is_same(old: Entry, new: Entry) -> bool:
    """Whether an input has not changed; what is unknown in one of the two is not compared."""
    pairs = ((getattr(old, name), getattr(new, name)) for name in ("bytes", "mtime_ns", "sha256"))
    return all(a == b for a, b in pairs if a is not None and b is not None)


def setting_changes(old: Plan, production: Production, sources: Sequence[Source]) -> list[str]:
    """Lines `name: was x, is y` for settings that decide the content of parts."""
    before, after = _decisive(old.production), _decisive(production)
    was, now_is = ({sample.name for sample in each.samples} for each in (old.production, production))
    apart = sorted(was ^ now_is)
    lines = [f"sample '{name}': it is {'new' if name in now_is else 'gone'}" for name in apart]
    reported = tuple(f"sample '{name}', " for name in apart)
    lines += [
        f"{name}: was {json.dumps(before.get(name))}, is {json.dumps(after.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and not name.startswith(reported)
    ]
    held = {source.path: source.sha256 for source in old.sources}
    now = {source.path: source.sha256 for source in sources}
    lines += [f"{path}: its content has changed" for path in now if held.get(path, now[path]) != now[path]]
    return lines


def _decisive(production: Production) -> dict[str, Any]:
    """Settings that decide what jobs make, flat; inputs are not among them."""
    values = production.model_dump(mode="json", by_alias=True, exclude={"samples", "output"})
    for name in (*ABOUT_DATASET, *ABOUT_RUNNING, "windows", "weights"):
        values.pop(name, None)
    values["weights"] = str(production.weights) if production.weights else None
    for sample in production.samples:
        settings = production.settings_of(sample).model_dump(mode="json")
        values |= {f"sample '{sample.name}', {name}": value for name, value in settings.items()}
    return values


def _recipes(production: Production, sources: Sequence[Source]) -> dict[str, str]:
    """A hash for each sample of what decides its parts, apart from the inputs."""
    held = {source.path: source.sha256 for source in sources}
    recipes = {}
    for sample in production.samples:
        settings = production.settings_of(sample)
        content = {
            "kind": production.kind,
            "formats": production.formats,
            "compression": production.compression,
            "settings": settings.model_dump(mode="json", exclude={"wp_file"}),
            "wp_file": str(settings.wp_file) if is_packaged(settings.wp_file) else held.get(str(settings.wp_file)),
            "features_def": held.get(str(production.features_def), production.features_def),
            "weights": held.get(str(production.weights)),
        }
        recipes[sample.name] = content_digest(content)
    return recipes


def _new_jobs(sample: str, entries: Sequence[Entry], files_per_job: int, recipe: str, first: int = 0) -> Iterator[Job]:
    for number, start in enumerate(range(0, len(entries), files_per_job), first):
        yield _job(f"{sample}-{number:05d}", sample, tuple(entries[start : start + files_per_job]), recipe)


def _job(part: str, sample: str, inputs: tuple[Entry, ...], recipe: str) -> Job:
    rows = [(entry.path, entry.bytes, entry.mtime_ns, entry.sha256) for entry in inputs]
    return Job(part=part, sample=sample, inputs=inputs, digest=content_digest([recipe, rows]))


def common_folder(entries: Sequence[Entry]) -> str:
    """The folder that holds all local inputs of a sample; empty where there is none."""
    local = [os.path.dirname(entry.path) for entry in entries if not is_remote(entry.path)]
    return os.path.commonpath(local) if local else ""


def recorded_name(path: str, base: str) -> str:
    """The name of an input in manifests: its path below the common folder of its sample, or its complete URL."""
    return path if is_remote(path) or not base else os.path.relpath(path, base)


@dataclass(frozen=True)
class Merge:
    """A merged part: its name, and the indices in the plan of the jobs whose parts it contains, in order."""

    part: str
    jobs: tuple[int, ...]


def merges_of(plan: Plan) -> list[Merge]:
    """The merged parts of a plan, each of neighbouring parts of one sample; none where merging is not asked for."""
    size = plan.production.merge
    if size is None:
        return []
    merges = []
    for sample, found in groupby(range(len(plan.jobs)), lambda number: plan.jobs[number].sample):
        numbers = tuple(found)
        groups = [numbers[first : first + size] for first in range(0, len(numbers), size)]
        merges += [Merge(f"{sample}_merged_{count:05d}", group) for count, group in enumerate(groups)]
    return merges
