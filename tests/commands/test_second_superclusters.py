"""A second collection of superclusters beside the first one (`--also-superclusters`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import awkward as ak
import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.dumps import ELECTRONS, with_superclusters

import ecalwindows
from ecalwindows.commands.validate import validate_dataset
from ecalwindows.core.schema import COLUMNS, SECOND_COLUMNS, absent_second
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.formats.readers import file_columns, file_manifest
from ecalwindows.production.settings import production_of

pytestmark = pytest.mark.compiled

DEEP = "deepSuperCluster"
NAMES = {column.name for column in SECOND_COLUMNS[DEEP]}
LIKE = {"in_mustache": f"in_{DEEP}", "is_seed_mustache_matched": f"has_{DEEP}"} | {
    f"{size}_mustache_{kind}": f"{size}_{DEEP}_{kind}" for size in ("en", "et") for kind in ("raw", "calib")
}
"""The columns of the first collection, and those of the second one that mean the same."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dump with two collections, and its windows: `both` have both, `first` and `second` one as the only one."""
    folder = tmp_path_factory.mktemp("second")
    dump = str(with_superclusters(folder / "dump.root", DEEP))
    options = {"both": ("--also-superclusters", DEEP), "first": (), "second": ("--superclusters", DEEP)}
    for name, chosen in options.items():
        run("windows", dump, "-o", str(folder / f"{name}.parquet"), "-ov", "--keep", "all", *chosen, "-q")
    run("windows", dump, "-o", str(folder / "both.ndjson.zst"), "-ov", "--keep", "all", *options["both"], "-q")
    return folder


def columns(path: Path) -> dict[str, Any]:
    data = ak.from_parquet(path)
    return {name: data[group, name].tolist() for group in data.fields for name in ak.fields(data[group])}


def test_the_second_collection_has_the_values_that_it_has_as_the_first_one(place: Path) -> None:
    both, first, second = (columns(place / f"{name}.parquet") for name in ("both", "first", "second"))
    assert both.keys() - first.keys() == NAMES
    assert {name: both[name] for name in first} == first
    for of_first, of_second in LIKE.items():
        assert both[of_second] == second[of_first] != first[of_first], of_second


def test_nothing_says_that_there_could_be_a_second_collection_where_none_is_read(place: Path) -> None:
    """Files, manifests and settings are as they were before there was the option."""
    assert b"also_superclusters" not in (place / "first.parquet").read_bytes()
    assert "also_superclusters" not in WindowSettings().model_dump()
    manifest = file_manifest(place / "first.parquet")
    assert manifest is not None and "also_superclusters" not in manifest.settings
    manifest = file_manifest(place / "both.parquet")
    assert manifest is not None and manifest.settings["also_superclusters"] == DEEP
    assert {name.rpartition(".")[2] for name in manifest.columns} >= NAMES


def test_the_columns_go_from_format_to_format(place: Path) -> None:
    run("convert", str(place / "both.ndjson.zst"), "-o", str(place / "again.parquet"))
    run("convert", str(place / "both.parquet"), "-o", str(place / "again.ndjson.zst"))
    run("convert", str(place / "first.parquet"), "-o", str(place / "first.ndjson.zst"))
    assert columns(place / "again.parquet") == columns(place / "both.parquet")
    assert "equal: 282 windows" in run("compare", str(place / "both.parquet"), str(place / "again.ndjson.zst")).out
    for name, held in {"again": NAMES, "first": set[str]()}.items():
        manifest = file_manifest(place / f"{name}.ndjson.zst")
        assert manifest is not None
        assert set(manifest.columns) & NAMES == held and not set(manifest.notes["absent"]) & absent_second(None)


def test_tfrecord_does_not_hold_the_columns_and_says_so(place: Path) -> None:
    made = attempt("windows", str(place / "dump.root"), "-o", str(place / "tf"), "--format", "tfrecord",
                   "--also-superclusters", DEEP, "-q")  # fmt: skip
    assert made.code == 0 and f"TFRecord has a fixed layout, and does not hold the columns of {DEEP}" in made.err


@pytest.mark.parametrize("name", ["both.parquet", "both.ndjson.zst"])
def test_windows_without_a_supercluster_of_the_second_collection_have_none_of_its_energies(
    place: Path, name: str
) -> None:
    found = validate_dataset(place / name)
    assert not found.failed and found.outcomes["mustache"].checked


def test_a_cluster_in_no_supercluster_of_the_second_collection_is_found(place: Path) -> None:
    table = pq.read_table(place / "both.parquet")
    rows = table.to_pylist()
    row = next(i for i, each in enumerate(rows) if not each["window_metadata"][f"has_{DEEP}"])
    rows[row]["cl_labels"][0][f"in_{DEEP}"] = True
    wrong = place / "wrong.parquet"
    pq.write_table(table.from_pylist(rows, schema=table.schema), wrong)
    found = validate_dataset(wrong)
    assert [each.name for each in found.failed] == ["mustache"]


