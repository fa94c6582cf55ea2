"""Matched clusters: one row for every cluster that belongs to a caloparticle (docs/truth.md). Pure functions.

The clusters of a caloparticle are consecutive rows, by decreasing score (lower index first if equal), so that the first
one is the main cluster. Caloparticles are in the order of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Flags, Floats, Words
from ecalwindows.core.event_hash import event_hash, sample_key, splitmix64
from ecalwindows.core.events import Events, Index, float64
from ecalwindows.core.settings import WindowSettings
from ecalwindows.studies.matches.columns import MATCH_COLUMNS
from ecalwindows.windowing import features
from ecalwindows.windowing.association import Association, association
from ecalwindows.windowing.features import Columns
from ecalwindows.windowing.kernels import windows as kernels
from ecalwindows.windowing.labels import Labels, cluster_labels
from ecalwindows.windowing.windows import Members, gen_inside, positions


@dataclass
class MatchCounts:
    """Numbers of events, clusters and caloparticles.

    clusters = matched + of_nobody, caloparticles = with_clusters + without_clusters.
    """

    events: int = 0
    clusters: int = 0
    matched: int = 0
    of_nobody: int = 0
    caloparticles: int = 0
    with_clusters: int = 0
    without_clusters: int = 0

    def __iadd__(self, other: MatchCounts) -> MatchCounts:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self


@dataclass(frozen=True)
class Matches:
    """The table of a reading step.

    Attributes
    ----------
    columns : the columns `MATCH_COLUMNS` by name, (n_rows,) each
    counts : numbers of events, clusters and caloparticles
    """

    columns: Columns
    counts: MatchCounts


@np.errstate(invalid="ignore")  # positions can be infinite
def matched_clusters(events: Events, settings: WindowSettings, *, use_pileup: bool) -> Matches:
    """The table of all matched clusters of the events.

    Parameters
    ----------
    events : as read from dumper files
    settings : of the windows; scores, shapes of windows, name of the sample, flavour
    use_pileup : whether the events have pile-up branches
    """
    owners = association(events, min_cluster_score=settings.min_cluster_score)
    groups = matched_groups(events, owners)
    cluster = features.cluster_columns(events, owners, groups, use_pileup=use_pileup)
    difference = features.differences(groups, cluster)
    labels = cluster_labels(
        events, owners, groups, difference.dphi, threshold=_none, use_pileup=use_pileup, pu_limit=settings.pu_limit
    )
    bounds = settings.shape.bounds(float64(events.cluster["eta"]))
    of_group = (
        features.window_columns(events, groups, cluster, difference, labels, use_pileup=use_pileup)
        | features.seed_columns(events, groups, cluster, use_pileup=use_pileup)
        | features.truth_columns(events, groups, labels, flavour=settings.fixed_flavour)
        | _identity(events, groups, settings.sample)
        | {"n_matched": np.diff(groups.offsets)}
    )
    of_group["is_seed_calo_matched"] = _is_matched_seed(events, groups, of_group, bounds, settings)
    of_cluster = {name: column[groups.pair_row] for name, column in cluster.items()} | _pair_columns(
        events, groups, difference, labels, bounds
    )
    table = {
        name: features.rounded(
            of_cluster[name] if column.of == "cluster" else of_group[name][groups.window], column.dtype
        )
        for name, column in MATCH_COLUMNS.items()
    }
    return Matches(table, _counts(events, groups))


def matched_groups(events: Events, owners: Association) -> Members:
    """The clusters of each caloparticle with clusters, in the form of windows whose seeds are the main clusters."""
    mine = np.flatnonzero(owners.owner >= 0)
    event = events.cluster_event[mine]
    calo = events.calo_offsets[event] + owners.owner[mine]
    order = np.lexsort((mine, -owners.score[mine], calo))
    cluster, event, calo = mine[order], event[order], calo[order]
    is_first = np.ones(len(cluster), dtype=np.bool_)
    is_first[1:] = calo[1:] != calo[:-1]
    first = np.flatnonzero(is_first)
    return Members(
        seed=cluster[first],
        event=event[first],
        calo=owners.owner[cluster[first]],
        offsets=np.append(first, len(cluster)).astype(np.int64),
        cluster=cluster,
        window=np.cumsum(is_first) - 1,
    )


def _none(seed_et: Floats, _: Floats) -> Floats:
    """No working point, because the table contains the scores."""
    return np.zeros(len(seed_et))


def _identity(events: Events, groups: Members, sample: str) -> dict[str, Words | Index]:
    event = groups.event
    hashed = event_hash(sample_key(sample), events.run[event], events.lumi[event], events.event[event])
    return {"event_hash": hashed, "group_id": splitmix64(hashed ^ groups.calo.view(np.uint64)).view(np.int64)}


def _is_matched_seed(events: Events, groups: Members, seed: Columns, bounds: Floats, settings: WindowSettings) -> Flags:
    """Whether the main cluster can be the seed of a matched window (docs/windows.md)."""
    matched = has_seed_quality(seed, settings)
    if settings.require_gen_in_window:
        matched &= gen_inside(events, groups.seed, groups.event, groups.calo, bounds)
    return matched


def has_seed_quality(seed: Mapping[str, NDArray[np.generic]], settings: WindowSettings) -> Flags:
    """Whether main clusters have the Et and the score of a matched seed, wherever their caloparticle is."""
    et, score = (seed[name].astype(np.float64) for name in ("et_seed_calib", "seed_score"))
    enough: Flags = (et >= settings.min_et_seed) & (score > settings.min_seed_score)
    return enough


def _pair_columns(
    events: Events, groups: Members, difference: features.Differences, labels: Labels, bounds: Floats
) -> Columns:
    places, mine = positions(events), groups.cluster
    inside = kernels.points_inside(groups.seed[groups.window], *places, bounds, *(each[mine] for each in places))
    return features.pair_columns(difference, labels) | {"in_window": inside | labels.is_seed}


def _counts(events: Events, groups: Members) -> MatchCounts:
    matched, calos, found = len(groups.cluster), int(events.calo_offsets[-1]), len(groups)
    return MatchCounts(
        events=len(events),
        clusters=events.n_clusters,
        matched=matched,
        of_nobody=events.n_clusters - matched,
        caloparticles=calos,
        with_clusters=found,
        without_clusters=calos - found,
    )
