"""The four ways from scores to superclusters: small graphs, and the reference implementation on any graph."""

from __future__ import annotations

import dataclasses
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import strategies as slow

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.evaluation.strategies import STRATEGIES, Graphs, superclusters

Edge = tuple[int, int, float]
CMS_GRAPHS = Path(__file__).parents[3] / "shared" / "data" / "superclusters.ndjson.gz"
"""Graphs with the superclusters of CMS's own code; they have no licence and are not part of this repository."""


def arrays(graphs: list[dict[str, Any]]) -> tuple[np.ndarray, Graphs]:
    """The scores and the windows of graphs with `n_seeds`, `n_clusters` and `edges`."""
    sizes, clusters, scores = [], [], []
    for graph in graphs:
        for seed in range(graph["n_seeds"]):
            inside = [(cluster, score) for owner, cluster, score in graph["edges"] if owner == seed]
            sizes.append(len(inside))
            clusters += [cluster for cluster, _ in inside]
            scores += [score for _, score in inside]

    def offsets(numbers: list[int]) -> np.ndarray:
        return np.cumsum([0, *numbers], dtype=np.int64)

    found = Graphs(
        offsets([graph["n_seeds"] for graph in graphs]), offsets([graph["n_clusters"] for graph in graphs]),
        offsets(sizes), np.array(clusters, np.int64),
    )  # fmt: skip
    return np.array(scores, np.float32), found


def lists(graphs: list[dict[str, Any]], strategy: str, threshold: float) -> list[list[tuple[int, list[int]]]]:
    """The superclusters of each graph as seeds and lists of clusters."""
    score, windows = arrays(graphs)
    made = superclusters(score, windows, strategy=strategy, threshold=threshold)
    found = []
    for graph in range(len(graphs)):
        inside = range(made.offsets[graph], made.offsets[graph + 1])
        found.append(
            [
                (
                    int(made.window[i] - windows.seed_offsets[graph]),
                    made.cluster[made.cluster_offsets[i] : made.cluster_offsets[i + 1]].tolist(),
                )
                for i in inside
            ]
        )
    return found


def graph_of(n_seeds: int, n_clusters: int, *edges: Edge) -> dict[str, Any]:
    return {"n_seeds": n_seeds, "n_clusters": n_clusters, "edges": list(edges)}


BOTH_WANT_2 = graph_of(2, 3, (0, 0, 0.9), (0, 2, 0.6), (1, 1, 0.9), (1, 2, 0.8))
SEED_IN_WINDOW = graph_of(2, 3, (0, 0, 0.9), (0, 1, 0.7), (0, 2, 0.1), (1, 1, 0.8), (1, 2, 0.9))


@pytest.mark.parametrize(
    ("graph", "strategy", "expected"),
    [
        pytest.param(BOTH_WANT_2, "Cascade", [(0, [0, 2]), (1, [1])], id="cascade: the first seed takes it"),
        pytest.param(BOTH_WANT_2, "CascadeHighest", [(0, [0]), (1, [1, 2])], id="highest: the better score takes it"),
        pytest.param(SEED_IN_WINDOW, "Cascade", [(0, [0, 1])], id="a seed that is taken makes no supercluster"),
        pytest.param(SEED_IN_WINDOW, "SeedsFirst", [(0, [0, 1])], id="the window of a seed that is taken is void"),
        pytest.param(SEED_IN_WINDOW, "CollectAndMerge", [(0, [0, 1, 2])], id="a seed that is taken brings its own"),
        pytest.param(graph_of(1, 1, (0, 0, 0.4)), "Cascade", [], id="a seed below the threshold"),
        pytest.param(graph_of(1, 1, (0, 0, 0.5)), "Cascade", [(0, [0])], id="a seed at the threshold"),
        pytest.param(graph_of(0, 2), "CollectAndMerge", [], id="no seed"),
    ],
)
def test_superclusters_of_small_graphs(graph: dict[str, Any], strategy: str, expected: Any) -> None:
    assert lists([graph], strategy, 0.5) == [expected]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    n_seeds = draw(st.integers(0, 5))
    n_clusters = n_seeds + draw(st.integers(0, 4))
    score = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5000000596046448, 0.7, 1.0])
    edges = []
    for seed in range(n_seeds):
        others = [cluster for cluster in range(n_clusters) if cluster != seed]
        inside = sorted(draw(st.sets(st.sampled_from(others)))) if others else []
        if draw(st.integers(0, 9)):
            inside = [seed, *inside]
        edges += [(seed, cluster, draw(score)) for cluster in inside]
    return graph_of(n_seeds, n_clusters, *edges)


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(st.lists(graphs(), max_size=4), st.sampled_from([0.3, 0.5, 0.7]))
def test_any_graphs_give_what_the_reference_gives(strategy: str, many: list[dict[str, Any]], threshold: float) -> None:
    limit = float(np.float32(threshold))
    expected = []
    for graph in many:
        edges = [(seed, cluster, float(np.float32(score))) for seed, cluster, score in graph["edges"]]
        reference = slow.Graph(graph["n_seeds"], graph["n_clusters"], edges, limit)
        expected.append(slow.STRATEGIES[strategy](reference))
    assert lists(many, strategy, threshold) == expected


