"""Batches of a fixed number of windows from pieces of any size, in order or shuffled."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

from ecalwindows.core.arrays import Integers

POOL = 4
"""Pieces (row groups) among whose windows a shuffle draws at a time: bounds the memory."""

S = TypeVar("S")
Gather = list[tuple[S, Integers, Integers]]
"""What a batch takes of each source: its rows, and their places in the batch."""


def gathers(
    pieces: Iterable[tuple[S, Integers]], size: int, *, rng: np.random.Generator | None = None, drop_last: bool = False
) -> Iterator[tuple[Gather[S], int]]:
    """What each batch takes of which source, and its number of windows: `size`, the last one fewer.

    pieces : sources and the rows wanted of each
    rng : None keeps the order; else windows are drawn at random among those of `POOL` pieces
    """
    rest: list[tuple[S, Integers]] = []
    source = iter(pieces)
    while pool := list(islice(source, POOL if rng else 1)):
        rest = yield from _full_batches([*rest, *pool], size, rng)
    owner, row = _joined(rest, rng)
    if len(row) and not drop_last:
        yield _gather([source for source, _ in rest], owner, row), len(row)


def _full_batches(
    pool: Sequence[tuple[S, Integers]], size: int, rng: np.random.Generator | None
) -> Generator[tuple[Gather[S], int], None, list[tuple[S, Integers]]]:
    """All full batches of a pool; returns what is left over."""
    sources = [source for source, _ in pool]
    owner, row = _joined(pool, rng)
    full = len(row) // size * size
    for first in range(0, full, size):
        piece = slice(first, first + size)
        yield _gather(sources, owner[piece], row[piece]), size
    return [(source, rows) for source, rows, _ in _gather(sources, owner[full:], row[full:])]


def _joined(pool: Sequence[tuple[S, Integers]], rng: np.random.Generator | None) -> tuple[Integers, Integers]:
    """Number of the source and row in it of all windows of a pool, in the order wanted."""
    owner = np.repeat(np.arange(len(pool)), [len(rows) for _, rows in pool])
    row = np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in pool)])
    if rng is None:
        return owner, row
    order = rng.permutation(len(row))
    return owner[order], row[order]


def _gather(sources: Sequence[S], owner: Integers, row: Integers) -> Gather[S]:
    """Rows and places by source, of those that have any."""
    places = {int(number): np.flatnonzero(owner == number) for number in np.unique(owner)}
    return [(sources[number], row[at], at) for number, at in places.items()]
