"""Kernels that track electrons and photons to the crystals: helices, bremsstrahlung and conversions.

Units: cm, GeV, T; the magnetic field is along z. A particle is a row float64 (COLUMNS,): charge, x, y, z, px, py, pz,
depth (material passed, in X0), generation (0 for the generated particle, 1 for its daughters, and so on).

A shell is the inner face of the calorimeter scaled by a factor between 0 and 1: a cylinder of radius 129 cm, closed by
planes at abs(z) = 315.6 cm. The fraction of the path from the vertex to the crystals is this factor. The material along
the path is a table: fractions of the path, and the share of the material in front of each of them.
"""

from __future__ import annotations

import math
from typing import Any

from ecalwindows.core.jit import kernel
from ecalwindows.simulation.kernels.draws import exponential, uniform

COLUMNS = 9
CHARGE, X, Y, Z, PX, PY, PZ, DEPTH, GENERATION = range(COLUMNS)
FACE_RADIUS, FACE_Z, BARREL_END = 129.0, 315.6, 270.0
"""Front faces of the barrel (radius), of the endcaps (abs z), and abs(z) up to which there are barrel crystals [cm]."""
MAX_ROWS = 512
"""Maximum number of particles that are tracked for one generated particle."""
MAX_LENGTH = 1500.0
"""Maximum length of the path of a particle [cm]."""
MIN_ENERGY = 0.03
"""Particles with a lower energy [GeV] are not tracked."""


@kernel
def interpolated(x: float, xs: Any, ys: Any) -> Any:
    """Linear interpolation of the points (xs, ys) at x, where xs increases; constant outside the range of xs."""
    if x <= xs[0]:
        return ys[0]
    for i in range(1, len(xs)):
        if x <= xs[i]:
            return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return ys[len(xs) - 1]


@kernel
def length_to_cylinder(row: Any, radius: float, curvature: float) -> Any:
    """Transverse path length [cm] to a cylinder around the beam; infinity if the particle never reaches it.

    curvature : signed curvature of the helix [1/cm]
    """
    pt = math.hypot(row[PX], row[PY])
    ux, uy = row[PX] / pt, row[PY] / pt
    if abs(curvature) < 1e-9:
        b = row[X] * ux + row[Y] * uy
        inside = b * b + radius * radius - row[X] ** 2 - row[Y] ** 2
        return math.sqrt(inside) - b if inside > 0.0 else math.inf
    cx, cy, bend = row[X] - uy / curvature, row[Y] + ux / curvature, 1.0 / abs(curvature)
    d = math.hypot(cx, cy)
    if d < 1e-9 or not abs(d - bend) < radius < d + bend:
        return math.inf
    opening = math.acos((d * d + bend * bend - radius * radius) / (2.0 * d * bend))
    sense = 1.0 if curvature > 0.0 else -1.0
    now = sense * (math.atan2(row[Y] - cy, row[X] - cx) - math.atan2(-cy, -cx))
    turn = 2.0 * math.pi
    return bend * min((opening - now) % turn, (-opening - now) % turn)


@kernel
def move(row: Any, length: float, curvature: float) -> None:
    """Move the particle along its helix by a transverse path length [cm]."""
    pt = math.hypot(row[PX], row[PY])
    ux, uy = row[PX] / pt, row[PY] / pt
    row[Z] += length * row[PZ] / pt
    if abs(curvature) < 1e-9:
        row[X] += length * ux
        row[Y] += length * uy
        return
    cx, cy = row[X] - uy / curvature, row[Y] + ux / curvature
    phi = math.atan2(uy, ux) + curvature * length
    row[X], row[Y] = cx + math.sin(phi) / curvature, cy - math.cos(phi) / curvature
    row[PX], row[PY] = pt * math.cos(phi), pt * math.sin(phi)


@kernel
def move_to_shell(row: Any, scale: float, field: float) -> Any:
    """Move the particle to the shell of this scale; returns False if it does not reach the shell (it curls up)."""
    pt = math.hypot(row[PX], row[PY])
    if pt < 1e-6:
        return False
    curvature = -row[CHARGE] * 0.003 * field / pt
    to_plane = math.inf
    if row[PZ] != 0.0:
        to_plane = max((math.copysign(scale * FACE_Z, row[PZ]) - row[Z]) * pt / row[PZ], 0.0)
    length = min(length_to_cylinder(row, scale * FACE_RADIUS, curvature), to_plane)
    if not length * math.hypot(1.0, row[PZ] / pt) < MAX_LENGTH:
        return False
    move(row, length, curvature)
    return True


@kernel
def move_to_face(row: Any, field: float) -> Any:
    """Move the particle to the front faces of the crystals; returns False if it does not reach them.

    A particle that crosses the cylinder behind the end of the barrel continues on a straight line to the endcap.
    """
    if not move_to_shell(row, 1.0, field):
        return False
    if abs(row[Z]) > BARREL_END and abs(row[Z]) < FACE_Z - 1e-6:
        if row[Z] * row[PZ] <= 0.0:
            return False
        length = (FACE_Z - abs(row[Z])) / abs(row[PZ])
        row[X], row[Y], row[Z] = row[X] + length * row[PX], row[Y] + length * row[PY], math.copysign(FACE_Z, row[Z])
    return True


