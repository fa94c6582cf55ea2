"""What is not as people expect it in the inputs of data: recorded by input, summed for the dataset, and said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import uproot
from helpers.cli import run
from helpers.golden_files import GOLDEN
from helpers.production_maker import write_yaml

import ecalwindows
from ecalwindows.core.own_sum import sealed_text
from ecalwindows.dataset.input_warnings import input_summary, input_warnings
from ecalwindows.dataset.notes import dataset_notes, summed_notes
from ecalwindows.dataset.record import DatasetRecord, read_record
from ecalwindows.formats.manifest import InputRecord, read_manifest

SUPERCLUSTERS = ["superCluster_energy", "superCluster_eta", "superCluster_rawEnergy", "superCluster_seedIndex"]
PILEUP = ["pfCluster_recoEnergy_sharedXtalsPU", "pfCluster_simEnergy_sharedXtalsPU", "pfCluster_simPU_nSharedXtals"]
CASES = {
    "all": [],
    "less": ["rho", *SUPERCLUSTERS, "superCluster_pfClustersIndex", *PILEUP],
    "some_pileup": PILEUP[:1],
}
"""Inputs by name, and the branches that they lack."""


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One input for each of `CASES`, each with two events of its own, and one without events."""
    folder = tmp_path_factory.mktemp("inputs")
    with uproot.open(GOLDEN / "electrons.root") as file:
        tree = file["recosimdumper/caloTree"]
        arrays = {name: tree[name].array(entry_stop=2) for name in tree.keys()}
    for number, (name, missing) in enumerate([*CASES.items(), ("empty", [])]):
        own = {key: array for key, array in arrays.items() if key not in missing}
        own["eventId"] = arrays["eventId"] + 1000 * (number + 1)
        own = {key: array[:0] for key, array in own.items()} if name == "empty" else own
        with uproot.recreate(folder / f"{name}.root") as file:
            file.mkdir("recosimdumper").mkrntuple("caloTree", own)
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dumps: Path) -> tuple[Path, str]:
    """A production of these inputs in two formats, one input per job; and what it wrote on the terminal."""
    base = tmp_path_factory.mktemp("production")
    sample = {"name": "ele", "inputs": [str(dumps)], "flavour": 11}
    yaml = write_yaml(base / "p.yaml", samples=[sample], formats=["parquet", "ndjson"])
    return base, run("production", "run", str(yaml), "-j", "0", "-q").err


def record_of(finished: tuple[Path, str]) -> DatasetRecord:
    return read_record(finished[0] / "dataset" / "dataset.json")


def of_inputs(inputs: list[InputRecord]) -> dict[str, tuple[list[str], str | None]]:
    return {Path(each.name).stem: (sorted(each.absent), each.pileup) for each in inputs}


FOUND: dict[str, tuple[list[str], str]] = {
    "all": ([], "used"),
    "less": (sorted(["rho", *SUPERCLUSTERS, "superCluster_pfClustersIndex"]), "absent"),
    "some_pileup": (PILEUP[:1], "incomplete"),
    "empty": ([], "used"),
}


@pytest.mark.compiled
def test_absent_branches_and_use_of_pileup_are_in_the_manifest_by_input(finished: tuple[Path, str]) -> None:
    folder = finished[0] / "dataset.production/parts/ndjson/_ecalwindows/manifests"
    inputs = [each for path in folder.glob("*.json") for each in read_manifest(path).inputs]
    assert of_inputs(inputs) == FOUND
    assert next(each for each in inputs if each.name == "less.root").absent["superCluster_seedIndex"] == -1
    assert {each.name: (each.events, each.entries) for each in inputs}["empty.root"] == (0, 0)


@pytest.mark.compiled
def test_they_are_summed_in_the_record_of_the_dataset(finished: tuple[Path, str]) -> None:
    record = record_of(finished)
    assert of_inputs(record.inputs) == FOUND
    summary = record.input_summary
    assert summary is not None and summary == input_summary(record.inputs)
    assert {use: (n.inputs, n.events) for use, n in summary.pileup.items()} == {
        "used": (2, 2), "absent": (1, 2), "incomplete": (1, 2),
    }  # fmt: skip
    rho = next(each for each in summary.absent if each.name == "rho")
    assert (rho.default, rho.inputs, rho.events, summary.empty) == (-1, 1, 2, 1)


