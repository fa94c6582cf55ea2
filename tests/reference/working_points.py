"""The working-point study (docs/truth.md): response, effective resolution, and the cost of a map."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]


def response(rows: Sequence[Row], threshold: float) -> float:
    """Raw energy of the main cluster and of the clusters in its window above the threshold, over the true energy.

    rows : matched clusters of a caloparticle, the main cluster first
    """
    total = 0.0
    for row in rows:
        if row["is_seed"] or (row["in_window"] and row["calo_score"] >= threshold):
            total += float(row["en_cluster"])
    return total / float(rows[0]["en_true_sim_good"])


def resolution(responses: Sequence[float]) -> float:
    """(q84 - q16) / 2 over the median."""
    low, middle, high = np.quantile(responses, [0.16, 0.5, 0.84])
    return float((high - low) / 2 / middle)


def smoothest_cost(cost: np.ndarray[Any, Any], level: np.ndarray[Any, Any], stiffness: float, most: int) -> float:
    """The cost of a map: the costs of its bins, and of all pairs of neighbours."""
    n, m = level.shape
    total = 0.0
    for i in range(n):
        for j in range(m):
            total += cost[i, j, level[i, j]]
            for a, b in ((i + 1, j), (i, j + 1)):
                if a < n and b < m:
                    apart = abs(level[i, j] - level[a, b])
                    total += stiffness * apart * apart if apart <= most else np.inf
    return total
