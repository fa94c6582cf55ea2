"""Loop that follows indices into rows of variable length."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel


@array_kernel
def gathered_rows(offsets: Any, rows: Any) -> Any:
    """Where the items of the chosen rows are.

    offsets: int64 (n + 1,); rows: int64 (m,). Returns (new offsets int64 (m + 1,), index of each item int64).
    """
    new_offsets = np.zeros(len(rows) + 1, np.int64)
    for i in range(len(rows)):
        new_offsets[i + 1] = new_offsets[i] + offsets[rows[i] + 1] - offsets[rows[i]]
    index = np.empty(new_offsets[-1], np.int64)
    for i in range(len(rows)):
        for k in range(new_offsets[i + 1] - new_offsets[i]):
            index[new_offsets[i] + k] = offsets[rows[i]] + k
    return new_offsets, index
