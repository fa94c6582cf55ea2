"""Numbers of dumper files that cannot be: integers that do not fit, crystals and clusters that are not there.

Stored as they are they would give wrong windows that look right: the file is bad, and the error names the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN, read_ndjson

from ecalwindows import write_windows
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dumper.branches import SIMHITS
from ecalwindows.dumper.headers import check_inputs
from ecalwindows.dumper.read import event_steps
from ecalwindows.dumper.reading import Reading

TREE = "recosimdumper/caloTree"
N = 3


def columns_of(source: Path, n: int = N) -> dict[str, Any]:
    with uproot.open(source) as file:
        tree = file[TREE]
        return {name: tree[name].array(entry_stop=n) for name in tree.keys()}


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    return columns_of(GOLDEN / "electrons.root")


def written(path: Path, columns: dict[str, Any]) -> Path:
    with uproot.recreate(path) as file:
        file.mkdir("recosimdumper").mkrntuple("caloTree", columns)
    return path


def with_value(column: Any, value: Any, entry: int = 1, dtype: Any = None) -> Any:
    """The column with another last number in an entry; in another dtype where one is given."""
    layout = ak.to_layout(ak.values_astype(column, dtype) if dtype else column)
    nested = ak.Array(layout)
    flat = ak.to_numpy(ak.flatten(nested, axis=None)).copy()
    rows = ak.to_numpy(ak.flatten(ak.broadcast_arrays(np.arange(len(nested)), nested)[0], axis=None))
    flat[np.flatnonzero(rows == entry)[-1]] = value
    for depth in range(nested.ndim - 2, -1, -1):
        counts = ak.num(nested, axis=depth + 1)
        flat = ak.unflatten(flat, ak.to_numpy(ak.flatten(counts, axis=None)))
    return ak.Array(flat)


CASES = [
    ("pfCluster_iz", 7, "-1 or 1"),
    ("pfCluster_iz", -99, "-1 or 1"),
    ("pfClusterHit_iz", 2, "-1 or 1"),
    ("caloParticle_simIz", 40_000_000, "-1 or 1"),
    ("pfCluster_ieta", 0, "from -85 to 85 without 0"),
    ("pfCluster_ieta", 101, "from -85 to 85"),
    ("pfCluster_ieta", -86, "from -85 to 85"),
    ("pfClusterHit_ieta", -999, "from -85 to 85"),
    ("pfCluster_iphi", 361, "from 1 to 360"),
    ("pfClusterHit_iphi", 0, "from 1 to 360"),
    ("superCluster_seedIndex", 5000, "the clusters of the event; or -1 for none"),
    ("superCluster_seedIndex", -2, "the clusters of the event"),
    ("superCluster_pfClustersIndex", 1_000_000, "the clusters of the event"),
]


@pytest.mark.parametrize(("branch", "value", "expected"), CASES, ids=lambda value: str(value))
def test_a_crystal_or_cluster_that_is_not_there_is_a_bad_file(
    tmp_path: Path, columns: dict[str, Any], branch: str, value: int, expected: str
) -> None:
    file = written(tmp_path / "unexpected.root", columns | {branch: with_value(columns[branch], value)})
    with pytest.raises(BadFileError) as error:
        write_windows([str(file)], tmp_path / "w.ndjson")
    assert error.value.found == f"branch '{branch}' holds {value} in entry 1"
    assert expected in error.value.expected and error.value.where == str(file)


def test_a_crystal_of_the_barrel_is_none_of_an_endcap(tmp_path: Path, columns: dict[str, Any]) -> None:
    """ieta -40 exists in the barrel, ix -40 does not; iphi 200 does, iy 200 does not."""
    iz = columns["pfCluster_iz"]
    for branch, value in (("pfCluster_ieta", -40), ("pfCluster_iphi", 200)):
        moved = ak.where(iz != 0, value, columns[branch])
        file = written(tmp_path / "unexpected.root", columns | {branch: ak.values_astype(moved, np.int32)})
        with pytest.raises(BadFileError, match=f"'{branch}' holds {value}"):
            write_windows([str(file)], tmp_path / "w.ndjson")


def test_simulated_hits_are_in_one_of_three_parts(tmp_path: Path) -> None:
    sample = Path(__file__).parents[2] / "src/ecalwindows/data/samples/electrons.root"
    with uproot.open(sample) as file:
        columns = {name: file[TREE][name].array(entry_stop=N) for name in file[TREE].keys()}
    unexpected = columns | {"simHit_iz": with_value(columns["simHit_iz"], 3)}
    for content, is_bad in ((columns, False), (unexpected, True)):
        path = str(written(tmp_path / "hits.root", content))
        (file,) = check_inputs([path], WindowSettings(), [*SIMHITS]).files
        if is_bad:
            with pytest.raises(BadFileError, match="'simHit_iz' holds 3 in entry 1"):
                list(event_steps(file, WindowSettings(), memory_bytes=1e9))
        else:
            assert len(list(event_steps(file, WindowSettings(), memory_bytes=1e9))) == 1


def test_minus_one_among_the_indices_of_a_supercluster_is_no_cluster(tmp_path: Path, columns: dict[str, Any]) -> None:
    names = ("superCluster_seedIndex", "superCluster_pfClustersIndex")
    file = written(tmp_path / "none.root", columns | {name: with_value(columns[name], -1) for name in names})
    assert write_windows([str(file)], tmp_path / "w.ndjson").counts.windows_kept


INTEGERS = [
    ("eventId", 2**63, np.uint64, 2**63 - 1),
    ("eventId", 2**64 - 1, np.uint64, 2**63 - 1),
    ("nVtx", 2**31, np.int64, 2**31 - 1),
    ("nVtx", 2**32 - 1, np.uint32, 2**31 - 1),
    ("nVtx", -(2**40), np.int64, 2**31 - 1),
    ("pfCluster_iz", 2**32, np.int64, 2**31 - 1),
    ("pfCluster_ieta", 2**32 + 5, np.uint64, 2**31 - 1),
    ("pfClusterHit_iphi", 2**32 + 5, np.int64, 2**31 - 1),
    ("caloParticle_pdgId", 2**32 + 11, np.int64, 2**31 - 1),
    ("caloParticle_pdgId", -(2**31), np.int32, 2**31 - 1),
    ("superCluster_seedIndex", 2**32, np.int64, 2**31 - 1),
    ("superCluster_pfClustersIndex", 2**63, np.uint64, 2**63 - 1),
]


@pytest.mark.parametrize(("branch", "value", "dtype", "most"), INTEGERS, ids=lambda value: str(value))
def test_an_integer_that_does_not_fit_is_a_bad_file_and_never_another_number(
    tmp_path: Path, columns: dict[str, Any], branch: str, value: int, dtype: Any, most: int
) -> None:
    column = with_value(ak.values_astype(abs(columns[branch]), dtype), value)
    file = written(tmp_path / "wide.root", columns | {branch: column})
    with pytest.raises(BadFileError) as error:
        write_windows([str(file)], tmp_path / "w.ndjson")
    assert error.value.found == f"branch '{branch}' holds {value}" and str(most) in error.value.expected


def test_integers_of_other_widths_that_fit_are_the_same_numbers(tmp_path: Path, columns: dict[str, Any]) -> None:
    dtypes = {"runId": np.uint32, "lumiId": np.int64, "eventId": np.uint64, "nVtx": np.uint8,
              "caloParticle_pdgId": np.int64, "pfCluster_iz": np.int8, "pfCluster_iphi": np.uint16,
              "pfClusterHit_ieta": np.int64, "superCluster_pfClustersIndex": np.uint32}  # fmt: skip
    other = {name: ak.values_astype(columns[name], dtype) for name, dtype in dtypes.items()}
    for name, content in (("wide", columns | other), ("plain", columns)):
        file = written(tmp_path / f"{name}.root", content)
        write_windows([str(file)], tmp_path / f"{name}.ndjson")
    assert (tmp_path / "wide.ndjson").read_bytes() == (tmp_path / "plain.ndjson").read_bytes()


def test_the_largest_ids_are_kept(tmp_path: Path, columns: dict[str, Any]) -> None:
    largest = ak.Array(np.array([2**63 - 1, 2**63 - 2, 2**63 - 3], dtype=np.uint64))
    file = written(tmp_path / "large.root", columns | {"eventId": largest})
    write_windows([str(file)], tmp_path / "w.ndjson")
    assert {window["event_id"] for window in read_ndjson(tmp_path / "w.ndjson")} <= set(largest.tolist())
    assert str(2**63 - 1) in run("show", str(file), "--list").out


@pytest.mark.parametrize("branch", ["runId", "eventId", "nVtx", "caloParticle_pdgId", "superCluster_seedIndex"])
def test_floats_are_no_ids(tmp_path: Path, columns: dict[str, Any], branch: str) -> None:
    content = columns | {branch: ak.values_astype(columns[branch], np.float64)}
    ran = attempt("windows", str(written(tmp_path / "floats.root", content)), "-o", str(tmp_path / "w.ndjson"))
    assert ran.code == 2 and f"branch '{branch}' has type" in ran.err and "double" in ran.err


def test_the_list_of_events_has_no_other_number_for_an_id_that_does_not_fit(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    wide = with_value(ak.values_astype(columns["eventId"], np.uint64), 2**63 + 5)
    ran = attempt("show", str(written(tmp_path / "wide.root", columns | {"eventId": wide})), "--list")
    assert ran.code == 2 and f"'eventId' holds {2**63 + 5}" in ran.err


LENGTHS: list[tuple[str, Callable[[Any], Any], str]] = [
    ("pfCluster_eta", lambda x: x[:, 1:], "in entry 0; 'pfCluster_energy' has"),
    ("pfCluster_iz", lambda x: ak.concatenate([x, x[:, :1]], axis=1), "in entry 0; 'pfCluster_energy' has"),
    ("pfClusterHit_ieta", lambda x: x[:, 1:], "in entry 0; the event has clusters:"),
    ("pfClusterHit_ieta", lambda x: x[:, :, 1:], "in entry 0, row 0; 'pfClusterHit_rechitEnergy' has"),
    ("pfCluster_sim_fraction", lambda x: x[:, :, 1:], "in entry 0, row 0;"),
    ("pfCluster_simEnergy_sharedXtals", lambda x: x[:, :, 1:], "in entry 0, row 0;"),
    ("caloParticle_simEnergy", lambda x: x[:, 1:], "in entry 0; 'caloParticle_genEta' has"),
    ("superCluster_energy", lambda x: x[:, 1:], "; 'superCluster_seedIndex' has"),
    ("superCluster_pfClustersIndex", lambda x: x[:, 1:], "; the event has superclusters:"),
]


@pytest.mark.parametrize(
    ("branch", "change", "words"), LENGTHS, ids=[f"{i}-{case[0]}" for i, case in enumerate(LENGTHS)]
)
def test_branches_of_other_lengths_in_an_event_are_a_bad_file_that_names_both_numbers(
    tmp_path: Path, columns: dict[str, Any], branch: str, change: Any, words: str
) -> None:
    file = str(written(tmp_path / "unexpected.root", columns | {branch: change(columns[branch])}))
    with pytest.raises(BadFileError) as error:
        write_windows([file], tmp_path / "w.ndjson")
    found = error.value.found
    assert error.value.where == file and words in found, found
    numbers = re.fullmatch(r".* has (\d+) values in .*;.* (\d+)", found.replace(",", ""))
    assert numbers and abs(int(numbers[1]) - int(numbers[2])) == 1, found


def test_score_rows_of_all_branches_that_lack_a_caloparticle_are_a_bad_file(
    tmp_path: Path, columns: dict[str, Any]
) -> None:
    scores = ("pfCluster_sim_fraction", "pfCluster_simEnergy_sharedXtals")
    content = columns | {name: columns[name][:, :, 1:] for name in scores}
    with pytest.raises(BadFileError, match=r"has \d values in entry 0, row 0; the event has caloparticles: \d"):
        write_windows([str(written(tmp_path / "unexpected.root", content))], tmp_path / "w.ndjson")


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_value_that_cannot_be_in_a_late_entry_leaves_out_the_complete_file(
    tmp_path: Path, columns: dict[str, Any], jobs: int
) -> None:
    unexpected = written(
        tmp_path / "unexpected.root", columns | {"pfCluster_iz": with_value(columns["pfCluster_iz"], 9, entry=2)}
    )
    good = str(GOLDEN / "photons.root")
    reading = Reading(skip_bad_files=True, step_events=1, jobs=jobs)
    report = write_windows([str(unexpected), good], tmp_path / "w.ndjson", reading=reading)
    write_windows([good], tmp_path / "good.ndjson")
    assert [error.found for error in report.bad] == ["branch 'pfCluster_iz' holds 9 in entry 2"]
    assert (tmp_path / "w.ndjson").read_bytes() == (tmp_path / "good.ndjson").read_bytes()
