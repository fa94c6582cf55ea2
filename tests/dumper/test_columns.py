"""Branches become flat columns: the fast way equals uproot's own, and damage is noticed."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.patched_trees import with_changed_basket
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import decode as reference

from ecalwindows.core.errors import BadFileError
from ecalwindows.dumper.baskets import FlatVectors
from ecalwindows.dumper.columns import (
    ColumnType,
    Ragged,
    bytes_per_entry,
    cluster_boundaries,
    column_names,
    column_type,
    read_columns,
    step_bounds,
    type_of_interpretation,
)

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = ["edge", "electrons", "photons"]
HITS = ["pfClusterHit_iz", "pfClusterHit_fraction"]
SOME = ["eventId", "rho", "pfCluster_eta", "pfCluster_nXtals", "pfCluster_sim_fraction", *HITS]


@pytest.fixture(scope="module", params=FILES)
def tree(request: pytest.FixtureRequest) -> Any:
    with uproot.open(GOLDEN / f"{request.param}.root") as file:
        yield file["recosimdumper/caloTree"]


@pytest.fixture(scope="module")
def photons() -> Any:
    with uproot.open(GOLDEN / "photons.root") as file:
        yield file["recosimdumper/caloTree"]


def assert_same(found: dict[str, Ragged], expected: dict[str, Ragged]) -> None:
    assert list(found) == list(expected)
    for name, column in expected.items():
        assert len(found[name].offsets) == len(column.offsets), name
        for a, b in zip(found[name].offsets, column.offsets, strict=True):
            assert a.dtype == b.dtype == np.int64
            np.testing.assert_array_equal(a, b, err_msg=name)
        assert found[name].content.dtype == column.content.dtype, name
        assert found[name].content.dtype.isnative and found[name].content.flags.c_contiguous
        np.testing.assert_array_equal(found[name].content, column.content, err_msg=name)


def part_of(column: Ragged, start: int, stop: int) -> Ragged:
    """Entries [start, stop) of a column."""
    offsets = []
    for o in column.offsets:
        offsets.append(o[start : stop + 1] - o[start])
        start, stop = o[start], o[stop]
    return Ragged(tuple(offsets), column.content[start:stop])


# --- the fast way is the plain way ---------------------------------------------------------------


def test_every_branch_of_the_golden_files(tree: Any) -> None:
    names = column_names(tree)
    fast = read_columns(tree, names, 0, tree.num_entries)
    assert_same(fast, read_columns(tree, names, 0, tree.num_entries, fast=False))


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 5), (3, 20), (11, 22), (10, 12), (23, 24), (7, 7), (0, 0), (24, 24)],
    ids=["head", "middle", "one-basket", "over-a-cut", "last", "none", "none-at-start", "none-at-end"],
)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_a_range_of_entries_is_that_part_of_all(photons: Any, start: int, stop: int, fast: bool) -> None:
    complete = read_columns(photons, SOME, 0, 24)
    found = read_columns(photons, SOME, start, stop, fast=fast)
    assert_same(found, {name: part_of(column, start, stop) for name, column in complete.items()})


def test_entry_by_entry(tree: Any) -> None:
    complete = read_columns(tree, SOME, 0, tree.num_entries)
    for entry in range(tree.num_entries):
        expected = {name: part_of(column, entry, entry + 1) for name, column in complete.items()}
        assert_same(read_columns(tree, SOME, entry, entry + 1), expected)


def test_ranges_beyond_the_tree_are_cut(photons: Any) -> None:
    assert read_columns(photons, ["rho"], 20, 99)["rho"].n_entries == 4
    assert read_columns(photons, HITS, 30, 99)[HITS[0]].n_entries == 0


def test_no_names(photons: Any) -> None:
    assert read_columns(photons, [], 0, 24) == {}


@pytest.fixture
def asked(photons: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What uproot is asked to make of branches: `np` for numbers that are decoded here, `ak` in the plain way."""
    found: list[str] = []
    arrays = type(photons).arrays

    def seen(self: Any, *words: Any, library: str = "ak", **options: Any) -> Any:
        found.append(library)
        return arrays(self, *words, library=library, **options)

    monkeypatch.setattr(type(photons), "arrays", seen)
    return found


def test_the_vectors_of_the_golden_files_take_the_fast_way(tree: Any, asked: list[str]) -> None:
    read_columns(tree, column_names(tree), 0, tree.num_entries)
    assert "ak" not in asked
    read_columns(tree, column_names(tree), 0, tree.num_entries, fast=False)
    assert "ak" in asked


