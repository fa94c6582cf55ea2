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
    return _taken(events, slice(start, stop))


def selected_events(events: Events, keep: NDArray[np.bool_]) -> Events:
    """The events with `keep`, bool (n_events,), and all that belongs to them."""
    return _taken(events, keep)


Rows = slice | NDArray[np.bool_]
"""Rows that are taken: a range, or those with True."""


def _taken(events: Events, rows: Rows) -> Events:
    cluster_offsets, clusters = _items(events.cluster_offsets, rows)
    calo_offsets, calos = _items(events.calo_offsets, rows)
    score_offsets, scores = _items(events.score_offsets, clusters)
    hits_offsets, hits = _items(events.hits_offsets, clusters)
    simhits_offsets = simhits = None
    if events.simhits_offsets is not None and events.simhits is not None:
        simhits_offsets, of_calos = _items(events.simhits_offsets, calos)
        simhits = _columns(events.simhits, of_calos)
    return Events(
        run=events.run[rows],
        lumi=events.lumi[rows],
        event=events.event[rows],
        scalars=_columns(events.scalars, rows),
        cluster_offsets=cluster_offsets,
        cluster=_columns(events.cluster, clusters),
        calo_offsets=calo_offsets,
        calo=_columns(events.calo, calos),
        score_offsets=score_offsets,
        score=events.score[scores],
        shared_energy=events.shared_energy[scores],
        first=_superclusters(events.first, rows),
        second=_superclusters(events.second, rows),
        hits_offsets=hits_offsets,
        hits=_columns(events.hits, hits),
        simhits_offsets=simhits_offsets,
        simhits=simhits,
    )


def _superclusters(collection: Superclusters, events: Rows) -> Superclusters:
    offsets, rows = _items(collection.offsets, events)
    member_offsets, members = _items(collection.member_offsets, rows)
    return Superclusters(offsets, _columns(collection.columns, rows), member_offsets, collection.member[members])


def _columns(columns: Mapping[str, Column], rows: Rows) -> dict[str, Column]:
    return {name: column[rows] for name, column in columns.items()}


def _items(offsets: Index, rows: Rows) -> tuple[Index, Rows]:
    """Offsets of the rows that are taken, from 0 on, and which items are theirs."""
    if isinstance(rows, slice):
        first, last = int(offsets[rows.start]), int(offsets[rows.stop])
        return offsets[rows.start : rows.stop + 1] - first, slice(first, last)
    counts = np.diff(offsets)
    return np.concatenate([[0], np.cumsum(counts[rows])]), np.repeat(rows, counts)
