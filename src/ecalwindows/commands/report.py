"""The driver of `ecalwindows report`: a dataset to one HTML file with its record, distributions and windows."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.commands.steps import Progress, Steps
from ecalwindows.commands.validate import known_settings
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, OutputError
from ecalwindows.core.event_hash import splitmix64
from ecalwindows.core.files.output import check_output, write_text_atomically
from ecalwindows.core.geometry import Geometry, geometry_of
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, Level
from ecalwindows.core.urls import is_remote
from ecalwindows.core.working_points import PACKAGED, WorkingPoints, packaged_working_points, read_working_points
from ecalwindows.dataset.finalizing.identity import IDS, batch_keys
from ecalwindows.dataset.reading.finding import texts
from ecalwindows.dataset.reading.scan import Unit
from ecalwindows.dataset.reading.sources import File
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.formats.manifest import Manifest
from ecalwindows.formats.readers import file_manifest
from ecalwindows.plots.gallery import HEADS
from ecalwindows.plots.style import group_look
from ecalwindows.plots.window import HITS
from ecalwindows.plots.window import NEEDED as NEEDED_OF_VIEWS
from ecalwindows.report import binned, views
from ecalwindows.report.overview import overview
from ecalwindows.report.page import MAX_BYTES, page
from ecalwindows.report.quantities import NOTABLE, SUMMARY, Quantity, derived, quantities
from ecalwindows.report.rows import HASH, ROW, UNIT, Notable, Rows, Sample
from ecalwindows.studies.distributions import LEVELS, is_drawn
from ecalwindows.studies.normalization import Factors
from ecalwindows.training.opened import open_dataset
from ecalwindows.validation.comparison import taken

MAX_WINDOWS = 50_000
MAX_VALUES = 9_000_000
"""Largest numbers of windows and of values of a sample."""

KINDS = (views.RANDOM, *NOTABLE.values())
"""Kinds of windows in the browser of windows."""


@dataclass
class Reported:
    """What was written.

    path : the page; bytes : its size
    windows, clusters : of the dataset; sampled : windows with distributions; shown : single windows
    notes : what the page lacks, and why
    """

    path: Path
    bytes: int = 0
    windows: int = 0
    clusters: int = 0
    sampled: int = 0
    shown: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def report(
    dataset: str,
    output: str | Path,
    *,
    split: str | None = None,
    wp_file: str | None = None,
    max_windows: int = MAX_WINDOWS,
    progress: Progress | None = None,
) -> Reported:
    """Write one HTML file in which a person sees what a dataset is, selects windows, and looks at single ones.

    Parameters
    ----------
    dataset : a finished dataset, a folder or a file of any format
    output : the page
    split : only this split
    wp_file : working points of the labels, where they are not packaged ones that the dataset records
    max_windows : windows that the distributions show at most, drawn by the hash of their event

    Raises
    ------
    EcalWindowsError : for everything that a user can correct; then nothing is written
    """
    began, target = time.monotonic(), Path(output)
    check_output(target, overwrite=True)
    source = Source(dataset, split, wp_file)
    steps = Steps(progress, 2 * len(source.units))
    found = source.collected(steps, max_windows, MAX_VALUES)
    text = page_of(source, found, steps)
    done = Reported(
        target, len(text.encode()), found.factors.windows, found.factors.clusters, len(found.sample), found.shown,
        notes=source.notes + found.notes,
    )  # fmt: skip
    if done.bytes > MAX_BYTES:
        raise OutputError(
            f"the page would have {done.bytes:,} bytes", expected=f"at most {MAX_BYTES:,}", where=str(target),
            todo="show fewer windows with --max-windows",
        )  # fmt: skip
    write_text_atomically(target, text)
    done.seconds = time.monotonic() - began
    return done


@dataclass
class Found:
    """What was found in all windows: the sample, notable windows, moments of columns, numbers of each group."""

    sample: Rows
    notable: Rows
    factors: Factors
    groups: Mapping[Level, Mapping[tuple[int, int], int]]
    shown: int = 0
    notes: list[str] = field(default_factory=list)


class Source:
    """A dataset and how it is read.

    units : what is read at a time; names : columns that have distributions; geometry : shape of the windows
    threshold : working points of the labels, None where they are not known
    notes : what is not known, and what follows
    """

    def __init__(self, path: str, split: str | None, wp_file: str | None) -> None:
        self.path, self.notes = path, list[str]()
        dataset = open_dataset(path)
        self.scan = (dataset.filter(split=split) if split is not None else dataset).scan
        self.record = dataset.record
        self.units: list[Unit] = list(self.scan.units())
        self.names = frozenset(name for name in self.scan.names if is_drawn(name))
        manifests = list(_manifests(self.scan.files))
        self.stated = _stated(manifests)
        self.sample_name, shape = _first_settings(self.scan.files[0], self.record)
        self.geometry = shape or geometry_of("v3")
        if shape is None:
            self.notes.append("The shape of the windows is not recorded: that of v3 is used.")
        digests = {each.working_points_sha256 for each in manifests if each.working_points_sha256}
        if self.record:
            digests = {each.working_points.sha256 or "" for each in self.record.samples if each.working_points}
        self.threshold = read_working_points(wp_file) if wp_file is not None else _packaged(digests)
        if self.threshold is None:
            self.notes.append("Working points are not known (--wp-file): windows with labels near them are not found.")

    def collected(self, steps: Steps, max_windows: int, max_values: int) -> Found:
        """Everything that is known of all windows. Raises InputError where there are none."""
        sample, notable, factors = Sample(max_windows, max_values), Notable(tuple(NOTABLE), views.PER_KIND), Factors()
        columns: dict[str, list[str]] = {level: [] for level in LEVELS}
        for name in (name for name in COLUMNS if name in self.names):
            columns[COLUMNS[name].level].append(name)
        groups: dict[Level, Counter[tuple[int, int]]] = {level: Counter() for level in LEVELS}
        wanted = self.names | (self.scan.names & {"window_index"})
        for number, unit in enumerate(self.units):
            row = 0
            for batch, _ in self.scan.pieces([unit], wanted):
                factors.add(batch, columns)
                rows = self._rows(batch, number, row, factors.windows - len(batch))
                row += len(batch)
                sample.add(rows)
                notable.add(rows)
                for level in LEVELS:
                    groups[level].update(binned.group_counts(rows, level))
            steps.windows, steps.clusters = factors.windows, factors.clusters
            steps.done()
        chosen, extreme = sample.rows, notable.rows
        if chosen is None or extreme is None or not len(chosen):
            raise InputError(
                "there are no windows", expected="at least one window", where=self.path, todo="name another dataset"
            )
        return Found(chosen, extreme, factors, groups)

    def _rows(self, batch: WindowBatch, unit: int, row: int, before: int) -> Rows:
        """The windows of a batch with derived quantities. before : windows read before"""
        n = len(batch)
        if set(IDS) <= batch.window.keys():
            hashes = batch_keys(batch, self.sample_name)
        else:  # windows that do not name their event are drawn by their number
            hashes = splitmix64(np.arange(before, before + n, dtype=np.uint64))
        window = {name: batch.window[name] for name in self.names if name in batch.window}
        window |= derived(batch, self.geometry, self.threshold)
        window |= {HASH: hashes, UNIT: np.full(n, unit), ROW: np.arange(row, row + n)}
        cluster = {name: batch.column(name) for name in self.names if COLUMNS[name].level == "cluster"}
        return Rows(window, cluster, np.diff(batch.window_offsets).astype(np.int64))

    def views(self, rows: Rows, chosen: views.Chosen, steps: Steps) -> Iterator[dict[str, Any]]:
        """What is drawn of the chosen windows; only what contains one of them is read again."""
        wanted = (frozenset(COLUMNS) | {hit for hit, *_ in HIT_COMPONENTS}) & self.scan.names
        places: dict[int, dict[int, int]] = {}
        for row in chosen:
            places.setdefault(int(rows.window[UNIT][row]), {})[int(rows.window[ROW][row])] = row
        for number, unit in enumerate(self.units):
            inside, first = places.get(number, {}), 0
            for batch, _ in self.scan.pieces([unit], wanted) if inside else ():
                for place in sorted(place - first for place in inside if first <= place < first + len(batch)):
                    row = inside[first + place]
                    one = taken(batch, np.array([place]))
                    found = views.view(one, 0, self.geometry, texts(one)[0])
                    yield found | {"row": row, "kinds": chosen[row]}
                first += len(batch)
            steps.done()


def _manifests(files: Sequence[File]) -> Iterator[Manifest]:
    """The manifests of local files, each once."""
    seen = set[str]()
    for file in files:
        try:
            manifest = None if is_remote(file.path) else file_manifest(Path(file.path))
        except OutputError:  # `validate` reports it
            continue
        if manifest is not None and (text := manifest.text()) not in seen:
            seen.add(text)
            yield manifest


def _stated(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """What manifests state together: counts, settings, inputs."""
    if not manifests:
        return {}
    names = dict.fromkeys(name for each in manifests for name in each.counts)
    return {
        "counts": {name: sum(each.counts.get(name, 0) for each in manifests) for name in names},
        "settings": manifests[0].settings,
        "inputs": [(one.name, one.events) for each in manifests for one in each.inputs],
        "bad_inputs": [one for each in manifests for one in each.bad_inputs],
    }


def _first_settings(file: File, record: DatasetRecord | None) -> tuple[str, Geometry | None]:
    """Name of the sample and shape of the windows, as far as they are recorded."""
    try:
        settings, sample = known_settings(Path(file.path), record)
    except (InputError, OutputError):
        return "", None
    shape = settings.get("geometry")
    return sample, shape if isinstance(shape, Geometry) else None


def _packaged(digests: Collection[str]) -> WorkingPoints | None:
    """The packaged working points with this checksum, where it is one and is that of such ones."""
    for name in PACKAGED:
        points = packaged_working_points(name)
        if set(digests) == {hashlib.sha256(points.text.encode()).hexdigest()}:
            return points
    return None


def page_of(source: Source, found: Found, steps: Steps) -> str:
    """The text of the page."""
    sample = found.sample
    can_be_drawn = source.scan.names >= NEEDED_OF_VIEWS
    chosen, extra = views.chosen_windows(sample, found.notable) if can_be_drawn else ({}, None)
    what = quantities({*sample.window, *sample.cluster} - {HASH, UNIT, ROW})
    bins = binned.binnings(what, [sample])
    groups: dict[Level, binned.Groups] = {level: binned.groups_of(found.groups[level]) for level in LEVELS}
    table = binned.table(what, bins, groups, sample, extra)
    drawn = sorted(
        source.views(table.rows, chosen, steps), key=lambda each: (list(KINDS).index(each["kinds"][0]), each["row"])
    )
    shown = list(views.within_limits(drawn))
    names = Counter(each["id"] for each in shown)
    for each in shown:
        each["link"] = each["id"] if each["id"] and names[each["id"]] == 1 else each["name"]
    found.shown = len(shown)
    if not can_be_drawn:
        found.notes.append(
            f"No windows are drawn: the data have no {', '.join(sorted(NEEDED_OF_VIEWS - source.scan.names))}."
        )
    elif not source.scan.names >= HITS:
        found.notes.append("No crystals are drawn: the data do not hold them (cl_h).")
    if len(shown) < len(drawn):
        found.notes.append(f"{len(drawn) - len(shown)} windows are left out, to limit the size of the page.")
    title = source.record.title if source.record else Path(source.path.rstrip("/")).name
    about = {
        "id": "table-a", "label": "A", "name": title, "windows": found.factors.windows, "rows": len(table.rows),
        "clusters": int(table.rows.sizes.sum()), "sample": len(sample), "sampleClusters": int(sample.sizes.sum()),
    }  # fmt: skip
    sizes = {level: [binned.group_counts(sample, level).get(group, 0) for group in groups[level]] for level in LEVELS}
    meta = {
        "tables": [about],
        "heads": {SUMMARY: "Key quantities"} | {key: words for key, words in HEADS.items() if key != "overview"},
        "groups": {level: binned.group_names(level, groups[level]) for level in LEVELS},
        "groupSizes": sizes,
        "quantities": [
            {
                "key": each.key, "column": each.column, "level": each.level, "group": each.group, "unit": each.unit,
                "meaning": each.meaning, "condition": each.condition, "region": each.region,
                "bool": each.column in COLUMNS and COLUMNS[each.column].dtype == "bool",
                "edges": binning.edges.tolist(), "log": binning.is_log, "statistics": [statistics],
                "totals": [_total(each, found.factors)],
            }
            for each, binning, statistics in zip(what, bins, table.statistics, strict=True)
        ],
        "kinds": list(KINDS), "constants": views.constants(), "viewNotes": source.notes + found.notes,
    }  # fmt: skip
    text = overview(source.path, source.record, _facts(source, found), list(_labels(found)), source.stated)
    packed_views = binned.packed(json.dumps(shown, allow_nan=False, separators=(",", ":")).encode())
    return page(title, text, meta, {"table-a": table.text, "views": packed_views})


def _total(quantity: Quantity, factors: Factors) -> list[float] | None:
    """Values, others, mean, standard deviation, minimum and maximum of a column in all windows, as of `normalize`."""
    moments = factors.levels[quantity.level].get(quantity.key)
    return None if moments is None else [moments.n, moments.no_number, *moments.statistics]


def _facts(source: Source, found: Found) -> list[tuple[str, str]]:
    n, sampled = found.factors.windows, len(found.sample)
    size = sum(file.bytes or 0 for file in source.scan.files)
    drawn = f"all {n:,} windows" if sampled == n else (
        f"{sampled:,} of {n:,} windows, a sample of complete events: those with the smallest hashes (dataset/splits.py)"
    )  # fmt: skip
    return [
        ("dataset", source.path),
        ("data files", f"{len(source.scan.files):,}" + (f", {size:,} bytes" if size else "")),
        ("windows", f"{n:,}"),
        ("clusters in windows", f"{found.factors.clusters:,}"),
        ("distributions", drawn),
        ("statistics of columns", "all windows"),
        (
            "single windows",
            f"{found.shown:,}: random ones in bins of Et and eta, and the {views.PER_KIND} most notable of each kind",
        ),
        *(("note", note) for note in source.notes + found.notes),
    ]


def _labels(found: Found) -> Iterator[list[str]]:
    for level in LEVELS:
        total = sum(n for n in found.groups[level].values())
        for flavour, label in binned.groups_of(found.groups[level]):
            n = found.groups[level][flavour, label]
            yield [f"{level}s", group_look(level, flavour, label)[0], f"{n:,}", f"{100 * n / total:.2f} %"]
