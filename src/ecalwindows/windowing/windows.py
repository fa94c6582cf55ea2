"""Seeds make windows, windows hold clusters, some windows are kept (windows.md sections 3, 4, 5, 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Floats
from ecalwindows.core.event_hash import hash_chain, splitmix64
from ecalwindows.core.events import Events, Index, float64
from ecalwindows.core.settings import Mode, WindowSettings
from ecalwindows.windowing.association import Association
from ecalwindows.windowing.kernels import features as arithmetic
from ecalwindows.windowing.kernels import windows as kernels


@dataclass(frozen=True)
class Seeds:
    """Windows made, by event and decreasing seed Et, and the outcome for the candidates.

    seed, event : int64 (n_windows,), cluster (over all events) and event of each window
    calo        : int64 (n_windows,), caloparticle (within the event) of a matched window, else -1
    bad_position: bool (n_windows,), the score is high enough, but the caloparticle is outside the window
    bounds      : float64 (3, n_clusters), the window that each candidate would make; NaN of other clusters
    et          : float64 (n_clusters,), calibrated Et [GeV]
    order       : int64 (n_clusters,), clusters by event and decreasing calibrated Et; in mode cmssw only those that
                  have the Et of a seed, the others after them in the order of the input
    is_used     : bool (n_clusters,), clusters that can be in windows: all, but in mode cmssw those of `used_clusters`
    has_et      : bool (n_clusters,), clusters with the Et of a seed, used or not
    made, inside_other, without_position : int64 (n_events,), candidates that made a window, that are in another one,
                  and that have no finite eta and phi
    """

    seed: Index
    event: Index
    calo: Index
    bad_position: Flags
    bounds: Floats
    et: Floats
    order: Index
    is_used: Flags
    has_et: Flags
    made: Index
    inside_other: Index
    without_position: Index

    def __len__(self) -> int:
        return len(self.seed)

    @property
    def is_matched(self) -> Flags:
        """The seed has a caloparticle, bool (n_windows,)."""
        return self.calo >= 0


def window_seeds(events: Events, association: Association, settings: WindowSettings) -> Seeds:
    """The windows made: candidates of Et >= `min_et_seed` [GeV], by decreasing Et, and their caloparticles.

    In mode cmssw candidates have Et > `min_et_seed`, hits, and a calibrated energy > `min_cluster_energy` [GeV].
    """
    eta, phi, iz = positions(events)
    et = arithmetic.transverse(float64(events.cluster["energy"]), eta)
    in_cmssw = settings.mode == "cmssw"
    has_et = et > settings.min_et_seed if in_cmssw else et >= settings.min_et_seed
    is_used = used_clusters(events, settings.min_cluster_energy) if in_cmssw else np.ones(len(et), dtype=np.bool_)
    candidate = has_et & is_used
    has_position = np.isfinite(eta) & np.isfinite(phi)
    order = kernels.order_in_groups(events.cluster_offsets, et, has_et if in_cmssw else is_used)
    bounds = np.full((3, len(eta)), np.nan)
    bounds[:, candidate] = settings.shape.bounds(eta[candidate])
    may_overlap = settings.mode != "non-overlapping"
    seed, made, inside_other = kernels.seeds(
        events.cluster_offsets, order, candidate & has_position, eta, phi, iz, bounds, may_overlap
    )
    event = np.repeat(np.arange(len(events), dtype=np.int64), made)
    has_score = (association.owner[seed] >= 0) & (association.score[seed] > settings.min_seed_score)
    calo = np.where(has_score, association.owner[seed], -1)
    bad_position = np.zeros(len(seed), dtype=np.bool_)
    if settings.require_gen_in_window:
        bad_position = has_score & ~gen_inside(events, seed, event, calo, bounds)
        calo[bad_position] = -1
    without = np.bincount(events.cluster_event[candidate & ~has_position], minlength=len(events)).astype(np.int64)
    return Seeds(seed, event, calo, bad_position, bounds, et, order, is_used, has_et, made, inside_other, without)


def used_clusters(events: Events, min_energy: float) -> Flags:
    """The clusters that CMS's reconstruction makes windows of: with hits and with a calibrated energy above the limit.

    Parameters
    ----------
    events
        Events with hits.
    min_energy
        The limit [GeV].

    Returns
    -------
    numpy.ndarray
        bool (n_clusters,).
    """
    return np.asarray((np.diff(events.hits_offsets) > 0) & (float64(events.cluster["energy"]) > min_energy))


def gen_inside(events: Events, seed: Index, event: Index, calo: Index, bounds: Floats) -> Flags:
    """Whether the generated position of each window's caloparticle is in the window."""
    if not len(events.calo["genEta"]):
        return np.zeros(len(seed), dtype=np.bool_)
    row = np.where(calo >= 0, events.calo_offsets[event] + calo, 0)
    at = float64(events.calo["genEta"])[row], float64(events.calo["genPhi"])[row], events.calo["simIz"][row]
    return np.asarray(kernels.points_inside(seed, *positions(events), bounds, *at))


