"""The main job: inputs -> batches -> one output. Joins the edges and the pure middle, and counts what happened."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ecalwindows.core.arrays import keep_freed_memory
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.events import Events
from ecalwindows.core.files.adler32 import NOTHING, BegunSums, adler32
from ecalwindows.core.files.file_state import refuse_changed
from ecalwindows.core.files.output import (
    check_output,
    is_replaced,
    is_special,
    no_empty_folders,
    refuse_inputs,
    refuse_shared,
    written_atomically,
)
from ecalwindows.core.names import storable
from ecalwindows.core.progress import Progress
from ecalwindows.core.schema import DATA_MODEL_VERSION, TRUTH
from ecalwindows.core.settings import GivenSettings, WindowSettings, settings_of
from ecalwindows.core.threads import Threads
from ecalwindows.core.urls import is_remote
from ecalwindows.core.version import revision, version
from ecalwindows.core.working_points import WorkingPoints, read_working_points
from ecalwindows.dataset.input_warnings import input_warnings
from ecalwindows.dataset.part_output import PartOutput, part_output
from ecalwindows.dataset.splits import Splits
from ecalwindows.dumper.headers import Input, Inputs, settings_for
from ecalwindows.dumper.read import no_events
from ecalwindows.dumper.reading import Reading, ReadReport, checked_inputs, iter_results, reading_of
from ecalwindows.formats.manifest import FileRecord, InputRecord, Manifest
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.writers import OutputPlan, check_outputs, encoder, output_plans, put_all
from ecalwindows.windowing.pipeline import Counts, Made, make_windows

log = logging.getLogger(__name__)


T = TypeVar("T")
Observer = Callable[[Events, Made], None]


@dataclass
class Report(ReadReport):
    """What a run did."""

    counts: Counts = field(default_factory=Counts)
    outputs: list[Path] = field(default_factory=list)
    replaced: frozenset[Path] = frozenset()
    has_truth: bool = True
    seconds: float = 0.0


def iter_made(
    inputs: Inputs,
    settings: WindowSettings,
    threshold: WorkingPoints,
    *,
    reading: Reading,
    report: Report,
) -> Iterator[Made]:
    """Windows of all inputs, step by step, in order; fills the report. At least one step, empty if need be."""
    steps = iter_encoded(inputs, settings, threshold, _as_made, reading=reading, report=report)
    return (made for made, _ in steps)


def _as_made(batch: WindowBatch) -> None:
    """Only the windows are wanted."""


def iter_encoded(
    inputs: Inputs,
    settings: WindowSettings,
    threshold: WorkingPoints,
    encode: Callable[[WindowBatch], T],
    *,
    reading: Reading,
    report: Report,
    observer: Observer | None = None,
    threads: Threads | None = None,
    when_read: Callable[[Input], None] | None = None,
) -> Iterator[tuple[Made, T]]:
    """The steps of `iter_made`, and what `encode` makes of their batches, in any thread."""

    def work(file: Input, events: Events) -> tuple[Made, T]:
        made = make_windows(events, settings, threshold, use_pileup=file.use_pileup)
        return made, encode(made.batch)

    def work_on_none() -> tuple[Made, T]:
        made = make_windows(no_events(), settings, threshold, use_pileup=False)
        return made, encode(made.batch)

    empty = (threads or Threads()).begin(work_on_none)  # loads compiled code, with threads while the first step is read
    steps = iter_results(inputs, settings, work, reading=reading, report=report, threads=threads, when_read=when_read)
    step = next(steps, None)
    yield empty.result()
    del empty
    while step is not None:
        _, events, (made, encoded) = step
        report.counts += made.counts
        if observer:
            observer(events, made)
        yield made, encoded
        del step, events, made, encoded  # they are free before the next ones are read
        step = next(steps, None)


def prepared(
    inputs: Any, settings: WindowSettings, wanted: Collection[str], reading: Reading
) -> tuple[Inputs, WorkingPoints, WindowSettings]:
    """Working points read and all headers checked: what can fail early fails here.

    Returns
    -------
    inputs, working points, and the settings with `truth` as it is in the inputs
    """
    threshold = read_working_points(settings.wp_file, settings.assoc_strategy)
    checked = checked_inputs(inputs, settings, wanted, reading)
    return checked, threshold, settings_for(checked, settings)


def write_windows(
    inputs: Any,
    output: str | Path | Sequence[str | Path],
    settings: GivenSettings = None,
    *,
    format: str | None = None,
    definition: FeaturesDefinition | str | Path | None = None,
    weights: str | Path | None = None,
    part: str = "0",
    reading: Reading | Mapping[str, Any] | None = None,
    overwrite: bool = True,
    progress: Progress | None = None,
    observer: Observer | None = None,
    begun: BegunSums | None = None,
) -> Report:
    """Make the windows of dumper files and write them to one output, atomically; or to several, all of them or none.

    inputs : a file, folder, glob or URL, or a list of them
    settings : `WindowSettings`, a dictionary of them, or the path of a YAML file; by default all defaults
    reading : `Reading`, or a dictionary of its fields
    output : file name; its suffix (or `format`) chooses between Parquet and NDJSON; a folder for TFRecord (by `format`)
        or a list of them, where `format` is that of the names that show none
    definition : what Parquet holds, or its name ("default", "seed") or JSON file
    weights : file of weights for TFRecord; none: all windows weigh 1
    part : name of the part, which TFRecord has in its file names
    begun : checksums of inputs that were begun while the program started
    Raises an EcalWindowsError for anything that a user can correct; then nothing has changed under the output's name.
    """
    paths = [Path(path) for path in ([output] if isinstance(output, str | Path) else output)]
    plans = output_plans(paths, format, definition, part=part, weights=weights)
    return write_outputs(inputs, plans, settings, reading=reading, overwrite=overwrite, progress=progress,
                         observer=observer, begun=begun)  # fmt: skip


def write_outputs(
    inputs: Any,
    plans: Sequence[OutputPlan],
    settings: GivenSettings = None,
    *,
    reading: Reading | Mapping[str, Any] | None = None,
    overwrite: bool = True,
    as_part: bool = False,
    splits: Splits | None = None,
    progress: Progress | None = None,
    observer: Observer | None = None,
    begun: BegunSums | None = None,
) -> Report:
    """Make the windows of dumper files once and write them to several outputs, all of them or none.

    Each has the bytes that it would have alone; see `write_windows` for the other parameters and errors.

    as_part : as parts of a production, with the hashes of events beside them; splits : by which these are divided
    """
    began = time.monotonic()
    keep_freed_memory()
    settings, reading = settings_of(settings), reading_of(reading)
    plans = [plan.with_second(settings.also_superclusters) for plan in plans]
    if settings.also_superclusters and any(plan.format == "tfrecord" for plan in plans):
        log.warning("TFRecord has a fixed layout, and does not hold the columns of %s", settings.also_superclusters)
    outputs = [part_output(plan, splits) if as_part else PartOutput(plan) for plan in plans]
    every = [path for output in outputs for path in output.all_paths]
    refuse_shared(every)
    with no_empty_folders(every):
        for output in outputs:
            for plan in output.plans:
                check_outputs(plan, overwrite=overwrite)
            if output.has_keys:
                check_output(output.keys_path, overwrite=True)
        wanted = frozenset[str]().union(*(plan.wanted for plan in plans))
        checked, threshold, settings = prepared(inputs, settings, wanted, reading)
        if not settings.has_truth:
            outputs = [replace(output, plan=output.plan.without(TRUTH)) for output in outputs]
        data = [path for output in outputs for path in output.paths]
        refuse_inputs(data, [*checked.paths, settings.wp_file or ""])
        report = Report(outputs=data, replaced=frozenset(filter(is_replaced, data)), has_truth=settings.has_truth)
        origin = data_origin(settings, threshold)
        metadata = {"ecalwindows": json.dumps(origin, sort_keys=True)}
        new = () if overwrite else data
        with written_atomically(every, new=new) as given, Threads(reading.jobs) as threads:
            place = dict(zip(every, given, strict=True))
            described = [output for output in outputs if not is_special(output.plan.path)]
            sums = Checksums(threads, begun)
            with ExitStack() as stack:
                writers = [
                    writer
                    for output in outputs
                    for writer in output.open(place, metadata, settings.sample, stack, threads)
                ]
                later = stack.enter_context(threads.later())
                encode = encoder(writers, threads=threads.n)
                for _, pieces in iter_encoded(
                    checked,
                    settings,
                    threshold,
                    encode,
                    reading=reading,
                    report=report,
                    observer=observer,
                    threads=threads,
                    when_read=sums.begin if described else None,
                ):
                    later(put_all, pieces)
                    if progress and report.counts.events:
                        progress(report.counts.events, checked.n_events, report.counts.windows_kept)
            refuse_changed_inputs(checked, report)
            records = input_records(checked, report, sums) if described else []
            written = [file for writer in writers for file in writer.files]
            for output in described:
                own = _with_own_absent(records, output.plan, checked, report, settings)
                manifest = _manifest(output, output.files(place, written), origin, own, report)
                place[output.plan.manifest].write_text(manifest.text(), encoding="utf-8")
    warn_of_inputs(checked, report, reading)
    report.seconds = time.monotonic() - began
    return report


def data_origin(settings: WindowSettings, threshold: WorkingPoints | None) -> dict[str, Any]:
    """What decides the content of data, as data say it of themselves: no path, no time, no host.

    So the same plan gives the same bytes. Without truth, working points decide nothing.
    """
    values = settings.model_copy(update={"wp_file": None}).model_dump(mode="json")
    if not settings.has_truth:
        threshold = None
    values["wp_file"] = storable(settings.wp_file.name) if settings.wp_file and threshold else None
    return {
        "data_model_version": DATA_MODEL_VERSION,
        "version": version,
        "revision": revision,
        "settings": values,
        "working_points_sha256": hashlib.sha256(threshold.text.encode()).hexdigest() if threshold else None,
    }


def _manifest(
    output: PartOutput, files: list[FileRecord], origin: dict[str, Any], inputs: list[InputRecord], report: Report
) -> Manifest:
    """The manifest of an output that is written, but has no name yet."""
    return Manifest(
        format=output.plan.format,
        files=files,
        rows=report.counts.windows_kept,
        columns=output.plan.columns,
        inputs=inputs,
        counts=_counts(report) | {"duplicates": report.n_duplicates},
        bad_inputs=bad_records(report),
        notes=_notes(output.plan) | output.notes,
        **origin,
    )


def _with_own_absent(
    records: Sequence[InputRecord], plan: OutputPlan, inputs: Inputs, report: ReadReport, settings: WindowSettings
) -> list[InputRecord]:
    """The inputs as an output alone would record them: without absent branches that only other outputs need."""
    return [
        record.model_copy(update={"absent": dict(sorted(file.defaults_for(plan.wanted, settings).items()))})
        for record, file in zip(records, _taken(inputs, report), strict=True)
    ]


def _counts(report: Report) -> dict[str, int]:
    """The counts of a run; without truth, none of matched windows and of why others are not."""
    counts = asdict(report.counts)
    return {name: n for name, n in counts.items() if report.has_truth or name not in Counts.OF_TRUTH}


def warn_of_inputs(inputs: Inputs, report: ReadReport, reading: Reading) -> None:
    """Warn of what a user of the data must know of their inputs (absent branches, use of pile-up, duplicates, ...)."""
    found = input_records(inputs, report)
    is_range_wanted = reading.events != (None, None)
    report.warnings = input_warnings(found, bad_records(report), is_range_wanted=is_range_wanted)
    for line in report.warnings if reading.warns else ():
        log.warning("%s", line)


class Checksums:
    """Checksums of inputs, which threads make as soon as a file has been read: then it is still in memory.

    begun : those that were begun before there was other work; they go no further
    """

    def __init__(self, threads: Threads, begun: BegunSums | None = None) -> None:
        self._threads, self._begun = threads, begun
        self._coming: dict[str, Future[str]] = {}
        if begun is not None:
            begun.stop()

    def begin(self, file: Input) -> None:
        """Begin with that of a file; remote files have none."""
        if not is_remote(file.path):
            begun = self._begun.of(file.path, file.state) if self._begun else NOTHING
            self._coming[file.path] = self._threads.begin(partial(adler32, file.path, self._threads, begun))

    def of(self, file: Input) -> str | None:
        """The Adler-32 of a file; None for remote files. Raises OSError."""
        return self._coming[file.path].result() if file.path in self._coming else None


def input_records(inputs: Inputs, report: ReadReport, sums: Checksums | None = None) -> list[InputRecord]:
    """The inputs that were taken, for the manifest, with their checksums if these are given.

    Raises InputError when one has changed between its header and its checksum.
    """
    taken = _taken(inputs, report)
    names = names_below(file.path for file in taken)
    records = [
        InputRecord(
            name=name,
            bytes=file.n_bytes,
            events=file.stop - file.start,
            entries=file.n_events,
            first=file.start,
            duplicates=report.duplicates.get(file.path, 0),
            absent=dict(sorted(file.defaults.items())),
            pileup=file.pileup,
            adler32=sums.of(file) if sums else None,
        )
        for name, file in zip(names, taken, strict=True)
    ]
    if sums:
        refuse_changed_inputs(inputs, report)
    return records


def refuse_changed_inputs(inputs: Inputs, report: ReadReport) -> None:
    """Raise InputError for an input that is not as it was when its header was read: what was read may be of both."""
    refuse_changed({file.path: file.state for file in _taken(inputs, report)})


def _taken(inputs: Inputs, report: ReadReport) -> list[Input]:
    return [file for file in inputs.files if file.path not in {error.where for error in report.bad}]


def bad_records(report: ReadReport) -> list[dict[str, str]]:
    """The inputs that were left out, for the manifest."""
    return [{"name": storable(Path(error.where).name), "reason": storable(error.found)} for error in report.bad]


def _notes(plan: OutputPlan) -> dict[str, Any]:
    """What else decides the data: the file of weights."""
    if plan.weights is None or plan.weights.origin is None:
        return {}
    name, digest = plan.weights.origin
    return {"weights": {"name": storable(name), "sha256": digest}}


def names_below(paths: Iterable[str]) -> list[str]:
    """The paths below their common folder (a single one: its name); URLs stay complete."""
    paths = list(paths)
    local = [str(Path(path).absolute()) for path in paths if not is_remote(path)]
    base = os.path.commonpath([str(Path(path).parent) for path in local]) if local else ""
    return [storable(path if is_remote(path) else Path(path).absolute().relative_to(base).as_posix()) for path in paths]
