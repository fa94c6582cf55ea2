"""Datasets of data-model version 1, made by the code of that version, are read by every command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.definitions import USUAL_COLUMNS
from helpers.golden_files import GOLDEN, read_ndjson
from helpers.tar_files import unpack

import ecalwindows
from ecalwindows.commands.compare import compare_datasets
from ecalwindows.commands.validate import validate_dataset
from ecalwindows.core.schema import DATA_MODEL_VERSION
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import manifest_path, read_manifest

OPTIONS = [str(GOLDEN / "edge.root"), "--mode", "overlapping", "--keep", "all", "--events", "9:22"]
"""How the windows of the archive were made: `w.ndjson.zst`, and the finished dataset `dataset`."""

NEW = {name for name, column in USUAL_COLUMNS.items() if column.since > 1}


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A folder with the data of version 1."""
    unpack(GOLDEN / "version1.tar.xz", tmp_path)
    return tmp_path / "version1"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same windows, made now."""
    folder = tmp_path_factory.mktemp("fresh")
    for name in ("w.ndjson.zst", "w.parquet"):
        run("windows", *OPTIONS, "-o", str(folder / name))
    return folder


@pytest.mark.parametrize("name", ["w.ndjson.zst", "dataset"])
def test_a_conversion_has_the_new_columns_of_a_new_production(old: Path, fresh: Path, name: str) -> None:
    run("convert", str(old / name), "-o", str(old / "new.parquet"))
    ours, made = ak.from_parquet(old / "new.parquet"), ak.from_parquet(fresh / "w.parquet")
    absent = {"in_mustache"} if name == "dataset" else set()
    for group in made.fields:
        assert set(made[group].fields) - set(ours[group].fields) == (absent if group == "cl_labels" else set())
        for column in ours[group].fields or [None]:
            one, other = (each[group] if column is None else each[group, column] for each in (ours, made))
            assert one.to_list() == other.to_list(), column
    assert ak.any(made.cl_labels.is_any_calo_seed & ~made.cl_labels.is_calo_seed)
    assert not ak.all(made.window_metadata.is_seed_calo_matched)
    manifest = read_manifest(manifest_path(old / "new.parquet"))
    assert manifest.data_model_version == DATA_MODEL_VERSION and set(manifest.notes["filled"]) >= NEW


def test_converted_text_is_that_of_a_new_production(old: Path, fresh: Path) -> None:
    run("convert", str(old / "w.ndjson.zst"), "-o", str(old / "new.ndjson"))
    assert read_ndjson(old / "new.ndjson") == read_ndjson(fresh / "w.ndjson.zst")


def test_old_parts_and_new_ones_become_one_dataset_by_conversion(old: Path, tmp_path: Path) -> None:
    (parts := tmp_path / "parts").mkdir()
    run("windows", OPTIONS[0], *OPTIONS[1:-1], "0:9", "-o", str(tmp_path / "new.ndjson"))
    run("convert", str(old / "w.ndjson.zst"), str(tmp_path / "new.ndjson"), "-o", str(parts / "all.parquet"))
    run("finalize", str(parts), "-o", str(tmp_path / "done"))
    assert read_record(tmp_path / "done" / "dataset.json").data_model_version == DATA_MODEL_VERSION
    assert not validate_dataset(tmp_path / "done").failed


def test_validate_compare_and_relabel_take_them(old: Path, fresh: Path) -> None:
    for name in ("w.ndjson.zst", "dataset"):
        assert not validate_dataset(old / name).failed
    assert compare_datasets(old / "w.ndjson.zst", fresh / "w.ndjson.zst").is_equal
    for folder in (old, fresh):
        points = ["--wp-file", str(GOLDEN / "wp_test.json")]
        run("relabel", str(folder / "w.ndjson.zst"), *points, "-o", str(folder / "r.ndjson"))
    assert read_manifest(manifest_path(old / "r.ndjson")).data_model_version == 1
    assert [without_new(row) for row in read_ndjson(fresh / "r.ndjson")] == read_ndjson(old / "r.ndjson")
    assert not validate_dataset(old / "r.ndjson").failed


def without_new(window: dict[str, Any]) -> dict[str, Any]:
    """A window without the columns that version 1 does not have."""
    clusters = [{name: value for name, value in each.items() if name not in NEW} for each in window["clusters"]]
    return window | {"clusters": clusters}


def test_finalize_keeps_their_version(old: Path, tmp_path: Path) -> None:
    run("finalize", str(old), "-o", str(tmp_path / "done"))
    assert read_record(tmp_path / "done" / "dataset.json").data_model_version == 1


def test_they_are_opened_and_streamed_alone_and_with_new_ones(old: Path, fresh: Path) -> None:
    dataset, made = ecalwindows.open_dataset(old / "dataset"), ecalwindows.open_dataset(fresh / "w.parquet")
    assert len(dataset) == len(made) == 47 and set(made.columns) >= NEW and not NEW & set(dataset.columns)
    alone, new, both = (_energy(each) for each in (dataset, made, [dataset, made]))
    assert alone == new > 0 and both == pytest.approx(2 * new)


def _energy(datasets: Any) -> float:
    batches = ecalwindows.stream(datasets, 10, columns=["en_cluster"], hits=False, shuffle=False, last="keep")
    return sum(float(np.sum(batch.cl_features[batch.cl_mask])) for batch in batches)


def test_data_of_a_newer_version_are_refused(old: Path) -> None:
    record = old / "dataset" / "dataset.json"
    record.write_text(read_record(record).model_copy(update={"data_model_version": DATA_MODEL_VERSION + 1}).text())
    ran = attempt("convert", str(old / "dataset"), "-o", str(old / "x.parquet"))
    assert ran.code == 2 and f"the data-model version is {DATA_MODEL_VERSION + 1}" in ran.err
