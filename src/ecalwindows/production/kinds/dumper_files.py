"""Parts made of dumper files: windows, and tables of matched clusters (docs/truth.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from ecalwindows.commands.truth.match import MatchReport, write_matches
from ecalwindows.commands.windows import Report, write_outputs
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.events import Events
from ecalwindows.dumper.inputs import input_files
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.writers import Format, OutputPlan, output_plan
from ecalwindows.production.job_state import BadInput
from ecalwindows.production.kinds.parts import MadePart
from ecalwindows.production.plan import Job, Plan
from ecalwindows.production.remote_inputs import with_answers
from ecalwindows.production.settings import Production
from ecalwindows.windowing.pipeline import Made
from ecalwindows.windowing.seed_reasons import seed_lines


class DumperFiles:
    """Inputs that are dumper files."""

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """Files, `*.root` of folders at any depth, globs, URLs."""
        return input_files(inputs)


class WindowParts(DumperFiles):
    """Windows of dumper files."""

    def make(self, plan: Plan, job: Job, folders: Mapping[Format, Path]) -> MadePart:
        """The windows of the job's inputs, read once for all formats."""
        production = plan.production
        plans = window_plans(production, job.part, folders)

        def write(reading: Reading) -> Report:
            return write_outputs(
                [entry.path for entry in job.inputs],
                plans,
                production.settings_of(production.sample(job.sample)),
                reading=reading,
                as_part=True,
                splits=production.split_rule,
                observer=_print_seeds if production.debug else None,
            )

        def write_readable() -> Report:
            """Without reading each input twice, as leaving out bad ones does, unless one of them is bad."""
            if not production.debug:
                with suppress(BadFileError):
                    return write(_reading(strict=True))
            return write(_reading(production.strict))

        report = with_answers(write_readable)
        return MadePart(report.counts.windows_kept, report.counts.events, _bad(report))


class MatchedParts(DumperFiles):
    """Matched clusters of dumper files."""

    def make(self, plan: Plan, job: Job, folders: Mapping[Format, Path]) -> MadePart:
        """The matched clusters of the job's inputs."""
        production = plan.production
        settings, paths = production.settings_of(production.sample(job.sample)), [entry.path for entry in job.inputs]
        output, reading = folders["matches"] / f"{job.part}.parquet", _reading(production.strict)
        report = with_answers(lambda: write_matches(paths, output, settings, reading=reading))
        return MadePart(report.counts.matched, report.counts.events, _bad(report))


def window_plans(production: Production, part: str, folders: Mapping[Format, Path]) -> list[OutputPlan]:
    """The outputs of a part of windows, one for each format."""
    return [
        output_plan(
            folder if format == "tfrecord" else folder / f"{part}{production.suffix(format)}",
            format, production.features_def if format == "parquet" else None, part=part,
            weights=production.weights if format == "tfrecord" else None,
        )
        for format, folder in folders.items()
    ]  # fmt: skip


def _reading(strict: bool) -> Reading:
    return Reading(skip_bad_files=not strict, all_may_be_bad=not strict, warns=False)


def _bad(report: Report | MatchReport) -> list[BadInput]:
    return [BadInput(path=error.where, reason=error.found) for error in report.bad]


def _print_seeds(events: Events, made: Made) -> None:
    """Into the log of the job."""
    for line in seed_lines(events, made):
        print(line)
