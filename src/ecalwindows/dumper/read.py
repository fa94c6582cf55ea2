"""Dumper files to `Events`, in steps of bounded memory. All headers are checked before the first event is read."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.config import WindowSettings
from ecalwindows.dumper import columns as dump
from ecalwindows.dumper.branches import BRANCHES, PILEUP_BRANCHES, PILEUP_TOTAL, Branch, Part, branches_needed
from ecalwindows.dumper.columns import Ragged
from ecalwindows.errors import BadFileError, EcalWindowsError, SettingsError, near
from ecalwindows.events import Events, Index
from ecalwindows.remote import is_remote, remote_filesystem

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Input:
    """A checked input file: what is read of it.

    branches : those to read; absent : needed ones that take their defaults
    n_events : entries of the tree; start, stop : those that the run takes; n_bytes : size of the file
    """

    path: str
    n_events: int
    branches: tuple[Branch, ...]
    absent: tuple[Branch, ...]
    use_pileup: bool
    start: int = 0
    stop: int = 0
    n_bytes: int = 0


@dataclass
class Inputs:
    """All inputs of a run, checked: those to read, and those that were left out with their errors."""

    files: list[Input] = field(default_factory=list)
    bad: list[BadFileError] = field(default_factory=list)

    @property
    def n_events(self) -> int:
        """Events that the run takes."""
        return sum(file.stop - file.start for file in self.files)

    @property
    def absent(self) -> dict[str, float]:
        """Absent branches of any file and their defaults."""
        return {b.name: b.default for file in self.files for b in file.absent if b.default is not None}


def check_inputs(
    paths: Sequence[str],
    settings: WindowSettings,
    wanted: Collection[str],
    *,
    events: tuple[int | None, int | None] = (None, None),
    skip_bad_files: bool = False,
) -> Inputs:
    """Open every file, look at its tree and branches, and choose what to read; no event is read.

    wanted : dataset columns and hit components that the outputs hold
    events : (start, stop) of all inputs taken one after the other, as in a Python slice; None for the end of the range
    Raises the error of the first bad file, unless `skip_bad_files`.
    """
    inputs = Inputs()
    for path in paths:
        try:
            with open_tree(path, settings.tree) as tree:
                inputs.files.append(_checked(path, tree, settings, wanted))
        except BadFileError as error:
            if not skip_bad_files:
                raise
            inputs.bad.append(error)
    inputs.files = _ranges(inputs.files, *events)
    return inputs


def _ranges(files: list[Input], start: int | None, stop: int | None) -> list[Input]:
    """The same files with the events taken of each."""
    first, last = start or 0, np.iinfo(np.int64).max if stop is None else stop
    if first < 0 or last < first:
        raise SettingsError(
            f"the range of events {start}:{stop} means nothing",
            expected="START:STOP with 0 <= START <= STOP, counted over all inputs; either may be left out",
            where="--events",
            todo="correct it, for example --events 0:1000",
        )
    chosen, before = [], 0
    for file in files:
        begin, end = (min(max(edge - before, 0), file.n_events) for edge in (first, last))
        chosen.append(replace(file, start=int(begin), stop=int(end)))
        before += file.n_events
    return chosen


@contextmanager
def open_tree(path: str, tree_name: str) -> Iterator[Any]:
    """The TTree or RNTuple of a file; whatever goes wrong with it, now or while it is read, is a BadFileError."""
    import uproot

    if not is_remote(path) and not os.path.isfile(path):
        raise _bad(path, "it is not a file", "an existing ROOT file", "check the path")
    if path.startswith("root://"):
        remote_filesystem(path)
    try:
        with uproot.open({path: None}, **({} if is_remote(path) else {"handler": uproot.MemmapSource})) as file:
            _refuse_cut(path, file)
            yield _tree(path, file, tree_name)
    except (EcalWindowsError, MemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as error:
        there = "check the URL, the server and your credentials" if is_remote(path) else "copy or make it again"
        raise _bad(
            path,
            f"it cannot be read as a ROOT file: {_one_line(error)}",
            "a whole ROOT file",
            f"{there}, or go on without it: --skip-bad-files",
        ) from error


def _refuse_cut(path: str, file: Any) -> None:
    """Raise BadFileError when the file is shorter than its header says."""
    there, said = int(file.file.source.num_bytes), int(file.file.fEND)
    if there < said:
        raise _bad(
            path,
            f"it is cut off: {there:,} bytes of {said:,}",
            "a whole ROOT file",
            "copy or make it again, or go on without it: --skip-bad-files",
        )


def _tree(path: str, file: Any, name: str) -> Any:
    import uproot

    try:
        tree = file[name]
    except uproot.KeyInFileError:
        found = [f"{key} ({kind})" for key, kind in file.classnames(cycle=False).items()]
        raise _bad(
            path,
            f"it has no tree '{name}'; it holds: {', '.join(found[:8]) or 'nothing'}",
            "the tree of RecoSimDumper",
            "give its path as the setting `tree`, or go on without the file: --skip-bad-files",
        ) from None
    if not isinstance(tree, uproot.TTree) and not hasattr(tree, "to_akform"):
        raise _bad(path, f"'{name}' is a {tree.classname}", "a TTree or RNTuple", "give another `tree` in the settings")
    return tree


def _checked(path: str, tree: Any, settings: WindowSettings, wanted: Collection[str]) -> Input:
    names = set(dump.column_names(tree))
    use_pileup = _use_pileup(path, names, settings)
    needed = branches_needed(wanted, settings, use_pileup=use_pileup)
    for branch in needed:
        if branch.name in names:
            _check_type(path, tree, branch)
        elif branch.default is None:
            option = f"; {branch.without} does without it" if branch.without else ""
            raise _bad(
                path,
                f"the required branch '{branch.name}' is missing",
                near(branch.name, names) if names else "the branches of RecoSimDumper; the tree has none",
                f"make the dump with this branch{option}; or go on without the file: --skip-bad-files",
            )
    n_events = int(tree.num_entries)
    present = tuple(branch for branch in needed if branch.name in names)
    absent = tuple(branch for branch in needed if branch.name not in names)
    return Input(path, n_events, present, absent, use_pileup, 0, n_events, int(tree.file.source.num_bytes))


def _use_pileup(path: str, names: set[str], settings: WindowSettings) -> bool:
    missing = [branch.name for branch in PILEUP_BRANCHES if branch.name not in names]
    if settings.pileup == "on" and missing:
        raise _bad(
            path,
            f"the pile-up branch '{missing[0]}' is missing",
            "the pile-up branches, since `pileup` is on",
            "--pileup auto uses them where they are, --pileup off does without",
        )
    if settings.pileup == "auto" and 0 < len(missing) < len(PILEUP_BRANCHES):
        log.warning("%s: counts as a dump without pile-up, as '%s' is missing", path, missing[0])
    return settings.pileup != "off" and not missing


def _check_type(path: str, tree: Any, branch: Branch) -> None:
    found = dump.column_type(tree, branch.name)
    kinds = "iu" if branch.kind == "int" else "fiu"
    if found is None or found.depth != branch.depth or found.dtype.kind not in kinds:
        said = str(found) if found else getattr(tree[branch.name], "typename", "unknown")
        raise _bad(
            path,
            f"branch '{branch.name}' has type {said}",
            "vector<" * branch.depth + branch.kind + ">" * branch.depth,
            "make the dump again; or go on without the file: --skip-bad-files",
        )


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
        raise _bad(
            self.file.path,
            f"branch '{branch.name}' has another number of values than its fellows in entry {self.start + event}",
            "as many clusters, caloparticles and hits in all branches of an event",
            "make the dump again; or go on without the file: --skip-bad-files",
        )


def _int32(column: NDArray[Any]) -> NDArray[np.int32]:
    return column.astype(np.int32, copy=False)


def _bad(path: str, found: str, expected: str, todo: str) -> BadFileError:
    return BadFileError(found, expected=expected, where=path, todo=todo)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
