"""An estimate of time and output of a production: some events of one file of each sample are made and scaled up."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ecalwindows.commands.windows import Report, write_outputs
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dumper.headers import check_inputs
from ecalwindows.dumper.reading import Reading
from ecalwindows.production.kinds.dumper_files import window_plans
from ecalwindows.production.plan import Plan

EVENTS = 500
"""Events that are made."""


@dataclass(frozen=True)
class Estimate:
    """Of a sample: events, windows, seconds of one processor, bytes of output."""

    sample: str
    events: float
    windows: float
    seconds: float
    bytes: float


def estimates(plan: Plan, *, events: int = EVENTS) -> list[Estimate]:
    """An estimate of each sample. Raises an EcalWindowsError for a file that cannot be read, and for another kind."""
    if plan.production.kind != "windows":
        raise SettingsError(
            f"time and output of kind '{plan.production.kind}' are not estimated", expected="kind windows",
            where="--estimate", todo="leave out --estimate",
        )  # fmt: skip
    return [_estimate(plan, sample.name, events) for sample in plan.production.samples]


def _estimate(plan: Plan, name: str, events: int) -> Estimate:
    """The number of events of all files is estimated from their sizes."""
    entries = [entry for job in plan.jobs if job.sample == name for entry in job.inputs]
    probe = sorted(entries, key=lambda entry: entry.bytes or 0)[len(entries) // 2]
    settings = plan.production.settings_of(plan.production.sample(name))
    report, size = _probe(plan, probe.path, settings, events)
    counts = report.counts
    n_events = check_inputs([probe.path], WindowSettings(tree=settings.tree), frozenset()).n_events  # from its header
    share = max(counts.events, 1) / max(n_events, 1)
    scale = sum(entry.bytes or 0 for entry in entries) / (probe.bytes or 1) / share
    return Estimate(name, counts.events * scale, counts.windows_kept * scale, report.seconds * scale, size * scale)


def _probe(plan: Plan, path: str, settings: WindowSettings, events: int) -> tuple[Report, int]:
    """The first events, read once for all formats, and bytes of output.

    One event is made before, so that compiling is not timed.
    """

    def written(folder: Path, n: int) -> Report:
        folders = {format: folder / str(n) / format for format in plan.production.formats}
        plans = window_plans(plan.production, "0", folders)
        return write_outputs(path, plans, settings, reading=Reading(events=(0, n), warns=False))

    with tempfile.TemporaryDirectory(prefix="ecalwindows-estimate-") as folder:
        written(Path(folder), 1)
        report = written(Path(folder), events)
        return report, sum(file.stat().st_size for file in report.outputs)
