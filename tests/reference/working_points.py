"""The working-point study of truth.md, slow and plain: response, effective resolution, and the best threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]


def response(rows: Sequence[Row], threshold: float) -> float:
    """Raw energy of a caloparticle's main cluster and of the others in its window above the threshold, over the truth.

    rows : its matched clusters, the main one first
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
    """What a map costs: its bins, and all pairs of neighbours."""
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
