"""New working points on finished windows are those of a fresh production, bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import strategies
from helpers.cli import attempt, run
from helpers.events_maker import events_of_dicts, window_settings_of
from helpers.flat_folders import change_manifest, flat_folder, seal
from helpers.golden_files import CONFIGS, GOLDEN, command_line
from helpers.pipeline import WORKING_POINTS
from hypothesis import given

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import COLUMNS
from ecalwindows.core.working_points import packaged_working_points
from ecalwindows.dataset.layout import data_files
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import manifest_path, problems, read_manifest
from ecalwindows.windowing.pipeline import make_windows
from ecalwindows.windowing.relabelling import CHANGED, DECISIVE, relabelled

WP = str(GOLDEN / "wp_test.json")
ELECTRONS = str(GOLDEN / "electrons.root")


def relabel(dataset: Path, output: Path, *more: str) -> Any:
    return attempt("relabel", str(dataset), "--wp-file", WP, "-o", str(output), *more)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        *(
            pytest.param(name, ".ndjson.zst", marks=() if name.startswith("edge.") else pytest.mark.slow)
            for name in CONFIGS
        ),
        *((name, ".parquet") for name in ("edge.B", "edge.G", "photons.C")),
    ],
)
def test_files_are_those_of_a_fresh_production(name: str, suffix: str, tmp_path: Path) -> None:
    """With and without pile-up, other limits on it, overlap, unmatched windows."""
    options = command_line(name)
    flat, ours, fresh = (tmp_path / folder / f"w{suffix}" for folder in ("flat", "ours", "fresh"))
    run("windows", *options[:-2], "-o", str(flat))
    run("windows", *options, "-o", str(fresh))
    assert relabel(flat, ours).code == 0
    assert ours.read_bytes() == fresh.read_bytes()
    assert flat.read_bytes() != fresh.read_bytes()
    assert [path.name for path in ours.parent.iterdir()] == [path.name for path in fresh.parent.iterdir()]
    if suffix != ".parquet":
        assert (ours.parent / "w.events.csv").read_bytes() == (fresh.parent / "w.events.csv").read_bytes()
    manifest, other = read_manifest(manifest_path(ours)), read_manifest(manifest_path(fresh))
    assert manifest.model_copy(update={"notes": {}}) == other
    assert set(manifest.notes) == {"relabelled", "relabelled_changes"}
    assert manifest.notes["relabelled_changes"]["windows_changed"] > 0


@pytest.mark.parametrize("features", ["seed", "own"])
def test_only_the_columns_that_the_data_hold_are_made(features: str, tmp_path: Path) -> None:
    groups: dict[str, list[str]] = {}
    for column in (*sorted(DECISIVE), "cluster_deta", "max_deta_cluster_insc"):
        groups.setdefault(COLUMNS[column].group, []).append(column)
    (tmp_path / "own.json").write_text(json.dumps({"features_dict": groups, "hits_indices": [3]}))
    features = str(tmp_path / "own.json") if features == "own" else features
    options = ["windows", ELECTRONS, "-f", features, "--overlap"]
    flat, ours, fresh = (tmp_path / f"{folder}.parquet" for folder in ("flat", "ours", "fresh"))
    run(*options, "-o", str(flat))
    run(*options, "-o", str(fresh), "--wp-file", WP)
    assert relabel(flat, ours).code == 0
    assert ours.read_bytes() == fresh.read_bytes()


@pytest.mark.parametrize("split", [[], ["--split", "train=0.7,test=0.3"]], ids=["complete", "split"])
@pytest.mark.parametrize("suffix", [".parquet", ".ndjson.zst"])
def test_a_finished_dataset_becomes_another(split: list[str], suffix: str, tmp_path: Path) -> None:
    parts = {"flat": tmp_path / "flat", "fresh": tmp_path / "fresh"}
    for name, more in {"flat": [], "fresh": ["--wp-file", WP]}.items():
        for number, events in enumerate((":14", "14:")):
            place = str(parts[name] / f"w-{number}{suffix}")
            run("windows", ELECTRONS, "--maxnocalow", "2", "-o", place, "--events", events, *more)
        run("finalize", str(parts[name]), "-o", str(tmp_path / f"{name}_done"), "--name", "electrons", *split)
    ours, fresh = tmp_path / "ours", tmp_path / "fresh_done"
    assert relabel(tmp_path / "flat_done", ours).code == 0
    data = [path.relative_to(fresh) for kind in ("parquet", "ndjson") for path in (fresh / kind).rglob("*.*")]
    same = {path: (ours / path).read_bytes() == (fresh / path).read_bytes() for path in data}
    assert len(same) >= 2
    assert all(same.values()), same
    record, other = read_record(ours / "dataset.json"), read_record(fresh / "dataset.json")
    assert record.files == other.files and record.samples == other.samples and record.counts == other.counts
    assert (record.name, record.derived_from) == ("ours", ["electrons@1"])
    for path in (ours / "manifests").iterdir():
        assert problems(read_manifest(path), ours) == []
    assert run("validate", str(ours), "-q").out.startswith("valid: ")


def test_a_flat_folder_stays_one(tmp_path: Path) -> None:
    folder = flat_folder(tmp_path / "parts")
    assert relabel(folder, tmp_path / "ours").code == 0
    assert [path.name for path in data_files(tmp_path / "ours")] == [path.name for path in data_files(folder)]
    assert "valid: " in run("validate", str(tmp_path / "ours"), "-q").out
    run("finalize", str(tmp_path / "ours"))


def test_a_file_of_a_split_alone(tmp_path: Path) -> None:
    run("finalize", str(flat_folder(tmp_path / "parts")), "-o", str(tmp_path / "done"), "--split", "a=0.5,b=0.5")
    part = tmp_path / "done" / "parquet" / "a" / "part-00000.parquet"
    assert relabel(part, tmp_path / "a.parquet").code == 0
    assert "valid: " in run("validate", str(tmp_path / "a.parquet"), "-q").out


def with_points(events: Any, settings: Any, points: Any) -> WindowBatch:
    chosen, use_pileup = window_settings_of(settings), settings.pileup == "on"
    made = events_of_dicts(events, chosen, use_pileup=use_pileup)
    return make_windows(made, chosen, points, use_pileup=use_pileup).batch


@strategies.few
@given(strategies.cases())
def test_the_rule_on_events_full_of_exact_edges(case: Any) -> None:
    assert_relabelled(*case)


@strategies.few
@given(strategies.cases(broken=True))
def test_the_rule_where_the_dump_holds_nan_and_infinities(case: Any) -> None:
    events, settings = case
    for event in events:  # nothing is stored that distinguishes -infinity from +infinity
        for branch in ("pfCluster_rawEnergy", "pfCluster_simEnergy_sharedXtalsPU"):
            event[branch] = [np.inf if energy == -np.inf else energy for energy in event[branch]]
    assert_relabelled(events, settings)


def assert_relabelled(events: Any, settings: Any) -> None:
    flat, fresh = (with_points(events, settings, points) for points in (packaged_working_points(), WORKING_POINTS))
    ours = relabelled(flat, WORKING_POINTS, pu_limit=settings.pu_limit)
    for name in CHANGED:
        np.testing.assert_array_equal(ours.column(name), fresh.column(name), err_msg=name)
        assert ours.column(name).dtype == fresh.column(name).dtype


def test_the_summary_states_what_changed(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "w.parquet"))
    out = relabel(tmp_path / "w.parquet", tmp_path / "ours.parquet").out
    assert [line.split()[:-1] for line in out.splitlines()[:1]] == [["windows", "64", "in", "1"]]
    assert "now in_scluster" in out and f"written: {tmp_path / 'ours.parquet'}" in out


@pytest.fixture
def windows(tmp_path: Path) -> Path:
    run("windows", ELECTRONS, "-o", str(tmp_path / "w.parquet"), "--pu-limit", "0.3")
    return tmp_path / "w.parquet"


def refused(ran: Any, *words: str) -> None:
    assert ran.code == 2
    for word in words:
        assert word in ran.err, ran.err


def test_tfrecord_is_refused(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "tf"), "--format", "tfrecord")
    refused(relabel(tmp_path / "tf", tmp_path / "ours"), "holds scores in float32")
    refused(relabel(tmp_path / "tf" / "calo_matched" / "calomatch_0.proto", tmp_path / "ours.proto"), "float32")
    assert not (tmp_path / "ours").exists()


def test_what_came_through_tfrecord_is_refused(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "tf"), "--format", "tfrecord")
    run("convert", str(tmp_path / "tf"), "-o", str(tmp_path / "w.parquet"))
    refused(relabel(tmp_path / "w.parquet", tmp_path / "ours.parquet"), "came through TFRecord")


def test_a_public_production_is_refused_unless_its_labels_are_accepted(windows: Path) -> None:
    change_manifest(windows.parent, windows.name, lambda content: content["notes"].update(legacy_labels=True))
    ours = windows.with_name("ours.parquet")
    refused(relabel(windows, ours), "is_calo_* flags may be wrong", "--accept-legacy-labels")
    assert relabel(windows, ours, "--accept-legacy-labels").code == 0
    assert read_manifest(manifest_path(ours)).notes["legacy_labels"] is True


def test_windows_of_which_nothing_is_known_need_the_limit_too(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "w.ndjson"))
    shutil.rmtree(tmp_path / "_ecalwindows")
    ours = tmp_path / "ours.ndjson"
    refused(relabel(tmp_path / "w.ndjson", ours), "it is unknown whether ecalwindows made these windows")
    refused(relabel(tmp_path / "w.ndjson", ours, "--accept-legacy-labels"), "--pu-limit")
    assert relabel(tmp_path / "w.ndjson", ours, "--accept-legacy-labels", "--pu-limit", "1e6").code == 0
    run("windows", ELECTRONS, "-o", str(tmp_path / "fresh.ndjson"), "--wp-file", WP)
    assert ours.read_bytes() == (tmp_path / "fresh.ndjson").read_bytes()


def test_another_pileup_limit_is_refused(windows: Path) -> None:
    refused(relabel(windows, windows.with_name("o.parquet"), "--pu-limit", "0.5"), "limit of 0.3, not 0.5")


def test_columns_that_the_label_follows_from_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_text(json.dumps({"features_dict": {"cl_labels": ["is_seed", "in_scluster"]}}))
    run("windows", ELECTRONS, "-o", str(tmp_path / "w.parquet"), "-f", str(tmp_path / "f.json"))
    refused(relabel(tmp_path / "w.parquet", tmp_path / "o.parquet"), "lack calo_score, cluster_PUfrac, en_seed")


def test_an_output_of_another_format_is_refused(windows: Path) -> None:
    refused(relabel(windows, windows.with_name("o.ndjson")), "the output would be ndjson, the input is parquet")


def test_the_input_is_never_the_output(windows: Path) -> None:
    before = windows.read_bytes()
    refused(relabel(windows, windows, "--overwrite"), "the output is one of the inputs")
    folder = flat_folder(windows.parent / "parts")
    refused(relabel(folder, folder / "inside"), "the output lies in the dataset")
    assert windows.read_bytes() == before


def test_an_existing_output_is_replaced_only_when_asked(windows: Path) -> None:
    ours = windows.with_name("ours.parquet")
    assert relabel(windows, ours).code == 0
    refused(relabel(windows, ours), "there already")
    assert "replaced: " in relabel(windows, ours, "--overwrite").out


def test_a_part_that_is_not_what_its_manifest_says_is_refused(tmp_path: Path) -> None:
    folder = flat_folder(tmp_path / "parts")
    data = folder / "w-10.parquet"
    data.write_bytes(data.read_bytes()[:-1] + b"?")
    refused(relabel(folder, tmp_path / "ours"), "w-10.parquet has other content")
    assert not (tmp_path / "ours").exists()


def test_a_cut_line_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "w.ndjson"))
    data = tmp_path / "w.ndjson"
    data.write_bytes(data.read_bytes()[:-100])
    refused(relabel(data, tmp_path / "ours.ndjson"), "bytes, its manifest says")
    seal(tmp_path, "w.ndjson")
    refused(relabel(data, tmp_path / "ours.ndjson"), "1 lines are no windows")
    assert not list(tmp_path.glob("*ours*"))
