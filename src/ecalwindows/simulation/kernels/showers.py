"""Kernels for showers in PbWO4, after Grindhammer and Peters (hep-ex/0001020), homogeneous media.

The longitudinal profile fluctuates from shower to shower. The radial profile is integrated with points at regular
quantiles; in its tail there are more points with less energy each. The points together have the energy of the particle;
points outside the crystals, in a gap between crystals or too far from the axis are lost.

Parameters that most functions have:
state : uint64 (1,), the random stream
frame : float64 (5, 3), position and axes of the shower, see `set_frame`
exists : bool (N_CRYSTALS,), see `Crystals`
deposit : float64 (N_CRYSTALS,), energies of the crystals [GeV], changed in place
touched : int32 (N_CRYSTALS,), the first n_touched elements are the crystals with deposits (the new number is returned)
"""

from __future__ import annotations

import math
from typing import Any

from ecalwindows.core.jit import kernel
from ecalwindows.simulation.kernels.crystals import (
    ENDCAP_LENGTH,
    ENDCAP_Z,
    LENGTH,
    NONE,
    barrel_crystal,
    endcap_crystal,
    in_gap,
)
from ecalwindows.simulation.kernels.draws import exponential, gamma, normal, uniform
from ecalwindows.simulation.kernels.tracker import PX, PY, PZ, X, Y, Z

X0, MOLIERE, ATOMIC = 0.89, 2.2, 68.0
"""Radiation length [cm], Moliere radius [cm], effective Z of PbWO4."""
CRITICAL = 0.00904
"""Critical energy [GeV]: 2.66 (X0 Z/A)^1.1 MeV with X0 = 7.37 g/cm2 and Z/A = 0.413."""
PRESHOWER, PRESHOWER_BEGIN, PRESHOWER_END = 3.0, math.sinh(1.653), math.sinh(2.6)
"""Thickness of the preshower [X0], and the values of sinh(abs(eta)) where it begins and ends."""
FLUCTUATIONS = 0.3
"""Factor on the published fluctuations of ln T and ln alpha: with the published ones, the energy in 3x3 crystals would
fluctuate more than CMS's measured resolution allows (docs/simulation.md)."""
MAX_RADIUS = 2.8
"""Energy farther from the axis is lost [Moliere radii]: the published tail, r^-4, is too long for real clusters."""
SLICE, N_SLICES = 1.0, 60
"""Thickness [X0] and number of the slices along the axis."""
GOLDEN_COS, GOLDEN_SIN = math.cos(math.pi * (3 - math.sqrt(5))), math.sin(math.pi * (3 - math.sqrt(5)))
"""Cosine and sine of the golden angle, by which each point is rotated from the one before."""
MIP = 0.0102
"""Energy that a charged hadron leaves per cm [GeV]."""
INTERACTION, N_HADRON = 20.3, 10
"""Nuclear interaction length [cm], and number of points of a hadronic shower."""


@kernel
def add_energy(deposit: Any, touched: Any, n_touched: int, crystal: int, energy: float) -> Any:
    """Add energy [GeV] to a crystal; returns the new number of crystals with energy."""
    if deposit[crystal] == 0.0 and n_touched < len(touched):
        touched[n_touched] = crystal
        n_touched += 1
    deposit[crystal] += energy
    return n_touched


