"""Loops of the working-point study: energies kept by a threshold, quantiles, and their bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.core.kernels.hashing import GOLDEN, mixed

POISSON = np.array(
    [0.36787944117144233, 0.7357588823428847, 0.9196986029286058, 0.9810118431238462, 0.9963401531726563,
     0.9994058151824183, 0.9999167588507119, 0.9999897508033253, 0.999998874797402, 0.9999998885745217]
)  # fmt: skip
"""Cumulative Poisson probabilities of mean 1, for 0 .. 9; beyond is 10."""


@kernel
def poisson_weight(key: Any, round_key: Any) -> Any:
    """Bootstrap weight of one event in one round, Poisson of mean 1, from their keys, uint64."""
    uniform = np.float64(mixed((key ^ round_key) + GOLDEN) >> np.uint64(11)) * 2.0**-53
    count = 0
    while count < 10 and uniform >= POISSON[count]:
        count += 1
    return count


@array_kernel
def poisson_weights(key: Any, round_key: Any) -> Any:
    """Bootstrap weights, Poisson of mean 1, that depend on the key of an event and of a round alone.

    key : uint64 (n,); round_key : uint64 (n_rounds,). Returns uint8 (n_rounds, n).
    """
    weights = np.zeros((len(round_key), len(key)), np.uint8)
    for b in range(len(round_key)):
        for i in range(len(key)):
            weights[b, i] = poisson_weight(key[i], round_key[b])
    return weights


@array_kernel
def kept_energies(rows: Any, offsets: Any, energy: Any, level: Any, least: Any) -> Any:
    """For each chosen caloparticle: energy and number of its clusters, the first and those of a level above `least`.

    rows : int64 (n,), caloparticles; offsets : their clusters; energy, level : (n_clusters,); least : int64 (n,)
    Returns float64 (n,), int64 (n,).
    """
    total, number = np.zeros(len(rows)), np.zeros(len(rows), np.int64)
    for i in range(len(rows)):
        begin, end = offsets[rows[i]], offsets[rows[i] + 1]
        for c in range(begin, end):
            if c == begin or level[c] > least[i]:
                total[i] += energy[c]
                number[i] += 1
    return total, number


@array_kernel
def quantiles(values: Any, weights: Any, probabilities: Any) -> Any:
    """Quantiles of sorted values, each repeated `weights` times, as np.quantile does (linear interpolation).

    values (n,), weights (n,) integers, probabilities (m,) increasing. float64 (m,), NaN where all weights are 0.
    """
    result = np.full(len(probabilities), np.nan)
    total = 0
    for i in range(len(weights)):
        total += weights[i]
    if total == 0:
        return result
    i, seen = 0, np.int64(weights[0])
    for m in range(len(probabilities)):
        place = probabilities[m] * (total - 1)
        below = np.int64(np.floor(place))
        while seen <= below:
            i += 1
            seen += weights[i]
        low, high = values[i], values[i]
        if below + 1 < total and seen <= below + 1:
            j = i + 1
            while weights[j] == 0:
                j += 1
            high = values[j]
        result[m] = low + (high - low) * (place - below)
    return result


@array_kernel
def resolutions(response: Any, weights: Any) -> Any:
    """Median and effective resolution, (q84 - q16) / 2 / median, of responses and of each bootstrap round.

    response : float64 (n,); weights : uint8 (n_rounds, n). Returns float64 (2, n_rounds + 1), the sample itself first.
    """
    n_rounds, n = weights.shape
    result = np.full((2, n_rounds + 1), np.nan)
    probabilities = np.array([0.16, 0.5, 0.84])
    order = np.argsort(response)
    values = response[order]
    drawn = np.ones(n, np.uint8)
    for b in range(n_rounds + 1):
        if b > 0:
            for i in range(n):
                drawn[i] = weights[b - 1, order[i]]
        low, middle, high = quantiles(values, drawn, probabilities)
        result[0, b] = middle
        result[1, b] = (high - low) / 2 / middle if middle > 0 else np.nan
    return result


@array_kernel
def scan(rows: Any, offsets: Any, energy: Any, level: Any, true_energy: Any, weights: Any, n_levels: int) -> Any:
    """`resolutions` of the response to each threshold of a scan, and the mean number of clusters kept.

    true_energy : float64 (n,) of the chosen caloparticles; weights : uint8 (n_rounds, n)
    Returns float64 (n_levels, 2, n_rounds + 1), float64 (n_levels,).
    """
    result = np.empty((n_levels, 2, weights.shape[0] + 1))
    kept = np.empty(n_levels)
    before = np.zeros(len(rows), np.int64)
    least, response = np.empty(len(rows), np.int64), np.empty(len(rows))
    found = np.empty((2, weights.shape[0] + 1))
    for k in range(n_levels):
        for i in range(len(rows)):
            least[i] = k
        total, number = kept_energies(rows, offsets, energy, level, least)
        n_kept, is_other = 0, k == 0
        for i in range(len(rows)):
            n_kept += number[i]
            is_other |= number[i] != before[i]
            response[i] = total[i] / true_energy[i]
        kept[k] = n_kept / len(rows)
        if is_other:
            found = resolutions(response, weights)
        for m in range(2):
            for b in range(found.shape[1]):
                result[k, m, b] = found[m, b]
        before = number
    return result, kept
