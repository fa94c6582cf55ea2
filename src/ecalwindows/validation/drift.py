"""Distributions of two datasets of different events: moments of all values, quantiles and KS distance of a sample."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.arrays import Array, Floats, Words
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.event_hash import splitmix64
from ecalwindows.core.schema import COLUMNS, SENTINEL

MOST = 100_000
"""Windows, and clusters, that are kept for quantiles and KS distances; bounds the memory."""

QUANTILES = (0.05, 0.5, 0.95)
LEVELS = ("window", "cluster")
NOISE = 1.358
"""The KS distance of two samples of one distribution is above NOISE x sqrt(1/n + 1/m) in 5 % of cases."""


@dataclass
class Moments:
    """Number, mean and sum of squared differences from it, exact to float64 rounding (Chan's merging)."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    no_number: int = 0

    def add(self, values: Floats) -> None:
        """Take in values; the sentinel is counted apart."""
        known = values[values != SENTINEL]
        self.no_number += len(values) - len(known)
        if not len(known):
            return
        mean, n = float(known.mean()), self.n + len(known)
        apart = mean - self.mean
        self.squares += float(((known - mean) ** 2).sum()) + apart**2 * self.n * len(known) / n
        self.mean += apart * len(known) / n
        self.n = n

    @property
    def std(self) -> float:
        """Standard deviation of the values (divided by n)."""
        return math.sqrt(self.squares / self.n) if self.n else math.nan


@dataclass
class Sample:
    """Rows drawn by a hash of their number: the same ones each time, about `MOST` of any number of rows."""

    most: int = MOST
    n_seen: int = 0
    bound: np.uint64 = np.uint64(2**64 - 1)  # noqa: RUF009 (a number)
    hashes: Words = field(default_factory=lambda: np.empty(0, np.uint64))
    columns: dict[str, Array] = field(default_factory=dict)

    def add(self, columns: dict[str, Array], n: int) -> None:
        """Take in rows, and thin out when there are too many. Rows without a column have the sentinel there."""
        hashes = splitmix64(np.arange(self.n_seen, self.n_seen + n, dtype=np.uint64))
        keep = hashes <= self.bound
        self.n_seen += n
        nothing = [np.full(size, SENTINEL) for size in (len(self.hashes), int(keep.sum()))]
        self.hashes = np.concatenate([self.hashes, hashes[keep]])
        for name in {**self.columns, **columns}:
            new = columns[name][keep] if name in columns else nothing[1]
            before = self.columns.get(name, nothing[0] if len(nothing[0]) else new[:0])
            self.columns[name] = np.concatenate([before, new]) if len(new) else before
        if len(self.hashes) > 2 * self.most:
            self._thin()

    def _thin(self) -> None:
        self.bound = np.partition(self.hashes, self.most - 1)[self.most - 1]
        keep = self.hashes <= self.bound
        self.hashes = self.hashes[keep]
        self.columns = {name: column[keep] for name, column in self.columns.items()}


@dataclass
class Distributions:
    """The columns of one dataset: `moments` by name, `samples` by level ("window", "cluster")."""

    moments: dict[str, Moments] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=lambda: {level: Sample() for level in LEVELS})

    def add(self, batch: WindowBatch, names: Collection[str]) -> None:
        """Take in a batch; `names` : the columns wanted."""
        for level, columns in (("window", batch.window), ("cluster", batch.pair)):
            wanted = {name: columns[name] for name in columns if name in names}
            for name, column in wanted.items():
                self.moments.setdefault(name, Moments()).add(column.astype(np.float64))
            self.samples[level].add(wanted, len(batch) if level == "window" else len(batch.pair_cluster))

    def values(self, name: str) -> Floats:
        """The sampled values of a column that are numbers, sorted."""
        column = self.samples[COLUMNS[name].level].columns.get(name, np.empty(0))
        values = column.astype(np.float64)
        return np.sort(values[values != SENTINEL])


@dataclass(frozen=True)
class Drift:
    """A column of two datasets. quantiles : those of `QUANTILES` in A and in B; noise : KS distance by chance (5 %)."""

    name: str
    a: Moments
    b: Moments
    quantiles: tuple[Floats, Floats]
    ks: float
    noise: float


def drifts(a: Distributions, b: Distributions, names: Collection[str]) -> list[Drift]:
    """All columns, the largest KS distance first."""
    found = [_drift(name, a, b) for name in COLUMNS if name in names]
    return sorted(found, key=lambda drift: -drift.ks if math.isfinite(drift.ks) else 1.0)


def _drift(name: str, a: Distributions, b: Distributions) -> Drift:
    x, y = a.values(name), b.values(name)
    nothing = np.full(len(QUANTILES), math.nan)
    quantiles = tuple(np.quantile(values, QUANTILES) if len(values) else nothing for values in (x, y))
    noise = NOISE * math.sqrt(1 / len(x) + 1 / len(y)) if len(x) and len(y) else math.nan
    moments = [each.moments.get(name, Moments()) for each in (a, b)]
    return Drift(name, moments[0], moments[1], (quantiles[0], quantiles[1]), ks_distance(x, y), noise)


def ks_distance(x: Floats, y: Floats) -> float:
    """Largest distance of the cumulative distributions of two sorted samples; NaN where one is empty."""
    if not len(x) or not len(y):
        return math.nan
    places = np.concatenate([x, y])
    below = [np.searchsorted(values, places, side="right") / len(values) for values in (x, y)]
    return float(np.abs(below[0] - below[1]).max())
