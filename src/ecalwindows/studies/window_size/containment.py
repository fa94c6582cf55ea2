"""The distribution of the simulated energy of caloparticles around their seeds, and the share that windows contain.

All sums are integers in units of 2^-32 of a caloparticle's energy, so that the result does not depend on the order in
which the data are read. Caloparticles belong to blocks by a hash of their event; the bootstrap draws blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Flags, Floats, Integers, offsets_of
from ecalwindows.core.events import Events, float64
from ecalwindows.core.geometry import Geometry
from ecalwindows.core.kernels.gather import gathered_rows
from ecalwindows.core.settings import WindowSettings
from ecalwindows.studies.binning import place_in
from ecalwindows.studies.kernels import containment as kernels
from ecalwindows.studies.matches.clusters import has_seed_quality, matched_clusters, matched_groups
from ecalwindows.windowing.association import association
from ecalwindows.windowing.kernels.windows import wrapped_differences

UNIT = float(1 << 32)
"""The integer that represents a share of 1."""

BLOCKS = 20
LOW, STEPS, CELLS = -0.4, (0.0025, 0.01), (320, 120)
"""Minimum of deta, widths of a cell in deta and in dphi [rad], numbers of cells."""

ZERO = 160
"""Index of the edge at deta 0."""

COLUMNS = (
    "event_hash", "is_seed", "et_seed_calib", "seed_score", "seed_eta", "seed_iz", "cluster_iz", "cluster_deta",
    "cluster_dphi", "calo_simen_sig",
)  # fmt: skip
"""Columns that are read from a table of matched clusters."""


@dataclass(frozen=True)
class Points:
    """Simulated energy around the seeds of caloparticles.

    Attributes
    ----------
    seed_eta : float64 (n,)
    block : int64 (n,), 0 to BLOCKS - 1
    offsets : int64 (n + 1,), points of caloparticle i are the rows offsets[i] to offsets[i + 1]
    deta : float64 (n_points,), distance from the seed in eta, positive away from the centre of the detector
    dphi : float64 (n_points,), absolute distance in phi [rad]
    share : int64 (n_points,), share of the caloparticle's energy, in units of 1 / UNIT
    same_side : bool (n_points,), whether iz is that of the seed
    """

    seed_eta: Floats
    block: Integers
    offsets: Integers
    deta: Floats
    dphi: Floats
    share: Integers
    same_side: Flags

    def __len__(self) -> int:
        return len(self.seed_eta)


def simhit_points(events: Events, settings: WindowSettings) -> tuple[Points, int]:
    """The simulated hits of the caloparticles with a seed, and the number of caloparticles without one.

    A seed is a main cluster with the Et and the score that a matched seed needs.
    """
    assert events.simhits is not None and events.simhits_offsets is not None
    table = matched_clusters(events, settings, use_pileup=False).columns
    groups = matched_groups(events, association(events, min_cluster_score=settings.min_cluster_score))
    first = table["is_seed"]
    calo = events.calo_offsets[groups.event] + groups.calo
    there = np.diff(events.simhits_offsets)[calo] > 0
    kept = has_seed_quality(table, settings)[first] & there
    seed, calo = groups.seed[kept], calo[kept]
    offsets, hit = gathered_rows(events.simhits_offsets, calo)
    row = np.repeat(np.arange(len(seed)), np.diff(offsets))
    eta, phi = float64(events.cluster["eta"])[seed], float64(events.cluster["phi"])[seed]
    hits = events.simhits
    found = Points(
        seed_eta=eta,
        block=_blocks(table["event_hash"][first][kept]),
        offsets=offsets,
        deta=(float64(hits["eta"][hit]) - eta[row]) * np.where(eta < 0, -1.0, 1.0)[row],
        dphi=np.abs(wrapped_differences(phi[row], float64(hits["phi"][hit]))),
        share=_shares(float64(hits["energy"][hit]), row, len(seed)),
        same_side=hits["iz"][hit] == events.cluster["iz"][seed][row],
    )
    return found, int(events.calo_offsets[-1]) - len(seed)


def cluster_points(table: Mapping[str, NDArray[np.generic]], settings: WindowSettings) -> tuple[Points, int]:
    """The same from a table of matched clusters, with clusters in place of hits.

    table : the columns `COLUMNS`, with all rows of each caloparticle; settings : with which it was made
    """
    energy = table["calo_simen_sig"].astype(np.float64)
    first = np.flatnonzero(table["is_seed"])
    group = np.cumsum(table["is_seed"]) - 1
    total = np.bincount(group, energy, minlength=len(first))
    kept = has_seed_quality(table, settings)[first] & (total > 0)
    rows = kept[group]
    row = (np.cumsum(kept) - 1)[group[rows]]
    n = int(kept.sum())
    found = Points(
        seed_eta=table["seed_eta"][first][kept].astype(np.float64),
        block=_blocks(table["event_hash"][first][kept]),
        offsets=offsets_of(np.bincount(row, minlength=n)),
        deta=table["cluster_deta"][rows].astype(np.float64),
        dphi=np.abs(table["cluster_dphi"][rows].astype(np.float64)),
        share=_shares(energy[rows], row, n),
        same_side=table["cluster_iz"][rows] == table["seed_iz"][rows],
    )
    return found, len(first) - n


def _blocks(event_hash: NDArray[np.generic]) -> Integers:
    return (event_hash.astype(np.uint64) % np.uint64(BLOCKS)).astype(np.int64)


def _shares(energy: Floats, row: Integers, n: int) -> Integers:
    """Shares of the energy of each row, in `UNIT`; NaN and infinity have none."""
    energy = np.where(np.isfinite(energy), energy, 0.0)
    total = np.bincount(row, energy, minlength=n)[row]
    return np.round(UNIT * np.divide(energy, total, out=np.zeros_like(energy), where=total > 0)).astype(np.int64)


@dataclass
class Containment:
    """Sums over caloparticles, by bin of abs(seed eta) and by block.

    Attributes
    ----------
    eta_edges : float64 (n_eta + 1,)
    geometries : shapes of windows by name
    grid : int64 (n_eta, BLOCKS, *CELLS), shares in cells of (deta, dphi), on the side of the seed
    n : int64 (n_eta, BLOCKS), number of caloparticles
    sum_eta : int64 (n_eta, BLOCKS), sum of abs(seed eta), in units of 1 / UNIT
    same_side : int64 (n_eta, BLOCKS), shares on the side of the seed
    inside : int64 (n_eta, BLOCKS) for each geometry, shares in its windows
    without_seed, beyond : numbers of caloparticles without a seed, and with a seed outside the bins
    with_grid : whether `grid` is filled
    """

    eta_edges: Floats
    geometries: Mapping[str, Geometry]
    grid: Integers = field(init=False)
    n: Integers = field(init=False)
    sum_eta: Integers = field(init=False)
    same_side: Integers = field(init=False)
    inside: dict[str, Integers] = field(init=False)
    without_seed: int = 0
    beyond: int = 0
    with_grid: bool = True

    def __post_init__(self) -> None:
        shape = (len(self.eta_edges) - 1, BLOCKS)
        self.grid = np.zeros((*shape, *CELLS) if self.with_grid else (0, 0, *CELLS), np.int64)
        self.n, self.sum_eta, self.same_side = (np.zeros(shape, np.int64) for _ in range(3))
        self.inside = {name: np.zeros(shape, np.int64) for name in self.geometries}

    def add(self, points: Points, without_seed: int) -> None:
        """Add caloparticles and the number of those without a seed."""
        a = np.abs(points.seed_eta)
        number = place_in(self.eta_edges, a)
        here = number >= 0
        self.without_seed += without_seed
        self.beyond += int((~here).sum())
        place = np.where(here, number * BLOCKS + points.block, 0)
        around = (points.offsets, points.deta, points.dphi, points.share * np.repeat(here, np.diff(points.offsets)))
        if self.with_grid:
            flat = self.grid.reshape(-1, *CELLS)
            kernels.add_points(place, *around, points.same_side, LOW, np.array(STEPS), flat)
        self._sum(self.n, place, here.astype(np.int64))
        self._sum(self.sum_eta, place, np.round(np.where(here, a, 0.0) * UNIT).astype(np.int64))
        every = np.tile([[np.inf], [-np.inf], [np.inf]], len(points))
        self._sum(self.same_side, place, kernels.shares_inside(*around, points.same_side, every))
        for name, geometry in self.geometries.items():
            bounds = geometry.bounds(points.seed_eta)
            self._sum(self.inside[name], place, kernels.shares_inside(*around, points.same_side, bounds))

    @staticmethod
    def _sum(sums: Integers, place: Integers, values: Integers) -> None:
        np.add.at(sums.reshape(-1), place, values)
