"""The generated particles of an event: electrons or photons, flat in pt, eta and phi."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["electron", "photon", "mixed"]


@dataclass(frozen=True)
class Gun:
    """What to shoot. `mixed`: electrons in one event, photons in another, as in CMS's samples of each.

    pt [GeV] and eta: ranges; overlap: the 2nd, 4th, ... particle lies within a window of the one before
    """

    kind: Kind = "mixed"
    pt: tuple[float, float] = (1.0, 500.0)
    eta: tuple[float, float] = (-3.0, 3.0)
    per_event: int = 4
    overlap: bool = False


@dataclass(frozen=True)
class Particles:
    """Generated particles, each (n,): pdg_id, charge (int), pt [GeV], eta, phi [rad]; z of their vertex [cm]."""

    pdg_id: NDArray[np.int64]
    charge: NDArray[np.int64]
    pt: Floats
    eta: Floats
    phi: Floats
    z: float

    @property
    def energy(self) -> Floats:
        """Energy [GeV]; masses do not matter here."""
        return self.pt * np.cosh(self.eta)


APART_ETA, APART_PHI, TRIES = 0.5, 1.0, 50
"""Particles that shall not overlap are so far apart in eta or phi that no window of one holds clusters of another, as
in CMS's samples. Where there is no room after so many tries they are not."""


def generated(gun: Gun, rng: np.random.Generator, vertex_width: float) -> Particles:
    """The particles of one event."""
    n = gun.per_event
    pt, eta, phi, turn, near_eta, near_phi = rng.random((6, n))
    is_electron = rng.random() < 0.5 if gun.kind == "mixed" else gun.kind == "electron"
    charge = np.where(turn < 0.5, -1, 1) * is_electron
    low, high = gun.eta
    eta, phi = low + (high - low) * eta, math.pi * (2 * phi - 1)
    if gun.overlap:
        eta[1::2] = np.clip(eta[: n - n % 2 : 2] + 0.2 * (near_eta[1::2] - 0.5), low, high)
        phi[1::2] = np.remainder(phi[: n - n % 2 : 2] + 1.2 * (near_phi[1::2] - 0.5) + math.pi, 2 * math.pi) - math.pi
    else:
        _set_apart(eta, phi, gun.eta, rng)
    return Particles(
        pdg_id=np.where(is_electron, -11 * charge, 22),
        charge=charge,
        pt=gun.pt[0] + (gun.pt[1] - gun.pt[0]) * pt,
        eta=eta,
        phi=phi,
        z=vertex_width * rng.standard_normal(),
    )


def _set_apart(eta: Floats, phi: Floats, limits: tuple[float, float], rng: np.random.Generator) -> None:
    """Draw the directions of those anew, in place, that lie close to one before."""
    low, high = limits
    for i in range(1, len(eta)):  # a handful
        for _ in range(TRIES):
            across = np.abs(np.remainder(phi[:i] - phi[i] + math.pi, 2 * math.pi) - math.pi)
            if not ((np.abs(eta[:i] - eta[i]) < APART_ETA) & (across < APART_PHI)).any():
                break
            eta[i], phi[i] = low + (high - low) * rng.random(), math.pi * (2 * rng.random() - 1)
