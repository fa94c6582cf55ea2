"""`ecalwindows inspect`: what dumper files, parts and datasets are, and which commands work on them."""

from __future__ import annotations

import json
import shlex
import shutil
import tarfile
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from helpers.cli import attempt, run
from helpers.dumps import ELECTRONS, TREE, as_ntuple, columns_of_electrons, without
from helpers.patched_trees import with_entries

from ecalwindows import open_dataset
from ecalwindows.commands.inspect import inspect
from ecalwindows.core.errors import BadFileError
from ecalwindows.dumper.branches import BRANCHES
from ecalwindows.dumper.inspection import NO_TRUTH, NO_WINDOWS, DumpFacts, FolderFacts
from ecalwindows.formats.parquet.definition import features_definition


def as_tree(path: Path, columns: dict[str, Any], place: str = TREE) -> Path:
    with uproot.recreate(path) as file:
        tree = file.mktree(place, {name: column.dtype for name, column in columns.items()})
        tree.extend(columns)
    return path


def dump(path: Path) -> DumpFacts:
    facts = inspect(str(path), tree=TREE)
    assert isinstance(facts, DumpFacts)
    return facts


def test_a_dumper_file_is_described() -> None:
    facts = dump(ELECTRONS)
    columns = columns_of_electrons()
    assert (facts.events, facts.sample, facts.kind, facts.bytes) == (24, 24, "TTree", ELECTRONS.stat().st_size)
    assert facts.clusters_per_event == ak.mean(ak.num(columns["pfCluster_eta"]))
    assert facts.caloparticles_per_event == ak.mean(ak.num(columns["caloParticle_genEta"]))
    assert (facts.first_run, facts.last_run) == (min(columns["runId"]), max(columns["runId"]))
    assert facts.trees == {TREE: "TTree"} and facts.n_branches == len(columns)
    assert facts.pileup == "used" and facts.superclusters == ("superCluster",) and not facts.simhits
    assert "sim_fraction" in facts.strategies and facts.makes_windows
    assert {each.purpose for each in facts.missing} == {"simulated hits"}


def test_a_small_file_has_a_size_too(tmp_path: Path) -> None:
    path = as_tree(tmp_path / "small.root", {"runId": np.array([1], np.int32)})
    assert f"size               {path.stat().st_size / 1e3:.1f} kB" in run("inspect", str(path)).out


def test_an_rntuple_has_the_same_facts_as_the_tree(tmp_path: Path) -> None:
    facts, tree = dump(as_ntuple(tmp_path / "n.root", columns_of_electrons())), dump(ELECTRONS)
    assert facts.kind == "RNTuple" and facts.names == tree.names
    same = ("events", "first_run", "clusters_per_event", "present", "missing", "strategies", "pileup")
    assert [getattr(facts, name) for name in same] == [getattr(tree, name) for name in same]


def test_each_missing_branch_has_its_cost(tmp_path: Path) -> None:
    """Half of the branches are missing; those that have a default say it, the others what cannot be made."""
    half = columns_of_electrons(lambda name: not name.startswith(("pfClusterHit", "superCluster", "caloParticle_sim")))
    half = {name: column for name, column in half.items() if "PU" not in name and "full5x5" not in name}
    facts = dump(as_ntuple(tmp_path / "half.root", half))
    cost = {each.branch: each.cost for each in facts.missing}
    known = {branch.name for branch in BRANCHES}
    assert known - facts.names <= cost.keys() and not cost.keys() & facts.names
    assert "-999 is taken" in cost["pfCluster_full5x5_r9"] and "cl_f5_r9" in cost["pfCluster_full5x5_r9"]
    assert cost["caloParticle_simEnergy"] == NO_TRUTH
    assert cost["caloParticle_simEnergyGoodStatus"] == NO_TRUTH, "there is no other energy"
    assert cost["caloParticle_simIz"] == NO_TRUTH and facts.truth == "incomplete"
    assert facts.pileup == "absent" and facts.superclusters == ()
    assert "--truth none" in run("inspect", str(tmp_path / "half.root")).out
    less = dump(without(tmp_path / "less.root", "pfCluster_iz"))
    assert not less.makes_windows and {each.branch: each.cost for each in less.missing}["pfCluster_iz"] == NO_WINDOWS
    assert "none: branches that all windows need are missing" in run("inspect", str(tmp_path / "less.root")).out


