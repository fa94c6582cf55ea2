"""Minimum-bias interactions from Pythia 8 (arXiv:2203.11601; extra `pythia8mc`): a library from which pile-up is drawn.

Inelastic proton-proton collisions at 13.6 TeV in CMS's tune CP5 (EPJC 80 (2020) 4), with the NNPDF3.1 NNLO set that
Pythia brings along. Particles of long life decay within the tracker's volume as straight lines from the vertex.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from ecalwindows.errors import broken_extra, missing_extra
from ecalwindows.kernels.draws import stream
from ecalwindows.kernels.pileup import HADRON, SHOWERING, SOFTEST_PHOTON, WIDEST_ETA, Library

INTERACTIONS = 10_000
"""Interactions of a library; each is used turned around the beam and mirrored, so some repetition does not show."""
BATCH = 500
SEEDS = 900_000_000
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
NEUTRAL = (22, 130, 310, 2112, 3122, 3322)
SHOWERERS = (11, 22)
UNSEEN = (12, 14, 16)


def has_pythia() -> bool:
    """Whether Pythia's Python bindings are installed."""
    return find_spec("pythia8mc") is not None


def minimum_bias(seed: int, n: int = INTERACTIONS, least: float = SOFTEST_PHOTON) -> Library:
    """n interactions of a seed: the particles within WIDEST_ETA that may be seen, of energies above `least` [GeV].

    Raises MissingExtraError without Pythia.
    """
    if not has_pythia():
        raise missing_extra("pythia8mc", "pythia8mc", PURPOSE)
    try:
        import pythia8mc
    except ImportError as error:
        raise broken_extra("pythia8mc", "pythia8mc", PURPOSE, error) from error

    pythia = pythia8mc.Pythia("", False)
    for line in (*SETTINGS, "Random:setSeed = on", f"Random:seed = {1 + int(stream(seed, 0, 0)[0]) % SEEDS}"):
        if not pythia.readString(line):
            raise RuntimeError(f"Pythia does not know the setting '{line}'")
    pythia.init()
    batches = [_particles(pythia.nextBatch(min(BATCH, n - done)).prt, least) for done in range(0, n, BATCH)]
    counts, particles = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return Library(np.concatenate([[0], np.cumsum(counts)]), particles)


def _particles(event: Any, least: float) -> tuple[Any, Any]:
    """Of Pythia's records: the number of particles of each interaction, (n,), and the particles, (m, 5)."""
    import awkward as ak

    counts = ak.to_numpy(ak.num(event.status))
    code, status = (np.asarray(ak.flatten(event[name])) for name in ("id", "status"))
    px, py, pz = (np.asarray(ak.flatten(event.p[name])) for name in ("px", "py", "pz"))
    pt, number = np.hypot(px, py), np.abs(code)
    eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    seen = (status > 0) & (pt > 1e-3) & (np.abs(eta) < WIDEST_ETA) & ~np.isin(number, UNSEEN)
    seen &= np.hypot(pt, pz) > least
    kind = np.where(np.isin(number, SHOWERERS), SHOWERING, HADRON)
    # numbers above 0: negative leptons, but positive hadrons (but for the Sigma-, Xi- and Omega-, which live too short)
    charge = np.where(np.isin(number, NEUTRAL), 0, np.sign(code) * np.where(number < 20, -1, 1))
    owner = np.repeat(np.arange(len(counts)), counts)[seen]
    particles = np.stack([kind, charge, pt, eta, np.arctan2(py, px)], axis=1)[seen]
    return np.bincount(owner, minlength=len(counts)), particles
