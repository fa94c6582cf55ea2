"""A batch as invariants look at it: its columns in float64, counts by window, and which numbers are equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.geometry import Geometry
from ecalwindows.core.schema import COLUMNS, SENTINEL
from ecalwindows.windowing.derived import ROUNDED, RULES, Rule, Values

SMALLEST = float(np.finfo(np.float32).tiny)
"""Below it float32 loses digits, down to 0."""

SETTING = "setting "
"""Prefix of the name of a setting among the needs of a part."""


class Seen:
    """Windows, and the settings with which they were made, as far as they are known.

    Parameters
    ----------
    batch
        The windows.
    settings
        Values by name; "geometry" is a `Geometry`.
    """

    def __init__(self, batch: WindowBatch, settings: Mapping[str, Any]) -> None:
        self.batch, self.settings = batch, settings
        self.offsets = batch.window_offsets
        self.values = Values(batch, as_stored=True)

    @cached_property
    def held(self) -> frozenset[str]:
        """Columns of the batch, and settings that are known."""
        settings = {SETTING + name for name, value in self.settings.items() if value is not None}
        return self.batch.held | settings

    @property
    def window(self) -> Integers:
        """The window of each cluster, int64 (n_pairs,)."""
        return self.values.window_of_pair

    @property
    def geometry(self) -> Geometry:
        """The shape of the windows."""
        geometry: Geometry = self.settings["geometry"]
        return geometry

    def of(self, name: str) -> Array:
        """A column with its sentinels: numbers in float64, flags as they are."""
        column = self.batch.column(name)
        return column if column.dtype.kind == "b" else column.astype(np.float64)

    def is_rounded_to(self, name: str, limit: float) -> Flags:
        """Where a float64 column that comes from float32 (TFRecord) is a limit: it may have been on either side."""
        column = self.batch.column(name)
        single = column.astype(np.float32)
        return flags((single == np.float32(limit)) & bool((single == column).all()))

    def each(self, name: str) -> Array:
        """A column of windows, for each cluster."""
        return self.of(name)[self.window]

    def all_of(self, flags: Flags) -> Flags:
        """Whether all clusters of a window have the flag."""
        return np.asarray(self.count(~flags) == 0)

    def count(self, flags: Flags) -> Integers:
        """Clusters of each window with the flag."""
        return np.bincount(self.window[flags], minlength=len(self.batch))

    def by_window(self, name: str, flags: Flags) -> Flags:
        """Flags of a column, of its windows or its clusters, as flags of windows."""
        return flags if COLUMNS[name].level == "window" else self.all_of(flags)

    @cached_property
    def seed(self) -> tuple[Flags, Integers]:
        """Which windows have one seed, and its row among the pairs (0 in others)."""
        is_seed = self.batch.column("is_seed")
        row = np.zeros(len(self.batch), np.int64)
        row[self.window[is_seed]] = np.flatnonzero(is_seed)
        return self.count(is_seed) == 1, row

    def at_seed(self, name: str) -> tuple[Flags, Array]:
        """Which windows have one seed, and a column at it."""
        has_one, row = self.seed
        column = self.of(name)
        return has_one, column[row] if len(column) else np.zeros(len(row), column.dtype)


def flags(found: Any) -> Flags:
    """Flags as an array."""
    return np.asarray(found, dtype=np.bool_)


def close(a: Array, b: Array, scale: Any = 0.0) -> Flags:
    """Whether numbers agree as float32 numbers do.

    Parameters
    ----------
    a, b
        Numbers; a sentinel, NaN or infinity is no number, and agrees with every other one of these.
    scale
        Size of the numbers from which they were computed, in their unit.

    Returns
    -------
    ndarray of bool
        One flag per pair of numbers.
    """
    a, b = np.where(a == SENTINEL, np.nan, a), np.where(b == SENTINEL, np.nan, b)
    with np.errstate(invalid="ignore"):
        equal = np.abs(a - b) <= ROUNDED * np.maximum(np.maximum(np.abs(a), np.abs(b)), scale) + SMALLEST
    return flags(np.logical_or(equal, ~np.isfinite(a) & ~np.isfinite(b)))


Holds = Callable[[Seen], Flags]


@dataclass(frozen=True)
class Part:
    """A piece of an invariant: the columns (and settings) that it needs, and whether it holds, bool (n_windows,)."""

    needs: frozenset[str]
    holds: Holds


@dataclass(frozen=True)
class Invariant:
    """What is true of every window: a name, a sentence, and parts, of which those are checked whose columns exist."""

    name: str
    sentence: str
    parts: tuple[Part, ...]

    @property
    def needs(self) -> frozenset[str]:
        """All columns and settings that it looks at."""
        return frozenset().union(*(part.needs for part in self.parts))


def part(holds: Holds, *needs: str) -> Part:
    """A part, which is checked when its needs are there."""
    return Part(frozenset(needs), holds)


def invariant(name: str, sentence: str, *parts: Part) -> Invariant:
    """An invariant of some parts."""
    return Invariant(name, sentence, parts)


def follows(kind: str) -> list[Part]:
    """Parts that check all columns that follow from others by the rules of a kind (windowing/derived.py)."""
    return [_follows(name, rule) for name, rules in RULES.items() for rule in rules if rule.kind == kind]


def _follows(name: str, rule: Rule) -> Part:
    """A stored column is what the rule gives, but for rounding, where its needs determine it."""

    def holds(seen: Seen) -> Flags:
        scale = rule.scale(seen.values) if rule.scale else np.zeros(1)
        right = seen.by_window(name, close(seen.values[name], rule.values(seen.values), scale) | np.isinf(scale))
        return right | ~seen.seed[0] if "is_seed" in rule.needs else right

    return part(holds, name, *rule.needs)
