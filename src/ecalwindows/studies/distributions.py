"""Distributions of a dataset: every column by flavour and label, seeds over Et and eta, clusters, energy response.

The data are read twice: the first pass takes a sample of every column and chooses the bins, the second pass fills them.
The memory does not depend on the size of the data. A label is 1 for clusters in the true supercluster and for windows
whose seed is matched, 0 for the others; 2 for clusters of unmatched windows, which have no true supercluster; -1 if the
data have no label.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any

import boost_histogram as bh
import numpy as np

from ecalwindows.core.arrays import Array, Flags, Floats, Integers
from ecalwindows.core.batch import WindowBatch, window_sum
from ecalwindows.core.schema import COLUMNS, SENTINEL, Level
from ecalwindows.studies.binning import Binning, binning_of, shortened
from ecalwindows.studies.working_points.caloparticles import ET_EDGES, ETA_EDGES
from ecalwindows.validation.drift import Moments, Sample

SAMPLE = 50_000
"""Approximate numbers of windows and of clusters from which the bins are chosen."""

LEVELS: tuple[Level, Level] = ("window", "cluster")
LABELS: dict[Level, str] = {"window": "is_seed_calo_matched", "cluster": "in_scluster"}
"""The columns by which windows and clusters are grouped."""

ALL, UNMATCHED = -1, 2
SEED_ETA = np.linspace(-3, 3, 61).round(6)
SEED_ET = shortened(np.geomspace(1, 500, 41), 4)
SHARE_COLUMNS = ("et_cluster_calib", "et_cluster", "cluster_deta", "cluster_dphi")
"""Columns over which clusters that are not the seed of their window are counted too."""

COUNTED = ("all", "in_scluster", "in_geom_mustache", "in_mustache")
"""Clusters that are counted in each window: all, and those with a label."""

SUPERCLUSTERS = ("true supercluster", "geometric mustache", "reconstructed supercluster")
RESPONSE_BINS = 750
HIGHEST_RESPONSE = 1.5
ABS_ETA, ET = np.array(ETA_EDGES), np.array(ET_EDGES)
"""Bins of abs(seed eta) and of the caloparticle's Et [GeV]; the edges are those of docs/truth.md."""


def is_drawn(name: str) -> bool:
    """Whether a column has a distribution: all columns except texts (window_index)."""
    return name in COLUMNS and COLUMNS[name].dtype != "str"


class Samples:
    """The first pass: a sample of every column."""

    def __init__(self) -> None:
        self.windows = 0
        self.clusters = 0
        self._samples = {level: Sample(SAMPLE) for level in LEVELS}

    def add(self, batch: WindowBatch, names: Collection[str]) -> None:
        """Add the windows of a batch with these columns."""
        sizes = {"window": len(batch), "cluster": len(batch.pair_cluster)}
        for level in LEVELS:
            wanted = {name: batch.column(name) for name in names if COLUMNS[name].level == level}
            self._samples[level].add(wanted, sizes[level])
        self.windows += sizes["window"]
        self.clusters += sizes["cluster"]

    def binnings(self) -> dict[str, Binning]:
        """Bins of every column, by name in the order of the schema."""
        columns = {name: column for sample in self._samples.values() for name, column in sample.columns.items()}
        known = {name: column[column != SENTINEL].astype(np.float64) for name, column in columns.items()}
        return {name: binning_of(known[name]) for name in COLUMNS if name in known}


@dataclass
class Groups:
    """Flavour and label of every window or cluster of a batch.

    Attributes
    ----------
    flavour, label : int64 (n,)
    rows : int64 indices of the windows or clusters for each (flavour, label) that occurs
    """

    flavour: Integers
    label: Integers
    rows: dict[tuple[int, int], Integers]

    @classmethod
    def of(cls, batch: WindowBatch, level: Level) -> Groups:
        flavour, label = group_of(level, batch.names, batch.column, batch.window_of_pair, len(batch))
        pairs, number = np.unique(np.stack([flavour, label], axis=1), axis=0, return_inverse=True)
        found = {(int(f), int(t)): np.flatnonzero(number.reshape(-1) == i) for i, (f, t) in enumerate(pairs)}
        return cls(flavour, label, found)


