"""Loop that hashes rows of text."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel

u64 = np.uint64
GOLDEN = u64(0x9E3779B97F4A7C15)


@kernel
def mixed(bits: Any) -> Any:
    """The finalizer of SplitMix64, uint64."""
    bits = (bits ^ (bits >> u64(30))) * u64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> u64(27))) * u64(0x94D049BB133111EB)
    return bits ^ (bits >> u64(31))


@array_kernel
def text_hashes(offsets: Any, data: Any, start: Any) -> Any:
    """FNV-1a of the bytes of each row, started with `start` and mixed at the end (SplitMix64). uint64 (n,)."""
    result = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(offsets) - 1):
        x = np.uint64(start)
        for place in range(offsets[row], offsets[row + 1]):
            x = (x ^ np.uint64(data[place])) * np.uint64(0x100000001B3)
        result[row] = mixed(x)
    return result
