"""Matched clusters: the clusters of every caloparticle by decreasing score (docs/truth.md)."""

import hashlib
from collections.abc import Sequence
from typing import Any

from . import association, features, labels, pipeline
from . import windows as geometric
from .windows import MASK, splitmix64

Event = dict[str, Any]
Row = dict[str, Any]


def matches(events: Sequence[Event], settings: Any) -> list[Row]:
    """One row for every cluster that belongs to a caloparticle."""
    return [row for event in events for row in matches_of_event(event, settings)]


def matches_of_event(event: Event, settings: Any) -> list[Row]:
    """The rows of an event, in the order of the caloparticles."""
    owners = association.owners(event[f"pfCluster_{settings.assoc_strategy}"], settings.min_cluster_score)
    rows = []
    for calo in range(len(event["caloParticle_genEta"])):
        clusters = association.clusters_of(calo, owners)
        rows += [row(event, owners, calo, clusters, cluster, settings) for cluster in clusters]
    return rows


def row(event: Event, owners: Any, calo: int, clusters: Sequence[int], cluster: int, settings: Any) -> Row:
    """One matched cluster."""
    points = pipeline.cluster_points(event)
    main, pileup = clusters[0], settings.pileup == "on"
    truth = labels.cluster_truth(cluster, main, calo, owners, event, pileup, settings.pu_limit, working_point=0.0)
    seed = labels.seed_truth(
        main, points, owners, pipeline.calo_points(event), settings.geometry, settings.min_seed_score,
        settings.require_gen_in_window,
    )  # fmt: skip
    seed_row = features.seed_row(event, points, main, owners[main], labels.SeedTruth(calo, False, True), pileup)
    hashed = event_hash(settings.sample, event)
    found = {
        **features.event_row(event, pileup),
        **features.truth_row(event, calo, settings.true_energy),
        **seed_row,
        **features.mustache_row(event, main, settings),
        **features.cluster_row(event, points, cluster, main, owners[cluster], truth, calo, pileup),
        **features.in_superclusters(event, cluster, main, settings),
        "is_seed_calo_matched": seed.calo == calo and seed_row["et_seed_calib"] >= settings.min_et_seed,
        "flavour": features.flavour(event, calo, settings.flavour),
        "in_window": cluster == main or geometric.inside(settings.geometry, points[main], points[cluster]),
        "n_matched": len(clusters),
        "event_hash": hashed,
        "group_id": signed(splitmix64(hashed ^ calo)),
    }
    return {name: features.finite(value) for name, value in found.items()}


def event_hash(sample: str, event: Event) -> int:
    """The hash by which events are divided into splits (dataset/splits.py)."""
    h = int.from_bytes(hashlib.blake2b(sample.encode(), digest_size=8).digest(), "little")
    for branch in ("runId", "lumiId", "eventId"):
        h = splitmix64(h ^ (event[branch] & MASK))
    return h


def signed(x: int) -> int:
    """The same 64 bits as a signed integer."""
    return x - 2**64 if x >> 63 else x
