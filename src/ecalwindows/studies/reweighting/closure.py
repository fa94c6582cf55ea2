"""Closure tests: whether weights have the wanted effect on windows from which they were not derived.

To first order, a weighted sum of the check half differs from its target only by the fluctuations of the two halves with
the same weights, because the sums of the half that derives the weights are exactly at their targets. So the variance of
a bin is the sum of squared weights over both halves, and the bins are independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats
from ecalwindows.studies.reweighting.fit import ELECTRON, PHOTON, Fit


@dataclass(frozen=True)
class Closure:
    """A chi2 test of one statement: its name, chi2, degrees of freedom, and the number of (empty) bins left out."""

    name: str
    chi2: float
    dof: int
    left_out: int = 0

    @property
    def probability(self) -> float:
        """Probability that a chi2 is at least as large by chance."""
        return chi2_probability(self.chi2, self.dof)


@dataclass(frozen=True)
class Sums:
    """Weighted sums in bins.

    Attributes
    ----------
    values : float64, weighted sums of the check half
    variance : float64 of the same shape, their variance
    from_weights : float64 of the same shape, the variance from the fluctuations of the weights
    """

    values: Floats
    variance: Floats
    from_weights: Floats

    @property
    def total_variance(self) -> Floats:
        """Variance from both halves."""
        return self.variance + self.from_weights


def chi2_probability(chi2: float, dof: int) -> float:
    """Probability of a chi2 at least as large (Abramowitz and Stegun 26.4.4 and 26.4.5); 1 for dof below 1."""
    if dof < 1 or chi2 <= 0:
        return 1.0
    half = chi2 / 2
    first = math.erfc(math.sqrt(half)) if dof % 2 else 0.0
    powers = np.arange(0.5 if dof % 2 else 0.0, dof / 2)
    terms = [math.exp(power * math.log(half) - half - math.lgamma(power + 1)) for power in powers.tolist()]
    return min(first + math.fsum(terms), 1.0)


def weighted_sums(fit: Fit, flavour: int, check: Floats, over: int, *, weighted: bool = True) -> Sums:
    """Weighted sums of the check half over an axis.

    Parameters
    ----------
    fit : weights
    flavour : of the windows
    check : float64 (n_eta, n_et, n_ncls), numbers of windows of the check half
    over : axis of the sum: 2 for sums in Et and eta, 1 for sums in ncls and eta
    weighted : if False, all weights are 1, as before reweighting
    """
    weights = fit.weights(flavour) if weighted else np.ones_like(check)
    scale = check.sum() / max(fit.counts[flavour].sum(), 1)
    derived = (fit.counts[flavour] * weights**2).sum(axis=over) * scale**2 * weighted
    return Sums((check * weights).sum(axis=over), (check * weights**2).sum(axis=over), derived)


def merged_sums(sums: Sums, fit: Fit) -> Sums:
    """Sums in the merged ncls bins, float64 (n_eta, maximum number of merged bins); 0 where no merged bin exists."""
    n = int(fit.group.max()) + 1
    place = (np.arange(n) == fit.group[..., None]).astype(np.float64)
    return Sums(*(np.einsum("ej,ejk->ek", each, place) for each in (sums.values, sums.variance, sums.from_weights)))


def sameness(name: str, a: Sums, b: Sums, there: Flags) -> Closure:
    """Test whether two sums have the same shape in the bins `there`: chi2 of a = scale x b with the best scale."""
    used = there & (a.total_variance + b.total_variance > 0)
    x, y = a.values[used], b.values[used]
    scale = float(x.sum() / y.sum()) if y.sum() else 1.0
    for _ in range(5):
        variance = a.total_variance[used] + scale**2 * b.total_variance[used]
        scale = float((x * y / variance).sum() / max(float((y * y / variance).sum()), 1e-300))
    variance = a.total_variance[used] + scale**2 * b.total_variance[used]
    chi2 = float(((x - scale * y) ** 2 / variance).sum())
    return Closure(name, chi2, max(len(x) - 1, 0), int(there.size - used.sum()))


def closure_tests(fit: Fit, target: Floats, check: Mapping[int, Floats], *, weighted: bool = True) -> list[Closure]:
    """Tests of the three statements on the check half.

    Both flavours are flat in Et and eta; photons have the distribution of electrons in ncls and eta.

    Parameters
    ----------
    fit : weights
    target : float64 (n_eta, n_et), wanted distribution in Et and eta
    check : float64 (n_eta, n_et, n_ncls) by flavour, numbers of windows of the check half
    weighted : if False, all weights are 1, as before reweighting
    """
    nothing = np.zeros_like(target)
    tests = []
    for flavour, name in ((ELECTRON, "electrons flat in Et - eta"), (PHOTON, "photons flat in Et - eta")):
        there = fit.counts[flavour].sum(axis=2) > 0
        sums = weighted_sums(fit, flavour, check[flavour], 2, weighted=weighted)
        tests.append(sameness(name, sums, Sums(target, nothing, nothing), there))
    photons, electrons = (
        merged_sums(weighted_sums(fit, flavour, check[flavour], 1, weighted=weighted), fit)
        for flavour in (PHOTON, ELECTRON)
    )
    used, free = (np.zeros(photons.values.shape, dtype=np.bool_) for _ in range(2))
    np.put_along_axis(used, fit.group, np.ones_like(fit.is_free), axis=1)
    np.put_along_axis(free, fit.group, fit.is_free, axis=1)
    test = sameness("photons as electrons in ncls - eta", photons, electrons, free)
    return [*tests, Closure(test.name, test.chi2, test.dof, int((used & ~free).sum()))]
