"""Windows and counts from events: the complete chain of the reference implementations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import association, features, labels
from . import windows as geometric
from .labels import Threshold
from .windows import Geometry, Point

Event = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """The settings that the reference needs; any object with these attributes can be used."""

    assoc_strategy: str = "sim_fraction"
    min_et_seed: float = 1.0
    min_seed_score: float = 1e-2
    min_cluster_score: float = 1e-4
    require_gen_in_window: bool = True
    min_cluster_energy: float = 0.0
    mode: str = "non-overlapping"
    keep: str = "matched"
    maxnocalow: int = 0
    pileup: str = "on"
    pu_limit: float = 1e6
    geometry: Geometry = "v3"
    flavour: str | int = "auto"
    true_energy: str = "simEnergyGoodStatus"
    superclusters: str = "superCluster"
    also_superclusters: str | None = None
    draw_seed: int = 0
    sample: str = ""


def windows(events: Sequence[Event], settings: Settings | Any, threshold: Threshold) -> tuple[list[Row], list[Row]]:
    """The kept windows of all events, and one row of counts for every event."""
    rows: list[Row] = []
    counts: list[Row] = []
    for event in events:
        event_windows, event_counts = windows_of_event(event, settings, threshold)
        rows += event_windows
        counts.append(event_counts)
    return rows, counts


def summary(events: Sequence[Event], settings: Settings | Any, threshold: Threshold) -> Row:
    """The numbers that a run reports: each is counted from clusters, windows or counts of events."""
    rows, counts = windows(events, settings, threshold)
    seeds = [(event, i) for event in events for i in candidates(event, settings)]
    matched, unmatched, outside, in_another = (
        sum(row[name] for row in counts)
        for name in (
            "n_windows_matched",
            "n_windows_nomatched",
            "n_seeds_bad_calo_position",
            "n_seeds_in_other_window",
        )
    )
    return {
        "events": len(events),
        "clusters": sum(len(event["pfCluster_energy"]) for event in events),
        "candidates": len(seeds),
        "in_another_window": in_another,
        "without_position": sum(not cluster_points(event)[i].is_finite() for event, i in seeds),
        "windows_made": matched + unmatched,
        "matched": matched,
        "unmatched_low_score": unmatched - outside,
        "unmatched_gen_outside": outside,
        "unmatched_dropped": matched + unmatched - len(rows),
        "windows_kept": len(rows),
        "clusters_in_windows": sum(len(row["clusters"]) for row in rows),
    }


def candidates(event: Event, settings: Settings | Any) -> list[int]:
    """The clusters that may be seeds, whether or not they make a window."""
    points, energy = cluster_points(event), event["pfCluster_energy"]
    et = [geometric.transverse(e, p.eta) for e, p in zip(energy, points, strict=True)]
    if settings.mode != "cmssw":
        return geometric.candidates(et, settings.min_et_seed)
    n_hits = [len(hits) for hits in event["pfClusterHit_rechitEnergy"]]
    lists = [
        geometric.reconstruction_list(
            points, energy, et, n_hits, in_barrel, settings.min_cluster_energy, settings.min_et_seed
        )
        for in_barrel in (True, False)
    ]
    return [i for listed, n_seeds in lists for i in listed[:n_seeds]]


def windows_of_event(event: Event, settings: Settings | Any, threshold: Threshold) -> tuple[list[Row], Row]:
    """The kept windows of one event, and its counts."""
    points = cluster_points(event)
    et = [geometric.transverse(e, p.eta) for e, p in zip(event["pfCluster_energy"], points, strict=True)]
    owners = association.owners(event[f"pfCluster_{settings.assoc_strategy}"], settings.min_cluster_score)
    geometry = settings.geometry
    if settings.mode == "cmssw":
        geometry = "cmssw" if geometry == "v1" else geometry
        n_hits = [len(hits) for hits in event["pfClusterHit_rechitEnergy"]]
        of_seed = geometric.reconstruction_windows(
            points, event["pfCluster_energy"], et, n_hits, geometry, settings.min_cluster_energy, settings.min_et_seed
        )
        seeds, n_in_other = geometric.by_decreasing_et(list(of_seed), et), 0
    else:
        seeds, n_in_other = geometric.seeds(points, et, settings.min_et_seed, geometry, settings.mode == "overlapping")
        of_seed = {seed: geometric.members(seed, points, et, geometry) for seed in seeds}
    truths = [
        labels.seed_truth(
            seed,
            points,
            owners,
            calo_points(event),
            geometry,
            settings.min_seed_score,
            settings.require_gen_in_window,
        )
        for seed in seeds
    ]
    matched = [truth.calo != -1 for truth in truths]
    identity = (event["runId"], event["lumiId"], event["eventId"])
    keys = [geometric.draw_key(settings.draw_seed, *identity, seed) for seed in seeds]
    if settings.keep == "all":
        kept = list(range(len(seeds)))
    else:
        kept = geometric.kept(matched, keys, seeds, settings.maxnocalow)
    rows = [window(event, points, of_seed[seeds[w]], owners, seeds[w], truths[w], settings, threshold) for w in kept]
    names = dict(zip(("run_id", "lumi_id", "event_id"), identity, strict=True))
    return rows, names | geometric.counts(matched, [truth.bad_position for truth in truths], n_in_other)


def window(
    event: Event,
    points: Sequence[Point],
    members: Sequence[int],
    owners: Sequence[association.Owner],
    seed: int,
    truth: labels.SeedTruth,
    settings: Settings | Any,
    threshold: Threshold,
) -> Row:
    """One window with its clusters, with -999 in place of NaN and infinity."""
    pileup = settings.pileup == "on"
    seed_et_raw = geometric.transverse(event["pfCluster_rawEnergy"][seed], points[seed].eta)
    limit = labels.working_point(threshold, seed_et_raw, points[seed].eta)
    clusters = []
    for cluster in members:
        cluster_truth = labels.cluster_truth(cluster, seed, truth.calo, owners, event, pileup, settings.pu_limit, limit)
        clusters.append(
            features.cluster_row(event, points, cluster, seed, owners[cluster], cluster_truth, truth.calo, pileup)
            | features.in_superclusters(event, cluster, seed, settings)
        )
    row = {
        **features.event_row(event, pileup),
        "window_index": features.window_index(settings.sample, event, seed),
        **features.seed_row(event, points, seed, owners[seed], truth, pileup),
        **features.truth_row(event, truth.calo, settings.true_energy),
        **features.mustache_row(event, seed, settings),
        "clusters": clusters,
        **features.summary_row(clusters, truth.calo != -1),
        "flavour": features.flavour(event, truth.calo, settings.flavour),
    }
    return {name: features.finite(value) for name, value in row.items()}


def cluster_points(event: Event) -> list[Point]:
    """Positions of the clusters."""
    columns = (event["pfCluster_eta"], event["pfCluster_phi"], event["pfCluster_iz"])
    return [Point(*values) for values in zip(*columns, strict=True)]


def calo_points(event: Event) -> list[Point]:
    """Generated positions of the caloparticles."""
    columns = (event["caloParticle_genEta"], event["caloParticle_genPhi"], event["caloParticle_simIz"])
    return [Point(*values) for values in zip(*columns, strict=True)]
