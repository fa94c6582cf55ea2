"""Weights that make seed Et and eta of each flavour flat, and give photons the ncls and eta distribution of electrons.

The two weights of a photon are found together by iterative proportional fitting, so that both distributions have their
targets. The fit uses counts in bins of (seed Et, abs(seed eta), ncls); a window outside the bins counts in the nearest
bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Flags, Floats, Integers

ELECTRON, PHOTON = 11, 22
MAX_ITERATIONS = 10_000
CLOSE = 1e-10
"""The fit ends when the relative distance of every sum from its target is at most this."""
PATIENCE = 500
"""The fit also ends if the distance did not decrease in this number of steps."""
REPORTED = 1e-6
"""At a larger distance, both distributions cannot have their targets, and there is a warning."""
RANGE = 1e-4, 1e4
"""Range of photons' second weight, which could otherwise approach 0 or infinity if the targets cannot be reached."""

REPLICAS = 200
"""Number of bootstrap replicas of the counts, for the errors."""


@dataclass(frozen=True)
class Bins:
    """Edges of the bins, float64, increasing: seed Et [GeV], abs(seed eta), ncls. Bins include their lower edge."""

    et: Floats
    eta: Floats
    ncls: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of bins (eta, Et, ncls), in the order of the axes of all counts."""
        return len(self.eta) - 1, len(self.et) - 1, len(self.ncls) - 1

    @property
    def area(self) -> Floats:
        """Width in Et times width in eta, float64 (n_eta, n_et) [GeV]."""
        return np.asarray(np.outer(np.diff(self.eta), np.diff(self.et)))


def bin_of(values: NDArray[np.floating] | NDArray[np.integer], edges: Floats) -> Integers:
    """Index of the bin of each value, int64 (n,); the nearest bin if it is outside."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


@dataclass(frozen=True)
class Windows:
    """Windows of one flavour: raw Et of the seed [GeV], its abs(eta), number of clusters, float64 (n,) each."""

    et: Floats
    eta: Floats
    ncls: Floats

    def __len__(self) -> int:
        return len(self.et)

    def counts(self, bins: Bins) -> Floats:
        """Numbers of windows in the bins, float64 of the shape `bins.shape`."""
        places = (bin_of(self.eta, bins.eta), bin_of(self.et, bins.et), bin_of(self.ncls, bins.ncls))
        flat = np.ravel_multi_index(places, bins.shape)
        return np.bincount(flat, minlength=int(np.prod(bins.shape))).reshape(bins.shape).astype(np.float64)


@dataclass(frozen=True)
class Fit:
    """Weights of both flavours and their statistical errors (standard deviations).

    Attributes
    ----------
    bins : bins of the weights
    flat, flat_error : float64 (n_eta, n_et) by flavour, weights for a flat distribution in Et and eta
    to_electrons, to_electrons_error : float64 (n_eta, n_ncls), second weights of photons
    group : int64 (n_eta, n_ncls), index of the merged bin of ncls in its eta bin
    is_free : bool (n_eta, n_ncls), whether both flavours have windows; otherwise the second weight of photons is 1
    counts : float64 (n_eta, n_et, n_ncls) by flavour, numbers of windows
    off : maximum relative distance of a sum from its target at the end
    iterations : number of steps
    capped : number of bins at the cap, by correction
    """

    bins: Bins
    flat: Mapping[int, Floats]
    flat_error: Mapping[int, Floats]
    to_electrons: Floats
    to_electrons_error: Floats
    group: Integers
    is_free: Flags
    counts: Mapping[int, Floats]
    off: float
    iterations: int
    capped: Mapping[str, int]

    def weights(self, flavour: int) -> Floats:
        """The total weight in each bin, float64 of the shape `bins.shape`."""
        second = self.to_electrons if flavour == PHOTON else np.ones_like(self.to_electrons)
        return np.asarray(self.flat[flavour][:, :, None] * second[:, None, :])


