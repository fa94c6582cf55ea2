"""TTrees of `ecalwindows simulate`, written by ROOT: types and contents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import uproot
from helpers.cli import run

pytestmark = pytest.mark.root
pytest.importorskip("ROOT", reason="ROOT's Python bindings are not installed (extra `simulate`)")

SMALL = ("-n", "20", "--pileup", "5:10", "--seed", "3", "-q")


def test_a_ttree_holds_what_the_rntuple_holds_in_the_true_types(tmp_path: Path) -> None:
    run("simulate", "-o", str(tmp_path / "tuple.root"), *SMALL, "--format", "rntuple")
    run("simulate", "-o", str(tmp_path / "tree.root"), *SMALL)
    with uproot.open(tmp_path / "tuple.root") as one, uproot.open(tmp_path / "tree.root") as other:
        tuple_, tree = one["recosimdumper/caloTree"], other["recosimdumper/caloTree"]
        types = {name: tree[name].typename for name in ("eventId", "pfCluster_sim_fraction", "pfClusterHit_iz", "rho")}
        first: Any = tuple_.arrays()
        second: Any = tree.arrays(first.fields)
    assert types == {
        "eventId": "int64_t", "pfCluster_sim_fraction": "std::vector<std::vector<double>>",
        "pfClusterHit_iz": "std::vector<std::vector<int32_t>>", "rho": "float",
    }  # fmt: skip
    assert first.fields == second.fields
    for name in first.fields:
        assert first[name].tolist() == second[name].tolist(), name


def test_windows_are_made_from_it(tmp_path: Path) -> None:
    run("simulate", "-o", str(tmp_path / "tree.root"), *SMALL, "--format", "ttree")
    run("windows", str(tmp_path / "tree.root"), "-o", str(tmp_path / "windows.parquet"))
