"""Loop of the Mustache superclusters: seeds by decreasing energy take the free clusters in their mustache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.kernels.cluster_shapes import wrapped
from ecalwindows.kernels.jit import kernel
from ecalwindows.kernels.mustache import in_dynamic_dphi, in_parabolas


@kernel
def superclusters(energy: Any, raw: Any, eta: Any, phi: Any, side: Any, least_et: float) -> Any:
    """Seeds int64 (n,), offsets int64 (n + 1,), members int64: cluster indices, the seed first, then by energy.

    energy calibrated, raw: energies [GeV]; side: 0 barrel, -1 or +1 endcap; least_et: of a seed, calibrated [GeV]
    """
    order, n = np.argsort(-energy, kind="mergesort"), len(energy)
    free = np.ones(n, np.bool_)
    seeds, offsets, members = np.empty(n, np.int64), np.zeros(n + 1, np.int64), np.empty(n, np.int64)
    found, used = 0, 0
    for seed in order:
        if not free[seed] or energy[seed] < least_et * math.cosh(eta[seed]):
            continue
        seeds[found], members[used], free[seed] = seed, seed, False
        used += 1
        for c in order:
            if free[c] and side[c] == side[seed] and abs(eta[c] - eta[seed]) < 0.6:
                dphi = wrapped(phi[seed] - phi[c])
                if in_parabolas(eta[seed], dphi, raw[c], eta[c]) and in_dynamic_dphi(eta[seed], dphi, raw[c], eta[c]):
                    members[used], free[c] = c, False
                    used += 1
        found += 1
        offsets[found] = used
    return seeds[:found].copy(), offsets[: found + 1].copy(), members[:used].copy()
