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
from ecalwindows.windowing.pipeline import Counts

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
    counts = probes[0].counts
    share = max(counts.events, 1) / max(events_in(probe.path, settings.tree), 1)
    scale = sum(entry.bytes or 0 for entry in entries) / (probe.bytes or 1) / share
    seconds, size = sum(each.seconds for each in probes), sum(each.bytes for each in probes)
    return Estimate(name, counts.events * scale, counts.windows_kept * scale, seconds * scale, size * scale)


@dataclass(frozen=True)
class _Probe:
    counts: Counts
    seconds: float
    bytes: int


def _probe(plan: Plan, path: str, settings: WindowSettings, format: Format, events: int) -> _Probe:
    """The first events in one format; before that one event is made, so that compiling is not timed."""

    def written(folder: str, n: int) -> Report:
        out = Path(folder) / f"{n}{plan.production.suffix(format)}"
        definition = features_definition(plan.production.features_def)
        return write_windows(path, out, settings, format=format, reading=Reading(events=(0, n)), definition=definition)

    with tempfile.TemporaryDirectory(prefix="ecalwindows-estimate-") as folder:
        written(folder, 1)
        report = written(folder, events)
        return _Probe(report.counts, report.seconds, sum(file.stat().st_size for file in report.outputs))


def events_in(path: str, tree: str) -> int:
    """Number of events of a file, from its header."""
    return check_inputs([path], WindowSettings(tree=tree), frozenset()).n_events
