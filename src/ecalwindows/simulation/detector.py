"""The tables of all crystals: positions, noise, thresholds, calibration errors and dead channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Floats
from ecalwindows.simulation.conditions import Conditions
from ecalwindows.simulation.kernels.crystals import (
    ENDCAP_FOCUS,
    ENDCAP_PITCH,
    ENDCAP_Z,
    N_BARREL,
    N_CRYSTALS,
    NONE,
    PITCH,
    RADIUS,
    Crystals,
    neighbour_table,
)

ENDCAP_CENTRE, ENDCAP_INNER, ENDCAP_OUTER = 50.5, 11.5, 50.9
"""Centre, inner and outer radius of an endcap [crystals] (docs/simulation.md)."""
DETECTOR_SEED = 20230101
"""Seed of the differences between crystals: the detector is the same in all samples."""


def crystal_tables(conditions: Conditions) -> Crystals:
    """The tables of all crystals for these conditions."""
    ieta, iphi, iz = _indices()
    position, axis = _positions(ieta, iphi, iz)
    radius = np.hypot(ieta - ENDCAP_CENTRE, iphi - ENDCAP_CENTRE)
    exists = (iz == 0) | ((radius > ENDCAP_INNER) & (radius < ENDCAP_OUTER))
    eta = np.arcsinh(position[:, 2] / np.hypot(position[:, 0], position[:, 1]))
    neighbours = np.full((N_CRYSTALS, 8), NONE, np.int32)
    neighbour_table(exists, neighbours)
    spread = np.random.default_rng(DETECTOR_SEED).standard_normal((3, N_CRYSTALS))
    threshold = _thresholds(ieta, iz, eta, conditions) * np.exp(conditions.threshold_spread * spread[0])
    sigmas = np.where(iz == 0, conditions.threshold_sigmas_barrel, conditions.threshold_sigmas_endcap)
    return Crystals(
        exists=exists, ieta=ieta, iphi=iphi, iz=iz, eta=eta, phi=np.arctan2(position[:, 1], position[:, 0]),
        position=position, axis=axis, neighbours=neighbours, threshold=threshold, noise=threshold / sigmas,
        gain=1 + conditions.calibration_spread * spread[1], uncalibrated=np.exp(-0.1 - 0.05 * spread[2]),
        dead=np.random.default_rng(DETECTOR_SEED + 1).random(N_CRYSTALS) < conditions.dead_share,
    )  # fmt: skip


def min_quantile(crystals: Crystals) -> float:
    """Quantile of the noise (minus a margin) below which the noise of no crystal reaches its threshold."""
    from statistics import NormalDist

    return NormalDist().cdf(float((crystals.threshold / np.maximum(crystals.noise, 1e-12)).min()) - 0.01)


def _indices() -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """(ieta, iphi, iz) of each crystal index, int32 (N_CRYSTALS,) each; (ix, iy, iz) in the endcaps."""
    crystal = np.arange(N_CRYSTALS)
    row, inside = crystal // 360 - 85, (crystal - N_BARREL) % 10000
    in_barrel = crystal < N_BARREL
    ieta = np.where(in_barrel, row + (row >= 0), inside // 100 + 1)
    iphi = np.where(in_barrel, crystal % 360 + 1, inside % 100 + 1)
    iz = np.where(in_barrel, 0, np.where(crystal < N_BARREL + 10000, -1, 1))
    return ieta.astype(np.int32), iphi.astype(np.int32), iz.astype(np.int32)


def _positions(ieta: Any, iphi: Any, iz: Any) -> tuple[Floats, Floats]:
    """Centres of the front faces [cm] and unit vectors along the crystals, float64 (N_CRYSTALS, 3) each."""
    eta, phi = (ieta - 0.5 * np.sign(ieta)) * PITCH, np.radians(iphi - 10.5)
    barrel = RADIUS * np.stack([np.cos(phi), np.sin(phi), np.sinh(eta)], axis=1)
    x, y = (ieta - ENDCAP_CENTRE) * ENDCAP_PITCH, (iphi - ENDCAP_CENTRE) * ENDCAP_PITCH
    endcap = np.stack([x, y, ENDCAP_Z * np.where(iz == 0, 1, iz)], axis=1)
    focus = np.stack([0 * x, 0 * x, -ENDCAP_FOCUS * np.where(iz == 0, 0, iz)], axis=1)
    position = np.where((iz == 0)[:, None], barrel, endcap)
    axis = position - focus
    return position, axis / np.linalg.norm(axis, axis=1, keepdims=True)


def _thresholds(ieta: Any, iz: Any, eta: Floats, conditions: Conditions) -> Floats:
    """Median threshold for the position of each crystal [GeV]."""
    step = np.minimum((np.abs(ieta) - 1) // 17, 4)
    barrel = np.asarray(conditions.threshold_barrel_gev)[np.where(iz == 0, step, 0)]
    ring = np.digitize(np.abs(eta), conditions.threshold_endcap_abs_eta)
    return np.where(iz == 0, barrel, np.asarray(conditions.threshold_endcap_gev)[ring])
