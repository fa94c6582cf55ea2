"""Windows in memory with all that a report needs of them, and the sample of windows that a report shows.

The sample is drawn by the hash of the event, so that it is the same each time, whatever the order of files: events with
the smallest hashes, as many as fit. An event is in the sample with all its windows, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Integers

HASH, UNIT, ROW = "event hash", "unit", "row"
"""Columns of `Rows.window` beside those of a dataset: hash of the event, where the window is read again."""


@dataclass(frozen=True)
class Rows:
    """Windows with their clusters.

    Attributes
    ----------
    window : columns of windows, (n_windows,)
    cluster : columns of clusters, (n_clusters,)
    sizes : int64 (n_windows,), clusters of each window
    """

    window: Mapping[str, Array]
    cluster: Mapping[str, Array]
    sizes: Integers

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def owner(self) -> Integers:
        """The window of each cluster, int64 (n_clusters,)."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def column(self, name: str) -> Array:
        """A column of windows or of clusters."""
        return self.window[name] if name in self.window else self.cluster[name]

    def taken(self, keep: Flags) -> Rows:
        """Some of the windows, by a flag for each."""
        pairs = np.repeat(keep, self.sizes)
        return Rows(
            {name: column[keep] for name, column in self.window.items()},
            {name: column[pairs] for name, column in self.cluster.items()},
            self.sizes[keep],
        )

    @classmethod
    def joined(cls, parts: Sequence[Rows]) -> Rows:
        """Windows of several parts with the same columns, one after the other."""
        return cls(
            {name: np.concatenate([part.window[name] for part in parts]) for name in parts[0].window},
            {name: np.concatenate([part.cluster[name] for part in parts]) for name in parts[0].cluster},
            np.concatenate([part.sizes for part in parts]),
        )


@dataclass
class Sample:
    """The events with the smallest hashes, as many as fit into a number of windows and of stored values.

    Attributes
    ----------
    max_windows, max_values : limits
    bound : events with a hash above it are not in the sample
    """

    max_windows: int
    max_values: int
    bound: np.uint64 = np.uint64(2**64 - 1)  # noqa: RUF009 (a number)
    _parts: list[Rows] = field(default_factory=list)
    _windows: int = 0
    _values: int = 0

    def add(self, rows: Rows) -> None:
        """Take those of the windows that belong to the sample of all windows so far."""
        kept = rows.taken(rows.window[HASH] <= self.bound)
        self._parts.append(kept)
        self._windows += len(kept)
        self._values += int(_values(kept).sum())
        if self._windows > 2 * self.max_windows or self._values > 2 * self.max_values:
            self._thin()

    def _thin(self) -> None:
        rows = Rows.joined(self._parts)
        order = np.argsort(rows.window[HASH], kind="stable")
        hashes = rows.window[HASH][order]
        fits = (np.arange(1, len(rows) + 1) <= self.max_windows) & (np.cumsum(_values(rows)[order]) <= self.max_values)
        if not fits.all():
            beyond = hashes[np.argmin(fits)]
            kept = hashes[hashes < beyond]
            self.bound = kept[-1] if len(kept) else hashes[0]
            rows = rows.taken(rows.window[HASH] <= self.bound)
        self._parts, self._windows, self._values = [rows], len(rows), int(_values(rows).sum())

    @property
    def rows(self) -> Rows | None:
        """The windows of the sample, in the order in which they were read; None where none were."""
        if not self._parts:
            return None
        self._thin()
        return self._parts[0]


def _values(rows: Rows) -> Integers:
    """How many values are stored for each window."""
    return len(rows.window) + rows.sizes * len(rows.cluster)


@dataclass
class Notable:
    """The windows that are most extreme by some quantities: for each one the `most` with the largest values.

    Attributes
    ----------
    kinds : names of columns of windows; a value of 0 or below is not notable
    most : windows of each kind
    """

    kinds: Sequence[str]
    most: int
    _rows: Rows | None = None

    def add(self, rows: Rows) -> None:
        """Take those of the windows that are among the most extreme so far."""
        new = rows.taken(self._any(rows))
        both = new if self._rows is None else Rows.joined([self._rows, new])
        self._rows = both.taken(self._any(both))

    def _any(self, rows: Rows) -> Flags:
        keep = np.zeros(len(rows), np.bool_)
        for kind in self.kinds:
            keep[largest(rows, kind, self.most)] = True
        return keep

    @property
    def rows(self) -> Rows | None:
        """These windows; None where nothing was read."""
        return self._rows


def largest(rows: Rows, kind: str, most: int) -> Integers:
    """The windows with the largest values of a column, largest first; equal ones by hash and by place."""
    if kind not in rows.window:
        return np.zeros(0, np.int64)
    values: Array = rows.window[kind]
    found = np.flatnonzero(values > 0)
    keys = (rows.window[ROW][found], rows.window[UNIT][found], rows.window[HASH][found], -values[found])
    return found[np.lexsort(keys)[:most]]
