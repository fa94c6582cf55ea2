"""Loops of the association scores of RecoSimDumper: what clusters and particles share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.kernels.jit import kernel

N_SHARED, SIM, SIM_WHOLE, RECO = range(4)
N_SUMS = 4


@kernel
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
    """What cluster c shares with particle p, float64 (N_SUMS, n_clusters, n_particles), over their common crystals:

    their number, sum of sim energy x fraction, sum of sim energy, sum of measured energy x fraction [GeV].
    truth float64 (N_CRYSTALS,): work space, 0 before and after
    """
    n, n_particles = len(offsets) - 1, len(sim_offsets) - 1
    sums = np.zeros((N_SUMS, n, n_particles))
    for p in range(n_particles):
        rows = slice(sim_offsets[p], sim_offsets[p + 1])
        truth[sim_cells[rows]] = sim_energies[rows]
        for c in range(n):
            for i in range(offsets[c], offsets[c + 1]):
                sim = truth[cells[i]]
                if sim > 0.0:
                    sums[N_SHARED, c, p] += 1.0
                    sums[SIM, c, p] += sim * fractions[i]
                    sums[SIM_WHOLE, c, p] += sim
                    sums[RECO, c, p] += measured[cells[i]] * fractions[i]
        truth[sim_cells[rows]] = 0.0
    return sums


@kernel
def noise_sums(offsets: Any, cells: Any, fractions: Any, measured: Any, deposited: Any, uncalibrated: Any) -> Any:
    """Measured minus deposited energy of each cluster [GeV], float64 (4, n_clusters).

    With the hit fractions, the same before calibration, and both again without the fractions.
    """
    sums = np.zeros((4, len(offsets) - 1))
    for c in range(len(offsets) - 1):
        for i in range(offsets[c], offsets[c + 1]):
            more = measured[cells[i]] - deposited[cells[i]]
            sums[0, c] += fractions[i] * more
            sums[1, c] += fractions[i] * more * uncalibrated[cells[i]]
            sums[2, c] += more
            sums[3, c] += more * uncalibrated[cells[i]]
    return sums
