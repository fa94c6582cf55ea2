"""Loops over the simulated energy around seeds: where it lies, what windows hold, the smallest box for a share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel


@kernel
def add_points(
    place: Any, offsets: Any, deta: Any, dphi: Any, share: Any, same_side: Any, low: float, steps: Any, grid: Any
) -> None:
    """Add the shares of points to grids in (deta, dphi), in place; points beyond and on the other side are left out.

    place : int64 (n,), grid of each caloparticle; offsets : its points; share : int64 (n_points,)
    low : least deta; steps : (2,), width of a cell in deta and dphi; grid : int64 (n_grids, n_deta, n_dphi)
    """
    for row in range(len(place)):
        for point in range(offsets[row], offsets[row + 1]):
            if not same_side[point]:
                continue
            i = np.int64(np.floor((deta[point] - low) / steps[0]))
            j = np.int64(np.floor(dphi[point] / steps[1]))
            if 0 <= i < grid.shape[1] and 0 <= j < grid.shape[2]:
                grid[place[row], i, j] += share[point]


@array_kernel
def shares_inside(offsets: Any, deta: Any, dphi: Any, share: Any, same_side: Any, bounds: Any) -> Any:
    """Share of each caloparticle that lies in its window, int64 (n,). bounds : up, down and width, (3, n)."""
    inside = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(offsets) - 1):
        for point in range(offsets[row], offsets[row + 1]):
            if same_side[point] and bounds[1, row] <= deta[point] <= bounds[0, row] and dphi[point] <= bounds[2, row]:
                inside[row] += share[point]
    return inside


@kernel
def smallest_box(below: Any, zero: int, wanted: float) -> Any:
    """The box around the seed of smallest area that holds `wanted`: (first, last, width) as numbers of cell edges.

    below : (n_deta + 1, n_dphi + 1), what lies below edge i in deta and below edge j in dphi; zero : edge at deta 0
    Among boxes of one area the first in deta counts. (-1, -1, -1) where none holds it.
    """
    first, last, width = -1, -1, -1
    smallest = np.inf
    n_dphi = below.shape[1] - 1
    for i in range(zero):
        for j in range(zero + 1, below.shape[0]):
            if below[j, n_dphi] - below[i, n_dphi] < wanted:
                continue
            low, high = 0, n_dphi
            while high - low > 1:
                middle = (low + high) // 2
                if below[j, middle] - below[i, middle] >= wanted:
                    high = middle
                else:
                    low = middle
            if (j - i) * high < smallest:
                smallest = float((j - i) * high)
                first, last, width = i, j, high
    return first, last, width
