"""The driver of `ecalwindows report`: a dataset to one HTML file with its record, distributions and windows."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.commands.validate import known_settings
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, OutputError, UnknownColumnError, no_windows, refuse_missing
from ecalwindows.core.event_hash import splitmix64
from ecalwindows.core.files.output import check_output, holds, write_text_atomically
from ecalwindows.core.geometry import Geometry, geometry_of
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, Level
from ecalwindows.core.urls import is_remote
from ecalwindows.core.working_points import PACKAGED, WorkingPoints, packaged_working_points, read_working_points
from ecalwindows.dataset.finalizing.identity import IDS, batch_keys
from ecalwindows.dataset.layout import record_path
from ecalwindows.dataset.reading.finding import texts
from ecalwindows.dataset.reading.scan import Unit
from ecalwindows.dataset.reading.sources import File
from ecalwindows.dataset.record import DatasetRecord, recorded_digest
from ecalwindows.evaluation.events import Windows
from ecalwindows.evaluation.score_tables import ScoreTable, read_score_table
from ecalwindows.evaluation.separation import roc
from ecalwindows.formats.manifest import Manifest, summed_counts
from ecalwindows.formats.readers import file_manifest
from ecalwindows.plots.window import HITS
from ecalwindows.plots.window import NEEDED as NEEDED_OF_VIEWS
from ecalwindows.report import binned, content, views
from ecalwindows.report.content import KINDS, Side
from ecalwindows.report.overview import overview, rendered
from ecalwindows.report.page import MARK, MAX_BYTES, page
from ecalwindows.report.quantities import NOTABLE, OF_LABELS, derived, quantities
from ecalwindows.report.rows import ROW, UNIT, Notable, Sample
from ecalwindows.studies.distributions import LEVELS, is_drawn
from ecalwindows.studies.normalization import Factors
from ecalwindows.training.opened import open_dataset
from ecalwindows.validation.comparison import taken
from ecalwindows.validation.drift import Distributions

MAX_WINDOWS = 50_000
MAX_VALUES = 9_000_000
"""Largest numbers of windows and of values of the samples."""


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


def write_report(
    dataset: str,
    output: str | Path,
    *,
    split: str | None = None,
    against: str | None = None,
    scores: str | Path | None = None,
    wp_file: str | None = None,
    max_windows: int = MAX_WINDOWS,
    name: str | None = None,
    progress: Progress | None = None,
) -> Reported:
    """Write one HTML file in which a person sees what a dataset is, selects windows, and looks at single ones.

    Parameters
    ----------
    dataset : a finished dataset, a folder or a file of any format
    output : the page
    split : only this split
    against : a second dataset, with which the first one is compared
    scores : scores of a model for the (first) dataset, a table as `ecalwindows evaluate --save-scores` writes it
    wp_file : working points of the labels, where they are not packaged ones that the dataset records
    max_windows : windows in the distributions at most (of both datasets together), drawn by the hash of their event
    name : what the page calls the dataset in place of its path

    Raises
    ------
    EcalWindowsError : for everything that a user can correct; then nothing is written
    """
    began, target = time.monotonic(), Path(output)
    ours = "a page of `ecalwindows report`"
    check_output(target, overwrite=True, is_own=holds(MARK), ours=ours, suffixes=(".html",))
    table = None if scores is None else read_score_table(scores)
    sources = [Source(dataset, split, wp_file, table)]
    sources += [Source(against, split, wp_file)] if against is not None else []
    n, shared = len(sources), frozenset.intersection(*(each.names for each in sources))
    compared = {name for name in shared if COLUMNS[name].dtype != "int64"} if n > 1 else set()
    steps = Steps(progress, sum(len(each.units) for each in sources) + len(sources[0].units))
    sides = [
        each.collected(steps, max_windows // n, MAX_VALUES // n, label=label, compared=compared)
        for each, label in zip(sources, "AB", strict=False)
    ]
    sides[0].path = name or sides[0].path
    text = page_of(sources[0], sides, sorted(compared), "" if table is None else table.name, steps)
    first = sides[0]
    done = Reported(
        target, len(text.encode()), first.factors.windows, first.factors.clusters, len(first.sample), first.shown,
        notes=first.notes,
    )  # fmt: skip
    if done.bytes > MAX_BYTES:
        raise OutputError(
            f"the page would have {done.bytes:,} bytes", expected=f"at most {MAX_BYTES:,}", where=str(target),
            todo="show fewer windows with --max-windows",
        )  # fmt: skip
    write_text_atomically(target, text)
    done.seconds = time.monotonic() - began
    return done


def page_of(source: Source, sides: Sequence[Side], compared: Sequence[str], model: str, steps: Steps) -> str:
    """The text of the page. compared : columns of which distances are computed; model : name of the scores"""
    first, samples = sides[0], [side.sample for side in sides]
    names = set.intersection(*(rows.names for rows in samples)) - {UNIT, ROW}
    what = quantities(names)
    distances = content.distances(sides[0], sides[1], what, compared) if len(sides) > 1 else {}
    what.sort(key=lambda each: -distances.get(each.key, (0.0, 0.0))[0])
    bins = binned.binnings(what, samples)
    groups: dict[Level, binned.Groups] = {
        level: binned.groups_of({group for side in sides for group in side.groups[level]}) for level in LEVELS
    }
    can_be_drawn = source.scan.names >= NEEDED_OF_VIEWS
    chosen, extra = views.chosen_windows(first.sample, first.notable) if can_be_drawn else ({}, None)
    tables = [binned.table(what, bins, groups, side.sample, None if n else extra) for n, side in enumerate(sides)]
    shown = _shown(source, first, tables[0], chosen, steps)
    inserted = ""
    if len(sides) > 1:
        inserted = rendered(content.comparison(sides[0], sides[1], distances))
    if first.roc is not None:
        inserted += rendered(content.scores_text(first, model)) + content.roc_picture(first.roc)
    text = overview(
        first.path, first.record, content.facts(first), list(content.labels(first)), first.stated, inserted
    )  # fmt: skip
    packed = {f"table-{side.label}": one.text for side, one in zip(sides, tables, strict=True)}
    packed["views"] = binned.packed(json.dumps(shown, allow_nan=False, separators=(",", ":")).encode())
    title = " against ".join(side.title for side in sides)
    return page(title, text, content.meta(sides, what, bins, tables, groups, distances), packed)


def _shown(
    source: Source, side: Side, table: binned.Table, chosen: views.Chosen, steps: Steps
) -> list[dict[str, object]]:
    """The single windows of the page, in order; what is missing is noted."""
    drawn = sorted(
        source.views(table.rows, chosen, steps), key=lambda each: (KINDS.index(each["kinds"][0]), each["row"])
    )
    shown = list(views.within_limits(drawn))
    names = Counter(each["id"] for each in shown)
    for each in shown:
        each["link"] = each["id"] if each["id"] and names[each["id"]] == 1 else each["name"]
    side.shown = len(shown)
    if missing := NEEDED_OF_VIEWS - source.scan.names:
        side.notes.append(f"No windows are drawn: the data have no {', '.join(sorted(missing))}.")
    elif not source.scan.names >= HITS:
        side.notes.append("No crystals are drawn: the data do not hold them (cl_h).")
    if len(shown) < len(drawn):
        side.notes.append(f"{len(drawn) - len(shown)} windows are left out, to limit the size of the page.")
    return shown


SCORED = ("is_seed_calo_matched", "is_seed", "in_scluster", "en_cluster")
"""Columns with which scores are judged."""


class Source:
    """A dataset and how it is read.

    units : what is read at a time; names : columns that have distributions; geometry : shape of the windows
    threshold : working points of the labels, None where they are not known
    notes : what is not known, and what follows
    """

    def __init__(
        self, path: str, split: str | None = None, wp_file: str | None = None, scores: ScoreTable | None = None
    ) -> None:
        self.path, self.scores, self.notes = path, scores, list[str]()
        dataset = open_dataset(path).filter(split=split)
        self.scan, self.record = dataset.scan, dataset.record
        splits = {file.split for file in self.scan.files}
        self.split = splits.pop() if len(splits) == 1 else None
        self.units: list[Unit] = list(self.scan.units())
        self.names = frozenset(name for name in self.scan.names if is_drawn(name))
        refuse_missing(
            {*scores.columns, *SCORED} if scores else (), self.scan.names, path, kind=UnknownColumnError,
            found="scores need {}, which the dataset does not have",
            expected="columns that name windows and clusters, and the labels",
            todo="make the dataset with these columns, or leave out --scores",
        )  # fmt: skip
        refuse_missing(
            OF_LABELS if wp_file is not None else (), self.scan.names, path, kind=UnknownColumnError,
            found="working points need {}, which the dataset does not have", expected="labels and their scores",
            todo="leave out --wp-file",
        )  # fmt: skip
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

    def collected(
        self, steps: Steps, max_windows: int, max_values: int, *, label: str = "A", compared: Collection[str] = ()
    ) -> Side:
        """Everything that is known of all windows. Raises InputError where there are none.

        compared : columns whose distributions are compared with those of another dataset
        """
        sample, notable, factors = Sample(max_windows, max_values), Notable(tuple(NOTABLE), views.PER_KIND), Factors()
        columns: dict[str, list[str]] = {level: [] for level in LEVELS}
        for name in (name for name in COLUMNS if name in self.names):
            columns[COLUMNS[name].level].append(name)
        groups: dict[Level, Counter[tuple[int, int]]] = {level: Counter() for level in LEVELS}
        wanted = self.names | (self.scan.names & {"window_index"}) | {*(self.scores.columns if self.scores else ())}
        distributions, scored = Distributions(), list[tuple[Any, Any]]()
        for number, unit in enumerate(self.units):
            row = 0
            for batch, _ in self.scan.pieces([unit], wanted):
                factors.add(batch, {level: {name: batch.column(name) for name in of} for level, of in columns.items()})
                if compared:
                    distributions.add(batch, compared)
                rows = self._rows(batch, number, row, factors.windows - len(batch))
                row += len(batch)
                sample.add(rows)
                if self.scores is not None:  # satellites of matched windows, of which the ROC is made: 5 bytes for each
                    chosen = rows.window["is_seed_calo_matched"][rows.owner] & ~rows.pair["is_seed"]
                    scored.append((rows.pair["score"][chosen], rows.pair["in_scluster"][chosen]))
                notable.add(rows)
                for level in LEVELS:
                    groups[level].update(binned.group_counts(rows, level))
            steps.windows, steps.clusters = factors.windows, factors.clusters
            steps.done()
        drawn, extreme = sample.rows, notable.rows
        if drawn is None or extreme is None or not len(drawn):
            raise no_windows(self.path)
        curve = roc(*(np.concatenate(column) for column in zip(*scored, strict=True))) if scored else None
        title = self.record.title if self.record else Path(self.path.rstrip("/")).name
        place = None if self.record is None or is_remote(self.path) else record_path(Path(self.path))
        return Side(
            label, self.path, title, self.record, self.stated, len(self.scan.files),
            sum(file.bytes or 0 for file in self.scan.files), self.notes, drawn, extreme, factors, groups,
            distributions, curve, self.split, None if place is None else recorded_digest(place),
        )  # fmt: skip

    def _rows(self, batch: WindowBatch, unit: int, row: int, before: int) -> Windows:
        """The windows of a batch with derived quantities. before : windows read before"""
        n = len(batch)
        if set(IDS) <= batch.window.keys():
            hashes = batch_keys(batch, self.sample_name)
        else:  # windows that do not name their event are drawn by their number
            hashes = splitmix64(np.arange(before, before + n, dtype=np.uint64))
        window = {name: batch.window[name] for name in self.names if name in batch.window}
        scores = None if self.scores is None else self.scores.scores(batch)
        window |= derived(batch, self.geometry, self.threshold, scores)
        window |= {UNIT: np.full(n, unit), ROW: np.arange(row, row + n)}
        cluster = {name: batch.column(name) for name in self.names if COLUMNS[name].level == "cluster"}
        if scores is not None:
            cluster["score"] = scores
        return Windows(hashes, window, cluster, batch.window_offsets - batch.window_offsets[0])

    def views(self, rows: Windows, chosen: views.Chosen, steps: Steps) -> Iterator[dict[str, Any]]:
        """What is drawn of the chosen windows; only what contains one of them is read again."""
        wanted = (frozenset((*COLUMNS, *HIT_NAMES))) & self.scan.names
        places: dict[int, dict[int, int]] = {}
        for row in chosen:
            places.setdefault(int(rows.window[UNIT][row]), {})[int(rows.window[ROW][row])] = row
        for number, unit in enumerate(self.units):
            inside, first = places.get(number, {}), 0
            for batch, _ in self.scan.pieces([unit], wanted) if inside else ():
                for place in sorted(place - first for place in inside if first <= place < first + len(batch)):
                    row = inside[first + place]
                    one = taken(batch, np.array([place]))
                    found = views.view(one, 0, self.geometry, texts(one)[0] or f"number-{row}")
                    if self.scores is not None:
                        found["clusters"]["score"] = views.short(self.scores.scores(one).tolist())
                        found["wrong"] = float(rows.window["wrong_energy"][row])
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
    return {
        "counts": summed_counts(manifests),
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
    return sample, settings["geometry"]


def _packaged(digests: Collection[str]) -> WorkingPoints | None:
    """The packaged working points with this checksum, where it is one and is that of such ones."""
    for name in PACKAGED:
        points = packaged_working_points(name)
        if set(digests) == {hashlib.sha256(points.text.encode()).hexdigest()}:
            return points
    return None
