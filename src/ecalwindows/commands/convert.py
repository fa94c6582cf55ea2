"""Datasets from one format to another: files -> batches -> filled batches -> one output, or one for each N files."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.batch import WindowBatch, empty_batch
from ecalwindows.core.errors import BadFileError, OutputError, SettingsError
from ecalwindows.core.files.file_state import refuse_changed
from ecalwindows.core.files.output import is_replaced, is_special, no_empty_folders, refuse_inputs, written_atomically
from ecalwindows.core.names import storable
from ecalwindows.core.progress import Progress
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, SENTINEL, in_order, second_in
from ecalwindows.core.setting_types import INT32, shown_value
from ecalwindows.core.threads import Later, Threads
from ecalwindows.core.version import revision, version
from ecalwindows.dataset.copies import Print, Prints, refuse_copies
from ecalwindows.dataset.finalizing.merging import join_tables
from ecalwindows.dataset.notes import summed_notes
from ecalwindows.dataset.origins import (
    FLOAT32,
    LEGACY,
    Source,
    inherited_bad_inputs,
    inherited_notes,
    input_records,
    shared_origin,
    source,
    summed_counts,
)
from ecalwindows.dataset.reading.inputs import input_files
from ecalwindows.dataset.stated import check_size, check_stated, check_windows, stated_file
from ecalwindows.formats.manifest import Manifest
from ecalwindows.formats.ndjson.reader import ReadNotes, warning_of
from ecalwindows.formats.ndjson.reader import in_order as in_order_of_reasons
from ecalwindows.formats.ndjson.text_source import Limits
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.readers import read_batches
from ecalwindows.formats.summed_file import file_records
from ecalwindows.formats.writers import (
    OutputPlan,
    Writer,
    check_outputs,
    encoder,
    open_writers,
    output_plan,
    put_all,
)
from ecalwindows.windowing.derived import can_have, filled_batch, needed

MAX_SKIPPED = 100
"""Members of archives that a manifest names as left out."""

log = logging.getLogger(__name__)

NAMES = {"parquet": "records_{}.parquet", "ndjson": "clusters_data_{}.ndjson.zst"}
"""Names of outputs in a folder, by number from 0 on."""

IN_LINES = frozenset({"ieta", "iphi", "iz", "energy_fraction"})
"""The components without which NDJSON holds no hits: what models use. For another one that is not there it has -999."""


@dataclass(frozen=True)
class Task:
    """What is asked for.

    files_per_output : None for one output; definition : of Parquet, or its name or file; None is the default,
        without the columns that the input does not have
    part : name of the part, which TFRecord has in its file names; with files_per_output its number
    all_may_be_bad : inputs of which none can be read give no output, and no error
    jobs : threads; 0 for as many as there are processors
    """

    format: str | None = None
    files_per_output: int | None = None
    flavour: int | None = None
    definition: FeaturesDefinition | str | Path | None = None
    weights: Path | None = None
    limits: Limits = field(default_factory=Limits)
    skip_bad_files: bool = False
    overwrite: bool = True
    part: str = "0"
    all_may_be_bad: bool = False
    jobs: int = 1


@dataclass
class Conversion:
    """What a conversion did.

    kept : windows kept of each bad file, by its path; inherited_bad : inputs that were left out when the last group of
    files was made
    """

    n_files: int = 0
    n_done: int = 0
    windows: int = 0
    clusters: int = 0
    outputs: list[Path] = field(default_factory=list)
    replaced: bool = False
    filled: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)
    notes: ReadNotes = field(default_factory=ReadNotes)
    bad: list[BadFileError] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)
    inherited_bad: list[dict[str, str]] = field(default_factory=list)
    prints: Prints = field(default_factory=Prints, repr=False)
    seconds: float = 0.0


def convert_files(
    inputs: Any, output: str | Path, task: Task | None = None, *, progress: Progress | None = None
) -> Conversion:
    """Write the windows of data files of any format to one output, or one for each `task.files_per_output` files.

    inputs : a file, folder or glob, or a list of them
    output : file name (a folder for TFRecord); with `files_per_output` a folder
    Each output is written atomically, with its manifest. Raises an EcalWindowsError for what a user can correct.
    """
    began, task = time.monotonic(), task or Task()
    _check_flavour(task.flavour)
    files = input_files(inputs)
    refuse_copies(files)
    jobs = list(planned(files, Path(output), task))
    done = Conversion(n_files=len(files), replaced=any(is_replaced(plan.paths[-1]) for plan, _ in jobs))
    with no_empty_folders([path for plan, _ in jobs for path in plan.all_paths]):
        for plan, _ in jobs:
            check_outputs(plan, overwrite=task.overwrite)
        refuse_inputs((path for plan, _ in jobs for path in plan.paths), files)
        with Threads(task.jobs) as threads:
            run = _Run(task, done, threads, progress)
            for plan, group in jobs:
                run.convert(plan, group)
    if not done.outputs and not task.all_may_be_bad:
        raise done.bad[0]
    done.seconds = time.monotonic() - began
    return done


def _check_flavour(flavour: int | None) -> None:
    """Raise SettingsError for one that the column of that name cannot hold."""
    if flavour is not None and not 0 <= flavour < INT32:
        raise SettingsError(
            f"the flavour is {shown_value(flavour)}", expected=f"a number from 0 to {INT32 - 1}", where="--flavour",
            todo="give 11 for electrons, 22 for photons",
        )  # fmt: skip


def planned(files: Sequence[Path], output: Path, task: Task) -> Iterator[tuple[OutputPlan, list[Path]]]:
    """The outputs, and the files that go to each."""
    n = task.files_per_output
    if n is None:
        yield output_plan(output, task.format, task.definition, part=task.part, weights=task.weights), list(files)
        return
    if output.is_file():
        raise OutputError(
            "the output is a file", expected="a folder, with -nfg", where=str(output), todo="name a folder"
        )
    kind = task.format or "parquet"
    for number, first in enumerate(range(0, len(files), n)):
        path = output / NAMES[kind].format(number) if kind in NAMES else output
        plan = output_plan(path, kind, task.definition, part=str(number), weights=task.weights)
        yield plan, list(files[first : first + n])


@dataclass(frozen=True)
class _Run:
    """What all outputs of a conversion share."""

    task: Task
    done: Conversion
    threads: Threads
    progress: Progress | None

    def convert(self, plan: OutputPlan, files: list[Path]) -> None:
        """Make one output."""
        task, done = self.task, self.done
        before, n_bad, met = done.windows, len(done.bad), ReadNotes()
        sources = list(self.sources(files))
        if not sources:
            return
        origin = shared_origin(sources, task.flavour, names_windows="window_index" in plan.wanted)
        if plan.format != "parquet" or task.definition is None:
            plan = plan.with_second(second_in(each.columns for each in sources if each.columns is not None))
        plan, absent = fitted(plan, sources, strict=task.definition is not None)
        if plan.events_path and (any(each.events is None for each in sources) or _of_many_samples(sources)):
            plan = replace(plan, events_path=None)
        notes: dict[str, Any] = {LEGACY: True} if any(each.is_legacy for each in sources) else {}
        notes |= {FLOAT32: True} if any(each.is_rounded for each in sources) else {}
        metadata = {"ecalwindows": json.dumps(origin | ({"notes": notes} if notes else {}), sort_keys=True)}
        filled = {name for each in sources for name in plan.wanted - (each.columns or plan.wanted)}
        with written_atomically(plan.all_paths, new=() if task.overwrite else plan.paths) as places:
            data = places[-len(plan.paths) :]
            with ExitStack() as stack:
                writers = open_writers(replace(plan, events_path=None), data, metadata, stack, self.threads)
                if plan.events_path:
                    join_tables([each.events for each in sources if each.events], data[0])
                writers[0].write(with_columns(empty_batch(plan.wanted), plan))
                later = stack.enter_context(self.threads.later())
                for each in sources:
                    self.file(each, plan, writers[0], met, later)
            notes |= {
                "converted_from": [storable(each.path.name) for each in sources],
                "converted_with": {"version": version, "revision": revision},
                "filled": in_order(filled),
                "absent": in_order(absent),
            }
            done.inherited_bad = inherited_bad_inputs(sources)
            for each in sources:
                refuse_changed(each.states)
            if not is_special(plan.path):
                rows = done.windows - before
                manifest = Manifest(
                    format=plan.format,
                    files=file_records(plan.paths, plan.base, data, writers[0].files),
                    rows=rows,
                    columns=plan.columns,
                    inputs=input_records(sources),
                    counts=summed_counts(sources, rows),
                    bad_inputs=done.inherited_bad + [_bad_record(error, done) for error in done.bad[n_bad:]],
                    notes=summed_notes([inherited_notes(sources), notes | _met_notes(met)]),
                    **origin,
                )
                places[0].write_text(manifest.text(), encoding="utf-8")
        done.notes.take(met)
        done.outputs += plan.paths
        done.absent |= absent
        done.filled |= filled

    def sources(self, files: Iterable[Path]) -> Iterator[Source]:
        """What is known of each file that can be read.

        A file must be what its record or manifest states. With `skip_bad_files` one of another size may be read: the
        windows before the bad place are kept.
        """
        for path in files:
            try:
                stated = stated_file(path)
                if not self.task.skip_bad_files or stated is None or path.stat().st_size == stated.bytes:
                    check_stated(path, stated, completely=True)
                yield source(path, self.task.limits)
            except BadFileError as error:
                self.take_bad(path, error, kept=0)

    def take_bad(self, path: Path, error: BadFileError, kept: int) -> None:
        """Note a bad file, of which some windows are kept; raise its error if bad files are not to be skipped."""
        if not self.task.skip_bad_files:
            raise error
        self.done.bad.append(error)
        self.done.kept[str(path)] = kept

    def file(self, each: Source, plan: OutputPlan, writer: Writer, met: ReadNotes, later: Later) -> None:
        """Have all windows of one file written; of a bad one those before the bad place, when that is asked for."""
        task, done, threads = self.task, self.done, self.threads
        columns = None if each.columns is None else needed(plan.wanted, each.columns)
        began, one, notes = done.windows, Print(), ReadNotes()
        encode = encoder([writer], threads=threads.n)

        def made(batch: WindowBatch) -> tuple[WindowBatch, Iterable[tuple[Writer, Any]]]:
            return batch, encode(with_columns(filled_batch(batch, plan.wanted, flavour=task.flavour), plan))

        batches = threads.ahead(
            read_batches(each.path, columns=columns, limits=task.limits, notes=notes, threads=threads)
        )
        # a file without windows does not show its columns; the first batch of an output decides TFRecord's features
        calls = (partial(made, batch) for batch in batches if len(batch))
        try:
            for batch, pieces in threads.results(calls, first_alone=True):
                one.add(batch)
                later(put_all, pieces)
                done.windows += len(batch)
                done.clusters += len(batch.pair_cluster)
                if self.progress:
                    self.progress(done.n_done, done.n_files, done.windows)
            stated = stated_file(each.path)  # text alone does not show that windows are missing
            check_windows(str(each.path), done.windows - began, stated)
            check_size(each.path, stated)
        except BadFileError as error:
            self.take_bad(each.path, error, kept=done.windows - began)
        done.prints.take(str(each.path), one)
        if notes.reasons:
            log.warning("%s", warning_of(notes.reasons, done.windows - began, notes.reported))
        for doubt in sorted(notes.doubts):
            log.warning("%s: %s", each.path, doubt)
        met.take(notes)
        done.n_done += 1


def _of_many_samples(sources: Sequence[Source]) -> bool:
    """Whether the files are of several samples, which tables of events do not distinguish."""
    settings = [(each.origin or {}).get("settings") or {} for each in sources]
    return len({each.get("sample") or "" for each in settings}) > 1


def _met_notes(met: ReadNotes) -> dict[str, Any]:
    """What was met while reading, for the manifest."""
    lists = {
        "unusable": in_order_of_reasons(met.reasons),
        "unknown_fields": sorted(met.unknown),
        "incomplete_fields": in_order(met.missing),
        "skipped_members": [storable(name) for name in met.skipped[:MAX_SKIPPED]],
        "doubts": sorted(met.doubts),
    }
    return {"unusable_lines": met.reasons.total()} | {name: value for name, value in lists.items() if value}


def _bad_record(error: BadFileError, done: Conversion) -> dict[str, str]:
    """A file that was left out, or not read to its end, for the manifest."""
    kept = done.kept.get(error.where, 0)
    more = f"; the {kept:,} windows before that are kept" if kept else ""
    return {"name": storable(Path(error.where).name), "reason": f"{storable(error.found)}{more}"}


def fitted(plan: OutputPlan, sources: Sequence[Source], *, strict: bool) -> tuple[OutputPlan, set[str]]:
    """The plan for just the columns that all files have or that can be filled, and the names of those left out.

    strict : raise SettingsError when Parquet's definition names a column that is not there
    """
    has = [each.columns for each in sources if each.columns is not None]
    missing = {name for name in plan.wanted if not all(name in names or can_have(name, names) for names in has)}
    if plan.format == "ndjson" and missing & {"is_seed", *IN_LINES}:  # a line has the seed's hits too
        missing |= set(HIT_NAMES)
    if plan.format == "parquet" and strict and missing:
        raise _not_there(missing, sources[0].path)
    plan = plan.without(frozenset(missing))
    if not any(COLUMNS[name].level == "cluster" for name in plan.wanted if name in COLUMNS):
        raise _not_there([name for name in COLUMNS if COLUMNS[name].level == "cluster"][:5], sources[0].path)
    return plan, missing


def _not_there(names: Collection[str], path: Path) -> SettingsError:
    return SettingsError(
        f"the input has no {', '.join(in_order(names))}, and they do not follow from what it has",
        expected="columns that are there, or follow from those that are",
        where=str(path.parent),
        todo="name other columns with -f (or leave it out), or make the dataset again with more of them",
    )


def with_columns(batch: WindowBatch, plan: OutputPlan) -> WindowBatch:
    """The batch with just the columns and hit components of the output; without hits where these are not there.

    In NDJSON each number of a hit has its place: energy and fraction that are not there are -999.
    """
    hits = {name: column for name, column in batch.hits.items() if name in plan.wanted}
    offsets = batch.hits_offsets
    if plan.format == "ndjson" and hits.keys() >= IN_LINES:
        size = len(hits["ieta"])
        hits |= {name: np.full(size, SENTINEL, np.float32) for name in HIT_NAMES if name not in hits}
    if not hits:
        hits = dict(empty_batch(plan.definition.wanted).hits) if plan.format == "parquet" else {}
        offsets = np.zeros_like(offsets)
    return replace(
        batch,
        window={name: column for name, column in batch.window.items() if name in plan.wanted},
        pair={name: column for name, column in batch.pair.items() if name in plan.wanted},
        hits=hits,
        hits_offsets=offsets,
    )
