"""Loops of `features.py`: the functions that come from scalar libm, and sums in a fixed order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel

ZERO, ONE, TEN, ZERO_DIGIT = (np.uint64(number) for number in (0, 1, 10, 48))


@array_kernel
def transverse(energy: Any, eta: Any) -> Any:
    """energy / cosh(eta), float64 (n,)."""
    result = np.empty(len(energy), np.float64)
    for i in range(len(energy)):
        cosh = np.inf if abs(eta[i]) >= 710.0 else math.cosh(eta[i])  # Python's own raises where C's overflows
        result[i] = energy[i] / cosh
    return result


@array_kernel
def log_one_plus(x: Any) -> Any:
    """log(1 + x), NaN where 1 + x is not above 0. float64 (n,)."""
    result = np.full(len(x), np.nan)
    for i in range(len(x)):
        if 1.0 + x[i] > 0:
            result[i] = math.log(1.0 + x[i])
    return result


@array_kernel
def summaries(offsets: Any, value: Any) -> Any:
    """Largest, smallest and sum of the values of each group, added in order; NaN if one is NaN. float64 (3, n)."""
    result = np.zeros((3, len(offsets) - 1))
    for group in range(len(offsets) - 1):
        high, low, total = -np.inf, np.inf, 0.0
        for i in range(offsets[group], offsets[group + 1]):
            high = value[i] if value[i] > high else high
            low = value[i] if value[i] < low else low
            total += value[i]
        if math.isnan(total):
            high, low = np.nan, np.nan
        result[0, group], result[1, group], result[2, group] = high, low, total
    return result


@array_kernel
def first_superclusters(event: Any, seed: Any, supercluster_offsets: Any, seed_index: Any) -> Any:
    """For each window (event, seed within the event): the first supercluster with that seed, over all events, or -1."""
    found = np.full(len(seed), -1, np.int64)
    for w in range(len(seed)):
        for i in range(supercluster_offsets[event[w]], supercluster_offsets[event[w] + 1]):
            if seed_index[i] == seed[w]:
                found[w] = i
                break
    return found


@array_kernel
def in_supercluster(offsets: Any, cluster: Any, supercluster: Any, member_offsets: Any, member: Any) -> Any:
    """For each (window, cluster) pair: whether the cluster (within the event) is in the window's supercluster."""
    inside = np.zeros(len(cluster), np.bool_)
    for w in range(len(supercluster)):
        if supercluster[w] < 0:
            continue
        for pair in range(offsets[w], offsets[w + 1]):
            for i in range(member_offsets[supercluster[w]], member_offsets[supercluster[w] + 1]):
                if member[i] == cluster[pair]:
                    inside[pair] = True
                    break
    return inside


@array_kernel
def joined_numbers(first: Any, numbers: Any) -> Any:
    """Rows of integers as text, '_' between them, after the bytes `first`.

    first: uint8 (k,); numbers: int64 (n, m). Returns (offsets int64 (n + 1,), data uint8).
    """
    offsets = np.zeros(len(numbers) + 1, np.int64)
    data = np.empty(len(numbers) * (len(first) + 21 * numbers.shape[1]), np.uint8)
    digits = np.empty(20, np.uint8)
    place = 0
    for row in range(len(numbers)):
        for i in range(len(first)):
            data[place + i] = first[i]
        place += len(first)
        for column in range(numbers.shape[1]):
            if column > 0:
                data[place] = 95  # _
                place += 1
            number = numbers[row, column]
            if number < 0:
                data[place] = 45  # -
                place += 1
                rest = np.uint64(-(number + 1)) + ONE  # also of the lowest int64, which has no positive one
            else:
                rest = np.uint64(number)
            n = 0
            while n == 0 or rest != ZERO:
                digits[n] = np.uint8(ZERO_DIGIT + rest % TEN)
                rest //= TEN
                n += 1
            for i in range(n):
                data[place + i] = digits[n - 1 - i]
            place += n
        offsets[row + 1] = place
    return offsets, data[:place].copy()
