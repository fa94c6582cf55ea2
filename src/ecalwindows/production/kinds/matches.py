"""Parts of kind `matches`: tables of matched clusters of dumper files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecalwindows.commands.truth.match import write_matches
from ecalwindows.dumper.inputs import input_files
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.writers import Format
from ecalwindows.production.answers import answered
from ecalwindows.production.job_state import BadInput
from ecalwindows.production.kinds.parts import MadePart
from ecalwindows.production.plan import Job, Plan


class MatchedParts:
    """Matched clusters of dumper files (docs/truth.md)."""

    def make(self, plan: Plan, job: Job, format: Format, folder: Path) -> MadePart:
        """The matched clusters of the job's inputs."""
        production = plan.production
        sample = next(each for each in production.samples if each.name == job.sample)
        reading = Reading(skip_bad_files=not production.strict, all_may_be_bad=not production.strict, warns=False)
        report = answered(
            lambda: write_matches(
                [entry.path for entry in job.inputs],
                folder / f"{job.part}.parquet",
                production.settings_of(sample),
                reading=reading,
            )
        )
        bad = [BadInput(path=error.where, reason=error.found) for error in report.bad]
        return MadePart(report.counts.matched, report.counts.events, bad)

    def input_files(self, inputs: Sequence[str]) -> list[str]:
        """Files, `*.root` of folders at any depth, globs, URLs."""
        return input_files(inputs)
