"""The Cruijff function: a Gaussian core with two widths and two tails, as CMS fits responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Floats

BINS = 60
RANGE = 6.0
"""The fit takes values within this number of half shortest intervals from the median."""

MIN_ENTRIES = 100


@dataclass(frozen=True)
class Cruijff:
    """A fit.

    Attributes
    ----------
    mean, left, right, tail_left, tail_right : float
        exp(-(x - mean)^2 / (2 width^2 + tail (x - mean)^2)), with a width and a tail on each side.
    mean_error : float
        Error of the mean.
    problem : str
        Why the fit failed; empty for a good one. The numbers of a fit that failed are NaN.
    """

    mean: float = float("nan")
    left: float = float("nan")
    right: float = float("nan")
    tail_left: float = float("nan")
    tail_right: float = float("nan")
    mean_error: float = float("nan")
    problem: str = ""


def density(x: Floats, mean: float, left: float, right: float, tail_left: float, tail_right: float) -> Floats:
    """The function, 1 at the mean, for x float64 (n,)."""
    away = (x - mean) ** 2
    below = x < mean
    width, tail = np.where(below, left, right), np.where(below, tail_left, tail_right)
    return np.asarray(np.exp(-away / (2 * width**2 + tail * away)))


def fitted(response: Floats, median: float, half: float) -> Cruijff:
    """Fit the function to responses by extended maximum likelihood in bins.

    Parameters
    ----------
    response : float64 (n,)
    median, half : float
        Where the fit starts: median, and half of the shortest interval with 68.3 % of the responses.
    """
    if len(response) < MIN_ENTRIES or not half > 0:
        return Cruijff(problem=f"fewer than {MIN_ENTRIES} entries" if half > 0 else "all responses are equal")
    from iminuit import Minuit
    from iminuit.cost import ExtendedBinnedNLL

    counts, edges = np.histogram(response, BINS, (median - RANGE * half, median + RANGE * half))
    step = edges[1] - edges[0]

    def expected(x: Floats, n: float, mean: float, left: float, right: float, low: float, high: float) -> Floats:
        return np.asarray(n / step * density(x, mean, left, right, low, high))

    cost = ExtendedBinnedNLL(counts, edges, expected, use_pdf="approximate")
    minuit = Minuit(cost, n=float(counts.max()), mean=median, left=half, right=half, low=0.1, high=0.1)
    minuit.limits["n"], minuit.limits["mean"] = (0, None), (edges[0], edges[-1])
    for name in ("left", "right"):
        minuit.limits[name] = (half / 50, 10 * half)
    for name in ("low", "high"):
        minuit.limits[name] = (0, 2)
    minuit.migrad()
    if not minuit.valid:
        return Cruijff(problem="the fit does not converge")
    values = minuit.values
    return Cruijff(
        values["mean"], values["left"], values["right"], values["low"], values["high"], minuit.errors["mean"]
    )