WORDS = [
    "the pile-up branches are not used in the same way in all inputs: 2 of 4 inputs, 2 of 6 events: used",
    "default values stand for absent branches: pfCluster_recoEnergy_sharedXtalsPU = 0, rho = -1, superCluster_",
    "1 of 4 inputs without events: empty.root",
]


@pytest.mark.compiled
def test_they_are_said_on_the_card_and_as_warnings_of_every_command(finished: tuple[Path, str]) -> None:
    base, err = finished
    card = (base / "dataset" / "README.md").read_text()
    again = run("production", "run", str(base / "p.yaml"), "-j", "0", "-q").err
    by_hand = run("production", "finish", str(base / "dataset.production")).err
    valid = run("validate", str(base / "dataset")).out
    finalized = run("finalize", str(base / "dataset.production/parts/parquet"), "-o", str(base / "other"), "-q").err
    for text in (err, card, again, by_hand, valid, finalized):
        assert all(text.count(words) == 1 for words in WORDS), text
    assert all(line.startswith("warning: ") for line in err.splitlines())
    assert "| `rho` " in card and "| incomplete " in card


@pytest.mark.compiled
def test_what_one_run_says_is_recorded_and_said_also_when_quiet(dumps: Path, tmp_path: Path) -> None:
    out = tmp_path / "w.parquet"
    ran = run("windows", str(dumps / "all.root"), str(dumps / "less.root"), "-o", str(out), "-q")
    assert "superCluster_seedIndex = -1 (1 of 2 inputs, 2 of 4 events)" in ran.err and not ran.out
    assert "rho = -1" in run("validate", str(out)).out
    assert of_inputs(read_manifest(tmp_path / "_ecalwindows/manifests/w.parquet.json").inputs)["less"][1] == "absent"
    assert not run("windows", str(dumps / "all.root"), "-o", str(out), "-q").err


@pytest.mark.compiled
def test_a_range_without_events_is_said(dumps: Path, tmp_path: Path) -> None:
    ran = run("windows", str(dumps / "all.root"), "-o", str(tmp_path / "w.parquet"), "-q", "--events", "2:")
    assert ran.err == "warning: no event is in the range: 1 input with 2 events\n"
    assert not run("windows", str(dumps / "all.root"), "-o", str(tmp_path / "w.parquet"), "-q", "--events", "1:").err


@pytest.mark.compiled
def test_the_python_interface_warns_too(dumps: Path, caplog: pytest.LogCaptureFixture) -> None:
    ecalwindows.windows([dumps / "all.root", dumps / "less.root"])
    assert "rho = -1" in caplog.text and "the pile-up branches are not used in the same way" in caplog.text
    caplog.clear()
    ecalwindows.windows(dumps / "some_pileup.root")
    assert "the pile-up branches are not used: 1 of 1 input" in caplog.text


