"""Dumper files to `Events`, in steps of bounded memory. Their headers are checked before (`headers.py`)."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.config import WindowSettings
from ecalwindows.dumper import columns as dump
from ecalwindows.dumper.branches import BRANCHES, PILEUP_BRANCHES, PILEUP_TOTAL, Branch, Part
from ecalwindows.dumper.columns import Ragged
from ecalwindows.dumper.headers import Input, bad_file, open_tree
from ecalwindows.events import Events, Index

log = logging.getLogger(__name__)


def read_events(
    file: Input, settings: WindowSettings, *, memory_bytes: float, most_events: int | None = None
) -> Iterator[tuple[int, Events]]:
    """The events of a checked file, in order: (entry of the first, Events) by step.

    memory_bytes : about how much the arrays of a step may take; most_events : most events of a step
    """
    if file.start == file.stop:
        return
    with open_tree(file.path, settings.tree) as tree:
        names = list(dict.fromkeys(branch.name for branch in file.branches))
        for start, stop in _steps(tree, names, file, memory_bytes, most_events):
            yield start, events_of(file, dump.read_columns(tree, names, start, stop), start, stop)


def _steps(
    tree: Any, names: Sequence[str], file: Input, memory_bytes: float, most_events: int | None
) -> Iterator[tuple[int, int]]:
    for start, stop in dump.step_bounds(tree, names, memory_bytes, file.start, file.stop):
        size = most_events or stop - start
        for begin in range(start, stop, size):
            yield begin, min(begin + size, stop)


def events_of(file: Input, columns: Mapping[str, Ragged], start: int, stop: int) -> Events:
    """`Events` from the columns of entries [start, stop); shapes that don't agree are a BadFileError."""
    parts = _Parts(file, columns, start, stop - start)
    event = parts.numbers("event", np.arange(stop - start + 1, dtype=np.int64))
    cluster_offsets = parts.offsets("cluster")
    calo_offsets = parts.offsets("calo")
    supercluster_offsets = parts.offsets("supercluster")
    score_offsets, score = parts.nested("score", cluster_offsets)
    parts.check_scores(score_offsets, cluster_offsets, calo_offsets)
    member_offsets, member = parts.nested("member", supercluster_offsets)
    hits_offsets, hits = parts.nested("hits", cluster_offsets)
    simhits_offsets, simhits = parts.nested("simhits", calo_offsets) if parts.has("simhits") else (None, None)
    return Events(
        run=event["run"].astype(np.int64),
        lumi=event["lumi"].astype(np.int64),
        event=event["event"].astype(np.int64),
        scalars=event,
        cluster_offsets=cluster_offsets,
        cluster=parts.numbers("cluster", cluster_offsets),
        calo_offsets=calo_offsets,
        calo=parts.numbers("calo", calo_offsets),
        score_offsets=score_offsets,
        score=score["score"].astype(np.float64, copy=False),
        shared_energy=score["shared_energy"].astype(np.float64, copy=False),
        supercluster_offsets=supercluster_offsets,
        supercluster=parts.numbers("supercluster", supercluster_offsets),
        member_offsets=member_offsets,
        member=member["member"].astype(np.int64),
        hits_offsets=hits_offsets,
        hits=hits,
        simhits_offsets=simhits_offsets,
        simhits=simhits,
    )


def no_events() -> Events:
    """Events of an input without any: all columns, no rows."""
    return events_of(Input("", 0, (), (), False), {}, 0, 0)


_DEFAULTS = {
    branch.part: {b.key: b for b in (*BRANCHES, *PILEUP_BRANCHES, PILEUP_TOTAL) if b.part == branch.part}
    for branch in BRANCHES
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
            return self.columns[branch.name].offsets[0]
        return np.zeros(self.n_events + 1, dtype=np.int64)

    def numbers(self, part: Part, offsets: Index) -> dict[str, NDArray[Any]]:
        """The columns of one number a row; integers as int32 but for the ids."""
        read, found = self._read(part), {}
        for key, branch in _DEFAULTS[part].items():
            if key in read:
                column = self.columns[branch.name]
                if column.offsets:
                    self._same(branch, column.offsets[0], offsets, np.arange(len(offsets)))
                found[key] = column.content if branch.kind == "float" or part == "event" else _int32(column.content)
            else:
                kind = np.float32 if branch.kind == "float" else np.int32
                found[key] = np.full(offsets[-1], branch.default or 0, dtype=kind)
        return found

    def nested(self, part: Part, outer: Index) -> tuple[Index, dict[str, NDArray[Any]]]:
        """The inner offsets and the columns of a part with vectors of vectors; empty where nothing was read."""
        read = self._read(part)
        inner = np.zeros(outer[-1] + 1, dtype=np.int64)
        for place, branch in enumerate(read.values()):
            column = self.columns[branch.name]
            self._same(branch, column.offsets[0], outer, np.arange(len(outer)))
            inner = column.offsets[1] if place == 0 else inner
            self._same(branch, column.offsets[1], inner, outer)
        found = {}
        for key, branch in _DEFAULTS[part].items():
            if key in read:
                content = self.columns[branch.name].content
                found[key] = content if branch.kind == "float" else _int32(content)
            else:
                kind = np.float32 if branch.kind == "float" else np.int32
                found[key] = np.full(inner[-1], branch.default or 0, dtype=kind)
        if part == "score":
            found["score"] = self.columns[read["score"].name].content if read else np.empty(0, np.float64)
        return inner, found

    def check_scores(self, inner: Index, cluster_offsets: Index, calo_offsets: Index) -> None:
        """Every cluster has one score a caloparticle of its event."""
        if "score" not in self._read("score"):
            return
        n_calos = np.repeat(np.diff(calo_offsets), np.diff(cluster_offsets))
        expected = np.concatenate([[0], np.cumsum(n_calos)])
        self._same(self._read("score")["score"], inner, expected, cluster_offsets)

    def _same(self, branch: Branch, found: Index, expected: Index, event_rows: Index) -> None:
        """Raise when offsets differ; `event_rows[i]` is the row of `expected` where event i begins."""
        if np.array_equal(found, expected):
            return
        n = min(len(found), len(expected))
        row = int(np.argmax(found[:n] != expected[:n])) if (found[:n] != expected[:n]).any() else n
        event = int(np.searchsorted(event_rows, row, side="left")) - 1
        raise bad_file(
            self.file.path,
            f"branch '{branch.name}' has another number of values than its fellows in entry {self.start + event}",
            "as many clusters, caloparticles and hits in all branches of an event",
            "make the dump again; or go on without the file: --skip-bad-files",
        )


def _int32(column: NDArray[Any]) -> NDArray[np.int32]:
    return column.astype(np.int32, copy=False)