def merged(counts: Mapping[int, Floats], least: int) -> Integers:
    """Merge neighbouring ncls bins of each eta bin until both flavours have `least` windows in each merged bin.

    Returns
    -------
    int64 (n_eta, n_ncls): index of the merged bin in its eta bin
    """
    smaller = np.stack([found.sum(axis=1) for found in counts.values()])
    n_eta, n_ncls = smaller.shape[1:]
    group = np.zeros((n_eta, n_ncls), np.int64)
    for eta in range(n_eta):
        number, held = 0, np.zeros(len(smaller))
        for ncls in range(n_ncls):
            if held.min() >= least and smaller[:, eta, ncls:].sum(axis=1).min() >= least:
                number, held = number + 1, np.zeros(len(smaller))
            group[eta, ncls] = number
            held = held + smaller[:, eta, ncls]
    return group


def fitted(counts: Mapping[int, Floats], bins: Bins, target: Floats, *, least: int, cap: float | None) -> Fit:
    """Derive the weights.

    Parameters
    ----------
    counts : float64 of the shape `bins.shape` by flavour, numbers of windows
    bins : bins of the weights
    target : float64 (n_eta, n_et), wanted distribution in Et and eta, on any scale
    least : bins of ncls with fewer windows are merged
    cap : maximum weight of each correction (their mean is 1), or None
    """
    group = merged(counts, least)
    replicas = {flavour: _replicas(found, flavour) for flavour, found in counts.items()}
    is_free = _by_group(np.min([found.sum(axis=1) for found in counts.values()], axis=0), group) > 0
    found = _solved(replicas, target, group, is_free)
    capped = {"flattening": 0, "photon_to_electron": 0}
    if cap is not None:
        found, capped = _capped(found, replicas, cap)
    flat, second, off, iterations = found
    empty = {flavour: counts[flavour].sum(axis=2) == 0 for flavour in counts}
    return Fit(
        bins=bins,
        flat={flavour: np.where(empty[flavour], 1.0, flat[flavour][0]) for flavour in flat},
        flat_error={flavour: np.where(empty[flavour], 0.0, _spread(flat[flavour][1:])) for flavour in flat},
        to_electrons=second[0],
        to_electrons_error=np.where(is_free, _spread(second[1:]), 0.0),
        group=group,
        is_free=is_free,
        counts=counts,
        off=off,
        iterations=iterations,
        capped=capped,
    )


Solved = tuple[dict[int, Floats], Floats, float, int]
"""Weights by flavour (n_replicas, n_eta, n_et), second weights of photons (n_replicas, n_eta, n_ncls), off, steps."""


def _replicas(counts: Floats, seed: int) -> Floats:
    """The counts, then random counts from Poisson distributions with these means: float64 (1 + REPLICAS, *shape)."""
    varied = np.random.default_rng(seed).poisson(counts, (REPLICAS, *counts.shape))
    return np.concatenate([counts[None], varied.astype(np.float64)])


def _spread(replicas: Floats) -> Floats:
    """Standard deviation over replicas, in each bin without the replicas that have no windows there."""
    known = np.where(replicas > 0, replicas, np.nan)
    n = np.maximum(np.isfinite(known).sum(axis=0), 1)
    mean = np.nansum(known, axis=0) / n
    return np.asarray(np.sqrt(np.nansum((known - mean) ** 2, axis=0) / n))


def _by_group(values: Floats, group: Integers) -> Floats:
    """Sums over merged bins, repeated in each of their bins. values : float64 (..., n_eta, n_ncls)."""
    same = (group[:, :, None] == group[:, None, :]).astype(np.float64)
    return np.asarray(np.einsum("...ej,ejk->...ek", values, same))


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape)), where=b > 0)


