"""Parts of kind `windows`: windows of dumper files."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ecalwindows.config import WindowSettings
from ecalwindows.dataset.formats import Format
from ecalwindows.dataset.parquet.definition import features_definition
from ecalwindows.dumper.inputs import input_files
from ecalwindows.errors import BadFileError
from ecalwindows.events import Events
from ecalwindows.pipeline import Made
from ecalwindows.production.errors import ServerError
from ecalwindows.production.far import WAITS
from ecalwindows.production.kinds import MadePart
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.state import BadInput
from ecalwindows.remote import is_remote, remote_filesystem
from ecalwindows.reports.seeds import seed_lines
from ecalwindows.run import Reading, Report, write_windows


class WindowParts:
    """Windows of dumper files."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """The windows of the job's inputs."""
        production = plan.production
        sample = next(each for each in production.samples if each.name == job.sample)
        report = answered(lambda: self._written(plan, job, format, folder, production.settings_of(sample)))
        bad = [BadInput(path=error.where, reason=error.found) for error in report.bad]
        return MadePart(report.counts.windows_kept, report.counts.events, bad)

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """Files, `*.root` of folders at any depth, globs, URLs."""
        return input_files(inputs)

    def _written(self, plan: Plan, job: Job, format: Format, folder: Path, settings: WindowSettings) -> Report:
        production = plan.production
        return write_windows(
            [entry.path for entry in job.inputs],
            folder if format == "tfrecord" else folder / f"{job.part}{production.suffix(format)}",
            settings,
            format=format,
            definition=features_definition(production.features_def),
            weights=production.weights if format == "tfrecord" else None,
            reading=Reading(skip_bad_files=not production.strict, all_may_be_bad=not production.strict),
            part=job.part,
            observer=_tell_seeds if production.debug and format == production.formats[0] else None,
        )


def _tell_seeds(events: Events, made: Made) -> None:
    """To the log of the job."""
    for line in seed_lines(events, made):
        print(line)


def answered(make: Callable[[], Report]) -> Report:
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


def _tried(make: Callable[[], Report]) -> tuple[Report | BadFileError, list[str]]:
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
