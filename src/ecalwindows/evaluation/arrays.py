"""Superclusters of windows in Awkward Arrays, for notebooks."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa

from ecalwindows.core.arrays import offsets_of
from ecalwindows.core.errors import InputError, refuse_missing
from ecalwindows.dataset.finalizing.identity import keys_of
from ecalwindows.evaluation.caloparticles import ENERGY_COLUMNS, EVENT_NAMES, supercluster_energies
from ecalwindows.evaluation.events import Windows, events_of, refuse_unknown_energies
from ecalwindows.evaluation.strategies import superclusters as made_of_graphs

WINDOW_NAMES = (*EVENT_NAMES, "seed_index", "et_seed_calib")
SAMPLE = "window_index"


def superclusters(scores: Any, windows: Any, *, strategy: str = "Cascade", threshold: float = 0.5) -> ak.Array:
    """Make superclusters of scores, event by event.

    Parameters
    ----------
    scores : array (n_windows, var)
        Score in [0, 1] of each cluster in each window; anything that `ak.Array` takes.
    windows : Awkward Array (n_windows,)
        Windows of complete events, as `open_dataset(...).to_awkward()` gives them, the windows of an event one after
        the other: see docs/evaluate.md for datasets that hold all of them. Needed are run_id, lumi_id, event_id,
        seed_index, et_seed_calib, and of clusters cl_index, en_cluster, en_cluster_calib, cluster_eta, cluster_phi.
    strategy : str
        Cascade, CascadeHighest, SeedsFirst or CollectAndMerge.
    threshold : float
        Score from which a cluster is taken, above 0 and at most 1.

    Returns
    -------
    Awkward Array (n_superclusters,)
        Records with run_id, lumi_id, event_id, seed_index, `clusters` (var, their cl_index in the order of collection),
        n_clusters, energy and energy_calib [GeV], et [GeV], eta and phi. By event, then by decreasing Et of the seed.

    Raises
    ------
    InputError
        For missing columns, scores that do not fit the windows or are outside [0, 1], and an event in two places.
    SettingsError
        For an unknown strategy and a threshold outside (0, 1].

    >>> data = ecalwindows.open_dataset("dataset/").to_awkward()
    >>> made = ecalwindows.evaluation.superclusters(data.cl_labels.in_mustache, data)
    """
    columns = {
        name: array[name] for array in (windows[group] for group in ak.fields(windows)) for name in ak.fields(array)
    }
    refuse_missing(
        {*WINDOW_NAMES, *ENERGY_COLUMNS}, columns, "windows", found="the windows have no {}",
        expected="identity, energy and position", todo="read them with these columns",
    )  # fmt: skip
    counts = np.asarray(ak.num(columns["cl_index"]))
    score = ak.Array(scores)
    if score.ndim != 2 or len(score) != len(counts) or not np.array_equal(np.asarray(ak.num(score)), counts):
        raise InputError(
            f"there are scores of type {score.type}", expected=f"one score per cluster of {len(counts):,} windows",
            where="scores", todo="give the scores of all clusters in the order of the windows",
        )  # fmt: skip
    window = {name: ak.to_numpy(columns[name]) for name in WINDOW_NAMES}
    pair = {name: ak.to_numpy(ak.flatten(columns[name])) for name in ENERGY_COLUMNS}
    pair["score"] = ak.to_numpy(ak.flatten(score)).astype(np.float32)
    offsets = offsets_of(counts)
    identity = {name: pa.array(window[name]) for name in EVENT_NAMES}
    if SAMPLE in columns:
        identity[SAMPLE] = pa.array(ak.to_arrow(columns[SAMPLE], extensionarray=False)).cast(pa.large_string())
    key = keys_of(identity, "")
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])[: len(key)])
    if len(np.unique(key[first])) < len(first):
        raise InputError(
            "the windows of an event are in two places", expected="the windows of each event one after the other",
            where="windows", todo="sort them by event",
        )  # fmt: skip
    given = Windows(key, window, pair, offsets)
    refuse_unknown_energies(given, "windows")
    events = events_of(given)
    made = made_of_graphs(events.windows.pair["score"], events.graphs, strategy=strategy, threshold=threshold)
    graph = np.repeat(np.arange(len(made.offsets) - 1), np.diff(made.offsets))
    sizes = np.diff(made.cluster_offsets)
    place = np.repeat(events.graphs.cluster_offsets[graph], sizes) + made.cluster
    found = {name: events.windows.window[name][made.window] for name in (*EVENT_NAMES, "seed_index")}
    found["clusters"] = ak.unflatten(events.of_cluster("cl_index")[place], sizes)
    return ak.zip(found | supercluster_energies(events, made), depth_limit=1)
