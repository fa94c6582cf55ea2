"""The driver of `ecalwindows reweight`: datasets to a file of weights, tables, and figures drawn from them."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecalwindows.dataset.identity import IDS, batch_keys
from ecalwindows.dataset.opened import open_dataset
from ecalwindows.dataset.output import check_output, written_aside
from ecalwindows.dataset.splits import parse_split
from ecalwindows.errors import InputError, SettingsError
from ecalwindows.schema import SENTINEL
from ecalwindows.studies.reweighting_closure import Closure, closure_tests
from ecalwindows.studies.columns_out import write_columns
from ecalwindows.studies.reweighting import ELECTRON, PHOTON, Fit, Windows, fitted
from ecalwindows.studies.reweighting_bins import Choice, chosen_bins
from ecalwindows.studies.reweighting_tables import reweighting_tables
from ecalwindows.studies.weights_json import largest_weight, weights_json

log = logging.getLogger(__name__)

NEEDED = ("flavour", "et_seed", "seed_eta", "ncls")
NAMES = {ELECTRON: "electrons", PHOTON: "photons"}
HALVES = parse_split("derive=1/2,check=1/2")
"""Which half an event falls in follows from its run, lumi and event alone."""

Progress = Callable[[int, int, int], None]
"""Called with files done, files in all and windows so far."""

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class Options:
    """How weights are derived.

    et, eta, ncls : numbers of bins, or their edges; quantiles : numbers mean bins of equal contents in Et and eta
    flat : what the same in all bins means: "density" per GeV and unit of eta, or "bins" windows a bin
    least : windows of a bin in ncls, fewer are merged with the next; fewer in Et - eta are told
    cap : no weight of a correction above this
    """

    et: Choice = 10
    eta: Choice = 10
    ncls: Choice = 12
    quantiles: bool = False
    flat: Literal["density", "bins"] = "density"
    least: int = 25
    cap: float | None = None


@dataclass
class Sample:
    """Windows of a part of the data: flavour int64, raw seed Et [GeV], abs(seed eta), ncls, key of the event; (n,).

    has_keys : run, lumi and event are told; skipped : windows without a number where one is needed
    """

    flavour: NDArray[np.int64]
    et: NDArray[np.float64]
    eta: NDArray[np.float64]
    ncls: NDArray[np.float64]
    key: Keys
    has_keys: bool = True
    skipped: int = 0

    def rows(self, keep: NDArray[np.bool_]) -> Sample:
        """Some of the windows."""
        columns = (self.flavour, self.et, self.eta, self.ncls, self.key)
        return Sample(*(column[keep] for column in columns), self.has_keys, 0)

    def windows(self, flavour: int) -> Windows:
        """Those of a flavour."""
        keep = self.flavour == flavour
        return Windows(self.et[keep], self.eta[keep], self.ncls[keep])


@dataclass
class Reweighted:
    """What was derived: the fit, the statements checked before and after, windows by what became of them."""

    fit: Fit
    tests: dict[str, list[Closure]]
    windows: dict[str, int]
    notes: list[str] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    largest: float = 1.0
    seconds: float = 0.0


def reweight_datasets(
    inputs: Sequence[str],
    output: str | Path,
    *,
    check: Sequence[str] = (),
    study: str | Path | None = None,
    split: str | None = None,
    options: Options | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Reweighted:
    """Derive weights on a half of the events and check them on the other; write weights, tables and figures.

    inputs : datasets with electrons and photons, together or apart; check : datasets for the check, instead of a half
    study : folder of tables and figures [`<output>_study`]
    Raises InputError for data that do not serve, SettingsError for wrong options, OutputError.
    """
    began, output = time.monotonic(), Path(output)
    folder = Path(study) if study is not None else output.with_name(f"{output.stem}_study")
    check_output(output, overwrite=True)
    derive, other = halves(inputs, check, split, progress)
    done = derived(derive, other, options or Options())
    tables = done_tables(done, other, options or Options())
    with written_aside([output]) as (place,):
        text = "Weights of windows for training, derived by ecalwindows reweight"
        place.write_text(json.dumps(weights_json(done.fit, text), indent=1) + "\n", encoding="utf-8")
    paths = write_columns(folder, tables)
    done.outputs = [output, *paths.values()]
    if figures:
        from ecalwindows.plots.reweighting import draw_reweighting

        done.outputs += draw_reweighting(paths, folder)
    done.seconds = time.monotonic() - began
    return done


def halves(
    inputs: Sequence[str], check: Sequence[str], split: str | None, progress: Progress | None = None
) -> tuple[Sample, Sample]:
    """Windows to derive with and windows to check with: given, or by event. Raises InputError."""
    _refuse_twice([*inputs, *check])
    found = read_windows(inputs, split, progress)
    if not check:
        if not found.has_keys:
            raise InputError(
                f"the data do not tell the event: no {', '.join(IDS)}",
                expected="these columns, since the weights are derived on a half of the events and checked on the other",
                where=", ".join(inputs),
                todo="make the dataset with the default features definition, or name others for the check with --check",
            )
        side = HALVES.of_hash(found.key)
        return found.rows(side == 0), found.rows(side == 1)
    other = read_windows(check, split, progress)
    if not (found.has_keys and other.has_keys):
        log.warning("whether the halves share events is not known: there are no columns %s", ", ".join(IDS))
    for flavour, name in NAMES.items():
        keys = [each.key[each.flavour == flavour] for each in (found, other)]
        shared = np.intersect1d(*keys) if found.has_keys and other.has_keys else np.empty(0)
        if len(shared):
            raise InputError(
                f"{len(shared):,} events with {name} stand in both halves",
                expected="a check with events that the weights were not derived from", where="--check",
                todo="leave --check out (then the events are halved), or name datasets of other events,"
                " with a name of their own (--sample) where event numbers begin anew",
            )  # fmt: skip
    return found, other


def _refuse_twice(inputs: Sequence[str]) -> None:
    places = [os.path.realpath(name) for name in inputs]
    for place, name in zip(places, inputs, strict=True):
        if places.count(place) > 1:
            raise InputError(
                "the same dataset is given twice", expected="every dataset once", where=name, todo="leave it out once"
            )


def read_windows(inputs: Sequence[str], split: str | None, progress: Progress | None = None) -> Sample:
    """The windows of datasets; unmatched ones have flavour 0. Raises InputError where a column is not there."""
    datasets = [open_dataset(name) for name in inputs]
    datasets = [each.filter(split=split) if split is not None else each for each in datasets]
    n_files, done, pieces = sum(len(each.scan.files) for each in datasets), 0, []
    has_keys = all(set(IDS) <= each.scan.names for each in datasets if each.scan.names)
    for dataset in datasets:
        names = dataset.scan.names
        lacking = [name for name in NEEDED if name not in names]
        if lacking and names:
            raise InputError(
                f"the data have no {', '.join(lacking)}", expected=f"the columns {', '.join(NEEDED)}",
                where=dataset.path, todo="make the dataset with the default features definition",
            )  # fmt: skip
        wanted = frozenset({*NEEDED, *((*IDS, "window_index") if has_keys else ()), "is_seed_calo_matched"} & names)
        for file in dataset.scan.files:
            for batch, _ in dataset.scan.pieces([(file, None)] if names else [], wanted):
                pieces.append(_sample(batch, has_keys))
            done += 1
            if progress:
                progress(done, n_files, sum(len(piece.flavour) for piece in pieces))
    columns = ("flavour", "et", "eta", "ncls", "key")
    if not pieces:
        raise InputError(
            "the datasets hold no windows", expected="at least one window", where=", ".join(inputs), todo="name others"
        )
    joined = (np.concatenate([getattr(piece, name) for piece in pieces]) for name in columns)
    return Sample(*joined, has_keys, sum(piece.skipped for piece in pieces))


def _sample(batch: object, has_keys: bool) -> Sample:
    window = batch.window  # type: ignore[attr-defined]
    flavour = np.abs(window["flavour"].astype(np.int64))
    if "is_seed_calo_matched" in window:
        flavour = np.where(window["is_seed_calo_matched"], flavour, 0)
    et, eta, ncls = (window[name].astype(np.float64) for name in ("et_seed", "seed_eta", "ncls"))
    usable = (et != SENTINEL) & (eta != SENTINEL)
    key = batch_keys(batch, "") if has_keys else np.zeros(len(et), np.uint64)  # type: ignore[arg-type]
    every = Sample(flavour, et, np.abs(eta), ncls, key, has_keys).rows(usable)
    every.skipped = int((~usable).sum())
    return every


def derived(derive: Sample, other: Sample, options: Options) -> Reweighted:
    """The weights from one half, held against the other. Raises InputError where a flavour has too few windows."""
    if options.cap is not None and options.cap <= 1:
        raise SettingsError(
            f"the cap is {options.cap:g}", expected="a number above 1, the mean of the weights", where="--cap",
            todo="give a larger one, or none",
        )  # fmt: skip
    for half, words in ((derive, "to derive weights from"), (other, "to check the weights with")):
        for flavour, name in NAMES.items():
            _refuse_few(half, flavour, name, words, options.least)
    windows = {flavour: derive.windows(flavour) for flavour in NAMES}
    bins = chosen_bins(
        list(windows.values()), options.et, options.eta, options.ncls, quantiles=options.quantiles
    )
    target = bins.area if options.flat == "density" else np.ones_like(bins.area)
    counts = {flavour: each.counts(bins) for flavour, each in windows.items()}
    fit = fitted(counts, bins, target, least=options.least, cap=options.cap)
    check = {flavour: other.windows(flavour).counts(bins) for flavour in NAMES}
    tests = {
        when: closure_tests(fit, target, check, weighted=weighted)
        for when, weighted in (("before", False), ("after", True))
    }
    done = Reweighted(fit, tests, _told(derive, other), _notes(fit, options))
    done.largest = largest_weight(fit)
    return done


def _refuse_few(half: Sample, flavour: int, name: str, words: str, least: int) -> None:
    n = int((half.flavour == flavour).sum())
    if n >= max(least, 1):
        return
    there = sorted(set(half.flavour.tolist()))
    raise InputError(
        f"there are {n:,} windows of {name} (flavour {flavour}) {words}; flavours there: {there}",
        expected=f"matched windows of both flavours, {max(least, 1)} at least",
        where="the datasets",
        todo="add a dataset, or tell the flavour of one: `ecalwindows windows` and `convert` have --flavour 11 and 22",
    )


def _told(derive: Sample, other: Sample) -> dict[str, int]:
    found = {}
    for half, words in ((derive, "to derive"), (other, "to check")):
        found |= {f"{name}, {words}": int((half.flavour == flavour).sum()) for flavour, name in NAMES.items()}
    rest = sum(int((~np.isin(half.flavour, list(NAMES))).sum()) for half in (derive, other))
    return found | {"unmatched or other flavours": rest, "without Et or eta": derive.skipped + other.skipped}


def _notes(fit: Fit, options: Options) -> list[str]:
    """What the user should know of the bins, a line each."""
    notes = []
    for flavour, counts in fit.counts.items():
        windows = counts.sum(axis=2)
        empty, thin = int((windows == 0).sum()), int(((windows > 0) & (windows < options.least)).sum())
        if empty or thin:
            notes.append(
                f"{NAMES[flavour]}: {empty} of {windows.size} Et - eta bins are empty (weight 1), {thin} hold fewer than "
                f"{options.least} windows: give fewer bins (--et-bins, --eta-bins) or more data"
            )
    if not fit.is_free.all():
        notes.append(f"{int((~fit.is_free).sum())} ncls - eta bins lack a flavour (weight 1): give other --ncls-bins")
    if fit.off > 1e-6:
        notes.append(
            f"both distributions cannot hold at once: sums are up to {fit.off:.1%} off after {fit.iterations:,} steps; "
            "give fewer bins"
        )
    if options.cap is not None:
        notes.append(", ".join(f"{n} bins of {name} at the cap" for name, n in fit.capped.items()))
    return notes


def done_tables(done: Reweighted, other: Sample, options: Options) -> Mapping[str, Mapping[str, Sequence[object]]]:
    """The tables of `reweighting_tables` for the check half."""
    bins = done.fit.bins
    target = bins.area if options.flat == "density" else np.ones_like(bins.area)
    check = {flavour: other.windows(flavour).counts(bins) for flavour in NAMES}
    return reweighting_tables(done.fit, target, check, done.tests, options.least)
