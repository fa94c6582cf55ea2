"""Loops of the pile-up: soft photons and hadrons of other interactions, straight into the crystals' deposits."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ecalwindows.kernels.draws import exponential, gamma, normal, poisson, uniform
from ecalwindows.kernels.jit import kernel, lean_kernel
from ecalwindows.kernels.showers import N_SLICES, hadron, set_frame, shower, soft_shower
from ecalwindows.kernels.tracker import CHARGE, COLUMNS, MOST_ROWS, PX, PY, PZ, Z, arrivals, arrived, energy_of

PI0_MASS = 0.135
WIDEST_ETA = 3.3
SOFT_POINTS = 10.0
SOFTEST_PHOTON, SOFTEST_HADRON = 0.1, 0.4
"""Photons and hadrons below these energies [GeV] are left out: they give less than the noise."""


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
            n = int(min(SOFT_POINTS * (1.0 + energy), 20.0 * SOFT_POINTS))
            n_touched = soft_shower(state, scratch.frame, energy, is_photon, n, exists, deposit, touched, n_touched)
    return n_touched


@kernel
def neutral_pion(
    state: Any, pt: float, eta: float, phi: float, z: float, material: Any, way: Any, field: float, exists: Any,
    deposit: Any, touched: Any, n_touched: int, scratch: Scratch,
) -> Any:  # fmt: skip
    """Two photons that share its momentum evenly, an opening angle of m / (pt sqrt(x (1 - x))) apart."""
    x = uniform(state)
    apart = min(PI0_MASS / (pt * math.sqrt(x * (1.0 - x))), 1.0)
    turn = 2.0 * math.pi * uniform(state)
    for part, side in ((x, x - 1.0), (1.0 - x, x)):
        at_eta, at_phi = eta + side * apart * math.cos(turn), phi + side * apart * math.sin(turn)
        if part * pt * math.cosh(at_eta) > SOFTEST_PHOTON:
            aimed(scratch.row, part * pt, at_eta, at_phi, 0.0, z)
            n_touched = showered(
                state, scratch.row, material, way, field, 0.0, exists, deposit, touched, n_touched, scratch
            )
    return n_touched


@kernel
def interaction(
    state: Any, z: float, spectrum: Any, material: Any, way: Any, field: float, exists: Any,
    deposit: Any, touched: Any, n_touched: int, scratch: Scratch,
) -> Any:  # fmt: skip
    """One minimum-bias interaction at z [cm]. Returns (length of touched, sum of pt of all particles within eta 3).

    spectrum: charged hadrons per unit of eta, neutral pions per charged hadron, other neutral hadrons per charged one,
    shape of the fluctuation, scale [GeV] and power of the spectrum of pt.
    """
    charged, pions, neutrals, activity, scale, power = spectrum
    level = gamma(state, activity) / activity * charged * 2.0 * WIDEST_ETA
    sum_pt = 0.0
    for _ in range(poisson(state, level * (1.0 + pions + neutrals))):
        kind = uniform(state) * (1.0 + pions + neutrals)
        pt, eta, phi = (
            hadron_pt(state, scale, power),
            WIDEST_ETA * (2.0 * uniform(state) - 1.0),
            2.0 * math.pi * uniform(state),
        )
        if abs(eta) < 3.0:
            sum_pt += pt
        if kind >= 1.0 and kind < 1.0 + pions:
            n_touched = neutral_pion(
                state, pt, eta, phi, z, material, way, field, exists, deposit, touched, n_touched, scratch
            )
        elif pt * math.cosh(eta) > SOFTEST_HADRON:
            charge = 0.0 if kind >= 1.0 else (1.0 if kind < 0.5 else -1.0)
            aimed(scratch.row, pt, eta, phi, charge, z)
            if arrived(scratch.row, field):
                set_frame(scratch.row, scratch.frame)
                n_touched = hadron(
                    state, scratch.frame, energy_of(scratch.row), charge != 0.0, exists, deposit, touched, n_touched
                )
    return n_touched, sum_pt


@kernel
def pileup_deposits(
    state: Any, n_interactions: int, vertex_width: float, spectrum: Any, material: Any, way: Any, field: float,
    exists: Any, deposit: Any, touched: Any,
) -> Any:  # fmt: skip
    """Deposits of so many interactions. Returns (length of touched, sum of pt of all their particles [GeV])."""
    scratch = new_scratch()
    n_touched, sum_pt = 0, 0.0
    for _ in range(n_interactions):
        z = vertex_width * normal(state)
        n_touched, more = interaction(
            state, z, spectrum, material, way, field, exists, deposit, touched, n_touched, scratch
        )
        sum_pt += more
    return n_touched, sum_pt


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