def group_of(
    level: Level, names: Collection[str], column: Callable[[str], Array], owner: Integers, n: int
) -> tuple[Integers, Integers]:
    """Flavour and label of each window or cluster.

    Parameters
    ----------
    level : of windows or of clusters
    names, column : the columns that there are, and what gives one of them
    owner : int64 (n_clusters,), the window of each cluster
    n : number of windows
    """

    def of(name: str, default: int, n: int) -> Integers:
        return column(name).astype(np.int64) if name in names else np.full(n, default, np.int64)

    flavour, matched = of("flavour", 0, n), of(LABELS["window"], ALL, n)
    if level == "window":
        return flavour, matched
    label = of(LABELS["cluster"], ALL, len(owner))
    return flavour[owner], np.where((matched[owner] == 0) & (label != ALL), UNMATCHED, label)


@dataclass
class Distributions:
    """The second pass: all histograms. binnings : bins of the columns, by name."""

    binnings: dict[str, Binning]
    columns: dict[str, Any] = field(default_factory=dict)
    satellites: dict[str, Any] = field(default_factory=dict)
    moments: dict[tuple[str, int, int], Moments] = field(default_factory=dict)
    seeds: Any = None
    clusters: Any = None
    responses: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        flavour, label = bh.axis.IntCategory([], growth=True), bh.axis.IntCategory([], growth=True)
        for name, binning in self.binnings.items():
            self.columns[name] = bh.Histogram(bh.axis.Variable(binning.edges), flavour, label)
            if name in SHARE_COLUMNS:
                self.satellites[name] = bh.Histogram(bh.axis.Variable(binning.edges), flavour, label)
        self.seeds = bh.Histogram(flavour, label, bh.axis.Variable(SEED_ETA), bh.axis.Variable(SEED_ET))
        kinds = bh.axis.StrCategory([], growth=True)
        self.clusters = bh.Histogram(flavour, label, kinds, bh.axis.Integer(0, 1, growth=True))
        response = bh.axis.Regular(RESPONSE_BINS, 0, HIGHEST_RESPONSE)
        for by, edges in (("seed_eta", ABS_ETA), ("et_true", ET)):
            self.responses[by] = bh.Histogram(flavour, kinds, bh.axis.Variable(edges), response)

    def add(self, batch: WindowBatch) -> None:
        """Add the windows of a batch."""
        groups = {level: Groups.of(batch, level) for level in LEVELS}
        for name, column in {**batch.window, **batch.pair}.items():
            if name in self.columns:
                self._add_column(name, column, groups[COLUMNS[name].level])
        if "is_seed" in batch.pair:
            self._add_satellites(batch, groups["cluster"])
        self._add_seeds(batch, groups["window"])
        self._add_clusters(batch, groups["window"])
        self._add_responses(batch, groups["window"])

    def _add_column(self, name: str, column: Array, groups: Groups) -> None:
        values = column.astype(np.float64)
        known = values != SENTINEL
        self.columns[name].fill(values[known], groups.flavour[known], groups.label[known])
        for (flavour, label), rows in groups.rows.items():
            self.moments.setdefault((name, flavour, label), Moments()).add(values[rows])

    def _add_satellites(self, batch: WindowBatch, groups: Groups) -> None:
        for name, histogram in self.satellites.items():
            if name in batch.pair:
                keep = (batch.pair["is_seed"] == 0) & (batch.pair[name] != SENTINEL)
                histogram.fill(batch.pair[name][keep].astype(np.float64), groups.flavour[keep], groups.label[keep])

    def _add_seeds(self, batch: WindowBatch, groups: Groups) -> None:
        et = next((name for name in ("et_seed_calib", "et_seed") if name in batch.window), None)
        if et and "seed_eta" in batch.window:
            eta = batch.window["seed_eta"].astype(np.float64)
            self.seeds.fill(groups.flavour, groups.label, eta, batch.window[et].astype(np.float64))

    def _add_clusters(self, batch: WindowBatch, groups: Groups) -> None:
        for kind in COUNTED:
            if kind == "all" or kind in batch.pair:
                number = np.diff(batch.window_offsets) if kind == "all" else window_sum(batch, batch.pair[kind])
                self.clusters.fill(groups.flavour, groups.label, kind, number.astype(np.int64))

    def _add_responses(self, batch: WindowBatch, groups: Groups) -> None:
        """Energy over that of the caloparticle, from windows of main clusters: at most one window per caloparticle."""
        good = true_energy(batch)
        if good is None or "seed_eta" not in batch.window:
            return
        by = {"seed_eta": np.abs(batch.window["seed_eta"].astype(np.float64))}
        if f"et_true_{good}" in batch.window:
            by["et_true"] = batch.window[f"et_true_{good}"].astype(np.float64)
        for kind, energy, exists in energies(batch):
            response, rows = response_of(batch, energy, exists)
            for axis, values in by.items():
                inside = np.clip(response[rows], 0, HIGHEST_RESPONSE - 1e-9)  # the last bin has what is above, too
                self.responses[axis].fill(groups.flavour[rows], kind, values[rows], inside)