@kernel
def set_frame(row: Any, frame: Any) -> None:
    """Fill `frame` float64 (5, 3) for a particle at the front faces; `crystal_at` finds crystals with it.

    Row 0 is (1, sine of the polar angle, distance from the centre [cm]) in the barrel, (0, thickness of the preshower
    [X0], unused) in an endcap. Row 1 is the point of entry: (0, phi, eta) in the barrel, (x, y, z) in an endcap. Rows 2
    to 4 are unit vectors along the axis of the shower, horizontally across it, and perpendicular to both; their
    components are (depth, phi, eta) in the barrel and (x, y, z) in an endcap.
    """
    px, py, pz = row[PX], row[PY], row[PZ]
    p, pt = math.sqrt(px * px + py * py + pz * pz), max(math.hypot(px, py), 1e-12)
    frame[2, 0], frame[2, 1], frame[2, 2] = px / p, py / p, pz / p
    frame[3, 0], frame[3, 1], frame[3, 2] = -py / pt, px / pt, 0.0
    side = 1.0 if pz >= 0.0 else -1.0  # so that the halves of the detector are mirror images
    frame[4, 0], frame[4, 1], frame[4, 2] = -px * abs(pz) / (p * pt), -py * abs(pz) / (p * pt), side * pt / p
    frame[0, 0], frame[1, 0], frame[1, 1], frame[1, 2] = 0.0, row[X], row[Y], row[Z]
    if abs(row[Z]) >= ENDCAP_Z - 1e-3:
        slope = abs(row[Z]) / math.hypot(row[X], row[Y])
        frame[0, 1] = PRESHOWER if PRESHOWER_BEGIN < slope < PRESHOWER_END else 0.0
        return
    r, distance = math.hypot(row[X], row[Y]), math.sqrt(row[X] ** 2 + row[Y] ** 2 + row[Z] ** 2)
    cos_phi, sin_phi, cos_theta, sin_theta = row[X] / r, row[Y] / r, row[Z] / distance, r / distance
    frame[0, 0], frame[0, 1], frame[0, 2] = 1.0, sin_theta, distance
    frame[1, 0], frame[1, 1], frame[1, 2] = 0.0, math.atan2(row[Y], row[X]), math.asinh(row[Z] / r)
    for k in range(2, 5):
        x, y, z = frame[k, 0], frame[k, 1], frame[k, 2]
        outwards = x * cos_phi + y * sin_phi
        frame[k, 0], frame[k, 1] = outwards * sin_theta + z * cos_theta, y * cos_phi - x * sin_phi
        frame[k, 2] = z * sin_theta - outwards * cos_theta


@kernel
def preshower_depth(frame: Any) -> Any:
    """Thickness of the preshower in front of the crystals [X0]."""
    return 0.0 if frame[0, 0] == 1.0 else frame[0, 1]


@kernel
def crystal_at(frame: Any, along: float, across: float, up: float, exists: Any) -> Any:
    """Index of the crystal at a point of a shower, NONE where there is no crystal.

    along : distance from the entry along the axis [cm]; across, up : distances from the axis [cm]
    """
    a = along * frame[2, 0] + across * frame[3, 0] + up * frame[4, 0]
    b = along * frame[2, 1] + across * frame[3, 1] + up * frame[4, 1]
    c = along * frame[2, 2] + across * frame[3, 2] + up * frame[4, 2]
    if frame[0, 0] == 1.0:
        if not -1.5 <= a < LENGTH:
            return NONE
        wide = (frame[0, 2] + a) * frame[0, 1]
        eta, phi = frame[1, 2] + c / wide, frame[1, 1] + b / wide
        return NONE if in_gap(eta, phi, a) else barrel_crystal(eta, phi)
    z = abs(frame[1, 2] + c)
    if not 0.0 <= z - ENDCAP_Z < ENDCAP_LENGTH:
        return NONE
    return endcap_crystal(frame[1, 0] + a, frame[1, 1] + b, frame[1, 2] + c, exists)


@kernel
def longitudinal_profile(state: Any, energy: float) -> Any:
    """Draw (alpha, beta) of the gamma distribution along the axis of one shower, in units of X0.

    ln T, the depth of the maximum, and ln alpha have correlated fluctuations.
    """
    ln_y = max(math.log(energy / CRITICAL), 1.6)
    mean_t = math.log(max(ln_y - 0.812, 0.25))
    mean_a = math.log(0.81 + (0.458 + 2.26 / ATOMIC) * ln_y)
    width_t = FLUCTUATIONS * min(1.0 / max(-1.4 + 1.26 * ln_y, 1e-3), 1.0)
    width_a = FLUCTUATIONS * min(1.0 / max(-0.58 + 0.86 * ln_y, 1e-3), 1.0)
    rho = 0.705 - 0.023 * ln_y
    first, second = normal(state), normal(state)
    plus, minus = math.sqrt((1.0 + rho) / 2.0), math.sqrt((1.0 - rho) / 2.0)
    t = math.exp(mean_t + width_t * (plus * first + minus * second))
    alpha = max(math.exp(mean_a + width_a * (plus * first - minus * second)), 1.1)
    return alpha, (alpha - 1.0) / t


