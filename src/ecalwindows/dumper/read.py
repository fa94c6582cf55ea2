"""Dumper files to `Events`, in steps of bounded memory. Their headers are checked before (`headers.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import offsets_of
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.events import Events, Index, Superclusters
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.threads import Threads
from ecalwindows.dumper import columns as dump
from ecalwindows.dumper.branches import BRANCHES, PILEUP_BRANCHES, PILEUP_TOTAL, SECOND_BRANCHES, Branch, Part
from ecalwindows.dumper.columns import Ragged
from ecalwindows.dumper.errors import bad_file
from ecalwindows.dumper.headers import Input, reading_errors, tree_of
from ecalwindows.dumper.values import check_values, integers


def event_steps(
    file: Input,
    settings: WindowSettings,
    *,
    memory_bytes: float,
    max_events: int | None = None,
    threads: Threads | None = None,
) -> Iterator[Events]:
    """The events of a checked file, step by step.

    memory_bytes : about how much the arrays of a step may take; max_events : largest number of events of a step
    threads : help with decompression and decoding; uproot is not made for several threads in one file, so there is one
        step at a time
    """
    if file.start == file.stop:
        return
    with tree_of(file, settings.tree) as tree, reading_errors(file.path):
        names = list(dict.fromkeys(branch.name for branch in file.branches))
        types = dump.checked_types(tree, names)
        for start, stop in _steps(tree, names, file, memory_bytes, max_events):
            yield _read(file, tree, types, threads, start, stop)


def _read(
    file: Input, tree: Any, types: Mapping[str, dump.ColumnType], threads: Threads | None, start: int, stop: int
) -> Events:
    columns = dump.read_columns(tree, types, start, stop, types=types, threads=threads)
    events = events_of(file, columns, start, stop)
    check_values(events, file.branches, file.path, start)
    return events


def _steps(
    tree: Any, names: Sequence[str], file: Input, memory_bytes: float, max_events: int | None
) -> Iterator[tuple[int, int]]:
    for start, stop in dump.step_bounds(tree, names, memory_bytes, file.start, file.stop, stretch=2):
        size = max_events or stop - start
        for begin in range(start, stop, size):
            yield begin, min(begin + size, stop)


def events_of(file: Input, columns: Mapping[str, Ragged], start: int, stop: int) -> Events:
    """`Events` from the columns of entries [start, stop); shapes that don't agree are a BadFileError."""
    parts = _Parts(file, columns, start, stop - start)
    event = parts.numbers("event", np.arange(stop - start + 1, dtype=np.int64))
    cluster_offsets = parts.offsets("cluster")
    calo_offsets = parts.offsets("calo")
    score_offsets, score = parts.nested("score", cluster_offsets)
    parts.check_scores(score_offsets, cluster_offsets, calo_offsets)
    hits_offsets, hits = parts.nested("hits", cluster_offsets)
    simhits_offsets, simhits = parts.nested("simhits", calo_offsets) if parts.has("simhits") else (None, None)
    return Events(
        run=event["run"].astype(np.int64, copy=False),
        lumi=event["lumi"].astype(np.int64, copy=False),
        event=event["event"].astype(np.int64, copy=False),
        scalars=event,
        cluster_offsets=cluster_offsets,
        cluster=parts.numbers("cluster", cluster_offsets),
        calo_offsets=calo_offsets,
        calo=parts.numbers("calo", calo_offsets),
        score_offsets=score_offsets,
        score=score["score"].astype(np.float64, copy=False),
        shared_energy=score["shared_energy"].astype(np.float64, copy=False),
        first=parts.superclusters("supercluster", "member"),
        second=parts.superclusters("second", "second member"),
        hits_offsets=hits_offsets,
        hits=hits,
        simhits_offsets=simhits_offsets,
        simhits=simhits,
    )


def no_events() -> Events:
    """Events of an input without any: all columns, no rows."""
    return events_of(Input("", 0, (), ()), {}, 0, 0)


_DEFAULTS = {
    branch.part: {
        b.key: b for b in (*BRANCHES, *SECOND_BRANCHES, *PILEUP_BRANCHES, PILEUP_TOTAL) if b.part == branch.part
    }
    for branch in (*BRANCHES, *SECOND_BRANCHES)
}
"""All branches by part and key: what `Events` promises, read or not."""


