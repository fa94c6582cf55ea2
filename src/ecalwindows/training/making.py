"""One batch of a stream is made: its windows are found in the order of the epoch, read, and gathered.

A `Maker` is what a worker process gets: it can make any batch of any epoch, and remembers blocks between batches only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from ecalwindows.core.arrays import Integers, keep_freed_memory, offsets_of
from ecalwindows.core.errors import InputError
from ecalwindows.training.flat import FlatBatch, flat_batch, lengths, max_hits
from ecalwindows.training.order import MixedOrder, Order, pieces
from ecalwindows.training.padding import (
    PaddedBatch,
    Padding,
    Pieces,
    Source,
    gathering_source,
    padded_batch,
    without_columns,
)
from ecalwindows.training.plan import Blocks
from ecalwindows.training.sharing import SharedBlocks, may_be_written

ROUNDED = 8
"""Padding to the largest window of a batch is rounded up to a multiple of this."""

Batch = PaddedBatch | FlatBatch
Transform = Callable[[Any], Any]
Layout = Literal["padded", "flat"]


@dataclass(frozen=True)
class Shuffle:
    """How windows are drawn.

    chunks : of each dataset (0: stored order); shares : of a mixture, None for none; repeats : whether shorter datasets
        of a mixture are repeated; bucket : windows of a bucket, 0 for no buckets
    """

    seed: int
    chunks: tuple[int, ...]
    shares: tuple[float, ...] | None = None
    repeats: bool = False
    bucket: int = 0


@dataclass(eq=False)
class Maker:
    """Makes batches.

    blocks : of each dataset; to_batch, to_hits : whether clusters and hits are padded to the largest of the batch
    """

    blocks: tuple[Blocks, ...]
    shuffle: Shuffle
    padding: Padding
    layout: Layout
    to_batch: bool
    to_hits: bool
    transform: Transform | None
    shared: SharedBlocks | None = None
    _order: tuple[int, Order | MixedOrder] | None = field(default=None, repr=False)
    _read: dict[int, tuple[list[Source], Integers]] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_order": None, "_read": {}}

    def order(self, epoch: int) -> Order | MixedOrder:
        """The order of an epoch."""
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, order_of(self.blocks, self.shuffle, epoch)
        return self._order[1]

    def batch(self, epoch: int, start: int, stop: int) -> Any:
        """The windows start, ..., stop - 1 of an epoch as a batch; beyond its end it begins again at the front."""
        order = self.order(epoch)
        ranges = pieces(len(order), start, stop)
        self.forget(self._read.keys() - self.open(epoch, start, stop))
        found = [order.windows(*each) for each in ranges]
        block, row = (np.concatenate([each[i] for each in found]) for i in (0, 1))
        made = self._gathered(self._pieces(block, row), len(block))
        if self.transform and self.padding.computed is None:  # it is not ours, which writes nowhere
            may_be_written()
        return self.transform(made) if self.transform else made

    def open(self, epoch: int, start: int, stop: int) -> frozenset[int]:
        """The blocks of all draws in which these windows are: those worth keeping in memory."""
        order = self.order(epoch)
        return frozenset().union(*(order.open_blocks(*each) for each in pieces(len(order), start, stop)))

    def forget(self, blocks: Iterable[int]) -> None:
        """Have these blocks in memory no more."""
        for block in blocks:
            self._read.pop(block, None)

    def _pieces(self, block: Integers, row: Integers) -> list[tuple[Source, Integers, Integers]]:
        """What is taken of each source; each block is read once as long as it is open."""
        self._load(np.unique(block).tolist())
        taken = []
        by_block = np.argsort(block, kind="stable")
        starts = [0, *(np.flatnonzero(np.diff(block[by_block])) + 1).tolist(), len(block)]
        for start, stop in pairwise(starts if len(block) else []):
            places = by_block[start:stop]
            sources, firsts, rows = self._block(int(block[places[0]]))
            wanted = row[places] if rows is None else rows[row[places]].astype(np.int64)
            if len(sources) == 1:
                taken.append((sources[0], wanted, places))
                continue
            at = np.searchsorted(firsts, wanted, side="right") - 1
            for number in np.unique(at).tolist():
                inside = at == number
                taken.append((sources[number], wanted[inside] - firsts[number], places[inside]))
        return taken

    def _block(self, number: int) -> tuple[list[Source], Integers, Any]:
        """The sources of a block, the first row of each, and the rows selected."""
        blocks, local = self._place(number)
        sources, firsts = self._read[number]
        return sources, firsts, blocks.rows[local]

    def _place(self, number: int) -> tuple[Blocks, int]:
        """The dataset of a block, and its number there."""
        blocks, local = self.blocks[0], number
        for blocks in self.blocks:
            if local < len(blocks.units):
                break
            local -= len(blocks.units)
        return blocks, local

    def _load(self, numbers: list[int]) -> None:
        """Have these blocks in memory; of worker processes each block is read by one."""
        missing = [number for number in numbers if number not in self._read]
        shared = self.shared.get(missing, self._sources) if self.shared and missing else None
        for number in missing:
            sources, firsts = shared[number] if shared else self._sources(number)
            self._read[number] = sources, firsts

    def _sources(self, number: int) -> tuple[list[Source], Integers]:
        """Read a block: its sources, and the first row of each."""
        keep_freed_memory()
        blocks, local = self._place(number)
        scan, columns = blocks.dataset.scan, self.padding.columns
        batches = scan.pieces([blocks.units[local]], columns | {"is_seed"} & scan.names)
        sources = [without_columns(gathering_source(batch, self.padding)) for batch, _ in batches]
        firsts = offsets_of(np.array([len(source.batch) for source in sources], np.int64))
        chosen = blocks.rows[local]
        n = int(blocks.sizes[local]) if chosen is None else int(chosen[-1]) + 1
        if int(firsts[-1]) < n:
            raise InputError(
                f"the file has {firsts[-1]:,} windows where there were {n:,}", expected="the file that was opened",
                where=blocks.units[local][0].path, todo="open it again with open_dataset",
            )  # fmt: skip
        return sources, firsts[:-1]

    def _gathered(self, taken: Pieces, n: int) -> Batch:
        if self.layout == "flat":
            return flat_batch(taken, n, self.padding)
        padding = self.padding
        if self.to_batch:
            padding = replace(padding, clusters=max(_rounded(int(lengths(taken, n).max(initial=0))), 1))
        if self.to_hits:
            padding = replace(padding, hits=max(_rounded(max_hits(taken)), 1))
        return padded_batch(taken, n, padding)


def _rounded(n: int) -> int:
    return -(-n // ROUNDED) * ROUNDED


def order_of(blocks: tuple[Blocks, ...], shuffle: Shuffle, epoch: int) -> Order | MixedOrder:
    """The order of an epoch: datasets one after the other (shuffled together), or mixed with shares."""
    identity = (shuffle.seed, epoch)
    sizes, samples = tuple(each.sizes for each in blocks), tuple(each.samples for each in blocks)
    if shuffle.shares is not None:
        return MixedOrder(sizes, samples, shuffle.chunks, identity, shuffle.shares, shuffle.repeats)
    firsts = np.cumsum([0, *(int(each.max()) + 1 for each in samples)])
    together = np.concatenate([each + first for each, first in zip(samples, firsts, strict=False)])
    lengths = np.concatenate([each.lengths for each in blocks]) if shuffle.bucket else None
    return Order(np.concatenate(sizes), together, shuffle.chunks[0], identity, shuffle.bucket, lengths)