@kernel
def brems_rate(lowest: float) -> Any:
    """Number of photons per X0 above a fraction `lowest` of the electron's energy: integral of 4/(3y) - 4/3 + y."""
    return -4.0 / 3.0 * math.log(lowest) - 4.0 / 3.0 * (1.0 - lowest) + 0.5 * (1.0 - lowest * lowest)


@kernel
def brems_fraction(state: Any, lowest: float) -> Any:
    """Draw the fraction y of the energy that a photon takes, above `lowest`, from the density 4/(3y) - 4/3 + y."""
    while True:
        y = lowest ** uniform(state)
        if uniform(state) < 1.0 - y + 0.75 * y * y:
            return y


@kernel
def pair_fraction(state: Any) -> Any:
    """Draw the share x of the energy for one electron of a pair, from the density 1 - 4/3 x (1 - x)."""
    while True:
        x = uniform(state)
        if uniform(state) < 1.0 - 4.0 / 3.0 * x * (1.0 - x):
            return x


@kernel
def pair_rate(energy: float) -> Any:
    """Conversions of a photon per X0: 7/9, and fewer below about 100 MeV, where screening is not complete."""
    return 7.0 / 9.0 * (1.0 - 0.3 * math.exp(-energy / 0.1))


@kernel
def energy_of(row: Any) -> Any:
    """Energy [GeV] of a particle; its mass is neglected."""
    return math.sqrt(row[PX] ** 2 + row[PY] ** 2 + row[PZ] ** 2)


@kernel
def add_daughter(stack: Any, at: int, n_rows: int, charge: float, share: float) -> Any:
    """Add a daughter with the same direction and a share of the momentum; returns the new number of rows."""
    if n_rows == len(stack):
        return n_rows
    for k in range(COLUMNS):
        stack[n_rows, k] = stack[at, k] * (share if PX <= k <= PZ else 1.0)
    stack[n_rows, CHARGE] = charge
    stack[n_rows, GENERATION] += 1.0
    return n_rows + 1


@kernel
def step_electron(
    state: Any, stack: Any, at: int, n_rows: int, total: float, path_table: Any, share_table: Any, field: float
) -> Any:
    """Move an electron to its next photon or to the crystals.

    Returns whether it must be tracked further, whether it is at the front face, and the number of rows.
    """
    row = stack[at]
    lowest = min(max(MIN_ENERGY / energy_of(row), 2e-4), 0.9)
    row[DEPTH] += exponential(state) / brems_rate(lowest)
    if row[DEPTH] >= total:
        return False, move_to_face(row, field), n_rows
    if not move_to_shell(row, interpolated(row[DEPTH] / total, share_table, path_table), field):
        return False, False, n_rows
    y = brems_fraction(state, lowest)
    n_rows = add_daughter(stack, at, n_rows, 0.0, y)
    for k in range(PX, PZ + 1):
        row[k] *= 1.0 - y
    return energy_of(row) > MIN_ENERGY, False, n_rows


@kernel
def step_photon(
    state: Any, stack: Any, at: int, n_rows: int, total: float, path_table: Any, share_table: Any, field: float
) -> Any:
    """Move a photon to its conversion or to the crystals; returns the same values as `step_electron`."""
    row = stack[at]
    row[DEPTH] += exponential(state) / pair_rate(energy_of(row))
    if row[DEPTH] >= total:
        return False, move_to_face(row, field), n_rows
    if not move_to_shell(row, interpolated(row[DEPTH] / total, share_table, path_table), field):
        return False, False, n_rows
    x = pair_fraction(state)
    n_rows = add_daughter(stack, at, n_rows, 1.0, x)
    row[CHARGE] = -1.0
    for k in range(PX, PZ + 1):
        row[k] *= 1.0 - x
    return energy_of(row) > MIN_ENERGY, False, n_rows


@kernel
def track_to_crystals(
    state: Any, start: Any, material: Any, material_path: Any, field: float, stack: Any, at_face: Any
) -> Any:
    """Track an electron or photon and its daughters to the crystals.

    Parameters
    ----------
    state : uint64 (1,), the random stream
    start : float64 (COLUMNS,), the particle at its vertex
    material : float64 (2, n), abs(eta) and the material in front of the crystals [X0]
    material_path : float64 (2, m), fractions of the path and the share of the material in front of them
    field : magnetic field [T]
    stack : float64 (MAX_ROWS, COLUMNS), filled with the particle and its daughters
    at_face : bool (MAX_ROWS,), filled with True for those that reach the front faces

    Returns
    -------
    Number of rows of `stack` that are filled.
    """
    for k in range(COLUMNS):
        stack[0, k] = start[k]
    eta = math.asinh(abs(start[PZ]) / max(math.hypot(start[PX], start[PY]), 1e-9))
    total = interpolated(eta, material[0], material[1])
    path_table, share_table = material_path[0], material_path[1]
    at, n_rows = 0, 1
    while at < n_rows:
        at_face[at] = False
        on_the_way = energy_of(stack[at]) > MIN_ENERGY
        while on_the_way:
            if stack[at, CHARGE] == 0.0:
                on_the_way, at_face[at], n_rows = step_photon(
                    state, stack, at, n_rows, total, path_table, share_table, field
                )
            else:
                on_the_way, at_face[at], n_rows = step_electron(
                    state, stack, at, n_rows, total, path_table, share_table, field
                )
        at += 1
    return n_rows
