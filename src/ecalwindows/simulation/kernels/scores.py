"""Kernels for the association scores of RecoSimDumper: the energy that clusters and particles share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel

N_SHARED, SIM, SIM_FULL, RECO = range(4)
N_SUMS = 4
"""Sums over the common crystals of a cluster and a particle, see `shared`."""


@array_kernel
def shared(
    offsets: Any,
    cells: Any,
    fractions: Any,
    measured: Any,
    sim_offsets: Any,
    sim_cells: Any,
    sim_energies: Any,
    truth: Any,
) -> Any:
    """Sums over the crystals that each cluster has in common with each particle.

    Parameters
    ----------
    offsets, cells, fractions : hits of the clusters, CSR by cluster: int64, int32 (crystal indices), float64
    measured : float64 (N_CRYSTALS,), measured energies [GeV]
    sim_offsets, sim_cells, sim_energies : deposits of the particles, CSR by particle: int64, int32, float64 [GeV]
    truth : float64 (N_CRYSTALS,), work space, 0 before and after

    Returns
    -------
    float64 (N_SUMS, n_clusters, n_particles): number of common crystals (N_SHARED), sum of deposit x fraction (SIM),
    sum of deposits (SIM_FULL), sum of measured energy x fraction (RECO); energies in GeV
    """
    n, n_particles = len(offsets) - 1, len(sim_offsets) - 1
    sums = np.zeros((N_SUMS, n, n_particles))
    for p in range(n_particles):
        for i in range(sim_offsets[p], sim_offsets[p + 1]):
            truth[sim_cells[i]] = sim_energies[i]
        for c in range(n):
            for i in range(offsets[c], offsets[c + 1]):
                sim = truth[cells[i]]
                if sim > 0.0:
                    sums[N_SHARED, c, p] += 1.0
                    sums[SIM, c, p] += sim * fractions[i]
                    sums[SIM_FULL, c, p] += sim
                    sums[RECO, c, p] += measured[cells[i]] * fractions[i]
        for i in range(sim_offsets[p], sim_offsets[p + 1]):
            truth[sim_cells[i]] = 0.0
    return sums


@array_kernel
def noise_sums(offsets: Any, cells: Any, fractions: Any, measured: Any, deposited: Any, uncalibrated: Any) -> Any:
    """Measured minus deposited energy of each cluster [GeV], float64 (4, n_clusters).

    Row 0: weighted with the fractions of the hits; row 1: the same before calibration; rows 2 and 3: like 0 and 1, but
    without the fractions.
    """
    sums = np.zeros((4, len(offsets) - 1))
    for c in range(len(offsets) - 1):
        for i in range(offsets[c], offsets[c + 1]):
            difference = measured[cells[i]] - deposited[cells[i]]
            sums[0, c] += fractions[i] * difference
            sums[1, c] += fractions[i] * difference * uncalibrated[cells[i]]
            sums[2, c] += difference
            sums[3, c] += difference * uncalibrated[cells[i]]
    return sums
