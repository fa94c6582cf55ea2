"""Productions as they are written, and the plans that are made of them: no file is read but the YAML."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.production_maker import write_yaml

from ecalwindows.core.errors import EcalWindowsError, SettingsError
from ecalwindows.production.errors import ProductionError
from ecalwindows.production.plan import (
    Entry,
    Source,
    common_folder,
    grown_plan,
    listing_changes,
    made_plan,
    recorded_name,
    setting_changes,
)
from ecalwindows.production.settings import Production, production_of, read_production
from ecalwindows.production.work_folder import find_place, read_plan, write_plan

TWO = {
    "name": "both",
    "samples": [{"name": "ele", "inputs": "/d/ele", "flavour": 11}, {"name": "pho", "inputs": ["/d/pho"]}],
    "output": "/out/both",
    "files_per_job": 2,
}


def production(**changes: Any) -> Production:
    return production_of(TWO | changes, where="p.yaml")


def entries(*names: str, size: int = 10) -> list[Entry]:
    return [Entry(path=f"/d/{name}", bytes=size, mtime_ns=1) for name in names]


LISTING = {"ele": entries("ele/a", "ele/b", "ele/c"), "pho": entries("pho/a")}


def test_inputs_go_to_jobs_in_order() -> None:
    plan = made_plan(production(), LISTING)
    assert [(job.part, [entry.path for entry in job.inputs]) for job in plan.jobs] == [
        ("ele-00000", ["/d/ele/a", "/d/ele/b"]),
        ("ele-00001", ["/d/ele/c"]),
        ("pho-00000", ["/d/pho/a"]),
    ]
    assert plan.n_inputs == 4 and plan.n_bytes == 40


def test_the_same_listing_gives_the_same_plan() -> None:
    assert made_plan(production(), LISTING).content == made_plan(production(), LISTING).content


def test_ten_thousand_inputs_are_planned_in_under_5_s() -> None:
    listing = {"ele": entries(*(f"ele/{n}" for n in range(10_000))), "pho": entries("pho/a")}
    began = time.monotonic()
    plan = made_plan(production(files_per_job=1), listing)
    assert len(plan.jobs) == 10_001 and plan.digest
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "change",
    [
        {"windows": {"overlap": True}},
        {"formats": ["ndjson"]},
        {"features_def": "seed"},
        {"samples": [{"name": "ele", "inputs": "/d/ele", "flavour": 22}, TWO["samples"][1]]},  # type: ignore[index]
    ],
    ids=["windows", "format", "features", "flavour"],
)
def test_what_decides_content_decides_the_digest_of_jobs(change: dict[str, Any]) -> None:
    before, after = (made_plan(production(**each), LISTING).jobs[0].digest for each in ({}, change))
    assert before != after


@pytest.mark.parametrize(
    "change", [{"output": "/elsewhere"}, {"licence": "MIT"}, {"splits": {"all": 1}}, {"strict": True}], ids=str
)
def test_what_decides_no_content_does_not(change: dict[str, Any]) -> None:
    before, after = (made_plan(production(**each), LISTING).jobs[0].digest for each in ({}, change))
    assert before == after


def test_new_inputs_get_new_jobs_and_changed_ones_new_digests() -> None:
    old = made_plan(production(), LISTING)
    changed = [LISTING["ele"][0], *entries("ele/b", size=11), *entries("ele/aa", "ele/z")]
    plan, changes = grown_plan(old, production(), {"ele": changed, "pho": LISTING["pho"]})
    assert [job.part for job in plan.jobs] == ["ele-00000", "ele-00002", "pho-00000"]
    assert [entry.path for entry in plan.jobs[1].inputs] == ["/d/ele/aa", "/d/ele/z"]
    assert plan.jobs[0].digest != old.jobs[0].digest and plan.jobs[2].digest == old.jobs[2].digest
    assert str(changes) == (
        "2 added: '/d/ele/aa', '/d/ele/z'; 1 changed: '/d/ele/b'; 1 removed: '/d/ele/c'"
    )  # fmt: skip


def test_an_unchanged_listing_leaves_the_plan_as_it_is() -> None:
    old = made_plan(production(), LISTING)
    assert grown_plan(old, production(), LISTING) == (old, listing_changes(old, LISTING))
    assert not listing_changes(old, LISTING)


def test_changed_settings_are_reported_by_name() -> None:
    source = Source(path="/wp.json", sha256="1")
    old = made_plan(production(), LISTING, [source])
    lines = setting_changes(old, production(files_per_job=3), [source.model_copy(update={"sha256": "2"})])
    assert lines == ["files_per_job: was 2, is 3", "/wp.json: its content has changed"]
    assert setting_changes(old, production(licence="MIT", output="/elsewhere"), [source]) == []
    samples = [{"name": "ele", "inputs": "/d/ele", "flavour": 11}, {"name": "jet", "inputs": ["/d/pho"]}]
    assert setting_changes(old, production(samples=samples), [source]) == [
        "sample 'jet': it is new", "sample 'pho': it is gone",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("paths", "base", "names"),
    [
        (["/d/a.root"], "/d", ["a.root"]),
        (["/d/x/a.root", "/d/y/a.root"], "/d", ["x/a.root", "y/a.root"]),
        (["root://host//d/a.root"], "", ["root://host//d/a.root"]),
    ],
    ids=["one", "two-folders", "url"],
)
def test_inputs_are_reported_below_the_folder_of_their_sample(paths: list[str], base: str, names: list[str]) -> None:
    found = common_folder([Entry(path=path) for path in paths])
    assert (found, [recorded_name(path, found) for path in paths]) == (base, names)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_per_job": 3}, ["unknown setting 'file_per_job'", "nearest: files_per_job", "p.yaml"]),
        ({"samples": []}, ["'samples' cannot be []"]),
        ({"samples": {"ele": {"inputs": "x"}}}, ["'samples' cannot be {'ele'", "Input should be a valid list"]),
        ({"samples": [{"name": "e", "input": "x"}]}, ["samples[0].input", "Files, folders, globs"]),
        ({"samples": [{"name": "e", "inputs": "x", "flavor": 1}]}, ["'samples[0].flavor'", "nearest: flavour"]),
        ({"samples": [{"name": "a b", "inputs": "x"}]}, ["'samples[0].name' cannot be 'a b'"]),
        ({"samples": [{"name": "e", "inputs": "x"}] * 2}, ["the sample 'e' is named twice"]),
        ({"windows": {"overlapp": True}}, ["unknown setting 'overlapp'", "nearest: overlap", "windows, sample 'ele'"]),
        ({"windows": {"sample": "x"}}, ["'sample' is the name of a sample"]),
        ({"formats": ["csv"]}, ["'formats[0]' cannot be 'csv'"]),
        ({"output": "root://host//out?x=1"}, ["what follows a '?' is no part of one"]),
        ({"weights": "w.json"}, ["weights go into TFRecord only"]),
        ({"formats": ["ndjson", "tfrecord"], "features_def": "seed"}, ["features_def is for Parquet only"]),
        ({"splits": {"train": 0.5}}, ["the shares add up to 0.5"]),
        ({"files_per_job": 0}, ["'files_per_job' cannot be 0"]),
        ({"name": "../x"}, ["'name' cannot be '../x'"]),
    ],
    ids=lambda value: "" if isinstance(value, list) else str(value)[:40],
)
def test_wrong_settings_are_reported(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(SettingsError) as caught:
        production(**change)
    for word in words:
        assert word in str(caught.value)


def test_splits_may_be_numbers_or_fractions() -> None:
    rule = production(splits={"a": "1/3", "b": "2/3"}).split_rule
    assert rule is not None and str(rule) == "a=1/3,b=2/3"


def test_paths_are_relative_to_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = production(output="out", windows={"wp_file": "wp.json"}, samples=[{"name": "e", "inputs": ["d/*.root"]}])
    assert made.output == str(tmp_path / "out") and made.work == tmp_path / "out.production"
    assert made.samples[0].inputs == (str(tmp_path / "d/*.root"),)
    assert made.settings_of(made.samples[0]).wp_file == tmp_path / "wp.json"


def test_a_plan_comes_back_from_its_file(tmp_path: Path) -> None:
    plan = made_plan(production(windows={"geometry": "v2"}, splits={"all": 1}), LISTING)
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def test_names_with_all_kinds_of_characters_come_back(tmp_path: Path) -> None:
    names = ["a b", "it's", '"', "$(rm -rf x)", "`x`", "new\nline", "\t", "é", "*?[", ";|&", "\\"]
    plan = made_plan(production(), {"ele": entries(*names), "pho": []})
    write_plan(plan, tmp_path / "plan.json")
    again = read_plan(tmp_path / "plan.json")
    assert [entry.path for job in again.jobs for entry in job.inputs] == [f"/d/{name}" for name in names]


def test_a_plan_edited_by_hand_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_plan(made_plan(production(), LISTING), path)
    path.write_text(path.read_text().replace("/d/ele/a", "/d/ele/x"))
    with pytest.raises(ProductionError, match="the plan was edited"):
        read_plan(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"plan": {"form": 9}}', '{"plan": {"form": 1}, "digest": ""}'])
def test_a_broken_plan_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(ProductionError, match="the plan cannot be read"):
        read_plan(tmp_path / "plan.json")


def test_a_production_is_found_by_any_of_its_names(tmp_path: Path) -> None:
    file = write_yaml(tmp_path / "p.yaml")
    work = read_production(file).work
    write_plan(made_plan(production(), LISTING), work / "plan.json")
    for name in (file, work, work / "plan.json", tmp_path / "dataset"):
        assert find_place(name).work == work
    file = tmp_path / "new.yaml"
    file.write_text(yaml.safe_dump(TWO | {"output": str(tmp_path / "not begun")}))
    with pytest.raises(EcalWindowsError, match="there is no production"):
        find_place(file)
    with pytest.raises(EcalWindowsError, match="there is no production"):
        find_place(tmp_path / "nothing")


@pytest.mark.parametrize(
    "file", sorted((Path(__file__).parents[2] / "productions").glob("*.yaml")), ids=lambda file: file.stem
)
def test_the_worked_examples_are_productions(file: Path) -> None:
    assert read_production(file).name
