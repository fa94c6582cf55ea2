"""Loops of the showers: Grindhammer and Peters (hep-ex/0001020), homogeneous media, PbWO4.

The longitudinal profile fluctuates from shower to shower; the radial one is integrated with points that are spread
evenly over its quantiles, more of them with less energy in its tail. The energy of all points is that of the particle;
what falls out of the crystals, into a gap between them or too far from the axis is lost. Deposits go to `deposit`
float64 (N_CRYSTALS,) [GeV], and the crystals that have some are listed in `touched`.
"""

from __future__ import annotations

import math
from typing import Any

from ecalwindows.kernels.crystals import (
    ENDCAP_LENGTH,
    ENDCAP_Z,
    LENGTH,
    NONE,
    barrel_crystal,
    endcap_crystal,
    in_gap,
)
from ecalwindows.kernels.draws import exponential, gamma, normal, uniform
from ecalwindows.kernels.jit import lean_kernel
from ecalwindows.kernels.tracker import PX, PY, PZ, X, Y, Z

X0, MOLIERE, ATOMIC = 0.89, 2.2, 68.0
"""Radiation length [cm], Moliere radius [cm], effective Z of PbWO4."""
CRITICAL = 0.00904
"""Critical energy [GeV]: 2.66 (X0 Z/A)^1.1 MeV with X0 = 7.37 g/cm2 and Z/A = 0.413."""
PRESHOWER, PRESHOWER_BEGIN, PRESHOWER_END = 3.0, math.sinh(1.653), math.sinh(2.6)
"""X0 of the preshower, and the sinh of abs(eta) between which it stands."""
FLUCTUATIONS = 0.3
"""Widths of ln T and ln alpha over the published ones: with those, the energy in 3x3 crystals of CMS would fluctuate
more than its measured resolution allows (docs/simulation.md)."""
FARTHEST = 2.8
"""Radius beyond which energy is lost [Moliere radii]: the tail's fall with r^-4 is slower than what clusters show."""
SLICE, N_SLICES = 1.0, 60
GOLDEN_COS, GOLDEN_SIN = math.cos(math.pi * (3 - math.sqrt(5))), math.sin(math.pi * (3 - math.sqrt(5)))
MIP = 0.0102
"""Energy that a charged hadron leaves per cm [GeV]."""
INTERACTION, N_HADRON = 20.3, 10
"""Nuclear interaction length [cm]; points of a hadronic shower."""


@lean_kernel
def added(deposit: Any, touched: Any, n_touched: int, number: int, energy: float) -> Any:
    """Add energy to a crystal; returns the new length of the list of crystals with energy."""
    if deposit[number] == 0.0:
        touched[n_touched] = number
        n_touched += 1
    deposit[number] += energy
    return n_touched