# --- RNTuple and C arrays ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other_forms(photons: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same events as RNTuple in two clusters; a TTree with a C array; an empty TTree."""
    arrays = photons.arrays(SOME)
    path = tmp_path_factory.mktemp("forms") / "forms.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("tuple", arrays[:10]).extend(arrays[10:])
        file.mktree("counted", {"x": "var * float32", "name": "string"})
        file["counted"].extend({"x": ak.Array([[1, 2], [], [3]]), "name": ["a", "b", "c"]})
        file.mktree("empty", {"x": "var * float32", "n": "int32"})
    with uproot.open(path) as file:
        yield file


@pytest.mark.parametrize(("start", "stop"), [(0, 24), (5, 14), (10, 24), (9, 9)], ids=["all", "cut", "second", "none"])
def test_an_rntuple_gives_what_the_tree_gives(photons: Any, other_forms: Any, start: int, stop: int) -> None:
    found = read_columns(other_forms["tuple"], SOME, start, stop)
    assert_same(found, read_columns(photons, SOME, start, stop))


def test_types_and_sizes_of_an_rntuple(photons: Any, other_forms: Any) -> None:
    ntuple = other_forms["tuple"]
    assert column_names(ntuple) == SOME
    assert [column_type(ntuple, name) for name in SOME] == [column_type(photons, name) for name in SOME]
    assert column_type(ntuple, "rhoo") is None
    assert cluster_boundaries(ntuple, SOME) == [0, 10, 24]
    complete = read_columns(ntuple, SOME, 0, 24)
    n_bytes = sum(c.content.nbytes + sum(o.nbytes - 8 for o in c.offsets) for c in complete.values())
    assert bytes_per_entry(ntuple, SOME) == pytest.approx(n_bytes / 24)


def test_a_counted_c_array_is_read_the_plain_way(other_forms: Any) -> None:
    x = read_columns(other_forms["counted"], ["x", "nx"], 1, 3)["x"]
    assert x.offsets[0].tolist() == [0, 0, 1] and x.content.tolist() == [3.0]


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_an_empty_tree(other_forms: Any, fast: bool) -> None:
    found = read_columns(other_forms["empty"], ["x", "n"], 0, 0, fast=fast)
    assert found["x"].offsets[0].tolist() == [0]
    assert found["x"].content.dtype == np.float32 and found["n"].content.dtype == np.int32
    assert cluster_boundaries(other_forms["empty"], ["x"]) == [0]
    assert step_bounds(other_forms["empty"], ["x"], 1e6) == []


# --- names and types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "depth", "dtype", "cpp"),
    [
        ("rho", 0, np.float32, "float"),
        ("eventId", 0, np.int64, "Long64_t"),
        ("pfCluster_nXtals", 1, np.float64, "vector<double>"),
        ("pfClusterHit_iz", 2, np.int32, "vector<vector<int>>"),
    ],
)
def test_types(photons: Any, name: str, depth: int, dtype: Any, cpp: str) -> None:
    assert column_type(photons, name) == ColumnType(depth, np.dtype(dtype))
    assert str(column_type(photons, name)) == cpp


def test_types_that_are_found_without_awkward_are_those_of_its_forms(tree: Any) -> None:
    found = {branch.name: type_of_interpretation(branch.interpretation) for branch in tree.branches}
    assert None not in found.values()
    for name, kind in found.items():
        form = tree[name].interpretation.awkward_form(tree.file)
        assert "var * " * kind.depth + kind.dtype.name == str(form.type)


def test_what_is_no_column_of_numbers(photons: Any, other_forms: Any) -> None:
    assert column_type(photons, "pfCluster_energyy") is None
    assert column_type(other_forms["counted"], "name") is None
    with pytest.raises(uproot.KeyInFileError, match="pfCluster_energyy"):
        read_columns(photons, ["pfCluster_energyy"], 0, 1)
    with pytest.raises(BadFileError, match="branch 'name' has type"):
        read_columns(other_forms["counted"], ["name"], 0, 1)


# --- steps -----------------------------------------------------------------------------------------------


def test_clusters_are_where_all_baskets_start(photons: Any) -> None:
    assert cluster_boundaries(photons, HITS) == [0, 9, 17, 24]
    assert cluster_boundaries(photons, ["pfCluster_sim_fraction"]) == [0, 11, 22, 24]
    assert cluster_boundaries(photons, [*HITS, "pfCluster_sim_fraction"]) == [0, 24]