def test_commands_that_are_shown_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ELECTRONS, "my dump.root")
    without(tmp_path / "of_2021.root", "caloParticle_simEnergyGoodStatus")
    run("windows", "my dump.root", "-o", "w.parquet", "-q")
    for source in ("my dump.root", "of_2021.root", "w.parquet"):
        lines = run("inspect", source).out.split("commands\n")[1].splitlines()
        assert len(lines) == 4
        for line in lines:
            program, *words = shlex.split(line)
            assert program == "ecalwindows"
            assert words[0] == "plot" or run(*words).code == 0, line


def test_without_branches_that_only_some_columns_need_the_commands_ask_for_a_features_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    facts = dump(without(Path("less.root"), "pfCluster_ieta", "pfClusterHit_iphi", "caloParticle_simEnergyGoodStatus"))
    assert facts.left_out == ("cluster_ieta", "iphi", "seed_ieta")
    first, second, note, match = run("inspect", "less.root").out.split("commands\n")[1].splitlines()
    assert note.endswith("without cluster_ieta, iphi, seed_ieta)")
    groups = features_definition().without(facts.left_out).groups
    Path("FILE").write_text(json.dumps({"features_dict": groups, "hits_indices": [0, 2, 4]}))
    assert attempt("windows", "less.root", "-o", "x.parquet").code == 2
    for line in (first, second, match):
        run(*shlex.split(line)[1:], "-q")


def test_without_hits_only_tables_of_matched_clusters_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    without(Path("less.root"), "pfClusterHit")
    assert not dump(Path("less.root")).makes_windows
    (line,) = run("inspect", "less.root").out.split("commands\n")[1].splitlines()
    assert "truth match" in line and attempt("windows", "less.root", "-o", "x.parquet").code == 2
    run(*shlex.split(line)[1:], "-q")


def test_branches_with_the_lengths_of_lists_are_no_collection_of_superclusters(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "x.root") as file:
        file.mktree(TREE, {"superCluster_seedIndex": "var * int32"}).extend({"superCluster_seedIndex": ak.Array([[1]])})
    facts = dump(tmp_path / "x.root")
    assert "nsuperCluster_seedIndex" in facts.names and facts.superclusters == ("superCluster",)


@pytest.mark.parametrize("case", ["truncated", "text", "missing"])
def test_what_cannot_be_read_is_an_error(case: str, tmp_path: Path) -> None:
    path = tmp_path / "x.root"
    if case != "missing":
        path.write_bytes(ELECTRONS.read_bytes()[:100_000] if case == "truncated" else b"text")
    ran = attempt("inspect", str(path))
    assert ran.code != 0 and "x.root" in ran.err and "internal" not in ran.err


def test_a_file_without_the_tree_lists_what_it_holds(tmp_path: Path) -> None:
    path = as_tree(tmp_path / "x.root", {"runId": np.arange(3)}, "other/tree")
    with pytest.raises(BadFileError, match=r"other/tree \(TTree\)"):
        inspect(str(path), tree=TREE)
    assert "3, runs 0 to 2" in run("inspect", str(path), "--tree", "other/tree").out


@pytest.mark.parametrize("number", [300, pytest.param(900, marks=pytest.mark.slow)])
def test_a_tree_with_many_branches(number: int, tmp_path: Path) -> None:
    facts = dump(as_tree(tmp_path / "wide.root", {f"b{n}": np.zeros(2, np.float32) for n in range(number)}))
    assert facts.n_branches == number and facts.events == 2 and not facts.makes_windows and facts.strategies == ()
    assert (facts.first_run, facts.clusters_per_event) == (None, None)


