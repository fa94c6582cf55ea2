"""Windows from datasets in two halves: one to derive weights, one to check them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Floats, Integers, Words
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, refuse_missing
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import PARTICLES, SENTINEL
from ecalwindows.core.truth import refuse_without_truth
from ecalwindows.core.urls import refuse_twice
from ecalwindows.dataset.copies import Print, Prints
from ecalwindows.dataset.finalizing.identity import IDS, batch_keys
from ecalwindows.dataset.splits import parse_split
from ecalwindows.studies.reweighting.fit import Windows
from ecalwindows.training.opened import open_dataset

log = logging.getLogger(__name__)

NEEDED = ("flavour", "et_seed", "seed_eta", "ncls")
NAMES = {flavour: f"{name}s" for flavour, name in PARTICLES.items()}
PIECES = {"flavour": np.int64, "et": np.float64, "eta": np.float64, "ncls": np.float64, "key": np.uint64}
"""Columns of a sample."""

HALVES = parse_split("derive=1/2,check=1/2")
"""The half of an event depends only on its sample (if window_index contains it), run, lumi and event."""


@dataclass(frozen=True)
class Sample:
    """Windows of a part of the data.

    Attributes
    ----------
    flavour : int64 (n,)
    et, eta, ncls : float64 (n,), raw seed Et [GeV], abs(seed eta), number of clusters
    key : uint64 (n,), hash of the event
    has_keys : whether the data have run, lumi and event
    skipped : number of windows that are left out because Et or eta is -999; of two halves of a sample the first has it
    """

    flavour: Integers
    et: Floats
    eta: Floats
    ncls: Floats
    key: Words
    has_keys: bool = True
    skipped: int = 0

    def rows(self, keep: Flags) -> Sample:
        """The windows for which `keep`, bool (n,), is True; `skipped` stays the number of all of them."""
        return replace(self, **{name: getattr(self, name)[keep] for name in PIECES})

    def windows(self, flavour: int) -> Windows:
        """The windows of a flavour."""
        keep = self.flavour == flavour
        return Windows(self.et[keep], self.eta[keep], self.ncls[keep])


def halves(
    inputs: Sequence[str], check: Sequence[str], split: str | None, progress: Progress | None = None
) -> tuple[Sample, Sample]:
    """Windows to derive weights and windows to check them.

    Parameters
    ----------
    inputs : paths of datasets
    check : paths of datasets for the check; if empty, the events of `inputs` are divided into halves
    split : if given, only windows of this split
    progress : called after each file

    Raises
    ------
    InputError : if columns are missing, or if the halves share events
    """
    refuse_twice([*inputs, *check], "dataset")
    found = read_windows(inputs, split, progress)
    if not check:
        if not found.has_keys:
            raise InputError(
                f"the data do not identify events: no {', '.join(IDS)}",
                expected="these columns: weights are derived on a half of the events and checked on the other",
                where=", ".join(inputs),
                todo="make the dataset with the default features definition, or name others for the check with --check",
            )
        side = HALVES.of_hash(found.key)
        return found.rows(side == 0), replace(found.rows(side == 1), skipped=0)
    other = read_windows(check, split, progress)
    if not (found.has_keys and other.has_keys):
        log.warning("whether the halves share events is not known: there are no columns %s", ", ".join(IDS))
    for flavour, name in NAMES.items():
        keys = [each.key[each.flavour == flavour] for each in (found, other)]
        shared = np.intersect1d(*keys) if found.has_keys and other.has_keys else np.empty(0)
        if len(shared):
            raise InputError(
                f"{len(shared):,} events with {name} are in both halves",
                expected="a check with events that the weights were not derived from", where="--check",
                todo="leave --check out (then the events are halved), or name datasets of other events,"
                " with a name of their own (--sample) where event numbers begin again",
            )  # fmt: skip
    return found, other


def read_windows(inputs: Sequence[str], split: str | None, progress: Progress | None = None) -> Sample:
    """The windows of datasets; unmatched windows have flavour 0. Raises InputError if a column is missing."""
    datasets = [each for name in inputs if (each := open_dataset(name).filter(split=split)).scan.names]
    prints = Prints()
    for dataset in datasets:
        refuse_without_truth(dataset.scan.names, "weights by flavour need", dataset.path)
        refuse_missing(NEEDED, dataset.scan.names, dataset.path, expected=f"the columns {', '.join(NEEDED)}")
    has_keys = all(set(IDS) <= each.scan.names for each in datasets)
    steps, skipped = Steps(progress, sum(len(each.scan.files) for each in datasets)), 0
    pieces = {name: [np.empty(0, dtype)] for name, dtype in PIECES.items()}
    for dataset in datasets:
        wanted = {*NEEDED, "is_seed_calo_matched", *((*IDS, "window_index") if has_keys else ())} & dataset.scan.names
        for file in dataset.scan.files:
            one = Print()
            for batch, _ in dataset.scan.pieces([(file, None)], frozenset(wanted)):
                one.add(batch)
                for name, column in _columns(batch, has_keys).items():
                    pieces[name].append(column)
                skipped += len(batch) - len(pieces["key"][-1])
            prints.take(file.path, one)
            steps.windows = sum(map(len, pieces["key"]))
            steps.done()
    return Sample(**{name: np.concatenate(parts) for name, parts in pieces.items()}, has_keys=has_keys, skipped=skipped)


def _columns(batch: WindowBatch, has_keys: bool) -> dict[str, Array]:
    """The columns of a sample, of the windows whose Et and eta are numbers."""
    window = batch.window
    flavour = np.abs(window["flavour"].astype(np.int64))
    if "is_seed_calo_matched" in window:
        flavour = np.where(window["is_seed_calo_matched"], flavour, 0)
    et, eta, ncls = (window[name].astype(np.float64) for name in ("et_seed", "seed_eta", "ncls"))
    usable = (et != SENTINEL) & (eta != SENTINEL)
    key = batch_keys(batch, "") if has_keys else np.zeros(len(et), np.uint64)
    columns = {"flavour": flavour, "et": et, "eta": np.abs(eta), "ncls": ncls, "key": key}
    return {name: column[usable] for name, column in columns.items()}
