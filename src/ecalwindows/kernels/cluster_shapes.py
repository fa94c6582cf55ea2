"""Loops of the shower shapes, as CMS's EcalClusterTools and RecoSimDumper define them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.kernels.crystals import N_BARREL, NONE, Crystals, shifted
from ecalwindows.kernels.electronics import reconstructed
from ecalwindows.kernels.jit import kernel

W0 = 4.7
BARREL_STEP, ENDCAP_STEP = 0.01745, 0.0447
"""What a crystal counts in the sigmas: CMS's barrelCrystalSize and endcapCrystalSize."""
SWISS_CROSS, R9, ETA_ETA, ETA_PHI, PHI_PHI = range(5)
N_SHAPES = 5


@kernel
def wrapped(phi: float) -> Any:
    """The angle within [-pi, pi]."""
    return phi - 2.0 * math.pi * math.floor(phi / (2.0 * math.pi) + 0.5)


@kernel
def widths(eta: float, phi: float, energy: float, cells: Any, energies: Any, crystals: Crystals) -> Any:
    """Energy-weighted widths in eta and phi [rad] around the cluster's position."""
    eta2, phi2 = 0.0, 0.0
    for i in range(len(cells)):
        eta2 += energies[i] * (crystals.eta[cells[i]] - eta) ** 2
        phi2 += energies[i] * wrapped(crystals.phi[cells[i]] - phi) ** 2
    return math.sqrt(max(eta2, 0.0) / energy), math.sqrt(max(phi2, 0.0) / energy)


@kernel
def centre_of(number: int) -> Any:
    """Where an endcap crystal stands, in crystals from the beam, as CMS numbers them for shapes: there is no 0."""
    inside = (number - N_BARREL) % 10000
    x, y = inside // 100 - 49, inside % 100 - 49
    return float(x - 1 if x <= 0 else x), float(y - 1 if y <= 0 else y)


@kernel
def along(number: int, i: int, j: int) -> Any:
    """Crystals from `number` to the one (i, j) steps away, along eta; in endcaps along the radius."""
    if number < N_BARREL:
        return float(i)
    x, y = centre_of(number)
    return math.hypot(x + i, y + j) - math.hypot(x, y)


@kernel
def around(number: int, i: int, j: int, mean_i: float, mean_j: float) -> Any:
    """Crystals in phi from a mean position to the crystal (i, j) steps from `number`; in endcaps never negative, as
    CMS's getDPhiEndcap.
    """
    if number < N_BARREL:
        return j - mean_j
    x0, y0 = centre_of(number)
    x, y, mx, my = x0 + i, y0 + j, x0 + mean_i, y0 + mean_j
    cosine = (x * mx + y * my) / max(math.hypot(x, y) * math.hypot(mx, my), 1e-12)
    return math.hypot(x, y) * math.acos(min(max(cosine, -1.0), 1.0))


@kernel
def covariances(number: int, block: Any, total: float, out: Any) -> None:
    """Write sigmaIetaIeta, the covariance, sigmaIphiIphi of a 5x5 block of energies, with logarithmic weights.

    As in CMS, crystals of negative energy count in the sum of the block alone.
    """
    mean_i, mean_j, mean_up, energy = 0.0, 0.0, 0.0, 0.0
    for i in range(5):
        for j in range(5):
            if block[i, j] > 0.0:
                mean_i += block[i, j] * (i - 2)
                mean_j += block[i, j] * (j - 2)
                mean_up += block[i, j] * along(number, i - 2, j - 2)
                energy += block[i, j]
    if not energy > 0.0 or not total > 0.0:
        return
    mean_i, mean_j, mean_up = mean_i / energy, mean_j / energy, mean_up / energy
    norm, ee, ep, pp = 0.0, 0.0, 0.0, 0.0
    for i in range(5):
        for j in range(5):
            weight = W0 + math.log(block[i, j] / total) if block[i, j] > 0.0 else 0.0
            if weight > 0.0:
                up = along(number, i - 2, j - 2) - mean_up
                across = around(number, i - 2, j - 2, mean_i, mean_j)
                norm += weight
                ee += weight * up * up
                ep += weight * up * across
                pp += weight * across * across
    size = BARREL_STEP if number < N_BARREL else ENDCAP_STEP
    if norm > 0.0:
        out[ETA_ETA], out[ETA_PHI], out[PHI_PHI] = (
            size * math.sqrt(ee / norm),
            size * size * ep / norm,
            size * math.sqrt(pp / norm),
        )


@kernel
def block_shapes(number: int, block: Any, energy: float, out: Any) -> None:
    """Write the shapes (N_SHAPES,) of a 5x5 block of energies around a crystal; energy: of the cluster."""
    cross = block[1, 2] + block[3, 2] + block[2, 1] + block[2, 3]
    out[SWISS_CROSS] = 1.0 - cross / block[2, 2]
    out[R9] = block[1:4, 1:4].sum() / energy
    covariances(number, block, block.sum(), out)


@kernel
def shapes(
    offsets: Any, cells: Any, fractions: Any, energy: Any, eta: Any, phi: Any, key: Any, crystals: Crystals,
    measured: Any, part: Any, full_readout: Any, least: Any,
) -> Any:  # fmt: skip
    """Of each cluster: widths (n, 2), shapes of its own crystals and of all (full 5x5), each (n, N_SHAPES).

    The latter, as in CMS, around the crystal of the cluster that has most energy whatever the cluster's share in it.
    part float64 (N_CRYSTALS,): work space, 0 before and after; full_readout, least: see `electronics.reconstructed`
    """
    n = len(energy)
    width, own, full = np.zeros((n, 2)), np.zeros((n, N_SHAPES)), np.zeros((n, N_SHAPES))
    block, whole = np.empty((5, 5)), np.empty((5, 5))
    for c in range(n):
        rows = slice(offsets[c], offsets[c + 1])
        energies = fractions[rows] * measured[cells[rows]]
        width[c, 0], width[c, 1] = widths(eta[c], phi[c], energy[c], cells[rows], energies, crystals)
        highest, centre = cells[rows][np.argmax(energies)], cells[rows][np.argmax(measured[cells[rows]])]
        part[cells[rows]] = fractions[rows]
        for i in range(5):
            for j in range(5):
                number = shifted(highest, i - 2, j - 2, crystals.exists)
                block[i, j] = 0.0 if number == NONE or part[number] == 0.0 else measured[number] * part[number]
                number = shifted(centre, i - 2, j - 2, crystals.exists)
                whole[i, j] = (
                    0.0 if number == NONE else reconstructed(number, key, crystals, measured, full_readout, least)
                )
        part[cells[rows]] = 0.0
        block_shapes(highest, block, energy[c], own[c])
        block_shapes(centre, whole, energy[c], full[c])
    return width, own, full
