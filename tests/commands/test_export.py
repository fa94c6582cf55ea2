"""`ecalwindows export cmssw`: an independent reader builds the test vectors of what is written, in every bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from helpers.cli import attempt, run
from helpers.pages import blocks, is_printed, typed
from reference import cmssw as reference

from ecalwindows.training.inputs import CMSSW_NAMES, read_inputs

LEVELS = {"clusters": "config_clusters_inputs.txt", "windows": "config_window_inputs.txt",
          "hits": "config_hits_inputs.txt"}  # fmt: skip
CMSSW: dict[str, Any] = {
    "convention": "cmssw",
    "clusters": {"tensor": "x", "places": 5, "mask": "m", "features": [
        {"name": "cl_energy", "scaler": "mean_std", "mean": 31.123456789, "std": 8.1e1}, {"name": "cl_seed_dEta"},
        {"name": "cl_et", "scaler": "min_max", "min": -0.1, "max": 33.3}, {"name": "cl_nxtals"},
    ]},
    "windows": {"tensor": "w", "features": [
        {"name": "max_cl_seed_dPhi", "scaler": "mean_std", "mean": -1e-7, "std": 0.3}, {"name": "avg_cl_energy"},
    ]},
    "hits": {"tensor": "h", "places": 6, "features": [{"name": "ieta"}, {"name": "en_withfrac"}]},
}  # fmt: skip
TRAINING: dict[str, Any] = {
    "clusters": {"tensor": "x", "features": [{"name": "en_cluster", "scaler": "mean_std", "mean": 1.5, "std": 2.0},
                                             {"name": "cluster_dphi"}]},
    "windows": {"tensor": "w", "features": [{"name": "mean_deta_cluster"}]},
}  # fmt: skip


TINY = {"MeanRms": ("mean_std", "mean", "std"), "MinMax": ("min_max", "min", "max")}
NUMBERS = (
    ("avg_cl_iz", "MeanRms", 1e-40, 1.1e-38), ("cl_iz", "MinMax", -1e-38, 3e-39), ("cl_eta", "MinMax", -3.3e38, 0.0),
    ("min_cl_energy", "MeanRms", -3e-42, 1e-44), ("min_cl_et", "MinMax", -1e-45, 1e-45),
    ("avg_cl_et", "MeanRms", -2.5e30, 1.7e12), ("max_cl_phi", "MeanRms", -0.0, 1e-7),
    ("ieta", "MeanRms", -1.25e-7, 123456789.0), ("iz", "MinMax", -3e-44, 1.2e-38),
)  # fmt: skip
"""Numbers of scalers, with signs and exponents, that are no normal float32, or far from 1."""


def all_inputs() -> dict[str, Any]:
    """All inputs that CMSSW knows, with scalers of all kinds: those above, and others with many digits."""
    rng, known = np.random.default_rng(5), {name: rest for name, *rest in NUMBERS}
    values: dict[str, Any] = {"convention": "cmssw", "is_seed": "s", "n_clusters": "n"}
    for level, names in CMSSW_NAMES.items():
        features = []
        for name in names:
            kind, one, two = known.get(name) or (
                ["MeanRms", "MinMax", "None"][rng.integers(3)],
                -rng.random(),
                rng.random(),
            )
            scaler, *keys = TINY.get(kind, ("none",))
            features.append({"name": name, "scaler": scaler} | dict(zip(keys, (one, two), strict=False)))
        values[level] = {"tensor": level, "features": features} | ({} if level == "windows" else {"places": 7})
    return values


def definition(values: dict[str, Any], path: Path) -> str:
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, golden: Path) -> str:
    path = str(tmp_path_factory.mktemp("export") / "w.parquet")
    wp = ("--wp-file", str(golden / "wp_test.json"))
    run("windows", str(golden / "electrons.root"), *wp, "--mode", "cmssw", "--keep", "all", "-o", path)
    return path


def words(path: Path) -> list[tuple[str, str, str, str]]:
    """The tokens that a C++ stream reads."""
    found = path.read_text().split()
    return [(found[i], found[i + 1], found[i + 2], found[i + 3]) for i in range(0, len(found), 4)]


@pytest.mark.parametrize(
    ("values", "places", "n_hits"), [(CMSSW, 5, 6), (all_inputs(), 7, 7)], ids=["some inputs", "all inputs"]
)
def test_an_independent_reader_builds_the_tensors_of_the_test_vectors_in_every_bit(
    tmp_path: Path, dataset: str, values: dict[str, Any], places: int, n_hits: int
) -> None:
    ran = run("export", "cmssw", definition(values, tmp_path / "i.yaml"), "--dataset", dataset, "-o", f"{tmp_path}/out")
    assert "test vectors of 100 windows\n" in ran.out
    content = json.loads((tmp_path / "out" / "test_vectors.json").read_text())
    lines = {level: words(tmp_path / "out" / name) for level, name in LEVELS.items()}
    for level, found in lines.items():
        for (name, kind, *texts), feature in zip(found, values[level]["features"], strict=True):
            numbers = [np.float32(feature[key]) for key in TINY.get(kind, ("none",))[1:]] or [np.float32(0)] * 2
            assert name == feature["name"] and np.array(texts, np.float32).tobytes() == np.array(numbers).tobytes()
    windows = [window["clusters"] for window in content["windows"]]
    for clusters in windows:
        for cluster in clusters:
            cluster["nxtals"] = len(cluster["hits"])
            names = ("ieta", "iphi", "iz", "en_withfrac")
            cluster["hits"] = [dict(zip(names, hit, strict=True)) for hit in cluster["hits"]]
    made = reference.tensors(windows, lines, places, n_hits)
    cut = False
    for row, window in enumerate(content["windows"]):
        n = min(len(window["clusters"]), places)
        cut = cut or len(window["clusters"]) > places
        for name, filled in (("input_1", (n,)), ("input_2", ()), ("input_4", (n,)), ("input_5", ())):
            found = np.zeros(made[name].shape[1:], np.float32)
            part = np.array(window[name], np.float32)
            found[tuple(slice(k) for k in filled)] = part[:, None] if name == "input_4" else part
            assert np.array_equal(found.view(np.int32), made[name][row].view(np.int32)), name
        hits = np.zeros(made["input_3"].shape[1:], np.float32)
        for place, of_cluster in enumerate(window["input_3"]):
            hits[place, : len(of_cluster)] = of_cluster
        assert np.array_equal(hits, made["input_3"][row])
    assert cut and len(windows) == 100


def test_inputs_that_are_too_large_for_float32_once_they_are_scaled_are_named(tmp_path: Path, dataset: str) -> None:
    of_clusters = [{"name": "cl_energy"}, {"name": "cl_et", "scaler": "mean_std", "mean": 0.0, "std": 1e-40}]
    inputs = definition(CMSSW | {"clusters": {"tensor": "x", "features": of_clusters}}, tmp_path / "i.yaml")
    refused = attempt("export", "cmssw", inputs, "--dataset", dataset, "-o", f"{tmp_path}/out")
    assert "scaled, the input 'cl_et' does not fit into float32" in refused.err and not (tmp_path / "out").exists()


def test_text_files_hold_cmssws_names_and_the_shortest_decimals_of_float32(tmp_path: Path, dataset: str) -> None:
    out = tmp_path / "out"
    run("export", "cmssw", definition(CMSSW, tmp_path / "i.yaml"), "--dataset", dataset, "-o", str(out), "-q")
    assert (out / LEVELS["clusters"]).read_text() == (
        "cl_energy MeanRms 31.123457 81\ncl_seed_dEta None 0 0\ncl_et MinMax -0.1 33.3\ncl_nxtals None 0 0\n"
    )
    assert (out / LEVELS["windows"]).read_text() == "max_cl_seed_dPhi MeanRms -1e-7 0.3\navg_cl_energy None 0 0\n"
    fragment = (out / "deepsc_config.py").read_text()
    for line in ("nClusterFeatures = cms.uint32(4)", "maxNClusters = cms.uint32(5)", "maxNRechits = cms.uint32(6)",
                 'collectionStrategy = cms.string("Cascade")', "nHitsFeatures = cms.uint32(2)"):  # fmt: skip
        assert line in fragment
    again = read_inputs(out / "inputs.yaml")
    assert again.tensors == ("input_1", "input_2", "input_3", "input_4", "input_5")
    assert again.clusters.names == ("cl_energy", "cl_seed_dEta", "cl_et", "cl_nxtals")


def test_names_of_a_training_become_cmssws_and_the_page_says_what_differs(tmp_path: Path, dataset: str) -> None:
    out = tmp_path / "out"
    run("export", "cmssw", definition(TRAINING, tmp_path / "i.yaml"), "--dataset", dataset, "-o", str(out), "-q")
    assert (out / LEVELS["clusters"]).read_text() == "cl_energy MeanRms 1.5 2\ncl_seed_dPhi None 0 0\n"
    assert (out / LEVELS["windows"]).read_text() == "avg_cl_seed_dEta None 0 0\n"
    assert [name for name, *_ in words(out / LEVELS["hits"])] == ["ieta", "iphi", "iz", "en_withfrac"]
    assert "signed instead of absolute deta" in (out / "README.md").read_text()


def test_inputs_that_cmssw_does_not_know_are_refused_or_written_and_marked(tmp_path: Path) -> None:
    values = TRAINING | {"clusters": {"tensor": "x", "features": [{"name": "en_cluster_log"}, {"name": "cl_r9"}]}}
    inputs, out = definition(values, tmp_path / "i.yaml"), tmp_path / "out"
    refused = attempt("export", "cmssw", inputs, "-o", str(out))
    assert "CMSSW does not know 2 inputs: cl_energy_log, cl_r9" in refused.err and not out.exists()
    refused = attempt("export", "cmssw", inputs, "--allow-unknown", "-o", str(out), "--dataset", "w.parquet")
    assert "test vectors cannot be made" in refused.err and "leave out --dataset" in refused.err and not out.exists()
    ran = run("export", "cmssw", inputs, "--allow-unknown", "-o", str(out))
    assert "not in CMSSW master: cl_energy_log" in ran.out and "no test vectors" in ran.out
    assert [name for name, *_ in words(out / LEVELS["clusters"])] == ["cl_energy_log", "cl_r9"]
    assert "# not in CMSSW master: cl_r9\n" in (out / "deepsc_config.py").read_text()
    assert "Not in CMSSW master: cl_energy_log, cl_r9" in (out / "README.md").read_text()
    assert not (out / "test_vectors.json").exists()


def test_only_an_earlier_export_is_replaced(tmp_path: Path, dataset: str) -> None:
    inputs, out = definition(CMSSW, tmp_path / "i.yaml"), tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").touch()
    arguments = ("export", "cmssw", inputs, "--dataset", dataset, "-o")
    assert "the output is there already" in attempt(*arguments, str(out), "--overwrite").err
    run(*arguments, str(tmp_path / "new"), "-q")
    assert "add --overwrite" in attempt(*arguments, str(tmp_path / "new")).err
    run(*arguments, str(tmp_path / "new"), "--overwrite", "-q")
    shutil.copy(inputs, tmp_path / "new" / "i.yaml")
    ran = attempt("export", "cmssw", str(tmp_path / "new" / "i.yaml"), "-o", str(tmp_path / "new"), "--overwrite")
    assert ran.code == 2 and "i.yaml is in the output" in ran.err and (tmp_path / "new" / "i.yaml").exists()


@pytest.mark.parametrize(("more", "reason"), [
    (("--strategy", "Cascad"), "nearest: Cascade"),
    (("--model", "m.h5"), "the model is a file '.h5'"),
])  # fmt: skip
def test_wrong_options_are_refused(tmp_path: Path, more: tuple[str, ...], reason: str) -> None:
    inputs = definition(CMSSW, tmp_path / "i.yaml")
    assert reason in attempt("export", "cmssw", inputs, "-o", f"{tmp_path}/out", *more).err
    without = definition({name: CMSSW[name] for name in ("convention", "clusters", "hits")}, tmp_path / "j.yaml")
    assert "no tensor of windows" in attempt("export", "cmssw", without, "-o", f"{tmp_path}/out").err


def test_a_dataset_without_windows_has_no_test_vectors_and_is_refused(tmp_path: Path, dataset: str) -> None:
    pq.write_table(pq.read_table(dataset).slice(0, 0), tmp_path / "none.parquet")
    given = ("export", "cmssw", definition(CMSSW, tmp_path / "i.yaml"), "--dataset", f"{tmp_path}/none.parquet")
    ran = attempt(*given, "-o", f"{tmp_path}/out")
    assert ran.code == 2 and "there are no windows" in ran.err and not (tmp_path / "out").exists()


def test_without_a_dataset_the_windows_are_of_the_packaged_sample(tmp_path: Path) -> None:
    run("export", "cmssw", definition(CMSSW, tmp_path / "i.yaml"), "-o", f"{tmp_path}/out", "-q")
    content = json.loads((tmp_path / "out" / "test_vectors.json").read_text())
    assert len(content["windows"]) == 100 and content["inputs"]["input_3"] == ["ieta", "en_withfrac"]


def test_the_page_shows_what_is_printed(tmp_path: Path, golden: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(golden / "electrons.root", "electrons.root")
    Path("inputs.yaml").write_text(blocks("cmssw.md", "yaml")[0])
    commands = typed("cmssw.md")
    assert [arguments[0] for arguments, _ in commands] == ["windows", "export"]
    for arguments, said in commands:
        printed = run(*arguments).out
        assert is_printed(said, printed), printed
