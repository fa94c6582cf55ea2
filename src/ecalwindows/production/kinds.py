"""Kinds of parts: what a job makes of its inputs. Windows now; a study over the same files can be another."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from ecalwindows.config import WindowSettings
from ecalwindows.dataset.definition import features_definition
from ecalwindows.dataset.formats import Format
from ecalwindows.errors import BadFileError
from ecalwindows.production.errors import ServerError
from ecalwindows.production.far import WAITS
from ecalwindows.production.place import SUFFIXES
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.state import BadInput
from ecalwindows.remote import is_remote, remote_filesystem
from ecalwindows.run import Reading, ReadReport, Report, write_windows


@dataclass(frozen=True)
class MadePart:
    """What a job made: counts, and inputs that were left out."""

    windows: int = 0
    events: int = 0
    bad: list[BadInput] = field(default_factory=list)


class PartKind(Protocol):
    """A kind of part."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """Make the part of a job in an empty folder: files and manifest, as in a flat folder of parts.

        The same job gives the same bytes anywhere. An input that cannot be read is left out and told, unless the
        production is strict: then it raises BadFileError.
        """
        ...


class WindowParts:
    """Windows of dumper files."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """The windows of the job's inputs."""
        production = plan.production
        sample = next(each for each in production.samples if each.name == job.sample)
        report = answered(lambda: self._written(plan, job, format, folder, production.settings_of(sample)))
        bad = [BadInput(path=error.where, reason=error.found) for error in report.bad]
        return MadePart(report.counts.windows_kept, report.counts.events, bad)

    def _written(self, plan: Plan, job: Job, format: Format, folder: Path, settings: WindowSettings) -> Report:
        production = plan.production
        return write_windows(
            [entry.path for entry in job.inputs],
            folder if format == "tfrecord" else folder / f"{job.part}{SUFFIXES[format]}",
            settings,
            format=format,
            definition=features_definition(production.features_def),
            weights=production.weights if format == "tfrecord" else None,
            reading=Reading(skip_bad_files=not production.strict, all_may_be_bad=not production.strict),
            part=job.part,
        )


Reported = TypeVar("Reported", bound=ReadReport)


def answered(make: Callable[[], Reported]) -> Reported:
    """What `make` reports, made again while inputs on servers are bad: one is bad only when its server answers and it
    still cannot be read. Raises ServerError for a server that does not answer.
    """
    report, bad = _tried(make)
    for number, wait in enumerate(WAITS):
        if not bad or (number and all(server_answers(where) for where in bad)):
            break
        time.sleep(wait)
        report, bad = _tried(make)
    if silent := [where for where in bad if not server_answers(where)]:
        raise ServerError(
            "the server of an input does not answer", expected="an answer", where=silent[0],
            todo="try again later with `ecalwindows production resume`",
        )  # fmt: skip
    if isinstance(report, BadFileError):
        raise report
    return report


def _tried(make: Callable[[], Reported]) -> tuple[Reported | BadFileError, list[str]]:
    """What came of it, and the inputs on servers that were bad."""
    try:
        report = make()
    except BadFileError as error:
        return error, [error.where] if is_remote(error.where) else []
    return report, [error.where for error in report.bad if is_remote(error.where)]


def server_answers(url: str) -> bool:
    """Whether the server of a URL can be asked about it, even if there is no such file."""
    filesystem, path = remote_filesystem(url)
    try:
        filesystem.invalidate_cache()
        filesystem.info(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        return "3011" in str(error) or "No such file" in str(error)
    return True


class LateParts:
    """A kind whose module is imported when a part is made."""

    def __init__(self, module: str, name: str) -> None:
        self._home = module, name

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """As the kind makes it."""
        module, name = self._home
        kind: PartKind = getattr(importlib.import_module(f"ecalwindows.production.{module}"), name)()
        return kind.make(plan, job, format, folder)


KINDS: dict[str, PartKind] = {"windows": WindowParts(), "matches": LateParts("matches_kind", "MatchedParts")}
"""By the name that stands in the YAML file."""
