"""The events that windowing takes: flat columns with offsets, the same for every kind of input file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Superclusters:
    """A collection of superclusters (CSR by event).

    columns : seedIndex, rawEnergy, energy [GeV] and eta, each (n_superclusters,)
    member  : int64, cluster indices (within the event), `member_offsets` by supercluster
    """

    offsets: Index
    columns: Mapping[str, Column]
    member_offsets: Index
    member: Index


@dataclass(frozen=True)
class Events:
    """Events of one reading step (CSR: rows of `x` of event i are `x_offsets[i]:x_offsets[i + 1]`).

    run, lumi, event : int64 (n_events,)
    scalars    : nVtx, rho, obsPU, truePU, caloParticlePU_totEnergy, each (n_events,)
    cluster    : branches `pfCluster_*` with one number per cluster, without the prefix, (n_clusters,); energies in GeV
    calo       : branches `caloParticle_*`, without the prefix, (n_caloparticles,); energies in GeV, angles in rad
    first, second : the superclusters that fill the columns of the mustache, and those that are read beside them
    score, shared_energy : float64 (n_clusters x caloparticles of their event, flat), `score_offsets` by cluster
    hits       : rechitEnergy, fraction, ieta, iphi, iz, (n_hits,), `hits_offsets` by cluster; empty if not requested
    simhits    : energy [GeV], eta, phi, iz of simulated hits, (n_simhits,), `simhits_offsets` by caloparticle; None if
        not requested or missing
    """

    run: Index
    lumi: Index
    event: Index
    scalars: Mapping[str, Column]
    cluster_offsets: Index
    cluster: Mapping[str, Column]
    calo_offsets: Index
    calo: Mapping[str, Column]
    score_offsets: Index
    score: NDArray[np.float64]
    shared_energy: NDArray[np.float64]
    first: Superclusters
    second: Superclusters
    hits_offsets: Index
    hits: Mapping[str, Column]
    simhits_offsets: Index | None = None
    simhits: Mapping[str, Column] | None = None

    def __len__(self) -> int:
        return len(self.run)

    @property
    def n_clusters(self) -> int:
        return int(self.cluster_offsets[-1])

    @property
    def n_bytes(self) -> int:
        """Bytes of the columns; offsets and superclusters, a small part, are not counted."""
        columns = (self.scalars, self.cluster, self.calo, self.hits, self.simhits or {})
        flat = self.score.nbytes + self.shared_energy.nbytes
        return flat + sum(column.nbytes for each in columns for column in each.values())

    @property
    def cluster_event(self) -> Index:
        """Event of each cluster, int64 (n_clusters,)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.cluster_offsets))


def float64(column: Column) -> NDArray[np.float64]:
    """The column for arithmetic: everything is computed in float64 and rounded once when stored."""
    return np.asarray(column, dtype=np.float64)


def events_between(events: Events, start: int, stop: int) -> Events:
    """The events [start, stop) and all that belongs to them. Columns are views, not copies."""
    event = slice(start, stop)
    cluster_offsets, clusters = _between(events.cluster_offsets, event)
    calo_offsets, calos = _between(events.calo_offsets, event)
    score_offsets, scores = _between(events.score_offsets, clusters)
    hits_offsets, hits = _between(events.hits_offsets, clusters)
    simhits_offsets, simhits = (
        (None, None) if events.simhits_offsets is None else _between(events.simhits_offsets, calos)
    )
    return Events(
        run=events.run[event],
        lumi=events.lumi[event],
        event=events.event[event],
        scalars=_rows(events.scalars, event),
        cluster_offsets=cluster_offsets,
        cluster=_rows(events.cluster, clusters),
        calo_offsets=calo_offsets,
        calo=_rows(events.calo, calos),
        score_offsets=score_offsets,
        score=events.score[scores],
        shared_energy=events.shared_energy[scores],
        first=_superclusters_between(events.first, event),
        second=_superclusters_between(events.second, event),
        hits_offsets=hits_offsets,
        hits=_rows(events.hits, hits),
        simhits_offsets=simhits_offsets,
        simhits=None if simhits is None or events.simhits is None else _rows(events.simhits, simhits),
    )


def _superclusters_between(collection: Superclusters, event: slice) -> Superclusters:
    offsets, rows = _between(collection.offsets, event)
    member_offsets, members = _between(collection.member_offsets, rows)
    return Superclusters(offsets, _rows(collection.columns, rows), member_offsets, collection.member[members])


def _between(offsets: Index, rows: slice) -> tuple[Index, slice]:
    """Offsets of a range of rows, from 0 on, and the range of their items."""
    first, last = int(offsets[rows.start]), int(offsets[rows.stop])
    return offsets[rows.start : rows.stop + 1] - first, slice(first, last)


def selected_events(events: Events, keep: NDArray[np.bool_]) -> Events:
    """The events with `keep`, bool (n_events,), and all that belongs to them."""
    clusters = np.repeat(keep, np.diff(events.cluster_offsets))
    calos = np.repeat(keep, np.diff(events.calo_offsets))
    scores = np.repeat(clusters, np.diff(events.score_offsets))
    hits = np.repeat(clusters, np.diff(events.hits_offsets))
    simhits = None if events.simhits_offsets is None else np.repeat(calos, np.diff(events.simhits_offsets))
    return Events(
        run=events.run[keep],
        lumi=events.lumi[keep],
        event=events.event[keep],
        scalars=_rows(events.scalars, keep),
        cluster_offsets=_offsets(events.cluster_offsets, keep),
        cluster=_rows(events.cluster, clusters),
        calo_offsets=_offsets(events.calo_offsets, keep),
        calo=_rows(events.calo, calos),
        score_offsets=_offsets(events.score_offsets, clusters),
        score=events.score[scores],
        shared_energy=events.shared_energy[scores],
        first=_selected(events.first, keep),
        second=_selected(events.second, keep),
        hits_offsets=_offsets(events.hits_offsets, clusters),
        hits=_rows(events.hits, hits),
        simhits_offsets=None if events.simhits_offsets is None else _offsets(events.simhits_offsets, calos),
        simhits=None if simhits is None or events.simhits is None else _rows(events.simhits, simhits),
    )


def _selected(collection: Superclusters, keep: NDArray[np.bool_]) -> Superclusters:
    rows = np.repeat(keep, np.diff(collection.offsets))
    return Superclusters(
        _offsets(collection.offsets, keep),
        _rows(collection.columns, rows),
        _offsets(collection.member_offsets, rows),
        collection.member[np.repeat(rows, np.diff(collection.member_offsets))],
    )


def _rows(columns: Mapping[str, Column], keep: NDArray[np.bool_] | slice) -> dict[str, Column]:
    return {name: column[keep] for name, column in columns.items()}


def _offsets(offsets: Index, keep: NDArray[np.bool_]) -> Index:
    return np.concatenate([[0], np.cumsum(np.diff(offsets)[keep])])