@kernel
def radial_profile(tau: float, ln_e: float) -> Any:
    """Radii of core and tail [Moliere radii] and weight of the core.

    tau : depth over the depth of the shower maximum; ln_e : logarithm of the energy in GeV
    """
    core = 0.0251 + 0.00319 * ln_e + (0.1162 - 0.000381 * ATOMIC) * tau
    k1, k2, k3, k4 = 0.659 - 0.00309 * ATOMIC, 0.645, -2.59, 0.3585 + 0.0421 * ln_e
    tail = k1 * (math.exp(k3 * (tau - k2)) + math.exp(k4 * (tau - k2)))
    p1, p2, p3 = 2.632 - 0.00094 * ATOMIC, 0.401 + 0.00187 * ATOMIC, 1.313 - 0.0686 * ln_e
    x = (p2 - tau) / p3
    weight = p1 * math.exp(x - math.exp(x))
    return max(core, 0.005), min(tail, 20.0), min(max(weight, 0.0), 1.0)


@kernel
def fill_slices(alpha: float, beta: float, share: Any) -> Any:
    """Fill `share` (N_SLICES,) with the relative energy of each slice, from 3 points per slice; returns their sum."""
    total = 0.0
    for i in range(N_SLICES):
        share[i] = 0.0
        for k in range(3):
            t = (i + (k + 0.5) / 3.0) * SLICE * beta
            share[i] += math.exp((alpha - 1.0) * math.log(t) - t)
        total += share[i]
    return total


@kernel
def radius_beyond(outside: float) -> Any:
    """Radius, in units of R, outside which the share `outside` of the density 2 r R^2 / (r^2 + R^2)^2 lies."""
    return math.sqrt((1.0 - outside) / outside)


@kernel
def deposit_ring(
    state: Any, frame: Any, along: float, radius: float, energy: float, n: int, exists: Any,
    deposit: Any, touched: Any, n_touched: int,
) -> Any:  # fmt: skip
    """Deposit energy in a slice of a shower by n points with density 2 r R^2 / (r^2 + R^2)^2, where R is `radius` [cm].

    With 4 or more points, these are at the quantiles 1 - v^2, v uniform, with weights 2 v: more points at large radii.
    """
    angle, is_uniform = 2.0 * math.pi * uniform(state), n < 4
    x, y = radius * math.cos(angle), radius * math.sin(angle)
    farthest = MAX_RADIUS * MOLIERE / radius
    for k in range(n):
        v = (k + uniform(state)) / n
        x, y = x * GOLDEN_COS - y * GOLDEN_SIN, x * GOLDEN_SIN + y * GOLDEN_COS
        r = radius_beyond(v if is_uniform else v * v)
        if r > farthest:
            continue
        crystal = crystal_at(frame, along, r * x, r * y, exists)
        if crystal != NONE:
            weight = 1.0 if is_uniform else (2.0 * k + 1.0) / n
            n_touched = add_energy(deposit, touched, n_touched, crystal, energy * weight / n)
    return n_touched


@kernel
def deposit_soft_shower(
    state: Any, frame: Any, energy: float, is_photon: bool, n: int, exists: Any,
    deposit: Any, touched: Any, n_touched: int,
) -> Any:  # fmt: skip
    """Deposit an electromagnetic shower [GeV] by n random points of the same energy."""
    shower_start = (9.0 / 7.0 * exponential(state) if is_photon else 0.0) - preshower_depth(frame)
    alpha, beta = longitudinal_profile(state, energy)
    ln_e = math.log(max(energy, 0.1))
    angle = 2.0 * math.pi * uniform(state)
    x, y = MOLIERE * math.cos(angle), MOLIERE * math.sin(angle)
    for _ in range(n):
        t = gamma(state, alpha)
        core, tail, weight = radial_profile(t / (alpha - 1.0), ln_e)
        radius = core if uniform(state) < weight else tail
        r = radius_beyond(uniform(state)) * radius
        x, y = x * GOLDEN_COS - y * GOLDEN_SIN, x * GOLDEN_SIN + y * GOLDEN_COS
        along = (shower_start + t / beta) * X0
        if r > MAX_RADIUS:
            continue
        crystal = crystal_at(frame, along, r * x, r * y, exists)
        if along >= 0.0 and crystal != NONE:
            n_touched = add_energy(deposit, touched, n_touched, crystal, energy / n)
    return n_touched


