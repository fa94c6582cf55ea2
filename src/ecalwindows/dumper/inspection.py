"""What is in a dumper file: trees, events, branches by purpose, and what each missing branch costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.errors import BadFileError
from ecalwindows.core.names import some
from ecalwindows.core.settings import STRATEGIES
from ecalwindows.dumper import columns as dump
from ecalwindows.dumper.branches import BRANCHES, PILEUP_BRANCHES, PILEUP_TOTAL, Branch, is_of_truth, truth_found
from ecalwindows.dumper.headers import check_branches, open_tree, pileup_found
from ecalwindows.dumper.values import integers

Truth = Literal["complete", "incomplete", "absent"]

MAX_SAMPLE = 200
"""Events from which clusters and caloparticles per event are counted."""

PURPOSES = {
    "event": "event", "calo": "truth", "cluster": "clusters", "score": "association", "hits": "hits",
    "supercluster": "superclusters", "member": "superclusters", "simhits": "simulated hits",
}  # fmt: skip


@dataclass(frozen=True)
class Missing:
    """A branch that is read where it is there, and what is lost without it."""

    branch: str
    purpose: str
    cost: str


@dataclass(frozen=True)
class DumpFacts:
    """What was found in a dumper file.

    trees : path and kind of each tree of the file; bytes : size of the file
    first_run, last_run : over all events; None without events or without runId
    sample : events from which `clusters_per_event` and `caloparticles_per_event` are counted
    present : by purpose, how many of the known branches are there, and how many are known
    n_branches : all branches of the tree, known or not
    strategies : scores that can be the setting `assoc_strategy`
    superclusters : collections with the indices of their seeds
    pileup : used, absent or incomplete, as `--pileup auto` treats it
    truth : whether all, none or only some of the branches of caloparticles and scores are there that windows need
    fault : the first known branch with another type, or without an entry for each event; empty if there is none
    """

    path: str
    tree: str
    kind: str
    trees: Mapping[str, str]
    events: int
    bytes: int
    compression: str
    n_branches: int
    first_run: int | None
    last_run: int | None
    sample: int
    clusters_per_event: float | None
    caloparticles_per_event: float | None
    present: Mapping[str, tuple[int, int]]
    missing: tuple[Missing, ...]
    strategies: tuple[str, ...]
    superclusters: tuple[str, ...]
    pileup: str
    truth: Truth
    simhits: bool
    names: frozenset[str]
    fault: str

    @property
    def makes_windows(self) -> bool:
        """Whether no branch has a fault or is missing that all windows need, with or without truth."""
        return not self.fault and not any(each.cost in (NO_WINDOWS, NO_HITS) for each in self.missing)

    @property
    def makes_matches(self) -> bool:
        """Whether `truth match` works, which needs no hits."""
        return self.truth == "complete" and not self.fault and not any(each.cost == NO_WINDOWS for each in self.missing)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Columns and hit components that no output can have, so that a features definition must leave them out."""
        missing = [branch for branch in BRANCHES if branch.name not in self.names and _is_for_columns(branch)]
        return tuple(sorted({name for branch in missing for name in branch.feeds}))


NO_WINDOWS = "no windows can be made"
NO_HITS = "no windows can be made, as all of them have hits; tables of matched clusters can be made"
NO_TRUTH = "no truth: windows can be made with --truth none"


def dump_facts(path: str, tree_name: str) -> DumpFacts:
    """Look into a dumper file; only the runs and the lengths of some lists are read.

    Parameters
    ----------
    path
        Local path or URL.
    tree_name
        Path of the tree in the file.

    Returns
    -------
    DumpFacts
        What was found.

    Raises
    ------
    BadFileError
        For what is not a ROOT file, is cut off, or has no such tree.
    """
    with open_tree(path, tree_name) as tree:
        names = frozenset(dump.column_names(tree))
        n_events, file = int(tree.num_entries), tree.file
        sample = min(n_events, MAX_SAMPLE)
        runs = _read(tree, "runId", n_events, names)
        return DumpFacts(
            path=path,
            tree=tree_name,
            kind=str(tree.classname).removeprefix("ROOT::"),
            trees=_trees(file),
            events=n_events,
            bytes=int(file.source.num_bytes),
            compression=str(file.compression or "none"),
            n_branches=len(names),
            first_run=int(runs.min()) if len(runs) else None,
            last_run=int(runs.max()) if len(runs) else None,
            sample=sample,
            clusters_per_event=_mean_length(tree, "pfCluster_eta", sample, names),
            caloparticles_per_event=_mean_length(tree, "caloParticle_genEta", sample, names),
            present=_present(names),
            missing=tuple(_missing(names)),
            strategies=tuple(name for name in STRATEGIES if f"pfCluster_{name}" in names),
            superclusters=_collections(names),
            pileup=pileup_found(names),
            truth=_truth(names),
            simhits="simHit_energy" in names,
            names=names,
            fault=_fault(path, tree, names),
        )


def event_ids(path: str, tree_name: str) -> NDArray[np.int64]:
    """Run, luminosity section and event of every entry, (3, n_entries). Raises BadFileError."""
    ids = [branch for branch in BRANCHES if branch.part == "event" and branch.key in ("run", "lumi", "event")]
    with open_tree(path, tree_name) as tree:
        check_branches(path, tree, ids)
        columns = dump.read_columns(tree, [branch.name for branch in ids], 0, int(tree.num_entries))
        return np.stack([integers(branch, columns[branch.name].content, path) for branch in ids])


def _fault(path: str, tree: Any, names: Collection[str]) -> str:
    """What makes reading of a known branch an error; empty if nothing does."""
    try:
        check_branches(path, tree, [branch for branch in _known() if branch.name in names])
    except BadFileError as error:
        return error.found
    return ""


