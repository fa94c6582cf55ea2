"""Which windows two datasets have in common, and windows that wait for the same window of the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ecalwindows.core.arrays import Integers, Words
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.event_hash import event_hash
from ecalwindows.dataset.reading import sources
from ecalwindows.validation.comparison import taken
from ecalwindows.validation.seen_windows import text_keys

Done = Callable[[sources.File], None]
"""Called when a file is read."""

PHYSICS = ("run_id", "lumi_id", "event_id", "seed_eta", "seed_phi")
KINDS = {"window_index": ("window_index",), "run, lumi, event, seed eta and phi": PHYSICS}
"""Ways to identify a window, and the columns that they need; the first way with a common window is used."""


class Side:
    """One dataset.

    files : its data files; names : columns and hit components that all of them hold
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.files = sources.files_of_record(path, sources.dataset_files(path), sources.dataset_record(path))

    @cached_property
    def by_file(self) -> dict[str, frozenset[str]]:
        """What each file holds; files without windows hold nothing."""
        return {file.path: sources.file_index(file).names for file in self.files}

    @cached_property
    def names(self) -> frozenset[str]:
        """What all files hold."""
        held = [names for names in self.by_file.values() if names]
        return frozenset.intersection(*held) if held else frozenset()

    @property
    def is_single(self) -> bool:
        """Whether float64 columns were stored in float32."""
        return any(file.format == "tfrecord" for file in self.files)

    def batches(self, columns: Collection[str], done: Done) -> Iterator[WindowBatch]:
        """All windows, file by file."""
        for file in self.files:
            yield from sources.file_batches(file, self.by_file[file.path] & frozenset(columns))
            done(file)


@dataclass
class Match:
    """Which windows are common.

    Attributes
    ----------
    kind
        How windows are identified, one of `KINDS`; "" where none is common.
    common
        Sorted keys of the common windows.
    windows
        Windows of A and B.
    only
        Windows that only A has, that only B has.
    repeated
        Windows of A and of B whose key is there twice.
    has_names
        Whether both have the columns of one way; without them nobody knows which windows are common.
    """

    kind: str
    common: Words
    windows: tuple[int, int]
    only: tuple[int, int] = (0, 0)
    repeated: tuple[int, int] = (0, 0)
    has_names: bool = True


def keys(batch: WindowBatch, kind: str) -> Words:
    """The key of each window, uint64 (n,). Two windows share one by chance in 3 of 10,000 pairs of 1e8 windows each.

    Such a pair would be reported as a difference; it never hides one.
    """
    if kind == "window_index":
        return text_keys(batch.window_index).first
    numbers = [batch.window[name] for name in PHYSICS]
    angles = [(column + np.float32(0)).view(np.uint32).astype(np.int64) for column in numbers[3:]]
    first = event_hash(np.uint64(0), *numbers[:3])
    return event_hash(first, angles[0], angles[1], angles[0])


def matched(sides: tuple[Side, Side], done: Done) -> Match:
    """Which windows are common to both."""
    shared = sides[0].names & sides[1].names
    kinds = [kind for kind, needs in KINDS.items() if shared.issuperset(needs)]
    found = [_keys_of(side, kinds, done) for side in sides]
    windows = (found[0][0], found[1][0])
    for kind in kinds:
        unique = [np.unique(side[kind], return_counts=True) for _, side in found]
        common = np.intersect1d(unique[0][0], unique[1][0], assume_unique=True)
        if len(common):
            twice = [values[counts > 1] for values, counts in unique]
            common = np.setdiff1d(common, np.concatenate(twice))
            repeated = [int(counts[counts > 1].sum()) for _, counts in unique]
            only = [n - len(common) - more for n, more in zip(windows, repeated, strict=True)]
            return Match(kind, common, windows, (only[0], only[1]), (repeated[0], repeated[1]))
    return Match("", np.empty(0, np.uint64), windows, windows, has_names=bool(kinds) or not all(windows))


def _keys_of(side: Side, kinds: Collection[str], done: Done) -> tuple[int, dict[str, Words]]:
    """Number of windows of a side, and the keys of all."""
    n, found = 0, {kind: [np.empty(0, np.uint64)] for kind in kinds}
    needs = {name for kind in kinds for name in KINDS[kind]}
    for batch in side.batches(needs or sorted(side.names)[:1], done):
        n += len(batch)
        for kind in kinds if len(batch) else ():
            found[kind].append(keys(batch, kind))
    return n, {kind: np.concatenate(pieces) for kind, pieces in found.items()}


class Waiting:
    """Windows of one side that were not yet read from the other, by their index among the common windows.

    block, row : int32 (n_common,), where each waits; block -1: it does not wait
    """

    def __init__(self, n_common: int) -> None:
        self.block = np.full(n_common, -1, np.int32)
        self.row = np.zeros(n_common, np.int32)
        self.batches: dict[int, WindowBatch] = {}
        self.left: dict[int, int] = {}
        self._next = 0

    def add(self, batch: WindowBatch, number: Integers) -> None:
        """Let windows wait; `number` : of each among the common ones."""
        if len(batch):
            self.batches[self._next], self.left[self._next] = batch, len(batch)
            self.block[number], self.row[number] = self._next, np.arange(len(batch))
            self._next += 1

    def take(self, number: Integers) -> Iterator[tuple[Integers, WindowBatch]]:
        """The waiting ones among these, batch by batch: places in `number`, and their windows in that order."""
        blocks = self.block[number]
        for block in np.unique(blocks[blocks >= 0]).tolist():
            places = np.flatnonzero(blocks == block)
            yield places, taken(self.batches[block], self.row[number[places]].astype(np.int64))
            self.left[block] -= len(places)
            if not self.left[block]:
                del self.batches[block], self.left[block]
        self.block[number] = -1
