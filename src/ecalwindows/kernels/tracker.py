"""Loops of the way to the crystals: helix, bremsstrahlung and conversions as a chain of particles.

Lengths in cm, momenta in GeV, the field along z. A particle is a row of COLUMNS numbers:
charge, x, y, z, px, py, pz, depth (X0 passed), generation (0: the generated one).
Shells are scaled copies of the calorimeter's inner face: the cylinder of radius 129 cm, closed by planes at 315.6 cm.
Material lies at fractions of the way, a table of (fraction of the way, share of the material before it).
"""

from __future__ import annotations

import math
from typing import Any

from ecalwindows.kernels.draws import exponential, uniform
from ecalwindows.kernels.jit import lean_kernel

COLUMNS = 9
CHARGE, X, Y, Z, PX, PY, PZ, DEPTH, GENERATION = range(COLUMNS)
FACE_RADIUS, FACE_Z, BARREL_END = 129.0, 315.6, 270.0
"""Front faces of the barrel (radius), of the endcaps (abs z), and abs(z) up to which there are barrel crystals [cm]."""
MOST_ROWS = 512
LONGEST_WAY = 1500.0
SOFTEST = 0.03
"""Particles below this energy [GeV] are not followed."""


@lean_kernel
def interpolated(x: float, xs: Any, ys: Any) -> Any:
    """Linear interpolation of the points (xs, ys) at x; xs increase, beyond them the last value holds."""
    if x <= xs[0]:
        return ys[0]
    for i in range(1, len(xs)):
        if x <= xs[i]:
            return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return ys[len(xs) - 1]


@lean_kernel
def way_to_cylinder(row: Any, radius: float, curvature: float) -> Any:
    """Transverse length to a cylinder around the beam, infinity if the particle never reaches it."""
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


@lean_kernel
def moved(row: Any, way: float, curvature: float) -> None:
    """Move the particle by a transverse length along its helix."""
    pt = math.hypot(row[PX], row[PY])
    ux, uy = row[PX] / pt, row[PY] / pt
    row[Z] += way * row[PZ] / pt
    if abs(curvature) < 1e-9:
        row[X] += way * ux
        row[Y] += way * uy
        return
    cx, cy = row[X] - uy / curvature, row[Y] + ux / curvature
    phi = math.atan2(uy, ux) + curvature * way
    row[X], row[Y] = cx + math.sin(phi) / curvature, cy - math.cos(phi) / curvature
    row[PX], row[PY] = pt * math.cos(phi), pt * math.sin(phi)


@lean_kernel
def moved_to_shell(row: Any, scale: float, field: float) -> Any:
    """Move the particle to the shell of this scale; False if it curls up on the way. field in T."""
    pt = math.hypot(row[PX], row[PY])
    if pt < 1e-6:
        return False
    curvature = -row[CHARGE] * 0.003 * field / pt
    to_plane = math.inf
    if row[PZ] != 0.0:
        to_plane = max((math.copysign(scale * FACE_Z, row[PZ]) - row[Z]) * pt / row[PZ], 0.0)
    way = min(way_to_cylinder(row, scale * FACE_RADIUS, curvature), to_plane)
    if not way * math.hypot(1.0, row[PZ] / pt) < LONGEST_WAY:
        return False
    moved(row, way, curvature)
    return True


@lean_kernel
def arrived(row: Any, field: float) -> Any:
    """Move the particle to the front faces; False if it does not come there.

    Between the end of the barrel and the endcap it goes straight on to the plane of the endcap.
    """
    if not moved_to_shell(row, 1.0, field):
        return False
    if abs(row[Z]) > BARREL_END and abs(row[Z]) < FACE_Z - 1e-6:
        if row[Z] * row[PZ] <= 0.0:
            return False
        way = (FACE_Z - abs(row[Z])) / abs(row[PZ])
        row[X], row[Y], row[Z] = row[X] + way * row[PX], row[Y] + way * row[PY], math.copysign(FACE_Z, row[Z])
    return True


@lean_kernel
def brems_rate(lowest: float) -> Any:
    """Photons per X0 above a fraction `lowest` of the electron's energy: the integral of 4/(3y) - 4/3 + y."""
    return -4.0 / 3.0 * math.log(lowest) - 4.0 / 3.0 * (1.0 - lowest) + 0.5 * (1.0 - lowest * lowest)


