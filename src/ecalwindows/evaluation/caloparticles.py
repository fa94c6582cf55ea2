"""How well superclusters hold the caloparticles of their events: found, response, completeness, purity, and others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Array, offsets_of
from ecalwindows.core.kernels.gather import gathered_rows
from ecalwindows.evaluation.events import Events
from ecalwindows.evaluation.kernels import events as kernels
from ecalwindows.evaluation.strategies import Superclusters

SPLIT = 0.1
"""Share of the true raw energy in another supercluster from which a caloparticle is split."""

MIN_GEN_ET = 1.0
"""Generated Et from which a caloparticle is measured [GeV]."""

FAKE_ET = (0.0, 5.0, 10.0, 20.0, 40.0, float("inf"))
"""Edges of the bins in raw Et of superclusters that belong to no caloparticle [GeV]."""

EVENT_NAMES = ("run_id", "lumi_id", "event_id")
WINDOW_COLUMNS = frozenset(
    {
        *EVENT_NAMES,
        "seed_index",
        "calo_index",
        "flavour",
        "is_seed_calo_matched",
        "is_seed_calo_seed",
        "en_true_sim_good",
    }
    | {"en_true_gen", "et_true_gen", "et_seed", "et_seed_calib", "seed_eta", "nVtx", "ncls"}
)
"""Columns of windows that the measures of events need."""

PAIR_COLUMNS = frozenset(
    {"cl_index", "in_scluster", "other_calo_index", "en_cluster", "en_cluster_calib", "cluster_eta", "cluster_phi"}
)
"""Columns of clusters that the measures of events need."""

ENERGY_COLUMNS = PAIR_COLUMNS - {"in_scluster", "other_calo_index"}
"""Columns of clusters that energies and positions of superclusters need."""

Table = dict[str, Array]
"""Columns by name, of the same length."""


@dataclass(frozen=True)
class Collection:
    """What one way to make superclusters gives.

    Attributes
    ----------
    superclusters : dict of arrays (n_superclusters,)
        One row per supercluster.
    caloparticles : dict of arrays (n_caloparticles,)
        One row per caloparticle that is measured, the same ones for every collection.
    fakes : float64 (n_bins, n_events)
        Superclusters of each event whose seed belongs to no caloparticle, in bins of Et (`FAKE_ET`).
    """

    superclusters: Table
    caloparticles: Table
    fakes: Array


def supercluster_energies(events: Events, made: Superclusters) -> Table:
    """Energies and positions of superclusters.

    Returns
    -------
    dict
        `energy` and `energy_calib`, the sums over the clusters [GeV]; `eta` and `phi`, weighted by raw energy, phi
        relative to the seed; `et`, energy over cosh(eta) [GeV]; `n_clusters`. float64 (n_superclusters,).
    """
    sizes = np.diff(made.cluster_offsets)
    own = np.repeat(np.arange(len(sizes)), sizes)
    graph = np.searchsorted(events.graphs.seed_offsets, made.window, side="right") - 1
    place = events.graphs.cluster_offsets[graph[own]] + made.cluster

    def summed(values: Array) -> Array:
        return np.bincount(own, values, len(sizes)).astype(np.float64)

    raw = events.of_cluster("en_cluster").astype(np.float64)[place]
    eta = events.of_cluster("cluster_eta").astype(np.float64)[place]
    seed = events.graphs.cluster_offsets[graph] + made.window - events.graphs.seed_offsets[graph]
    phi = events.of_cluster("cluster_phi").astype(np.float64)
    away = wrapped(phi[place] - phi[seed][own])
    energy = summed(raw)
    weight = np.where(energy > 0, energy, np.nan)
    middle = summed(raw * eta) / weight
    return {
        "n_clusters": sizes,
        "energy": energy,
        "energy_calib": summed(events.of_cluster("en_cluster_calib").astype(np.float64)[place]),
        "et": energy / np.cosh(middle),
        "eta": middle,
        "phi": wrapped(phi[seed] + summed(raw * away) / weight),
    }


def above(events: Events, made: Superclusters, min_et: float) -> Superclusters:
    """The superclusters with a raw Et of at least `min_et` [GeV]."""
    if min_et <= 0:
        return made
    kept = np.flatnonzero(supercluster_energies(events, made)["et"] >= min_et)
    graph = np.repeat(np.arange(len(made.offsets) - 1), np.diff(made.offsets))[kept]
    counts = np.bincount(graph, minlength=len(made.offsets) - 1)
    offsets, rows = gathered_rows(made.cluster_offsets, kept)
    return Superclusters(offsets_of(counts), made.window[kept], offsets, made.cluster[rows])


def wrapped(angle: Array) -> Array:
    """Angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def main_clusters(events: Events) -> Array:
    """The caloparticle of which each cluster is the main cluster, int64 (n_clusters,), -1 without."""
    of_edge = events.windows.pair["other_calo_index"].astype(np.int64)
    main = np.full(len(events.first_edge), -1, np.int64)
    graphs, window = events.graphs, events.windows.window
    event = np.repeat(np.arange(len(graphs.seed_offsets) - 1), np.diff(graphs.seed_offsets))
    place = np.repeat(graphs.cluster_offsets[event], np.diff(graphs.edge_offsets)) + graphs.cluster
    main[place[of_edge >= 0]] = of_edge[of_edge >= 0]
    own = np.flatnonzero(window["is_seed_calo_seed"])
    main[graphs.cluster_offsets[event[own]] + own - graphs.seed_offsets[event[own]]] = window["calo_index"][own]
    return main


