"""Loops from deposits to reconstructed hits: photostatistics, calibration, noise, thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.kernels.crystals import N_BARREL, N_TOWERS, NONE, Crystals, tower_beside, tower_of
from ecalwindows.kernels.draws import hashed, quantile
from ecalwindows.kernels.jit import kernel, lean_kernel


@lean_kernel
def noise_in(number: int, key: Any, crystals: Crystals) -> Any:
    """Noise of a crystal in the event of this key [GeV]."""
    return crystals.noise[number] * quantile(hashed(key, 2 * number))


@kernel
def read_out(numbers: Any, energies: Any, key: Any, photostatistics: float, crystals: Crystals, measured: Any) -> None:
    """Write the measured energies of crystals with deposits to `measured` (N_CRYSTALS,), NaN where none is yet.

    photostatistics: width over the square root of the energy [sqrt(GeV)]
    """
    for i in range(len(numbers)):
        number = numbers[i]
        width = photostatistics * math.sqrt(energies[i])
        light = max(energies[i] + width * quantile(hashed(key, 2 * number + 1)), 0.0)
        measured[number] = (
            0.0 if crystals.dead[number] else light * crystals.gain[number] + noise_in(number, key, crystals)
        )


@lean_kernel
def energy_in(number: int, key: Any, crystals: Crystals, measured: Any) -> Any:
    """Measured energy of a crystal: what stands there, or the noise alone."""
    if math.isnan(measured[number]):
        measured[number] = 0.0 if crystals.dead[number] else noise_in(number, key, crystals)
    return measured[number]


@kernel
def read_in_full(measured: Any, least_et: float, crystals: Crystals, tower_et: Any, full: Any) -> None:
    """Write to `full` bool (N_TOWERS,) which towers of 5x5 crystals are read out without zero suppression: those with
    Et of at least `least_et` [GeV], and those around them.

    tower_et : float64 (N_TOWERS,), work space
    """
    tower_et[:], full[:] = 0.0, False
    for number in range(len(measured)):
        if not math.isnan(measured[number]):
            tower_et[tower_of(number)] += measured[number] / math.cosh(crystals.eta[number])
    for tower in range(N_TOWERS):
        if tower_et[tower] >= least_et:
            for first in range(-1, 2):
                for second in range(-1, 2):
                    beside = tower_beside(tower, first, second)
                    if beside != NONE:
                        full[beside] = True


@lean_kernel
def reconstructed(number: int, key: Any, crystals: Crystals, measured: Any, full: Any, least: Any) -> Any:
    """Energy of the hit of a crystal [GeV], 0 where its readout was suppressed.

    least : energy over the width of the noise that is always read out, in the barrel and in the endcaps
    """
    energy = energy_in(number, key, crystals, measured)
    limit = crystals.noise[number] * (least[0] if number < N_BARREL else least[1])
    return energy if energy >= limit or full[tower_of(number)] else 0.0


@kernel
def hits_above_threshold(key: Any, lowest: float, crystals: Crystals, measured: Any) -> Any:
    """Crystals above their thresholds, by decreasing energy (ties: lowest number first), int32 (n,).

    lowest: quantile of the noise below which no crystal's noise reaches its threshold; only the others are looked at
    """
    exists, dead, thresholds, noise = crystals.exists, crystals.dead, crystals.threshold, crystals.noise
    found, energies = np.empty(len(measured), np.int32), np.empty(len(measured))
    n = 0
    for number in range(len(measured)):
        energy = measured[number]
        if math.isnan(energy):
            u = hashed(key, 2 * number)
            if u < lowest or dead[number] or not exists[number]:
                continue
            energy = noise[number] * quantile(u)
        if energy > thresholds[number]:
            found[n], energies[n], measured[number] = number, energy, energy
            n += 1
    order = np.argsort(-energies[:n], kind="mergesort")
    return found[:n][order]
