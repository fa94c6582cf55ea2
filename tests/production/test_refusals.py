"""What every job of a production, or its end, would refuse is refused when the plan is made."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import attempt, run
from helpers.companion_files import write_weights
from helpers.golden_files import GOLDEN
from helpers.production_maker import write_yaml

from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.production.settings import production_of

BROKEN: dict[str, str | bytes] = {
    "empty": "",
    "no-json": "{",
    "list": "[]",
    "another-file": '{"a": 1}',
    "root": b"root" + bytes(60),
    "configs": (GOLDEN / "configs.json").read_text(),
}


def with_file(setting: str, path: Path) -> dict[str, Any]:
    """Settings of a production that names a file."""
    inputs = [str(GOLDEN / "electrons.root")]
    sample = {"name": "ele", "inputs": inputs} | ({"wp_file": str(path)} if setting == "sample" else {})
    own: dict[str, dict[str, Any]] = {
        "windows": {"windows": {"wp_file": str(path)}},
        "sample": {},
        "features": {"features_def": str(path)},
        "weights": {"weights": str(path), "formats": ["tfrecord"]},
    }
    return {"samples": [sample]} | own[setting]


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("setting", ["windows", "sample", "features", "weights"])
def test_files_that_every_job_would_refuse(setting: str, content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    yaml = write_yaml(tmp_path / "p.yaml", **with_file(setting, path))
    for words in (["plan"], ["submit", "--dry-run"], ["run", "-j", "0"], ["resume", "-j", "0"]):
        ran = attempt("production", words[0], str(yaml), *words[1:])
        assert ran.code == 2 and "broken.json" in ran.err and "internal" not in ran.err, ran.err
    assert not (tmp_path / "dataset.production" / "plan.json").exists()
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize("command", ["windows", "awkward", "tfrecord"])
def test_the_old_options_refuse_them_too(command: str, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    own = {
        "windows": ["-a", "sim_fraction", "--wp-file", f"{tmp_path}/broken.json", "--eos-url", ""],
        "awkward": ["-f", f"{tmp_path}/broken.json"],
        "tfrecord": ["-tf", "0.2", "-f", "11", "-w", f"{tmp_path}/broken.json"],
    }
    shared = ["-nfg", "1", "-o", f"{tmp_path}/out", "-q", "espresso", "-cf", f"{tmp_path}/cf"]
    ran = attempt("condor", command, "-i", f"{GOLDEN}/electrons.root", *shared, *own[command])
    assert ran.code == 2 and "broken.json" in ran.err, ran.err
    assert not (tmp_path / "cf" / "plan.json").exists()


def test_cms_own_features_definition_is_planned(tmp_path: Path) -> None:
    groups = {name: [*names] for name, names in features_definition("default").groups.items()}
    (tmp_path / "f.json").write_text(json.dumps({"features_dict": groups | {"hits_indices": [0, 1, 2, 4]}}))
    inputs = tmp_path / "in"
    inputs.mkdir()
    (inputs / "a.ndjson.gz").write_bytes((GOLDEN / "electrons.A.ndjson.gz").read_bytes())
    shared = ["-nfg", "1", "-o", f"{tmp_path}/out", "-q", "espresso", "-cf", f"{tmp_path}/cf"]
    ran = attempt("condor", "awkward", "-i", str(inputs), "-f", str(tmp_path / "f.json"), *shared)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"version": "1 beta"}, "cannot have the version '1 beta'"),
        ({"derived_from": ["no/such/dataset"]}, "there is no dataset at 'no/such/dataset'"),
        ({"features_def": "without"}, "has no run_id, lumi_id, event_id"),
        ({"windows": {"assoc_strategy": "sim_fractions"}}, "unknown strategy 'sim_fractions'"),
        ({"windows": {"geometry": "v9"}}, "'geometry' cannot be 'v9'"),
        ({"windows": {"wp_file": 5}}, "'wp_file' cannot be 5"),
        ({"windows": {"wp_file": ["a"]}}, "'wp_file' cannot be"),
    ],
    ids=["version", "derived_from", "split-columns", "strategy", "geometry", "wp_file-number", "wp_file-list"],
)
def test_settings_with_which_no_dataset_can_be_made(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    if settings.get("features_def"):
        settings = {"features_def": str(tmp_path / "f.json")}
        (tmp_path / "f.json").write_text('{"features_dict": {"cl_features": ["en_cluster"]}}')
    sample = {"name": "ele", "inputs": str(GOLDEN / "electrons.root")}
    yaml = write_yaml(tmp_path / "p.yaml", samples=[sample], **settings)
    for words_of in (["plan"], ["run", "-j", "0"]):
        ran = attempt("production", words_of[0], str(yaml), *words_of[1:])
        assert ran.code == 2 and words in ran.err, ran.err


def test_good_files_are_planned(tmp_path: Path) -> None:
    sample = {"name": "ele", "inputs": str(GOLDEN / "electrons.root"), "wp_file": str(GOLDEN / "wp_test.json")}
    weights = str(write_weights(tmp_path / "w.json"))
    yaml = write_yaml(tmp_path / "p.yaml", samples=[sample], formats=["parquet", "tfrecord"], weights=weights)
    assert "ele" in run("production", "plan", str(yaml)).out


@pytest.mark.parametrize(
    ("formats", "kind"),
    [
        (["parquet", "tfrecord"], "windows"),
        (["tfrecord", "parquet"], "windows"),
        (["tfrecord"], "windows"),
        (["ndjson", "tfrecord"], "windows"),
        ("parquet", "windows"),
        (["matches"], "matches"),
        ("matches", "matches"),
    ],
    ids=str,
)
def test_formats_say_the_kind_only_where_one_kind_alone_makes_them(formats: Any, kind: str) -> None:
    base = {"name": "x", "samples": [{"name": "a", "inputs": "a"}], "output": "o", "formats": formats}
    assert production_of(base, where="p").kind == kind


LATIN = os.fsdecode(b"dump_\xe9.root")


def test_inputs_whose_names_no_plan_can_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / LATIN).write_bytes((GOLDEN / "electrons.root").read_bytes())
    yaml = write_yaml(tmp_path / "p.yaml")
    for words in (["plan"], ["run", "-j", "0"]):
        ran = attempt("production", words[0], str(yaml), *words[1:])
        assert ran.code == 2 and r"dump_\xe9.root" in ran.err and "not UTF-8" in ran.err, ran.err
    assert not (tmp_path / "dataset").exists()


def test_a_production_in_a_folder_whose_name_no_plan_can_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    monkeypatch.chdir(folder)
    sample = {"name": "ele", "inputs": str(GOLDEN / "electrons.root")}
    write_yaml(folder / "p.yaml", samples=[sample], output="out")
    ran = attempt("production", "plan", "p.yaml")
    assert ran.code == 2 and "not UTF-8" in ran.err and "internal" not in ran.err


@pytest.mark.parametrize(
    ("folder", "words"),
    [("dataset/parquet", "only a part of a finished dataset"), ("dataset/..", "no finished dataset")],
)
def test_a_digest_is_that_of_a_finished_dataset(folder: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "dataset" / "parquet").mkdir(parents=True)
    (tmp_path / "dataset" / "dataset.json").write_text("{}")
    ran = attempt("production", "digest", str(tmp_path / folder))
    assert ran.code == 2 and words in ran.err and "internal" not in ran.err