@lean_kernel
def set_frame(row: Any, frame: Any) -> None:
    """Fill `frame` (5, 3) for a particle at the front faces, from which `crystal_at` finds crystals.

    Row 0: 1, sine of the polar angle, distance from the centre (barrel) or 0, X0 of the preshower (endcap); row 1: 0,
    phi, eta (barrel) or x, y, z (endcap) of the entry; rows 2 to 4: how far (inwards, in phi, in eta), or in x, y, z,
    one moves per cm along the axis of the shower, across (horizontally) and up.
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
    r, far = math.hypot(row[X], row[Y]), math.sqrt(row[X] ** 2 + row[Y] ** 2 + row[Z] ** 2)
    cos_phi, sin_phi, cos_theta, sin_theta = row[X] / r, row[Y] / r, row[Z] / far, r / far
    frame[0, 0], frame[0, 1], frame[0, 2] = 1.0, sin_theta, far
    frame[1, 0], frame[1, 1], frame[1, 2] = 0.0, math.atan2(row[Y], row[X]), math.asinh(row[Z] / r)
    for k in range(2, 5):
        x, y, z = frame[k, 0], frame[k, 1], frame[k, 2]
        outwards = x * cos_phi + y * sin_phi
        frame[k, 0], frame[k, 1] = outwards * sin_theta + z * cos_theta, y * cos_phi - x * sin_phi
        frame[k, 2] = z * sin_theta - outwards * cos_theta


@lean_kernel
def before(frame: Any) -> Any:
    """X0 of the preshower before the crystals."""
    return 0.0 if frame[0, 0] == 1.0 else frame[0, 1]


@lean_kernel
def crystal_at(frame: Any, along: float, across: float, up: float, exists: Any) -> Any:
    """The crystal at a point of a shower: `along` its axis from the entry, `across` and `up` from the axis [cm]."""
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


@lean_kernel
def longitudinal(state: Any, energy: float) -> Any:
    """(alpha, beta) of the gamma distribution in X0 of one shower; ln T and ln alpha fluctuate together."""
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


@lean_kernel
def radial(tau: float, ln_e: float) -> Any:
    """Radii of core and tail [Moliere radii] and weight of the core, at tau = t / T, T the depth of the maximum."""
    core = 0.0251 + 0.00319 * ln_e + (0.1162 - 0.000381 * ATOMIC) * tau
    k1, k2, k3, k4 = 0.659 - 0.00309 * ATOMIC, 0.645, -2.59, 0.3585 + 0.0421 * ln_e
    tail = k1 * (math.exp(k3 * (tau - k2)) + math.exp(k4 * (tau - k2)))
    p1, p2, p3 = 2.632 - 0.00094 * ATOMIC, 0.401 + 0.00187 * ATOMIC, 1.313 - 0.0686 * ln_e
    x = (p2 - tau) / p3
    weight = p1 * math.exp(x - math.exp(x))
    return max(core, 0.005), min(tail, 20.0), min(max(weight, 0.0), 1.0)


@lean_kernel
def slices(alpha: float, beta: float, share: Any) -> Any:
    """Fill `share` (N_SLICES,) with the energy of the slices in some unit, three points each; returns their sum."""
    total = 0.0
    for i in range(N_SLICES):
        share[i] = 0.0
        for k in range(3):
            t = (i + (k + 0.5) / 3.0) * SLICE * beta
            share[i] += math.exp((alpha - 1.0) * math.log(t) - t)
        total += share[i]
    return total


@lean_kernel
def distance(outside: float) -> Any:
    """Distance from the axis, in radii R, beyond which a share `outside` of 2 r R^2 / (r^2 + R^2)^2 lies."""
    return math.sqrt((1.0 - outside) / outside)


@lean_kernel
def ring(
    state: Any, frame: Any, along: float, radius: float, energy: float, n: int, exists: Any,
    deposit: Any, touched: Any, n_touched: int,
) -> Any:  # fmt: skip
    """Deposit energy with density 2 r R^2 / (r^2 + R^2)^2 in a slice of a shower, by n points; R is `radius` [cm].

    From 4 points on they are taken at the quantiles 1 - v^2, v uniform, with weights 2 v: more of them far out.
    """
    angle, even = 2.0 * math.pi * uniform(state), n < 4
    x, y = radius * math.cos(angle), radius * math.sin(angle)
    farthest = FARTHEST * MOLIERE / radius
    for k in range(n):
        v = (k + uniform(state)) / n
        x, y = x * GOLDEN_COS - y * GOLDEN_SIN, x * GOLDEN_SIN + y * GOLDEN_COS
        r = distance(v if even else v * v)
        if r > farthest:
            continue
        number = crystal_at(frame, along, r * x, r * y, exists)
        if number != NONE:
            weight = 1.0 if even else (2.0 * k + 1.0) / n
            n_touched = added(deposit, touched, n_touched, number, energy * weight / n)
    return n_touched


@lean_kernel
def soft_shower(
    state: Any, frame: Any, energy: float, is_photon: bool, n: int, exists: Any,
    deposit: Any, touched: Any, n_touched: int,
) -> Any:  # fmt: skip
    """Deposit an electromagnetic shower by n random points of the same energy."""
    start = (9.0 / 7.0 * exponential(state) if is_photon else 0.0) - before(frame)
    alpha, beta = longitudinal(state, energy)
    ln_e = math.log(max(energy, 0.1))
    angle = 2.0 * math.pi * uniform(state)
    x, y = MOLIERE * math.cos(angle), MOLIERE * math.sin(angle)
    for _ in range(n):
        t = gamma(state, alpha)
        core, tail, weight = radial(t / (alpha - 1.0), ln_e)
        radius = core if uniform(state) < weight else tail
        r = distance(uniform(state)) * radius
        x, y = x * GOLDEN_COS - y * GOLDEN_SIN, x * GOLDEN_SIN + y * GOLDEN_COS
        along = (start + t / beta) * X0
        if r > FARTHEST:
            continue
        number = crystal_at(frame, along, r * x, r * y, exists)
        if along >= 0.0 and number != NONE:
            n_touched = added(deposit, touched, n_touched, number, energy / n)
    return n_touched


@lean_kernel
def shower(
    state: Any, frame: Any, energy: float, is_photon: bool, points: float, exists: Any,
    deposit: Any, touched: Any, n_touched: int, share: Any,
) -> Any:  # fmt: skip
    """Deposit an electromagnetic shower. `points`: about how many for 1 GeV; share: work space (N_SLICES,).

    A photon's shower begins at its conversion, 9/7 X0 deep in the mean.
    """
    start = (9.0 / 7.0 * exponential(state) if is_photon else 0.0) - before(frame)
    alpha, beta = longitudinal(state, energy)
    total = slices(alpha, beta, share)
    ln_e, n_points = math.log(max(energy, 0.1)), min(40.0 + points * energy**0.55, 20.0 * points)
    for i in range(N_SLICES):
        t = (i + 0.5) * SLICE
        slice_energy = energy * share[i] / total
        along = (start + t) * X0
        if not 0.0 <= along < 40.0 or slice_energy < 1e-7:
            continue
        core, tail, weight = radial(t * beta / (alpha - 1.0), ln_e)
        here = n_points * share[i] / total
        if weight > 0.0:
            n = int(here * 0.5 + uniform(state)) + 1
            n_touched = ring(
                state, frame, along, core * MOLIERE, slice_energy * weight, n, exists, deposit, touched, n_touched
            )
        if weight < 1.0:
            n = int(here * 0.5 + uniform(state)) + 1
            n_touched = ring(
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


@lean_kernel
def hadron(
    state: Any, frame: Any, energy: float, is_charged: bool, exists: Any,
    deposit: Any, touched: Any, n_touched: int,
) -> Any:  # fmt: skip
    """Deposit what a hadron leaves: ionisation up to its first interaction, then part of its energy around there."""
    depth = INTERACTION * exponential(state)
    step, left = 2.0, energy
    end = min(depth, LENGTH + 5.0)
    if is_charged:
        along = 0.5 * step
        while along < end and left > 0.0:
            number = crystal_at(frame, along, 0.0, 0.0, exists)
            if number != NONE:
                n_touched = added(deposit, touched, n_touched, number, min(MIP * step, left))
            left -= MIP * step
            along += step
    if depth < LENGTH and left > 0.0:
        left *= 0.7 * uniform(state) * (1.0 - depth / (LENGTH + INTERACTION))
        angle = 2.0 * math.pi * uniform(state)
        x, y = math.cos(angle), math.sin(angle)
        for k in range(N_HADRON):
            r = 2.2 * math.sqrt((k + uniform(state)) / (N_HADRON - k + 0.5))
            x, y = x * GOLDEN_COS - y * GOLDEN_SIN, x * GOLDEN_SIN + y * GOLDEN_COS
            along = min(depth + 6.0 * exponential(state), LENGTH - 0.5)
            number = crystal_at(frame, along, r * x, r * y, exists)
            if number != NONE:
                n_touched = added(deposit, touched, n_touched, number, left / N_HADRON)
    return n_touched
