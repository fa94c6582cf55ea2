"""Joins the pure middle: events -> association -> windows -> labels -> features -> batch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np

from ecalwindows.core.arrays import Flags, Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.events import Events
from ecalwindows.core.schema import TRUTH
from ecalwindows.core.settings import WindowSettings
from ecalwindows.windowing import features
from ecalwindows.windowing.association import Association, association
from ecalwindows.windowing.labels import Threshold, cluster_labels
from ecalwindows.windowing.windows import Seeds, window_members, window_seeds, windows_kept


@dataclass
class Counts:
    """The outcome for all clusters and windows; it adds up:

    candidates = windows_made + in_another_window + without_position,
    windows_made = matched + unmatched_low_score + unmatched_gen_outside,
    windows_made = windows_kept + unmatched_dropped.
    """

    OF_TRUTH: ClassVar[tuple[str, ...]] = ("matched", "unmatched_low_score", "unmatched_gen_outside")
    """Those that mean nothing without truth."""

    events: int = 0
    clusters: int = 0
    candidates: int = 0
    in_another_window: int = 0
    without_position: int = 0
    windows_made: int = 0
    matched: int = 0
    unmatched_low_score: int = 0
    unmatched_gen_outside: int = 0
    unmatched_dropped: int = 0
    windows_kept: int = 0
    clusters_in_windows: int = 0

    def __iadd__(self, other: Counts) -> Counts:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self


@dataclass(frozen=True)
class Made:
    """The product of a step: windows to be written, counts, and the stages that explain them."""

    batch: WindowBatch
    counts: Counts
    association: Association
    seeds: Seeds
    keep: Flags


@np.errstate(invalid="ignore", over="ignore", divide="ignore")  # infinities of the dump: stored as the sentinel
def make_windows(events: Events, settings: WindowSettings, threshold: Threshold, *, use_pileup: bool) -> Made:
    """All windows of the events that the settings keep (windows.md). Pure: the same events give the same bits."""
    owners = association(events, min_cluster_score=settings.min_cluster_score)
    seeds = window_seeds(events, owners, settings)
    keep = windows_kept(events, seeds, settings)
    members = window_members(events, seeds, keep, settings.mode)
    cluster = features.cluster_columns(events, owners, members, use_pileup=use_pileup)
    difference = features.differences(members, cluster)
    labels = cluster_labels(
        events, owners, members, difference.dphi, threshold=threshold, use_pileup=use_pileup, pu_limit=settings.pu_limit
    )
    window = (
        features.window_columns(events, members, cluster, difference, labels, use_pileup=use_pileup)
        | features.seed_columns(events, members, cluster, use_pileup=use_pileup)
        | features.truth_columns(events, members, labels, flavour=settings.fixed_flavour)
    )
    pair = features.pair_columns(difference, labels)
    if settings.also_superclusters:
        of_windows, of_pairs = features.second_columns(events, labels, settings.also_superclusters)
        window, pair = window | of_windows, pair | of_pairs
    if not settings.has_truth:
        window, cluster, pair = (
            {name: column for name, column in columns.items() if name not in TRUTH}
            for columns in (window, cluster, pair)
        )
    hits_offsets, hits = features.hit_columns(events, members)
    batch = WindowBatch(
        window_index=features.window_indices(settings.sample, window),
        window=features.stored(window),
        cluster=features.stored(cluster),
        pair=features.stored(pair),
        window_offsets=members.offsets,
        pair_cluster=members.pair_row,
        window_seed=members.seed_row,
        hits_offsets=hits_offsets,
        hits=hits,
        events=event_counts(events, seeds),
    )
    return Made(batch, _counts(events, seeds, keep, len(members.cluster)), owners, seeds, keep)


def event_counts(events: Events, seeds: Seeds) -> dict[str, Integers]:
    """The columns of `schema.EVENT_COLUMNS`, int64 (n_events,): of all windows made, before some are dropped."""

    def by_event(flags: Flags) -> Integers:
        return np.bincount(seeds.event[flags], minlength=len(events)).astype(np.int64)

    matched = by_event(seeds.is_matched)
    return {
        "run_id": events.run,
        "lumi_id": events.lumi,
        "event_id": events.event,
        "n_windows_matched": matched,
        "n_windows_nomatched": seeds.made - matched,
        "n_seeds_good": matched,
        "n_seeds_bad_calo_position": by_event(seeds.bad_position),
        "n_seeds_in_other_window": seeds.inside_other,
    }


def _counts(events: Events, seeds: Seeds, keep: Flags, n_pairs: int) -> Counts:
    inside, without = int(seeds.inside_other.sum()), int(seeds.without_position.sum())
    matched, outside, kept = int(seeds.is_matched.sum()), int(seeds.bad_position.sum()), int(keep.sum())
    return Counts(
        events=len(events),
        clusters=events.n_clusters,
        candidates=len(seeds) + inside + without,
        in_another_window=inside,
        without_position=without,
        windows_made=len(seeds),
        matched=matched,
        unmatched_low_score=len(seeds) - matched - outside,
        unmatched_gen_outside=outside,
        unmatched_dropped=len(seeds) - kept,
        windows_kept=kept,
        clusters_in_windows=n_pairs,
    )
