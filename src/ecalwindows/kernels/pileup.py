"""Loops of the pile-up: soft photons and hadrons of other interactions, straight into the crystals' deposits."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ecalwindows.kernels.draws import exponential, gamma, normal, poisson, stream, uniform
from ecalwindows.kernels.jit import kernel, lean_kernel
from ecalwindows.kernels.showers import N_SLICES, hadron, set_frame, shower, soft_shower
from ecalwindows.kernels.tracker import CHARGE, COLUMNS, MOST_ROWS, PX, PY, PZ, Z, arrivals, arrived, energy_of

PI0_MASS = 0.135
HADRON, SHOWERING = 0.0, 1.0
"""Kinds of soft particles: hadrons, and photons and electrons."""
MOST_SOFT = 4096
"""Particles of an interaction that are followed."""
WIDEST_ETA = 3.3
SOFT_POINTS = 10.0
SOFTEST_PHOTON, SOFTEST_HADRON, SOFTEST_ET = 0.1, 0.4, 0.7
"""Photons and hadrons of which less energy [GeV] counts are left out: they give less than the noise; so are those with
less Et than this part of it (noise grows with eta)."""


@lean_kernel
def hadron_pt(state: Any, scale: float, power: float) -> Any:
    """Transverse momentum [GeV] from pt (1 + pt / scale)^-power, by the quantile of a beta prime distribution."""
    first = exponential(state) + exponential(state)
    return scale * first / gamma(state, power - 2.0)


@lean_kernel
def aimed(row: Any, pt: float, eta: float, phi: float, charge: float, z: float) -> None:
    """Fill a particle (COLUMNS,) that leaves the beam at z [cm]."""
    for k in range(COLUMNS):
        row[k] = 0.0
    row[CHARGE], row[Z] = charge, z
    row[PX], row[PY], row[PZ] = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)


class Library(NamedTuple):
    """Minimum-bias interactions, CSR: offsets int64 (n + 1,); particles (m, 5): kind, charge, pt [GeV], eta, phi."""

    offsets: Any
    particles: Any


NO_LIBRARY = Library(np.zeros(1, np.int64), np.zeros((0, 5)))


class Scratch(NamedTuple):
    """Work space of the loops: rows of `kernels.tracker`, frame and slices of `kernels.showers`."""

    row: Any
    stack: Any
    there: Any
    frame: Any
    share: Any


@kernel
def new_scratch() -> Any:
    """Work space for one event."""
    stack, there = np.zeros((MOST_ROWS, COLUMNS)), np.zeros(MOST_ROWS, np.bool_)
    return Scratch(np.zeros(COLUMNS), stack, there, np.zeros((5, 3)), np.zeros(N_SLICES))


@kernel
def showered(
    state: Any, first: Any, material: Any, way: Any, field: float, points: float, exists: Any,
    deposit: Any, touched: Any, n_touched: int, scratch: Scratch,
) -> Any:  # fmt: skip
    """Bring an electron or photon to the crystals and let it shower there; points: for 1 GeV, 0 for soft showers."""
    rows = scratch.stack
    for i in range(arrivals(state, first, material, way, field, rows, scratch.there)):
        if not scratch.there[i]:
            continue
        set_frame(rows[i], scratch.frame)
        energy, is_photon = energy_of(rows[i]), rows[i, CHARGE] == 0.0
        if points > 0.0:
            n_touched = shower(
                state, scratch.frame, energy, is_photon, points, exists, deposit, touched, n_touched, scratch.share
            )
        else:
            n = int(min(SOFT_POINTS * (1.0 + 0.5 * energy), 20.0 * SOFT_POINTS))
            n_touched = soft_shower(state, scratch.frame, energy, is_photon, n, exists, deposit, touched, n_touched)
    return n_touched


@kernel
def soft_particle(
    state: Any, row: Any, z: float, softest: float, material: Any, way: Any, field: float, exists: Any,
    deposit: Any, touched: Any, n_touched: int, scratch: Scratch,
) -> Any:  # fmt: skip
    """What a particle (kind, charge, pt, eta, phi) of another interaction leaves; returns the length of touched.

    softest : photons and hadrons are left out below so many times SOFTEST_PHOTON and SOFTEST_HADRON
    """
    kind, charge, pt, eta, phi = row[0], row[1], row[2], row[3], row[4]
    if pt < softest * (SOFTEST_HADRON if kind == HADRON else SOFTEST_PHOTON) * max(1.0 / math.cosh(eta), SOFTEST_ET):
        return n_touched
    aimed(scratch.row, pt, eta, phi, charge, z)
    if kind == SHOWERING:
        return showered(state, scratch.row, material, way, field, 0.0, exists, deposit, touched, n_touched, scratch)
    if arrived(scratch.row, field):
        set_frame(scratch.row, scratch.frame)
        return hadron(
            state, scratch.frame, energy_of(scratch.row), charge != 0.0, exists, deposit, touched, n_touched
        )  # fmt: skip
    return n_touched


@lean_kernel
def tilted(state: Any, tilt: float) -> Any:
    """From 0 to 1 with density 1 + tilt (2 x - 1), by the inverse of its integral."""
    x = uniform(state)
    if abs(tilt) < 1e-6:
        return x
    return (math.sqrt((1.0 - tilt) ** 2 + 4.0 * tilt * x) - (1.0 - tilt)) / (2.0 * tilt)


@lean_kernel
def decayed(state: Any, rows: Any, n: int, pt: float, eta: float, phi: float) -> Any:
    """Add the photons of a neutral pion: its momentum shared evenly, m / (pt sqrt(x (1 - x))) apart."""
    x = uniform(state)
    apart = min(PI0_MASS / (pt * math.sqrt(x * (1.0 - x))), 1.0)
    turn = 2.0 * math.pi * uniform(state)
    for k in range(2):
        part, side = (x, x - 1.0) if k == 0 else (1.0 - x, x)
        row = rows[n + k]
        row[0], row[1], row[2] = SHOWERING, 0.0, part * pt
        row[3], row[4] = eta + side * apart * math.cos(turn), phi + side * apart * math.sin(turn)
    return n + 2


@lean_kernel
def interaction(state: Any, activity: float, spectrum: Any, rows: Any) -> Any:
    """Fill `rows` (MOST_SOFT, 5) with the particles of one parametrised minimum-bias interaction; returns their number.

    activity : shape of the gamma distribution of the mean number of particles
    spectrum : float64 (3, 5): for charged hadrons, neutral pions and other neutral hadrons the density in eta, its tilt
    (up to WIDEST_ETA, from 1 - tilt to 1 + tilt), the scale [GeV] and power of the spectrum of pt, the scale's tilt
    rows : kind, charge, pt [GeV], eta, phi
    """
    total = spectrum[0, 0] + spectrum[1, 0] + spectrum[2, 0]
    level, n = gamma(state, activity) / activity * 2.0 * WIDEST_ETA, 0
    for _ in range(min(poisson(state, level * total), MOST_SOFT // 2)):
        pick, kind = uniform(state) * total, 0
        while kind < 2 and pick >= spectrum[kind, 0]:
            pick -= spectrum[kind, 0]
            kind += 1
        far = tilted(state, spectrum[kind, 1])
        pt = hadron_pt(state, spectrum[kind, 2] * (1.0 + spectrum[kind, 4] * (2.0 * far - 1.0)), spectrum[kind, 3])
        turn, phi = uniform(state), 2.0 * math.pi * uniform(state)
        eta = WIDEST_ETA * (far if turn < 0.5 else -far)
        if kind == 1:
            n = decayed(state, rows, n, pt, eta, phi)
            continue
        charge = 0.0 if kind > 1 else (1.0 if uniform(state) < 0.5 else -1.0)
        rows[n, 0], rows[n, 1], rows[n, 2], rows[n, 3], rows[n, 4] = HADRON, charge, pt, eta, phi
        n += 1
    return n


@lean_kernel
def taken_interaction(state: Any, library: Library, rows: Any) -> Any:
    """Fill `rows` with an interaction of a library, turned around the beam and perhaps mirrored; as `interaction`."""
    number = min(int(uniform(state) * (len(library.offsets) - 1)), len(library.offsets) - 2)
    turn, side = 2.0 * math.pi * uniform(state), 1.0 if uniform(state) < 0.5 else -1.0
    first = library.offsets[number]
    n = min(library.offsets[number + 1] - first, MOST_SOFT)
    for k in range(n):
        for c in range(5):
            rows[k, c] = library.particles[first + k, c]
        rows[k, 3] *= side
        rows[k, 4] += turn
    return n


@kernel
def pileup_deposits(
    state: Any, n_interactions: int, vertex_width: float, softest: float, activity: float, spectrum: Any,
    library: Library, material: Any, way: Any, field: float, exists: Any, deposit: Any, touched: Any,
) -> Any:  # fmt: skip
    """Deposits of so many interactions: those of the library, or parametrised ones if it is empty.

    softest : what `soft_particle` takes. Returns (length of touched, sum of pt of their particles within eta 3 [GeV]).
    """
    scratch, rows = new_scratch(), np.zeros((MOST_SOFT, 5))
    n_touched, sum_pt = 0, 0.0
    for _ in range(n_interactions):
        z = vertex_width * normal(state)
        if len(library.particles) > 0:
            n = taken_interaction(state, library, rows)
        else:
            n = interaction(state, activity, spectrum, rows)
        for i in range(n):
            if abs(rows[i, 3]) < 3.0:
                sum_pt += rows[i, 2]
            n_touched = soft_particle(
                state, rows[i], z, softest, material, way, field, exists, deposit, touched, n_touched, scratch
            )
    return n_touched, sum_pt


@kernel
def interactions(n: int, seed: int, activity: float, spectrum: Any) -> Any:
    """The number of particles (n,) and the particles (all, 5) of n parametrised interactions, each with a stream."""
    counts, rows = np.zeros(n, np.int64), np.zeros((MOST_SOFT, 5))
    everything = np.zeros((1024, 5))
    total = 0
    for k in range(n):
        counts[k] = interaction(stream(seed, k, 0), activity, spectrum, rows)
        while total + counts[k] > len(everything):
            everything = np.concatenate((everything, np.zeros_like(everything)))
        everything[total : total + counts[k]] = rows[: counts[k]]
        total += counts[k]
    return counts, everything[:total]


@kernel
def particle_deposits(
    state: Any, first: Any, material: Any, way: Any, field: float, points: float, exists: Any,
    deposit: Any, touched: Any,
) -> Any:  # fmt: skip
    """Deposits of one electron or photon; returns the length of touched."""
    return showered(state, first, material, way, field, points, exists, deposit, touched, 0, new_scratch())


@kernel
def taken(deposit: Any, touched: Any, n_touched: int, least: float) -> Any:
    """The crystals with deposits above `least` [GeV] in the order of their numbers, and the deposits, set back to 0."""
    numbers = np.sort(touched[:n_touched])
    energies = np.empty(n_touched)
    n = 0
    for i in range(n_touched):
        energy = deposit[numbers[i]]
        deposit[numbers[i]] = 0.0
        if energy > least:
            numbers[n], energies[n] = numbers[i], energy
            n += 1
    return numbers[:n].copy(), energies[:n].copy()
