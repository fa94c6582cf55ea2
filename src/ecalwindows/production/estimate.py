"""An estimate of time and output of a production: some events of one file of each sample are made and scaled up."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ecalwindows.commands.windows import Report, write_windows
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dumper.headers import check_inputs
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.writers import Format
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
    probes = [_probe(plan, probe.path, settings, format, events) for format in plan.production.formats]
    counts = probes[0][0].counts
    n_events = check_inputs([probe.path], WindowSettings(tree=settings.tree), frozenset()).n_events  # from its header
    share = max(counts.events, 1) / max(n_events, 1)
    scale = sum(entry.bytes or 0 for entry in entries) / (probe.bytes or 1) / share
    seconds, size = sum(report.seconds for report, _ in probes), sum(size for _, size in probes)
    return Estimate(name, counts.events * scale, counts.windows_kept * scale, seconds * scale, size * scale)


def _probe(plan: Plan, path: str, settings: WindowSettings, format: Format, events: int) -> tuple[Report, int]:
    """The first events in one format, and bytes of output; one event is made before, so that compiling is not timed."""

    def written(folder: str, n: int) -> Report:
        out = Path(folder) / f"{n}{plan.production.suffix(format)}"
        definition = features_definition(plan.production.features_def)
        return write_windows(path, out, settings, format=format, reading=Reading(events=(0, n)), definition=definition)

    with tempfile.TemporaryDirectory(prefix="ecalwindows-estimate-") as folder:
        written(folder, 1)
        report = written(folder, events)
        return report, sum(file.stat().st_size for file in report.outputs)