@pytest.mark.skipif(not CMS_GRAPHS.is_file(), reason="needs the graphs of CMS, which are not in the repository")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_graphs_of_cms_give_its_superclusters(strategy: str) -> None:
    with gzip.open(CMS_GRAPHS, "rt") as text:
        many = [json.loads(line) for line in text]
    for threshold in sorted({graph["threshold"] for graph in many}):
        some = [graph for graph in many if graph["threshold"] == threshold]
        expected = [[(seed, clusters) for seed, clusters in graph["superclusters"][strategy]] for graph in some]
        assert lists(some, strategy, threshold) == expected


@pytest.mark.parametrize(
    ("scores", "found"),
    [
        pytest.param([1.5], "outside [0, 1], the first is 1.5", id="above 1"),
        pytest.param([-0.1], "outside [0, 1], the first is -0.1", id="below 0"),
        pytest.param([np.nan], "outside [0, 1], the first is nan", id="not a number"),
        pytest.param([0.5, 0.5], "scores of shape (2,)", id="too many"),
    ],
)
def test_scores_that_mean_nothing_are_refused(scores: list[float], found: str) -> None:
    _, windows = arrays([graph_of(1, 1, (0, 0, 0.9))])
    with pytest.raises(InputError) as error:
        superclusters(np.array(scores, np.float32), windows)
    assert found in error.value.found


def test_scores_are_not_changed() -> None:
    score, windows = arrays([SEED_IN_WINDOW])
    before = score.copy()
    superclusters(score, windows, strategy="CollectAndMerge")
    assert score.tolist() == before.tolist()


def test_unknown_strategies_and_thresholds_are_refused() -> None:
    score, windows = arrays([SEED_IN_WINDOW])
    with pytest.raises(SettingsError) as error:
        superclusters(score, windows, strategy="cascade")
    assert "Cascade" in error.value.expected
    with pytest.raises(SettingsError):
        superclusters(score, windows, threshold=0.0)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param({"cluster": [0, 3, 1, 2]}, "place 1 of `cluster` is 3", id="a cluster of another graph"),
        pytest.param({"cluster": [0, -1, 1, 2]}, "place 1 of `cluster` is -1", id="a negative cluster"),
        pytest.param({"cluster": [0, 2, 1]}, "3 clusters in them, and offsets up to 4", id="too few clusters"),
        pytest.param({"edge_offsets": [0, 2]}, "2 windows, and offsets of 1", id="a window without offsets"),
        pytest.param({"edge_offsets": [0, 5, 4]}, "edge_offsets do not increase", id="decreasing offsets"),
        pytest.param({"seed_offsets": [1, 2]}, "seed_offsets do not increase from 0", id="offsets not from 0"),
        pytest.param({"cluster_offsets": [0, 1]}, "more seeds than clusters", id="more seeds than clusters"),
        pytest.param({"cluster_offsets": [0, 3, 4]}, "1 graphs and clusters of 2", id="clusters of more graphs"),
    ],
)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_graphs_that_do_not_fit_are_refused_and_not_followed(
    change: dict[str, list[int]], found: str, strategy: str
) -> None:
    score, good = arrays([BOTH_WANT_2])
    wrong = dataclasses.replace(good, **{name: np.array(values, np.int64) for name, values in change.items()})
    with pytest.raises(InputError, match=re.escape(found)):
        superclusters(score, wrong, strategy=strategy)


def test_a_threshold_that_is_0_in_single_precision_is_refused() -> None:
    with pytest.raises(SettingsError, match="the threshold is 1e-60"):
        superclusters(*arrays([BOTH_WANT_2]), threshold=1e-60)
