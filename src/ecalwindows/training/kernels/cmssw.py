"""Features of windows as CMS's reconstruction computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel


@array_kernel
def window_summaries(offsets: Any, seed: Any, values: Any) -> Any:
    """Maximum and minimum, which start from 0, and mean of each column of `values` (n_pairs, n) in each window.

    The mean is a float32 to which value / number is added, the seed's first. seed : its row in each window.
    Returns three float32 (n_windows, n).
    """
    n_windows, n = len(offsets) - 1, values.shape[1]
    high = np.zeros((n_windows, n), np.float32)
    low = np.zeros((n_windows, n), np.float32)
    mean = np.zeros((n_windows, n), np.float32)
    for w in range(n_windows):
        size = offsets[w + 1] - offsets[w]
        for place in range(-1, size):
            row = seed[w] if place < 0 else offsets[w] + place
            if place >= 0 and row == seed[w]:
                continue
            for i in range(n):
                value = values[row, i]
                mean[w, i] = np.float32(np.float64(mean[w, i]) + value / size)
                if value > high[w, i]:
                    high[w, i] = np.float32(value)
                if value < low[w, i]:
                    low[w, i] = np.float32(value)
    return high, low, mean
