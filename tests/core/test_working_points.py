"""Working points: bins with their lower edge, the nearest bin outside, and the same labels from JSON and TH2."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.cli import run
from helpers.golden_files import GOLDEN

from ecalwindows.core.errors import WorkingPointError
from ecalwindows.core.working_points import (
    HISTOGRAM,
    PACKAGED,
    packaged_name,
    packaged_working_points,
    read_working_points,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"


def correction(path: Path = GOLDEN / "wp_test.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())["corrections"][0]["data"]
    return content


def binned(data: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    et, eta = (np.array(edges) for edges in data["edges"])
    return np.array(data["content"]).reshape(len(et) - 1, len(eta) - 1), et, eta


def write_histogram(path: Path, values: np.ndarray, et: np.ndarray, eta: np.ndarray) -> Path:
    """A file as older productions have it."""
    with uproot.recreate(path) as file:
        file[HISTOGRAM] = (values, et, eta)
    return path


def expected(data: dict[str, Any], et: float, eta: float) -> float:
    """The bin by plain search."""
    values, et_edges, eta_edges = binned(data)
    row = sum(edge <= et for edge in et_edges[1:-1])
    column = sum(edge <= eta for edge in eta_edges[1:-1])
    return float(values[row, column])


@pytest.mark.parametrize("kind", ["json", "root"])
def test_a_map_with_nan_is_refused(tmp_path: Path, kind: str) -> None:
    """NaN would pass no score, and so take every cluster but the seeds out of the truth silently."""
    data, file = correction(), tmp_path / f"wp.{kind}"
    data["content"][0] = float("nan")
    if kind == "root":
        write_histogram(file, *binned(data))
    else:
        complete = json.loads((GOLDEN / "wp_test.json").read_text())
        complete["corrections"][0]["data"] = data
        file.write_text(json.dumps(complete))
    with pytest.raises(WorkingPointError, match=r"broken: .*NaN"):
        read_working_points(file)


@pytest.mark.parametrize("kind", ["json", "root"])
def test_bins_include_their_lower_edge_and_the_nearest_bin_counts_outside(tmp_path: Path, kind: str) -> None:
    data = correction()
    file = GOLDEN / "wp_test.json" if kind == "json" else write_histogram(tmp_path / "wp.root", *binned(data))
    points = read_working_points(file)
    for et in (0.0, 0.999, 1.0, 3.0, np.nextafter(3, 0), 10.0, 499.0, 500.0, 1e4):
        for eta in (0.0, 0.2, np.nextafter(0.2, 0), 1.4442, 3.0, 3.2):
            assert points(np.array([et]), np.array([eta]))[0] == expected(data, et, eta), (et, eta)


@pytest.mark.parametrize("flow", ["error", 0.5, "clamp"])
def test_the_flow_of_the_file_does_not_matter(tmp_path: Path, flow: Any) -> None:
    content = json.loads((GOLDEN / "wp_test.json").read_text())
    content["corrections"][0]["data"]["flow"] = flow
    (tmp_path / "wp.json").write_text(json.dumps(content))
    points = read_working_points(tmp_path / "wp.json")
    assert points(np.array([1e5]), np.array([9.0]))[0] == content["corrections"][0]["data"]["content"][-1]


def test_the_packaged_map_is_derived_and_smooth(tmp_path: Path) -> None:
    points = read_working_points(None)
    (tmp_path / "default.json").write_text(points.text)
    values, et, eta = binned(correction(tmp_path / "default.json"))
    assert (et[0], et[-1], eta[0], eta[-1]) == (1, 500, 0, 3)
    assert values.min() >= 1e-4 and values.max() <= 0.1
    assert all(np.abs(np.diff(np.log10(values), axis=axis)).max() <= np.log10(3) for axis in (0, 1))
    assert "derived by ecalwindows" in points.text


def test_flat_is_a_packaged_map_by_name_and_says_that_it_is_not_derived(tmp_path: Path) -> None:
    points = read_working_points("flat")
    assert (points(np.array([1.0, 50.0]), np.array([0.1, 2.9])) == 1e-3).all()
    assert "not derived" in points.text
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.parquet"), "--wp-file", "flat", "-q")
    manifest = json.loads((tmp_path / "_ecalwindows" / "manifests" / "w.parquet.json").read_text())
    assert manifest["settings"]["wp_file"] == "flat"
    assert manifest["working_points_sha256"] == hashlib.sha256(points.text.encode()).hexdigest()


def test_records_of_older_versions_call_the_map_that_they_used_flat() -> None:
    digests = {name: hashlib.sha256(packaged_working_points(name).text.encode()).hexdigest() for name in PACKAGED}
    assert packaged_name(digests["flat"]) == "flat 1e-3" and packaged_name(digests["default"]) == "packaged default"


def test_th2_and_json_give_the_same_windows(tmp_path: Path) -> None:
    root = write_histogram(tmp_path / "wp.root", *binned(correction()))
    for name, file in {"json": GOLDEN / "wp_test.json", "root": root}.items():
        options = ["--overlap", "--wp-file", str(file), "-q"]
        run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / f"{name}.ndjson"), *options)
    assert (tmp_path / "json.ndjson").read_bytes() == (tmp_path / "root.ndjson").read_bytes()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the CMS working points have no licence and stay outside")
def test_cms_working_points(tmp_path: Path) -> None:
    """The real files: every bin of the TH2, and the labels of the JSON against those of its own TH2 form."""
    old = SHARED / "simScore_Minima_ElectronsOnly_v2.root"
    with uproot.open(old) as file:
        values, et, eta = file[HISTOGRAM].to_numpy()
    grid = np.meshgrid((et[1:] + et[:-1]) / 2, (eta[1:] + eta[:-1]) / 2, indexing="ij")
    found = read_working_points(old)(*(axis.ravel() for axis in grid))
    np.testing.assert_array_equal(found, values.ravel())
    for flavour in ("electron", "photon"):
        new = SHARED / f"simfraction_{flavour}_run3_PU65.json"
        root = write_histogram(tmp_path / f"{flavour}.root", *binned(correction(new)))
        for name, wp in {"json": new, "root": root}.items():
            output = str(tmp_path / f"{flavour}.{name}.ndjson")
            run("windows", str(GOLDEN / f"{flavour}s.root"), "-o", output, "--wp-file", str(wp), "-q")
        assert (tmp_path / f"{flavour}.json.ndjson").read_bytes() == (tmp_path / f"{flavour}.root.ndjson").read_bytes()
