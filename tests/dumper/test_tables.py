"""Tables of dumper files that do not fit their data: entries of branches, baskets, clusters and lists.

Whatever a file states of itself, no event gets the values of another one, and nothing is written beyond an array.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from helpers.patched_trees import TREE, with_baskets, with_entries, with_tree_entries
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows import write_windows
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dataset.record import read_record
from ecalwindows.dumper.branches import BRANCHES, EVERYTHING
from ecalwindows.dumper.columns import column_names, read_columns
from ecalwindows.dumper.coverage import check_coverage
from ecalwindows.dumper.headers import check_inputs
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.manifest import manifest_path

PHOTONS = GOLDEN / "photons.root"
KINDS = {
    "id": "eventId",
    "number of an event": "rho",
    "vector": "pfCluster_eta",
    "optional vector": "pfCluster_etaWidth",
    "vector of vectors": "pfClusterHit_ieta",
    "scores": "pfCluster_sim_fraction",
    "caloparticles": "caloParticle_simEnergy",
    "superclusters": "superCluster_seedIndex",
    "members": "superCluster_pfClustersIndex",
}


def short(folder: Path, branch: str = "pfCluster_etaWidth", n: int = 6) -> Path:
    """The golden photons with a branch of `n` entries."""
    return with_entries(PHOTONS, folder / "short.root", {branch: n})


@pytest.mark.parametrize("n", [0, 6, 30], ids=["none", "fewer", "more"])
@pytest.mark.parametrize("branch", KINDS.values(), ids=KINDS.keys())
def test_a_branch_with_other_entries_than_its_tree_is_a_bad_file(tmp_path: Path, branch: str, n: int) -> None:
    file = str(short(tmp_path, branch, n))
    with pytest.raises(BadFileError) as error:
        check_inputs([file], WindowSettings(), EVERYTHING)
    assert error.value.found == f"branch '{branch}' has {n} entries, its tree 24"
    assert error.value.where == file


def test_every_branch_that_is_read_is_compared_with_its_tree() -> None:
    with uproot.open(PHOTONS) as file:
        tree = file[TREE]
        names = set(column_names(tree)) & {branch.name for branch in BRANCHES}
        check_coverage(tree, names)
        for name in sorted(names):
            good = begin_baskets(tree[name], [0, *tree[name].entry_offsets[1:-1], 23])
            with pytest.raises(BadFileError, match=f"the baskets of branch '{name}' do not fit"):
                read_columns(tree, names, 0, 24)
            tree[name].members["fBasketEntry"] = good


def begin_baskets(branch: Any, edges: list[int]) -> Any:
    """Let the baskets of an open branch begin at other entries; returns the table as it was."""
    before = branch.member("fBasketEntry")
    after = before.copy()
    after[: len(edges)] = edges
    branch.members["fBasketEntry"] = after
    return before


@pytest.mark.parametrize("n", [20, 25])
def test_a_tree_with_other_entries_than_its_branches_is_a_bad_file(tmp_path: Path, n: int) -> None:
    file = str(with_tree_entries(PHOTONS, tmp_path / "tree.root", n))
    with pytest.raises(BadFileError, match=f"has 24 entries, its tree {n}"):
        check_inputs([file], WindowSettings(), EVERYTHING)


@pytest.mark.parametrize("edges", [[0, 8, 17, 24], [0, 9, 18, 24], [0, 17, 9, 24], [2, 9, 17, 24], [0, 9, 9, 24]])
def test_baskets_that_hold_other_entries_than_their_branch_says(tmp_path: Path, edges: list[int]) -> None:
    file = with_baskets(PHOTONS, tmp_path / "baskets.root", "pfClusterHit_ieta", edges)
    for fast in (True, False):
        with uproot.open(file) as opened, pytest.raises(BadFileError, match=r"baskets? of branch 'pfClusterHit_ieta'"):
            read_columns(opened[TREE], ["pfClusterHit_ieta"], 0, 24, fast=fast)
    with pytest.raises(BadFileError) as error:
        write_windows([str(file)], tmp_path / "w.parquet")
    assert error.value.where == str(file)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("sizes", [(1, 9), (9, 1), (7, 3)])
def test_a_basket_of_numbers_is_not_spread_over_entries_that_it_lacks(
    tmp_path: Path, sizes: tuple[int, int], fast: bool
) -> None:
    """NumPy would copy a basket of one entry into all entries of its range."""
    with uproot.recreate(tmp_path / "numbers.root") as file:
        file.mktree("tree", {"n": np.int32})
        for size in sizes:
            file["tree"].extend({"n": np.arange(size, dtype=np.int32)})
    with uproot.open(tmp_path / "numbers.root") as file:
        tree = file["tree"]
        assert read_columns(tree, ["n"], 0, 10, fast=fast)["n"].n_entries == 10
        begin_baskets(tree["n"], [0, 5, 10])
        with pytest.raises(BadFileError, match=rf"entry 0, has {sizes[0]} entries, not 5"):
            read_columns(tree, ["n"], 0, 10, fast=fast)


@pytest.fixture
def ntuple(tmp_path: Path) -> Any:
    """An RNTuple in two clusters of 2 and 3 events."""
    values = {
        "n": np.arange(5),
        "x": ak.Array([[1.0, 2.0], [], [3.0], [4.0], [5.0, 6.0]]),
        "y": ak.Array([[[1], []], [], [[2, 3]], [[4]], [[], [5]]]),
    }
    with uproot.recreate(tmp_path / "ntuple.root") as file:
        file.mkrntuple("tree", {name: column[:2] for name, column in values.items()})
        file["tree"].extend({name: column[2:] for name, column in values.items()})
    with uproot.open(tmp_path / "ntuple.root") as file:
        yield file["tree"]


def first_column(ntuple: Any, name: str) -> int:
    """The column of an RNTuple with one element for each event."""
    return int(str(ntuple.to_akform(filter_name=name)[0].content(name).form_key).split("-")[1])


@pytest.mark.parametrize("cluster", [0, 1])
@pytest.mark.parametrize("name", ["n", "x", "y"])
def test_a_field_without_elements_in_a_cluster_is_a_bad_file(ntuple: Any, name: str, cluster: int) -> None:
    """As one that was added late; uproot puts zeros where nothing is."""
    check_coverage(ntuple, ["n", "x", "y"])
    ntuple.page_link_list[cluster][first_column(ntuple, name)].pages.clear()
    with pytest.raises(BadFileError, match=f"branch '{name}' has {5 - (2, 3)[cluster]} entries, its tree 5"):
        check_coverage(ntuple, ["n", "x", "y"])
    with pytest.raises(BadFileError, match=f"branch '{name}'"):
        read_columns(ntuple, ["n", "x", "y"], 0, 5)


def test_a_field_with_its_entries_in_other_clusters_is_a_bad_file(ntuple: Any) -> None:
    pages = [cluster[first_column(ntuple, "n")].pages[0] for cluster in ntuple.page_link_list]
    pages[0].num_elements, pages[1].num_elements = pages[1].num_elements, pages[0].num_elements
    with pytest.raises(BadFileError, match="branch 'n' has 3 entries in cluster 0 of its tree, which has 2"):
        check_coverage(ntuple, ["n"])


def test_clusters_of_a_tree_that_leave_a_gap_are_a_bad_file(ntuple: Any) -> None:
    ntuple.cluster_summaries[1].num_first_entry += 1
    with pytest.raises(BadFileError, match="the clusters of the tree begin at the entries 0, 3 and hold 2, 3 entries"):
        check_coverage(ntuple, ["n"])


def columns_by_depth(ntuple: Any, name: str) -> list[int]:
    """The columns of a field: of its outermost lists first."""
    form, columns = ntuple.to_akform(filter_name=name)[0].content(name), list[int]()
    while form is not None:
        columns.append(int(str(form.form_key).split("-")[1]))
        form = getattr(form, "content", None)
    return columns


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (0, 2), (1, 3)])
@pytest.mark.parametrize(("name", "level"), [("x", 1), ("y", 1), ("y", 2)])
def test_values_of_a_cluster_that_its_lists_lack_are_not_given_to_the_next_cluster(
    ntuple: Any, name: str, level: int, start: int, stop: int
) -> None:
    """The lists of the second cluster would begin with what the first one has left over."""
    column = columns_by_depth(ntuple, name)[level]
    ntuple.page_link_list[0][column].pages.append(ntuple.page_link_list[1][column].pages[0])
    with pytest.raises(
        BadFileError, match=rf"branch '{name}' has \d values in cluster 0 of its tree, its lists there \d"
    ):
        read_columns(ntuple, ["n", "x", "y"], start, stop)


def test_a_part_of_an_ntuple_within_a_cluster(ntuple: Any) -> None:
    complete = read_columns(ntuple, ["n", "x", "y"], 0, 5)
    for start in range(6):
        for stop in range(start, 6):
            part = read_columns(ntuple, ["n", "x", "y"], start, stop)
            assert part["n"].content.tolist() == complete["n"].content[start:stop].tolist()
            first, last = complete["x"].offsets[0][[start, stop]]
            assert part["x"].content.tolist() == complete["x"].content[first:last].tolist()
            first, last = complete["y"].offsets[1][complete["y"].offsets[0][[start, stop]]]
            assert part["y"].content.tolist() == complete["y"].content[first:last].tolist()


# --- commands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("windows", "FILE", "-o", "w.parquet"),
        ("windows", "FILE", "-o", "w.ndjson", "--events", ":3"),
        ("windows", "FILE", "-o", "tf", "--format", "tfrecord"),
        ("truth", "match", "FILE", "-o", "m.parquet"),
        ("truth", "window-size", "FILE", "-o", "size"),
        ("show", "FILE", "--list"),
        ("show", "FILE", "--event", "1"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("branch", ["eventId", "pfCluster_eta"])
def test_all_commands_refuse_a_branch_that_ends_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], branch: str
) -> None:
    if arguments[2] == "--list" and branch != "eventId":
        return  # reads no other branches than ids
    monkeypatch.chdir(tmp_path)
    if arguments[2] == "--event":
        with uproot.open(PHOTONS) as opened:
            arguments = (*arguments[:3], str(opened[TREE]["eventId"].array()[0]))
    file = str(short(tmp_path, branch))
    ran = attempt(*(file if word == "FILE" else word for word in arguments))
    assert ran.code == 2 and f"branch '{branch}' has 6 entries, its tree 24" in ran.err and file in ran.err
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["short.root"]


def test_a_short_branch_never_stops_the_process(tmp_path: Path) -> None:
    """It made a compiled loop write beyond its array."""
    arguments = ["windows", str(short(tmp_path)), "-o", str(tmp_path / "w.parquet")]
    ran = subprocess.run([sys.executable, "-m", "ecalwindows", *arguments], capture_output=True, check=False)
    assert ran.returncode == 2


def test_only_the_file_with_a_short_branch_is_left_out(tmp_path: Path) -> None:
    """At its header, and when it is read: then the manifest lists it as left out too, under its own name."""
    moved = with_baskets(PHOTONS, tmp_path / "moved.root", "pfClusterHit_ieta", [0, 8, 17, 24])
    good, short_file = str(GOLDEN / "electrons.root"), str(short(tmp_path))
    report = write_windows([short_file, good, str(moved)], tmp_path / "w.ndjson", reading=Reading(skip_bad_files=True))
    write_windows([good], tmp_path / "good.ndjson")
    assert [error.where for error in report.bad] == [short_file, str(moved)]
    assert (tmp_path / "w.ndjson").read_bytes() == (tmp_path / "good.ndjson").read_bytes()
    manifest = json.loads(manifest_path(tmp_path / "w.ndjson").read_text())
    assert [each["name"] for each in manifest["inputs"]] == ["electrons.root"]
    assert [each["name"] for each in manifest["bad_inputs"]] == ["short.root", "moved.root"]


@pytest.mark.compiled
def test_a_production_leaves_out_only_the_file_with_a_short_branch(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 2)
    with_entries(PHOTONS, tmp_path / "dumps" / "short.root", {"pfCluster_etaWidth": 6})
    assert "3 inputs, 1 left out" in run("production", "run", str(write_yaml(tmp_path / "p.yaml")), "-j", "0").out
    record = read_record(tmp_path / "dataset" / "dataset.json")
    assert [each.name for each in record.inputs] == ["dump_000.root", "dump_001.root"]
    reason = "branch 'pfCluster_etaWidth' has 6 entries, its tree 24"
    assert record.bad_inputs == [{"name": "short.root", "reason": reason}]
