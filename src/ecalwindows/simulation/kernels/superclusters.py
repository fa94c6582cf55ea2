"""Kernel for Mustache superclusters: each seed, by decreasing energy, takes the free clusters in its mustache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel
from ecalwindows.simulation.kernels.cluster_shapes import wrapped
from ecalwindows.windowing.kernels.mustache import in_dynamic_dphi, in_parabolas


@array_kernel
def superclusters(energy: Any, raw: Any, eta: Any, phi: Any, side: Any, min_et: float) -> Any:
    """Superclusters of one event.

    Parameters
    ----------
    energy, raw : float64 (n_clusters,), calibrated and raw energies [GeV]
    eta, phi : float64 (n_clusters,), positions [phi in rad]
    side : int32 (n_clusters,), 0 for the barrel, -1 or +1 for an endcap
    min_et : minimum calibrated Et of a seed [GeV]

    Returns
    -------
    seeds : int64 (n,), cluster indices
    offsets : int64 (n + 1,)
    members : int64, cluster indices: of each supercluster the seed, then the others by decreasing energy
    """
    order, n = np.argsort(-energy, kind="mergesort"), len(energy)
    is_free = np.ones(n, np.bool_)
    seeds, offsets, members = np.empty(n, np.int64), np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    n_found, n_members = 0, 0
    for seed in order:
        if not is_free[seed] or energy[seed] < min_et * math.cosh(eta[seed]):
            continue
        seeds[n_found], members[n_members], is_free[seed] = seed, seed, False
        n_members += 1
        for c in order:
            if is_free[c] and side[c] == side[seed] and abs(eta[c] - eta[seed]) < 0.6:
                dphi = wrapped(phi[seed] - phi[c])
                if in_parabolas(eta[seed], dphi, raw[c], eta[c]) and in_dynamic_dphi(eta[seed], dphi, raw[c], eta[c]):
                    members[n_members], is_free[c] = c, False
                    n_members += 1
        n_found += 1
        offsets[n_found] = n_members
    return seeds[:n_found].copy(), offsets[: n_found + 1].copy(), members[:n_members].copy()
