"""A growing memory of keys: a few sorted blocks, so that adding and looking up many keys at once are both cheap."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ecalwindows.core.arrays import Array, Flags


class SortedBlocks:
    """Keys with one value for each. Keys are NumPy arrays of one sortable dtype, shape (n,), and so are values."""

    def __init__(self) -> None:
        self._blocks: list[tuple[Array, Array]] = []

    def found(self, keys: Array) -> Iterator[tuple[Flags, Array]]:
        """For each block: which keys it has, bool (n,), and the values at their places, shape (n,)."""
        for known, values in self._blocks:
            place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
            yield known[place] == keys, values[place]

    def add(self, keys: Array, values: Array) -> None:
        """Add sorted new keys; blocks of similar size are merged, so that few are searched."""
        while self._blocks and len(self._blocks[-1][0]) <= 2 * len(keys):
            more_keys, more_values = self._blocks.pop()
            keys, values = np.concatenate([more_keys, keys]), np.concatenate([more_values, values])
            order = np.argsort(keys, kind="stable")
            keys, values = keys[order], values[order]
        if len(keys):
            self._blocks.append((keys, values))
