"""Truth labels of seeds and clusters (docs/windows.md, "Labels")."""

import bisect
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .association import Owner, is_main
from .windows import Geometry, Point, inside

Threshold = Callable[[float, float], float]


class SeedTruth(NamedTuple):
    """The truth of a seed; `calo` is -1 if the seed is not matched."""

    calo: int
    bad_position: bool
    is_calo_seed: bool


class ClusterTruth(NamedTuple):
    """The labels of a cluster in one window, and its pile-up fraction."""

    is_calo_matched: bool
    is_calo_matched_diffcalo: bool
    other_calo_index: int
    is_calo_seed: bool
    is_any_calo_seed: bool
    in_scluster: bool
    pu_fraction: float


def seed_truth(
    seed: int,
    points: Sequence[Point],
    cluster_owners: Sequence[Owner],
    calo_points: Sequence[Point],
    geometry: Geometry,
    min_seed_score: float,
    require_gen_in_window: bool,
) -> SeedTruth:
    """A seed is matched if its score is large enough and its caloparticle is inside its window."""
    calo, score = cluster_owners[seed]
    if calo == -1 or not score > min_seed_score:
        return SeedTruth(-1, False, False)
    if require_gen_in_window and not inside(geometry, points[seed], calo_points[calo]):
        return SeedTruth(-1, True, False)
    return SeedTruth(calo, False, is_main(seed, cluster_owners))


def pu_fraction(cluster: int, calo: int, event: dict[str, Any]) -> float:
    """Pile-up over signal energy in the crystals of the cluster; +inf if the denominator is 0."""
    pileup: float = event["pfCluster_simEnergy_sharedXtalsPU"][cluster]
    signal: float = event["pfCluster_simEnergy_sharedXtals"][cluster][calo]
    return math.inf if signal == 0 else pileup / signal


def working_point(threshold: Threshold, seed_et_raw: float, seed_eta: float) -> float:
    """The threshold of the window; NaN, which no score passes, if Et is not finite."""
    return threshold(seed_et_raw, abs(seed_eta)) if math.isfinite(seed_et_raw) else math.nan


def cluster_truth(
    cluster: int,
    seed: int,
    calo: int,
    cluster_owners: Sequence[Owner],
    event: dict[str, Any],
    pileup: bool,
    pu_limit: float,
    working_point: float,
) -> ClusterTruth:
    """The labels of a cluster; `calo` is the caloparticle of the seed, -1 if the seed is not matched."""
    own = cluster_owners[cluster]
    if calo == -1:
        return ClusterTruth(False, False, -1, False, False, cluster == seed, -1.0 if pileup else 0.0)
    if own.calo != calo:
        other = own.calo if own.calo != -1 and is_main(cluster, cluster_owners) else -1
        return ClusterTruth(False, own.calo != -1, other, False, other != -1, cluster == seed, -1.0 if pileup else 0.0)
    fraction = pu_fraction(cluster, calo, event) if pileup else 0.0
    passes = fraction < pu_limit if pileup else True
    is_calo_seed = is_main(cluster, cluster_owners) and passes
    in_scluster = cluster == seed or (passes and own.score >= working_point)
    return ClusterTruth(True, False, -1, is_calo_seed, is_calo_seed, in_scluster, fraction)


def supercluster_of(seed: int, event: dict[str, Any], collection: str) -> int:
    """Index of the first supercluster with this seed, -1 if there is none."""
    for position, seed_index in enumerate(event.get(f"{collection}_seedIndex", [])):
        if seed_index == seed:
            return position
    return -1


def in_supercluster(cluster: int, supercluster: int, event: dict[str, Any], collection: str) -> bool:
    """Whether the cluster is in the supercluster."""
    return supercluster != -1 and cluster in event[f"{collection}_pfClustersIndex"][supercluster]


def binned_threshold(et_edges: Sequence[float], eta_edges: Sequence[float], content: Sequence[float]) -> Threshold:
    """Working points in bins that include their lower edge; outside the bins, the nearest bin is used."""

    def bin_of(x: float, edges: Sequence[float]) -> int:
        return min(max(bisect.bisect_right(edges, x) - 1, 0), len(edges) - 2)

    def threshold(seed_et_raw: float, abs_seed_eta: float) -> float:
        n_eta = len(eta_edges) - 1
        return content[bin_of(seed_et_raw, et_edges) * n_eta + bin_of(abs_seed_eta, eta_edges)]

    return threshold


def read_threshold(path: Path) -> Threshold:
    """Working points of a correctionlib file with a single binning in Et and eta."""
    data = json.loads(path.read_text())["corrections"][0]["data"]
    et_edges, eta_edges = data["edges"]
    return binned_threshold(et_edges, eta_edges, data["content"])
