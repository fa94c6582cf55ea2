"""The driver of `ecalwindows compare`: which windows two datasets share, how those differ, how distributions drift.

Keys are read first (16 bytes a window): so it is known which windows are common. Then both datasets are read side by
side; a window waits until the other side brings its twin. Memory follows how far the two orders are apart: a few
batches for two productions of the same files, at most the smaller dataset.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecalwindows.batch import WindowBatch
from ecalwindows.comparison import Comparison, Rules, name_of, taken
from ecalwindows.dataset.seen_windows import text_keys
from ecalwindows.dataset.sources import File, dataset_files, file_batches, file_index
from ecalwindows.dataset.splits import event_hash
from ecalwindows.drift import Distributions, Drift, drifts
from ecalwindows.errors import InputError
from ecalwindows.schema import COLUMNS, HIT_COMPONENTS

Words = NDArray[np.uint64]
Progress = Callable[[int, int, int], None]
"""Called with files read (in all passes), files to read, and windows compared."""

PHYSICS = ("run_id", "lumi_id", "event_id", "seed_eta", "seed_phi")
KINDS = {"window_index": ("window_index",), "run, lumi, event, seed eta and phi": PHYSICS}
"""Ways to tell which windows are the same, and the columns they need; the first with a common window is taken."""

MOST_NAMED = 3
UNNAMED = frozenset({"window_index"})


class Side:
    """One dataset.

    files : its data files; names : columns and hit components that all of them hold
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.files = dataset_files(path)

    @cached_property
    def by_file(self) -> dict[str, frozenset[str]]:
        """What each file holds; files without windows hold nothing."""
        return {file.path: file_index(file).names for file in self.files}

    @cached_property
    def names(self) -> frozenset[str]:
        """What all files hold."""
        held = [names for names in self.by_file.values() if names]
        return frozenset.intersection(*held) if held else frozenset()

    @property
    def is_single(self) -> bool:
        """Whether float64 columns were stored in float32."""
        return any(file.format == "tfrecord" for file in self.files)

    def batches(self, columns: Collection[str], done: Callable[[File], None]) -> Iterator[WindowBatch]:
        """All windows, file by file."""
        for file in self.files:
            yield from file_batches(file, self.by_file[file.path] & frozenset(columns))
            done(file)


@dataclass
class Match:
    """Which windows are common.

    kind : how they were told, one of `KINDS`; "" where none is
    common : their keys, sorted; only, repeated : windows on one side only, and those whose key stands twice, of A and B
    windows : of A and B
    """

    kind: str
    common: Words
    windows: tuple[int, int]
    only: tuple[int, int] = (0, 0)
    repeated: tuple[int, int] = (0, 0)


@dataclass
class Compared:
    """The result: what is common, how common windows differ, and, if asked for or nothing is common, the drift.

    one_sided : columns and hit components that only A, only B has; columns : those that both have
    only : names of the first windows that stand on one side only
    """

    paths: tuple[str, str]
    match: Match
    comparison: Comparison
    columns: frozenset[str]
    one_sided: tuple[list[str], list[str]]
    only: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    drifts: list[Drift] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same windows, with the same values in all columns that both have."""
        match, found = self.match, self.comparison
        return not any((*match.only, *match.repeated, found.differ)) and found.windows == match.windows[0]


def compare_datasets(
    a: str | Path,
    b: str | Path,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    drift: bool = False,
    plots: str | Path | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Compare two datasets of any formats: files, folders, finished datasets, URLs.

    rtol, atol : values agree when abs(a - b) <= atol + rtol x max(abs(a), abs(b)); by default when they are the same
    drift : also compare distributions; always done where no windows are common. plots : folder for their figures
    Raises InputError for what cannot be read, or shares no column.
    """
    began = time.monotonic()
    sides = Side(str(a)), Side(str(b))
    steps = _Steps(progress, 2 * sum(len(side.files) for side in sides))
    match = matched(sides, steps)
    shared = sides[0].names & sides[1].names
    if not shared and all(match.windows):
        raise InputError(
            "the two have no column in common", expected="two datasets of windows", where=f"{a} and {b}",
            todo="make or convert one of them with the columns of the other",
        )  # fmt: skip
    one_sided = [_in_order(one.names - two.names) if two.names else [] for one, two in (sides, sides[::-1])]
    rules = Rules(rtol, atol, single=sides[0].is_single or sides[1].is_single)
    result = Compared((str(a), str(b)), match, Comparison(rules), shared, (one_sided[0], one_sided[1]))
    if len(match.common):
        _compare_common(sides, result, steps)
    if drift or plots or (not len(match.common) and any(match.windows)):
        _drift(sides, result, steps, None if plots is None else Path(plots))
    result.seconds = time.monotonic() - began
    return result


@dataclass
class _Steps:
    """Counts files read."""

    tell: Progress | None
    of: int
    windows: int = 0
    n: int = 0

    def done(self, _: File) -> None:
        self.n += 1
        if self.tell:
            self.tell(self.n, max(self.of, self.n), self.windows)


def _in_order(names: Collection[str]) -> list[str]:
    return [name for name in (*COLUMNS, *(hit for hit, *_ in HIT_COMPONENTS)) if name in names]


def keys(batch: WindowBatch, kind: str) -> Words:
    """The key of each window, uint64 (n,). Two windows share one by chance in 3 of 10,000 pairs of 1e8 windows each.

    That would be told as a difference, never hide one.
    """
    if kind == "window_index":
        return text_keys(batch.window_index).first
    numbers = [batch.window[name] for name in PHYSICS]
    angles = [(column + np.float32(0)).view(np.uint32).astype(np.int64) for column in numbers[3:]]
    first = event_hash(np.uint64(0), *numbers[:3])
    return event_hash(first, angles[0], angles[1], angles[0])


