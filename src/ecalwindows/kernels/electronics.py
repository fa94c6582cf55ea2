"""Loops from deposits to reconstructed hits: photostatistics, calibration, noise, thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.kernels.crystals import Crystals
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
