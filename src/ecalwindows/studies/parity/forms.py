"""The inputs of CMSSW in every form that a training may have used: absolute, calibrated, as logarithms, and others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Integers, offsets_of
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.geometry import CMSSW_V1
from ecalwindows.core.schema import COLUMNS, SENTINEL
from ecalwindows.training.cmssw import HIT_SOURCES, SOURCES, cluster_values, seed_rows
from ecalwindows.training.cmssw_files import TRAINING_NAMES
from ecalwindows.training.inputs import CMSSW_CLUSTER, CMSSW_NAMES
from ecalwindows.training.kernels.cmssw import window_summaries
from ecalwindows.windowing.kernels.features import log_one_plus, summaries, transverse

Name = tuple[str, str]
"""Level (clusters, windows or hits), and the name of an input in CMSSW."""

FED = "what CMSSW feeds"
MEMBERS = "extremes over the clusters, not from 0"
ABSOLUTE = "absolute values"
CALIBRATED = "calibrated energies"
LOG = "logarithms"
CALIBRATED_LOG = "logarithms of calibrated energies"
COLUMN = "the column of the dataset"
WINDOWS = "windows as CMSSW makes them"

ANGLES = ("cl_seed_dEta", "cl_seed_dPhi")
ENERGIES = {"cl_energy": "energy", "cl_et": "et", "cl_seed_dEnergy": "energy", "cl_seed_dEt": "et"}
CALIBRATED_COLUMNS = ("en_cluster_calib", "et_cluster_calib")

COLUMN_OF = {level: {theirs: ours for ours, theirs in names.items()} for level, names in TRAINING_NAMES.items()}
"""The column of a training for each name of CMSSW, in its master or in a branch."""


def column_of(level: str, name: str) -> str:
    """The column of a dataset that is meant by a name in CMSSW; the name itself where there is no other."""
    return COLUMN_OF[level].get(name, name)


def columns_needed(names: Iterable[Name], available: Collection[str]) -> frozenset[str]:
    """The columns and hit components of a dataset that `forms_of` and `left_out_by_cmssw` read."""
    asked = [column_of(level, name) for level, name in names if level != "hits" and name not in CMSSW_NAMES[level]]
    hits = [HIT_SOURCES.get(name, name) for level, name in names if level == "hits"]
    more = {*CALIBRATED_COLUMNS, "energy_fraction", *hits, *(name for name in asked if name in COLUMNS)}
    return frozenset((*SOURCES.values(), "is_seed", *(more & set(available))))


def forms_of(batch: WindowBatch, names: Sequence[Name]) -> dict[Name, dict[str, Floats]]:
    """The values of inputs in all forms.

    Parameters
    ----------
    batch : windows with the columns `columns_needed`
    names : the inputs, by level and name in CMSSW

    Returns
    -------
    dict
        By input and form, float64: (n_pairs,) of clusters, (n_windows,) of windows, (n_hits,) of hits. NaN where there
        is no number, as of the logarithm of a negative one. Inputs that CMSSW does not know have the form `COLUMN`, if
        the dataset has such a column.
    """
    seed = seed_rows(batch)
    values = cluster_values(batch, seed)
    of_clusters = _of_clusters(batch, seed, values)
    of_windows = _of_windows(batch, seed, values, of_clusters) if any(level == "windows" for level, _ in names) else {}
    known = {"clusters": of_clusters, "windows": of_windows}
    found: dict[Name, dict[str, Floats]] = {}
    for level, name in names:
        if level == "hits":
            source = HIT_SOURCES.get(name, name)
            form = FED if name in HIT_SOURCES else COLUMN
            found[level, name] = {form: batch.hits[source].astype(np.float64)} if source in batch.hits else {}
        elif name in CMSSW_NAMES[level]:
            found[level, name] = known[level][name]
        else:
            found[level, name] = _column(batch, column_of(level, name))
    return found


def _column(batch: WindowBatch, name: str) -> dict[str, Floats]:
    """A column of the dataset, NaN where it has no number."""
    if name not in batch.names:
        return {}
    values = batch.column(name).astype(np.float64)
    return {COLUMN: np.where(values == SENTINEL, np.nan, values)}


def _of_clusters(batch: WindowBatch, seed: Integers, values: Floats) -> dict[str, dict[str, Floats]]:
    found = {name: {FED: values[:, i]} for i, name in enumerate(CMSSW_CLUSTER)}
    for name in ANGLES:
        found[name][ABSOLUTE] = np.abs(found[name][FED])
    calibrated = _calibrated(batch, seed[batch.window_of_pair])
    for name in ENERGIES:
        found[name][LOG] = log_one_plus(found[name][FED])
        if calibrated:
            found[name] |= {CALIBRATED: calibrated[name], CALIBRATED_LOG: log_one_plus(calibrated[name])}
    return found


def _calibrated(batch: WindowBatch, of_seed: Integers) -> dict[str, Floats]:
    """The four energies of clusters, calibrated; none where the dataset does not have them."""
    if CALIBRATED_COLUMNS[0] not in batch.names:
        return {}
    energy = batch.column(CALIBRATED_COLUMNS[0]).astype(np.float64)
    et = transverse(energy, batch.column("cluster_eta").astype(np.float64))
    of = {"energy": energy, "et": et}
    return {name: of[kind][of_seed] - of[kind] if "seed" in name else of[kind] for name, kind in ENERGIES.items()}


def _of_windows(
    batch: WindowBatch, seed: Integers, values: Floats, clusters: Mapping[str, Mapping[str, Floats]]
) -> dict[str, dict[str, Floats]]:
    fed = dict(zip(("max", "min", "avg"), window_summaries(batch.window_offsets, seed, values), strict=True))
    sizes = np.diff(batch.window_offsets)
    found: dict[str, dict[str, Floats]] = {}
    for i, name in enumerate(CMSSW_CLUSTER):
        forms = {MEMBERS if form == FED else form: column for form, column in clusters[name].items()}
        made = {form: summaries(batch.window_offsets, np.ascontiguousarray(column)) for form, column in forms.items()}
        for place, how in enumerate(("max", "min", "avg")):
            own: dict[str, Floats] = {FED: fed[how][:, i].astype(np.float64)}
            for form, summary in made.items():
                own[form] = summary[place] / sizes if how == "avg" else summary[place]
            found[f"{how}_{name}"] = own
    return found


def trained_form(level: str, name: str) -> str:
    """The form of an input in the convention `training`. name : in CMSSW"""
    if name not in CMSSW_NAMES[level]:
        return COLUMN
    if level != "windows":
        return FED
    return ABSOLUTE if name.partition("_")[2] in ANGLES else MEMBERS


def left_out_by_cmssw(batch: WindowBatch) -> tuple[Flags, Flags]:
    """The clusters of windows that CMSSW leaves out.

    Returns
    -------
    before : bool (n_pairs,), clusters that come before the seed in decreasing calibrated Et
    outside : bool (n_pairs,), clusters outside CMSSW's geometry, v1
    """
    seed = seed_rows(batch)
    of_seed = seed[batch.window_of_pair]
    values = cluster_values(batch, seed)
    deta, dphi = (values[:, CMSSW_CLUSTER.index(name)] for name in ANGLES)
    seed_eta = batch.column("cluster_eta").astype(np.float64)[seed]
    up, down, width = np.repeat(CMSSW_V1.bounds(seed_eta), np.diff(batch.window_offsets), axis=1)
    outside = (deta > up) | (deta < down) | (np.abs(dphi) > width)
    if CALIBRATED_COLUMNS[1] not in batch.names:
        return np.zeros(len(outside), np.bool_), outside
    et = batch.column(CALIBRATED_COLUMNS[1])
    return et > et[of_seed], outside


def with_pairs(batch: WindowBatch, kept: Flags) -> WindowBatch:
    """The windows with some of their clusters only."""
    offsets = offsets_of(kept)[batch.window_offsets]
    window = dict(batch.window)
    if "ncls" in window:
        window["ncls"] = np.diff(offsets).astype(window["ncls"].dtype)
    rows = np.flatnonzero(kept)
    return replace(
        batch, window=window, window_offsets=offsets, pair_cluster=batch.pair_cluster[rows],
        pair={name: column[rows] for name, column in batch.pair.items()},
    )  # fmt: skip