@pytest.mark.parametrize(
    ("entries", "first", "last", "expected"),
    [
        (100, 0, None, [(0, 24)]),
        (17, 0, None, [(0, 17), (17, 24)]),
        (10, 0, None, [(0, 9), (9, 17), (17, 24)]),
        (5, 0, 17, [(0, 5), (5, 9), (9, 13), (13, 17)]),
        (10, 4, 20, [(4, 9), (9, 17), (17, 20)]),
        (0, 0, 3, [(0, 1), (1, 2), (2, 3)]),
        (10, 5, 5, []),
    ],
    ids=["all", "two-clusters", "a-cluster", "cluster-too-large", "part", "no-memory", "none"],
)
def test_steps_fit_the_memory_and_the_clusters(
    photons: Any, entries: int, first: int, last: int | None, expected: list[tuple[int, int]]
) -> None:
    memory = (entries + 0.5) * bytes_per_entry(photons, HITS)
    assert step_bounds(photons, HITS, memory, first, last) == expected


def test_a_cluster_that_is_little_too_large_is_not_cut_so_that_its_baskets_are_decompressed_once(photons: Any) -> None:
    memory = 7.5 * bytes_per_entry(photons, HITS)
    assert step_bounds(photons, HITS, memory, stretch=1.3) == [(0, 9), (9, 17), (17, 24)]
    assert step_bounds(photons, HITS, memory, stretch=1.2) == [(0, 5), (5, 9), (9, 17), (17, 24)]


# --- bytes -------------------------------------------------------------------------------------------------


def decoded(entries: list[bytes], depth: int, dtype: str, cuts: tuple[int, ...] = (), part: slice | None = None) -> Any:
    """Entries through `FlatVectors`, in baskets that end at `cuts`, as lists; None where it declines."""
    edges = [0, *cuts, len(entries)]
    start, stop, _ = (part or slice(None)).indices(len(entries))
    way = FlatVectors("x", ColumnType(depth, np.dtype(dtype)))
    branch = SimpleNamespace(file=SimpleNamespace(file_path="a.root"), object_path="/tree:x", entry_offsets=edges)
    baskets = {}
    for number, (first, last) in enumerate(pairwise(edges)):
        data = np.frombuffer(b"".join(entries[first:last]), dtype=np.uint8)
        offsets = np.cumsum([0, *map(len, entries[first:last])], dtype=np.int32)
        basket = SimpleNamespace(num_entries=last - first, basket_num=number)
        baskets[number] = way.basket_array(data, offsets, basket, branch, {}, 0, None, {})
    found = way.final_array(baskets, start, stop, edges, None, branch, {})
    if found is None:
        return None
    array = found.content
    for offsets in reversed(found.offsets):
        array = [array[i:j] for i, j in pairwise(offsets.tolist())]
    return [[list(items) for items in entry] if depth == 2 else list(entry) for entry in array]


numbers = {
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "uint8": st.integers(0, 255),
}


@st.composite
def events(draw: st.DrawFn) -> tuple[list[Any], int, str]:
    dtype = draw(st.sampled_from(sorted(numbers)))
    depth = draw(st.sampled_from([1, 2]))
    values = st.lists(numbers[dtype], max_size=5)
    entry = values if depth == 1 else st.lists(values, max_size=4)
    return draw(st.lists(entry, max_size=6)), depth, dtype


@given(events(), st.data())
@example(([], 2, "float32"), None)
@example(([[], [[]], [[], []]], 2, "float64"), None)
@settings(max_examples=150, deadline=None)
def test_decoded_bytes_are_the_lists_that_were_written(case: tuple[list[Any], int, str], data: Any) -> None:
    values, depth, dtype = case
    entries = [reference.entry_bytes(entry, depth, dtype) for entry in values]
    assert [reference.entry(entry, depth, dtype) for entry in entries] == values
    cut = data.draw(st.integers(0, len(values))) if data else 0
    start = data.draw(st.integers(0, len(values))) if data else 0
    assert decoded(entries, depth, dtype, (cut,)) == values
    assert decoded(entries, depth, dtype, (cut,), slice(start, None)) == values[start:]


