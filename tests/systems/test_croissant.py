"""The Croissant file of a dataset, as MLCommons' own program sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import awkward as ak
import pytest
from helpers.flat_folders import flat_folder, tfrecord_folder

from ecalwindows.commands.finalize import finalize_dataset
from ecalwindows.commands.log import note_issue
from ecalwindows.dataset.finalizing.description import About
from ecalwindows.dataset.splits import parse_split

pytestmark = pytest.mark.croissant
mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (extra `systems`)")

ALL = About(
    name="windows_2022", version="v3", licence="CC-BY-4.0", citation="A. Author, Windows (2022)", contact="ECAL group",
    derived_from=["ndjson_2022@2"],
)  # fmt: skip


@pytest.fixture(params=["parquet", "ndjson", "tfrecord"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A dataset with splits and a known issue."""
    if request.param == "tfrecord":
        parts = tfrecord_folder(tmp_path / "parts")
    else:
        parts = flat_folder(tmp_path / "parts", {"parquet": ".parquet", "ndjson": ".ndjson.zst"}[request.param])
    finalize_dataset(parts, tmp_path / "out", about=ALL, splits=parse_split("train=0.6,validation=0.2,test=0.2"))
    note_issue(tmp_path / "out", "in_mustache is wrong, use in_geom_mustache", column="in_geom_mustache")
    return tmp_path / "out"


def validated(path: Path) -> str:
    """What `mlcroissant validate` says of a file that it accepts."""
    ran = subprocess.run(
        [sys.executable, "-c", "from mlcroissant.scripts.cli import main; main()", "validate", "--jsonld", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stderr


def test_mlcroissant_validates_each_format(dataset):
    said = validated(dataset / "croissant.json")
    assert "Done." in said
    assert [line for line in said.splitlines() if "  -  " in line and "datePublished" not in line] == []


def test_mlcroissant_validates_the_file_beside_the_parts(tmp_path):
    finalize_dataset(flat_folder(tmp_path / "parts"))
    assert "Done." in validated(tmp_path / "parts" / "_ecalwindows" / "croissant.json")


@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_loads_the_windows(tmp_path):
    finalize_dataset(flat_folder(tmp_path / "parts"), tmp_path / "out", about=ALL, splits=parse_split("a=0.5,b=0.5"))
    records = list(mlcroissant.Dataset(tmp_path / "out" / "croissant.json").records("windows"))
    for split in ("a", "b"):
        windows = ak.from_parquet(tmp_path / "out" / "parquet" / split)
        found = [record for record in records if _text(record["windows/split"]) == split]
        assert [_text(record["windows/window_metadata.window_index"]) for record in found] == (
            windows.window_metadata["window_index"].to_list()
        )
        assert [record["windows/cl_labels.in_scluster"] for record in found] == windows.cl_labels[
            "in_scluster"
        ].to_list()


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