def positions(events: Events) -> tuple[Floats, Floats, Array]:
    """Eta, phi [rad] and iz of all clusters, (n_clusters,) each."""
    return float64(events.cluster["eta"]), float64(events.cluster["phi"]), events.cluster["iz"]


def windows_kept(events: Events, seeds: Seeds, settings: WindowSettings) -> Flags:
    """Which windows are kept: all, or the matched ones and some of the others (section 8). bool (n_windows,).

    The others are drawn by random integers that depend only on the identities of the windows.
    """
    if settings.keep == "all":
        return np.ones(len(seeds), dtype=np.bool_)
    event = seeds.event
    start = splitmix64(np.full(len(event), settings.draw_seed % 2**64, dtype=np.uint64))
    index = seeds.seed - events.cluster_offsets[event]
    key = hash_chain(start, events.run[event], events.lumi[event], events.event[event], index)
    return np.asarray(kernels.kept(seeds.made, seeds.is_matched, key, settings.maxnocalow))


@dataclass(frozen=True)
class Members:
    """Kept windows and their clusters (CSR), by decreasing calibrated Et.

    seed, event, calo : int64 (n_windows,), as in `Seeds`
    offsets : int64 (n_windows + 1,); cluster, window : int64 (n_pairs,), cluster (over all events) and window of a pair
    """

    seed: Index
    event: Index
    calo: Index
    offsets: Index
    cluster: Index
    window: Index

    def __len__(self) -> int:
        return len(self.seed)

    @cached_property
    def _is_used(self) -> Flags:
        flags = np.zeros(1 + max(self.seed.max(initial=-1), self.cluster.max(initial=-1)), dtype=np.bool_)
        flags[self.seed], flags[self.cluster] = True, True
        return flags

    @cached_property
    def used(self) -> Index:
        """The clusters in at least one window, in the order of the input: columns of clusters have a row for each."""
        return np.flatnonzero(self._is_used)

    @cached_property
    def seed_row(self) -> Index:
        """The row of each seed in columns of clusters, int64 (n_windows,)."""
        return np.asarray((np.cumsum(self._is_used) - 1)[self.seed])

    @cached_property
    def pair_row(self) -> Index:
        """The row of the cluster of each pair in columns of clusters, int64 (n_pairs,)."""
        return np.asarray((np.cumsum(self._is_used) - 1)[self.cluster])


def window_members(events: Events, seeds: Seeds, keep: Flags, mode: Mode) -> Members:
    """All clusters in the kept windows, whatever their energy; in mode cmssw the seed and the used ones after it."""
    seed, event = seeds.seed[keep], seeds.event[keep]
    position = positions(events)
    if mode == "cmssw":
        offsets, cluster = kernels.members_after(
            events.cluster_offsets, seeds.et, seeds.is_used, *position, seeds.bounds, seed, event
        )
    else:
        offsets, cluster = kernels.members(events.cluster_offsets, seeds.order, *position, seeds.bounds, seed, event)
    window = np.repeat(np.arange(len(seed), dtype=np.int64), np.diff(offsets))
    return Members(seed, event, seeds.calo[keep], offsets, cluster, window)
