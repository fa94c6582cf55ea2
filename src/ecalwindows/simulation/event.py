"""One simulated event, from the particle gun to the branches of a dumper file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.simulation.branches import NOISES, SHAPES, Nested
from ecalwindows.simulation.conditions import Conditions
from ecalwindows.simulation.detector import crystal_tables, min_quantile
from ecalwindows.simulation.gun import Gun, Particles, generated_particles
from ecalwindows.simulation.kernels import tracker
from ecalwindows.simulation.kernels.cluster_shapes import cluster_shapes
from ecalwindows.simulation.kernels.clustering import clusters, sums_and_positions
from ecalwindows.simulation.kernels.crystals import Crystals
from ecalwindows.simulation.kernels.draws import stream
from ecalwindows.simulation.kernels.electronics import hits_above_threshold, mark_full_readout, read_out
from ecalwindows.simulation.kernels.pileup import (
    NO_LIBRARY,
    Library,
    collect_deposits,
    particle_deposits,
    pileup_deposits,
    start_particle,
)
from ecalwindows.simulation.kernels.scores import noise_sums
from ecalwindows.simulation.kernels.superclusters import superclusters
from ecalwindows.simulation.truth import Deposits, calo_branches, pileup_branches, score_branches, sim_hit_branches
from ecalwindows.simulation.workspace import Clusters, Workspace

SIGNAL_POINTS = 100.0
"""Approximate number of points of a shower of 1 GeV."""
MIN_DEPOSIT = 1e-5
"""Smaller deposits in a crystal are ignored [GeV]."""
ELECTRONICS, PILEUP, PARTICLE = 1, 2, 3
"""Purposes of random streams; particle i uses the stream PARTICLE + i."""
MAX_RUN = 2**31 - 1
"""The largest run number, that of the seed 0."""


@dataclass(frozen=True)
class Detector:
    """The conditions in the form that the kernels need.

    Attributes
    ----------
    conditions : settings of the detector and of the pile-up
    library : interactions from which pile-up is drawn; if it is empty, interactions are parametrised
    crystals : tables of all crystals
    min_quantile : see `kernels.electronics.hits_above_threshold`
    """

    conditions: Conditions
    library: Library = NO_LIBRARY
    crystals: Crystals = field(init=False)
    min_quantile: float = field(init=False)

    def __post_init__(self) -> None:
        crystals = crystal_tables(self.conditions)
        object.__setattr__(self, "crystals", crystals)
        object.__setattr__(self, "min_quantile", min_quantile(crystals))

    @property
    def tracking(self) -> tuple[Any, Any, float]:
        """Material by eta, material along the path, magnetic field [T], as for `kernels.tracker.track_to_crystals`."""
        c = self.conditions
        material = np.array([c.material_abs_eta, c.material_x0])
        return material, np.array([c.material_way, c.material_share]), c.magnetic_field_tesla

    @property
    def seed_limits(self) -> Floats:
        """Minimum energy of a seed in the barrel, minimum energy and minimum Et in the endcaps [GeV], (3,)."""
        c = self.conditions
        return np.array([c.seed_barrel_gev, c.seed_endcap_gev, c.seed_endcap_et_gev])

    @property
    def suppression(self) -> Floats:
        """Limits of zero suppression in the barrel and in the endcaps [standard deviations of the noise], (2,)."""
        c = self.conditions
        return np.array([c.suppression_sigmas_barrel, c.suppression_sigmas_endcap])

    @property
    def spectrum(self) -> Floats:
        """The argument `spectrum` of `kernels.pileup.parametrised_interaction`, (3, 5)."""
        c = self.conditions
        columns = (c.pileup_per_eta, c.pileup_eta_tilt, c.pileup_pt_scale_gev, c.pileup_pt_power, c.pileup_pt_tilt)
        return np.array(columns).T.copy()


def calibrated(raw: Floats, eta: Floats) -> Floats:
    """Calibrated energies [GeV] of clusters with these raw energies [GeV] and eta.

    Thresholds remove a larger part of a cluster of low energy, and more in the endcaps. The correction vanishes at the
    lowest energies. The numbers come from unconverted photons of this simulation with pt of 3, 10, 50 and 200 GeV.
    """
    et = raw / np.cosh(eta)
    scale, offset = (np.interp(np.abs(eta), _ETA, values) for values in (_SCALE, _OFFSET))
    return np.asarray(raw * (scale + offset / (1.0 + et) * et**3 / (1.0 + et**3)))


_ETA: Any = (0.0, 0.8, 1.15, 1.4, 1.48, 1.56, 1.65, 1.85, 2.1, 2.3, 2.5, 2.7, 2.9)
_SCALE: Any = (1.003, 1.002, 1.003, 1.001, 1.005, 1.000, 1.000, 1.001, 1.004, 1.005, 1.010, 1.020, 1.024)
_OFFSET: Any = (0.65, 0.66, 0.52, 0.54, 0.30, 0.31, 0.45, 0.47, 0.52, 0.60, 0.75, 0.93, 1.08)


def simulated_event(
    index: int, seed: int, gun: Gun, pileup: tuple[float, float] | None, detector: Detector, work: Workspace
) -> dict[str, Any]:
    """Simulate one event.

    Parameters
    ----------
    index : of the event, from 0
    seed : of the sample; the seed and the index determine all random numbers of the event
    gun : particles to generate
    pileup : range of the mean number of interactions, None for no pile-up
    detector : conditions
    work : work space, unchanged afterwards

    Returns
    -------
    The branches by name: numbers, arrays (n,) and `Nested` lists.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, index]))
    particles = generated_particles(gun, rng, detector.conditions.vertex_width_cm)
    signal = particle_hits(particles, index, seed, detector, work)
    surroundings, soft = pileup_hits(pileup, rng, index, seed, detector, work)
    measure_energies(signal, soft, index, seed, detector, work)
    found = pf_clusters(index, seed, detector, work)
    columns = {"runId": run_number(seed), "lumiId": 1 + index // 100, "eventId": index + 1} | surroundings
    columns |= calo_branches(particles, signal, detector.crystals) | sim_hit_branches(signal, detector.crystals)
    columns |= cluster_branches(found, index, seed, detector, work)
    columns |= score_branches(found, signal, columns, work)
    columns |= supercluster_branches(found, detector)
    if pileup is not None:
        columns |= pileup_branches(found, soft, work)
        columns |= noise_branches(found, detector.crystals, work)
    work.measured[:] = np.nan
    work.deposited[:] = 0
    return columns


def run_number(seed: int) -> int:
    """The run number (1 to MAX_RUN): the seed, so that files of several seeds below MAX_RUN have no event in common."""
    return 1 + (seed - 1) % MAX_RUN


def particle_hits(particles: Particles, index: int, seed: int, detector: Detector, work: Workspace) -> Deposits:
    """Deposits of each generated particle in the crystals."""
    cells, energies = [], []
    first = np.zeros(tracker.COLUMNS)
    for i, charge in enumerate(particles.charge):  # a few particles
        state = stream(seed, index, PARTICLE + i)
        start_particle(first, particles.pt[i], particles.eta[i], particles.phi[i], float(charge), particles.z)
        n = particle_deposits(
            state, first, *detector.tracking, SIGNAL_POINTS, detector.crystals.exists, work.deposit, work.touched
        )
        touched, deposits = collect_deposits(work.deposit, work.touched, n, MIN_DEPOSIT)
        cells.append(touched)
        energies.append(deposits)
    return Deposits.of(cells, energies)


def pileup_hits(
    pileup: tuple[float, float] | None, rng: np.random.Generator, index: int, seed: int, detector: Detector,
    work: Workspace,
) -> tuple[dict[str, Any], Deposits]:  # fmt: skip
    """The event's branches on pile-up, and the sum of the deposits of all other interactions."""
    mean = 0.0 if pileup is None else rng.uniform(*pileup)
    n_interactions = int(rng.poisson(mean))
    c = detector.conditions
    n, sum_pt = pileup_deposits(
        stream(seed, index, PILEUP), n_interactions, c.vertex_width_cm, 1.0 / c.pileup_response, c.pileup_activity,
        detector.spectrum, detector.library, *detector.tracking, detector.crystals.exists, work.deposit, work.touched,
    )  # fmt: skip
    cells, energies = collect_deposits(work.deposit, work.touched, n, MIN_DEPOSIT)
    energies *= c.pileup_response
    columns = {
        "truePU": mean, "obsPU": float(n_interactions), "nVtx": 1 + int(rng.binomial(n_interactions, 0.7)),
        "rho": sum_pt / (2 * math.pi * 6.0),
    }  # fmt: skip
    return columns, Deposits.of([cells], [energies])


def measure_energies(
    signal: Deposits, soft: Deposits, index: int, seed: int, detector: Detector, work: Workspace
) -> None:
    """Write the sum of all deposits to `work.deposited`, and the energies after the electronics to `work.measured`."""
    work.deposited[soft.cells] = soft.energies
    for first, last in pairwise(signal.offsets):  # a few particles
        work.deposited[signal.cells[first:last]] += signal.energies[first:last]
    cells = np.concatenate([soft.cells, signal.cells])
    key = stream(seed, index, ELECTRONICS)[0]
    read_out(cells, work.deposited[cells], key, detector.conditions.photostatistics, detector.crystals, work.measured)


def pf_clusters(index: int, seed: int, detector: Detector, work: Workspace) -> Clusters:
    """The PF clusters of the measured energies."""
    key, crystals = stream(seed, index, ELECTRONICS)[0], detector.crystals
    hits = hits_above_threshold(key, detector.min_quantile, crystals, work.measured)
    seeds, offsets, cells, fractions = clusters(
        hits, work.measured, detector.seed_limits, detector.conditions.shower_width_cm, crystals, work.role,
        work.labels, work.is_hit,
    )  # fmt: skip
    raw, eta, phi = sums_and_positions(seeds, offsets, cells, fractions, work.measured, crystals)
    return Clusters(seeds, offsets, cells, fractions, raw, eta, phi, calibrated(raw, eta))


def cluster_branches(found: Clusters, index: int, seed: int, detector: Detector, work: Workspace) -> dict[str, Any]:
    """The branches pfCluster_* without the scores, and pfClusterHit_*."""
    key, crystals = stream(seed, index, ELECTRONICS)[0], detector.crystals
    mark_full_readout(
        work.measured, detector.conditions.full_readout_et_gev, crystals, work.tower_et, work.full_readout
    )
    width, own, full = cluster_shapes(
        found.offsets, found.cells, found.fractions, found.raw, found.eta, found.phi, key, crystals, work.measured,
        work.part, work.full_readout, detector.suppression,
    )  # fmt: skip
    counts, cells = np.diff(found.offsets), found.cells
    columns: dict[str, Any] = {
        "pfCluster_energy": found.energy, "pfCluster_rawEnergy": found.raw, "pfCluster_eta": found.eta,
        "pfCluster_phi": found.phi, "pfCluster_nXtals": counts, "pfCluster_etaWidth": width[:, 0],
        "pfCluster_phiWidth": width[:, 1],
    }  # fmt: skip
    for i, name in enumerate(SHAPES):
        columns |= {f"pfCluster_{name}": own[:, i], f"pfCluster_full5x5_{name}": full[:, i]}
    for name in ("ieta", "iphi", "iz"):
        table = getattr(crystals, name)
        columns |= {f"pfCluster_{name}": table[found.seed], f"pfClusterHit_{name}": Nested(counts, table[cells])}
    for name, values in {
        "rechitEnergy": work.measured[cells], "fraction": found.fractions, "eta": crystals.eta[cells],
        "phi": crystals.phi[cells],
    }.items():  # fmt: skip
        columns[f"pfClusterHit_{name}"] = Nested(counts, values)
    return columns


def supercluster_branches(found: Clusters, detector: Detector) -> dict[str, Any]:
    """The branches superCluster_*: sums of energies, and means of positions weighted by raw energy."""
    side, min_et = detector.crystals.iz[found.seed], detector.conditions.supercluster_seed_et_gev
    seeds, offsets, members = superclusters(found.energy, found.raw, found.eta, found.phi, side, min_et)
    first = offsets[:-1]

    def total(values: Any) -> Any:
        return np.add.reduceat(values[members], first) if len(first) else np.zeros(0)

    raw = total(found.raw)
    x, y = total(found.raw * np.cos(found.phi)), total(found.raw * np.sin(found.phi))
    return {
        "superCluster_seedIndex": seeds, "superCluster_rawEnergy": raw, "superCluster_energy": total(found.energy),
        "superCluster_eta": total(found.raw * found.eta) / raw, "superCluster_phi": np.arctan2(y, x),
        "superCluster_pfClustersIndex": Nested(np.diff(offsets), members),
    }  # fmt: skip


def noise_branches(found: Clusters, crystals: Crystals, work: Workspace) -> dict[str, Any]:
    """The branches pfCluster_noise*: measured minus deposited energy."""
    sums = noise_sums(found.offsets, found.cells, found.fractions, work.measured, work.deposited, crystals.uncalibrated)
    return {f"pfCluster_{name}": values for name, values in zip(NOISES, sums, strict=True)}
