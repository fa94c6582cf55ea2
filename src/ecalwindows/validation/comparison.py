"""Two batches of the same windows, column by column: how many values differ, by how much, and which labels flipped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Integers
from ecalwindows.core.batch import Text, WindowBatch, partial_batch, text_at
from ecalwindows.core.kernels.gather import gathered_rows
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, SENTINEL

MAX_OFFENDERS = 3


@dataclass(frozen=True)
class Rules:
    """Which numbers are equal: abs(a - b) <= atol + rtol x max(abs(a), abs(b)); the sentinel equals only itself.

    Attributes
    ----------
    rtol, atol
        Relative tolerance, and absolute tolerance in the unit of the column.
    single
        Compare float64 columns in float32, since one side stored them so; there the flavour is 0 where unmatched.
    """

    rtol: float = 0.0
    atol: float = 0.0
    single: bool = False


@dataclass
class ColumnDifference:
    """How a column differs.

    Attributes
    ----------
    name
        The column.
    compared, differ
        Values that were compared, and those that differ.
    one_sentinel
        Of those that differ, values with -999 on one side only.
    max_abs, max_rel
        Of the others: the largest difference, in the unit of the column, and the largest relative to the larger value.
    flips
        Of labels, int64 (2, 2): how many values are false or true in A (row) and in B (column).
    offenders
        The first windows with a difference.
    """

    name: str
    compared: int = 0
    differ: int = 0
    one_sentinel: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    flips: Integers = field(default_factory=lambda: np.zeros((2, 2), np.int64))
    offenders: list[str] = field(default_factory=list)

    @property
    def is_label(self) -> bool:
        """Whether it holds flags."""
        return self.name in COLUMNS and COLUMNS[self.name].dtype == "bool"

    def count(self, a: Array, b: Array, rules: Rules) -> Flags:
        """Add values; which of them differ, bool (n,)."""
        self.compared += len(a)
        if a.dtype.kind == "b":
            pairs = np.bincount(2 * a.astype(np.int64) + b, minlength=4)
            self.flips += pairs.reshape(2, 2)
            wrong: Flags = a != b
        else:
            wrong = self._numbers(a, b, rules)
        self.differ += int(wrong.sum())
        return wrong

    def _numbers(self, a: Array, b: Array, rules: Rules) -> Flags:
        if rules.single and a.dtype.kind == "f":
            with np.errstate(over="ignore"):
                a, b = a.astype(np.float32), b.astype(np.float32)
        unequal = np.flatnonzero(a != b)
        wrong = np.zeros(len(a), dtype=np.bool_)
        x, y = a[unequal].astype(np.float64), b[unequal].astype(np.float64)
        one_sided = (x == SENTINEL) | (y == SENTINEL)
        apart, size = np.abs(x - y), np.maximum(np.abs(x), np.abs(y))
        beyond = one_sided | (apart > rules.atol + rules.rtol * size)
        wrong[unequal] = beyond
        self.one_sentinel += int(one_sided.sum())
        usual = beyond & ~one_sided
        self.max_abs = max(self.max_abs, float(apart[usual].max(initial=0.0)))
        self.max_rel = max(self.max_rel, float((apart[usual] / size[usual]).max(initial=0.0)))
        return wrong


@dataclass
class Comparison:
    """What was found in common windows.

    Attributes
    ----------
    rules
        What is equal.
    windows, differ
        Windows that were compared, and those with any difference.
    columns
        Differences by name of column, those of hits as `cl_h.<component>`.
    clusters_only
        Clusters of common windows that are in A only, in B only.
    reordered
        Windows whose clusters are in another order.
    hits_differ
        Clusters with another number of hits.
    """

    rules: Rules
    windows: int = 0
    differ: int = 0
    columns: dict[str, ColumnDifference] = field(default_factory=dict)
    clusters_only: list[int] = field(default_factory=lambda: [0, 0])
    reordered: int = 0
    hits_differ: int = 0

    def add(self, a: WindowBatch, b: WindowBatch, names: Iterable[str]) -> None:
        """Take in windows that are the same, row by row. `names` : columns and hit components that both sides have."""
        names = set(names)
        wrong = np.zeros(len(a), dtype=np.bool_)
        for name in COLUMNS:
            if name in names and name in a.window:
                wrong |= self._column(name, a, a.window[name], _fitting(name, a, b, self.rules), np.arange(len(a)))
        wrong |= self._clusters(a, b, names)
        self.windows += len(a)
        self.differ += int(wrong.sum())

    def _column(self, name: str, a: WindowBatch, left: Array, right: Array, window: Integers) -> Flags:
        """Count a column; which windows differ. `window` : the window of each value."""
        column = self.columns.setdefault(name, ColumnDifference(name))
        rows = window[column.count(left, right, self.rules)]
        if len(rows) and len(column.offenders) < MAX_OFFENDERS:
            first = np.unique(rows)[: MAX_OFFENDERS - len(column.offenders)]
            column.offenders += [name_of(a, int(row)) for row in first]
        wrong = np.zeros(len(a), dtype=np.bool_)
        wrong[rows] = True
        return wrong

    def _clusters(self, a: WindowBatch, b: WindowBatch, names: set[str]) -> Flags:
        left, right = same_clusters(a, b)
        window = a.window_of_pair
        wrong = self._unpaired(a, b, left, right)
        for name in COLUMNS:
            if name in names and name in a.pair:
                wrong |= self._column(name, a, a.pair[name][left], b.pair[name][right], window[left])
        shared = [name for name in HIT_NAMES if name in names]
        if shared:
            wrong |= self._hits(a, b, left, right, shared)
        return wrong

    def _unpaired(self, a: WindowBatch, b: WindowBatch, left: Integers, right: Integers) -> Flags:
        """Windows with clusters that are on one side only, or in another order."""
        wrong = np.zeros(len(a), dtype=np.bool_)
        for side, (batch, rows) in enumerate(((a, left), (b, right))):
            alone = np.ones(len(batch.pair_cluster), dtype=np.bool_)
            alone[rows] = False
            self.clusters_only[side] += int(alone.sum())
            wrong[batch.window_of_pair[alone]] = True
        moved = np.zeros(len(a), dtype=np.bool_)
        falls = np.flatnonzero(np.diff(right) < 0)  # left is in order
        window = a.window_of_pair[left]
        same = window[falls] == window[np.minimum(falls + 1, len(window) - 1)] if len(falls) else falls
        moved[window[falls[same]]] = True
        self.reordered += int(moved.sum())
        return wrong | moved

    def _hits(self, a: WindowBatch, b: WindowBatch, left: Integers, right: Integers, names: list[str]) -> Flags:
        """Hits of common clusters, in their order."""
        wrong = np.zeros(len(a), dtype=np.bool_)
        window = a.window_of_pair[left]
        n_left, n_right = np.diff(a.hits_offsets)[left], np.diff(b.hits_offsets)[right]
        same = n_left == n_right
        self.hits_differ += int((~same).sum())
        wrong[window[~same]] = True
        _, in_left = gathered_rows(a.hits_offsets, left[same])
        _, in_right = gathered_rows(b.hits_offsets, right[same])
        owner = np.repeat(window[same], n_left[same])
        for name in names:
            wrong |= self._column(f"cl_h.{name}", a, a.hits[name][in_left], b.hits[name][in_right], owner)
        return wrong


def _fitting(name: str, a: WindowBatch, b: WindowBatch, rules: Rules) -> Array:
    """The column of `b` to be compared. TFRecord has flavour 0 in unmatched windows, whatever it was set to."""
    column = b.window[name]
    if name == "flavour" and rules.single and "is_seed_calo_matched" in b.window:
        unmatched = ~b.window["is_seed_calo_matched"] & ((a.window[name] == 0) | (column == 0))
        column = np.where(unmatched, a.window[name], column)
    return column


def same_clusters(a: WindowBatch, b: WindowBatch) -> tuple[Integers, Integers]:
    """Rows of pairs that are the same cluster, in the order of `a`: by cl_index where both have it, else by place."""
    keys = []
    for batch in (a, b):
        window = batch.window_of_pair
        within = np.arange(len(window)) - batch.window_offsets[window]
        both = "cl_index" in a.pair and "cl_index" in b.pair
        number = batch.pair["cl_index"].astype(np.int64) if both else within
        keys.append((window.astype(np.int64) << 32) + number)
    _, left, right = np.intersect1d(keys[0], keys[1], return_indices=True)
    order = np.argsort(left)
    return left[order], right[order]


def name_of(batch: WindowBatch, row: int) -> str:
    """What a window is called: its window_index, else run, lumi and event."""
    if len(batch.window_index.data):
        return text_at(batch.window_index, row)
    known = [name for name in ("run_id", "lumi_id", "event_id") if name in batch.window]
    return ", ".join(f"{name.removesuffix('_id')} {batch.window[name][row]}" for name in known) or f"window {row + 1}"


def taken(batch: WindowBatch, rows: Integers) -> WindowBatch:
    """Some windows of a partial batch (clusters and hits by pair), in this order."""
    offsets, pairs = gathered_rows(batch.window_offsets, rows)
    hits_offsets, hits = gathered_rows(batch.hits_offsets, pairs)
    text_offsets, text = gathered_rows(batch.window_index.offsets, rows)
    return partial_batch(
        {name: column[rows] for name, column in batch.window.items()},
        {name: column[pairs] for name, column in batch.pair.items()},
        offsets,
        hits_offsets,
        {name: column[hits] for name, column in batch.hits.items()},
        text=Text(text_offsets, batch.window_index.data[text]),
    )


def joined(a: WindowBatch, b: WindowBatch) -> WindowBatch:
    """Two partial batches as one, with the columns that both have."""

    def columns(part: str) -> dict[str, Array]:
        one, two = getattr(a, part), getattr(b, part)
        return {name: np.concatenate([one[name], two[name]]) for name in one if name in two}

    def offsets(one: Array, two: Array) -> Array:
        return np.concatenate([one, two[1:] + one[-1]])

    n = len(a.pair_cluster) + len(b.pair_cluster)
    text = Text(
        offsets(a.window_index.offsets, b.window_index.offsets),
        np.concatenate([a.window_index.data, b.window_index.data]),
    )
    return WindowBatch(
        window_index=text, window=columns("window"), cluster={}, pair=columns("pair"),
        window_offsets=offsets(a.window_offsets, b.window_offsets), pair_cluster=np.arange(n),
        window_seed=np.concatenate([a.window_seed, b.window_seed]),
        hits_offsets=offsets(a.hits_offsets, b.hits_offsets), hits=columns("hits"), events={},
    )  # fmt: skip
