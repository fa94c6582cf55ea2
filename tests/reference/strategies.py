"""Reference implementation of the four ways from scores to superclusters: dictionaries and plain loops.

Written from the facts about CMSSW's graph collection (RecoEcal/EgammaCoreTools, EcalClustersGraph and GraphMap).
"""

from __future__ import annotations

Edge = tuple[int, int, float]
Superclusters = list[tuple[int, list[int]]]


class Graph:
    """Scores s(seed, cluster) in the order of the windows."""

    def __init__(self, n_seeds: int, n_clusters: int, edges: list[Edge], threshold: float) -> None:
        self.n_seeds, self.n_clusters, self.threshold = n_seeds, n_clusters, threshold
        self.windows: list[dict[int, float]] = [{} for _ in range(n_seeds)]
        for seed, cluster, score in edges:
            self.windows[seed][cluster] = score

    def own(self, cluster: int) -> float:
        """Score of a seed in its own window; 0 for what is no seed."""
        return self.windows[cluster].get(cluster, 0.0) if cluster < self.n_seeds else 0.0


def keep_highest(graph: Graph) -> None:
    for cluster in range(graph.n_seeds, graph.n_clusters):
        holding = [seed for seed in range(graph.n_seeds) if cluster in graph.windows[seed]]
        if holding:
            best = max(holding, key=lambda seed: (graph.windows[seed][cluster], -seed))
            if graph.windows[best][cluster] > 0:
                for seed in holding:
                    if seed != best:
                        graph.windows[seed][cluster] = 0.0


def cascade(graph: Graph) -> Superclusters:
    found = []
    for seed in range(graph.n_seeds):
        if graph.own(seed) < graph.threshold:
            continue
        collected = [cluster for cluster, score in graph.windows[seed].items() if score >= graph.threshold]
        for cluster in collected:
            for other in range(graph.n_seeds):
                if cluster in graph.windows[other] and (other != seed or cluster == seed):
                    graph.windows[other][cluster] = 0.0
        found.append((seed, collected))
    return found


def cascade_highest(graph: Graph) -> Superclusters:
    keep_highest(graph)
    return cascade(graph)


def seeds_first(graph: Graph) -> Superclusters:
    for seed in range(graph.n_seeds):
        if graph.own(seed) < graph.threshold:
            continue
        for other, score in list(graph.windows[seed].items()):
            if other != seed and graph.own(other) > 0 and score > graph.threshold:
                graph.windows[other] = dict.fromkeys(graph.windows[other], 0.0)
    return cascade_highest(graph)


def collect_and_merge(graph: Graph) -> Superclusters:
    keep_highest(graph)
    nodes: dict[int, list[int]] = {}
    linked: dict[int, list[int]] = {}
    for seed in range(graph.n_seeds):
        if graph.own(seed) < graph.threshold:
            continue
        others = [cluster for cluster in graph.windows[seed] if cluster != seed and graph.own(cluster) > 0]
        linked[seed] = others
        nodes[seed] = [
            cluster
            for cluster, score in graph.windows[seed].items()
            if score >= graph.threshold and cluster not in others
        ]
    found = []
    for seed in nodes:
        if graph.own(seed) < graph.threshold:
            continue
        collected = list(nodes[seed])
        for other in linked[seed]:
            if graph.own(other) > graph.threshold and graph.windows[seed][other] > graph.threshold:
                collected += nodes[other]
                graph.windows[other][other] = 0.0
        graph.windows[seed][seed] = 0.0
        found.append((seed, collected))
    return found


STRATEGIES = {
    "Cascade": cascade,
    "CascadeHighest": cascade_highest,
    "SeedsFirst": seeds_first,
    "CollectAndMerge": collect_and_merge,
}
