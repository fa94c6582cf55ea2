"""The same event in two inputs: noticed while the inputs stream by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.errors import InputError
from ecalwindows.core.events import Events
from ecalwindows.core.sorted_blocks import SortedBlocks

Keys = NDArray[np.bytes_]


@dataclass
class SeenEvents:
    """Remembers the (run, lumi, event) of a run's inputs: 28 bytes per event."""

    paths: list[str]
    keep_first: bool = False
    _blocks: SortedBlocks = field(default_factory=SortedBlocks)

    def first_time(self, events: Events, file: int) -> NDArray[np.bool_]:
        """Which events were not seen before, bool (n_events,). Raises InputError for others, unless `keep_first`."""
        keys = identity_keys(events)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        again = np.zeros(len(keys), dtype=np.bool_)
        again[1:] = keys[1:] == keys[:-1]
        earlier = np.full(len(keys), file, dtype=np.int32)
        for hit, files in self._blocks.found(keys):
            earlier[hit] = files[hit]
            again |= hit
        if again.any() and not self.keep_first:
            first = int(np.argmax(again))
            row, paths = order[first], (self.paths[earlier[first]], self.paths[file])
            raise InputError(
                f"event {events.event[row]} (run {events.run[row]}, lumi {events.lumi[row]}) is there twice",
                expected="every event once in a sample (event numbers repeat between samples, not within one)",
                where=" and ".join(dict.fromkeys(paths)),
                todo="leave one of the files out, or keep the first of such events with --keep-first-duplicates",
            )
        self._blocks.add(keys[~again], np.full(int((~again).sum()), file, dtype=np.int32))
        is_first = np.empty(len(events), dtype=np.bool_)
        is_first[order] = ~again
        return is_first


def identity_keys(events: Events) -> Keys:
    """(run, lumi, event) as 24 bytes that compare like the numbers."""
    numbers = np.stack([events.run, events.lumi, events.event], axis=1)
    unsigned = numbers.view(np.uint64) ^ np.uint64(1 << 63)
    return np.ascontiguousarray(unsigned.astype(">u8")).view("S24").ravel()
