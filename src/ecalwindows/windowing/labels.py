"""Truth labels of the clusters in their windows (windows.md sections 5 and 6).

No label depends on another cluster or on the order of work.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats
from ecalwindows.core.events import Events, Index, Superclusters, float64
from ecalwindows.windowing.association import Association, score_with
from ecalwindows.windowing.kernels import features as arithmetic
from ecalwindows.windowing.kernels import mustache
from ecalwindows.windowing.windows import Members

Threshold = Callable[[Floats, Floats], Floats]
"""Working points: (raw Et of the seed [GeV], abs(eta) of the seed) -> least score, shapes (n,)."""


@dataclass(frozen=True)
class Labels:
    """Flags and truth numbers; (n_pairs,) each unless said otherwise.

    is_seed, is_calo_matched, is_calo_matched_diffcalo, is_calo_seed, is_any_calo_seed, in_scluster, in_geom_mustache,
    in_mustache : bool
    other_calo_index : int64
    signal      : float64, simulated energy shared with the window's caloparticle [GeV], 0 if not matched to it
    pu_fraction : float64, pile-up over signal energy; -1 if not matched, 0 without pile-up
    seed_is_main : bool (n_windows,), the seed is the main cluster of its caloparticle
    supercluster : int64 (n_windows,), supercluster (over all events) of the seed, -1 if none
    second, in_second : the same as supercluster and in_mustache, of the collection that is read beside the first one
    """

    is_seed: Flags
    is_calo_matched: Flags
    is_calo_matched_diffcalo: Flags
    other_calo_index: Index
    is_calo_seed: Flags
    is_any_calo_seed: Flags
    in_scluster: Flags
    in_geom_mustache: Flags
    in_mustache: Flags
    signal: Floats
    pu_fraction: Floats
    seed_is_main: Flags
    supercluster: Index
    second: Index
    in_second: Flags


def cluster_labels(
    events: Events, association: Association, members: Members, dphi: Floats, *, threshold: Threshold,
    use_pileup: bool, pu_limit: float,
) -> Labels:  # fmt: skip
    """All labels of section 5. `dphi` : float64 (n_pairs,) [rad], seed minus cluster."""
    calo, owner = members.calo[members.window], association.owner[members.cluster]
    is_seed = members.cluster == members.seed[members.window]
    belongs = (calo >= 0) & (owner == calo)
    elsewhere = (calo >= 0) & (owner >= 0) & (owner != calo)
    is_main = association.is_main[members.cluster]
    signal = score_with(events, events.shared_energy, members.cluster, np.where(belongs, calo, -1))
    pu_fraction = pileup_fraction(events, members.cluster, signal, belongs, use_pileup)
    passes = (pu_fraction < pu_limit) if use_pileup else np.ones(len(belongs), dtype=np.bool_)
    raw, eta = float64(events.cluster["rawEnergy"]), float64(events.cluster["eta"])
    least = thresholds_at(raw[members.seed], eta[members.seed], members.calo >= 0, threshold)[members.window]
    supercluster, in_mustache = superclusters_of(events, events.first, members)
    second, in_second = superclusters_of(events, events.second, members)
    return Labels(
        is_seed=is_seed,
        is_calo_matched=belongs,
        is_calo_matched_diffcalo=elsewhere,
        other_calo_index=np.where(elsewhere & is_main, owner, -1),
        is_calo_seed=belongs & is_main & passes,
        is_any_calo_seed=is_main & (elsewhere | (belongs & passes)),
        in_scluster=is_seed | (belongs & passes & (association.score[members.cluster] >= least)),
        in_geom_mustache=mustache.in_mustache(members.offsets, members.seed, members.cluster, dphi, raw, eta),
        in_mustache=in_mustache,
        signal=signal,
        pu_fraction=pu_fraction,
        seed_is_main=(members.calo >= 0) & association.is_main[members.seed],
        supercluster=supercluster,
        second=second,
        in_second=in_second,
    )


def pileup_fraction(events: Events, cluster: Index, signal: Floats, matched: Flags, use_pileup: bool) -> Floats:
    """Simulated pile-up over signal energy of matched clusters: -1 for others, inf for a denominator of 0 (section 6).

    Without pile-up 0 everywhere. Shapes (n,).
    """
    if not use_pileup:
        return np.zeros(len(cluster))
    pileup = float64(events.cluster["simEnergy_sharedXtalsPU"])[cluster]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(signal == 0, np.inf, pileup / signal)
    return np.where(matched, ratio, -1.0)


def thresholds_at(raw: Floats, eta: Floats, matched: Flags, threshold: Threshold) -> Floats:
    """The working point of each window; NaN, which nothing passes, if unmatched or its seed has no finite raw Et.

    raw, eta : of the seed [GeV], float64 (n_windows,); matched : whether it is matched, bool (n_windows,)
    """
    et_raw = arithmetic.transverse(raw, eta)
    usable = matched & np.isfinite(et_raw)
    least = np.full(len(raw), np.nan)
    least[usable] = threshold(et_raw[usable], np.abs(eta[usable]))
    return least


def superclusters_of(events: Events, collection: Superclusters, members: Members) -> tuple[Index, Flags]:
    """The supercluster of each window (the first with its seed, else -1), and which pairs are in it."""
    first = events.cluster_offsets[members.event]
    supercluster: Index = arithmetic.first_superclusters(
        members.event, members.seed - first, collection.offsets, collection.columns["seedIndex"]
    )
    cluster = members.cluster - first[members.window]
    inside: Flags = arithmetic.in_supercluster(
        members.offsets, cluster, supercluster, collection.member_offsets, collection.member
    )
    return supercluster, inside
