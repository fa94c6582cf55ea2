"""One simulated event, from the gun to the branches of a dumper file: the chain on one screen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.kernels import tracker
from ecalwindows.kernels.cluster_shapes import shapes
from ecalwindows.kernels.clustering import clusters, sums_and_positions
from ecalwindows.kernels.crystals import Crystals
from ecalwindows.kernels.draws import stream
from ecalwindows.kernels.electronics import hits_above_threshold, read_in_full, read_out
from ecalwindows.kernels.pileup import NO_LIBRARY, Library, aimed, particle_deposits, pileup_deposits, taken
from ecalwindows.kernels.scores import noise_sums
from ecalwindows.kernels.superclusters import superclusters
from ecalwindows.simulate.branches import NOISES, SHAPES, Nested
from ecalwindows.simulate.calibration import calibrated
from ecalwindows.simulate.conditions import Conditions
from ecalwindows.simulate.detector import crystals_of, lowest_quantile
from ecalwindows.simulate.gun import Gun, Particles, generated
from ecalwindows.simulate.truth import (
    Deposits,
    calo_branches,
    pileup_branches,
    score_branches,
    sim_hit_branches,
)
from ecalwindows.simulate.workspace import Clusters, Workspace

SIGNAL_POINTS = 100.0
LEAST_DEPOSIT = 1e-5
GUN, ELECTRONICS, PILEUP, PARTICLE = range(4)
"""Purposes of random streams; particle i has stream PARTICLE + i."""


@dataclass(frozen=True)
class Detector:
    """Conditions in the form that kernels take. Made once.

    library : interactions of the pile-up; parametrised ones where it is empty
    """

    conditions: Conditions
    library: Library = NO_LIBRARY
    crystals: Crystals = field(init=False)
    lowest: float = field(init=False)

    def __post_init__(self) -> None:
        crystals = crystals_of(self.conditions)
        object.__setattr__(self, "crystals", crystals)
        object.__setattr__(self, "lowest", lowest_quantile(crystals))

    @property
    def around(self) -> tuple[Any, Any, float]:
        """Material by eta, material along the way, field: what `kernels.tracker.arrivals` takes."""
        c = self.conditions
        material = np.array([c.material_abs_eta, c.material_x0])
        return material, np.array([c.material_way, c.material_share]), c.magnetic_field_tesla

    @property
    def seed_limits(self) -> NDArray[np.float64]:
        """Least energy in the barrel, least energy and Et in the endcaps [GeV]."""
        c = self.conditions
        return np.array([c.seed_barrel_gev, c.seed_endcap_gev, c.seed_endcap_et_gev])

    @property
    def suppression(self) -> NDArray[np.float64]:
        """Least energy over the width of the noise that is always read out, in the barrel and in the endcaps."""
        c = self.conditions
        return np.array([c.suppression_sigmas_barrel, c.suppression_sigmas_endcap])

    @property
    def spectrum(self) -> NDArray[np.float64]:
        """What `kernels.pileup.interaction` takes, (3, 5)."""
        c = self.conditions
        columns = (c.pileup_per_eta, c.pileup_eta_tilt, c.pileup_pt_scale_gev, c.pileup_pt_power, c.pileup_pt_tilt)
        return np.array(columns).T.copy()


def simulated_event(
    number: int, seed: int, gun: Gun, pileup: tuple[float, float] | None, detector: Detector, work: Workspace
) -> dict[str, Any]:
    """The branches of event `number` (from 0) under a seed: numbers, arrays, and `Nested` lists.

    pileup : range of the mean number of interactions, None without
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, number]))
    particles = generated(gun, rng, detector.conditions.vertex_width_cm)
    signal = particle_hits(particles, number, seed, detector, work)
    surroundings, soft = pileup_hits(pileup, rng, number, seed, detector, work)
    measured_energies(signal, soft, number, seed, detector, work)
    found = pf_clusters(number, seed, detector, work)
    columns = {"runId": run_number(seed), "lumiId": 1 + number // 100, "eventId": number + 1} | surroundings
    columns |= calo_branches(particles, signal, detector.crystals) | sim_hit_branches(signal, detector.crystals)
    columns |= cluster_branches(found, number, seed, detector, work)
    columns |= score_branches(found, signal, columns, work)
    columns |= supercluster_branches(found, detector)
    if pileup is not None:
        columns |= pileup_branches(found, soft, work)
        columns |= noise_branches(found, detector.crystals, work)
    work.measured[:] = np.nan
    work.deposited[:] = 0
    return columns


def run_number(seed: int) -> int:
    """The run: the seed, so that files of several seeds are one sample without an event twice (from 1 to 2^31 - 1)."""
    return 1 + (seed - 1) % (2**31 - 1)


def particle_hits(particles: Particles, number: int, seed: int, detector: Detector, work: Workspace) -> Deposits:
    """Deposits of each generated particle."""
    cells, energies = [], []
    first = np.zeros(tracker.COLUMNS)
    for i, charge in enumerate(particles.charge):  # a handful
        state = stream(seed, number, PARTICLE + i)
        aimed(first, particles.pt[i], particles.eta[i], particles.phi[i], float(charge), particles.z)
        n = particle_deposits(
            state, first, *detector.around, SIGNAL_POINTS, detector.crystals.exists, work.deposit, work.touched
        )
        numbers, energy = taken(work.deposit, work.touched, n, LEAST_DEPOSIT)
        cells.append(numbers)
        energies.append(energy)
    return Deposits.of(cells, energies)


def pileup_hits(
    pileup: tuple[float, float] | None, rng: np.random.Generator, number: int, seed: int, detector: Detector,
    work: Workspace,
) -> tuple[dict[str, Any], Deposits]:  # fmt: skip
    """The event's pile-up numbers and the deposits of all other interactions together."""
    mean = 0.0 if pileup is None else rng.uniform(*pileup)
    interactions = int(rng.poisson(mean))
    c = detector.conditions
    n, sum_pt = pileup_deposits(
        stream(seed, number, PILEUP), interactions, c.vertex_width_cm, 1.0 / c.pileup_response, c.pileup_activity,
        detector.spectrum, detector.library, *detector.around, detector.crystals.exists, work.deposit, work.touched,
    )  # fmt: skip
    cells, energies = taken(work.deposit, work.touched, n, LEAST_DEPOSIT)
    energies *= c.pileup_response
    numbers = {
        "truePU": mean, "obsPU": float(interactions), "nVtx": 1 + int(rng.binomial(interactions, 0.7)),
        "rho": sum_pt / (2 * math.pi * 6.0),
    }  # fmt: skip
    return numbers, Deposits.of([cells], [energies])


def measured_energies(
    signal: Deposits, soft: Deposits, number: int, seed: int, detector: Detector, work: Workspace
) -> None:
    """Write the sum of all deposits to `work.deposited` and what the electronics make of it to `work.measured`."""
    work.deposited[soft.cells] = soft.energies
    for first, last in pairwise(signal.offsets):  # a handful of particles
        work.deposited[signal.cells[first:last]] += signal.energies[first:last]
    cells = np.concatenate([soft.cells, signal.cells])
    key = stream(seed, number, ELECTRONICS)[0]
    read_out(cells, work.deposited[cells], key, detector.conditions.photostatistics, detector.crystals, work.measured)


def pf_clusters(number: int, seed: int, detector: Detector, work: Workspace) -> Clusters:
    """The PF clusters of what is measured."""
    key, crystals = stream(seed, number, ELECTRONICS)[0], detector.crystals
    hits = hits_above_threshold(key, detector.lowest, crystals, work.measured)
    seeds, offsets, cells, fractions = clusters(
        hits, work.measured, detector.seed_limits, detector.conditions.shower_width_cm, crystals, work.role,
        work.labels, work.is_hit,
    )  # fmt: skip
    raw, eta, phi = sums_and_positions(seeds, offsets, cells, fractions, work.measured, crystals)
    return Clusters(seeds, offsets, cells, fractions, raw, eta, phi, calibrated(raw, eta))


def cluster_branches(found: Clusters, number: int, seed: int, detector: Detector, work: Workspace) -> dict[str, Any]:
    """pfCluster_* and pfClusterHit_* but the scores."""
    key, crystals = stream(seed, number, ELECTRONICS)[0], detector.crystals
    read_in_full(work.measured, detector.conditions.full_readout_et_gev, crystals, work.tower_et, work.full_readout)
    width, own, full = shapes(
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
    """superCluster_*: sums of energies, means of positions weighted by raw energy."""
    side, least = detector.crystals.iz[found.seed], detector.conditions.supercluster_seed_et_gev
    seeds, offsets, members = superclusters(found.energy, found.raw, found.eta, found.phi, side, least)
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
    """pfCluster_noise*: measured minus deposited energy."""
    sums = noise_sums(found.offsets, found.cells, found.fractions, work.measured, work.deposited, crystals.uncalibrated)
    return {f"pfCluster_{name}": values for name, values in zip(NOISES, sums, strict=True)}
