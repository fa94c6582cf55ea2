"""The crystals as the kernels use them: one index per crystal, tables by this index, and the crystal at a given point.

Crystal index in the barrel (0 to 61199): (0 to 169 for ieta -85 to 85) * 360 + iphi - 1.
Crystal index in the endcaps: 61200 + side * 10000 + (ix - 1) * 100 + iy - 1, with side 0 for iz -1 and 1 for iz +1;
some of these indices belong to no crystal (see `Crystals.exists`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ecalwindows.core.jit import kernel

PITCH = 0.0174533
"""Width of a barrel crystal in eta and phi [rad] (docs/simulation.md)."""
RADIUS, LENGTH = 129.0, 23.0
"""Front face and length of the barrel crystals [cm]."""
ENDCAP_Z, ENDCAP_PITCH, ENDCAP_LENGTH, ENDCAP_FOCUS = 315.6, 2.862, 22.0, 130.0
"""abs(z) of the front face, pitch and length of the endcap crystals, and the distance behind the centre of the detector
of the point to which their axes point [cm]."""
GAP_ETA, GAP_PHI, GAP_SLOPE, GAP_DEPTH = 0.015, 0.025, 0.024, 6.0
"""Gaps of the barrel. GAP_ETA and GAP_PHI are half of the effective widths [crystals] of the gaps between modules (at
crystals 0, 25, 45 and 65 of each half) and between supermodules (every 20 crystals in phi). The real crystals point 3
degrees away from the vertex; to describe this, a gap moves sideways by GAP_SLOPE crystals per cm of depth, and is at
its nominal position at the depth GAP_DEPTH [cm]."""
N_BARREL, N_CRYSTALS = 61200, 81200
N_BARREL_TOWERS, N_TOWERS = 34 * 72, 34 * 72 + 2 * 20 * 20
"""Number of towers of 5x5 crystals; their indices are built like those of the crystals."""
NONE = -1
"""Index for "no crystal" and "no tower"."""


class Crystals(NamedTuple):
    """Tables by crystal index, each (N_CRYSTALS,) unless another shape is given.

    Attributes
    ----------
    exists : bool, whether the index belongs to a crystal
    ieta, iphi, iz : int32, in the endcaps ix, iy and iz
    eta, phi : float64, direction of the centre of the front face [phi in rad]
    position : float64 (N_CRYSTALS, 3), centre of the front face [cm]
    axis : float64 (N_CRYSTALS, 3), unit vector along the crystal, away from the beam
    neighbours : int32 (N_CRYSTALS, 8), indices of the neighbours, NONE where there is no crystal
    threshold : float64, energies of PF hits are above it [GeV]
    noise : float64, standard deviation of the noise [GeV]
    gain : float64, factor on the energy by the error of the calibration
    uncalibrated : float64, energy before calibration over energy after it
    dead : bool, whether the crystal gives no signal
    """

    exists: Any
    ieta: Any
    iphi: Any
    iz: Any
    eta: Any
    phi: Any
    position: Any
    axis: Any
    neighbours: Any
    threshold: Any
    noise: Any
    gain: Any
    uncalibrated: Any
    dead: Any


@kernel
def barrel_crystal(eta: float, phi: float) -> Any:
    """Index of the barrel crystal in a direction, NONE outside the barrel."""
    i = math.floor(eta / PITCH) + 85
    if i < 0 or i >= 170:
        return NONE
    return i * 360 + int(math.floor(math.degrees(phi) + 10.0)) % 360  # noqa: RUF046 (numba's floor is a float)


@kernel
def in_gap(eta: float, phi: float, depth: float) -> Any:
    """Whether a point of the barrel, `depth` cm behind the front faces, is between modules or supermodules."""
    shift = GAP_SLOPE * (depth - GAP_DEPTH)
    i = abs(eta) / PITCH - shift
    edge = math.floor(i + 0.5)
    if abs(i - edge) < GAP_ETA and (edge == 0 or edge == 25 or edge == 45 or edge == 65):
        return True
    j = (math.degrees(phi) + 10.0 - shift) / 20.0
    return abs(j - math.floor(j + 0.5)) < GAP_PHI / 20.0


@kernel
def endcap_crystal(x: float, y: float, z: float, exists: Any) -> Any:
    """Index of the endcap crystal at a point in it or in front of it [cm], NONE where there is no crystal."""
    scale = (ENDCAP_Z + ENDCAP_FOCUS) / (abs(z) + ENDCAP_FOCUS) / ENDCAP_PITCH
    ix, iy = math.floor(x * scale + 50.0), math.floor(y * scale + 50.0)
    if ix < 0 or ix > 99 or iy < 0 or iy > 99:
        return NONE
    crystal = N_BARREL + (10000 if z > 0 else 0) + int(ix) * 100 + int(iy)
    return crystal if exists[crystal] else NONE


@kernel
def shifted(crystal: int, d_first: int, d_second: int, exists: Any) -> Any:
    """Index of the crystal that is some steps away in (ieta, iphi) or (ix, iy), NONE where there is no crystal."""
    if crystal < N_BARREL:
        i = crystal // 360 + d_first
        return i * 360 + (crystal % 360 + d_second) % 360 if 0 <= i < 170 else NONE
    inside = (crystal - N_BARREL) % 10000
    i, j = inside // 100 + d_first, inside % 100 + d_second
    if i < 0 or i > 99 or j < 0 or j > 99:
        return NONE
    moved = crystal - inside + i * 100 + j
    return moved if exists[moved] else NONE


@kernel
def tower_of(crystal: int) -> Any:
    """Index of the tower of a crystal."""
    if crystal < N_BARREL:
        return crystal // 360 // 5 * 72 + crystal % 360 // 5
    side, inside = (crystal - N_BARREL) // 10000, (crystal - N_BARREL) % 10000
    return N_BARREL_TOWERS + side * 400 + inside // 100 // 5 * 20 + inside % 100 // 5


@kernel
def tower_beside(tower: int, d_first: int, d_second: int) -> Any:
    """Index of the tower that is some steps away in (eta, phi) or (x, y), NONE where there is no tower."""
    if tower < N_BARREL_TOWERS:
        i = tower // 72 + d_first
        return i * 72 + (tower % 72 + d_second) % 72 if 0 <= i < 34 else NONE
    side, inside = (tower - N_BARREL_TOWERS) // 400, (tower - N_BARREL_TOWERS) % 400
    i, j = inside // 20 + d_first, inside % 20 + d_second
    return N_BARREL_TOWERS + side * 400 + i * 20 + j if 0 <= i < 20 and 0 <= j < 20 else NONE


@kernel
def neighbour_table(exists: Any, table: Any) -> None:
    """Fill `table` int32 (N_CRYSTALS, 8) with the neighbours of each crystal, NONE for an index without a crystal."""
    for crystal in range(len(exists)):
        k = 0
        for d_first in range(-1, 2):
            for d_second in range(-1, 2):
                if d_first != 0 or d_second != 0:
                    table[crystal, k] = shifted(crystal, d_first, d_second, exists) if exists[crystal] else NONE
                    k += 1
