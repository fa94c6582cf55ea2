"""Loops of CMS's particle-flow clustering in the ECAL (JINST 12 P10003, section 3.4; CMSSW RecoParticleFlow).

Seeds are local maxima among 8 neighbours; from them topological clusters grow through neighbours above threshold; the
energy in a topological cluster is shared among its seeds by Gaussians, iterated.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.kernels.crystals import N_BARREL, NONE, Crystals
from ecalwindows.kernels.jit import kernel

FREE, SEED, LOWER = 0, 1, 2
W0, DEPTH_UNIT, DEPTH_BARREL, DEPTH_ENDCAP = 4.2, 0.89, 7.4, 3.1
MOST_ITERATIONS, TOLERANCE, LEAST_FRACTION = 50, 1e-8, 1e-7


@kernel
def seeds_among(hits: Any, measured: Any, limits: Any, crystals: Crystals, role: Any) -> Any:
    """Seeds among hits that stand by decreasing energy, int32 (n,). role int8 (N_CRYSTALS,), 0 before and after.

    limits: least energy in the barrel, least energy and Et in the endcaps [GeV]
    """
    seeds, n = np.empty(len(hits), np.int32), 0
    for number in hits:
        energy, is_highest = measured[number], role[number] == FREE
        for near in crystals.neighbours[number]:
            if near != NONE:
                role[near] = LOWER
        if number < N_BARREL:
            enough = energy > limits[0]
        else:
            enough = energy > limits[1] and energy > limits[2] * math.cosh(crystals.eta[number])
        if is_highest and enough:
            seeds[n] = number
            n += 1
    for number in hits:
        role[number] = FREE
        for near in crystals.neighbours[number]:
            if near != NONE:
                role[near] = FREE
    return seeds[:n]


@kernel
def grown(seed: int, label: int, is_hit: Any, labels: Any, crystals: Crystals, members: Any) -> Any:
    """Fill `members` with the topological cluster of a seed; returns its size. labels (N_CRYSTALS,), NONE: free."""
    members[0], n, at = seed, 1, 0
    labels[seed] = label
    while at < n:
        for near in crystals.neighbours[members[at]]:
            if near != NONE and is_hit[near] and labels[near] == NONE:
                labels[near] = label
                members[n] = near
                n += 1
        at += 1
    return n


@kernel
def mean_position(members: Any, energies: Any, total: float, depth: float, crystals: Crystals, centre: Any) -> None:
    """Fill `centre` (3,) with the mean of positions `depth` cm inside, weighted by max(0, W0 + ln(e / total))."""
    centre[:] = 0.0
    norm = 0.0
    for i in range(len(members)):
        if energies[i] > 0.0:
            weight = W0 + math.log(energies[i] / total)
            if weight > 0.0:
                for k in range(3):
                    centre[k] += weight * (crystals.position[members[i], k] + depth * crystals.axis[members[i], k])
                norm += weight
    for k in range(3):
        centre[k] /= max(norm, 1e-300)


@kernel
def shares(members: Any, n_seeds: int, measured: Any, width: float, crystals: Crystals) -> Any:
    """Fractions float64 (n_seeds, n_members) of a topological cluster whose first members are its seeds."""
    n = len(members)
    fraction, centre, energies = np.zeros((n_seeds, n)), np.empty((n_seeds, 3)), np.empty(n)
    energy = np.empty(n_seeds)
    for s in range(n_seeds):
        fraction[s, s] = 1.0
        energy[s], centre[s] = measured[members[s]], crystals.position[members[s]]
    if n_seeds == 1:
        fraction[0] = 1.0
        return fraction
    before = np.empty(3)
    for _ in range(MOST_ITERATIONS):
        shared_by_distance(members, n_seeds, energy, centre, width, crystals, fraction)
        farthest = 0.0
        for s in range(n_seeds):
            energy[s] = 0.0
            for i in range(n):
                energies[i] = fraction[s, i] * measured[members[i]]
                energy[s] += energies[i]
            before[:] = centre[s]
            mean_position(members, energies, energy[s], 0.0, crystals, centre[s])
            farthest = max(farthest, ((centre[s] - before) ** 2).sum())
        if farthest < TOLERANCE:
            break
    return fraction


@kernel
def shared_by_distance(
    members: Any, n_seeds: int, energy: Any, centre: Any, width: float, crystals: Crystals, fraction: Any
) -> None:
    """Fill `fraction`: Gaussians around the centres, in proportion to the clusters' energies; a seed is its own."""
    for i in range(n_seeds, len(members)):
        total = 0.0
        for s in range(n_seeds):
            d2 = 0.0
            for k in range(3):
                d2 += (crystals.position[members[i], k] - centre[s, k]) ** 2
            fraction[s, i] = energy[s] * math.exp(max(-0.5 * d2 / (width * width), -600.0))
            total += fraction[s, i]
        left = 0.0
        for s in range(n_seeds):
            fraction[s, i] /= max(total, 1e-300)
            if fraction[s, i] < LEAST_FRACTION:
                fraction[s, i] = 0.0
            left += fraction[s, i]
        for s in range(n_seeds):
            fraction[s, i] /= max(left, 1e-300)


