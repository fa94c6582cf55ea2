"""The driver of `ecalwindows evaluate`: from scores to superclusters, numbers with errors, figures and a page."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.errors import SettingsError, UnknownColumnError, near, refuse_missing
from ecalwindows.core.files.json_files import without_nan
from ecalwindows.core.names import printable
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import SECOND_COLUMNS, TRUTH
from ecalwindows.core.truth import refuse_without_truth
from ecalwindows.core.version import revision, version
from ecalwindows.dataset.finalizing.identity import batch_keys
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically, has_page
from ecalwindows.dataset.layout import record_path
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.dataset.stated import file_sha256
from ecalwindows.evaluation import caloparticles, satellites, window_table
from ecalwindows.evaluation.collecting import SCORE, Collected, TableFile
from ecalwindows.evaluation.completeness import ADVICE, why_incomplete
from ecalwindows.evaluation.cruijff import MIN_ENTRIES as FIT_ENTRIES
from ecalwindows.evaluation.cruijff import Cruijff, fitted
from ecalwindows.evaluation.events import Windows, complete_events, refuse_unknown_energies
from ecalwindows.evaluation.measuring import (
    BINS,
    REFERENCES,
    ROUNDS,
    Bin,
    Measured,
    bins_of,
    check_rounds,
    measure,
    measured_table,
)
from ecalwindows.evaluation.page import MARK, PAGE, page
from ecalwindows.evaluation.satellites import measure_satellites
from ecalwindows.evaluation.score_tables import ScoreWriter, saved_scores
from ecalwindows.evaluation.scores import ScoreSource, open_source
from ecalwindows.evaluation.separation import Calibration, calibration
from ecalwindows.evaluation.strategies import check_strategy, checked_threshold
from ecalwindows.studies.working_points.threshold_scan import check_seed

SUMMARY = "summary.json"
GROUPS = ("n", "score", "true_share")
"""Columns of the table of calibrations."""

OWN: dict[str, Any] = {
    "is_own": partial(has_page, page=PAGE, mark=MARK), "ours": "an evaluation that `ecalwindows evaluate` made"
}  # fmt: skip
"""What may be replaced."""


@dataclass(frozen=True)
class EvaluationOptions:
    """How scores are evaluated.

    strategies : ways from scores to superclusters, see `strategies.STRATEGIES`
    threshold : score from which a cluster is taken
    min_et : superclusters with less raw Et are left out [GeV]
    split : of finished datasets; None takes all
    rounds, seed : of the bootstrap
    bins : edges of the bins by column
    save_scores, cms_csv, figures : whether these are written
    """

    strategies: tuple[str, ...] = ("Cascade",)
    threshold: float = 0.5
    min_et: float = 0.0
    split: str | None = None
    rounds: int = ROUNDS
    seed: int = 0
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: dict(BINS))
    save_scores: bool = False
    cms_csv: bool = False
    figures: bool = True


@dataclass
class Evaluated:
    """What was evaluated.

    datasets : what identifies each; sources : where the scores come from, by name
    counts : events, windows, caloparticles and others by name
    left_out : what was not measured, and why
    collections : names of what was measured; models : those that are no reference
    measured : all numbers; fits : of the response of each collection, by bin
    calibrations : mean score and share of true satellites in tenths of the satellites, by name
    """

    folder: Path
    options: EvaluationOptions
    datasets: list[dict[str, Any]]
    sources: dict[str, dict[str, str]]
    models: list[str]
    collections: list[str]
    counts: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    fits: list[tuple[Bin, str, Cruijff]] = field(default_factory=list)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    seconds: float = 0.0


def evaluate(
    datasets: Sequence[str],
    models: Mapping[str, Any],
    folder: str | Path,
    options: EvaluationOptions | None = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Evaluated:
    """Evaluate scores by the superclusters that are made of them, and write tables, figures and a page to a folder.

    Parameters
    ----------
    datasets : finished datasets, folders or files of any format, taken together
    models : what gives scores (`scores.open_source`), by the name of its collection
    folder : which appears when it is complete
    inputs : input definitions of models, by the same names
    overwrite : whether the folder of an earlier evaluation is replaced

    Raises
    ------
    EcalWindowsError : for everything that a user can correct; then there is no new folder
    """
    began, options, target = time.monotonic(), checked(options or EvaluationOptions()), Path(folder)
    _check_names(models)
    given = [*datasets, *models.values(), *(inputs or {}).values()]
    check_folder(target, overwrite=overwrite, inputs=given, **OWN)
    if unknown := sorted(set(inputs or {}) - set(models)):
        raise SettingsError(
            f"an input definition is given for '{unknown[0]}', and no scores have this name",
            expected=near(unknown[0], models), where="inputs",
            todo="name it as the scores that it belongs to",
        )  # fmt: skip
    sources = [open_source(what, name=name, inputs=(inputs or {}).get(name)) for name, what in models.items()]
    reading = Reading(datasets, sources, options)
    steps = Steps(progress, len(reading.units))
    found = Evaluated(
        target, options, [_about(each) for each in reading.datasets],
        {each.name: dict(each.about) for each in reading.sources}, [each.name for each in sources], [],
        left_out=reading.left_out,
    )  # fmt: skip
    with folder_written_atomically(target, overwrite=overwrite, **OWN) as unnamed:
        with ExitStack() as stack:
            made = reading.collected(unnamed, stack)
            for windows in complete_events(reading.windows(unnamed, stack, steps)):
                made.take(windows)
            made.finish(", ".join(datasets))
            found.counts, found.models = made.counts, [way for way, (name, _) in made.ways.items() if name in models]
            _measure(found, made, steps)
            if found.measured:
                table = measured_table(found.measured)
                TableFile(unnamed / "summary", stack).take({name: np.array(table[name]) for name in table})
            if found.fits:
                TableFile(unnamed / "fits", stack).take(_fit_table(found.fits))
            if found.calibrations:
                TableFile(unnamed / "calibration", stack).take(_calibration_table(found.calibrations))
        summary = _summary(found)
        (unnamed / SUMMARY).write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        if options.figures and found.measured:
            _draw(found, made, unnamed, steps)
        found.files = sorted(path.relative_to(unnamed).as_posix() for path in unnamed.rglob("*") if path.is_file())
        (unnamed / PAGE).write_text(page(summary, found.measured, found.files), encoding="utf-8")
    found.seconds = time.monotonic() - began
    return found


def checked(options: EvaluationOptions) -> EvaluationOptions:
    """The options. Raises SettingsError for those without a meaning."""
    checked_threshold(options.threshold)
    check_rounds(options.rounds, options.seed)
    check_seed(options.seed)
    if not 0 <= options.min_et < math.inf:
        raise SettingsError(
            f"the minimum Et of superclusters is {options.min_et}", expected="a number of GeV, at least 0",
            where="--min-et", todo="correct it",
        )  # fmt: skip
    for strategy in options.strategies:
        check_strategy(strategy)
    return options


NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]*"


def _check_names(models: Mapping[str, Any]) -> None:
    """Raise SettingsError for a name of a model that cannot be part of the name of a file."""
    for name in models:
        if not re.fullmatch(NAME, name):
            raise SettingsError(
                f"a collection cannot have the name '{printable(name)}'",
                expected="letters, digits and . _ + -, first a letter or a digit", where="--model or --compare",
                todo="give it another name: NAME=SCORES",
            )  # fmt: skip


class Reading:
    """What is read of the datasets.

    datasets, units : what is read
    sources : models first, then Mustache and truth, as far as the datasets have them
    has_truth, is_complete : whether there are true labels, and whether the windows of all candidates are there
    left_out : what cannot be measured, and why
    """

    def __init__(self, paths: Sequence[str], models: Sequence[ScoreSource], options: EvaluationOptions) -> None:
        self._options = options
        self.datasets = [Dataset.at(path).filter(split=options.split) for path in paths]
        self.units = [(each, unit) for each in self.datasets for unit in each.scan.units()]
        self.names = frozenset.intersection(*(each.scan.names for each in self.datasets))
        self.where, self.left_out = ", ".join(paths), list[str]()
        if options.split is None and any("train" in each.splits for each in self.datasets):
            self.left_out.append("nothing by split: the windows of the split train are included (see --split)")
        self.mustache = next((name for name in ("in_mustache", "in_geom_mustache") if name in self.names), None)
        self.has_truth = {"in_scluster", "is_seed_calo_matched"} <= self.names
        self.is_complete = self._is_complete()
        self.models = [each.name for each in models]
        self.sources = [*models, *self._references()]
        self._check()
        wanted = {"window_index", "is_seed", *ScoreWriter.columns, *caloparticles.WINDOW_COLUMNS}
        wanted |= {*caloparticles.PAIR_COLUMNS, *window_table.IDENTITY, *window_table.ABOUT, *window_table.PAIR_COLUMNS}
        wanted |= {*satellites.WINDOW_COLUMNS, *satellites.PAIR_COLUMNS, *([self.mustache] if self.mustache else [])}
        self.columns = frozenset(wanted) & self.names
        self.all_columns = self.columns.union(*(source.columns for source in self.sources))

    def _is_complete(self) -> bool:
        """Whether events can be measured; what is missing is noted."""
        if not self.has_truth:
            self.left_out.append("all measures: the dataset has no truth")
        reasons = list(dict.fromkeys(why for each in self.datasets if (why := why_incomplete(each))))
        if reasons:
            self.left_out += [f"superclusters and their measures: {why}. To have them, {ADVICE}" for why in reasons]
            return False
        needed = caloparticles.PAIR_COLUMNS | caloparticles.WINDOW_COLUMNS
        if not self.has_truth:
            needed = caloparticles.ENERGY_COLUMNS
        if missing := sorted(needed - self.names):
            self.left_out.append(f"superclusters and their measures: the dataset has no {', '.join(missing)}")
            return False
        return True

    def _references(self) -> Iterator[ScoreSource]:
        """Mustache and truth, those that the datasets have."""
        if self.mustache is None:
            self.left_out.append(
                "the comparison with Mustache: the dataset has neither in_mustache nor in_geom_mustache"
            )
        elif "mustache" not in self.models:
            yield open_source(self.mustache, name="mustache")
        if self.has_truth and "truth" not in self.models:
            yield open_source("truth", name="truth")

    def _check(self) -> None:
        """Raise for models with one name, and for columns that a model needs and the datasets do not have."""
        for source in self.sources:
            if not TRUTH.isdisjoint(source.columns):
                refuse_without_truth(self.names, f"'{source.name}' needs", self.where)
            found = f"'{source.name}' needs {{}}, which the dataset does not have"
            refuse_missing(
                source.columns, self.names, self.where, found=found, kind=UnknownColumnError,
                **self._way_to(source.columns),
            )  # fmt: skip
        needed = {"run_id", "lumi_id", "event_id", "seed_index", "et_seed_calib", "cl_index"}
        if self.has_truth:
            needed |= {*satellites.PAIR_COLUMNS, *(window_table.PAIR_COLUMNS if self.models else ())}
            needed |= {"flavour"} if self.models and self._options.cms_csv else set()
        refuse_missing(
            needed, self.names, self.where, found="an evaluation needs {}, which the dataset does not have",
            expected="the identity and the energies of windows and clusters", kind=UnknownColumnError,
        )  # fmt: skip

    def _way_to(self, columns: Sequence[str]) -> dict[str, str]:
        """What is expected, and what to do, where the datasets do not have these columns."""
        for name, others in SECOND_COLUMNS.items():
            of_collection = {column.name for column in others}
            if of_collection.intersection(columns) and of_collection.isdisjoint(self.names):
                return {
                    "expected": f"windows with the superclusters of {name}",
                    "todo": f"make the windows again (`ecalwindows windows --also-superclusters {name}`), "
                    "from a dump that has them, or name other scores",
                }  # fmt: skip
        return {"todo": "make the dataset with a features definition that contains these columns"}

    def collected(self, folder: Path, stack: ExitStack) -> Collected:
        """What is to be made of the windows."""
        options = self._options
        return Collected(
            folder, stack, models=self.models, references=[each.name for each in self.sources[len(self.models) :]],
            strategies=options.strategies, threshold=options.threshold, has_truth=self.has_truth,
            is_complete=self.is_complete, mustache=self.mustache, cms_csv=options.cms_csv, min_et=options.min_et,
        )  # fmt: skip

    def windows(self, folder: Path, stack: ExitStack, steps: Steps) -> Iterator[Windows]:
        """All windows with the scores of all sources; scores of models are saved if that is wanted."""
        writers: dict[str, ScoreWriter] = {}
        if self._options.save_scores:
            datasets = {"datasets": json.dumps([_about(each) for each in self.datasets])}
            for source in self.sources[: len(self.models)]:
                path = folder / f"scores_{source.name}.parquet"
                writers[source.name] = stack.enter_context(saved_scores(path, datasets | dict(source.about)))
        for dataset, unit in self.units:
            for batch, kept in dataset.scan.pieces([unit], self.all_columns):
                scores = {source.name: source.scores(batch) for source in self.sources}
                for name, writer in writers.items():
                    writer.write(batch, scores[name])
                pair = {name: batch.column(name) for name in sorted(self.columns & {*batch.pair, *batch.cluster})}
                window = {name: batch.window[name] for name in sorted(self.columns & batch.window.keys())}
                pair |= {SCORE + name: score for name, score in scores.items()}
                made = Windows(batch_keys(batch, ""), window, pair, batch.window_offsets)
                chosen = made if len(kept) == len(batch) else made.rows(kept)
                refuse_unknown_energies(chosen, dataset.path)
                steps.windows += len(kept)
                yield chosen
            steps.done()


def _measure(found: Evaluated, made: Collected, steps: Steps) -> None:
    """Measure satellites, caloparticles and fakes."""
    options = found.options
    how: dict[str, Any] = {"rounds": options.rounds, "seed": options.seed, "references": REFERENCES}
    tables, table = made.caloparticles, made.satellites
    found.collections = list(tables)
    names = [name.removeprefix(SCORE) for name in table if name.startswith(SCORE)]
    n_bins = sum(1 for _ in bins_of(next(iter(tables.values())), options.bins)) if tables else 0
    steps.of += n_bins + (sum(1 for _ in bins_of(table, options.bins)) if table else 0)
    if table and len(table["is_true"]):
        found.measured += measure_satellites(
            table, names, threshold=options.threshold, bins=options.bins, done=steps.done, **how
        )
        found.calibrations = {name: calibration(table[SCORE + name], table["is_true"]) for name in names}
    found.measured += measure(tables, bins=options.bins, done=steps.done, **how)
    found.measured += made.measured_fakes(REFERENCES, options.rounds, options.seed)
    if tables:
        found.fits = list(_fits(tables, found.measured, options))


def _draw(found: Evaluated, made: Collected, folder: Path, steps: Steps) -> None:
    """Draw all figures as PNG and PDF."""
    from ecalwindows.plots.evaluation import evaluation_figures
    from ecalwindows.plots.saving import draw_all

    waiting = evaluation_figures(found.measured, made.satellites, made.caloparticles, found.calibrations, found.models)
    steps.of = steps.n + len(waiting)
    draw_all(waiting, folder, done=steps.done)


def _fits(
    tables: Mapping[str, Any], measured: Sequence[Measured], options: EvaluationOptions
) -> Iterator[tuple[Bin, str, Cruijff]]:
    """A fit of the raw response of each collection in each bin with enough entries."""
    known = {(each.bin, each.collection, each.measure): each.value for each in measured}
    common = np.all([np.isfinite(table["response"]) for table in tables.values()], axis=0)
    for where, rows in bins_of(next(iter(tables.values())), options.bins):
        for name, table in tables.items():
            response = table["response"][rows[common[rows]]]
            if len(response) >= FIT_ENTRIES:
                yield where, name, fitted(response, known[where, name, "median"], known[where, name, "sigma_eff"])


def _fit_table(fits: Sequence[tuple[Bin, str, Cruijff]]) -> dict[str, Any]:
    names = ("mean", "mean_error", "left", "right", "tail_left", "tail_right", "problem")
    return {
        "by": np.array([where.by for where, _, _ in fits]),
        "bin": np.array([where.label for where, _, _ in fits]),
        "collection": np.array([name for _, name, _ in fits]),
        **{name: np.array([getattr(fit, name) for *_, fit in fits]) for name in names},
    }


def _calibration_table(calibrations: Mapping[str, Calibration]) -> dict[str, Any]:
    """One row per collection and group of satellites."""
    columns = {name: np.concatenate([getattr(each, name) for each in calibrations.values()]) for name in GROUPS}
    sizes = [len(each.n) for each in calibrations.values()]
    return {
        "collection": np.repeat(list(calibrations), sizes),
        "group": np.concatenate([np.arange(size) for size in sizes]),
        **columns,
    }


def _about(dataset: Dataset) -> dict[str, Any]:
    """What identifies a dataset: name, version, and checksum of its record; for others the names of their files."""
    if dataset.record is None:
        return {"files": [Path(file.path).name for file in dataset.scan.files]}
    place = record_path(Path(dataset.path))
    digest = {"record_sha256": file_sha256(place)} if place else {}
    return {"name": dataset.record.name, "version": dataset.record.version, **digest}


def _summary(found: Evaluated) -> dict[str, Any]:
    """The content of summary.json: no path, time or host."""
    options, table = found.options, measured_table(found.measured)
    content: dict[str, Any] = without_nan({
        "version": version,
        "revision": revision,
        "datasets": found.datasets,
        "split": options.split,
        "scores": found.sources,
        "strategies": list(options.strategies),
        "threshold": options.threshold,
        "min_et": options.min_et,
        "bootstrap": {"rounds": options.rounds, "seed": options.seed},
        "counts": found.counts,
        "models": found.models,
        "collections": found.collections,
        "left_out": found.left_out,
        "failed_fits": [
            f"{name}, {where.by} {where.label}: {fit.problem}" for where, name, fit in found.fits if fit.problem
        ],
        "calibration": {
            name: {column: getattr(each, column).tolist() for column in GROUPS}
            for name, each in found.calibrations.items()
        },
        "measures": [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)],
    })  # fmt: skip
    return content