def _collections(names: Collection[str]) -> tuple[str, ...]:
    """Collections of superclusters. A branch `nNAME` beside `NAME` has the lengths of its lists."""
    found = {name.removesuffix("_seedIndex") for name in names if name.endswith("_seedIndex")}
    return tuple(sorted(found - {f"n{name}" for name in found}))


def _trees(file: Any) -> dict[str, str]:
    kinds = file.root_directory.classnames(cycle=False)
    return {name: str(kind) for name, kind in kinds.items() if "TTree" in kind or "RNTuple" in kind}


def _read(tree: Any, name: str, stop: int, names: Collection[str]) -> Any:
    """The numbers of a branch up to an entry; empty where the branch is missing or is not of numbers."""
    if name not in names or dump.column_type(tree, name) is None:
        return np.empty(0)
    return dump.read_columns(tree, [name], 0, stop, fast=False)[name].content


def _mean_length(tree: Any, name: str, sample: int, names: Collection[str]) -> float | None:
    if not sample or name not in names:
        return None
    return len(_read(tree, name, sample, names)) / sample


def purpose(branch: Branch) -> str:
    """What a branch is for, in a word or two."""
    if branch in (*PILEUP_BRANCHES, PILEUP_TOTAL):
        return "pile-up"
    if branch.key.startswith("noise"):
        return "noise"
    is_shape = branch.part == "cluster" and branch.default is not None
    return "shower shapes" if is_shape else PURPOSES[branch.part]


def _known() -> tuple[Branch, ...]:
    return (*BRANCHES, *PILEUP_BRANCHES, PILEUP_TOTAL)


def _present(names: Collection[str]) -> dict[str, tuple[int, int]]:
    known = Counter(map(purpose, _known()))
    there = Counter(purpose(branch) for branch in _known() if branch.name in names)
    return {what: (there[what], n) for what, n in known.items()}


def _missing(names: Collection[str]) -> list[Missing]:
    missing = [Missing(each.name, purpose(each), _cost(each, names)) for each in _known() if each.name not in names]
    if not any(f"pfCluster_{name}" in names for name in STRATEGIES):
        missing.append(Missing("pfCluster_sim_fraction", "association", NO_TRUTH))
    return missing


def _truth(names: Collection[str]) -> Truth:
    if any(each.cost == NO_TRUTH for each in _missing(names)):
        return "incomplete" if truth_found(names) else "absent"
    return "complete"


def _is_for_columns(branch: Branch) -> bool:
    """Whether a branch is needed by some columns only, which an output can leave out."""
    return branch.default is None and bool(branch.feeds) and branch.key != "rechitEnergy" and not is_of_truth(branch)


def _cost(branch: Branch, names: Collection[str]) -> str:
    columns = some(sorted(branch.feeds), 4)
    if branch in PILEUP_BRANCHES:
        return "pile-up is not used: its columns are 0, and no cluster fails the pile-up limit"
    if branch.part == "simhits":
        return "no study of simulated hits (truth window-size)"
    if branch.default is not None:
        return f"{branch.default:g} is taken for it, in {columns}"
    if is_of_truth(branch):
        other = f"caloParticle_{branch.without.rpartition(' ')[2]}"
        can_do_without = branch.without.startswith("--") and other in names
        return (
            f"windows and tables of matched clusters can be made with {branch.without}" if can_do_without else NO_TRUTH
        )
    if branch.key == "rechitEnergy":
        return NO_HITS
    if _is_for_columns(branch):
        return f"only outputs without {columns} can be made (-f FILE, a features definition)"
    return NO_WINDOWS


@dataclass(frozen=True)
class Difference:
    """A file of a folder that differs from most of the others: branches that it lacks, and those that only it has."""

    path: str
    kind: str
    lacks: tuple[str, ...]
    has_more: tuple[str, ...]


@dataclass(frozen=True)
class FolderFacts:
    """Many dumper files: what most of them have, and the files that differ.

    usual : one of the files that are as most are, None where none can be read
    bad : path and reason of each file that cannot be read
    """

    n_files: int
    events: int
    bytes: int
    first_run: int | None
    last_run: int | None
    usual: DumpFacts | None
    differ: tuple[Difference, ...]
    bad: Mapping[str, str]


def folder_facts(paths: Collection[str], tree_name: str) -> FolderFacts:
    """Look into many dumper files; those that cannot be read are listed, and no error."""
    facts, bad = list[DumpFacts](), dict[str, str]()
    for path in paths:
        try:
            facts.append(dump_facts(path, tree_name))
        except BadFileError as error:
            bad[path] = error.found
    by_content: dict[tuple[str, frozenset[str]], list[DumpFacts]] = {}
    for each in facts:
        by_content.setdefault((each.kind, each.names), []).append(each)
    usual = max(by_content.values(), key=len)[0] if by_content else None
    runs = [run for each in facts for run in (each.first_run, each.last_run) if run is not None]
    return FolderFacts(
        n_files=len(paths),
        events=sum(each.events for each in facts),
        bytes=sum(each.bytes for each in facts),
        first_run=min(runs, default=None),
        last_run=max(runs, default=None),
        usual=usual,
        differ=tuple(_difference(each, usual) for each in facts if usual and _is_other(each, usual)),
        bad=bad,
    )


def _is_other(one: DumpFacts, usual: DumpFacts) -> bool:
    return (one.kind, one.names) != (usual.kind, usual.names)


def _difference(one: DumpFacts, usual: DumpFacts) -> Difference:
    lacks, more = sorted(usual.names - one.names), sorted(one.names - usual.names)
    return Difference(one.path, one.kind, tuple(lacks), tuple(more))
