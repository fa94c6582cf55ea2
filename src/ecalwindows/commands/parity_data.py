"""What `ecalwindows parity` finds in a dataset: sums of all inputs in all forms, counts, and differences to CMSSW."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecalwindows.commands.parity_inputs import Difference, Given
from ecalwindows.core.arrays import Array, offsets_of
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import UnknownColumnError, refuse_missing
from ecalwindows.core.progress import Steps
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.studies.parity.forms import (
    ABSOLUTE,
    COLUMN,
    FED,
    MEMBERS,
    WINDOWS,
    Name,
    columns_needed,
    forms_of,
    left_out_by_cmssw,
    trained_form,
    with_pairs,
)
from ecalwindows.studies.parity.moments import EventMoments, Statistics
from ecalwindows.studies.parity.population import BySize
from ecalwindows.studies.parity.scalers import Stated, Verdict, judged
from ecalwindows.training.inputs import CMSSW_NAMES

VISIBLE = 1e-4
"""Difference of a scaled input from which it is another one: more than rounding gives."""

CUT = 1e-3
"""Share of clusters, or of the energy of hits, without a place from which this is a difference."""

GOLDEN = (math.sqrt(5) - 1) / 2
"""Parts of a dataset are read in steps of this share of it, so that the first ones are from all of it."""

EVENT = ("run_id", "lumi_id", "event_id")
SETTINGS = {"mode": "cmssw", "geometry": "v1", "min_et_seed": 1.0, "min_cluster_energy": 0.0}
"""Settings of windows as CMSSW makes them."""

FEW_WINDOWS = 1000
"""With fewer there is a warning."""

SIGNED = "signed values"
FROM_ZERO = "minimum and maximum that start from 0"


class Reading:
    """What is read of the dataset. units : its pieces; columns : those that the comparison needs"""

    def __init__(self, dataset: Dataset, given: Given, max_windows: int | None) -> None:
        self._dataset, self._limit = dataset, max_windows
        self.units, self.names = list(dataset.scan.units()), dataset.scan.names
        if max_windows is not None:  # from all parts of the dataset
            self.units = [self.units[i] for i in np.argsort(np.arange(len(self.units)) * GOLDEN % 1, kind="stable")]
        wanted = columns_needed([each.key for each in given.inputs], self.names)
        found = "the comparison needs {}, which the dataset does not have"
        refuse_missing(wanted, self.names, dataset.path, found=found, kind=UnknownColumnError)
        self.columns = wanted | (frozenset(EVENT) & self.names)

    def batches(self, columns: frozenset[str], steps: Steps) -> Iterator[WindowBatch]:
        """The windows, at most about as many as are wanted."""
        n = 0
        for unit in self.units:
            for batch, kept in self._dataset.scan.pieces([unit], columns):
                n += len(batch)
                steps.windows += len(kept)
                yield batch
            steps.done()
            if self._limit is not None and n >= self._limit:
                break


@dataclass
class Counts:
    """What was counted in a dataset.

    before, outside : clusters that CMSSW leaves out: before the seed in Et, outside its geometry
    low_seeds : seeds that make no window in CMSSW
    cut, hits_cut, energy, energy_cut : clusters and hits without a place, and the energy of hits [GeV]
    """

    windows: int = 0
    clusters: int = 0
    events: int = 0
    before: int = 0
    outside: int = 0
    low_seeds: int = 0
    cut: int = 0
    cut_windows: int = 0
    hits: int = 0
    hits_cut: int = 0
    energy: float = 0.0
    energy_cut: float = 0.0


class Measured:
    """Sums over a dataset, with bounded memory."""

    def __init__(self, given: Given, settings: Mapping[str, Any]) -> None:
        self.given, self.counts = given, Counts()
        self._are_of_cmssw = all(settings.get(name, of_cmssw) == of_cmssw for name, of_cmssw in SETTINGS.items())
        self.own = {each.key: _own_form(each, given.convention) for each in given.inputs}
        self._by_size = BySize(given.inputs)
        self._moments: dict[Name, dict[str, EventMoments]] = {key: {} for key in self.own}
        self._differ = {key: [0, 0, 0.0] for key in self.own}
        self._outside = dict.fromkeys(self.own, 0)
        self._infinite = dict.fromkeys(self.own, 0)
        self._last: tuple[Any, ...] | None = None

    def take(self, batch: WindowBatch) -> None:
        """Take the windows of a batch."""
        if not len(batch):
            return
        event = self._events(batch)
        of_pair = np.repeat(event, np.diff(batch.window_offsets))
        events = {"windows": event, "clusters": of_pair}
        if batch.hits:
            events["hits"] = np.repeat(of_pair, np.diff(batch.hits_offsets))
        left_out = self._count(batch)
        values = forms_of(batch, list(self.own))
        self._by_size.add(values, np.diff(batch.window_offsets))
        for each in self.given.inputs:
            forms = values[each.key]
            if each.level == "hits" and each.scaler == "None":
                forms = {}
            for form, column in forms.items():
                moments = self._moments[each.key].setdefault(form, EventMoments())
                moments.add(np.asarray(column, np.float64), events[each.level])
            self._compare(each, values[each.key])
        if not self._are_of_cmssw:
            self._take_as_cmssw(with_pairs(batch, ~left_out), of_pair[~left_out], event)

    def _take_as_cmssw(self, batch: WindowBatch, of_pair: Array, event: Array) -> None:
        """Take the windows without the clusters that CMSSW leaves out."""
        names = [key for key, form in self.own.items() if form == FED and key[0] != "hits"]
        for key, forms in forms_of(batch, names).items():
            events = of_pair if key[0] == "clusters" else event
            self._moments[key].setdefault(WINDOWS, EventMoments()).add(forms[FED], events)

    def _events(self, batch: WindowBatch) -> Array:
        """The number of the event of each window; windows of an event follow each other."""
        columns = [batch.window[name] for name in EVENT if name in batch.window]
        if len(columns) < len(EVENT):
            self.counts.events += len(batch)
            return np.arange(len(batch))
        begins = np.any([column[1:] != column[:-1] for column in columns], axis=0)
        first = tuple(column[0] for column in columns)
        self.counts.events += int(begins.sum()) + (first != self._last)
        self._last = tuple(column[-1] for column in columns)
        return offsets_of(begins)

    def _count(self, batch: WindowBatch) -> Array:
        """Count what there is; returns the clusters that CMSSW leaves out."""
        counts, sizes = self.counts, np.diff(batch.window_offsets)
        before, outside = left_out_by_cmssw(batch)
        counts.windows += len(batch)
        counts.clusters += len(before)
        counts.before += int(before.sum())
        counts.outside += int(outside.sum())
        if "et_cluster_calib" in {*batch.pair, *batch.cluster}:
            counts.low_seeds += int((batch.column("et_cluster_calib")[batch.column("is_seed")] <= 1.0).sum())
        counts.cut += int(np.maximum(sizes - self.given.places, 0).sum())
        counts.cut_windows += int((sizes > self.given.places).sum())
        if "energy_fraction" in batch.hits:
            of_hits = np.diff(batch.hits_offsets)
            energy = batch.hits["energy_fraction"].astype(np.float64)
            late = np.arange(len(energy)) - np.repeat(batch.hits_offsets[:-1], of_hits) >= self.given.hits
            counts.hits += len(energy)
            counts.hits_cut += int(late.sum())
            counts.energy += float(energy.sum())
            counts.energy_cut += float(energy[late].sum())
        left_out: Array = before | outside
        return left_out

    def _compare(self, each: Stated, forms: Mapping[str, Array]) -> None:
        """Compare what the model was trained on with what CMSSW feeds, after scaling."""
        own = forms.get(self.own[each.key])
        if own is None:
            return
        shift, width = each.scale
        fed = forms.get(FED, own)
        if not width > 0:
            return
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = (fed - shift) / width
            self._infinite[each.key] += int((~np.isfinite(scaled.astype(np.float32)) & ~np.isnan(scaled)).sum())
        if each.scaler == "MinMax":
            self._outside[each.key] += int(((own < each.one) | (own > each.two)).sum())
        differ = self._differ[each.key]
        differ[1] += len(own)
        if fed is not own:
            off = np.abs(own - fed) / width
            differ[0] += int((off > VISIBLE * np.maximum(1.0, np.abs(scaled))).sum())
            differ[2] += float(np.nansum(off))

    def verdicts(self, sigma: float) -> list[Verdict]:
        """For each input whether its scaler fits."""
        found: dict[Name, dict[str, Statistics]] = {
            key: {form: each for form, sums in forms.items() if (each := sums.statistics)}
            for key, forms in self._moments.items()
        }
        outside = {key: n / max(self._differ[key][1], 1) for key, n in self._outside.items()}
        return judged(self.given.inputs, self.own, found, outside, self._by_size.nearest(), sigma)

    def statistics(self, key: Name, form: str) -> Statistics | None:
        """Mean and width of an input in a form."""
        sums = self._moments[key].get(form)
        return sums.statistics if sums else None

    def values(self) -> Iterator[Difference]:
        """Inputs that CMSSW computes in another way than the training."""
        for kind, form, reason in (("absolute", ABSOLUTE, SIGNED), ("zero", MEMBERS, FROM_ZERO)):
            differ = [each for each in self.given.inputs if self.own[each.key] == form and self._differ[each.key][0]]
            if not differ:
                continue
            texts = []
            for each in differ:
                n, of, total = self._differ[each.key]
                texts.append(f"{each.stated} differs in {n / of:.1%}, on average by {total / of:.2g} widths")
            constant = [
                each.name for each in differ if (of_fed := self.statistics(each.key, FED)) and of_fed.is_constant
            ]
            fed = reason + (f"; {', '.join(constant)} is constant there" if constant else "")
            yield Difference(kind, "windows", tuple(each.stated for each in differ), "; ".join(texts), fed)

    def padding(self) -> Iterator[Difference]:
        """Clusters and hits without a place."""
        counts, given = self.counts, self.given
        if counts.cut > CUT * counts.clusters:
            found = f"{counts.cut:,} of {counts.clusters:,} clusters in {counts.cut_windows:,} windows have no place"
            yield Difference("padding", "clusters", (), f"{found} among {given.places}", "their score is 0")
        if counts.energy_cut > CUT * counts.energy:
            found = f"{counts.hits_cut:,} of {counts.hits:,} hits have no place among {given.hits}"
            share = counts.energy_cut / counts.energy
            yield Difference(
                "padding", "hits", (), f"{found}: {share:.1%} of the energy", "the model does not see them"
            )

    def overflows(self) -> Iterator[Difference]:
        """Values that float32 cannot hold after scaling."""
        for each in self.given.inputs:
            if n := self._infinite[each.key]:
                found = f"{n:,} values are too large for float32 after scaling"
                yield Difference(
                    "overflow", each.level, (each.stated,), found, "infinite inputs: scores without meaning"
                )


def _own_form(each: Stated, convention: str) -> str:
    """In which form the model was trained on an input."""
    if convention == "training":
        return trained_form(*each.key)
    return FED if each.name in CMSSW_NAMES[each.level] else COLUMN


def of_dataset(settings: Mapping[str, Any], counts: Counts) -> Iterator[Difference]:
    """Windows that are not those that CMSSW makes."""
    share = f"{counts.before:,} of {counts.clusters:,} clusters come before the seed in Et"
    mode = settings.get("mode")
    if mode not in (None, "cmssw") or counts.before:
        more = "" if mode != "non-overlapping" else "; seeds inside another window make no window"
        yield Difference(
            "membership", "dataset", (), f"{f'mode {mode}: ' if mode else ''}{share}{more}",
            "every seed makes a window, of itself and the clusters after it in Et", "made without --mode cmssw",
        )  # fmt: skip
    geometry = settings.get("geometry")
    if geometry not in (None, "v1") or counts.outside:
        name = f"geometry {geometry if isinstance(geometry, str) else 'of its own'}: " if geometry else ""
        yield Difference(
            "geometry", "dataset", (), f"{name}{counts.outside:,} of {counts.clusters:,} clusters are outside v1",
            "geometry v1; clusters of v1 that are not in the dataset cannot be counted", "made without --mode cmssw",
        )  # fmt: skip
    if settings.get("min_et_seed", 1.0) != 1.0 or counts.low_seeds:
        least = f" from {settings['min_et_seed']} GeV" if "min_et_seed" in settings else ""
        found = f"seeds{least}, {counts.low_seeds:,} of them up to 1 GeV"
        yield Difference("membership", "dataset", (), found, "seeds with a calibrated Et above 1 GeV")
    if settings.get("min_cluster_energy", 0.0) != 0.0:
        found = f"clusters from {settings['min_cluster_energy']} GeV"
        yield Difference("membership", "dataset", (), found, "all clusters with hits and an energy above 0")


def of_scalers(verdicts: list[Verdict]) -> Iterator[Difference]:
    """Scalers that do not fit, by reason: those of other forms first."""
    bad = [each for each in verdicts if not each.fits]
    for kind, form, fed in (("absolute", ABSOLUTE, SIGNED), ("zero", MEMBERS, FROM_ZERO)):
        mine = [each for each in bad if kind_of(each) == kind]
        if mine:
            reasons = "; ".join(dict.fromkeys(each.reason for each in mine))
            constant = [each.input.name for each in mine if each.is_always_zero]
            more = f"; {', '.join(constant)} is constant" if constant else ""
            names = tuple(each.input.stated for each in mine)
            yield Difference(kind, "windows", names, reasons, fed + more, f"trained on {form}")
    by_reason: dict[tuple[str, str], list[Verdict]] = {}
    for each in (each for each in bad if kind_of(each) == "scaler"):
        by_reason.setdefault((each.input.level, each.reason.partition(":")[0]), []).append(each)
    for (level, reason), each_of in by_reason.items():
        kind = "order" if reason.startswith("mean and width are those of") and each_of[0].likely is None else "scaler"
        names = tuple(each.input.stated for each in each_of)
        worst = max((max(map(abs, each.pulls)) for each in each_of if each.pulls), default=math.nan)
        found = "minimum and maximum do not fit" if math.isnan(worst) else f"off by up to {worst:,.0f} errors"
        yield Difference(kind, level, names, found, "mean and width of the dataset", reason)


def kind_of(each: Verdict) -> str:
    """Of a scaler that does not fit: what it shows."""
    if each.form == FED and each.input.level == "windows":
        if each.likely == ABSOLUTE:
            return "absolute"
        if each.likely == MEMBERS or each.is_always_zero:
            return "zero"
    return "scaler"


def warnings_of(measured: Measured, verdicts: list[Verdict]) -> Iterator[str]:
    """What cannot be said, or is no difference."""
    counts = measured.counts
    if counts.windows < FEW_WINDOWS:
        yield (
            f"the sample is small: {counts.windows:,} windows of {counts.events:,} events; deviations of less than "
            f"some {500 / math.sqrt(counts.windows):.0f} % of a width cannot be seen"
        )
    few = [each.input.stated for each in verdicts if each.pulls and each.statistics and each.statistics.is_uncertain]
    if few:
        yield f"a few events decide mean and width, so only large deviations can be seen: {', '.join(few)}"
    if none := [each.input.stated for each in verdicts if each.statistics is None and each.input.scaler != "None"]:
        yield f"not compared, as the dataset has no such column: {', '.join(none)}"
    if not counts.hits:
        yield "the dataset has no hits: nothing can be said of them"
    if 0 < counts.cut <= CUT * counts.clusters:
        yield f"{counts.cut:,} of {counts.clusters:,} clusters have no place among {measured.given.places}"
    if counts.hits_cut and counts.energy_cut <= CUT * counts.energy:
        yield f"{counts.hits_cut:,} of {counts.hits:,} hits have no place among {measured.given.hits}"
    constant = [
        each.input.name for each in verdicts
        if each.fits and each.form == FED and each.statistics and each.statistics.is_constant
    ]  # fmt: skip
    if constant:
        yield f"constant in CMSSW: {', '.join(constant)}"