@pytest.mark.compiled
def test_events_left_out_are_counted_by_input(dumps: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    copy.write_bytes((dumps / "all.root").read_bytes())
    options = ("-o", str(tmp_path / "w.ndjson"), "--keep-first-duplicates")
    ran = run("windows", str(dumps / "all.root"), str(copy), *options)
    assert "2 events left out, as an input before has the same" in ran.err
    inputs = read_manifest(tmp_path / "_ecalwindows/manifests/w.ndjson.json").inputs
    assert [each.duplicates for each in inputs] == [0, 2]


@pytest.mark.compiled
def test_a_range_of_events_is_recorded_and_said_when_the_data_become_a_dataset(dumps: Path, tmp_path: Path) -> None:
    run("windows", str(dumps / "all.root"), "-o", str(tmp_path / "parts" / "w.ndjson"), "--events", "1:")
    ran = run("finalize", str(tmp_path / "parts"))
    assert "only a range of the events was taken of 1 of 1 input" in ran.err
    (each,) = read_record(tmp_path / "parts/_ecalwindows/dataset.json").inputs
    assert (each.entries, each.first, each.events) == (2, 1, 1)


@pytest.mark.compiled
def test_a_flavour_of_the_settings_makes_its_branch_no_absent_one(tmp_path: Path) -> None:
    with uproot.open(GOLDEN / "electrons.root") as file:
        tree = file["recosimdumper/caloTree"]
        arrays = {key: tree[key].array(entry_stop=2) for key in tree.keys() if key != "caloParticle_pdgId"}
    with uproot.recreate(tmp_path / "d.root") as file:
        file.mkdir("recosimdumper").mkrntuple("caloTree", arrays)
    out = str(tmp_path / "w.ndjson")
    assert "caloParticle_pdgId = 0" in run("windows", str(tmp_path / "d.root"), "-o", out).err
    assert not run("windows", str(tmp_path / "d.root"), "-o", out, "--flavour", "11", "-q").err


@pytest.mark.compiled
def test_records_of_earlier_versions_without_these_fields_are_read(dumps: Path, tmp_path: Path) -> None:
    run("windows", str(dumps / "less.root"), "-o", str(tmp_path / "w.ndjson"))
    path = tmp_path / "_ecalwindows/manifests/w.ndjson.json"
    content = json.loads(path.read_text())
    content["inputs"] = [
        {key: each[key] for key in ("name", "bytes", "events", "adler32", "sha256")} for each in content["inputs"]
    ]
    del content["content_sha256"]
    path.write_text(json.dumps(content))
    ran = run("finalize", str(tmp_path))
    record_file = tmp_path / "_ecalwindows/dataset.json"
    summary = read_record(record_file).input_summary
    assert not ran.err.count("warning") and summary is not None and [*summary.pileup] == ["unknown"]
    record = {key: value for key, value in json.loads(record_file.read_text()).items()
              if key not in ("input_summary", "notes", "content_sha256")}  # fmt: skip
    record_file.write_text(json.dumps(record))
    assert run("validate", str(tmp_path)).code == 0 and read_record(record_file).input_summary is None


@pytest.mark.parametrize(
    ("notes", "together"),
    [
        ([{"n": 1}, {"n": 2}, {}], {"n": 3}),
        ([{"legacy_labels": True}, {}], {"legacy_labels": True}),
        ([{"flag": False}, {"flag": True}], {"flag": True}),
        ([{"filled": ["a", "b"]}, {"filled": ["b", "c"]}], {"filled": ["a", "b", "c"]}),
        ([{"lines": {"cut": 1}}, {"lines": {"cut": 2, "no JSON": 1}}], {"lines": {"cut": 3, "no JSON": 1}}),
        ([{"with": {"version": "1"}}, {"with": {"version": "1"}}], {"with": {"version": "1"}}),
        ([{"with": {"version": "1"}}, {"with": {"version": "2"}}], {"with": [{"version": "1"}, {"version": "2"}]}),
    ],
    ids=["numbers", "flag", "flags", "lists", "counts-by-reason", "same-text", "other-text"],
)
def test_notes_of_parts_are_put_together(notes: list[dict[str, Any]], together: dict[str, Any]) -> None:
    assert summed_notes(notes) == together


def test_the_record_leaves_out_notes_that_belong_to_a_part() -> None:
    assert dataset_notes([{"part": "a", "converted_from": ["x"], "float32_scores": True}]) == {"float32_scores": True}


def test_inputs_that_are_the_same_give_no_warning() -> None:
    same = [InputRecord(name=name, events=2, entries=2, pileup="absent") for name in "ab"]
    assert input_warnings(same) == []
    assert input_warnings([*same, InputRecord(name="c", events=1)]) == []


def test_unusable_lines_are_said_by_reason() -> None:
    assert input_warnings([], notes={"unusable_lines": 3, "unusable": {"cut": 1, "not JSON": 2}}) == [
        "3 lines of text left out, as no window: cut (1), not JSON (2)"
    ]
    assert input_warnings([], notes={"unusable_lines": 2}) == [
        "2 lines of text left out, as no window: reason not recorded (2)"
    ]
    assert input_warnings([], notes={"unusable_lines": 0}) == []


@pytest.mark.compiled
def test_what_was_known_of_the_inputs_is_kept_when_windows_are_converted(dumps: Path, tmp_path: Path) -> None:
    """By a command and by a production of kind convert: absent branches, bad inputs, unusable lines."""
    (tmp_path / "bad.root").write_bytes(b"no ROOT file")
    text, other = tmp_path / "text" / "w.ndjson", tmp_path / "again" / "w.ndjson"
    inputs = [str(dumps / "less.root"), str(tmp_path / "bad.root")]
    run("windows", *inputs, "-o", str(text), "--skip-bad-files", "--maxnocalow", "9")
    manifest = text.parent / "_ecalwindows/manifests/w.ndjson.json"
    content = json.loads(manifest.read_text()) | {"notes": {"unusable_lines": 2, "unusable": {"not JSON": 2}}}
    manifest.write_text(sealed_text(json.dumps(content)))
    run("convert", str(text), "-o", str(other))
    sample = {"name": "ele", "inputs": [str(other)], "flavour": 11}
    yaml = write_yaml(tmp_path / "p.yaml", kind="convert", samples=[sample], windows={}, splits={})
    ran = run("production", "run", str(yaml), "-j", "0", "-q")
    record = read_record(tmp_path / "dataset/dataset.json")
    assert of_inputs(record.inputs)["less"] == (FOUND["less"][0], "absent")
    assert [each["name"] for each in record.bad_inputs] == ["bad.root"]
    assert record.notes["unusable"] == {"not JSON": 2}
    card = (tmp_path / "dataset/README.md").read_text()
    for words in ("rho = -1", "1 bad input left out", "2 lines of text left out, as no window: not JSON (2)"):
        assert words in ran.err and words in card and words in run("validate", str(tmp_path / "dataset")).out


@pytest.mark.compiled
def test_what_a_conversion_leaves_out_is_recorded(dumps: Path, tmp_path: Path) -> None:
    run("windows", str(dumps / "all.root"), "-o", str(tmp_path / "w.ndjson"), "--maxnocalow", "9", "-q")
    windows = [json.loads(line) | {"extra": 1} for line in (tmp_path / "w.ndjson").read_text().splitlines()]
    (tmp_path / "other").mkdir()
    windows[0]["nVtx"], windows[1]["rho"] = "many", True
    for window in windows[len(windows) // 2 + 1 :]:
        window["overlap"] = 0
    text = "".join(json.dumps(window) + "\n" for window in windows)
    (tmp_path / "other" / "w.ndjson").write_text(text + "{")
    run("convert", str(tmp_path / "other/w.ndjson"), "-o", str(tmp_path / "out/w.parquet"), "-q")
    notes = read_manifest(tmp_path / "out/_ecalwindows/manifests/w.parquet.json").notes
    assert notes["unusable_lines"] == 3 == sum(notes["unusable"].values())
    assert "extra" in notes["unknown_fields"]


@pytest.mark.compiled
def test_the_same_windows_in_two_formats_count_once(dumps: Path, tmp_path: Path) -> None:
    run("windows", str(dumps / "all.root"), "-o", str(tmp_path / "w.ndjson"), "--maxnocalow", "9", "-q")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "w.ndjson").write_text((tmp_path / "w.ndjson").read_text() + "no window\n")
    sample = {"name": "ele", "inputs": [str(tmp_path / "text/w.ndjson")], "flavour": 11}
    formats = ["parquet", "tfrecord"]
    yaml = write_yaml(tmp_path / "p.yaml", kind="convert", samples=[sample], windows={}, splits={}, formats=formats)
    run("production", "run", str(yaml), "-j", "0", "-q")
    assert read_record(tmp_path / "dataset/dataset.json").notes["unusable_lines"] == 1
