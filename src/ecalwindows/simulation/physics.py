"""Single showers and tracks of the simulation, and the published values with which they are compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.simulation.conditions import Conditions
from ecalwindows.simulation.event import SIGNAL_POINTS, Detector
from ecalwindows.simulation.kernels import tracker
from ecalwindows.simulation.kernels.crystals import RADIUS, shifted
from ecalwindows.simulation.kernels.draws import stream
from ecalwindows.simulation.kernels.electronics import energy_in, read_out
from ecalwindows.simulation.kernels.pileup import collect_deposits, start_particle
from ecalwindows.simulation.kernels.showers import CRITICAL, N_SLICES, deposit_shower, longitudinal_profile, set_frame
from ecalwindows.simulation.workspace import Workspace

TEST_BEAM_NOISE = 0.04
"""Noise of a crystal in the test beam [GeV]: 0.12 GeV in nine crystals (JINST 2 P04004)."""
BEAM_WIDTH = 0.4
"""Side of the square around the centre of a crystal in which showers start [cm], as in the test beam."""
CONTAINED = {"1 crystal": 0.78, "3x3": 0.94, "5x5": 0.97}
"""Published shares of the energy in crystals around the central one (CMS ECAL TDR, test beams)."""
RADIATED = {0.0: 0.33, 1.5: 0.86}
"""Published mean share of its energy that an electron radiates, by abs(eta) (EGM-13-001)."""
HIT = (85 + 12) * 360 + 109
"""The barrel crystal in the beam: ieta 13, iphi 110, far from the gaps."""


@dataclass(frozen=True)
class Showers:
    """Showers of one energy in the centre of a crystal.

    Attributes
    ----------
    energy : of the particles [GeV]
    deposited : float64 (n, 3), shares of this energy that are deposited in 1, 3x3 and 5x5 crystals
    measured : float64 (n, 3), shares that the electronics measure, with the noise of the test beam
    """

    energy: float
    deposited: Floats
    measured: Floats


def test_beam_resolution(energy: float) -> float:
    """Relative resolution of CMS's barrel in the test beam, 3x3 crystals, central hits (JINST 2 P04004)."""
    return math.sqrt(0.028**2 / energy + (0.12 / energy) ** 2 + 0.003**2)


def central_showers(energy: float, n: int, conditions: Conditions, *, is_photon: bool) -> Showers:
    """n showers of photons or electrons with this energy [GeV] in the centre of a barrel crystal."""
    quiet = conditions.model_copy(update={"dead_share": 0.0, "threshold_spread": 0.0})
    crystals = Detector(quiet).crystals
    crystals = crystals._replace(noise=np.full_like(crystals.noise, TEST_BEAM_NOISE))
    work, rng = Workspace(), np.random.default_rng(1)
    block = np.array([shifted(HIT, i, j, crystals.exists) for i in range(-2, 3) for j in range(-2, 3)])
    rings = np.array([max(abs(i), abs(j)) for i in range(-2, 3) for j in range(-2, 3)])
    shares = np.empty((2, n, 3))
    for k in range(n):
        cells, energies = _one_shower(energy, k, crystals, work, rng, is_photon)
        # Each shower has other errors of the calibration, so that their spread over the detector is included.
        miscalibrated = crystals._replace(
            gain=1 + conditions.calibration_spread * rng.standard_normal(len(crystals.gain))
        )
        key = stream(1, k, 1)[0]
        read_out(cells, energies, key, conditions.photostatistics, miscalibrated, work.measured)
        found = np.array([energy_in(cell, key, miscalibrated, work.measured) for cell in block])
        deposits = np.zeros(len(crystals.eta))
        deposits[cells] = energies
        for i, values in enumerate((deposits[block], found)):
            shares[i, k] = [values[rings <= ring].sum() / energy for ring in range(3)]
        work.measured[:] = np.nan
    return Showers(energy, shares[0], shares[1])


def _one_shower(energy: float, k: int, crystals: Any, work: Workspace, rng: Any, is_photon: bool) -> tuple[Any, Floats]:
    """Crystals and deposits of one shower."""
    state, row, frame = stream(1, k, 2), np.zeros(tracker.COLUMNS), np.zeros((5, 3))
    eta, phi = np.array([crystals.eta[HIT], crystals.phi[HIT]]) + BEAM_WIDTH * (rng.random(2) - 0.5) / RADIUS
    start_particle(row, energy / math.cosh(eta), eta, phi, 0.0, 0.0)
    row[tracker.X : tracker.Z + 1] = RADIUS * np.array([math.cos(phi), math.sin(phi), math.sinh(eta)])
    set_frame(row, frame)
    n = deposit_shower(
        state, frame, energy, is_photon, SIGNAL_POINTS, crystals.exists, work.deposit, work.touched, 0,
        np.zeros(N_SLICES),
    )  # fmt: skip
    cells, energies = collect_deposits(work.deposit, work.touched, n, 0.0)
    return cells, energies


def core_width(values: Floats) -> float:
    """Relative width of the Gaussian core: standard deviation over mean, of the values within 2 standard deviations."""
    mean, width = float(np.median(values)), float(values.std())
    for _ in range(20):
        core = values[np.abs(values - mean) < 2 * width]
        mean, width = float(core.mean()), float(core.std()) / 0.8796  # of a Gaussian cut at 2 standard deviations
    return width / mean


def shower_maximum(energy: float, n: int = 2000) -> float:
    """Depth [X0] of the maximum of the mean of n electron showers with this energy [GeV]."""
    depths = np.arange(0.05, 30, 0.1)
    mean = np.zeros_like(depths)
    for k in range(n):
        alpha, beta = longitudinal_profile(stream(1, k, 3), energy)
        t = beta * depths
        mean += beta * np.exp((alpha - 1) * np.log(t) - t - math.lgamma(alpha))
    return float(depths[mean.argmax()])


def published_maximum(energy: float) -> float:
    """Published depth [X0] of the shower maximum: ln(E / Ec) - 0.5 for electrons (PDG, passage of particles)."""
    return math.log(energy / CRITICAL) - 0.5


def radiated_shares(abs_eta: float, n: int, detector: Detector, pt: float = 50.0) -> Floats:
    """Shares of their energy that n electrons with this pt [GeV] radiate in front of the crystals, float64 (n,)."""
    row, stack = np.zeros(tracker.COLUMNS), np.zeros((tracker.MAX_ROWS, tracker.COLUMNS))
    at_face, shares = np.zeros(tracker.MAX_ROWS, np.bool_), np.empty(n)
    for k in range(n):
        start_particle(row, pt, abs_eta, 0.0, -1.0, 0.0)
        tracker.track_to_crystals(stream(2, k, 4), row, *detector.tracking, stack, at_face)
        shares[k] = 1 - tracker.energy_of(stack[0]) / tracker.energy_of(row)
    return shares
