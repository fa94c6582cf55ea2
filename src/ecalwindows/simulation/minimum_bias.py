"""A library of minimum-bias interactions, from which pile-up is drawn, made by Pythia 8 (extra `pythia8mc`).

Inelastic proton-proton collisions at 13.6 TeV with Pythia 8 (arXiv:2203.11601) in CMS's tune CP5 (EPJC 80 (2020) 4),
with the NNPDF3.1 NNLO set that comes with Pythia. Long-lived particles decay within the volume of the tracker, but
their daughters start at the vertex.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from ecalwindows.core.arrays import offsets_of
from ecalwindows.core.errors import broken_extra, missing_extra
from ecalwindows.simulation.kernels.draws import stream
from ecalwindows.simulation.kernels.pileup import HADRON, MAX_ETA, MIN_PHOTON_ENERGY, SHOWERING, Library

INTERACTIONS = 10_000
"""Number of interactions of a library. Each use rotates and mirrors an interaction, so repetition is harmless."""
BATCH = 500
"""Number of interactions that are generated together."""
MAX_SEED = 900_000_000
"""Pythia's seeds are 1 to this number."""
SETTINGS = (
    "Print:quiet = on", "Beams:eCM = 13600.", "SoftQCD:inelastic = on", "ParticleDecays:limitCylinder = on",
    "ParticleDecays:xyMax = 1290.", "ParticleDecays:zMax = 3150.", "Tune:ee = 7", "Tune:pp = 14", "PDF:pSet = 20",
    "MultipartonInteractions:ecmPow = 0.03344", "MultipartonInteractions:bProfile = 2",
    "MultipartonInteractions:pT0Ref = 1.41", "MultipartonInteractions:coreRadius = 0.7634",
    "MultipartonInteractions:coreFraction = 0.63", "MultipartonInteractions:alphaSorder = 2",
    "MultipartonInteractions:alphaSvalue = 0.118", "ColourReconnection:range = 5.176", "SpaceShower:alphaSorder = 2",
    "SpaceShower:alphaSvalue = 0.118", "TimeShower:alphaSorder = 2", "TimeShower:alphaSvalue = 0.118",
    "SigmaProcess:alphaSorder = 2", "SigmaProcess:alphaSvalue = 0.118", "SigmaTotal:zeroAXB = off",
    "SigmaTotal:mode = 0", "SigmaTotal:sigmaEl = 22.08", "SigmaTotal:sigmaTot = 101.037",
)  # fmt: skip
PURPOSE = "simulate pile-up from Pythia's interactions"
NEUTRAL_CODES = (22, 130, 310, 2112, 3122, 3322)
SHOWERING_CODES = (11, 22)
NEUTRINOS = (12, 14, 16)


def has_pythia() -> bool:
    """Whether Pythia's Python bindings are installed."""
    return find_spec("pythia8mc") is not None


def minimum_bias(seed: int, n: int = INTERACTIONS, min_energy: float = MIN_PHOTON_ENERGY) -> Library:
    """A library of n interactions.

    Parameters
    ----------
    seed : the same seed gives the same interactions
    n : number of interactions
    min_energy : particles with less energy [GeV] are left out, like neutrinos and particles beyond MAX_ETA

    Raises
    ------
    MissingExtraError : if Pythia is not installed
    """
    if not has_pythia():
        raise missing_extra("pythia8mc", "pythia8mc", PURPOSE)
    try:
        import pythia8mc
    except ImportError as error:
        raise broken_extra("pythia8mc", "pythia8mc", PURPOSE, error) from error

    pythia = pythia8mc.Pythia("", False)
    for line in (*SETTINGS, "Random:setSeed = on", f"Random:seed = {1 + int(stream(seed, 0, 0)[0]) % MAX_SEED}"):
        if not pythia.readString(line):
            raise RuntimeError(f"Pythia does not know the setting '{line}'")
    pythia.init()
    batches = [_particles(pythia.nextBatch(min(BATCH, n - done)).prt, min_energy) for done in range(0, n, BATCH)]
    counts, particles = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return Library(offsets_of(counts), particles)


def _particles(event: Any, min_energy: float) -> tuple[Any, Any]:
    """The number of particles of each interaction, int64 (n,), and the particles, float64 (m, 5), as in `Library`."""
    import awkward as ak

    counts = ak.to_numpy(ak.num(event.status))
    code, status = (np.asarray(ak.flatten(event[name])) for name in ("id", "status"))
    px, py, pz = (np.asarray(ak.flatten(event.p[name])) for name in ("px", "py", "pz"))
    pt, abs_code = np.hypot(px, py), np.abs(code)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    kept = (status > 0) & (pt > 1e-3) & (np.abs(eta) < MAX_ETA) & ~np.isin(abs_code, NEUTRINOS)
    kept &= np.hypot(pt, pz) > min_energy
    kind = np.where(np.isin(abs_code, SHOWERING_CODES), SHOWERING, HADRON)
    # A positive code is a negative lepton, but a positive hadron (except Sigma-, Xi- and Omega-, which have decayed).
    charge = np.where(np.isin(abs_code, NEUTRAL_CODES), 0, np.sign(code) * np.where(abs_code < 20, -1, 1))
    owner = np.repeat(np.arange(len(counts)), counts)[kept]
    particles = np.stack([kind, charge, pt, eta, np.arctan2(py, px)], axis=1)[kept]
    return np.bincount(owner, minlength=len(counts)), particles
