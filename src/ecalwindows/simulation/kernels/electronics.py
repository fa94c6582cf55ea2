"""Kernels from deposits to reconstructed hits: photostatistics, calibration, noise, thresholds.

`measured` is float64 (N_CRYSTALS,), the measured energy of each crystal [GeV], NaN where it is not computed yet: the
noise of a crystal without a deposit is drawn only when it is needed. `key` is the key of the event's random numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.simulation.kernels.crystals import N_BARREL, N_TOWERS, NONE, Crystals, tower_beside, tower_of
from ecalwindows.simulation.kernels.draws import hashed, quantile


@kernel
def noise_in(crystal: int, key: Any, crystals: Crystals) -> Any:
    """Noise of a crystal in this event [GeV]."""
    return crystals.noise[crystal] * quantile(hashed(key, 2 * crystal))


@kernel
def read_out(cells: Any, energies: Any, key: Any, photostatistics: float, crystals: Crystals, measured: Any) -> None:
    """Write the measured energies of crystals with deposits to `measured`.

    Parameters
    ----------
    cells : int32 (n,), crystal indices
    energies : float64 (n,), their deposits [GeV]
    key : uint64, key of the event's random numbers
    photostatistics : standard deviation of the light over the square root of the energy [sqrt(GeV)]
    crystals : tables of all crystals
    measured : float64 (N_CRYSTALS,), changed in place [GeV]
    """
    for i in range(len(cells)):
        crystal = cells[i]
        width = photostatistics * math.sqrt(energies[i])
        light = max(energies[i] + width * quantile(hashed(key, 2 * crystal + 1)), 0.0)
        measured[crystal] = (
            0.0 if crystals.dead[crystal] else light * crystals.gain[crystal] + noise_in(crystal, key, crystals)
        )


@kernel
def energy_in(crystal: int, key: Any, crystals: Crystals, measured: Any) -> Any:
    """Measured energy of a crystal [GeV]; only noise, drawn now, where no deposit was read out."""
    if math.isnan(measured[crystal]):
        measured[crystal] = 0.0 if crystals.dead[crystal] else noise_in(crystal, key, crystals)
    return measured[crystal]


@array_kernel
def mark_full_readout(measured: Any, min_et: float, crystals: Crystals, tower_et: Any, full: Any) -> None:
    """Mark the towers of 5x5 crystals that are read out without zero suppression.

    These are the towers with Et >= min_et and their neighbours.

    Parameters
    ----------
    measured : float64 (N_CRYSTALS,), measured energies [GeV] or NaN
    min_et : minimum Et [GeV]
    crystals : tables of all crystals
    tower_et : float64 (N_TOWERS,), work space
    full : bool (N_TOWERS,), filled with the result
    """
    tower_et[:], full[:] = 0.0, False
    for crystal in range(len(measured)):
        if not math.isnan(measured[crystal]):
            tower_et[tower_of(crystal)] += measured[crystal] / math.cosh(crystals.eta[crystal])
    for tower in range(N_TOWERS):
        if tower_et[tower] >= min_et:
            for first in range(-1, 2):
                for second in range(-1, 2):
                    neighbour = tower_beside(tower, first, second)
                    if neighbour != NONE:
                        full[neighbour] = True


@kernel
def reconstructed_energy(crystal: int, key: Any, crystals: Crystals, measured: Any, full: Any, suppression: Any) -> Any:
    """Energy of the hit of a crystal [GeV], 0 where zero suppression removes it.

    suppression : float64 (2,), zero suppression removes energies below this number of standard deviations of the noise,
    in the barrel and in the endcaps
    """
    energy = energy_in(crystal, key, crystals, measured)
    limit = crystals.noise[crystal] * (suppression[0] if crystal < N_BARREL else suppression[1])
    return energy if energy >= limit or full[tower_of(crystal)] else 0.0


@array_kernel
def hits_above_threshold(key: Any, lowest: float, crystals: Crystals, measured: Any) -> Any:
    """Indices of the crystals above their thresholds, by decreasing energy (lower index first if equal), int32 (n,).

    lowest : a crystal without a deposit is skipped when the quantile of its noise is below this number, because then no
    crystal's noise can reach its threshold
    """
    exists, dead, thresholds, noise = crystals.exists, crystals.dead, crystals.threshold, crystals.noise
    found, energies = np.empty(len(measured), np.int32), np.empty(len(measured))
    n = 0
    for crystal in range(len(measured)):
        energy = measured[crystal]
        if math.isnan(energy):
            u = hashed(key, 2 * crystal)
            if u < lowest or dead[crystal] or not exists[crystal]:
                continue
            energy = noise[crystal] * quantile(u)
        if energy > thresholds[crystal]:
            found[n], energies[n], measured[crystal] = crystal, energy, energy
            n += 1
    order = np.argsort(-energies[:n], kind="mergesort")
    return found[:n][order]
