"""Weights of windows: what the file says, the nearest bin outside, 1 for other flavours."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.batches import random_batch
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from helpers.tfrecord import written
from helpers.weights import ET, ETA, NCLS, TO_ELECTRONS, binning, by_flavour, correction, weights_file
from reference import tfrecord as slow

from ecalwindows.core.errors import SettingsError
from ecalwindows.formats.manifest import read_manifest
from ecalwindows.formats.weights import Weights, read_weights


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "weights.json").write_text(json.dumps(weights_file()))
    return tmp_path / "weights.json"


ROWS = [
    ("electron", 11, 0.5, 5.0, 3, 2.0),
    ("electron-other-side", 11, -0.5, 5.0, 3, 2.0),
    ("electron-endcap", 11, 2.0, 50.0, 3, 5.0),
    ("photon", 22, 0.5, 5.0, 3, 0.5 * 1.5),
    ("photon-lower-edges", 22, 1.5, 10.0, 5, 1.0 * 4.0),
    ("photon-beyond-all-bins", 22, 3.5, 1e4, 500, 1.0 * 4.0),
    ("photon-below-all-bins", 22, 0.0, 0.1, 0, 0.5 * 1.5),
    ("unmatched", 0, 0.5, 5.0, 3, 1.0),
    ("muon", 13, 0.5, 5.0, 3, 1.0),
]


@pytest.mark.parametrize(
    ("flavour", "eta", "et", "ncls", "weight"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_weight_is_the_product_of_the_bins(
    file: Path, flavour: int, eta: float, et: float, ncls: int, weight: float
) -> None:
    found = read_weights(file)(*(np.array([value]) for value in (np.int32(flavour), eta, np.float32(et), ncls)))
    assert found.tolist() == [weight]


def test_a_plain_correction_of_that_name_will_do(tmp_path: Path) -> None:
    data = by_flavour({22: binning(["ncls", "seed_eta"], [NCLS, ETA], TO_ELECTRONS)})
    plain = correction("total_reweighting", ["flavour", "seed_eta", "seed_et", "ncls"], data)
    (tmp_path / "w.json.gz").write_bytes(
        gzip.compress(json.dumps({"schema_version": 2, "corrections": [plain]}).encode())
    )
    weights = read_weights(tmp_path / "w.json.gz")
    assert weights(np.array([22, 11]), np.array([2.0, 2.0]), np.ones(2), np.array([2, 2])).tolist() == [1.0, 1.0]


def test_an_old_histogram_counts_for_all_flavours(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "w.root") as out:
        out["weight"] = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array(ET), np.array(NCLS)
    weights = read_weights(tmp_path / "w.root")
    et, ncls = np.array([5.0, 5.0, 50.0, 0.1, 1e4]), np.array([1, 5, 1, 0, 900])
    assert weights(np.array([0, 11, 22, 0, 11]), np.zeros(5), et, ncls).tolist() == [1.0, 2.0, 3.0, 1.0, 4.0]


def test_weights_pickle(file: Path) -> None:
    weights = pickle.loads(pickle.dumps(read_weights(file)))  # noqa: S301 (our own)
    assert weights(np.array([11]), np.array([0.5]), np.array([5.0]), np.array([3])).tolist() == [2.0]
    assert weights.origin[0] == "weights.json"


def test_records_hold_the_weights(tmp_path: Path, file: Path) -> None:
    batch, weights = random_batch(np.random.default_rng(1), 30), read_weights(file)
    batch.window["flavour"][:] = np.tile([11, 22, 13], 10)
    flavour = np.where(batch.window["is_seed_calo_matched"], batch.window["flavour"], 0)
    eta, et, ncls = (batch.window[name] for name in ("seed_eta", "et_seed", "ncls"))
    expected = [
        weights(*(np.array([value]) for value in values))[0] for values in zip(flavour, eta, et, ncls, strict=True)
    ]
    assert len(set(expected)) > 2
    assert written(tmp_path, batch, weights=weights) == slow.files(batch, expected)


def changed(content: dict[str, Any], **parts: Any) -> str:
    return json.dumps(content | parts)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param("{", "cannot be read", id="no-json"),
        pytest.param("[]", "cannot be read", id="no-mapping"),
        pytest.param(changed(weights_file(), compound_corrections=[]), "total_reweighting", id="without-the-compound"),
        pytest.param(json.dumps({"schema_version": 2, "corrections": []}), "total_reweighting", id="empty"),
        pytest.param("root", "cannot be read", id="no-root-file"),
        pytest.param(
            json.dumps({"schema_version": 2, "corrections": [correction("total_reweighting", ["pt"], 1.0)]}),
            "the inputs pt", id="other-inputs",
        ),
    ],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "w").write_text(content)
    with pytest.raises(SettingsError, match=found) as caught:
        read_weights(tmp_path / "w")
    assert caught.value.where == str(tmp_path / "w")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_weights(tmp_path / "w")


def test_a_root_file_without_the_histogram_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "w.root") as out:
        out["other"] = np.histogram([1.0])
    with pytest.raises(SettingsError, match=r"no histogram .weight.; it has other"):
        read_weights(tmp_path / "w.root")


def test_the_command_takes_weights_and_the_manifest_names_them(tmp_path: Path, file: Path) -> None:
    command = (
        "windows",
        str(GOLDEN / "electrons.root"),
        "--events",
        ":2",
        "-o",
        str(tmp_path / "o"),
        "--format",
        "tfrecord",
    )
    run(*command, "-w", str(file))
    notes = read_manifest(tmp_path / "o" / "_ecalwindows" / "manifests" / "0.proto.json").notes
    assert notes["weights"]["name"] == "weights.json" and len(notes["weights"]["sha256"]) == 64
    ran = attempt(*command, "-w", str(tmp_path / "none.json"))
    assert ran.code == 2 and "the weights file cannot be read" in ran.err


def test_histogram_weights_are_weights() -> None:
    from ecalwindows.formats.weights import from_histogram

    assert isinstance(from_histogram(np.ones((2, 2)), np.array(ET), np.array(NCLS), ""), Weights)
