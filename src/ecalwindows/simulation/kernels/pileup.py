"""Kernels for pile-up: deposits in crystals by the particles of other interactions.

The parameters state, exists, deposit, touched and n_touched are those of `kernels.showers`; material, material_path and
field are those of `kernels.tracker.track_to_crystals`. Particles of interactions are rows float64 (5,): kind (HADRON or
SHOWERING), charge, pt [GeV], eta, phi [rad].
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.simulation.kernels.draws import exponential, gamma, normal, poisson, stream, uniform
from ecalwindows.simulation.kernels.showers import (
    N_SLICES,
    deposit_hadron,
    deposit_shower,
    deposit_soft_shower,
    set_frame,
)
from ecalwindows.simulation.kernels.tracker import (
    CHARGE,
    COLUMNS,
    MAX_ROWS,
    PX,
    PY,
    PZ,
    Z,
    energy_of,
    move_to_face,
    track_to_crystals,
)

PI0_MASS = 0.135
HADRON, SHOWERING = 0.0, 1.0
"""Kinds of particles: hadrons, and particles that shower (photons and electrons)."""
MAX_PARTICLES = 4096
"""Maximum number of particles of an interaction; the rest is ignored."""
MAX_ETA = 3.3
"""Particles have a smaller abs(eta)."""
SOFT_POINTS = 10.0
"""Number of points of a soft shower at low energies."""
MIN_PHOTON_ENERGY, MIN_HADRON_ENERGY, MIN_ET_SHARE = 0.1, 0.4, 0.7
"""Photons and hadrons below these energies [GeV] are ignored, because their deposits are smaller than the noise. So are
those with less Et than MIN_ET_SHARE times this energy, because the noise increases with eta."""


@kernel
def hadron_pt(state: Any, scale: float, power: float) -> Any:
    """Draw pt [GeV] from the density pt (1 + pt / scale)^-power, a beta prime distribution (ratio of two gammas)."""
    first = exponential(state) + exponential(state)
    return scale * first / gamma(state, power - 2.0)


@kernel
def start_particle(row: Any, pt: float, eta: float, phi: float, charge: float, z: float) -> None:
    """Fill `row` (COLUMNS,) of `kernels.tracker` with a particle that starts on the beam axis at z [cm]."""
    for k in range(COLUMNS):
        row[k] = 0.0
    row[CHARGE], row[Z] = charge, z
    row[PX], row[PY], row[PZ] = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)


class Library(NamedTuple):
    """Minimum-bias interactions: the particles of interaction i are the rows offsets[i] to offsets[i + 1].

    Attributes
    ----------
    offsets : int64 (n_interactions + 1,)
    particles : float64 (n_particles, 5): kind, charge, pt [GeV], eta, phi [rad]
    """

    offsets: Any
    particles: Any


NO_LIBRARY = Library(np.zeros(1, np.int64), np.zeros((0, 5)))


class Scratch(NamedTuple):
    """Work space: rows of `kernels.tracker`, frame and slices of `kernels.showers`."""

    row: Any
    stack: Any
    at_face: Any
    frame: Any
    share: Any


@array_kernel
def new_scratch() -> Any:
    """Work space for one event."""
    stack, at_face = np.zeros((MAX_ROWS, COLUMNS)), np.zeros(MAX_ROWS, np.bool_)
    return Scratch(np.zeros(COLUMNS), stack, at_face, np.zeros((5, 3)), np.zeros(N_SLICES))


@kernel
def deposit_electromagnetic(
    state: Any, first: Any, material: Any, material_path: Any, field: float, points: float, exists: Any,
    deposit: Any, touched: Any, n_touched: Any, scratch: Scratch,
) -> Any:  # fmt: skip
    """Track an electron or photon to the crystals and deposit its showers; returns the new n_touched.

    points : approximate number of points of a shower at 1 GeV; 0 for `deposit_soft_shower`
    """
    rows = scratch.stack
    for i in range(track_to_crystals(state, first, material, material_path, field, rows, scratch.at_face)):
        if not scratch.at_face[i]:
            continue
        set_frame(rows[i], scratch.frame)
        energy, is_photon = energy_of(rows[i]), rows[i, CHARGE] == 0.0
        if points > 0.0:
            n_touched = deposit_shower(
                state, scratch.frame, energy, is_photon, points, exists, deposit, touched, n_touched, scratch.share
            )
        else:
            n = int(min(SOFT_POINTS * (1.0 + 0.5 * energy), 20.0 * SOFT_POINTS))
            n_touched = deposit_soft_shower(
                state, scratch.frame, energy, is_photon, n, exists, deposit, touched, n_touched
            )
    return n_touched


@kernel
def deposit_soft_particle(
    state: Any, row: Any, z: float, threshold_scale: float, material: Any, material_path: Any, field: float,
    exists: Any, deposit: Any, touched: Any, n_touched: Any, scratch: Scratch,
) -> Any:  # fmt: skip
    """Deposit the energy of a particle of another interaction; returns the new n_touched.

    row : float64 (5,), the particle; z : of its vertex [cm]; threshold_scale : factor on the minimum energies
    """
    kind, charge, pt, eta, phi = row[0], row[1], row[2], row[3], row[4]
    min_energy = MIN_HADRON_ENERGY if kind == HADRON else MIN_PHOTON_ENERGY
    if pt < threshold_scale * min_energy * max(1.0 / math.cosh(eta), MIN_ET_SHARE):
        return n_touched
    start_particle(scratch.row, pt, eta, phi, charge, z)
    if kind == SHOWERING:
        return deposit_electromagnetic(
            state, scratch.row, material, material_path, field, 0.0, exists, deposit, touched, n_touched, scratch
        )
    if move_to_face(scratch.row, field):
        set_frame(scratch.row, scratch.frame)
        return deposit_hadron(
            state, scratch.frame, energy_of(scratch.row), charge != 0.0, exists, deposit, touched, n_touched
        )  # fmt: skip
    return n_touched


@kernel
def tilted_uniform(state: Any, tilt: float) -> Any:
    """Draw x from 0 to 1 with density 1 + tilt (2 x - 1), by the inverse of its integral."""
    x = uniform(state)
    if abs(tilt) < 1e-6:
        return x
    return (math.sqrt((1.0 - tilt) ** 2 + 4.0 * tilt * x) - (1.0 - tilt)) / (2.0 * tilt)


@kernel
def add_pion_photons(state: Any, rows: Any, n: int, pt: float, eta: float, phi: float) -> Any:
    """Add the two photons of a neutral pion to `rows`; returns the new number of particles.

    The share x of the momentum has a uniform distribution; the angle between the photons is m / (pt sqrt(x (1 - x))).
    """
    x = uniform(state)
    apart = min(PI0_MASS / (pt * math.sqrt(x * (1.0 - x))), 1.0)
    angle = 2.0 * math.pi * uniform(state)
    for k in range(2):
        share, side = (x, x - 1.0) if k == 0 else (1.0 - x, x)
        row = rows[n + k]
        row[0], row[1], row[2] = SHOWERING, 0.0, share * pt
        row[3], row[4] = eta + side * apart * math.cos(angle), phi + side * apart * math.sin(angle)
    return n + 2


@kernel
def parametrised_interaction(state: Any, activity: float, spectrum: Any, rows: Any) -> Any:
    """Fill `rows` (MAX_PARTICLES, 5) with the particles of one parametrised minimum-bias interaction.

    Parameters
    ----------
    state : uint64 (1,), the random stream
    activity : shape of the gamma distribution of the mean number of particles
    spectrum : float64 (3, 5), one row for charged hadrons, neutral pions and other neutral hadrons: density in eta, its
        tilt (the density goes from 1 - tilt at eta 0 to 1 + tilt at MAX_ETA), scale [GeV] and power of the spectrum of
        pt, tilt of the scale
    rows : float64 (MAX_PARTICLES, 5), filled with the particles

    Returns
    -------
    Number of particles.
    """
    total = spectrum[0, 0] + spectrum[1, 0] + spectrum[2, 0]
    level, n = gamma(state, activity) / activity * 2.0 * MAX_ETA, 0
    for _ in range(min(poisson(state, level * total), MAX_PARTICLES // 2)):
        draw, kind = uniform(state) * total, 0
        while kind < 2 and draw >= spectrum[kind, 0]:
            draw -= spectrum[kind, 0]
            kind += 1
        x = tilted_uniform(state, spectrum[kind, 1])
        pt = hadron_pt(state, spectrum[kind, 2] * (1.0 + spectrum[kind, 4] * (2.0 * x - 1.0)), spectrum[kind, 3])
        side, phi = uniform(state), 2.0 * math.pi * uniform(state)
        eta = MAX_ETA * (x if side < 0.5 else -x)
        if kind == 1:
            n = add_pion_photons(state, rows, n, pt, eta, phi)
            continue
        charge = 0.0 if kind > 1 else (1.0 if uniform(state) < 0.5 else -1.0)
        rows[n, 0], rows[n, 1], rows[n, 2], rows[n, 3], rows[n, 4] = HADRON, charge, pt, eta, phi
        n += 1
    return n


@kernel
def library_interaction(state: Any, library: Library, rows: Any) -> Any:
    """Fill `rows` with a random interaction of a library; returns its number of particles.

    The interaction is rotated around the beam and mirrored in eta at random.
    """
    index = min(int(uniform(state) * (len(library.offsets) - 1)), len(library.offsets) - 2)
    angle, side = 2.0 * math.pi * uniform(state), 1.0 if uniform(state) < 0.5 else -1.0
    first = library.offsets[index]
    n = min(library.offsets[index + 1] - first, MAX_PARTICLES)
    for k in range(n):
        for c in range(5):
            rows[k, c] = library.particles[first + k, c]
        rows[k, 3] *= side
        rows[k, 4] += angle
    return n


@array_kernel
def pileup_deposits(
    state: Any, n_interactions: int, vertex_width: float, threshold_scale: float, activity: float, spectrum: Any,
    library: Library, material: Any, material_path: Any, field: float, exists: Any, deposit: Any, touched: Any,
) -> Any:  # fmt: skip
    """Deposit the energies of the particles of n_interactions interactions.

    Parameters
    ----------
    vertex_width : standard deviation of the vertices along the beam [cm]
    threshold_scale : factor on the minimum energies of particles
    activity, spectrum : see `parametrised_interaction`
    library : interactions to draw from; if it is empty, interactions are parametrised

    Returns
    -------
    n_touched : number of crystals with deposits
    sum_pt : sum of pt of the particles with abs(eta) < 3 [GeV]
    """
    scratch, rows = new_scratch(), np.zeros((MAX_PARTICLES, 5))
    n_touched, sum_pt = np.int64(0), 0.0  # not 0: callees would be compiled once more, for this very number
    for _ in range(n_interactions):
        z = vertex_width * normal(state)
        if len(library.particles) > 0:
            n = library_interaction(state, library, rows)
        else:
            n = parametrised_interaction(state, activity, spectrum, rows)
        for i in range(n):
            if abs(rows[i, 3]) < 3.0:
                sum_pt += rows[i, 2]
            n_touched = deposit_soft_particle(
                state, rows[i], z, threshold_scale, material, material_path, field, exists, deposit, touched, n_touched,
                scratch,
            )  # fmt: skip
    return n_touched, sum_pt


@array_kernel
def parametrised_interactions(n: int, seed: int, activity: float, spectrum: Any) -> Any:
    """The particles of n parametrised interactions, each with its own random stream.

    Returns their numbers, int64 (n,), and the particles, float64 (n_particles, 5).
    """
    counts, rows = np.zeros(n, np.int64), np.zeros((MAX_PARTICLES, 5))
    everything = np.zeros((1024, 5))
    total = 0
    for k in range(n):
        counts[k] = parametrised_interaction(stream(seed, k, 0), activity, spectrum, rows)
        if total + counts[k] > len(everything):
            larger = np.zeros((2 * len(everything) + counts[k], 5))
            for i in range(total):
                for column in range(5):
                    larger[i, column] = everything[i, column]
            everything = larger
        for i in range(counts[k]):
            for column in range(5):
                everything[total + i, column] = rows[i, column]
        total += counts[k]
    return counts, everything[:total]


@array_kernel
def particle_deposits(
    state: Any, first: Any, material: Any, material_path: Any, field: float, points: float, exists: Any,
    deposit: Any, touched: Any,
) -> Any:  # fmt: skip
    """Deposit the energy of one electron or photon `first` (COLUMNS,); returns the number of crystals with deposits."""
    return deposit_electromagnetic(
        state, first, material, material_path, field, points, exists, deposit, touched, np.int64(0), new_scratch()
    )


@array_kernel
def collect_deposits(deposit: Any, touched: Any, n_touched: int, min_energy: float) -> Any:
    """Take the deposits out of the work space: `deposit` is 0 everywhere afterwards.

    Returns the indices of the crystals with deposits above `min_energy` [GeV], int32 (n,) in ascending order, and these
    deposits, float64 (n,) [GeV].
    """
    cells = np.sort(touched[:n_touched])
    energies = np.empty(n_touched)
    n = 0
    for i in range(n_touched):
        energy = deposit[cells[i]]
        deposit[cells[i]] = 0.0
        if energy > min_energy:
            cells[n], energies[n] = cells[i], energy
            n += 1
    return cells[:n].copy(), energies[:n].copy()