@kernel
def clusters(
    hits: Any, measured: Any, limits: Any, width: float, crystals: Crystals, role: Any, labels: Any, is_hit: Any
) -> Any:
    """PF clusters of an event, by decreasing energy of the seeds' topological clusters.

    hits int32 (n,): crystals above threshold by decreasing energy; role int8, labels int32, is_hit bool (N_CRYSTALS,):
    work space, left as it was (0, NONE, False); width: of the Gaussians [cm].
    Returns seeds int32 (n_clusters,), offsets int64 (n_clusters + 1,), crystals int32 (n_hits,), fractions (n_hits,).
    """
    seeds = seeds_among(hits, measured, limits, crystals, role)
    for number in hits:
        is_hit[number] = True
    for number in seeds:
        role[number] = SEED
    members, seen = np.empty(len(hits) + 1, np.int32), 0
    out_seeds, offsets = np.empty(len(seeds), np.int32), np.zeros(len(seeds) + 1, np.int64)
    cells, fractions, used, done = np.empty(4 * len(hits) + 64, np.int32), np.empty(4 * len(hits) + 64), 0, 0
    for number in seeds:
        if labels[number] != NONE:
            continue
        n = grown(number, seen, is_hit, labels, crystals, members)
        seen += 1
        group = np.empty(n, np.int32)
        n_seeds = seeds_first(members[:n], role, group)
        fraction = shares(group, n_seeds, measured, width, crystals)
        for s in range(n_seeds):
            if used + n > len(cells):
                cells, fractions = longer(cells, n), longer(fractions, n)
            for i in range(n):
                if fraction[s, i] > 0.0:
                    cells[used], fractions[used] = group[i], fraction[s, i]
                    used += 1
            out_seeds[done] = group[s]
            offsets[done + 1] = used
            done += 1
    for number in hits:
        is_hit[number], labels[number], role[number] = False, NONE, FREE
    return out_seeds, offsets, cells[:used].copy(), fractions[:used].copy()


@kernel
def longer(array: Any, more: int) -> Any:
    """The array with at least `more` places added."""
    new = np.empty(2 * len(array) + more, array.dtype)
    new[: len(array)] = array
    return new


@kernel
def seeds_first(members: Any, role: Any, group: Any) -> Any:
    """Fill `group` with the members, seeds first, else in their order; returns the number of seeds."""
    n = 0
    for number in members:
        if role[number] == SEED:
            group[n] = number
            n += 1
    n_seeds = n
    for number in members:
        if role[number] != SEED:
            group[n] = number
            n += 1
    return n_seeds


@kernel
def sums_and_positions(seeds: Any, offsets: Any, cells: Any, fractions: Any, measured: Any, crystals: Crystals) -> Any:
    """Energy [GeV], eta and phi [rad] of each cluster, float64 (3, n_clusters); at the depth of the shower."""
    out, centre = np.empty((3, len(seeds))), np.empty(3)
    for c in range(len(seeds)):
        rows = slice(offsets[c], offsets[c + 1])
        energies = fractions[rows] * measured[cells[rows]]
        total = energies.sum()
        first = DEPTH_BARREL if seeds[c] < N_BARREL else DEPTH_ENDCAP
        mean_position(cells[rows], energies, total, DEPTH_UNIT * (first + math.log(total)), crystals, centre)
        out[0, c] = total
        out[1, c] = math.asinh(centre[2] / math.hypot(centre[0], centre[1]))
        out[2, c] = math.atan2(centre[1], centre[0])
    return out