def matched(sides: tuple[Side, Side], steps: _Steps) -> Match:
    """Which windows are common to both."""
    shared = sides[0].names & sides[1].names
    kinds = [kind for kind, needs in KINDS.items() if shared.issuperset(needs)]
    found = [_keys_of(side, kinds, steps) for side in sides]
    windows = (found[0][0], found[1][0])
    for kind in kinds:
        unique = [np.unique(side[kind], return_counts=True) for _, side in found]
        common = np.intersect1d(unique[0][0], unique[1][0], assume_unique=True)
        if len(common):
            twice = [values[counts > 1] for values, counts in unique]
            common = np.setdiff1d(common, np.concatenate(twice))
            repeated = [int(counts[counts > 1].sum()) for _, counts in unique]
            only = [n - len(common) - more for n, more in zip(windows, repeated, strict=True)]
            return Match(kind, common, windows, (only[0], only[1]), (repeated[0], repeated[1]))
    return Match("", np.empty(0, np.uint64), windows, windows)


def _keys_of(side: Side, kinds: Collection[str], steps: _Steps) -> tuple[int, dict[str, Words]]:
    """Number of windows of a side, and the keys of all."""
    n, found = 0, {kind: [np.empty(0, np.uint64)] for kind in kinds}
    needs = {name for kind in kinds for name in KINDS[kind]}
    for batch in side.batches(needs or _in_order(side.names)[:1], steps.done):
        n += len(batch)
        for kind in kinds if len(batch) else ():
            found[kind].append(keys(batch, kind))
    return n, {kind: np.concatenate(pieces) for kind, pieces in found.items()}


class Waiting:
    """Windows of one side whose twins have not come yet, by their number among the common ones.

    block, row : int (n_common,), where each waits; block -1: it does not
    """

    def __init__(self, n_common: int) -> None:
        self.block = np.full(n_common, -1, np.int32)
        self.row = np.zeros(n_common, np.int32)
        self.batches: dict[int, WindowBatch] = {}
        self.left: dict[int, int] = {}
        self._next = 0

    def add(self, batch: WindowBatch, number: NDArray[np.int64]) -> None:
        """Let windows wait; `number` : of each among the common ones."""
        if len(batch):
            self.batches[self._next], self.left[self._next] = batch, len(batch)
            self.block[number], self.row[number] = self._next, np.arange(len(batch))
            self._next += 1

    def take(self, number: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], WindowBatch]]:
        """The waiting ones among these, batch by batch: places in `number`, and their windows in that order."""
        blocks = self.block[number]
        for block in np.unique(blocks[blocks >= 0]).tolist():
            places = np.flatnonzero(blocks == block)
            yield places, taken(self.batches[block], self.row[number[places]].astype(np.int64))
            self.left[block] -= len(places)
            if not self.left[block]:
                del self.batches[block], self.left[block]
        self.block[number] = -1


def _compare_common(sides: tuple[Side, Side], result: Compared, steps: _Steps) -> None:
    """Read both sides, the one that is behind first, and compare windows as soon as both are there."""
    match = result.match
    wanted = result.columns | {name for name in UNNAMED if all(name in side.names for side in sides)}
    streams = [side.batches(wanted, steps.done) for side in sides]
    waiting = [Waiting(len(match.common)), Waiting(len(match.common))]
    read, open_sides = [0, 0], {0, 1}
    compared = result.columns - UNNAMED
    while open_sides:
        side = min(open_sides, key=lambda each: read[each])
        batch = next(streams[side], None)
        if batch is None:
            open_sides.remove(side)
            continue
        read[side] += len(batch)
        rows, number = _common_rows(batch, match, result.only[side])
        done = np.zeros(len(rows), dtype=np.bool_)
        for places, twin in waiting[1 - side].take(number):
            done[places] = True
            pair = taken(batch, rows[places]), twin
            result.comparison.add(pair[side], pair[1 - side], compared)
        waiting[side].add(taken(batch, rows[~done]), number[~done])
        steps.windows = result.comparison.windows


def _common_rows(
    batch: WindowBatch, match: Match, only: list[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the windows that are common, and their numbers; the first others are named in `only`."""
    key = keys(batch, match.kind) if len(batch) else np.empty(0, np.uint64)
    number = np.searchsorted(match.common, key)
    is_common = match.common[np.minimum(number, len(match.common) - 1)] == key
    for row in np.flatnonzero(~is_common)[: MOST_NAMED - len(only)].tolist():
        only.append(name_of(batch, row))
    rows = np.flatnonzero(is_common)
    return rows, number[rows]


def _drift(sides: tuple[Side, Side], result: Compared, steps: _Steps, folder: Path | None) -> None:
    """Distributions of all columns of numbers that both have, and their figures."""
    names = {name for name in result.columns if name in COLUMNS and COLUMNS[name].dtype not in ("str", "int64")}
    found = [Distributions(), Distributions()]
    for side, distributions in zip(sides, found, strict=True):
        for batch in side.batches(names, steps.done):
            distributions.add(batch, names)
    result.drifts = drifts(found[0], found[1], names)
    if folder is not None:
        from ecalwindows.plots.drift import draw_drift

        for drift in result.drifts:
            path = folder / f"{drift.name}.png"
            draw_drift(drift, found[0].values(drift.name), found[1].values(drift.name), result.paths, path)
            result.figures.append(path)