def true_energy(batch: WindowBatch) -> str | None:
    """The kind of true energy of caloparticles with which energies are compared; None if there is none."""
    return next((name for name in ("sim_good", "sim") if f"en_true_{name}" in batch.window), None)


def response_of(batch: WindowBatch, energy: Floats, exists: Flags) -> tuple[Floats, Flags]:
    """Energy over true energy, (n_windows,), and where there is one: in matched windows of main clusters.

    So there is at most one for each caloparticle. exists : bool (n_windows,), whether there is such an energy
    """
    true = batch.window[f"en_true_{true_energy(batch)}"].astype(np.float64)
    is_main = batch.window.get(LABELS["window"], False) & batch.window.get("is_seed_calo_seed", True)
    used = (true > 0) & exists & (energy != SENTINEL) & is_main
    return np.where(used, energy / np.where(used, true, 1.0), SENTINEL), used


def selected_energy(batch: WindowBatch, selected: Flags) -> Floats:
    """Raw energy of selected clusters in each window [GeV], (n_windows,); the sentinel where one of them has none."""
    energy = batch.column("en_cluster").astype(np.float64)
    has_all = window_sum(batch, selected & (energy == SENTINEL)) == 0
    return np.where(has_all, window_sum(batch, energy * selected), SENTINEL)


def energies(batch: WindowBatch) -> Iterator[tuple[str, Floats, Flags]]:
    """Yield each kind of supercluster with its raw energy [GeV], (n_windows,), and whether it exists, (n_windows,)."""
    for kind, label in zip(SUPERCLUSTERS, ("in_scluster", "in_geom_mustache"), strict=False):
        if {"en_cluster", label} <= batch.pair.keys():
            yield kind, selected_energy(batch, batch.pair[label].astype(np.bool_)), np.ones(len(batch), np.bool_)
    if {"en_mustache_raw", "is_seed_mustache_matched"} <= batch.window.keys():
        energy = batch.window["en_mustache_raw"].astype(np.float64)
        yield SUPERCLUSTERS[2], energy, batch.window["is_seed_mustache_matched"].astype(np.bool_)


NEEDED = frozenset({
    "flavour", *LABELS.values(), *COUNTED[1:], "seed_eta", "et_seed_calib", "et_seed", "en_cluster",
    "en_true_sim_good", "en_true_sim", "et_true_sim_good", "et_true_sim", "is_seed_calo_seed",
    "en_mustache_raw", "is_seed_mustache_matched", "is_seed",
})  # fmt: skip
"""Columns that the other tables need, besides the distributions of single columns."""