def test_of_a_folder_the_files_that_differ_are_listed(tmp_path: Path) -> None:
    for n in range(6):
        shutil.copyfile(ELECTRONS, tmp_path / f"{n}.root")
    columns = columns_of_electrons(lambda name: name != "rho") | {"extra": np.zeros(24)}
    as_ntuple(tmp_path / "other.root", columns)
    (tmp_path / "cut.root").write_bytes(ELECTRONS.read_bytes()[:100_000])
    facts = inspect(str(tmp_path), tree=TREE)
    assert isinstance(facts, FolderFacts) and facts.usual is not None
    assert (facts.n_files, facts.events) == (8, 7 * 24) and list(facts.bad) == [str(tmp_path / "cut.root")]
    (only,) = facts.differ
    assert (Path(only.path).name, only.lacks, only.has_more) == ("other.root", ("rho",), ("extra",))
    out = run("inspect", str(tmp_path)).out
    assert "lacks rho; has also extra" in out and "cut.root: cannot be read" in out


@pytest.mark.compiled
def test_the_commands_of_a_folder_do_not_depend_on_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "show 2"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(ELECTRONS, folder / f"{name}.root")
    lines = run("inspect", str(folder)).out.splitlines()
    commands = lines[lines.index("commands") + 1 :]
    assert f"  ecalwindows truth match '{folder}' -o matches.parquet" in commands and len(commands) > 2
    assert not any("--list" in line for line in commands), "a folder cannot be shown"


