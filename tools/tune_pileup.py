"""Fit the parametrised pile-up to Pythia's interactions (extra pythia8mc), and print both side by side.

python tools/tune_pileup.py [INTERACTIONS [SEED]] prints the fitted lines for ecalwindows/data/conditions/run3.yaml,
then a Markdown table that compares the packaged parametrisation with Pythia.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ecalwindows.simulation.conditions import Conditions, read_conditions
from ecalwindows.simulation.event import Detector
from ecalwindows.simulation.kernels.pileup import HADRON, MAX_ETA, Library, parametrised_interactions
from ecalwindows.simulation.minimum_bias import minimum_bias

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ETA_EDGES = (0.0, 1.0, 1.5, 2.0, 2.5, 3.0)
PT_THRESHOLDS = (0.2, 0.3, 0.5, 1.0, 2.0)
KINDS = ("charged hadrons", "photons", "neutral hadrons")
PHOTONS = 1
"""Index of the photons in KINDS."""
KIND, CHARGE, PT, ETA = range(4)
"""Columns of `Library.particles`."""


def parametrised(conditions: Conditions, n: int, seed: int) -> Library:
    """A library of n parametrised interactions."""
    counts, particles = parametrised_interactions(n, seed, conditions.pileup_activity, Detector(conditions).spectrum)
    return Library(np.concatenate([[0], np.cumsum(counts)]), particles)


def of_kind(library: Library) -> tuple[Mask, Mask, Mask]:
    """For each of KINDS, which particles are of this kind: bool (n_particles,) each."""
    is_hadron, charged = library.particles[:, KIND] == HADRON, library.particles[:, CHARGE] != 0
    return is_hadron & charged, ~is_hadron & ~charged, is_hadron & ~charged


def fitted(library: Library) -> dict[str, Any]:
    """Fit the settings of the parametrisation to the moments of a library with particles of all energies.

    The density in eta and its tilt follow from the number of particles and the mean of abs(eta). The spectrum
    pt (1 + pt / p)^-n follows from the means of pt and of its square, the tilt of its scale from the change of pt with
    abs(eta). A photon has a uniformly distributed share of its pion's momentum: the means of its pt and of the square
    are 1/2 and 1/3 of the pion's. The activity describes the variance of the number of charged hadrons in excess of
    the Poisson variance.

    Returns
    -------
    The settings `pileup_*` of `Conditions` by name.
    """
    n, columns = len(library.offsets) - 1, []
    for i, mask in enumerate(of_kind(library)):
        particles = library.particles[mask]
        per_pion = (2.0, 2.0, 3.0) if i == PHOTONS else (1.0, 1.0, 1.0)
        pt, place = particles[:, PT], 2 * np.abs(particles[:, ETA]) / MAX_ETA - 1
        first, second = per_pion[1] * pt.mean(), per_pion[2] * (pt**2).mean()
        ratio = second / first**2
        power = (4 * ratio - 4.5) / (ratio - 1.5)
        slope = np.polyfit(place, pt, 1)[0] / pt.mean()
        columns.append(
            (len(pt) / n / (2 * MAX_ETA) / per_pion[0], 3 * place.mean(), first * (power - 3) / 2, power, slope)
        )
    names = ("per_eta", "eta_tilt", "pt_scale_gev", "pt_power", "pt_tilt")
    values = {f"pileup_{name}": [round(float(c[k]), 3) for c in columns] for k, name in enumerate(names)}
    return {"pileup_activity": round(max(_activity(library), 1.0), 2)} | values


def _activity(library: Library) -> float:
    counts = per_interaction(library, of_kind(library)[0])[:, 0]
    return float(counts.mean() ** 2 / (counts.var() - counts.mean()))


def per_interaction(library: Library, chosen: Mask) -> Floats:
    """Number and sum of pt [GeV] of the chosen particles in each interaction, float64 (n_interactions, 2)."""
    n = len(library.offsets) - 1
    owner, pt = np.repeat(np.arange(n), np.diff(library.offsets))[chosen], library.particles[chosen, PT]
    return np.stack([np.bincount(owner, None, n).astype(float), np.bincount(owner, pt, n)], axis=1)


@dataclass(frozen=True)
class Row:
    """A mean per interaction from Pythia and from the parametrisation, and the statistical error of their ratio."""

    name: str
    pythia: float
    parametrisation: float
    error: float

    @property
    def ratio(self) -> float:
        """Value of the parametrisation over that of Pythia."""
        return self.parametrisation / self.pythia


def compared(pythia: Library, parametrisation: Library) -> list[Row]:
    """For each kind of particles, number and sum of pt in ranges of abs(eta), and numbers above thresholds of pt."""
    rows = []
    for name, *masks in zip(KINDS, of_kind(pythia), of_kind(parametrisation), strict=True):
        for low, high in pairwise(ETA_EDGES):
            values = [
                per_interaction(library, mask & within(library, low, high))
                for library, mask in zip((pythia, parametrisation), masks, strict=True)
            ]
            for k, what in enumerate(("", "sum of pt [GeV] of ")):
                rows.append(_row(f"{what}{name}, abs(eta) {low:g}-{high:g}", *(value[:, k] for value in values)))
        for min_pt in PT_THRESHOLDS:
            values = [
                per_interaction(library, mask & within(library, 0, ETA_EDGES[-1]) & (library.particles[:, PT] > min_pt))
                for library, mask in zip((pythia, parametrisation), masks, strict=True)
            ]
            rows.append(_row(f"{name} above {min_pt:g} GeV of pt", *(value[:, 0] for value in values)))
    return rows


def within(library: Library, low: float, high: float) -> Mask:
    """Which particles are in this range of abs(eta), bool (n_particles,)."""
    eta = np.abs(library.particles[:, ETA])
    return np.asarray((eta >= low) & (eta < high))


def _row(name: str, pythia: Floats, parametrisation: Floats) -> Row:
    spread = [x.std() / x.mean() / np.sqrt(len(x)) for x in (pythia, parametrisation)]
    return Row(
        name,
        float(pythia.mean()),
        float(parametrisation.mean()),
        float(np.hypot(*spread) * parametrisation.mean() / pythia.mean()),
    )


def main(interactions: int = 20_000, seed: int = 1) -> None:
    pythia = minimum_bias(seed, interactions, min_energy=0.0)
    print(yaml.safe_dump(fitted(pythia), sort_keys=False, default_flow_style=None))
    print("| mean per interaction | Pythia | parametrised | ratio | statistical error |\n|---|---|---|---|---|")
    for row in compared(pythia, parametrised(read_conditions(), interactions, seed)):
        print(f"| {row.name} | {row.pythia:.4g} | {row.parametrisation:.4g} | {row.ratio:.3f} | {row.error:.3f} |")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
