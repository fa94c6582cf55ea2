"""What `ecalwindows parity` sums over a dataset: statistics of all inputs in all forms, and what is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecalwindows.commands.parity_inputs import Difference, Given
from ecalwindows.core.arrays import offsets_of
from ecalwindows.core.batch import Array, WindowBatch
from ecalwindows.studies.parity.forms import (
    ABSOLUTE,
    COLUMN,
    FED,
    MEMBERS,
    WINDOWS,
    Name,
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

EVENT = ("run_id", "lumi_id", "event_id")
SETTINGS = {"mode": "cmssw", "geometry": "v1", "min_et_seed": 1.0, "min_cluster_energy": 0.0}
"""Settings of windows as CMSSW makes them."""

SIGNED = "signed values"
FROM_ZERO = "minimum and maximum that start from 0"


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
        self.own = {
            each.key: trained_form(*each.key) if given.convention == "training" else _fed(each) for each in given.inputs
        }
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


def _fed(each: Stated) -> str:
    return FED if each.name in CMSSW_NAMES[each.level] else COLUMN
