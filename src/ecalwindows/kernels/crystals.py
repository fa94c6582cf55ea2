"""The crystals as the kernels see them: one number a crystal, tables by that number, where a point of a shower lies.

Number: barrel 0..61199 = (ieta index 0..169) * 360 + iphi - 1; endcaps 61200 + side * 10000 + (ix - 1) * 100 + iy - 1
with side 0 for iz -1 and 1 for iz +1; some of the latter do not exist.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from ecalwindows.kernels.jit import lean_kernel

PITCH = 0.0174533
"""Width of a barrel crystal in eta and phi [rad] (simulation.md)."""
RADIUS, LENGTH = 129.0, 23.0
"""Front face and length of the barrel crystals [cm]."""
ENDCAP_Z, ENDCAP_PITCH, ENDCAP_LENGTH, ENDCAP_FOCUS = 315.6, 2.862, 22.0, 130.0
"""Front face, pitch and length of the endcap crystals, distance behind the centre of the point they look at [cm]."""
GAP_ETA, GAP_PHI, GAP_SLOPE, GAP_DEPTH = 0.015, 0.025, 0.024, 6.0
"""Gaps of the barrel: between modules (at crystals 0, 25, 45, 65 of a half) and between supermodules (every 20 crystals
in phi). Half of their effective width [crystals]. As crystals point 3 degrees past the vertex, a gap moves sideways by
GAP_SLOPE crystals per cm of depth; at GAP_DEPTH [cm] it is where it belongs."""
N_BARREL, N_CRYSTALS = 61200, 81200
N_BARREL_TOWERS, N_TOWERS = 34 * 72, 34 * 72 + 2 * 20 * 20
"""Towers of 5x5 crystals, numbered as the crystals are."""
NONE = -1


class Crystals(NamedTuple):
    """Tables by crystal number, (N_CRYSTALS,) unless said otherwise; energies in GeV.

    exists : bool; ieta, iphi, iz : int32 (ix and iy in the endcaps); eta, phi : float64, of the front face
    position, axis : float64 (N_CRYSTALS, 3), front face [cm] and direction into the crystal
    neighbours : int32 (N_CRYSTALS, 8), NONE where there is none
    threshold : least energy of a PF hit; noise : width of the noise; gain : error of the calibration (factor)
    uncalibrated : energy before calibration over energy after; dead : bool
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


@lean_kernel
def barrel_crystal(eta: float, phi: float) -> Any:
    """The barrel crystal at a direction, NONE beyond the barrel."""
    i = math.floor(eta / PITCH) + 85
    if i < 0 or i >= 170:
        return NONE
    return i * 360 + int(math.floor(math.degrees(phi) + 10.0)) % 360  # noqa: RUF046 (numba's floor is a float)


@lean_kernel
def in_gap(eta: float, phi: float, depth: float) -> Any:
    """Whether a point of the barrel, `depth` cm behind the front faces, lies between modules or supermodules."""
    moved = GAP_SLOPE * (depth - GAP_DEPTH)
    i = abs(eta) / PITCH - moved
    edge = math.floor(i + 0.5)
    if abs(i - edge) < GAP_ETA and (edge == 0 or edge == 25 or edge == 45 or edge == 65):
        return True
    j = (math.degrees(phi) + 10.0 - moved) / 20.0
    return abs(j - math.floor(j + 0.5)) < GAP_PHI / 20.0


@lean_kernel
def endcap_crystal(x: float, y: float, z: float, exists: Any) -> Any:
    """The endcap crystal at a point in or before it, NONE where there is none."""
    scale = (ENDCAP_Z + ENDCAP_FOCUS) / (abs(z) + ENDCAP_FOCUS) / ENDCAP_PITCH
    ix, iy = math.floor(x * scale + 50.0), math.floor(y * scale + 50.0)
    if ix < 0 or ix > 99 or iy < 0 or iy > 99:
        return NONE
    number = N_BARREL + (10000 if z > 0 else 0) + int(ix) * 100 + int(iy)
    return number if exists[number] else NONE


@lean_kernel
def shifted(number: int, first: int, second: int, exists: Any) -> Any:
    """The crystal some steps away in (ieta, iphi) or (ix, iy), NONE where there is none."""
    if number < N_BARREL:
        i = number // 360 + first
        return i * 360 + (number % 360 + second) % 360 if 0 <= i < 170 else NONE
    inside = (number - N_BARREL) % 10000
    i, j = inside // 100 + first, inside % 100 + second
    if i < 0 or i > 99 or j < 0 or j > 99:
        return NONE
    there = number - inside + i * 100 + j
    return there if exists[there] else NONE


@lean_kernel
def tower_of(number: int) -> Any:
    """The tower of a crystal."""
    if number < N_BARREL:
        return number // 360 // 5 * 72 + number % 360 // 5
    side, inside = (number - N_BARREL) // 10000, (number - N_BARREL) % 10000
    return N_BARREL_TOWERS + side * 400 + inside // 100 // 5 * 20 + inside % 100 // 5


@lean_kernel
def tower_beside(tower: int, first: int, second: int) -> Any:
    """The tower some steps away in eta and phi, or in x and y; NONE where there is none."""
    if tower < N_BARREL_TOWERS:
        i = tower // 72 + first
        return i * 72 + (tower % 72 + second) % 72 if 0 <= i < 34 else NONE
    side, inside = (tower - N_BARREL_TOWERS) // 400, (tower - N_BARREL_TOWERS) % 400
    i, j = inside // 20 + first, inside % 20 + second
    return N_BARREL_TOWERS + side * 400 + i * 20 + j if 0 <= i < 20 and 0 <= j < 20 else NONE


@lean_kernel
def neighbour_table(exists: Any, table: Any) -> None:
    """Fill `table` int32 (N_CRYSTALS, 8) with the neighbours of each crystal that exists."""
    for number in range(len(exists)):
        k = 0
        for first in range(-1, 2):
            for second in range(-1, 2):
                if first != 0 or second != 0:
                    table[number, k] = shifted(number, first, second, exists) if exists[number] else NONE
                    k += 1
