"""Parts of kind `windows`: windows of dumper files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecalwindows.commands.windows import Report, write_windows
from ecalwindows.core.events import Events
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dumper.inputs import input_files
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.writers import Format
from ecalwindows.production.answers import answered
from ecalwindows.production.job_state import BadInput
from ecalwindows.production.kinds.parts import MadePart
from ecalwindows.production.plan import Job, Plan
from ecalwindows.windowing.pipeline import Made
from ecalwindows.windowing.seed_reasons import seed_lines


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
            reading=Reading(skip_bad_files=not production.strict, all_may_be_bad=not production.strict, warns=False),
            part=job.part,
            observer=_tell_seeds if production.debug and format == production.formats[0] else None,
        )


def _tell_seeds(events: Events, made: Made) -> None:
    """To the log of the job."""
    for line in seed_lines(events, made):
        print(line)
