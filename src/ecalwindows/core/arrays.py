"""Names for the types of arrays; offsets of lists of different lengths; memory that is used again."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Words = NDArray[np.uint64]

KEPT_BYTES = 31 * 2**20
"""Of an array that is made and dropped at once: from then on glibc keeps up to twice as many freed bytes for the next
arrays (`M_MMAP_THRESHOLD` in mallopt(3)), as steps, blocks and batches need about the same memory again and again."""


def offsets_of(counts: Any) -> Integers:
    """Where each of some lists of these lengths begins, and the end of the last: int64 (n + 1,)."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(np.asarray(counts, dtype=np.int64), out=offsets[1:])
    return offsets


@cache
def keep_freed_memory() -> None:
    """Have the C library of this process keep memory that is freed: new pages cost time."""
    np.empty(KEPT_BYTES, np.uint8)
