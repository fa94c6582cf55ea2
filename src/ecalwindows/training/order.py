"""Which window is the k-th of an epoch: a pure function of the sizes of blocks, the seed and the epoch.

A block is what is read at a time (a row group). Windows are drawn in *chunks*: the blocks of each sample are brought
in a random order, and chunk p of P takes from each sample the windows floor(p n / P) to floor((p + 1) n / P) of its n
windows, and puts all of them in a random order. So each chunk holds the samples in proportion, and reads about one
P-th of all blocks. With one chunk the permutation is exact. Random orders are sorted SplitMix64 hashes of (seed,
epoch, purpose, number): no version of a library changes them.

With buckets of b windows, the places k b, ..., (k + 1) b - 1 of the epoch hold windows of similar length: the windows
of a chunk are sorted by length (those of the same length are in random order) and given to one bucket after the other;
buckets are in random order, and so are the windows in each. The size of batches does not change this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Integers, offsets_of
from ecalwindows.core.event_hash import hash_chain

BLOCKS, WINDOWS, BUCKETS = 1, 2, 3
"""Purposes of random orders."""


def permutation(n: int, *identity: int) -> Integers:
    """A random order of n things that depends on `identity` alone, int64 (n,)."""
    key = hash_chain(np.zeros(1, np.uint64), *(np.array([number], np.int64) for number in identity))
    return np.argsort(hash_chain(np.repeat(key, n), np.arange(n)), kind="stable").astype(np.int64)


@dataclass(frozen=True)
class Order:
    """The order of all windows of some blocks in one epoch.

    sizes : windows of each block, int64 (n_blocks,)
    samples : the sample of each block as a number from 0 on, int64 (n_blocks,)
    chunks : number of chunks of a shuffle; 0 for the order in which the windows are stored
    identity : seed, epoch and, of a dataset that is repeated, the number of the repetition
    bucket : windows of a bucket, 0 for no buckets; lengths : of each window, block after block, where there are buckets
    """

    sizes: Integers
    samples: Integers
    chunks: int
    identity: tuple[int, ...]
    bucket: int = 0
    lengths: NDArray[np.uint16] | None = field(default=None, repr=False)
    _last: dict[int, tuple[Integers, Integers]] = field(default_factory=dict, compare=False, repr=False)

    def __len__(self) -> int:
        return int(self.bounds[-1])

    @cached_property
    def bounds(self) -> Integers:
        """First window of each chunk in the epoch, and the number of all windows: int64 (n_chunks + 1,)."""
        if not self.chunks:
            return offsets_of(self.sizes)
        starts = [sum(first for _, _, first, _ in self._shares(part)) for part in range(self.chunks + 1)]
        return np.array(starts, dtype=np.int64)

    @cached_property
    def _by_sample(self) -> list[tuple[Integers, Integers]]:
        """Of each sample its blocks in random order, and how many of its windows are in them up to each block."""
        found = []
        for sample in range(int(self.samples.max(initial=-1)) + 1):
            blocks = np.flatnonzero(self.samples == sample)
            blocks = blocks[permutation(len(blocks), *self.identity, BLOCKS, sample)]
            found.append((blocks, np.cumsum(self.sizes[blocks], dtype=np.int64)))
        return found

    def _shares(self, number: int) -> Iterator[tuple[Integers, Integers, int, int]]:
        """Of each sample what `_by_sample` gives, and the range of its windows that is in a chunk."""
        for blocks, ends in self._by_sample:
            total = int(ends[-1]) if len(ends) else 0
            yield blocks, ends, number * total // self.chunks, (number + 1) * total // self.chunks

    def chunk(self, number: int) -> tuple[Integers, Integers]:
        """The windows of a chunk in order: block, and row among those selected of the block; both int64 (n,)."""
        if not self.chunks:
            n = int(self.sizes[number])
            return np.full(n, number, np.int64), np.arange(n)
        if number not in self._last:
            while len(self._last) > 1:
                del self._last[next(iter(self._last))]
            self._last[number] = self._drawn(number)
        return self._last[number]

    def _drawn(self, number: int) -> tuple[Integers, Integers]:
        parts = []
        for blocks, ends, first, stop in self._shares(number):
            place = np.arange(first, stop)
            at = np.searchsorted(ends, place, side="right")
            parts.append((blocks[at], place - (ends - self.sizes[blocks])[at]))
        block, row = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
        order = permutation(len(block), *self.identity, WINDOWS, number)
        if self.bucket and self.lengths is not None:
            starts = np.cumsum(self.sizes) - self.sizes
            order = order[self._in_buckets(self.lengths[starts[block] + row][order], number)]
        return block[order], row[order]

    def _in_buckets(self, lengths: NDArray[np.uint16], number: int) -> Integers:
        """The order that brings the windows of a chunk, which are in random order, into buckets: int64 (n,)."""
        first = int(self.bounds[number])
        bucket = np.arange(first, first + len(lengths)) // self.bucket - first // self.bucket
        given = np.argsort(permutation(int(bucket.max(initial=-1)) + 1, *self.identity, BUCKETS, number))
        places = np.argsort(given[bucket], kind="stable")
        of_window = np.empty_like(bucket)
        of_window[np.argsort(lengths, kind="stable")] = bucket[places]
        return np.argsort(of_window, kind="stable")

    def windows(self, start: int, stop: int) -> tuple[Integers, Integers]:
        """The windows start, ..., stop - 1 of the epoch: block and row, both int64 (n,)."""
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for number in self._touched(start, stop):
            first = int(self.bounds[number])
            piece = slice(max(start - first, 0), stop - first)
            block, row = self.chunk(number)
            parts.append((block[piece], row[piece]))
        return np.concatenate([block for block, _ in parts]), np.concatenate([row for _, row in parts])

    def open_blocks(self, start: int, stop: int) -> frozenset[int]:
        """The blocks of all chunks in which these windows are: those worth keeping in memory."""
        return frozenset().union(*(self._blocks_of_chunk(number) for number in self._touched(start, stop)))

    def _blocks_of_chunk(self, number: int) -> frozenset[int]:
        """The blocks with windows of a chunk: of each sample those from its first to its last window there."""
        if not self.chunks:
            return frozenset([number])
        found: list[int] = []
        for blocks, ends, first, stop in self._shares(number):
            if first < stop:
                begin, end = np.searchsorted(ends, [first, stop - 1], side="right")
                found += [block for block in blocks[begin : end + 1].tolist() if self.sizes[block]]
        return frozenset(found)

    def _touched(self, start: int, stop: int) -> range:
        """The chunks in which the windows start, ..., stop - 1 are."""
        if start >= stop:
            return range(0)
        first = int(np.searchsorted(self.bounds, start, side="right")) - 1
        return range(first, int(np.searchsorted(self.bounds, stop, side="left")))


@dataclass(frozen=True)
class MixedOrder:
    """Several datasets with exact shares: window j of dataset d has the time (j + 1/2) / share[d]; time sorts them.

    So among the first k windows there are k x share of a dataset up to rounding, wherever a batch begins or ends.

    sizes, samples, chunks, identity : as of `Order`, one per dataset
    shares : of each dataset, above 0, with the sum 1
    repeats : False ends the epoch when the first dataset is used up; True repeats datasets, each time in another order,
        until all windows of all of them were given
    """

    sizes: tuple[Integers, ...]
    samples: tuple[Integers, ...]
    chunks: tuple[int, ...]
    identity: tuple[int, ...]
    shares: tuple[float, ...]
    repeats: bool
    _orders: dict[tuple[int, int], Order] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def _n(self) -> int:
        totals = [int(size.sum()) for size in self.sizes]
        if not all(totals):
            return 0
        if self.repeats:
            last = max(((n - 0.5) / share, d) for d, (n, share) in enumerate(zip(totals, self.shares, strict=True)))
            return sum(self._before(d, *last) for d in range(len(totals))) + 1
        first = min(((n + 0.5) / share, d) for d, (n, share) in enumerate(zip(totals, self.shares, strict=True)))
        return sum(self._before(d, *first) for d in range(len(totals)))

    def __len__(self) -> int:
        return self._n

    def _before(self, dataset: int, time: float, other: int) -> int:
        """How many windows of a dataset come before a time; of equal times that of the lower dataset is first."""
        share = self.shares[dataset]
        j = max(int(time * share) - 2, 0)
        while ((j + 0.5) / share, dataset) < (time, other):
            j += 1
        return j

    def drawn(self, start: int, stop: int) -> tuple[Integers, Integers]:
        """Of the windows start, ..., stop - 1: the dataset, and the number among the windows of it; int64 (n,)."""
        n = len(self.shares)
        time = max(start - n - 2, 0)
        firsts = [self._before(d, time, -1) for d in range(n)]
        lasts = [self._before(d, stop + n + 2, n) for d in range(n)]
        dataset = np.repeat(np.arange(n), [last - first for first, last in zip(firsts, lasts, strict=True)])
        j = np.concatenate([np.arange(first, last) for first, last in zip(firsts, lasts, strict=True)])
        order = np.lexsort((dataset, (j + 0.5) / np.array(self.shares)[dataset]))
        piece = order[start - sum(firsts) : stop - sum(firsts)]
        return dataset[piece], j[piece]

    def windows(self, start: int, stop: int) -> tuple[Integers, Integers]:
        """As `Order.windows`; blocks are counted through all datasets."""
        dataset, j = self.drawn(start, stop)
        block, row = np.zeros(len(j), np.int64), np.zeros(len(j), np.int64)
        for order, offset, at, first, last in self._parts(dataset, j):
            blocks, row[at] = order.windows(first, last)
            block[at] = blocks + offset
        return block, row

    def open_blocks(self, start: int, stop: int) -> frozenset[int]:
        """As `Order.open_blocks`."""
        parts = self._parts(*self.drawn(start, stop))
        return frozenset(b + offset for order, offset, _, first, last in parts for b in order.open_blocks(first, last))

    def _parts(self, dataset: Integers, j: Integers) -> list[tuple[Order, int, Integers, int, int]]:
        """Of each dataset and repetition: order, first block, places among the windows, and range of windows."""
        parts = []
        for d in np.unique(dataset).tolist():
            n, offset = int(self.sizes[d].sum()), sum(map(len, self.sizes[:d]))
            for repetition in np.unique(j[dataset == d] // n).tolist():
                at = np.flatnonzero((dataset == d) & (j // n == repetition))
                first = int(j[at[0]]) - repetition * n
                parts.append((self._order(d, repetition), offset, at, first, first + len(at)))
        return parts

    def _order(self, dataset: int, repetition: int) -> Order:
        if (dataset, repetition) not in self._orders:
            identity = (*self.identity, dataset, repetition)
            self._orders[dataset, repetition] = Order(
                self.sizes[dataset], self.samples[dataset], self.chunks[dataset], identity
            )
        return self._orders[dataset, repetition]


def rounds(n: int, size: int, world: int, last: str) -> int:
    """Batches that each rank gets of n windows: "drop" leaves out an incomplete round, "wrap" and "keep" do not."""
    complete, rest = divmod(n, size * world)
    return complete + (1 if rest and last != "drop" else 0)


def pieces(n: int, start: int, stop: int) -> Sequence[tuple[int, int]]:
    """A range of windows that may go beyond the n of the epoch, as ranges within it: it begins again at the front."""
    found = []
    while start < stop:
        first = start % n
        length = min(stop - start, n - first)
        found.append((first, first + length))
        start += length
    return found