@kernel
def deposit_shower(
    state: Any, frame: Any, energy: float, is_photon: bool, points: float, exists: Any,
    deposit: Any, touched: Any, n_touched: int, share: Any,
) -> Any:  # fmt: skip
    """Deposit an electromagnetic shower.

    A photon's shower begins at its conversion, at a mean depth of 9/7 X0.

    energy : in GeV; points : approximate number of points at 1 GeV; share : float64 (N_SLICES,), work space
    """
    shower_start = (9.0 / 7.0 * exponential(state) if is_photon else 0.0) - preshower_depth(frame)
    alpha, beta = longitudinal_profile(state, energy)
    total = fill_slices(alpha, beta, share)
    ln_e, n_points = math.log(max(energy, 0.1)), min(40.0 + points * energy**0.55, 20.0 * points)
    for i in range(N_SLICES):
        t = (i + 0.5) * SLICE
        slice_energy = energy * share[i] / total
        along = (shower_start + t) * X0
        if not 0.0 <= along < 40.0 or slice_energy < 1e-7:
            continue
        core, tail, weight = radial_profile(t * beta / (alpha - 1.0), ln_e)
        slice_points = n_points * share[i] / total
        if weight > 0.0:
            n = int(slice_points * 0.5 + uniform(state)) + 1
            n_touched = deposit_ring(
                state, frame, along, core * MOLIERE, slice_energy * weight, n, exists, deposit, touched, n_touched
            )
        if weight < 1.0:
            n = int(slice_points * 0.5 + uniform(state)) + 1
            n_touched = deposit_ring(
                state,
                frame,
                along,
                tail * MOLIERE,
                slice_energy * (1.0 - weight),
                n,
                exists,
                deposit,
                touched,
                n_touched,
            )
    return n_touched


@kernel
def deposit_hadron(
    state: Any, frame: Any, energy: float, is_charged: bool, exists: Any,
    deposit: Any, touched: Any, n_touched: int,
) -> Any:  # fmt: skip
    """Deposit the ionisation of a hadron up to its first interaction, and part of its energy around the interaction."""
    depth = INTERACTION * exponential(state)
    step, remaining = 2.0, energy
    end = min(depth, LENGTH + 5.0)
    if is_charged:
        along = 0.5 * step
        while along < end and remaining > 0.0:
            crystal = crystal_at(frame, along, 0.0, 0.0, exists)
            if crystal != NONE:
                n_touched = add_energy(deposit, touched, n_touched, crystal, min(MIP * step, remaining))
            remaining -= MIP * step
            along += step
    if depth < LENGTH and remaining > 0.0:
        remaining *= 0.7 * uniform(state) * (1.0 - depth / (LENGTH + INTERACTION))
        angle = 2.0 * math.pi * uniform(state)
        x, y = math.cos(angle), math.sin(angle)
        for k in range(N_HADRON):
            r = 2.2 * math.sqrt((k + uniform(state)) / (N_HADRON - k + 0.5))
            x, y = x * GOLDEN_COS - y * GOLDEN_SIN, x * GOLDEN_SIN + y * GOLDEN_COS
            along = min(depth + 6.0 * exponential(state), LENGTH - 0.5)
            crystal = crystal_at(frame, along, r * x, r * y, exists)
            if crystal != NONE:
                n_touched = add_energy(deposit, touched, n_touched, crystal, remaining / N_HADRON)
    return n_touched
