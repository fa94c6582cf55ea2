"""Keys of windows, as hashes, and whether a key was seen before: 16 bytes per window stay in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.arrays import Flags, Words
from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.event_hash import event_hash
from ecalwindows.core.kernels.hashing import text_hashes
from ecalwindows.core.sorted_blocks import SortedBlocks
from ecalwindows.dataset.finalizing.identity import IDS, batch_keys

STARTS = (np.uint64(0xCBF29CE484222325), np.uint64(0x9E3779B97F4A7C15))

IDENTITY = (*IDS, "seed_index")


@dataclass(frozen=True)
class Keys:
    """Two independent hashes of each window: 128 bits, so that no two windows have the same by chance."""

    first: Words
    second: Words

    def __len__(self) -> int:
        return len(self.first)


def identity_keys(batch: WindowBatch, sample: str) -> Keys:
    """Keys of (sample, run, lumi, event, seed_index). `sample` : where window_index names none."""
    first = batch_keys(batch, sample)
    numbers = [batch.window[name] for name in IDENTITY]
    second = event_hash(first ^ STARTS[1], *numbers[:3])
    seed = numbers[3].astype(np.int64)
    return Keys(event_hash(first, seed, seed, seed), event_hash(second, seed, seed, seed))


def text_keys(text: Text) -> Keys:
    """Keys of texts."""
    return Keys(*(text_hashes(text.offsets, text.data, start) for start in STARTS))


@dataclass
class SeenWindows:
    """The keys of all windows so far, sorted by the first hash."""

    _blocks: SortedBlocks = field(default_factory=SortedBlocks)

    def again(self, keys: Keys) -> Flags:
        """Which windows were there before, in an earlier batch or in this one; takes them all in. bool (n,)."""
        order = np.lexsort((keys.second, keys.first))
        first, second = keys.first[order], keys.second[order]
        seen = np.zeros(len(first), dtype=np.bool_)
        seen[1:] = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
        for hit, more in self._blocks.found(first):
            seen |= hit & (more == second)
        self._blocks.add(first[~seen], second[~seen])
        result = np.empty(len(seen), dtype=np.bool_)
        result[order] = seen
        return result
