"""Reads NDJSON into batches: ours, and the productions of CMS (`.ndjson.tar.gz`, with NaN, sometimes with a cut line).

The text is read by chunks of whole lines, straight into tables of numbers (`kernels.json_windows`); Python looks only
at the first lines, and at what is too rare or too odd for a kernel.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

import numpy as np

from ecalwindows.batch import Array, WindowBatch
from ecalwindows.dataset.ndjson.layout import HIT_NAMES, LEVELS, Layout, file_layout, unknown_fields
from ecalwindows.dataset.ndjson.tables import Tables
from ecalwindows.dataset.ndjson.text_source import Chunk, Limits, bad_text, text_chunks
from ecalwindows.schema import COLUMNS

MOST_TOLD = 5
"""Unusable lines of a file that are told by number and reason."""


@dataclass
class ReadNotes:
    """What was met while reading, for the summary; counts go on from file to file.

    windows : usable lines
    unusable, cut : lines that are no window: in the middle, and at the end of a text without a newline
    told : file, line number and reason of the first of them
    unknown : fields that are no columns
    lacking : fields that only some lines have, which are left out
    skipped : members of archives that are no files
    """

    windows: int = 0
    unusable: int = 0
    cut: int = 0
    told: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    lacking: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)


def read_batches(
    path: str | PathLike[str],
    *,
    rows: int = 8192,
    columns: Collection[str] | None = None,
    limits: Limits | None = None,
    notes: ReadNotes | None = None,
) -> Iterator[WindowBatch]:
    """Windows of an NDJSON file as partial batches of at most `rows`.

    path : .ndjson, .ndjson.gz, .ndjson.zst, or a tar archive of such text (.tar, .tar.gz, .tgz)
    columns : names of columns and hit components wanted, of those that the file has; all by default
    notes : gets what else there is to tell
    Which columns a file has, its first lines tell; a later line that lacks one is unusable.
    Raises BadFileError for a file that is cut, damaged, beyond the limits or without a window; batches of all whole
    lines before that come first.
    """
    notes = ReadNotes() if notes is None else notes
    reader = Reader(fspath(path), rows, columns, notes)
    for chunk in text_chunks(path, limits or Limits(), notes.skipped):
        yield from reader.batches(chunk)
    if reader.layout is None and reader.n_refused:
        raise bad_text("none of its lines is a window", fspath(path))


class Reader:
    """Makes batches of chunks of one file."""

    def __init__(self, path: str, rows: int, wanted: Collection[str] | None, notes: ReadNotes) -> None:
        self.path, self.rows, self.wanted, self.notes = path, rows, wanted, notes
        self.layout: Layout | None = None
        self.n_lines = 0
        self._tables: Tables | None = None
        self.n_refused = 0

    def batches(self, chunk: Chunk) -> Iterator[WindowBatch]:
        """The windows of a chunk."""
        if chunk.is_first:
            self.n_lines = 0
        if self.layout is None:
            self.layout = file_layout(first_lines(chunk.text), self.wanted)
        if self.layout is None:
            self._refuse_all(chunk)
            return
        tables = self._tables = self._tables or Tables(self.layout, self.rows)
        tables.load(chunk.text, self.n_lines)
        done = False
        while not done:
            done = tables.read()
            self._tell(tables, chunk)
            if tables.n_windows:
                self.notes.windows += tables.n_windows
                yield batch_of(tables, self.wanted)
                tables.clear()
        self.layout, self.n_lines = tables.layout, tables.n_lines
        self.notes.unknown.update(unknown_fields(self.layout))

    def _refuse_all(self, chunk: Chunk) -> None:
        lines = chunk.text.split(b"\n")[:-1]
        for number, line in enumerate(lines):
            if line.strip():
                self._refuse(self.n_lines + number, line, not chunk.has_end and number == len(lines) - 1, chunk.member)
        self.n_lines += len(lines)

    def _tell(self, tables: Tables, chunk: Chunk) -> None:
        """Count the unusable lines met, and tell the fields that only later lines have."""
        text = chunk.text
        for number, first, last in tables.take_bad():
            is_cut = not chunk.has_end and last == len(text) - 1
            self._refuse(number, text[first:last], is_cut, chunk.member)
        for level, name in tables.take_strange():
            if name in COLUMNS and COLUMNS[name].level == LEVELS[level]:
                self.notes.lacking.add(name)

    def _refuse(self, number: int, line: bytes, is_cut: bool, member: str) -> None:
        self.notes.cut += is_cut
        self.notes.unusable += not is_cut
        self.n_refused += 1
        if self.n_refused <= MOST_TOLD:
            place = f"{self.path}{f' ({member})' if member else ''}, line {number + 1}"
            self.notes.told.append(f"{place}: {'cut' if is_cut else why_unusable(line, self.layout)}")


def first_lines(text: bytes) -> Iterator[bytes]:
    """The lines of a text, one by one."""
    first = 0
    while first < len(text):
        last = text.index(b"\n", first)
        yield text[first:last]
        first = last + 1


def why_unusable(line: bytes, layout: Layout | None) -> str:
    """What is wrong with a line, in a few words."""
    try:
        window = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON ({str(error)[:60]})"
    if not isinstance(window, dict) or not isinstance(window.get("clusters"), list) or layout is None:
        return "no object with a list of clusters"
    clusters = [cluster for cluster in window["clusters"] if isinstance(cluster, dict)]
    lacking = [name for name in layout.window if name not in window]
    lacking += [name for name in layout.of_cluster if any(name not in cluster for cluster in clusters)]
    if lacking:
        return f"lacks {', '.join(lacking[:3])}{' ...' if len(lacking) > 3 else ''}"
    return "a field holds something else than it should"


def batch_of(tables: Tables, wanted: Collection[str] | None) -> WindowBatch:
    """The windows in the tables as a batch."""
    layout, n_pairs = tables.layout, tables.n_pairs
    window = {
        name: tables.window.column(i, name, tables.n_windows) for i, name in enumerate(layout.window) if is_number(name)
    }
    pair = {name: tables.pair.column(i, name, n_pairs) for i, name in enumerate(layout.cluster)}
    offsets = tables.ends[: tables.n_windows + 1].copy()
    seeds = seed_rows(offsets, pair.get("is_seed"))
    if wanted is not None and "is_seed" not in wanted:
        pair.pop("is_seed", None)
    hits = {name: tables.hit_column(i) for i, name in enumerate(HIT_NAMES[: layout.components])}
    if wanted is not None:
        hits = {name: column for name, column in hits.items() if name in wanted}
    return WindowBatch(
        window_index=tables.names(), window=window, cluster={}, pair=pair, window_offsets=offsets,
        pair_cluster=np.arange(n_pairs), window_seed=seeds,
        hits_offsets=tables.hit_ends[: n_pairs + 1].copy() if hits else np.zeros(n_pairs + 1, np.int64), hits=hits,
        events={},
    )  # fmt: skip


def is_number(name: str) -> bool:
    """Whether a column is not text."""
    return COLUMNS[name].dtype != "str"


def seed_rows(offsets: Any, is_seed: Array | None) -> Any:
    """The row of the first seed of each window, -1 where there is none. int64 (n_windows,)"""
    rows = np.full(len(offsets) - 1, -1, np.int64)
    if is_seed is not None:
        seeds = np.flatnonzero(is_seed)[::-1]
        rows[np.searchsorted(offsets, seeds, side="right") - 1] = seeds
    return rows
