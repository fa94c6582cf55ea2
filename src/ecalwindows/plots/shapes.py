"""Outlines in eta and phi: crystals, the edge of a window, the mustache.

The crystals are those of an ideal detector; the real positions differ by up to half a crystal.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Flags, Floats
from ecalwindows.core.geometry import BARREL_END, Geometry
from ecalwindows.windowing.kernels.mustache import in_mustache

Ints = NDArray[np.integer[Any]]

BARREL_ETA, BARREL_PHI = BARREL_END / 85, math.radians(1.0)
"""Width of a barrel crystal in eta and in phi [rad]; ieta 1 begins at eta 0, iphi 1 at phi = -10 degrees."""
ENDCAP_PITCH, ENDCAP_Z, ENDCAP_CENTRE = 2.862, 317.0, 50.5
"""Pitch and abs(z) of the endcap crystals [cm], ix and iy of the beam line."""


def unwrapped(phi: Any, centre: Any) -> Floats:
    """The same angles [rad] in the range from `centre` - pi to `centre` + pi."""
    return np.asarray(centre + np.remainder(phi - centre + np.pi, 2 * np.pi) - np.pi, dtype=float)


def crystal_corners(ieta: Ints, iphi: Ints, iz: Ints) -> Floats:
    """Corners of crystals in (eta, phi [rad]).

    Parameters
    ----------
    ieta : int (n,), in the barrel -85 to 85 without 0; in the endcaps ix, 1 to 100
    iphi : int (n,), in the barrel 1 to 360; in the endcaps iy, 1 to 100
    iz : int (n,), 0 for the barrel, -1 or +1 for an endcap, a plane at abs(z) = ENDCAP_Z

    Returns
    -------
    float64 (n, 4, 2), without jumps of 2 pi between the corners of a crystal
    """
    along, across = np.array([-0.5, 0.5, 0.5, -0.5]), np.array([-0.5, -0.5, 0.5, 0.5])
    first, second, side = (np.asarray(index)[:, None].astype(float) for index in (ieta, iphi, iz))
    eta = (first - 0.5 * np.sign(first) + along) * BARREL_ETA
    phi = (second - 10.5 + across) * BARREL_PHI
    x, y = first - ENDCAP_CENTRE, second - ENDCAP_CENTRE
    radius = np.maximum(np.hypot(x + along, y + across), 1e-3) * ENDCAP_PITCH
    endcap_phi = unwrapped(np.arctan2(y + across, x + along), np.arctan2(y, x))
    in_barrel = side == 0
    return np.stack(
        [np.where(in_barrel, eta, np.sign(side) * np.arcsinh(ENDCAP_Z / radius)), np.where(in_barrel, phi, endcap_phi)],
        axis=-1,
    )


def window_edge(seed_eta: float, seed_phi: float, geometry: Geometry) -> tuple[tuple[float, float], float, float]:
    """The window of a seed: lower left corner (eta, phi [rad]), width in eta, height in phi [rad]."""
    up, down, width = geometry.bounds(np.array([seed_eta]))[:, 0]
    left = seed_eta + down if seed_eta >= 0 else seed_eta - up
    return (left, seed_phi - width), up - down, 2 * width


def mustache_outline(seed_eta: float, et: float) -> Floats:
    """Outline of the geometric mustache for clusters of this Et [GeV], found by calls of its kernel.

    Returns
    -------
    float64 (n, 2): eta minus eta of the seed, dphi [rad]; n is 0 if the mustache is empty
    """
    dphi, deta = np.linspace(0, 0.7, 141), np.linspace(-0.4, 0.4, 101)
    inside = _in_mustache(seed_eta, et, dphi, deta)
    if not inside.any():
        return np.zeros((0, 2))
    reach, step = deta[inside.any(axis=0)], deta[1] - deta[0]
    dphi = np.linspace(0, dphi[inside.any(axis=1)].max(), 31)
    deta = np.linspace(reach.min() - step, reach.max() + step, 601)
    inside = _in_mustache(seed_eta, et, dphi, deta)
    dphi, inside = dphi[inside.any(axis=1)], inside[inside.any(axis=1)]
    first = np.stack([deta[inside.argmax(axis=1)], dphi], axis=1)
    last = np.stack([deta[len(deta) - 1 - inside[:, ::-1].argmax(axis=1)], dphi], axis=1)
    half = np.concatenate([first, last[::-1]])
    return np.concatenate([half, half[::-1] * (1, -1)])


def _in_mustache(seed_eta: float, et: float, dphi: Floats, deta: Floats) -> Flags:
    """Whether each point of a grid is in the mustache, bool (len(dphi), len(deta))."""
    grid_phi, grid_eta = (grid.ravel() for grid in np.meshgrid(dphi, deta, indexing="ij"))
    n = len(grid_eta)
    eta = np.append(seed_eta + grid_eta, seed_eta)
    with np.errstate(over="ignore"):  # a seed without a position, at -999, has no mustache
        energy = et * np.cosh(eta)
    inside = in_mustache(np.array([0, n]), np.array([n]), np.arange(n), grid_phi, energy, eta)
    return np.asarray(inside).reshape(len(dphi), len(deta))