def collection(events: Events, made: Superclusters) -> Collection:
    """Measure the superclusters of events.

    Parameters
    ----------
    events : Events
        With the columns `WINDOW_COLUMNS` and `PAIR_COLUMNS`.
    made : Superclusters
        The superclusters of these events.

    Returns
    -------
    Collection
        Its caloparticles are those with a main cluster of their own and a generated Et of at least 1 GeV.
        Energies in GeV; where a caloparticle is not found, numbers are NaN and flags are false.
    """
    graphs, window = events.graphs, events.windows.window
    energies = supercluster_energies(events, made)
    is_main = window["is_seed_calo_seed"] & (window["calo_index"] >= 0)
    numbers, parts = kernels.caloparticles(
        graphs.seed_offsets, graphs.cluster_offsets, graphs.edge_offsets, graphs.cluster,
        events.windows.pair["in_scluster"], window["calo_index"].astype(np.int64), is_main, main_clusters(events),
        events.of_cluster("en_cluster").astype(np.float64),
        made.offsets, made.window, made.cluster_offsets, made.cluster,
    )  # fmt: skip
    rows = np.flatnonzero(is_main & (window["et_true_gen"] >= MIN_GEN_ET))
    own, parts, numbers = numbers[0, rows], parts[:, rows], numbers[:, rows]
    found = own >= 0
    place = np.where(found, own, 0)

    def taken(values: Array) -> Array:
        return np.where(found, values[place], np.nan) if len(values) else np.full(len(rows), np.nan)

    raw, calibrated = taken(energies["energy"]), taken(energies["energy_calib"])
    true, gen = (or_nan(window[name][rows]) for name in ("en_true_sim_good", "en_true_gen"))
    seeded = np.zeros(len(rows), bool)
    seeded[found] = made.window[own[found]] == rows[found]
    calo: Table = {
        name: window[name][rows] for name in (*EVENT_NAMES, "calo_index", "seed_index", "flavour", "nVtx", "ncls")
    }
    calo |= {name: window[name][rows].astype(np.float64) for name in ("et_true_gen", "et_seed", "seed_eta")}
    calo |= {
        "event_key": events.windows.key[rows],
        "found": found,
        "seeded": seeded,
        "energy": raw,
        "response": raw / true,
        "response_calib": calibrated / true,
        "response_gen": raw / gen,
        "completeness": np.where(found, parts[1] / or_nan(parts[0]), np.nan),
        "purity": np.where(found, parts[1] / raw, np.nan),
        "split": parts[2] >= SPLIT * np.where(parts[0] > 0, parts[0], np.inf),
        "merged": numbers[1] > 0,
        "n_true": numbers[3],
        "n_out_of_reach": numbers[2],
        "energy_out_of_reach": parts[3],
    }
    table = {name: window[name][made.window] for name in (*EVENT_NAMES, "seed_index", "calo_index")}
    table |= {"event_key": events.windows.key[made.window], "fake": ~window["is_seed_calo_matched"][made.window]}
    table |= energies
    return Collection(table, calo, _fakes(table, made))


def _fakes(table: Table, made: Superclusters) -> Array:
    event = np.repeat(np.arange(len(made.offsets) - 1), np.diff(made.offsets))
    place = np.searchsorted(FAKE_ET, table["et"], side="right") - 1
    counts = np.zeros((len(FAKE_ET) - 1, len(made.offsets) - 1))
    chosen = table["fake"] & (place >= 0)
    np.add.at(counts, (place[chosen], event[chosen]), 1.0)
    return counts


def or_nan(energy: Array) -> Array:
    """Energies as float64, NaN where they are not above 0."""
    return np.where(energy > 0, energy, np.nan).astype(np.float64)
