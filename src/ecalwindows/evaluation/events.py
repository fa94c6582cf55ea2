"""Windows of a dataset become events: graphs of all candidates of an event, from which superclusters are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Array, Integers, Words, offsets_of
from ecalwindows.core.errors import InputError
from ecalwindows.core.kernels.gather import gathered_rows
from ecalwindows.core.names import counted
from ecalwindows.core.schema import SENTINEL
from ecalwindows.evaluation.strategies import Graphs

ENERGIES = ("en_cluster", "et_cluster", "en_cluster_calib", "et_cluster_calib")
"""Columns of clusters that are summed."""


@dataclass(frozen=True)
class Windows:
    """Windows with columns of their own and of their clusters.

    Attributes
    ----------
    key : uint64 (n_windows,)
        Hash of the event of each window.
    window : columns by name, (n_windows,)
    pair : columns by name, (n_pairs,)
        One row per cluster of a window.
    offsets : int64 (n_windows + 1,)
        Rows of `pair` of each window.
    """

    key: Words
    window: Mapping[str, Array]
    pair: Mapping[str, Array]
    offsets: Integers

    def __len__(self) -> int:
        return len(self.key)

    @property
    def names(self) -> set[str]:
        """All columns."""
        return {*self.window, *self.pair}

    @property
    def sizes(self) -> Integers:
        """Clusters of each window, int64 (n_windows,)."""
        return np.diff(self.offsets)

    @property
    def owner(self) -> Integers:
        """The window of each row of `pair`, int64 (n_pairs,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def column(self, name: str) -> Array:
        """A column of windows or of their clusters."""
        return self.window[name] if name in self.window else self.pair[name]

    def rows(self, rows: Array) -> Windows:
        """The windows in these rows, in their order."""
        offsets, pairs = gathered_rows(self.offsets, np.asarray(rows, np.int64))
        return Windows(
            self.key[rows],
            {name: column[rows] for name, column in self.window.items()},
            {name: column[pairs] for name, column in self.pair.items()},
            offsets,
        )


def refuse_unknown_energies(windows: Windows, where: str) -> None:
    """Raise InputError for clusters without an energy, which would be summed: the sentinel is in its place."""
    for name in ENERGIES:
        if name in windows.pair and (n := int((windows.pair[name] == SENTINEL).sum())):
            raise InputError(
                f"{counted(n, 'cluster')} without an energy ({name} is {SENTINEL:g})",
                expected="the energies of all clusters: a file of the dumper held NaN or infinity there", where=where,
                todo="make the windows again without these events (--events)",
            )  # fmt: skip


@dataclass(frozen=True)
class Events:
    """Complete events.

    Attributes
    ----------
    graphs : Graphs
        Windows in the order of decreasing calibrated Et of their seeds. Clusters: the seeds in this order, then the
        others.
    windows : Windows
        The windows in the order of the graphs; row k of `windows.pair` is edge k.
    first_edge : int64 (n_clusters,)
        An edge of each cluster of the graphs, from which its columns can be taken.
    """

    graphs: Graphs
    windows: Windows
    first_edge: Integers

    @property
    def key(self) -> Words:
        """Hash of each event, uint64 (n_events,)."""
        return self.windows.key[self.graphs.seed_offsets[:-1]]

    def of_cluster(self, name: str) -> Array:
        """A column of `windows.pair` that does not depend on the window, once per cluster: (n_clusters,)."""
        return self.windows.pair[name][self.first_edge]


def joined(pieces: Sequence[Windows]) -> Windows:
    """Windows of several pieces, one after the other."""
    sizes = np.concatenate([piece.sizes for piece in pieces])
    return Windows(
        np.concatenate([piece.key for piece in pieces]),
        {name: np.concatenate([piece.window[name] for piece in pieces]) for name in pieces[0].window},
        {name: np.concatenate([piece.pair[name] for piece in pieces]) for name in pieces[0].pair},
        offsets_of(sizes),
    )


def complete_events(pieces: Iterator[Windows]) -> Iterator[Windows]:
    """Yield windows so that no event is in two pieces; the windows of an event follow each other in a dataset."""
    waiting: list[Windows] = []
    for piece in pieces:
        if not len(piece):
            continue
        last = int(np.flatnonzero(piece.key != piece.key[-1])[-1] + 1) if (piece.key != piece.key[-1]).any() else 0
        if last == 0 and (not waiting or waiting[-1].key[-1] == piece.key[0]):
            waiting.append(piece)
            continue
        yield joined([*waiting, piece.rows(np.arange(last))]) if waiting or last else piece
        waiting = [piece.rows(np.arange(last, len(piece)))]
    if waiting:
        yield joined(waiting)


def events_of(windows: Windows, *, where: str = "windows") -> Events:
    """Put the windows of complete events into graphs.

    Parameters
    ----------
    windows : Windows
        With the window columns `seed_index` and `et_seed_calib`, and the pair column `cl_index`; the windows of an
        event follow each other.
    where : str
        Where the windows come from, for errors.

    Raises
    ------
    InputError
        If an event has two windows with the same seed, or a window does not hold its seed.
    """
    event = np.cumsum(np.concatenate([[0], windows.key[1:] != windows.key[:-1]])[: len(windows)])
    order = np.lexsort((-windows.window["et_seed_calib"], event))
    ordered, event = windows.rows(order), event[order]
    n_events = int(event[-1]) + 1 if len(event) else 0
    seeds_of = np.bincount(event, minlength=n_events)
    seed_offsets = offsets_of(seeds_of)
    rank = np.arange(len(event)) - seed_offsets[event]
    event_of_edge = np.repeat(event, np.diff(ordered.offsets))
    index = ordered.pair["cl_index"].astype(np.int64)
    step = int(max(index.max(initial=0), ordered.window["seed_index"].max(initial=0))) + 1
    codes, first, cluster_of_edge = np.unique(event_of_edge * step + index, return_index=True, return_inverse=True)
    seed_codes = event * step + ordered.window["seed_index"].astype(np.int64)
    if len(np.unique(seed_codes)) < len(seed_codes):
        raise InputError(
            "an event has two windows with the same seed", expected="each window once", where=where,
            todo="see `ecalwindows validate`; give samples with the same events names of their own (--sample)",
        )  # fmt: skip
    place_of_seed = np.searchsorted(codes, seed_codes)
    if (codes[np.minimum(place_of_seed, len(codes) - 1)] != seed_codes).any() if len(codes) else len(seed_codes):
        raise InputError(
            "a window does not hold its seed", expected="the seed among the clusters of its window", where=where,
            todo="see `ecalwindows validate`",
        )  # fmt: skip
    event_of_cluster = codes // step
    cluster_offsets = offsets_of(np.bincount(event_of_cluster, minlength=n_events))
    is_seed = np.zeros(len(codes), bool)
    is_seed[place_of_seed] = True
    others = np.cumsum(~is_seed)
    before = np.concatenate([[0], others])[cluster_offsets[:-1]]
    place = seeds_of[event_of_cluster] + others - 1 - before[event_of_cluster]
    place[place_of_seed] = rank
    graphs = Graphs(seed_offsets, cluster_offsets, ordered.offsets, place[cluster_of_edge])
    first_edge = np.empty(len(codes), np.int64)
    first_edge[cluster_offsets[event_of_cluster] + place] = first
    return Events(graphs, ordered, first_edge)