@lean_kernel
def brems_fraction(state: Any, lowest: float) -> Any:
    """Fraction of the energy that a photon takes, from 4/(3y) - 4/3 + y above `lowest`."""
    while True:
        y = lowest ** uniform(state)
        if uniform(state) < 1.0 - y + 0.75 * y * y:
            return y


@lean_kernel
def pair_fraction(state: Any) -> Any:
    """Share of one electron of a pair, from 1 - 4/3 x (1 - x)."""
    while True:
        x = uniform(state)
        if uniform(state) < 1.0 - 4.0 / 3.0 * x * (1.0 - x):
            return x


@lean_kernel
def pair_rate(energy: float) -> Any:
    """Conversions of a photon per X0: 7/9, less below some 100 MeV (screening is not complete there)."""
    return 7.0 / 9.0 * (1.0 - 0.3 * math.exp(-energy / 0.1))


@lean_kernel
def energy_of(row: Any) -> Any:
    """Energy [GeV] of a particle whose mass does not matter."""
    return math.sqrt(row[PX] ** 2 + row[PY] ** 2 + row[PZ] ** 2)


@lean_kernel
def shared_out(stack: Any, at: int, n_rows: int, charge: float, share: float) -> Any:
    """Add a daughter that goes the same way with a share of the momentum; returns the new number of rows."""
    if n_rows == len(stack):
        return n_rows
    for k in range(COLUMNS):
        stack[n_rows, k] = stack[at, k] * (share if PX <= k <= PZ else 1.0)
    stack[n_rows, CHARGE] = charge
    stack[n_rows, GENERATION] += 1.0
    return n_rows + 1


@lean_kernel
def radiated(
    state: Any, stack: Any, at: int, n_rows: int, total: float, fractions: Any, shares: Any, field: float
) -> Any:
    """One step of an electron: to its next photon or to the end. Returns (still on its way, arrived, rows)."""
    row = stack[at]
    lowest = min(max(SOFTEST / energy_of(row), 2e-4), 0.9)
    row[DEPTH] += exponential(state) / brems_rate(lowest)
    if row[DEPTH] >= total:
        return False, arrived(row, field), n_rows
    if not moved_to_shell(row, interpolated(row[DEPTH] / total, shares, fractions), field):
        return False, False, n_rows
    y = brems_fraction(state, lowest)
    n_rows = shared_out(stack, at, n_rows, 0.0, y)
    for k in range(PX, PZ + 1):
        row[k] *= 1.0 - y
    return energy_of(row) > SOFTEST, False, n_rows


@lean_kernel
def converted(
    state: Any, stack: Any, at: int, n_rows: int, total: float, fractions: Any, shares: Any, field: float
) -> Any:
    """A photon's way: to its conversion or to the end. Returns (still on its way, arrived, rows)."""
    row = stack[at]
    row[DEPTH] += exponential(state) / pair_rate(energy_of(row))
    if row[DEPTH] >= total:
        return False, arrived(row, field), n_rows
    if not moved_to_shell(row, interpolated(row[DEPTH] / total, shares, fractions), field):
        return False, False, n_rows
    x = pair_fraction(state)
    n_rows = shared_out(stack, at, n_rows, 1.0, x)
    row[CHARGE] = -1.0
    for k in range(PX, PZ + 1):
        row[k] *= 1.0 - x
    return energy_of(row) > SOFTEST, False, n_rows


@lean_kernel
def arrivals(state: Any, first: Any, material: Any, way: Any, field: float, stack: Any, there: Any) -> Any:
    """What of an electron or photon `first` (COLUMNS,) comes to the crystals: the rows of `stack` with `there`.

    Fills stack (MOST_ROWS, COLUMNS) and there bool (MOST_ROWS,); returns the number of rows.

    material (2, n): abs(eta) and X0 in front of the crystals; way (2, n): fraction of the way, share of the material.
    """
    for k in range(COLUMNS):
        stack[0, k] = first[k]
    eta = math.asinh(abs(first[PZ]) / max(math.hypot(first[PX], first[PY]), 1e-9))
    total = interpolated(eta, material[0], material[1])
    at, n_rows = 0, 1
    while at < n_rows:
        there[at] = False
        going = energy_of(stack[at]) > SOFTEST
        while going:
            if stack[at, CHARGE] == 0.0:
                going, there[at], n_rows = converted(state, stack, at, n_rows, total, way[0], way[1], field)
            else:
                going, there[at], n_rows = radiated(state, stack, at, n_rows, total, way[0], way[1], field)
        at += 1
    return n_rows
