"""TTrees with the C++ types of dumper files, written by ROOT; the loop over the events of a chunk is C++ code."""

from __future__ import annotations

import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.simulation.branches import OutBranch
from ecalwindows.simulation.chunks import Column

KINDS = ("number", "vector", "nested")
LEAVES = {"int": "/I", "Long64_t": "/L", "float": "/F", "double": "/D"}


def _root() -> Any:
    """The module ROOT, after the C++ code is compiled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ROOT's wheel warns at each import that it is experimental
        import ROOT  # type: ignore[import-not-found,import-untyped,unused-ignore]

    _compile(ROOT)
    return ROOT


@cache
def _compile(root: Any) -> None:
    root.gROOT.SetBatch(True)
    code = files("ecalwindows") / "data" / "simulation" / "ttree.h"
    root.gInterpreter.Declare(code.read_text(encoding="utf-8"))
    root.ecalwindows_simulate.Tree.fill.__release_gil__ = True  # other threads simulate while this one writes


class TTreeWriter:
    """Writes a TTree `recosimdumper/caloTree`."""

    def __init__(self, path: Path, branches: tuple[OutBranch, ...]) -> None:
        root = _root()
        self.file = root.TFile(str(path), "RECREATE", "", 505)  # ZSTD, level 5
        if not self.file or self.file.IsZombie():
            raise OSError(f"ROOT cannot write {path}")
        self.branches = branches
        self.folder = self.file.mkdir("recosimdumper")
        self.folder.cd()
        self.tree = root.TTree("caloTree", "caloTree")
        self.tree.SetAutoFlush(500)
        self.filler = root.ecalwindows_simulate.Tree(self.tree)
        self.vectors = [self._add(root, branch) for branch in branches]

    def _add(self, root: Any, branch: OutBranch) -> Any:
        """Add a branch; returns the vector that must exist as long as the tree."""
        add = getattr(self.filler, KINDS[branch.depth])[branch.cpp]
        if branch.depth == 0:
            return add(branch.name, LEAVES[branch.cpp])
        inner = branch.cpp if branch.depth == 1 else f"std::vector<{branch.cpp}>"
        vector = root.std.vector(inner)()  # the Python binding makes the dictionary that C++ needs for vector<vector>
        self.tree.Branch(branch.name, vector)
        add(vector)
        return vector

    def write(self, n_events: int, columns: dict[str, Column]) -> None:
        """Add n_events events, as arrays by branch. Raises OSError if the disk is full."""
        for slot, branch in enumerate(self.branches):
            column = columns[branch.name]
            arrays = (column.values, *column.offsets)
            assert column.values.dtype == branch.dtype and all(part.dtype == np.int64 for part in column.offsets)
            give = getattr(self.filler, f"give_{KINDS[branch.depth]}")[branch.cpp]
            give(slot, *(array.ctypes.data for array in arrays))
        if not self.filler.fill(n_events):
            raise OSError("ROOT cannot write the events: is the disk full?")

    def close(self) -> None:
        """Finish the file."""
        self.folder.cd()
        self.tree.Write()
        self.file.Close()