def test_parts_and_datasets_are_described_by_their_records(tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    run("windows", str(ELECTRONS), "-o", str(parts / "a.parquet"), "--mode", "cmssw", "--keep", "all", "-q")
    run("finalize", str(parts), "-o", str(tmp_path / "done"), "--split", "train=0.5,test=0.5", "-q")
    (part, done) = json.loads(run("inspect", str(parts / "a.parquet"), str(tmp_path / "done"), "--json").out)
    assert part["type"] == done["type"] == "data" and part["windows"] == done["windows"] > 0
    assert part["what"] == "a part" and done["what"].startswith("a finished dataset, done@")
    assert part["settings"]["mode"] == done["settings"]["mode"] == "cmssw" and sorted(done["splits"]) == [
        "test",
        "train",
    ]
    assert "mode cmssw, keep all, geometry v1" in run("inspect", str(tmp_path / "done")).out


def test_each_window_is_counted_once_and_of_a_folder_in_a_dataset_those_in_it(tmp_path: Path) -> None:
    parts, done = tmp_path / "parts", tmp_path / "done"
    run("windows", str(ELECTRONS), "-o", str(parts), "--format", "tfrecord", "--keep", "all", "-q")
    run("finalize", str(parts), "-o", str(done), "--split", "train=0.5,test=0.5", "-q")
    record = json.loads((done / "dataset.json").read_text())
    of_split = {split["name"]: split["windows"] for split in record["splits"]}
    file, total = done / "tfrecord/train/calo_matched/calomatch_part-00000.proto", record["windows"]
    sources = [parts, parts / "calo_matched", done, done / "tfrecord", done / "tfrecord/train", file]
    found = json.loads(run("inspect", *map(str, sources), "--json").out)
    one = next(each["windows"] for each in record["files"] if each["name"] == file.relative_to(done).as_posix())
    assert 0 < one < of_split["train"] < total
    assert [each["windows"] for each in found] == [total, None, total, total, of_split["train"], one]
    assert [each["files"] for each in found] == [2, 1, 4, 4, 2, 1] and found[4]["splits"] == ["train"]


def test_paths_upwards_are_those_of_the_same_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Also behind a link, where `..` is above what the link leads to."""
    run("windows", str(ELECTRONS), "-o", str(tmp_path / "parts" / "w.parquet"), "--keep", "all", "-q")
    run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "done"), "--split", "train=0.5,test=0.5", "-q")
    (tmp_path / "link").symlink_to(tmp_path / "done/parquet/train")
    monkeypatch.chdir(tmp_path / "done/parquet/train")
    same = {"../..": ".", "..": "parquet", "../train": "parquet/train", "../../../link/..": "parquet"}
    for path, place in same.items():
        found, expected = (
            json.loads(run("inspect", str(each), "--json").out)[0] for each in (path, tmp_path / "done" / place)
        )
        assert found | {"path": expected["path"], "what": expected["what"]} == expected and found["windows"] > 0
        splits = open_dataset(path).splits
        assert splits == open_dataset(tmp_path / "done" / place).splits != ()
        assert run("validate", path, "-q").code == 0
    assert run("production", "digest", "../..").out == run("production", "digest", str(tmp_path / "done")).out
    assert not [each for each in caplog.records if each.levelname == "WARNING"]


@pytest.mark.parametrize("change", ["cut", "removed"])
def test_files_that_are_not_as_the_record_states_are_named(
    change: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts, done = tmp_path / "parts", tmp_path / "done"
    run("windows", str(ELECTRONS), "-o", str(parts / "a.parquet"), "-q")
    run("finalize", str(parts), "-o", str(done), "--split", "train=0.5,test=0.5", "-q")
    run("inspect", str(done))
    assert not caplog.text
    name = "parquet/train/part-00000.parquet"
    (done / name).write_bytes((done / name).read_bytes()[:-1])
    if change == "removed":
        (done / name).unlink()
    run("inspect", str(done / "parquet/test"))
    assert not caplog.text
    run("inspect", str(done))
    assert f"missing, or not of the size that the record states: {name}" in caplog.text


@pytest.mark.compiled
def test_tables_of_matched_clusters_are_no_windows(tmp_path: Path) -> None:
    run("truth", "match", str(ELECTRONS), "-o", str(tmp_path / "m.parquet"), "-q")
    out = run("inspect", str(tmp_path / "m.parquet")).out
    assert "matched clusters   204\n" in out and "windows            " not in out
    commands = out.split("commands\n")[1].splitlines()
    assert [line.split()[:3] for line in commands] == [
        ["ecalwindows", "truth", "working-points"],
        ["ecalwindows", "truth", "window-size"],
    ]
    assert run(*shlex.split(commands[1])[1:-1], str(tmp_path / "sizes"), "--no-figures").code == 0


@pytest.mark.compiled
def test_an_archive_of_another_program_is_described_without_reading_it_all(tmp_path: Path) -> None:
    run("windows", str(ELECTRONS), "-o", str(tmp_path / "w.ndjson"), "-q")
    (tmp_path / "old").mkdir()
    with tarfile.open(tmp_path / "old" / "w.ndjson.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "w.ndjson", "w.ndjson")
    out = run("inspect", str(tmp_path / "old" / "w.ndjson.tar.gz")).out
    assert "ndjson, 1 file" in out and "unknown without reading all" in out and "ecalwindows convert" in out


def test_json_is_a_list_with_all_facts() -> None:
    (facts,) = json.loads(run("inspect", str(ELECTRONS), "--json").out)
    assert facts["type"] == "dump" and facts["makes_windows"] and len(facts["names"]) == facts["n_branches"]
    assert {"branch", "purpose", "cost"} == set(facts["missing"][0])


@pytest.mark.parametrize("change", ["fewer entries", "another type"])
def test_a_file_that_windows_would_refuse_is_no_input_of_the_commands_that_are_shown(
    change: str, tmp_path: Path
) -> None:
    if change == "fewer entries":
        path = with_entries(ELECTRONS, tmp_path / "short.root", {"pfCluster_etaWidth": 0})
    else:
        columns = columns_of_electrons()
        path = as_ntuple(tmp_path / "other.root", columns | {"pfCluster_ieta": columns["pfCluster_eta"]})
    refused = attempt("windows", str(path), "-o", str(tmp_path / "w.parquet")).err
    facts = dump(path)
    assert facts.fault and f"error: {facts.fault}" in refused
    out = run("inspect", str(path)).out
    assert facts.fault in out and "none: the file has a fault" in out and "-o windows.parquet" not in out
