"""Branches of the truth: caloparticles, their hits, association scores, pile-up sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.kernels.clustering import sums_and_positions
from ecalwindows.kernels.crystals import Crystals
from ecalwindows.kernels.scores import N_SHARED, RECO, SIM, SIM_WHOLE, shared
from ecalwindows.simulate.branches import Nested
from ecalwindows.simulate.gun import Particles
from ecalwindows.simulate.workspace import Clusters, Workspace

Floats = NDArray[np.float64]
BARREL_ETA = 1.479


@dataclass(frozen=True)
class Deposits:
    """Deposits in crystals, CSR by particle: crystals int32 (n,) by number, energies [GeV] (n,), offsets."""

    offsets: NDArray[np.int64]
    cells: NDArray[np.int32]
    energies: Floats

    @classmethod
    def of(cls, cells: list[NDArray[np.int32]], energies: list[Floats]) -> Deposits:
        """From the lists of each particle."""
        offsets = np.cumsum([0, *map(len, cells)], dtype=np.int64)
        return cls(offsets, np.concatenate([np.zeros(0, np.int32), *cells]), np.concatenate([np.zeros(0), *energies]))

    def sums(self, weight: Any = 1.0) -> Floats:
        """Energy of each particle [GeV], each deposit times its weight."""
        total = np.concatenate([[0.0], np.cumsum(self.energies * weight)])
        return np.asarray(np.diff(total[self.offsets]))

    @property
    def highest(self) -> NDArray[np.int32]:
        """Crystal of each particle's largest deposit; the first crystal for a particle without any."""
        n = len(self.offsets) - 1
        owner = np.repeat(np.arange(n), np.diff(self.offsets))
        order = np.lexsort((-self.energies, owner))
        first = np.zeros(n, np.int32)
        there = np.diff(self.offsets) > 0
        first[there] = self.cells[order[self.offsets[:-1][there]]]
        return first


def calo_branches(particles: Particles, signal: Deposits, crystals: Crystals) -> dict[str, Any]:
    """caloParticle_*. A particle without deposits has its generated direction as simulated one."""
    energy, good = signal.sums(), signal.sums(~crystals.dead[signal.cells])
    eta, phi = particles.eta.copy(), particles.phi.copy()
    there, highest = energy > 0, signal.highest
    if there.any():
        kept = np.concatenate([[0], signal.offsets[1:][there]])
        measured = np.ones(len(crystals.eta))
        found = sums_and_positions(highest[there], kept, signal.cells, signal.energies, measured, crystals)
        eta[there], phi[there] = found[1], found[2]
    columns = {
        "simEnergy": energy, "simEnergyGoodStatus": good, "genEnergy": particles.energy, "simEta": eta, "simPhi": phi,
        "genEta": particles.eta, "genPhi": particles.phi, "genPt": particles.pt, "simPt": energy / np.cosh(eta),
        "simIeta": np.where(there, crystals.ieta[highest], 0), "simIphi": np.where(there, crystals.iphi[highest], 0),
        "simIz": np.where(np.abs(eta) < BARREL_ETA, 0, np.sign(eta).astype(int)), "pdgId": particles.pdg_id,
    }  # fmt: skip
    columns["simIz"] = np.where(there, crystals.iz[highest], columns["simIz"])
    return {f"caloParticle_{name}": values for name, values in columns.items()}


def sim_hit_branches(signal: Deposits, crystals: Crystals) -> dict[str, Any]:
    """simHit_*, by caloparticle."""
    counts = np.diff(signal.offsets)
    columns = {name: getattr(crystals, name)[signal.cells] for name in ("eta", "phi", "ieta", "iphi", "iz")}
    return {
        f"simHit_{name}": Nested(counts, values) for name, values in ({"energy": signal.energies} | columns).items()
    }


def score_branches(found: Clusters, signal: Deposits, calo: dict[str, Any], work: Workspace) -> dict[str, Any]:
    """pfCluster_* by cluster and caloparticle, as RecoSimDumper defines them; -1 where a ratio means nothing."""
    sums = _shared(found, signal, work)
    total, counts = signal.sums(), np.full(len(found.raw), len(signal.offsets) - 1)
    reco = np.broadcast_to(found.energy[:, None], sums[SIM].shape)
    columns = {
        "sim_fraction": _ratio(sums[SIM], total), "sim_fraction_noHitsFraction": _ratio(sums[SIM_WHOLE], total),
        "recoToSim_fraction": _ratio(reco, sums[SIM]), "recoToSim_fraction_sharedXtals": _ratio(sums[RECO], sums[SIM]),
        "sim_nSharedXtals": sums[N_SHARED], "simEnergy_sharedXtals": sums[SIM], "recoEnergy_sharedXtals": sums[RECO],
    }  # fmt: skip
    for name in ("gen", "sim"):
        columns[f"dR_{name}Score"] = _distance(found, calo[f"caloParticle_{name}Eta"], calo[f"caloParticle_{name}Phi"])
    return {f"pfCluster_{name}": Nested(counts, values.ravel()) for name, values in columns.items()}


def pileup_branches(found: Clusters, soft: Deposits, work: Workspace) -> dict[str, Any]:
    """What clusters share with the pile-up, and its energy in the event."""
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


def _ratio(above: Floats, below: Floats) -> Floats:
    """The ratio where the denominator is above 0, else -1."""
    below = np.broadcast_to(below, above.shape)
    return np.asarray(np.divide(above, below, out=np.full(above.shape, -1.0), where=below > 0))


def _distance(found: Clusters, eta: Floats, phi: Floats) -> NDArray[np.float32]:
    """Distances in eta and phi, (n_clusters, n_particles), to float32's precision, as the positions are stored."""
    dphi = np.remainder(found.phi[:, None] - phi + np.pi, 2 * np.pi) - np.pi
    return np.asarray(np.hypot(found.eta[:, None] - eta, dphi).astype(np.float32))
