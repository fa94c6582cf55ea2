"""Kernels for the shower shapes, as CMS's EcalClusterTools and RecoSimDumper define them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.simulation.kernels.crystals import N_BARREL, NONE, Crystals, shifted
from ecalwindows.simulation.kernels.electronics import reconstructed_energy

W0 = 4.7
"""Constant of the logarithmic weights W0 + ln(energy / total)."""
BARREL_STEP, ENDCAP_STEP = 0.01745, 0.0447
"""Size of a crystal in the sigmas: CMS's barrelCrystalSize and endcapCrystalSize."""
SWISS_CROSS, R9, ETA_ETA, ETA_PHI, PHI_PHI = range(5)
N_SHAPES = 5
"""Places of the shapes in an array (N_SHAPES,)."""


@kernel
def wrapped(phi: float) -> Any:
    """The same angle [rad] in the range from -pi to pi."""
    return phi - 2.0 * math.pi * math.floor(phi / (2.0 * math.pi) + 0.5)


@kernel
def widths(eta: float, phi: float, energy: float, cells: Any, energies: Any, crystals: Crystals) -> Any:
    """Energy-weighted widths of a cluster in eta and phi [rad], around its position."""
    eta2, phi2 = 0.0, 0.0
    for i in range(len(cells)):
        eta2 += energies[i] * (crystals.eta[cells[i]] - eta) ** 2
        phi2 += energies[i] * wrapped(crystals.phi[cells[i]] - phi) ** 2
    return math.sqrt(max(eta2, 0.0) / energy), math.sqrt(max(phi2, 0.0) / energy)


@kernel
def endcap_offsets(crystal: int) -> Any:
    """Position of an endcap crystal in crystals from the beam, as CMS counts them for shapes: there is no 0."""
    inside = (crystal - N_BARREL) % 10000
    x, y = inside // 100 - 49, inside % 100 - 49
    return float(x - 1 if x <= 0 else x), float(y - 1 if y <= 0 else y)


@kernel
def steps_along_eta(crystal: int, i: int, j: int) -> Any:
    """Distance in crystals, along eta or in the endcaps along the radius, to the crystal that is (i, j) steps away."""
    if crystal < N_BARREL:
        return float(i)
    x, y = endcap_offsets(crystal)
    return math.hypot(x + i, y + j) - math.hypot(x, y)


@kernel
def steps_in_phi(crystal: int, i: int, j: int, mean_i: float, mean_j: float) -> Any:
    """Distance in crystals, in phi, from a mean position to the crystal that is (i, j) steps away.

    In the endcaps it is never negative, like CMS's getDPhiEndcap.
    """
    if crystal < N_BARREL:
        return j - mean_j
    x0, y0 = endcap_offsets(crystal)
    x, y, mx, my = x0 + i, y0 + j, x0 + mean_i, y0 + mean_j
    cosine = (x * mx + y * my) / max(math.hypot(x, y) * math.hypot(mx, my), 1e-12)
    return math.hypot(x, y) * math.acos(min(max(cosine, -1.0), 1.0))


@kernel
def covariances(crystal: int, block: Any, total: float, out: Any) -> None:
    """Write sigmaIetaIeta, sigmaIetaIphi (a covariance) and sigmaIphiIphi of a 5x5 block of energies to `out`.

    The weights are logarithmic. As in CMS, a crystal of negative energy counts only in the total energy of the block.
    """
    mean_i, mean_j, mean_up, energy = 0.0, 0.0, 0.0, 0.0
    for i in range(5):
        for j in range(5):
            if block[i, j] > 0.0:
                mean_i += block[i, j] * (i - 2)
                mean_j += block[i, j] * (j - 2)
                mean_up += block[i, j] * steps_along_eta(crystal, i - 2, j - 2)
                energy += block[i, j]
    if not energy > 0.0 or not total > 0.0:
        return
    mean_i, mean_j, mean_up = mean_i / energy, mean_j / energy, mean_up / energy
    norm, ee, ep, pp = 0.0, 0.0, 0.0, 0.0
    for i in range(5):
        for j in range(5):
            weight = W0 + math.log(block[i, j] / total) if block[i, j] > 0.0 else 0.0
            if weight > 0.0:
                along = steps_along_eta(crystal, i - 2, j - 2) - mean_up
                around = steps_in_phi(crystal, i - 2, j - 2, mean_i, mean_j)
                norm += weight
                ee += weight * along * along
                ep += weight * along * around
                pp += weight * around * around
    size = BARREL_STEP if crystal < N_BARREL else ENDCAP_STEP
    if norm > 0.0:
        out[ETA_ETA], out[ETA_PHI], out[PHI_PHI] = (
            size * math.sqrt(ee / norm),
            size * size * ep / norm,
            size * math.sqrt(pp / norm),
        )