@given(events().filter(lambda case: len(case[0]) > 0), st.data())
@settings(max_examples=300, deadline=None)
def test_damage_is_noticed_where_the_reference_notices_it(case: tuple[list[Any], int, str], data: Any) -> None:
    values, depth, dtype = case
    entries = [reference.entry_bytes(entry, depth, dtype) for entry in values]
    victim = data.draw(st.integers(0, len(entries) - 1))
    at = data.draw(st.integers(0, len(entries[victim]) - 1).filter(lambda at: at not in (4, 5)))
    broken = bytearray(entries[victim])
    broken[at] ^= data.draw(st.integers(1, 255))
    entries[victim] = bytes(broken)
    try:
        expected = [reference.entry(entry, depth, dtype) for entry in entries]
    except ValueError:
        with pytest.raises(BadFileError, match=f"branch 'x', entry {victim},"):
            decoded(entries, depth, dtype)
    else:
        np.testing.assert_equal(decoded(entries, depth, dtype), expected)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x40\x00\x00\x02\x00\x0a",
        reference.entry_bytes([[1, 2]], 2, "int32")[:-1],
        reference.entry_bytes([[1, 2]], 2, "int32") + b"\x00\x00\x00\x00",
        reference.entry_bytes([[1, 2]], 2, "int32").replace(b"\x00\x00\x00\x02", b"\xff\xff\xff\xff"),
        reference.entry_bytes([[1, 2]], 2, "int32").replace(b"\x00\x00\x00\x02", b"\x00\x00\x00\x03"),
        reference.entry_bytes([[1, 2]], 2, "int32").replace(b"\x00\x0a\x00\x00\x00\x01", b"\x00\x0a\x00\x00\x00\x03"),
        reference.entry_bytes([[1, 2]], 2, "int32").replace(b"\x00\x0a\x00\x00\x00\x01", b"\x00\x0a\x80\x00\x00\x01"),
    ],
    ids=["nothing", "cut-header", "cut-item", "too-long", "inner-huge", "inner-one-more", "outer-more", "outer-huge"],
)
def test_a_damaged_entry_names_branch_entry_and_file(data: bytes) -> None:
    good = reference.entry_bytes([[7]], 2, "int32")
    with pytest.raises(BadFileError) as reported:
        decoded([good, good, good, data, good], 2, "int32", (2,))
    assert "branch 'x', entry 3," in str(reported.value) and "a.root" in str(reported.value)


@pytest.mark.parametrize("offsets", [[0, 99, 18], [-4, 18, 36], [0, 18, 17], [18, 0, 18]])
def test_offsets_outside_the_basket_are_noticed(offsets: list[int]) -> None:
    entry = reference.entry_bytes([1, 2], 1, "int32")
    way = FlatVectors("x", ColumnType(1, np.dtype(np.int32)))
    branch = SimpleNamespace(file=SimpleNamespace(file_path="a.root"), object_path="/tree:x")
    data = np.frombuffer(entry * 2, dtype=np.uint8)
    basket = way.basket_array(data, np.array(offsets), SimpleNamespace(num_entries=2), branch)
    with pytest.raises(BadFileError, match="branch 'x', entry"):
        way.final_array({0: basket}, 0, 2, [0, 2], None, branch, {})


def test_a_basket_with_fewer_entries_than_its_branch_says_is_noticed() -> None:
    entry = reference.entry_bytes([1, 2], 1, "int32")
    way = FlatVectors("x", ColumnType(1, np.dtype(np.int32)))
    branch = SimpleNamespace(file=SimpleNamespace(file_path="a.root"), object_path="/tree:x")
    basket = way.basket_array(np.frombuffer(entry, dtype=np.uint8), np.array([0, 18]), SimpleNamespace(), branch)
    with pytest.raises(BadFileError, match="entry 0,"):
        way.final_array({0: basket}, 0, 3, [0, 3], None, branch, {})


def test_damage_in_a_file_reaches_the_reader(tmp_path: Path) -> None:
    def one_more_hit_in_the_first_cluster(data: bytearray, byte_offsets: Any) -> None:
        data[byte_offsets[2] + 13] += 1

    path = tmp_path / "photons.root"
    with_changed_basket(GOLDEN / "photons.root", path, HITS[0], 1, one_more_hit_in_the_first_cluster)
    with uproot.open(path) as file:
        tree = file["recosimdumper/caloTree"]
        assert read_columns(tree, HITS[:1], 0, 9)[HITS[0]].n_entries == 9
        with pytest.raises(BadFileError, match=r"(?s)branch 'pfClusterHit_iz', entry 11,.*photons\.root"):
            read_columns(tree, HITS[:1], 0, 24)


@pytest.mark.parametrize("version", [0, 0x400A], ids=["checksum", "member-wise"])
def test_other_streaming_is_left_to_uproot(version: int) -> None:
    assert decoded([reference.entry_bytes([[1.5]], 2, "float32", version)], 2, "float32") is None


def test_a_branch_of_other_streaming_in_a_file_is_left_to_uproot(tmp_path: Path, asked: list[str]) -> None:
    def member_wise(data: bytearray, byte_offsets: Any) -> None:
        data[byte_offsets[2] + 4] |= 0x40

    path = with_changed_basket(GOLDEN / "photons.root", tmp_path / "photons.root", HITS[0], 1, member_wise)
    with uproot.open(path) as file:
        tree = file["recosimdumper/caloTree"]
        expected = read_columns(tree, HITS, 0, 24, fast=False)
        asked.clear()
        assert_same(read_columns(tree, HITS, 0, 24), expected)
        assert "ak" in asked
