"""From scores to superclusters, as CMS's reconstruction does it: four strategies on graphs of seeds and clusters.

The rules are those of CMSSW (RecoEcal/EgammaCoreTools, EcalClustersGraph and GraphMap); the code is our own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Integers, Singles, offsets_of
from ecalwindows.core.errors import InputError, SettingsError, near
from ecalwindows.evaluation.kernels import strategies as kernels

STRATEGIES = ("Cascade", "CascadeHighest", "SeedsFirst", "CollectAndMerge")
"""The ways from scores to superclusters; Cascade is the default of CMSSW."""


@dataclass(frozen=True)
class Graphs:
    """Windows of many graphs; a graph holds the candidates that can share clusters, such as those of one event.

    Seeds and clusters are in the order of the reconstruction: decreasing calibrated Et, seeds first.

    Attributes
    ----------
    seed_offsets : int64 (n_graphs + 1,)
        Windows of each graph. Window k of a graph belongs to its cluster k.
    cluster_offsets : int64 (n_graphs + 1,)
        Clusters of each graph.
    edge_offsets : int64 (n_windows + 1,)
        Clusters in each window.
    cluster : int64 (n_edges,)
        The clusters in the windows, counted from 0 within their graph, in the order of the window.
    """

    seed_offsets: Integers
    cluster_offsets: Integers
    edge_offsets: Integers
    cluster: Integers


@dataclass(frozen=True)
class Superclusters:
    """Superclusters of many graphs.

    Attributes
    ----------
    offsets : int64 (n_graphs + 1,)
        Superclusters of each graph.
    window : int64 (n_superclusters,)
        Window whose seed made the supercluster.
    cluster_offsets : int64 (n_superclusters + 1,)
        Clusters of each supercluster.
    cluster : int64 (n,)
        The clusters, counted from 0 within their graph, in the order of collection.
    """

    offsets: Integers
    window: Integers
    cluster_offsets: Integers
    cluster: Integers


def superclusters(
    score: Singles, graphs: Graphs, *, strategy: str = "Cascade", threshold: float = 0.5
) -> Superclusters:
    """Make superclusters of scores.

    Parameters
    ----------
    score : float32 (n_edges,)
        Score in [0, 1] of each cluster in each window.
    graphs : Graphs
        Windows and the clusters in them.
    strategy : str
        One of `STRATEGIES`.
    threshold : float
        Score from which a cluster is taken, above 0 and at most 1; compared in single precision.

    Returns
    -------
    Superclusters
        In the order of the seeds.

    Raises
    ------
    SettingsError
        For an unknown strategy, or a threshold outside (0, 1].
    InputError
        For scores that are not numbers in [0, 1], another number of scores than of clusters in windows, and graphs
        whose offsets or clusters do not fit each other.
    """
    check_strategy(strategy)
    limit = checked_threshold(threshold)
    check_graphs(graphs)
    values = checked_scores(score, len(graphs.cluster))
    own = kernels.own_edges(graphs.seed_offsets, graphs.edge_offsets, graphs.cluster)
    places = (graphs.seed_offsets, graphs.cluster_offsets, graphs.edge_offsets, graphs.cluster)
    if strategy == "SeedsFirst":
        kernels.disable_seeds(graphs.seed_offsets, graphs.edge_offsets, graphs.cluster, values, own, limit)
    if strategy != "Cascade":
        kernels.keep_highest(*places, values)
    made = kernels.collect_and_merge if strategy == "CollectAndMerge" else kernels.cascade
    counts, window, offsets, cluster = made(*places, values, own, limit)
    return Superclusters(offsets_of(counts), window, offsets, cluster)


def check_strategy(strategy: str) -> None:
    """Raise SettingsError for a name that is none of STRATEGIES."""
    if strategy not in STRATEGIES:
        raise SettingsError(
            f"unknown strategy '{strategy}'", expected=near(strategy, STRATEGIES), where="--strategy", todo="correct it"
        )


def checked_threshold(threshold: float) -> np.float32:
    """The threshold in single precision. Raises SettingsError for one outside (0, 1]."""
    if not 0 < np.float32(threshold) <= 1:
        raise SettingsError(
            f"the threshold is {threshold}", expected="a number above 0 and at most 1", where="threshold",
            todo="correct it",
        )  # fmt: skip
    return np.float32(threshold)


def check_graphs(graphs: Graphs) -> None:
    """Raise InputError for graphs whose offsets or clusters do not fit each other: the loops follow them."""
    seeds, clusters, edges = graphs.seed_offsets, graphs.cluster_offsets, graphs.edge_offsets
    for name, offsets in (("seed_offsets", seeds), ("cluster_offsets", clusters), ("edge_offsets", edges)):
        if len(offsets) == 0 or offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise _wrong_graphs(f"{name} do not increase from 0", "offsets that begin with 0 and never decrease")
    if len(seeds) != len(clusters) or len(edges) != seeds[-1] + 1 or edges[-1] != len(graphs.cluster):
        raise _wrong_graphs(
            f"there are seeds of {len(seeds) - 1:,} graphs and clusters of {len(clusters) - 1:,}; "
            f"{seeds[-1]:,} windows, and offsets of {len(edges) - 1:,}; "
            f"{len(graphs.cluster):,} clusters in them, and offsets up to {edges[-1]:,}",
            "the same numbers",
        )
    if (np.diff(seeds) > np.diff(clusters)).any():
        raise _wrong_graphs("a graph has more seeds than clusters", "seeds that are the first clusters of their graph")
    of_edge = np.repeat(np.repeat(np.diff(clusters), np.diff(seeds)), np.diff(edges))
    wrong = np.flatnonzero((graphs.cluster < 0) | (graphs.cluster >= of_edge))
    if len(wrong):
        raise _wrong_graphs(
            f"place {wrong[0]:,} of `cluster` is {graphs.cluster[wrong[0]]}",
            f"a cluster of its graph, which has {of_edge[wrong[0]]:,}",
        )


def _wrong_graphs(found: str, expected: str) -> InputError:
    return InputError(found, expected=expected, where="graphs", todo="correct the graphs")


def checked_scores(score: Singles, n_edges: int) -> Singles:
    """Return a copy of the scores as float32. Raises InputError for scores that are not numbers in [0, 1]."""
    values = np.array(score, dtype=np.float32)
    if values.shape != (n_edges,):
        raise InputError(
            f"there are scores of shape {values.shape}", expected=f"one score per cluster in a window, ({n_edges},)",
            where="scores", todo="give the scores of all clusters in the order of the windows",
        )  # fmt: skip
    wrong = np.flatnonzero(~((values >= 0) & (values <= 1)))
    if len(wrong):
        raise InputError(
            f"{len(wrong):,} scores are outside [0, 1], the first is {values[wrong[0]]}",
            expected="scores between 0 and 1", where=f"score {wrong[0]}",
            todo="apply a sigmoid if the model gives logits, and look for NaN among its inputs",
        )  # fmt: skip
    return values
