"""TTrees with the C++ types of dumper files, written by ROOT; the loop over the events of a chunk is C++ code."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.simulation.branches import OutBranch
from ecalwindows.simulation.chunks import Column

CODE = """
#include <memory>
#include <string>
#include <vector>
#include "TTree.h"
namespace ecalwindows_simulate {
struct Slot { virtual ~Slot() {} virtual void take(long event) = 0; };
template <class T> struct Number : Slot {
  T value{}; const T* values = nullptr;
  Number(TTree& tree, const std::string& name, const std::string& leaf) {
    tree.Branch(name.c_str(), &value, (name + leaf).c_str());
  }
  void take(long event) override { value = values[event]; }
};
template <class T> struct Vector : Slot {
  std::vector<T>& value; const T* values = nullptr; const long* outer = nullptr;
  explicit Vector(std::vector<T>& v) : value(v) {}
  void take(long event) override { value.assign(values + outer[event], values + outer[event + 1]); }
};
template <class T> struct Nested : Slot {
  std::vector<std::vector<T>>& value;
  const T* values = nullptr; const long *outer = nullptr, *inner = nullptr;
  explicit Nested(std::vector<std::vector<T>>& v) : value(v) {}
  void take(long event) override {
    value.resize(outer[event + 1] - outer[event]);
    for (std::size_t i = 0; i < value.size(); ++i) {
      const long row = outer[event] + i;
      value[i].assign(values + inner[row], values + inner[row + 1]);
    }
  }
};
struct Tree {
  TTree& tree; std::vector<std::unique_ptr<Slot>> slots;
  explicit Tree(TTree& t) : tree(t) {}
  template <class T> void number(const std::string& name, const std::string& leaf) {
    slots.emplace_back(new Number<T>(tree, name, leaf));
  }
  template <class T> void vector(std::vector<T>& v) { slots.emplace_back(new Vector<T>(v)); }
  template <class T> void nested(std::vector<std::vector<T>>& v) { slots.emplace_back(new Nested<T>(v)); }
  template <class T> void give_number(int slot, std::size_t values) {
    static_cast<Number<T>&>(*slots[slot]).values = reinterpret_cast<const T*>(values);
  }
  template <class T> void give_vector(int slot, std::size_t values, std::size_t outer) {
    auto& to = static_cast<Vector<T>&>(*slots[slot]);
    to.values = reinterpret_cast<const T*>(values); to.outer = reinterpret_cast<const long*>(outer);
  }
  template <class T> void give_nested(int slot, std::size_t values, std::size_t outer, std::size_t inner) {
    auto& to = static_cast<Nested<T>&>(*slots[slot]);
    to.values = reinterpret_cast<const T*>(values);
    to.outer = reinterpret_cast<const long*>(outer); to.inner = reinterpret_cast<const long*>(inner);
  }
  bool fill(long n) {
    for (long event = 0; event < n; ++event) {
      for (auto& slot : slots) slot->take(event);
      if (tree.Fill() < 0) return false;
    }
    return true;
  }
};
}
"""
KINDS = ("number", "vector", "nested")
LEAVES = {"int": "/I", "Long64_t": "/L", "float": "/F", "double": "/D"}


@cache
def _root() -> Any:
    """The module ROOT, after the C++ code above is compiled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ROOT's wheel warns at each import that it is experimental
        import ROOT  # type: ignore[import-not-found,import-untyped,unused-ignore]

    ROOT.gROOT.SetBatch(True)
    ROOT.gInterpreter.Declare(CODE)
    ROOT.ecalwindows_simulate.Tree.fill.__release_gil__ = True  # other threads simulate while this one writes
    return ROOT


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
