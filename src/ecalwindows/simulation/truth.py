"""Branches of the truth: caloparticles, their hits, association scores, sums over pile-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Floats, Integers, Singles
from ecalwindows.core.geometry import BARREL_END
from ecalwindows.simulation.branches import Nested
from ecalwindows.simulation.gun import Particles
from ecalwindows.simulation.kernels.clustering import sums_and_positions
from ecalwindows.simulation.kernels.crystals import Crystals
from ecalwindows.simulation.kernels.scores import N_SHARED, RECO, SIM, SIM_FULL, shared
from ecalwindows.simulation.workspace import Clusters, Workspace


@dataclass(frozen=True)
class Deposits:
    """Deposits of particles in crystals.

    Attributes
    ----------
    offsets : int64 (n_particles + 1,), deposits of particle p are the rows offsets[p] to offsets[p + 1]
    cells : int32 (n,), crystal indices
    energies : float64 (n,), in GeV
    """

    offsets: Integers
    cells: NDArray[np.int32]
    energies: Floats

    @classmethod
    def of(cls, cells: list[NDArray[np.int32]], energies: list[Floats]) -> Deposits:
        """The deposits from one array of crystals and one array of energies per particle."""
        offsets = np.cumsum([0, *map(len, cells)], dtype=np.int64)
        return cls(offsets, np.concatenate([np.zeros(0, np.int32), *cells]), np.concatenate([np.zeros(0), *energies]))

    def sums(self, weight: Any = 1.0) -> Floats:
        """Sum of deposit x weight of each particle [GeV]."""
        total = np.concatenate([[0.0], np.cumsum(self.energies * weight)])
        return np.asarray(np.diff(total[self.offsets]))

    @property
    def highest(self) -> NDArray[np.int32]:
        """Crystal of each particle's largest deposit, int32 (n_particles,); 0 for a particle without deposits."""
        n = len(self.offsets) - 1
        owner = np.repeat(np.arange(n), np.diff(self.offsets))
        order = np.lexsort((-self.energies, owner))
        first = np.zeros(n, np.int32)
        has_deposits = np.diff(self.offsets) > 0
        first[has_deposits] = self.cells[order[self.offsets[:-1][has_deposits]]]
        return first


def calo_branches(particles: Particles, signal: Deposits, crystals: Crystals) -> dict[str, Any]:
    """The branches caloParticle_*. The simulated direction of a particle without deposits is the generated one."""
    energy, good = signal.sums(), signal.sums(~crystals.dead[signal.cells])
    eta, phi = particles.eta.copy(), particles.phi.copy()
    has_deposits, highest = energy > 0, signal.highest
    if has_deposits.any():
        kept = np.concatenate([[0], signal.offsets[1:][has_deposits]])
        measured = np.ones(len(crystals.eta))
        found = sums_and_positions(highest[has_deposits], kept, signal.cells, signal.energies, measured, crystals)
        eta[has_deposits], phi[has_deposits] = found[1], found[2]
    columns = {
        "simEnergy": energy, "simEnergyGoodStatus": good, "genEnergy": particles.energy, "simEta": eta, "simPhi": phi,
        "genEta": particles.eta, "genPhi": particles.phi, "genPt": particles.pt, "simPt": energy / np.cosh(eta),
        "simIeta": np.where(has_deposits, crystals.ieta[highest], 0),
        "simIphi": np.where(has_deposits, crystals.iphi[highest], 0),
        "simIz": np.where(np.abs(eta) < BARREL_END, 0, np.sign(eta).astype(int)), "pdgId": particles.pdg_id,
    }  # fmt: skip
    columns["simIz"] = np.where(has_deposits, crystals.iz[highest], columns["simIz"])
    return {f"caloParticle_{name}": values for name, values in columns.items()}


def sim_hit_branches(signal: Deposits, crystals: Crystals) -> dict[str, Any]:
    """The branches simHit_*: the deposits of each caloparticle."""
    counts = np.diff(signal.offsets)
    columns = {name: getattr(crystals, name)[signal.cells] for name in ("eta", "phi", "ieta", "iphi", "iz")}
    return {
        f"simHit_{name}": Nested(counts, values) for name, values in ({"energy": signal.energies} | columns).items()
    }


def score_branches(found: Clusters, signal: Deposits, calo: dict[str, Any], work: Workspace) -> dict[str, Any]:
    """The scores pfCluster_* by cluster and caloparticle, as in RecoSimDumper; -1 where a denominator is 0."""
    sums = _shared(found, signal, work)
    total, counts = signal.sums(), np.full(len(found.raw), len(signal.offsets) - 1)
    reco = np.broadcast_to(found.energy[:, None], sums[SIM].shape)
    columns = {
        "sim_fraction": _ratio(sums[SIM], total), "sim_fraction_noHitsFraction": _ratio(sums[SIM_FULL], total),
        "recoToSim_fraction": _ratio(reco, sums[SIM]), "recoToSim_fraction_sharedXtals": _ratio(sums[RECO], sums[SIM]),
        "sim_nSharedXtals": sums[N_SHARED], "simEnergy_sharedXtals": sums[SIM], "recoEnergy_sharedXtals": sums[RECO],
    }  # fmt: skip
    for name in ("gen", "sim"):
        columns[f"dR_{name}Score"] = _distance(found, calo[f"caloParticle_{name}Eta"], calo[f"caloParticle_{name}Phi"])
    return {f"pfCluster_{name}": Nested(counts, values.ravel()) for name, values in columns.items()}


def pileup_branches(found: Clusters, soft: Deposits, work: Workspace) -> dict[str, Any]:
    """The branches on energy that clusters share with pile-up, and the total energy of pile-up in the event."""
    sums = _shared(found, soft, work)[:, :, 0]
    return {
        "caloParticlePU_totEnergy": soft.energies.sum(), "pfCluster_simPU_nSharedXtals": sums[N_SHARED],
        "pfCluster_simEnergy_sharedXtalsPU": sums[SIM], "pfCluster_recoEnergy_sharedXtalsPU": sums[RECO],
    }  # fmt: skip


def _shared(found: Clusters, deposits: Deposits, work: Workspace) -> Floats:
    return np.asarray(
        shared(
            found.offsets, found.cells, found.fractions, work.measured, deposits.offsets, deposits.cells,
            deposits.energies, work.truth,
        )
    )  # fmt: skip


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """The ratio where the denominator is positive, -1 elsewhere."""
    denominator = np.broadcast_to(denominator, numerator.shape)
    return np.asarray(np.divide(numerator, denominator, out=np.full(numerator.shape, -1.0), where=denominator > 0))


def _distance(found: Clusters, eta: Floats, phi: Floats) -> Singles:
    """Distances in (eta, phi), float32 (n_clusters, n_particles): the precision in which positions are stored."""
    dphi = np.remainder(found.phi[:, None] - phi + np.pi, 2 * np.pi) - np.pi
    return np.asarray(np.hypot(found.eta[:, None] - eta, dphi).astype(np.float32))
