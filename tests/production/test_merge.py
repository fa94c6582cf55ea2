"""Parts merged to fewer, bigger files: the same windows in the same order, the same bytes whoever merges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.production_maker import write_inputs, write_yaml

from ecalwindows.dataset.layout import data_files
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.ndjson.lines import line_pieces
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.plan import Entry, Merge, made_plan, merges_of
from ecalwindows.production.settings import production_of


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dumps")
    write_inputs(folder, 5, bad=(1,))
    return folder


def begun(folder: Path, inputs: Path, **settings: Any) -> str:
    folder.mkdir(exist_ok=True)
    samples = [{"name": "ele", "inputs": str(inputs), "flavour": 11}]
    return str(write_yaml(folder / "p.yaml", samples=samples, **settings))


def test_neighbours_of_a_sample_are_merged() -> None:
    samples = [{"name": name, "inputs": "x"} for name in ("ele", "pho")]
    production = production_of(
        {"name": "p", "samples": samples, "output": "o", "files_per_job": 1, "merge": 2}, where=""
    )
    listing = {name: [Entry(path=f"/{name}/{i}") for i in range(n)] for name, n in (("ele", 3), ("pho", 2))}
    assert merges_of(made_plan(production, listing)) == [
        Merge("ele_merged_00000", (0, 1)), Merge("ele_merged_00001", (2,)), Merge("pho_merged_00000", (3, 4)),
    ]  # fmt: skip


@pytest.mark.parametrize("format", ["parquet", "ndjson", "tfrecord"])
def test_the_windows_are_those_of_the_parts_in_order(format: str, inputs: Path, tmp_path: Path) -> None:
    for name, merge in (("plain", {}), ("merged", {"merge": 2})):
        run("production", "run", begun(tmp_path / name, inputs, formats=[format], splits={}, **merge), "-j", "0")
    plain, merged = tmp_path / "plain" / "dataset", tmp_path / "merged" / "dataset"
    assert len(data_files(plain)) / len(data_files(merged)) == 5 / 3
    assert content(merged, format) == content(plain, format)
    ours, theirs = (read_record(folder / "dataset.json") for folder in (merged, plain))
    same = {"windows", "events", "counts", "samples", "inputs", "bad_inputs", "settings"}
    assert ours.model_dump(include=same) == theirs.model_dump(include=same)


def content(folder: Path, format: str) -> Any:
    """All windows, and the files beside them."""
    files = data_files(folder)
    if format == "parquet":
        return [row for file in files for row in pq.read_table(file).to_pylist()]
    if format == "ndjson":
        events = [line for file in sorted(folder.rglob("*.events.csv")) for line in file.read_text().splitlines()[1:]]
        return [line for file in files for piece in line_pieces(file) for line in piece.splitlines()], events
    names = sorted({file.parent.name for file in files})
    return {name: b"".join(file.read_bytes() for file in files if file.parent.name == name) for name in names}


def test_nodes_and_a_local_run_give_the_same_bytes(inputs: Path, tmp_path: Path) -> None:
    run("production", "run", begun(tmp_path / "local", inputs, merge=2), "-j", "0")
    file = begun(tmp_path / "nodes", inputs, merge=2)
    work = tmp_path / "nodes" / "dataset.production"
    assert "5 jobs" in run("production", "submit", file, "--dry-run").out
    for number in (4, 0, 1, 2, 3):
        run("production", "task", str(work / "plan.json"), str(number))
    for number in (2, 0, 1):
        assert "ele_merged_0000" in run("production", "merge", str(work / "plan.json"), str(number)).out
    run("production", "finish", str(work))
    assert dataset_digest(tmp_path / "nodes" / "dataset") == dataset_digest(tmp_path / "local" / "dataset")


def test_only_what_changed_is_merged_again(inputs: Path, tmp_path: Path) -> None:
    file = begun(tmp_path / "p", inputs, merge=2)
    run("production", "run", file, "-j", "0")
    digest = dataset_digest(tmp_path / "p" / "dataset")
    folder = tmp_path / "p" / "dataset.production" / "merged" / "parquet"
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    (folder / "ele_merged_00001.train.parquet").write_bytes(b"broken")
    (folder / "untracked.parquet").write_bytes(b"of a former plan")
    next((tmp_path / "p" / "dataset" / "parquet").rglob("part-00000.parquet")).unlink()
    run("production", "resume", file, "-j", "0")
    assert dataset_digest(tmp_path / "p" / "dataset") == digest
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.parquet")}
    assert {name for name in after if after[name] != before.get(name)} == {
        f"ele_merged_00001.{split}.parquet" for split in ("train", "test")
    }


def test_merging_may_be_changed_at_any_time(inputs: Path, tmp_path: Path) -> None:
    file = begun(tmp_path / "p", inputs, splits={})
    run("production", "run", file, "-j", "0")
    for merge, files in ((3, 2), (None, 5)):
        begun(tmp_path / "p", inputs, splits={}, **({"merge": merge} if merge else {}))
        run("production", "resume", file, "-j", "0")
        assert len(data_files(tmp_path / "p" / "dataset")) == files


def test_a_merge_that_is_not_there_is_reported(inputs: Path, tmp_path: Path) -> None:
    run("production", "submit", begun(tmp_path / "p", inputs, merge=2), "--dry-run")
    ran = attempt("production", "merge", str(tmp_path / "p" / "dataset.production" / "plan.json"), "3")
    assert ran.code == 2 and "there is no merge 3" in ran.err and "a number from 0 to 2" in ran.err
