"""Cluster -> caloparticle (section 2), slow and plain."""

from collections.abc import Sequence
from typing import NamedTuple


class Owner(NamedTuple):
    """The caloparticle a cluster belongs to (-1: none) and the score for it (-1: none)."""

    calo: int
    score: float


NOBODY = Owner(-1, -1.0)


def owner(scores: Sequence[float], min_cluster_score: float) -> Owner:
    """The largest score wins if it is above the minimum; ties go to the lowest index; NaN is no score."""
    best = NOBODY
    for calo, score in enumerate(scores):
        if score > min_cluster_score and (best.calo == -1 or score > best.score):
            best = Owner(calo, float(score))
    return best


def owners(score_rows: Sequence[Sequence[float]], min_cluster_score: float) -> list[Owner]:
    """The owner of every cluster of an event."""
    return [owner(scores, min_cluster_score) for scores in score_rows]


def clusters_of(calo: int, cluster_owners: Sequence[Owner]) -> list[int]:
    """The clusters of a caloparticle by decreasing score, ties by lowest index."""
    mine = [cluster for cluster, own in enumerate(cluster_owners) if own.calo == calo]
    return sorted(mine, key=lambda cluster: (-cluster_owners[cluster].score, cluster))


def is_main(cluster: int, cluster_owners: Sequence[Owner]) -> bool:
    """Whether the cluster is the main cluster of the caloparticle it belongs to."""
    calo = cluster_owners[cluster].calo
    return calo != -1 and clusters_of(calo, cluster_owners)[0] == cluster
