"""The driver of `ecalwindows truth working-points`: tables of matched clusters to a map, its tables and figures."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Flags, Floats
from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.files.file_state import file_states, refuse_changed
from ecalwindows.core.files.output import Together, check_output, holds, outputs_together, written_atomically
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import PARTICLES
from ecalwindows.core.version import revision, version
from ecalwindows.core.working_points import correction_json
from ecalwindows.dataset.splits import METHOD, parse_split
from ecalwindows.formats.manifest import file_record
from ecalwindows.formats.readers import file_metadata
from ecalwindows.studies.matches.reading import match_files
from ecalwindows.studies.tables import check_study, write_columns
from ecalwindows.studies.working_points.caloparticles import FLAT, Bins, Sample, read_sample, scan_thresholds
from ecalwindows.studies.working_points.closure import Closure, closure
from ecalwindows.studies.working_points.tables import closure_table, map_table, scan_table
from ecalwindows.studies.working_points.threshold_map import MIN_ENTRIES, ThresholdMap, map_problem, smooth_map
from ecalwindows.studies.working_points.threshold_scan import ROUNDS, SEED, Scan, check_seed, scanned

log = logging.getLogger(__name__)

FIGURES = (
    "resolution_by_threshold", "response_by_threshold", "map", "resolution_before_and_after", "change_of_resolution",
    "clusters_kept",
)  # fmt: skip
"""Names of the figures, without suffix."""

HALVES = parse_split("derive=1/2,close=1/2")
"""Which half an event falls in follows from its sample, run, lumi and event alone."""

DERIVED = "thresholds of best effective resolution, derived by ecalwindows"
"""What a map says of itself."""

SAME = ("assoc_strategy", "min_cluster_score", "geometry", "pileup")
"""Settings that all tables must share."""


@dataclass(frozen=True)
class StudyOptions:
    """How working points are derived.

    flavour : only caloparticles of it; seeds_only : only those whose main cluster can seed a matched window
    per_decade : thresholds of the scan in a factor 10; min_entries : a bin with fewer takes the surface of the others
    rounds, seed : of the bootstrap
    """

    bins: Bins = field(default_factory=Bins)
    flavour: int | None = None
    seeds_only: bool = False
    per_decade: int = 20
    min_entries: int = MIN_ENTRIES
    rounds: int = ROUNDS
    seed: int = SEED


@dataclass
class Study:
    """What was found, and where it is.

    path : of the map; folder : of tables and figures
    problem : why no map was written, None if it was
    """

    options: StudyOptions
    sample: Sample
    n_derive: int
    n_close: int
    scan: Scan
    map: ThresholdMap
    closure: Closure
    path: Path
    folder: Path
    problem: str | None
    n_figures: int = 0
    seconds: float = 0.0


def derive_working_points(
    tables: Any,
    output: str | Path,
    options: StudyOptions | None = None,
    *,
    test: Any = None,
    folder: str | Path | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Study:
    """Derive the map from one half of the events, see what it does to the other half, and write all down.

    tables : files of matched clusters, or folders of them; test : others for the closure, in place of the half
    output : the map, correctionlib JSON; folder : for tables and figures [that of the output, named as it]
    Where most bins are thin, no map is written, with a warning (`Study.problem`).
    Raises an EcalWindowsError for anything that a user can correct; then there is no new map.
    """
    began, options, path = time.monotonic(), checked(options or StudyOptions()), Path(output)
    place = Path(folder) if folder is not None else path.with_suffix("")
    if place == path:
        found = "the map has no suffix" if folder is None else "the folder is the map"
        raise SettingsError(found, expected="a name like wp.json", where=str(path), todo="add .json")
    ours = "a map of `ecalwindows truth working-points`"
    check_output(path, overwrite=True, is_own=holds(DERIVED), ours=ours, suffixes=(".json",))
    names = ("scan.csv", "map.csv", "closure.csv", "study.json")
    mark = "et_low,et_high,eta_low,eta_high,entries,threshold,"
    check_study(place, names, FIGURES if figures else (), page="scan.csv", mark=mark, by="truth working-points")
    thresholds, files = scan_thresholds(options.per_decade), match_files(tables)
    others = match_files(test) if test else []
    states = file_states([*files, *others])
    check_same_settings([*files, *others])
    sample, derive = _sample(files, others, options, thresholds)
    steps = Steps(progress, 2 * int(np.prod(options.bins.shape)), windows=len(sample))
    scan = scanned(sample, derive, options.bins, thresholds, rounds=options.rounds, seed=options.seed, done=steps.done)
    made = smooth_map(scan, min_entries=options.min_entries)
    flat = int(np.argmin(np.abs(thresholds - FLAT)))
    done = closure(
        sample, ~derive, options.bins, made.level, flat, rounds=options.rounds, seed=options.seed, done=steps.done
    )
    problem, n_derive = map_problem(made, options.min_entries), int(derive.sum())
    study = Study(options, sample, n_derive, len(sample) - n_derive, scan, made, done, path, place, problem)
    recorded = _recorded(files, others, study)
    refuse_changed(states)
    with outputs_together() as group:
        study.n_figures = _write(study, recorded, figures, group)
    if problem:
        log.warning(
            "no map is written%s: %s; give more tables or wider bins (--et-bins, --eta-bins), or use the packaged map"
            " (leave --wp-file out)", f", and {path} is that of an earlier run" if path.exists() else "", problem,
        )  # fmt: skip
    study.seconds = time.monotonic() - began
    return study


def checked(options: StudyOptions) -> StudyOptions:
    """The options, if they make sense. Raises SettingsError."""
    thresholds, rounds, entries = options.per_decade, options.rounds, options.min_entries
    for is_right, found, expected, where in (
        (2 <= thresholds <= 80, f"{thresholds} thresholds in a factor 10", "2 to 80", "--per-decade"),
        (2 <= rounds <= 10_000, f"a bootstrap of {rounds}", "2 rounds to 10,000: a map needs errors", "--bootstrap"),
        (entries >= 2, f"bins with {entries} entries", "2 or more", "--min-entries"),
    ):
        if not is_right:
            raise SettingsError(found, expected=expected, where=where, todo="correct it")
    check_seed(options.seed)
    return options


def check_same_settings(files: Sequence[Path]) -> None:
    """Raise InputError for tables that were made with other settings than the first."""
    recorded = [file_metadata(file).get("settings", {}) for file in files]
    for file, settings in zip(files[1:], recorded[1:], strict=True):
        for name in SAME:
            if settings.get(name) != recorded[0].get(name):
                raise InputError(
                    f"the tables were made with other settings: {name} is {settings.get(name)}",
                    expected=f"{recorded[0].get(name)}, as in {files[0]}", where=str(file),
                    todo="make them with the same settings (`ecalwindows truth match`)",
                )  # fmt: skip


def _sample(
    files: Sequence[Path], others: Sequence[Path], options: StudyOptions, thresholds: Floats
) -> tuple[Sample, Flags]:
    """All caloparticles, and which of them derive the map. Raises InputError for events on both sides."""
    how: dict[str, Any] = {"flavour": options.flavour, "seeds_only": options.seeds_only}
    sample = read_sample([*files, *others], options.bins, thresholds, **how)
    if not others:
        derive = HALVES.of_hash(sample.key) == 0
    else:
        first = read_sample(files, options.bins, thresholds, **how)
        derive = np.arange(len(sample)) < len(first)
        both = np.intersect1d(sample.key[derive], sample.key[~derive])
        if len(both):
            raise InputError(
                f"{len(both):,} events are in both halves", expected="events for the closure that derive nothing",
                where=", ".join(map(str, others)),
                todo="leave them out of one half, or leave --test out: then events are split by their numbers",
            )  # fmt: skip
    for name, n in (("derive the map", derive.sum()), ("close it", (~derive).sum())):
        if not n:
            raise InputError(
                f"there are no caloparticles to {name}", expected="some in either half",
                where=", ".join(map(str, files)), todo="give more tables",
            )  # fmt: skip
    return sample, derive


def flavour_counts(sample: Sample) -> dict[int, int]:
    """Caloparticles by flavour."""
    values, counts = np.unique(sample.flavour, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _recorded(files: Sequence[Path], others: Sequence[Path], study: Study) -> dict[str, Any]:
    """What decides the map, the same each time: no path, time or host."""
    sample = study.sample
    return {
        "version": version,
        "revision": revision,
        "options": asdict(study.options),
        "split": METHOD if not others else "tables of their own (--test)",
        "settings": file_metadata(files[0]).get("settings", {}),
        "tables": [file_record(file, file.parent).model_dump() for file in files],
        "test_tables": [file_record(file, file.parent).model_dump() for file in others],
        "matched_clusters": sample.n_rows,
        "caloparticles": {"derive": study.n_derive, "close": study.n_close} | asdict(sample.dropped),
        "flavours": {str(flavour): n for flavour, n in flavour_counts(sample).items()},
    }


def _write(study: Study, recorded: dict[str, Any], figures: bool, group: Together) -> int:
    """Write tables, then figures from them, then the map, if it has no problem; returns the number of figures."""
    folder, scan, made, bins = study.folder, study.scan, study.map, study.scan.bins
    columns = {"scan": scan_table(scan), "map": map_table(scan, made), "closure": closure_table(bins, study.closure)}
    tables, drawn = write_columns(folder, columns), 0
    if figures:
        from ecalwindows.plots.working_points import draw_working_points

        drawn = len(draw_working_points(group.places(tables), folder))
    contents = {folder / "study.json": recorded}
    if study.problem is None:
        threshold, et, eta = made.threshold.reshape(bins.shape), np.array(bins.et), np.array(bins.eta)
        contents[study.path] = json.loads(correction_json(threshold, et, eta, description(recorded)))
    with written_atomically(list(contents)) as places:
        for place, content in zip(places, contents.values(), strict=True):
            place.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return drawn


def description(recorded: dict[str, Any]) -> str:
    """What the map says of itself."""
    names = {str(flavour): f"{name}s" for flavour, name in PARTICLES.items()}
    counts = recorded["flavours"].items()
    flavours = " and ".join(f"{n:,} {names.get(flavour, f'of flavour {flavour}')}" for flavour, n in counts)
    strategy = recorded["settings"].get("assoc_strategy", "sim_fraction")
    return f"{strategy} {DERIVED} {recorded['version']} from {flavours} (half of the events; regularised)"
