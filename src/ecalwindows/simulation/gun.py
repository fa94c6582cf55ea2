"""The particle gun: electrons or photons with uniform distributions in pt, eta and phi."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ecalwindows.core.arrays import Floats, Integers

Kind = Literal["electron", "photon", "mixed"]


@dataclass(frozen=True)
class Gun:
    """Settings of the particle gun.

    Attributes
    ----------
    kind : electron, photon, or mixed: each event has either electrons or photons
    pt : range of the transverse momentum [GeV]
    eta : range of eta
    per_event : number of particles per event
    overlap : the 2nd, 4th, ... particle is inside a window of the particle before it
    """

    kind: Kind = "mixed"
    pt: tuple[float, float] = (1.0, 500.0)
    eta: tuple[float, float] = (-3.0, 3.0)
    per_event: int = 4
    overlap: bool = False


@dataclass(frozen=True)
class Particles:
    """The generated particles of an event.

    Attributes
    ----------
    pdg_id, charge : int64 (n,)
    pt, eta, phi : float64 (n,), pt in GeV, phi in rad
    z : position of their vertex along the beam [cm]
    """

    pdg_id: Integers
    charge: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    z: float

    @property
    def energy(self) -> Floats:
        """Energies [GeV]; masses are neglected."""
        return self.pt * np.cosh(self.eta)


APART_ETA, APART_PHI, TRIES = 0.5, 1.0, 50
"""Particles that must not overlap have at least this distance in eta or in phi, so that no window of one particle holds
clusters of another, as in CMS's samples. After TRIES draws without success, a particle stays where it is."""


def generated_particles(gun: Gun, rng: np.random.Generator, vertex_width: float) -> Particles:
    """The particles of one event.

    vertex_width : standard deviation of the vertex along the beam [cm]
    """
    n = gun.per_event
    pt, eta, phi, sign_draw, shift_eta, shift_phi = rng.random((6, n))
    is_electron = rng.random() < 0.5 if gun.kind == "mixed" else gun.kind == "electron"
    charge = np.where(sign_draw < 0.5, -1, 1) * is_electron
    low, high = gun.eta
    eta, phi = low + (high - low) * eta, math.pi * (2 * phi - 1)
    if gun.overlap:
        eta[1::2] = np.clip(eta[: n - n % 2 : 2] + 0.2 * (shift_eta[1::2] - 0.5), low, high)
        phi[1::2] = np.remainder(phi[: n - n % 2 : 2] + 1.2 * (shift_phi[1::2] - 0.5) + math.pi, 2 * math.pi) - math.pi
    else:
        _separate(eta, phi, gun.eta, rng)
    return Particles(
        pdg_id=np.where(is_electron, -11 * charge, 22),
        charge=charge,
        pt=gun.pt[0] + (gun.pt[1] - gun.pt[0]) * pt,
        eta=eta,
        phi=phi,
        z=vertex_width * rng.standard_normal(),
    )


def _separate(eta: Floats, phi: Floats, limits: tuple[float, float], rng: np.random.Generator) -> None:
    """Draw the direction of each particle that is too close to an earlier one again, in place."""
    low, high = limits
    for i in range(1, len(eta)):  # a few particles
        for _ in range(TRIES):
            dphi = np.abs(np.remainder(phi[:i] - phi[i] + math.pi, 2 * math.pi) - math.pi)
            if not ((np.abs(eta[:i] - eta[i]) < APART_ETA) & (dphi < APART_PHI)).any():
                break
            eta[i], phi[i] = low + (high - low) * rng.random(), math.pi * (2 * rng.random() - 1)
