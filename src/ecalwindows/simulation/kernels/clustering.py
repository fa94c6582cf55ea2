"""Kernels for CMS's particle-flow clustering in the ECAL (JINST 12 P10003, section 3.4; CMSSW RecoParticleFlow).

Seeds are local maxima among 8 neighbours. From the seeds, topological clusters grow through neighbours above threshold.
The energy in a topological cluster is shared among its seeds with Gaussian weights, in several iterations.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.simulation.kernels.crystals import N_BARREL, NONE, Crystals

FREE, SEED, LOWER = 0, 1, 2
"""Roles of a crystal: none yet, seed, neighbour of a crystal with more energy."""
W0, DEPTH_UNIT, DEPTH_BARREL, DEPTH_ENDCAP = 4.2, 0.89, 7.4, 3.1
"""Constant of the logarithmic weights; the depth of a shower is DEPTH_UNIT (DEPTH_BARREL or DEPTH_ENDCAP + ln E) cm."""
MAX_ITERATIONS, TOLERANCE, MIN_FRACTION = 50, 1e-8, 1e-7
"""Iterations of the sharing; they end when no centre moves by more than the square root of TOLERANCE [cm]. Smaller
fractions than MIN_FRACTION become 0."""


@array_kernel
def seeds_among(hits: Any, measured: Any, limits: Any, crystals: Crystals, role: Any) -> Any:
    """Seeds among the hits, int32 (n,).

    Parameters
    ----------
    hits : int32 (n_hits,), crystal indices by decreasing energy
    measured : float64 (N_CRYSTALS,), measured energies [GeV]
    limits : float64 (3,), minimum energy in the barrel, minimum energy and minimum Et in the endcaps [GeV]
    crystals : tables of all crystals
    role : int8 (N_CRYSTALS,), work space, FREE before and after
    """
    seeds, n = np.empty(len(hits), np.int32), 0
    for crystal in hits:
        energy, is_highest = measured[crystal], role[crystal] == FREE
        for neighbour in crystals.neighbours[crystal]:
            if neighbour != NONE:
                role[neighbour] = LOWER
        if crystal < N_BARREL:
            enough = energy > limits[0]
        else:
            enough = energy > limits[1] and energy > limits[2] * math.cosh(crystals.eta[crystal])
        if is_highest and enough:
            seeds[n] = crystal
            n += 1
    for crystal in hits:
        role[crystal] = FREE
        for neighbour in crystals.neighbours[crystal]:
            if neighbour != NONE:
                role[neighbour] = FREE
    return seeds[:n]


@kernel
def grow_topological_cluster(seed: int, label: Any, is_hit: Any, labels: Any, crystals: Crystals, members: Any) -> Any:
    """Fill `members` with the crystals of the topological cluster of a seed, and their `labels`; returns its size."""
    members[0], n, at = seed, 1, 0
    labels[seed] = label
    while at < n:
        for neighbour in crystals.neighbours[members[at]]:
            if neighbour != NONE and is_hit[neighbour] and labels[neighbour] == NONE:
                labels[neighbour] = label
                members[n] = neighbour
                n += 1
        at += 1
    return n


@kernel
def mean_position(members: Any, energies: Any, total: float, depth: float, crystals: Crystals, centre: Any) -> None:
    """Fill `centre` (3,) with the mean position [cm] at this depth in the crystals [cm].

    The weights are max(0, W0 + ln(energy / total)).
    """
    centre[0], centre[1], centre[2], norm = 0.0, 0.0, 0.0, 0.0
    for i in range(len(members)):
        if energies[i] > 0.0:
            weight = W0 + math.log(energies[i] / total)
            if weight > 0.0:
                for k in range(3):
                    centre[k] += weight * (crystals.position[members[i], k] + depth * crystals.axis[members[i], k])
                norm += weight
    for k in range(3):
        centre[k] /= max(norm, 1e-300)


@array_kernel
def shares(members: Any, n_seeds: int, measured: Any, width: float, crystals: Crystals) -> Any:
    """Fractions of the crystals' energies that belong to each seed, float64 (n_seeds, n_members).

    members : int32 (n_members,), crystals of a topological cluster, its n_seeds seeds first
    width : of the Gaussians [cm]
    """
    n = len(members)
    fraction, centre, energies = np.zeros((n_seeds, n)), np.empty((n_seeds, 3)), np.empty(n)
    energy = np.empty(n_seeds)
    for s in range(n_seeds):
        fraction[s, s] = 1.0
        energy[s] = measured[members[s]]
        for k in range(3):
            centre[s, k] = crystals.position[members[s], k]
    if n_seeds == 1:
        for i in range(n):
            fraction[0, i] = 1.0
        return fraction
    previous = np.empty(3)
    for _ in range(MAX_ITERATIONS):
        shared_by_distance(members, n_seeds, energy, centre, width, crystals, fraction)
        max_shift2 = 0.0
        for s in range(n_seeds):
            energy[s] = 0.0
            for i in range(n):
                energies[i] = fraction[s, i] * measured[members[i]]
                energy[s] += energies[i]
            for k in range(3):
                previous[k] = centre[s, k]
            mean_position(members, energies, energy[s], 0.0, crystals, centre[s])
            shift2 = 0.0
            for k in range(3):
                shift2 += (centre[s, k] - previous[k]) ** 2
            max_shift2 = max(max_shift2, shift2)
        if max_shift2 < TOLERANCE:
            break
    return fraction


@kernel
def shared_by_distance(
    members: Any, n_seeds: int, energy: Any, centre: Any, width: float, crystals: Crystals, fraction: Any
) -> None:
    """Fill `fraction` with Gaussians around the centres, times the energies of the clusters, divided by their sum.

    The energy of a seed crystal belongs to its own cluster only.
    """
    for i in range(n_seeds, len(members)):
        total = 0.0
        for s in range(n_seeds):
            d2 = 0.0
            for k in range(3):
                d2 += (crystals.position[members[i], k] - centre[s, k]) ** 2
            fraction[s, i] = energy[s] * math.exp(max(-0.5 * d2 / (width * width), -600.0))
            total += fraction[s, i]
        kept = 0.0
        for s in range(n_seeds):
            fraction[s, i] /= max(total, 1e-300)
            if fraction[s, i] < MIN_FRACTION:
                fraction[s, i] = 0.0
            kept += fraction[s, i]
        for s in range(n_seeds):
            fraction[s, i] /= max(kept, 1e-300)


@array_kernel
def clusters(
    hits: Any, measured: Any, limits: Any, width: float, crystals: Crystals, role: Any, labels: Any, is_hit: Any
) -> Any:
    """PF clusters of an event, in the order of the highest seeds of their topological clusters.

    Parameters
    ----------
    hits : int32 (n_hits,), crystals above threshold by decreasing energy
    measured : float64 (N_CRYSTALS,), measured energies [GeV]
    limits : float64 (3,), see `seeds_among`
    width : of the Gaussians that share the energy [cm]
    crystals : tables of all crystals
    role, labels, is_hit : int8, int32, bool (N_CRYSTALS,), work space; FREE, NONE and False before and after

    Returns
    -------
    seeds : int32 (n_clusters,), crystal indices
    offsets : int64 (n_clusters + 1,)
    cells : int32, crystal indices of the hits of each cluster
    fractions : float64, fractions of their energies
    """
    seeds = seeds_among(hits, measured, limits, crystals, role)
    for crystal in hits:
        is_hit[crystal] = True
    for crystal in seeds:
        role[crystal] = SEED
    members, n_groups = np.empty(len(hits) + 1, np.int32), np.int64(0)
    cluster_seeds, offsets = np.empty(len(seeds), np.int32), np.zeros(len(seeds) + 1, np.int64)
    cells, fractions, n_entries, n_clusters = np.empty(4 * len(hits) + 64, np.int32), np.empty(4 * len(hits) + 64), 0, 0
    for crystal in seeds:
        if labels[crystal] != NONE:
            continue
        n = grow_topological_cluster(crystal, n_groups, is_hit, labels, crystals, members)
        n_groups += 1
        group = np.empty(n, np.int32)
        n_seeds = seeds_first(members[:n], role, group)
        fraction = shares(group, n_seeds, measured, width, crystals)
        for s in range(n_seeds):
            if n_entries + n > len(cells):
                cells, fractions = enlarged(cells, n), enlarged(fractions, n)
            for i in range(n):
                if fraction[s, i] > 0.0:
                    cells[n_entries], fractions[n_entries] = group[i], fraction[s, i]
                    n_entries += 1
            cluster_seeds[n_clusters] = group[s]
            offsets[n_clusters + 1] = n_entries
            n_clusters += 1
    for crystal in hits:
        is_hit[crystal], labels[crystal], role[crystal] = False, NONE, FREE
    return cluster_seeds, offsets, cells[:n_entries].copy(), fractions[:n_entries].copy()


@array_kernel
def enlarged(array: Any, more: int) -> Any:
    """A copy of the array with at least `more` additional elements."""
    new = np.empty(2 * len(array) + more, array.dtype)
    for i in range(len(array)):
        new[i] = array[i]
    return new


@kernel
def seeds_first(members: Any, role: Any, group: Any) -> Any:
    """Fill `group` with the members, seeds first, otherwise in the same order; returns the number of seeds."""
    n = 0
    for crystal in members:
        if role[crystal] == SEED:
            group[n] = crystal
            n += 1
    n_seeds = n
    for crystal in members:
        if role[crystal] != SEED:
            group[n] = crystal
            n += 1
    return n_seeds


@array_kernel
def sums_and_positions(seeds: Any, offsets: Any, cells: Any, fractions: Any, measured: Any, crystals: Crystals) -> Any:
    """Energy [GeV], eta and phi [rad] of each cluster, float64 (3, n_clusters), at the depth of the shower.

    The parameters are the results of `clusters`, the measured energies and the tables of all crystals.
    """
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
