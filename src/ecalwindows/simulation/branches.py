"""The branches that are written: name, depth (0: number, 1: vector, 2: vector of vectors) and C++ type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Integers

TYPES = {"int": np.int32, "Long64_t": np.int64, "float": np.float32, "double": np.float64}


@dataclass(frozen=True)
class OutBranch:
    """A branch of the output: name, depth (0: number, 1: vector, 2: vector of vectors) and C++ type."""

    name: str
    depth: int
    cpp: str

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of the values."""
        return np.dtype(TYPES[self.cpp])


@dataclass(frozen=True)
class Nested:
    """A vector of vectors of one event.

    Attributes
    ----------
    counts : int64 (n_lists,), lengths of the inner vectors
    values : (sum of counts,), their values one after another
    """

    counts: Integers
    values: Array


def _all(depth: int, cpp: str, prefix: str, names: str) -> tuple[OutBranch, ...]:
    return tuple(OutBranch(prefix + name, depth, cpp) for name in names.split())


SHAPES = ("swissCross", "r9", "sigmaIetaIeta", "sigmaIetaIphi", "sigmaIphiIphi")
"""Names of the shapes, in the order of `kernels.cluster_shapes`."""
NOISES = ("noise", "noiseUncalib", "noiseNoFractions", "noiseUncalibNoFractions")

IDS = (*_all(0, "int", "", "runId lumiId"), OutBranch("eventId", 0, "Long64_t"))

BRANCHES: tuple[OutBranch, ...] = (
    *IDS,
    *_all(0, "float", "", "rho"),
    *_all(0, "int", "", "nVtx"),
    *_all(0, "double", "", "obsPU truePU"),
    *_all(1, "float", "caloParticle_", "simEnergy simEnergyGoodStatus genEnergy"),
    *_all(1, "float", "caloParticle_", "simEta simPhi genEta genPhi genPt simPt"),
    *_all(1, "int", "caloParticle_", "simIeta simIphi simIz pdgId"),
    *_all(2, "float", "simHit_", "energy eta phi"),
    *_all(2, "int", "simHit_", "ieta iphi iz"),
    *_all(1, "float", "pfCluster_", "energy rawEnergy eta phi"),
    *_all(1, "int", "pfCluster_", "ieta iphi iz"),
    *_all(1, "double", "pfCluster_", "nXtals"),
    *_all(1, "float", "pfCluster_", "etaWidth phiWidth " + " ".join(SHAPES)),
    *_all(1, "float", "pfCluster_full5x5_", " ".join(SHAPES)),
    *_all(
        2, "double", "pfCluster_",
        "sim_fraction sim_fraction_noHitsFraction recoToSim_fraction recoToSim_fraction_sharedXtals sim_nSharedXtals "
        "simEnergy_sharedXtals recoEnergy_sharedXtals dR_genScore dR_simScore",
    ),
    *_all(2, "float", "pfClusterHit_", "rechitEnergy fraction eta phi"),
    *_all(2, "int", "pfClusterHit_", "ieta iphi iz"),
    *_all(1, "int", "superCluster_", "seedIndex"),
    *_all(1, "float", "superCluster_", "rawEnergy energy eta phi"),
    *_all(2, "int", "superCluster_", "pfClustersIndex"),
)  # fmt: skip
"""Branches of every file."""

PILEUP_BRANCHES: tuple[OutBranch, ...] = (
    *_all(0, "float", "", "caloParticlePU_totEnergy"),
    *_all(1, "float", "pfCluster_", " ".join(NOISES)),
    *_all(1, "double", "pfCluster_", "simPU_nSharedXtals simEnergy_sharedXtalsPU recoEnergy_sharedXtalsPU"),
)
"""Additional branches of files with pile-up, as in CMS's dumper files."""


def branches(*, with_pileup: bool) -> tuple[OutBranch, ...]:
    """All branches of a file."""
    return BRANCHES + PILEUP_BRANCHES if with_pileup else BRANCHES
