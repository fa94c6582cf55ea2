"""Headers of dumper files, all checked before the first event is read: trees, branches and their types, events."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import uproot

from ecalwindows.core.errors import BadFileError, EcalWindowsError, InputError, SettingsError, near
from ecalwindows.core.files.file_state import FileState, file_state
from ecalwindows.core.interrupts import interrupts_kept
from ecalwindows.core.names import some
from ecalwindows.core.settings import PileUpUse, WindowSettings
from ecalwindows.core.urls import is_remote, remote_filesystem
from ecalwindows.dumper import columns as dump
from ecalwindows.dumper.branches import PILEUP_BRANCHES, Branch, branches_needed, is_of_truth, truth_found
from ecalwindows.dumper.coverage import check_coverage
from ecalwindows.dumper.errors import bad_file

OF_WINDOWS = (".parquet", ".ndjson", ".ndjson.gz", ".ndjson.zst", ".tar.gz", ".proto")
"""Ends of the names of files that `ecalwindows windows` writes, and does not read."""


@dataclass(frozen=True)
class OpenTree:
    """The tree of a file that is open, and what closes the file, also when nobody has this any more."""

    tree: Any
    closing: ExitStack


@dataclass(frozen=True)
class Input:
    """A checked input file: what is read of it.

    branches : those to read
    absent : needed ones that take their defaults, and those for which it is treated as a file without pile-up
    pileup : how the pile-up of the file is treated (core.settings.PileUpUse)
    n_events : entries of the tree; start, stop : those that the run takes; n_bytes : size of the file
    state : of the file before it was opened, None for a URL
    has_truth : whether caloparticles are read
    opened : its tree, where the check has left it open for whoever reads it next (`tree_of`)
    """

    path: str
    n_events: int
    branches: tuple[Branch, ...]
    absent: tuple[Branch, ...]
    start: int = 0
    stop: int = 0
    n_bytes: int = 0
    pileup: PileUpUse = "off"
    state: FileState | None = None
    has_truth: bool = True
    opened: OpenTree | None = field(default=None, compare=False, repr=False)

    @property
    def use_pileup(self) -> bool:
        """Whether the branches of pile-up are read."""
        return self.pileup == "used"

    @property
    def defaults(self) -> dict[str, float]:
        """The absent branches, by name, and the values that stand for them."""
        return {branch.name: branch.default for branch in self.absent if branch.default is not None}

    def defaults_for(self, wanted: Collection[str], settings: WindowSettings) -> dict[str, float]:
        """The same of the branches that some of the columns and hit components need."""
        needed = branches_needed(wanted, settings, use_pileup=self.use_pileup)
        names = {branch.name for branch in (*needed, *PILEUP_BRANCHES)}
        return {name: default for name, default in self.defaults.items() if name in names}


@dataclass
class Inputs:
    """All inputs of a run, checked: those to read, and those that were left out with their errors."""

    files: list[Input] = field(default_factory=list)
    bad: list[BadFileError] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        """Those of all inputs."""
        return [*(file.path for file in self.files), *(error.where for error in self.bad)]

    @property
    def n_events(self) -> int:
        """Events that the run takes."""
        return sum(file.stop - file.start for file in self.files)

    @property
    def absent(self) -> dict[str, float]:
        """Absent branches of any file and their defaults."""
        return {name: value for file in self.files for name, value in file.defaults.items()}


def check_inputs(
    paths: Sequence[str],
    settings: WindowSettings,
    wanted: Collection[str],
    *,
    events: tuple[int | None, int | None] = (None, None),
    skip_bad_files: bool = False,
) -> Inputs:
    """Open every file, look at its tree and branches, and choose what to read; no event is read.

    A single file is left open, as a file's tree takes uproot as long to read as the rest of a small file.

    wanted : dataset columns and hit components that the outputs hold
    events : (start, stop) of all inputs taken one after the other, as in a Python slice; None for the end of the range
    Raises the error of the first bad file, unless `skip_bad_files`.
    """
    inputs = Inputs()
    for path in paths:
        try:
            state = file_state(path, fresh=True)
            with ExitStack() as stack:
                tree = stack.enter_context(open_tree(path, settings.tree))
                found = replace(_checked(path, tree, settings, wanted), state=state)
                opened = OpenTree(tree, stack.pop_all()) if len(paths) == 1 else None
            inputs.files.append(replace(found, opened=opened))
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
            f"the range of events {'' if start is None else start}:{'' if stop is None else stop} means nothing",
            expected="START:STOP with 0 <= START <= STOP, counted over all inputs; either may be left out",
            where="--events", todo="correct it, for example --events 0:1000",
        )  # fmt: skip
    chosen, before = [], 0
    for file in files:
        begin, end = (min(max(edge - before, 0), file.n_events) for edge in (first, last))
        chosen.append(replace(file, start=int(begin), stop=int(end)))
        before += file.n_events
    return chosen


def settings_for(inputs: Inputs, settings: WindowSettings) -> WindowSettings:
    """The settings with `truth` as it is in all inputs, where it was auto.

    Raises
    ------
    InputError
        If some of the inputs have truth and others do not.
    """
    found = {file.has_truth: file.path for file in reversed(inputs.files)}
    if settings.truth != "auto" or not found:
        return settings
    if len(found) > 1:
        raise InputError(
            f"it has no branches of caloparticles, and {found[True]} has them", where=found[False],
            expected="inputs that all have truth, or none of them",
            todo="make datasets of their own, or take all without truth: --truth none",
        )  # fmt: skip
    return settings.model_copy(update={"truth": "require"}) if True in found else settings.without_truth


@contextmanager
def open_tree(path: str, tree_name: str) -> Iterator[Any]:
    """The TTree or RNTuple of a file; whatever goes wrong with it, now or while it is read, is a BadFileError."""
    if not is_remote(path) and not os.path.isfile(path):
        raise bad_file(path, "it is not a file", "an existing ROOT file", "check the path")
    if path.startswith("root://"):
        remote_filesystem(path)
    handler = {} if is_remote(path) else {"handler": uproot.MemmapSource}
    with reading_errors(path), uproot.open({path: None}, **handler) as file:
        if (there := int(file.file.source.num_bytes)) < (said := int(file.file.fEND)):
            raise bad_file(
                path, f"it is cut off: {there:,} bytes of {said:,}", "a complete ROOT file",
                "copy or make it again, or go on without it: --skip-bad-files",
            )  # fmt: skip
        yield _tree(path, file, tree_name)


@contextmanager
def tree_of(file: Input, tree_name: str) -> Iterator[Any]:
    """The tree of a checked file, opened again where the file is closed; errors as in `open_tree`."""
    if file.opened is not None and not file.opened.tree.file.closed:
        with file.opened.closing:
            yield file.opened.tree
    else:
        with open_tree(file.path, tree_name) as tree:
            yield tree


@contextmanager
def reading_errors(path: str) -> Iterator[None]:
    """Whatever goes wrong while a file is read is a BadFileError with its path."""
    try:
        with interrupts_kept():
            yield
    except BadFileError as error:  # by the name under which the file was given, whatever the library calls it
        raise bad_file(path, error.found, error.expected, error.todo) from error
    except (EcalWindowsError, MemoryError, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as error:
        there = "check the URL, the server and your credentials" if is_remote(path) else "copy or make it again"
        if path.endswith(OF_WINDOWS):
            there = "`ecalwindows convert`, `validate` and others read windows that are made already"
        said = " ".join(str(error).split()).replace(" ".join(path.split()), "the file")  # the same wherever the file is
        raise bad_file(
            path, f"it cannot be read as a ROOT file: {said[:200] or type(error).__name__}", "a complete ROOT file",
            f"{there}, or go on without it: --skip-bad-files",
        ) from error  # fmt: skip


def _tree(path: str, file: Any, name: str) -> Any:
    try:
        tree = file[name]
    except uproot.KeyInFileError:
        found = [f"{key} ({kind})" for key, kind in file.classnames(cycle=False).items()]
        raise bad_file(
            path, f"it has no tree '{name}'; it holds: {', '.join(found[:8]) or 'nothing'}",
            "the tree of RecoSimDumper",
            "give its path as the setting `tree`, or go on without the file: --skip-bad-files",
        ) from None  # fmt: skip
    if not isinstance(tree, uproot.TTree) and not hasattr(tree, "to_akform"):
        raise bad_file(
            path, f"'{name}' is a {tree.classname}", "a TTree or RNTuple", "give another `tree` in the settings"
        )
    return tree


def _checked(path: str, tree: Any, settings: WindowSettings, wanted: Collection[str]) -> Input:
    names = set(dump.column_names(tree))
    if settings.truth == "auto" and not truth_found(names):
        settings = settings.without_truth
    pileup = _pileup(path, names, settings)
    needed = branches_needed(wanted, settings, use_pileup=pileup == "used")
    present = check_branches(path, tree, needed)
    n_events = int(tree.num_entries)
    missed = PILEUP_BRANCHES if pileup == "incomplete" else ()
    absent = tuple(branch for branch in (*needed, *missed) if branch.name not in names)
    n_bytes = int(tree.file.source.num_bytes)
    return Input(path, n_events, present, absent, 0, n_events, n_bytes, pileup, has_truth=settings.has_truth)


def check_branches(path: str, tree: Any, needed: Sequence[Branch]) -> tuple[Branch, ...]:
    """Those of the branches that a tree has: of the right type, and with an entry for each event.

    Raises BadFileError for another type, other numbers of entries, and a required branch that is missing.
    """
    names = set(dump.column_names(tree))
    types = dump.column_types(tree, [branch.name for branch in needed if branch.name in names])
    for branch in needed:
        if branch.name in names:
            _check_type(path, tree, branch, types[branch.name])
        elif branch.default is None:
            raise _missing(path, branch, [b for b in needed if b.default is None and b.name not in names], names)
    present = tuple(branch for branch in needed if branch.name in names)
    check_coverage(tree, [branch.name for branch in present])
    return present


def _missing(path: str, first: Branch, missing: Sequence[Branch], names: Collection[str]) -> BadFileError:
    """The error of required branches that are missing, in which the first is described."""
    others = [f"'{branch.name}'" for branch in missing if branch is not first]
    more = f", and so {'are' if others[1:] else 'is'} {some(others, 9)}" if others else ""
    option = (
        f"; {first.without} does without it" if all(each.without == first.without != "" for each in missing) else ""
    )
    if all(map(is_of_truth, missing)) and (others or not first.without):
        option += "; --truth none (setting `truth`) makes windows without truth"
    return bad_file(
        path,
        f"the required branch '{first.name}' is missing{more}",
        near(first.name, names) if names else "the branches of RecoSimDumper; the tree has none",
        f"make the dump with this branch{option}; or go on without the file: --skip-bad-files",
    )


def _pileup(path: str, names: set[str], settings: WindowSettings) -> PileUpUse:
    """How the pile-up of a file is treated. Raises BadFileError where its branches must be there and are not."""
    if not settings.has_truth and settings.pileup != "on":
        return "off"
    missing = [branch.name for branch in PILEUP_BRANCHES if branch.name not in names]
    if settings.pileup == "on" and missing:
        raise bad_file(
            path, f"the pile-up branch '{missing[0]}' is missing", "the pile-up branches, since `pileup` is on",
            "--pileup auto uses them where they are, --pileup off does without",
        )  # fmt: skip
    return "off" if settings.pileup == "off" else pileup_found(names)


def pileup_found(names: Collection[str]) -> PileUpUse:
    """How `--pileup auto` treats a file with branches of these names."""
    n = sum(branch.name in names for branch in PILEUP_BRANCHES)
    uses: dict[int, PileUpUse] = {0: "absent", len(PILEUP_BRANCHES): "used"}
    return uses.get(n, "incomplete")


def _check_type(path: str, tree: Any, branch: Branch, found: dump.ColumnType | None) -> None:
    kinds = "iu" if branch.kind == "int" else "fiu"
    if found is None or found.depth != branch.depth or found.dtype.kind not in kinds:
        said = str(found) if found else getattr(tree[branch.name], "typename", "unknown")
        expected = "vector<" * branch.depth + branch.kind + ">" * branch.depth
        raise bad_file(path, f"branch '{branch.name}' has type {said}", expected)