def test_a_finished_dataset_has_the_columns_in_record_stream_and_description(place: Path, tmp_path: Path) -> None:
    run("windows", str(place / "dump.root"), "-o", str(tmp_path / "parts" / "p.parquet"), "--also-superclusters", DEEP,
        "-q")  # fmt: skip
    run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "done"), "-q")
    record = read_record(tmp_path / "done" / "dataset.json")
    assert record.settings["also_superclusters"] == DEEP
    assert {name.rpartition(".")[2] for name in record.columns} >= NAMES
    assert COLUMNS[f"in_{DEEP}"].meaning in (tmp_path / "done" / "README.md").read_text()
    batch = next(iter(ecalwindows.open_dataset(tmp_path / "done").batches(8)))
    assert batch.column(f"in_{DEEP}").any() and batch.metadata[f"has_{DEEP}"].any()
    assert f"also_superclusters {DEEP}" in run("inspect", str(tmp_path / "done")).out


def test_other_working_points_leave_the_second_collection_as_it_is(place: Path) -> None:
    run("relabel", str(place / "both.parquet"), "-o", str(place / "relabelled.parquet"), "--wp-file", "flat", "-q")
    after, before = columns(place / "relabelled.parquet"), columns(place / "both.parquet")
    assert after["in_scluster"] != before["in_scluster"]
    assert {name: after[name] for name in NAMES} == {name: before[name] for name in NAMES}


def test_two_collections_of_one_dump_are_compared_by_one_evaluation(place: Path) -> None:
    both, out = str(place / "both.parquet"), str(place / "evaluated")
    run("evaluate", both, "--compare", f"deep={DEEP}", "-o", out, "--no-figures", "--bootstrap", "20")
    summary = json.loads((place / "evaluated" / "summary.json").read_text())
    assert summary["counts"]["superclusters of deep"] < summary["counts"]["superclusters of mustache"]
    ran = attempt(
        "evaluate", str(place / "both.parquet"), "--compare", "x=retunedSuperCluster", "-o", str(place / "no")
    )
    assert ran.code == 2 and "'x' needs in_retunedSuperCluster" in ran.err


def test_a_figure_of_a_window_names_the_energies_of_both_collections(place: Path) -> None:
    batch = next(iter(read_batches(place / "both.parquet")))
    row = int(batch.window[f"has_{DEEP}"].argmax())
    name = bytes(batch.window_index.data[slice(*batch.window_index.offsets[row : row + 2])]).decode()
    (title,) = (text.get_text() for text in ecalwindows.show(place / "both.parquet", window=name).texts
                if text.get_gid() == "title")  # fmt: skip
    energies = [float(batch.window[f"en_{each}_calib"][row]) for each in ("mustache", DEEP)]
    assert "supercluster {:.1f} GeV (calibrated), deepSuperCluster {:.1f} GeV (calibrated)".format(*energies) in title


def test_inspect_shows_how_both_collections_are_read(place: Path) -> None:
    assert f"-o both.parquet --also-superclusters {DEEP}" in run("inspect", str(place / "dump.root")).out


def test_a_second_collection_that_cannot_be_read_is_an_error(place: Path, tmp_path: Path) -> None:
    def refused(*options: str, dump: str = str(place / "dump.root")) -> str:
        ran = attempt("windows", dump, "-o", str(tmp_path / "x.parquet"), *options)
        assert ran.code == 2 and not (tmp_path / "x.parquet").exists()
        return ran.err

    assert f"'{DEEP}_seedIndex' is missing" in refused("--also-superclusters", DEEP, dump=str(ELECTRONS))
    assert "superclusters names the same collection" in refused("--also-superclusters", "superCluster")
    assert "'retunedSuperCluster'" in refused("--also-superclusters", "others")
    (tmp_path / "f.json").write_text(json.dumps({"features_dict": {"cl_labels": [f"in_{DEEP}"]}}))
    assert f"it names in_{DEEP}" in refused("-f", str(tmp_path / "f.json"))
    assert "--also-superclusters" in refused("-f", str(tmp_path / "f.json"))


def test_a_usual_collection_is_read_beside_one_of_another_name(place: Path, tmp_path: Path) -> None:
    options = ["-ov", "--keep", "all", "--superclusters", DEEP, "--also-superclusters", "superCluster", "-q"]
    run("windows", str(place / "dump.root"), "-o", str(tmp_path / "x.parquet"), *options)
    found, first = columns(tmp_path / "x.parquet"), columns(place / "first.parquet")
    assert found["in_superCluster"] == first["in_mustache"] and found["in_mustache"] != first["in_mustache"]


def test_python_and_productions_take_the_second_collection(place: Path) -> None:
    (array,) = ecalwindows.iterate_windows(str(place / "dump.root"), {"also_superclusters": DEEP})
    assert f"in_{DEEP}" in array.cl_labels.fields
    assert set(file_columns(place / "both.parquet") or ()) >= NAMES
    sample = {"name": "ele", "inputs": ["/dumps"]}
    production = production_of(
        {"name": "p", "samples": [sample], "output": "/out", "windows": {"also_superclusters": DEEP}}, where="test"
    )
    assert production.settings_of(production.sample("ele")).also_superclusters == DEEP