Row = tuple[Any, ...]
Counted = tuple[str, int, int, Floats]
"""Column, flavour, label and counts of bins; the first and the last are of what lies outside the bins."""


def tables(found: Distributions) -> dict[str, tuple[tuple[str, ...], list[Row]]]:
    """All histograms as tables.

    Returns
    -------
    For each name of a table, the names of its columns and its rows.
    """
    counted = [each for each in _counts(found.columns) if each[:3] in found.moments]
    names = ("column", "flavour", "label")
    return {
        "columns": (
            (*names, "bins", "values", "no_number", "mean", "std", "below", "above"),
            list(_column_rows(found, counted)),
        ),
        "histograms": ((*names, "low", "high", "count"), list(_bin_rows(found, counted))),
        "satellites": ((*names, "low", "high", "count"), list(_bin_rows(found, _counts(found.satellites)))),
        "seeds": (("flavour", "label", "eta_low", "eta_high", "et_low", "et_high", "count"), list(_cells(found.seeds))),
        "clusters": (("flavour", "label", "kind", "clusters", "windows"), list(_cluster_rows(found))),
        "response": (
            ("by", "flavour", "kind", "low", "high", "response_low", "response_high", "count"),
            [(by, *row) for by, histogram in found.responses.items() for row in _cells(histogram)],
        ),
    }


def _counts(histograms: Mapping[str, Any]) -> Iterator[Counted]:
    """Yield the counts of each column, flavour and label; the order of the data does not matter."""
    for name, histogram in histograms.items():
        _, flavours, labels = histogram.axes
        counts = histogram.values(flow=True)
        groups = ((int(f), -int(t), i, j) for i, f in enumerate(flavours) for j, t in enumerate(labels))
        for flavour, label, i, j in sorted(groups):
            yield name, flavour, -label, counts[:, i, j]


def _column_rows(found: Distributions, counted: Iterable[Counted]) -> Iterator[Row]:
    for name, flavour, label, counts in counted:
        moments = found.moments[name, flavour, label]
        bins = "log" if found.binnings[name].is_log else "even"
        texts = (f"{moments.mean:.9g}", f"{moments.std:.9g}") if moments.n else ("", "")
        yield name, flavour, label, bins, moments.n, moments.no_number, *texts, int(counts[0]), int(counts[-1])


def _bin_rows(found: Distributions, counted: Iterable[Counted]) -> Iterator[Row]:
    for name, flavour, label, counts in counted:
        edges = found.binnings[name].edges.tolist()
        for (low, high), count in zip(pairwise(edges), counts[1:-1].tolist(), strict=True):
            yield name, flavour, label, low, high, int(count)


def _cells(histogram: Any) -> Iterator[Row]:
    """Yield the filled cells of a histogram over two categories and two axes of numbers, sorted."""
    first, second, x, y = histogram.axes
    edges = [shortened(axis.edges, 9).tolist() for axis in (x, y)]
    counts = histogram.values()
    groups = sorted((f, s, i, j) for i, f in enumerate(first) for j, s in enumerate(second))
    for f, s, i, j in groups:
        for m, n in np.argwhere(counts[i, j] > 0).tolist():
            yield f, s, *edges[0][m : m + 2], *edges[1][n : n + 2], int(counts[i, j, m, n])


def _cluster_rows(found: Distributions) -> Iterator[Row]:
    flavours, labels, kinds, sizes = (list(axis) for axis in found.clusters.axes)
    counts = found.clusters.values()
    groups = product(enumerate(flavours), enumerate(labels), enumerate(kinds))
    for flavour, label, kind, *place in sorted((f, t, k, i, j, m) for (i, f), (j, t), (m, k) in groups):
        for n in np.flatnonzero(counts[tuple(place)]).tolist():
            yield flavour, label, kind, int(sizes[n]), int(counts[(*place, n)])
