"""The sample of windows that a report shows, and the windows that are notable.

The sample is drawn by the hash of the event, so that it is the same each time, whatever the order of files: events with
the smallest hashes, as many as fit. An event is in the sample with all its windows, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.arrays import Array, Integers
from ecalwindows.evaluation.events import Windows, joined

UNIT, ROW = "unit", "row"
"""Columns of windows beside those of a dataset: where the window is read again."""


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
    _parts: list[Windows] = field(default_factory=list)
    _windows: int = 0
    _values: int = 0

    def add(self, rows: Windows) -> None:
        """Take those of the windows that belong to the sample of all windows so far."""
        kept = rows.rows(np.flatnonzero(rows.key <= self.bound))
        self._parts.append(kept)
        self._windows += len(kept)
        self._values += int(_values(kept).sum())
        if self._windows > 2 * self.max_windows or self._values > 2 * self.max_values:
            self._thin()

    def _thin(self) -> None:
        rows = joined(self._parts)
        order = np.argsort(rows.key, kind="stable")
        hashes = rows.key[order]
        fits = (np.arange(1, len(rows) + 1) <= self.max_windows) & (np.cumsum(_values(rows)[order]) <= self.max_values)
        if not fits.all():
            beyond = hashes[np.argmin(fits)]
            kept = hashes[hashes < beyond]
            self.bound = kept[-1] if len(kept) else hashes[0]
            rows = rows.rows(np.flatnonzero(rows.key <= self.bound))
        self._parts, self._windows, self._values = [rows], len(rows), int(_values(rows).sum())

    @property
    def rows(self) -> Windows | None:
        """The windows of the sample, in the order in which they were read; None where none were."""
        if not self._parts:
            return None
        self._thin()
        return self._parts[0]


def _values(rows: Windows) -> Integers:
    """How many values are stored for each window, the hash of its event among them."""
    return 1 + len(rows.window) + rows.sizes * len(rows.pair)


@dataclass
class Notable:
    """The windows that are most extreme by some quantities: for each one the `most` with the largest values.

    Attributes
    ----------
    kinds : names of columns of windows; a value of 0 or below is not notable
    most : windows of each kind
    rows : these windows; None where nothing was read
    """

    kinds: Sequence[str]
    most: int
    rows: Windows | None = None

    def add(self, rows: Windows) -> None:
        """Take those of the windows that are among the most extreme so far."""
        new = rows.rows(self._extreme(rows))
        both = new if self.rows is None else joined([self.rows, new])
        self.rows = both.rows(self._extreme(both))

    def _extreme(self, rows: Windows) -> Integers:
        return np.unique(np.concatenate([largest(rows, kind, self.most) for kind in self.kinds]))


def largest(rows: Windows, kind: str, most: int) -> Integers:
    """The windows with the largest values of a column, largest first; equal ones by hash and by place."""
    if kind not in rows.window:
        return np.zeros(0, np.int64)
    values: Array = rows.window[kind]
    found = np.flatnonzero(values > 0)
    keys = (rows.window[ROW][found], rows.window[UNIT][found], rows.key[found], -values[found])
    return found[np.lexsort(keys)[:most]]