def _rows(counts: Floats, target: Floats) -> Floats:
    """The wanted sums in bins of Et and eta: `target` in bins with windows, with the total of the windows."""
    there = counts.sum(axis=-1) > 0
    wanted = np.where(there, target, 0.0)
    total = counts.sum(axis=(-3, -2, -1))[..., None, None]
    return np.asarray(wanted * total / np.maximum(wanted.sum(axis=(-2, -1), keepdims=True), 1e-300))


def _solved(replicas: Mapping[int, Floats], target: Floats, group: Integers, is_free: Flags) -> Solved:
    """Iterative proportional fitting of all replicas together."""
    electrons, photons = replicas[ELECTRON], replicas[PHOTON]
    flat_electrons = _ratio(_rows(electrons, target), electrons.sum(axis=-1))
    shape = _by_group(np.einsum("reij,rei->rej", electrons, flat_electrons), group) * is_free
    rows = _rows(photons, target)
    totals = rows.sum(axis=-1, keepdims=True)
    n_members = _by_group(is_free.astype(np.float64), group)
    shape_totals = (shape / np.maximum(n_members, 1)).sum(axis=-1, keepdims=True)
    flat, second = np.ones_like(rows), np.ones((*photons.shape[:2], photons.shape[3]))
    off, earlier, iteration = np.inf, np.inf, 0
    while iteration < MAX_ITERATIONS and off > CLOSE:
        iteration += 1
        flat = _ratio(rows, np.einsum("reij,rej->rei", photons, second))
        sums = np.einsum("reij,rei->rej", photons, flat)
        fixed = (sums * second * ~is_free).sum(axis=-1, keepdims=True)
        wanted = shape * _ratio(np.maximum(totals - fixed, 0), shape_totals)
        free = np.where(is_free, _ratio(wanted, _by_group(sums * is_free, group)), 1.0)
        second = np.where(free > 0, np.clip(free, *RANGE), 0.0)
        now = np.einsum("reij,rej->rei", photons, second) * flat
        off = max(_distance(now[0], rows[0]), _distance(second[0], free[0]))
        if iteration % PATIENCE == 0:
            if off > 0.99 * earlier:
                break
            earlier = off
    if off <= REPORTED:
        flat, second = _shared_scale(flat, second, photons, is_free)
    return {ELECTRON: flat_electrons, PHOTON: flat}, second, off, iteration


def _distance(found: Floats, wanted: Floats) -> float:
    """The maximum relative distance, in the bins with a target above 0."""
    return float(np.max(np.abs(found - wanted) / np.where(wanted > 0, wanted, np.inf)))


def _shared_scale(flat: Floats, second: Floats, photons: Floats, is_free: Flags) -> tuple[Floats, Floats]:
    """Weights with the same products, and a mean second weight of 1 in every eta bin in which all bins are free."""
    sums = np.einsum("reij,rei->rej", photons, flat)
    mean = _ratio((sums * second).sum(axis=-1), sums.sum(axis=-1))
    scale = np.where((mean > 0) & is_free.all(axis=-1), mean, 1.0)[..., None]
    return flat * scale, second / scale


def _capped(found: Solved, replicas: Mapping[int, Floats], cap: float) -> tuple[Solved, dict[str, int]]:
    """The weights limited to the cap and scaled to a mean of 1, repeatedly, and the numbers of bins at the cap."""
    flat, second, off, iterations = dict(found[0]), np.minimum(found[1], cap), found[2], found[3]
    for flavour, counts in replicas.items():
        other = second if flavour == PHOTON else np.ones_like(second)
        for _ in range(100):
            cut = np.minimum(flat[flavour], cap)
            total = np.einsum("reij,rei,rej->r", counts, cut, other)
            flat[flavour] = cut * (counts.sum(axis=(1, 2, 3)) / np.maximum(total, 1e-300))[:, None, None]
    at_cap = sum(int((each[0] >= cap * (1 - 1e-9)).sum()) for each in flat.values())
    return (flat, second, off, iterations), {
        "flattening": at_cap,
        "photon_to_electron": int((second[0] >= cap * (1 - 1e-9)).sum()),
    }
