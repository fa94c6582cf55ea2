"""Which caloparticle a cluster belongs to (windows.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats
from ecalwindows.core.events import Events, Index
from ecalwindows.windowing.kernels import association as kernels


@dataclass(frozen=True)
class Association:
    """owner  : int64 (n_clusters,), caloparticle within the event, -1 if none
    score  : float64 (n_clusters,), score with the owner, -1 if none
    main_cluster : int64 (n_caloparticles,), cluster (over all events) with the largest score, -1 if none
    is_main : bool (n_clusters,), the cluster is the main cluster of its owner
    """

    owner: Index
    score: Floats
    main_cluster: Index
    is_main: Flags


def association(events: Events, *, min_cluster_score: float) -> Association:
    """Give every cluster to the caloparticle with the largest score above the limit (ties: lowest index)."""
    owner, score = kernels.owners(events.score_offsets, events.score, float(min_cluster_score))
    main = kernels.main_clusters(events.cluster_offsets, events.calo_offsets, owner, score)
    is_main = np.zeros(events.n_clusters, dtype=np.bool_)
    is_main[main[main >= 0]] = True
    return Association(owner, score, main, is_main)


def score_with(events: Events, flat: Floats, cluster: Index, calo: Index) -> Floats:
    """Entries [cluster][calo] of a cluster x caloparticle column, 0 where `calo` is -1. Shapes (n,)."""
    if not len(flat):
        return np.zeros(len(cluster))
    has_calo = calo >= 0
    row = np.where(has_calo, events.score_offsets[cluster] + calo, 0)
    return np.where(has_calo, flat[row], 0.0)
