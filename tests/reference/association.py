"""Association of clusters with caloparticles (docs/windows.md, "From clusters to windows")."""

from collections.abc import Sequence
from typing import NamedTuple


class Owner(NamedTuple):
    """The caloparticle of a cluster and its score, both -1 if there is none."""

    calo: int
    score: float


NOBODY = Owner(-1, -1.0)


def owner(scores: Sequence[float], min_cluster_score: float) -> Owner:
    """The caloparticle with the largest score above the minimum; the lowest index if equal; NaN is no score."""
    best = NOBODY
    for calo, score in enumerate(scores):
        if score > min_cluster_score and (best.calo == -1 or score > best.score):
            best = Owner(calo, float(score))
    return best


def owners(score_rows: Sequence[Sequence[float]], min_cluster_score: float) -> list[Owner]:
    """The caloparticle of every cluster of an event."""
    return [owner(scores, min_cluster_score) for scores in score_rows]


def clusters_of(calo: int, cluster_owners: Sequence[Owner]) -> list[int]:
    """The clusters of a caloparticle by decreasing score, the lower index first if equal."""
    mine = [cluster for cluster, own in enumerate(cluster_owners) if own.calo == calo]
    return sorted(mine, key=lambda cluster: (-cluster_owners[cluster].score, cluster))


def is_main(cluster: int, cluster_owners: Sequence[Owner]) -> bool:
    """Whether the cluster is the main cluster of its caloparticle."""
    calo = cluster_owners[cluster].calo
    return calo != -1 and clusters_of(calo, cluster_owners)[0] == cluster
