"""Loops that find a smooth map: each bin at one of a few levels, as its cost says, with neighbours near each other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel


@array_kernel
def smooth_levels(cost: Any, start: int, stiffness: float, most: int, sweeps: int) -> Any:
    """Levels of low cost: that of each bin plus `stiffness` x (difference of levels)^2 of each pair of neighbours.

    Lines of bins are set to their best levels, given the other lines; sides of the map are shifted as a whole; until
    nothing changes, from one level everywhere. Neighbours never differ by more than `most`.
    cost : float64 (n, m, n_levels). Returns int64 (n, m).
    """
    n, m, n_levels = cost.shape
    turned = np.empty((m, n, n_levels))
    for i in range(n):
        for j in range(m):
            for k in range(n_levels):
                turned[j, i, k] = cost[i, j, k]
    level, other, before = np.empty((n, m), np.int64), np.empty((m, n), np.int64), np.empty((n, m), np.int64)
    for i in range(n):
        for j in range(m):
            level[i, j] = start
    for _ in range(sweeps):
        copy_turned(level, other)
        copy_turned(other, before)
        for i in range(n):
            set_line(cost, level, i, stiffness, most)
        shift_sides(cost, level, stiffness, most)
        copy_turned(level, other)
        for j in range(m):
            set_line(turned, other, j, stiffness, most)
        shift_sides(turned, other, stiffness, most)
        copy_turned(other, level)
        if are_equal(level, before):
            break
    return level


@kernel
def copy_turned(level: Any, other: Any) -> None:
    """Write the levels into a map whose rows are the columns of the first one."""
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            other[j, i] = level[i, j]


@kernel
def are_equal(first: Any, second: Any) -> bool:
    """Whether two maps have the same levels."""
    for i in range(first.shape[0]):
        for j in range(first.shape[1]):
            if first[i, j] != second[i, j]:
                return False
    return True


@kernel
def apart(a: int, b: int, stiffness: float, most: int) -> float:
    """What it costs that two neighbours have levels a and b."""
    return stiffness * (a - b) * (a - b) if abs(a - b) <= most else np.inf


@array_kernel
def set_line(cost: Any, level: Any, i: int, stiffness: float, most: int) -> None:
    """Set row i of `level` to its best levels, given the rows beside it (dynamic programming along the row)."""
    n, m, n_levels = cost.shape
    own = np.empty((m, n_levels))
    for j in range(m):
        for k in range(n_levels):
            own[j, k] = cost[i, j, k]
            if i > 0:
                own[j, k] += apart(k, level[i - 1, j], stiffness, most)
            if i < n - 1:
                own[j, k] += apart(k, level[i + 1, j], stiffness, most)
    came_from = np.zeros((m, n_levels), np.int64)
    for j in range(1, m):
        for k in range(n_levels):
            least, best = np.inf, 0
            for before in range(max(0, k - most), min(n_levels, k + most + 1)):
                value = own[j - 1, before] + apart(k, before, stiffness, most)
                if value < least:
                    least, best = value, before
            own[j, k] += least
            came_from[j, k] = best
    at = 0
    for k in range(1, n_levels):
        if own[m - 1, k] < own[m - 1, at]:
            at = k
    if own[m - 1, at] == np.inf:
        return
    for j in range(m - 1, -1, -1):
        level[i, j] = at
        at = came_from[j, at]


@kernel
def shift_sides(cost: Any, level: Any, stiffness: float, most: int) -> None:
    """Shift the rows from one on (0: all) by the same number of levels, where that costs less."""
    n, m, n_levels = cost.shape
    for first in range(n):
        best, least = 0, -1e-9
        for shift in range(1 - n_levels, n_levels):
            change = 0.0
            for i in range(first, n):
                for j in range(m):
                    k = level[i, j] + shift
                    if 0 <= k < n_levels:
                        change += cost[i, j, k] - cost[i, j, level[i, j]]
                    else:
                        change = np.inf
            if first > 0 and change < np.inf:
                for j in range(m):
                    above, here = level[first - 1, j], level[first, j]
                    change += apart(above, here + shift, stiffness, most) - apart(above, here, stiffness, most)
            if change < least:
                best, least = shift, change
        for i in range(first, n):
            for j in range(m):
                level[i, j] += best
