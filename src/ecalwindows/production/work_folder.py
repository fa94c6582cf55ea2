"""Where the files of a production are while it runs, and how they are read and written.

WORK/plan.json  lock  finalised.json
WORK/parts/<format>/     flat folders of parts with their manifests, as `ecalwindows finalize` takes them, each part
                         divided by splits (dataset/part_output.py)
WORK/merged/<format>/    the same of merged parts, where merging is asked for
WORK/jobs/<part>.json    outcome of each job
WORK/logs/<part>.log     what it printed
WORK/scratch/            what is being made
WORK/numba/<processor>/  compiled kernels
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.json_files import UnreadableError, parsed_model, read_object
from ecalwindows.core.files.output import write_text_atomically
from ecalwindows.dataset.part_output import keys_name, split_name
from ecalwindows.formats.manifest import FOLDER
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, FORMATS, MATCHED, PART_SUFFIXES, UNMATCHED
from ecalwindows.formats.writers import Format
from ecalwindows.production.errors import ProductionError
from ecalwindows.production.plan import FORM, Plan, content_digest
from ecalwindows.production.settings import Production, read_production

PLAN = "plan.json"


@dataclass(frozen=True)
class Place:
    """The folder of a production."""

    work: Path

    @property
    def plan(self) -> Path:
        """The plan."""
        return self.work / PLAN

    @property
    def lock(self) -> Path:
        """The file that a runner holds."""
        return self.work / "lock"

    @property
    def finalized(self) -> Path:
        """What was finalized last."""
        return self.work / "finalised.json"

    @property
    def submitted(self) -> Path:
        """The last submission to HTCondor."""
        return self.work / "htcondor" / "submitted.json"

    @property
    def scratch(self) -> Path:
        """What is being made."""
        return self.work / "scratch"

    def parts(self, format: Format) -> Path:
        """The parts of a format."""
        return self.work / "parts" / format

    def merged(self, format: Format) -> Path:
        """The merged parts of a format."""
        return self.work / "merged" / format

    def manifest(self, format: Format, part: str) -> Path:
        """The manifest of a part."""
        return self.parts(format) / FOLDER / "manifests" / manifest_name(format, part)

    def state(self, part: str) -> Path:
        """The outcome of a job."""
        return self.work / "jobs" / f"{part}.json"

    def log(self, part: str) -> Path:
        """What it printed."""
        return self.work / "logs" / f"{part}.log"


def manifest_name(format: Format, part: str) -> str:
    """The name of the manifest of a part, however its NDJSON is compressed."""
    return f"{part}{PART_SUFFIXES[format]}.json"


def part_files(production: Production, format: Format, part: str) -> set[str]:
    """Names, relative to the folder of parts, of all files that a part may have. Pure."""
    names = {f"{FOLDER}/manifests/{manifest_name(format, part)}", keys_name(part)}
    for stem in (split_name(part, split) for split in (None, *production.splits)):
        if format == "tfrecord":
            names |= {f"{MATCHED}/calomatch_{stem}.proto", f"{UNMATCHED}/nocalomatch_{stem}.proto"}
        else:
            names |= {stem + production.suffix(format)} | ({stem + EVENTS_SUFFIX} if format == "ndjson" else set())
    return names


def make_folders(place: Place) -> None:
    """Make what is missing. Raises ProductionError, and OutputError where a folder of the production is a link."""
    refuse_links([*_own_files(place), *_own_folders(place)])
    if folders := [path for path in _own_files(place) if path.is_dir()]:
        raise ProductionError(
            f"{folders[0].name} is a folder", expected="a file, or nothing", where=str(folders[0]), todo="remove it"
        )
    try:
        for name in ("jobs", "logs", "scratch"):
            (place.work / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ProductionError(
            f"the work folder cannot be made: {error.strerror}", expected="a folder that you may write to",
            where=str(place.work), todo="name another with work_folder in the YAML file",
        ) from error  # fmt: skip


def _own_files(place: Place) -> list[Path]:
    """The files that a production writes to and reads as its own, beside those of jobs."""
    return [place.plan, place.lock, place.finalized, place.submitted]


def _own_folders(place: Place) -> Iterator[Path]:
    """The folders that a production writes to, reads as its own, and clears."""
    yield from (place.work / name for name in ("jobs", "logs", "scratch", "htcondor", "htcondor/dry-run", "numba"))
    for above in (place.work / "parts", place.work / "merged"):
        yield above
        for format in FORMATS:
            base = above / format
            yield base
            yield from (base / name for name in (MATCHED, UNMATCHED, FOLDER, f"{FOLDER}/manifests", f"{FOLDER}/keys"))


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan with its digest, atomically. Raises OutputError."""
    content = {"digest": plan.digest, "plan": json.loads(plan.content)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomically(path, json.dumps(content, indent=1) + "\n")


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises ProductionError for one that cannot be read or was edited."""
    try:
        content = read_object(path)
        form = (content.get("plan") or {}).get("form")
        if form != FORM:
            raise UnreadableError(f"it has form {form}, this version reads form {FORM}")
        plan = parsed_model(json.dumps(content["plan"]), Plan)
    except (UnreadableError, AttributeError) as error:
        reason = error.reason if isinstance(error, UnreadableError) else "it has another shape"
        raise ProductionError(
            f"the plan cannot be read: {reason}",
            expected="a plan as `ecalwindows production` writes it", where=str(path),
            todo="restore it, or make all again with `ecalwindows production run FILE --redo`",
        ) from error  # fmt: skip
    if content_digest(content["plan"]) != content.get("digest"):
        raise ProductionError(
            "the plan was edited: its content is not that of its digest",
            expected="the plan as it was written: parts that exist were made by it", where=str(path),
            todo="change the YAML file instead; `ecalwindows production run FILE --redo` makes all again",
        )  # fmt: skip
    return plan


def find_place(path: str | Path) -> Place:
    """The production meant by a YAML file, a plan, a work folder, or the folder of the dataset.

    Raises SettingsError where there is none, or it was not begun.
    """
    path = Path(path)
    of_file = path.is_file() and path.suffix in (".yaml", ".yml")
    for folder in [read_production(path).work] if of_file else _candidates(path):
        if (folder / PLAN).is_file():
            return Place(folder.absolute())
    raise SettingsError(
        "there is no production", expected="its YAML file, its work folder or the folder of its dataset",
        where=str(path), todo="check the path, or start it with `ecalwindows production run FILE`",
    )  # fmt: skip


def _candidates(path: Path) -> Iterator[Path]:
    yield path
    if path.name == PLAN:
        yield path.parent
    yield path.with_name(f"{path.name}.production")


def this_processor() -> str:
    """A name for the kind of processor of this host, for the cache of compiled code."""
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        facts = sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU part"))})
    except OSError:
        facts = [platform.processor()]
    return f"{platform.machine()}-{hashlib.sha256(os.linesep.join(facts).encode()).hexdigest()[:12]}"