@dataclass(frozen=True)
class _Parts:
    """Puts the columns of a step where `Events` keeps them; branches that were not read take their defaults."""

    file: Input
    columns: Mapping[str, Ragged]
    start: int
    n_events: int

    def _read(self, part: Part) -> dict[str, Branch]:
        return {branch.key: branch for branch in self.file.branches if branch.part == part}

    def has(self, part: Part) -> bool:
        """Whether all branches of a part were read."""
        return self._read(part).keys() == _DEFAULTS[part].keys()

    def offsets(self, part: Part) -> Index:
        """Offsets by event of a part; those of the first branch read (the others must agree)."""
        for branch in self._read(part).values():
            return self._column(branch).offsets[0]
        return np.zeros(self.n_events + 1, dtype=np.int64)

    def numbers(self, part: Part, offsets: Index) -> dict[str, NDArray[Any]]:
        """The columns of one number per row; integers as int32 but for the ids."""
        read = self._read(part)
        for branch in read.values():
            if found := self._column(branch).offsets:
                self._same(branch, found[0], offsets, None, f"'{next(iter(read.values())).name}' has")
        return self._values(part, offsets[-1])

    def nested(self, part: Part, outer: Index) -> tuple[Index, dict[str, NDArray[Any]]]:
        """The inner offsets and the columns of a part with vectors of vectors; empty where nothing was read."""
        read = self._read(part)
        inner = np.zeros(outer[-1] + 1, dtype=np.int64)
        first = next((branch.name for branch in read.values()), "")
        for place, branch in enumerate(read.values()):
            column = self._column(branch)
            self._same(branch, column.offsets[0], outer, None, f"the event has {OUTER[part]}:")
            inner = column.offsets[1] if place == 0 else inner
            self._same(branch, column.offsets[1], inner, outer, f"'{first}' has")
        found = self._values(part, inner[-1])
        if part == "score":
            found["score"] = self._column(read["score"]).content if read else np.empty(0, np.float64)
        return inner, found

    def superclusters(self, part: Part, members: Part) -> Superclusters:
        """A collection of superclusters; no superclusters where it was not read."""
        offsets = self.offsets(part)
        inner, found = self.nested(members, offsets)
        return Superclusters(offsets, self.numbers(part, offsets), inner, found["member"].astype(np.int64, copy=False))

    def check_scores(self, inner: Index, cluster_offsets: Index, calo_offsets: Index) -> None:
        """Every cluster has one score a caloparticle of its event."""
        if "score" not in self._read("score"):
            return
        n_calos = np.repeat(np.diff(calo_offsets), np.diff(cluster_offsets))
        expected = offsets_of(n_calos)
        self._same(self._read("score")["score"], inner, expected, cluster_offsets, "the event has caloparticles:")

    def _column(self, branch: Branch) -> Ragged:
        """A branch that was read. Raises BadFileError unless it has a row for each event."""
        column = self.columns[branch.name]
        if column.n_entries != self.n_events:
            raise self._bad(
                f"branch '{branch.name}' has {column.n_entries:,} entries from entry {self.start} on, "
                f"not {self.n_events:,}"
            )
        return column

    def _values(self, part: Part, n: int) -> dict[str, NDArray[Any]]:
        """The values of the columns of a part; n defaults for each that was not read."""
        read, found = self._read(part), {}
        for key, usual in _DEFAULTS[part].items():
            if key not in read:
                found[key] = np.full(n, usual.default or 0, dtype=np.float32 if usual.kind == "float" else np.int32)
            else:
                content = self._column(read[key]).content
                found[key] = content if usual.kind == "float" else integers(read[key], content, self.file.path)
        return found

    def _same(self, branch: Branch, found: Index, expected: Index, event_rows: Index | None, other: str) -> None:
        """Raise unless the offsets are the same. `other` : what has as many values as it should, for the error.

        event_rows : the row where each event begins; None where a row is an event
        """
        if np.array_equal(found, expected):
            return
        row = int(np.argmax(np.diff(found) != np.diff(expected)))
        where = f"entry {self.start + row}"
        if event_rows is not None:
            event = int(np.searchsorted(event_rows, row, side="right")) - 1
            where = f"entry {self.start + event}, row {row - event_rows[event]}"
        n, right = (int(offsets[row + 1] - offsets[row]) for offsets in (found, expected))
        raise self._bad(f"branch '{branch.name}' has {n:,} values in {where}; {other} {right:,}")

    def _bad(self, found: str) -> BadFileError:
        expected = "as many clusters, caloparticles and hits in all branches of an event"
        return bad_file(self.file.path, found, expected)


OUTER: dict[Part, str] = {"score": "clusters", "hits": "clusters", "member": "superclusters",
                          "second member": "superclusters", "simhits": "caloparticles"}  # fmt: skip
"""What has vectors of vectors: one inner vector for each."""