@array_kernel
def block_shapes(crystal: int, block: Any, energy: float, out: Any) -> None:
    """Write the shapes of a 5x5 block of energies [GeV] around a crystal to `out` (N_SHAPES,).

    energy : of the cluster [GeV]
    """
    cross = block[1, 2] + block[3, 2] + block[2, 1] + block[2, 3]
    out[SWISS_CROSS] = 1.0 - cross / block[2, 2]
    out[R9] = block[1:4, 1:4].sum() / energy
    covariances(crystal, block, block.sum(), out)


@array_kernel
def cluster_shapes(
    offsets: Any, cells: Any, fractions: Any, energy: Any, eta: Any, phi: Any, key: Any, crystals: Crystals,
    measured: Any, part: Any, full_readout: Any, suppression: Any,
) -> Any:  # fmt: skip
    """Widths and shapes of each cluster of an event.

    Parameters
    ----------
    offsets, cells, fractions : hits of the clusters, CSR by cluster: int64, int32 (crystal indices), float64
    energy, eta, phi : float64 (n,), raw energies [GeV] and positions [phi in rad] of the clusters
    key : uint64, key of the event's random numbers
    crystals : tables of all crystals
    measured : float64 (N_CRYSTALS,), measured energies [GeV]
    part : float64 (N_CRYSTALS,), work space, 0 before and after
    full_readout, suppression : see `electronics.mark_full_readout` and `electronics.reconstructed_energy`

    Returns
    -------
    widths : float64 (n, 2), in eta and phi [rad]
    shapes : float64 (n, N_SHAPES), from the energies that belong to the cluster
    full 5x5 shapes : float64 (n, N_SHAPES), from all energies; as in CMS, the centre is the crystal of the cluster with
        the most energy, whatever the cluster's share of this energy
    """
    n = len(energy)
    width, own, full = np.zeros((n, 2)), np.zeros((n, N_SHAPES)), np.zeros((n, N_SHAPES))
    block, full_block = np.empty((5, 5)), np.empty((5, 5))
    for c in range(n):
        rows = slice(offsets[c], offsets[c + 1])
        found, fraction = cells[rows], fractions[rows]
        energies, first, most = np.empty(len(found)), 0, 0
        for i in range(len(found)):
            energies[i] = fraction[i] * measured[found[i]]
            part[found[i]] = fraction[i]
            if energies[i] > energies[first]:
                first = i
            if measured[found[i]] > measured[found[most]]:
                most = i
        width[c, 0], width[c, 1] = widths(eta[c], phi[c], energy[c], found, energies, crystals)
        highest, centre = found[first], found[most]
        for i in range(5):
            for j in range(5):
                crystal = shifted(highest, i - 2, j - 2, crystals.exists)
                block[i, j] = 0.0 if crystal == NONE or part[crystal] == 0.0 else measured[crystal] * part[crystal]
                crystal = shifted(centre, i - 2, j - 2, crystals.exists)
                full_block[i, j] = (
                    0.0
                    if crystal == NONE
                    else reconstructed_energy(crystal, key, crystals, measured, full_readout, suppression)
                )
        for crystal in found:
            part[crystal] = 0.0
        block_shapes(highest, block, energy[c], own[c])
        block_shapes(centre, full_block, energy[c], full[c])
    return width, own, full
