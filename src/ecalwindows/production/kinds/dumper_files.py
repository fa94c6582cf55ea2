"""Parts made of dumper files: windows, and tables of matched clusters (docs/truth.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecalwindows.commands.truth.match import MatchReport, write_matches
from ecalwindows.commands.windows import Report, write_windows
from ecalwindows.core.events import Events
from ecalwindows.dumper.inputs import input_files
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.writers import Format
from ecalwindows.production.job_state import BadInput
from ecalwindows.production.kinds.parts import MadePart
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.remote_inputs import with_answers
from ecalwindows.windowing.pipeline import Made
from ecalwindows.windowing.seed_reasons import seed_lines


class DumperFiles:
    """Inputs that are dumper files."""

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """Files, `*.root` of folders at any depth, globs, URLs."""
        return input_files(inputs)


class WindowParts(DumperFiles):
    """Windows of dumper files."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """The windows of the job's inputs."""
        production = plan.production
        prints_seeds = production.debug and format == production.formats[0]

        def write() -> Report:
            return write_windows(
                [entry.path for entry in job.inputs],
                folder if format == "tfrecord" else folder / f"{job.part}{production.suffix(format)}",
                production.settings_of(production.sample(job.sample)),
                format=format,
                definition=features_definition(production.features_def),
                weights=production.weights if format == "tfrecord" else None,
                reading=_reading(production.strict),
                part=job.part,
                observer=_print_seeds if prints_seeds else None,
            )

        report = with_answers(write)
        return MadePart(report.counts.windows_kept, report.counts.events, _bad(report))


class MatchedParts(DumperFiles):
    """Matched clusters of dumper files."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """The matched clusters of the job's inputs."""
        production = plan.production
        settings, paths = production.settings_of(production.sample(job.sample)), [entry.path for entry in job.inputs]
        output, reading = folder / f"{job.part}.parquet", _reading(production.strict)
        report = with_answers(lambda: write_matches(paths, output, settings, reading=reading))
        return MadePart(report.counts.matched, report.counts.events, _bad(report))


def _reading(strict: bool) -> Reading:
    return Reading(skip_bad_files=not strict, all_may_be_bad=not strict, warns=False)


def _bad(report: Report | MatchReport) -> list[BadInput]:
    return [BadInput(path=error.where, reason=error.found) for error in report.bad]


def _print_seeds(events: Events, made: Made) -> None:
    """Into the log of the job."""
    for line in seed_lines(events, made):
        print(line)
