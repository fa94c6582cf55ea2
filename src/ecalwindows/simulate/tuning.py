"""The parametrised interactions beside Pythia's: the fit of their numbers, and what both give per interaction."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.kernels.pileup import HADRON, SHOWERING, WIDEST_ETA, Library, interactions
from ecalwindows.simulate.conditions import Conditions
from ecalwindows.simulate.event import Detector

Floats = NDArray[np.float64]

ETA_EDGES = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)
PT_THRESHOLDS = (0.2, 0.3, 0.5, 1.0, 2.0)
KINDS = ("charged hadrons", "photons", "neutral hadrons")
PHOTONS = 1
"""Place of the photons among the kinds."""
KIND, CHARGE, PT, ETA = range(4)


def parametrised(conditions: Conditions, n: int, seed: int) -> Library:
    """n interactions of the parametrisation."""
    counts, particles = interactions(n, seed, conditions.pileup_activity, Detector(conditions).spectrum)
    return Library(np.concatenate([[0], np.cumsum(counts)]), particles)


def of_kind(library: Library) -> tuple[Floats, Floats, Floats]:
    """The particles (m, 5) of each of KINDS."""
    particles = library.particles
    is_hadron, charged = particles[:, KIND] == HADRON, particles[:, CHARGE] != 0
    photon = (particles[:, KIND] == SHOWERING) & ~charged
    return particles[is_hadron & charged], particles[photon], particles[is_hadron & ~charged]


def fitted(library: Library) -> dict[str, Any]:
    """The numbers of the parametrisation, from the moments of a library with particles of all energies.

    The density in eta and its tilt follow from the number of particles and the mean of abs(eta); the spectrum
    pt (1 + pt / p)^-n from the means of pt and its square; the scale's tilt from how pt changes with abs(eta). A photon
    takes the share x of its pion's momentum, x flat: the means of its pt and square are 1/2 and 1/3 of the pion's.
    The activity's shape gives the number of charged hadrons its variance beyond Poisson's.
    """
    n, columns = len(library.offsets) - 1, []
    for i, particles in enumerate(of_kind(library)):
        per_pion = (2.0, 2.0, 3.0) if i == PHOTONS else (1.0, 1.0, 1.0)
        pt, place = particles[:, PT], 2 * np.abs(particles[:, ETA]) / WIDEST_ETA - 1
        first, second = per_pion[1] * pt.mean(), per_pion[2] * (pt**2).mean()
        ratio = second / first**2
        power = (4 * ratio - 4.5) / (ratio - 1.5)
        slope = np.polyfit(place, pt, 1)[0] / pt.mean()
        columns.append(
            (len(pt) / n / (2 * WIDEST_ETA) / per_pion[0], 3 * place.mean(), first * (power - 3) / 2, power, slope)
        )
    names = ("per_eta", "eta_tilt", "pt_scale_gev", "pt_power", "pt_tilt")
    values = {f"pileup_{name}": [round(float(c[k]), 3) for c in columns] for k, name in enumerate(names)}
    return {"pileup_activity": round(max(_activity(library), 1.0), 2)} | values


def _activity(library: Library) -> float:
    particles = library.particles
    charged = (particles[:, KIND] == HADRON) & (particles[:, CHARGE] != 0)
    total = np.concatenate([[0], np.cumsum(charged)])
    counts = np.diff(total[library.offsets])
    return float(counts.mean() ** 2 / (counts.var() - counts.mean()))


def by_eta(library: Library) -> dict[str, Floats]:
    """For each kind, per interaction: number and sum of pt [GeV] in the bins of abs(eta), (2, bins, 2).

    The second number is the statistical error, from the differences between interactions.
    """
    n = len(library.offsets) - 1
    owner = np.repeat(np.arange(n), np.diff(library.offsets))
    found = {}
    masks = _masks(library)
    for name, mask in zip(KINDS, masks, strict=True):
        rows = [
            _mean(owner, mask & (library.particles[:, PT] > 0.0) & _within(library, low, high), library, n)
            for low, high in pairwise(ETA_EDGES)
        ]
        found[name] = np.moveaxis(np.array(rows), 0, 1)
    return found


def above_thresholds(library: Library) -> dict[str, Floats]:
    """For each kind the number per interaction above PT_THRESHOLDS within the last of ETA_EDGES, with its error."""
    n = len(library.offsets) - 1
    owner = np.repeat(np.arange(n), np.diff(library.offsets))
    near = _within(library, 0.0, ETA_EDGES[-1])
    return {
        name: np.array(
            [_mean(owner, mask & near & (library.particles[:, PT] > pt), library, n)[0] for pt in PT_THRESHOLDS]
        )
        for name, mask in zip(KINDS, _masks(library), strict=True)
    }


def _masks(library: Library) -> tuple[Any, Any, Any]:
    particles = library.particles
    is_hadron, charged = particles[:, KIND] == HADRON, particles[:, CHARGE] != 0
    return is_hadron & charged, ~is_hadron & ~charged, is_hadron & ~charged


def _within(library: Library, low: float, high: float) -> Any:
    eta = np.abs(library.particles[:, ETA])
    return (eta >= low) & (eta < high)


def _mean(owner: Any, chosen: Any, library: Library, n: int) -> list[tuple[float, float]]:
    """Number and sum of pt of the chosen particles per interaction, each with its statistical error."""
    both = (np.bincount(owner[chosen], weights, n) for weights in (None, library.particles[chosen, PT]))
    return [(float(x.mean()), float(x.std() / np.sqrt(n))) for x in both]
