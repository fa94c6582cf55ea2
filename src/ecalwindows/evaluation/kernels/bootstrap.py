"""Loops of `evaluation/measuring.py`: median, widths and tails of responses, with bootstrap rounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.studies.kernels.resolution import poisson_weight, quantiles

SHARE = 0.683
"""Share of the entries in the shortest interval."""

TAIL = 3.0
"""Values further from the median than this number of half intervals are in the tails."""


@kernel
def round_weights(key: Any, round_key: Any, weights: Any) -> None:
    """Fill `weights`, uint8 (n,), with the Poisson weights of one round: as `resolution.poisson_weights` has them."""
    for i in range(len(key)):
        weights[i] = poisson_weight(key[i], round_key)


@kernel
def shortest_interval(values: Any, weights: Any) -> Any:
    """The length of the shortest interval with `SHARE` of sorted values, each of which counts `weights` times."""
    total = 0
    for i in range(len(weights)):
        total += weights[i]
    if total == 0:
        return np.nan
    wanted = np.int64(np.ceil(SHARE * total))
    best, end, inside = np.inf, 0, 0
    for begin in range(len(values)):
        while end < len(values) and inside < wanted:
            inside += weights[end]
            end += 1
        if inside < wanted:
            break
        if weights[begin] > 0:
            best = min(best, values[end - 1] - values[begin])
        inside -= weights[begin]
    return best


@kernel
def share_beyond(values: Any, weights: Any, middle: Any, distance: Any) -> Any:
    """Return the share of weighted values that are further from `middle` than `distance`."""
    total, beyond = 0, 0
    for i in range(len(values)):
        total += weights[i]
        if abs(values[i] - middle) > distance:
            beyond += weights[i]
    return beyond / total if total else np.nan


@array_kernel
def responses(response: Any, key: Any, round_keys: Any) -> Any:
    """Measure responses of several collections in the sample and in each bootstrap round, with the same weights.

    response : float64 (n_collections, n), numbers; key : uint64 (n,), of the events; round_keys : uint64 (n_rounds,)

    Returns float64 (n_collections, 4, n_rounds + 1), the sample first: median; (q84 - q16) / 2 / median; half of the
    shortest interval with 68.3 %; share beyond three times that half, measured from the median. NaN without entries.
    """
    n_collections, n = response.shape
    result = np.full((n_collections, 4, len(round_keys) + 1), np.nan)
    probabilities = np.array([0.16, 0.5, 0.84])
    order, values = np.empty((n_collections, n), np.int64), np.empty((n_collections, n))
    for c in range(n_collections):
        places = np.argsort(response[c])
        for i in range(n):
            order[c, i], values[c, i] = places[i], response[c, places[i]]
    weights, drawn = np.ones(n, np.uint8), np.ones(n, np.uint8)
    for b in range(len(round_keys) + 1):
        if b > 0:
            round_weights(key, round_keys[b - 1], weights)
        for c in range(n_collections):
            for i in range(n):
                drawn[i] = weights[order[c, i]]
            low, middle, high = quantiles(values[c], drawn, probabilities)
            half = shortest_interval(values[c], drawn) / 2
            result[c, 0, b] = middle
            result[c, 1, b] = (high - low) / 2 / middle if middle > 0 else np.nan
            result[c, 2, b] = half
            result[c, 3, b] = share_beyond(values[c], drawn, middle, TAIL * half)
    return result


@array_kernel
def means(values: Any, key: Any, round_keys: Any) -> Any:
    """Mean of each row of `values` in the sample and in each round; entries with NaN are left out.

    values : float64 (n_rows, n); key : uint64 (n,), of the events; round_keys : uint64 (n_rounds,)

    Returns float64 (n_rows, n_rounds + 1), the sample first; NaN without entries.
    """
    n_rows, n = values.shape
    result = np.full((n_rows, len(round_keys) + 1), np.nan)
    weights = np.ones(n, np.uint8)
    for b in range(len(round_keys) + 1):
        if b > 0:
            round_weights(key, round_keys[b - 1], weights)
        for row in range(n_rows):
            total, entries = 0.0, 0
            for i in range(n):
                if not np.isnan(values[row, i]):
                    total += weights[i] * values[row, i]
                    entries += weights[i]
            if entries > 0:
                result[row, b] = total / entries
    return result


@array_kernel
def separations(score: Any, is_true: Any, energy: Any, selected: Any, key: Any, round_keys: Any) -> Any:
    """Area under the ROC curve, precision and recall of clusters, and the same weighted by energy, with rounds.

    score : float32 (n,), decreasing; is_true, selected : bool (n,); energy : float64 (n,); key : uint64 (n,)
    Returns float64 (6, n_rounds + 1), the sample first; equal scores count half in the areas; NaN where undefined.
    """
    n = len(score)
    result = np.full((6, len(round_keys) + 1), np.nan)
    weights = np.ones(n, np.uint8)
    for b in range(len(round_keys) + 1):
        if b > 0:
            round_weights(key, round_keys[b - 1], weights)
        for kind in range(2):
            true = other = area = chosen = both = 0.0
            i = 0
            while i < n:
                group_true = group_other = 0.0
                value = score[i]
                while i < n and score[i] == value:
                    weight = weights[i] * (energy[i] if kind == 1 else 1.0)
                    if is_true[i]:
                        group_true += weight
                        if selected[i]:
                            both += weight
                    else:
                        group_other += weight
                    if selected[i]:
                        chosen += weight
                    i += 1
                area += group_other * (true + group_true / 2)
                true += group_true
                other += group_other
            if true > 0 and other > 0:
                result[3 * kind, b] = area / (true * other)
            if chosen > 0:
                result[3 * kind + 1, b] = both / chosen
            if true > 0:
                result[3 * kind + 2, b] = both / true
    return result
