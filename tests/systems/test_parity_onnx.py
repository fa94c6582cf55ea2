"""`ecalwindows parity --model`: effects are those of the scores with the inputs of the training and those of CMSSW."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import attempt, run

from ecalwindows import open_dataset
from ecalwindows.commands.parity import parity
from ecalwindows.evaluation.scores import open_source
from ecalwindows.training.inputs import input_definition, write_inputs

onnx: Any = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytestmark = pytest.mark.onnx

PLACES = 6
FEATURES = {
    "clusters": {"en_cluster": (20.0, 30.0), "cluster_dphi": (0.0, 0.25)},
    "windows": {"max_dphi_cluster": (0.24, 0.21), "min_en_cluster": (20.0, 30.0), "mean_en_cluster": (25.0, 30.0)},
}


def scaled(level: str) -> list[dict[str, Any]]:
    return [{"name": n, "scaler": "mean_std", "mean": m, "std": s} for n, (m, s) in FEATURES[level].items()]


def save_model(path: Path) -> None:
    """A model whose logit is the sum of the inputs of a cluster and of its window."""
    helper, number = onnx.helper, onnx.TensorProto.FLOAT
    shapes = {"input_1": [PLACES, 2], "input_2": [3], "input_3": [PLACES, 4, 4], "input_4": [PLACES, 1], "input_5": []}
    axes = {name: onnx.numpy_helper.from_array(np.array([k]), name) for name, k in (("last", 2), ("one", 1))}
    nodes = [
        helper.make_node("ReduceSum", ["input_1", "last"], ["of_clusters"], keepdims=1),
        helper.make_node("ReduceSum", ["input_2", "one"], ["of_windows"], keepdims=1),
        helper.make_node("Unsqueeze", ["of_windows", "one"], ["wide"]),
        helper.make_node("Add", ["of_clusters", "wide"], ["cl_class"]),
        helper.make_node("Identity", ["input_2"], ["wind_class"]),
    ]
    inputs = [helper.make_tensor_value_info(name, number, ["n", *shape]) for name, shape in shapes.items()]
    outputs = [helper.make_tensor_value_info("cl_class", number, ["n", PLACES, 1]),
               helper.make_tensor_value_info("wind_class", number, ["n", 3])]  # fmt: skip
    graph = helper.make_graph(nodes, "sum", inputs, outputs, list(axes.values()))
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


@dataclass(frozen=True)
class Made:
    """A definition, a model, the folder of their export, and windows in two modes."""

    inputs: str
    model: str
    folder: str
    dataset: str
    overlapping: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    at = tmp_path_factory.mktemp("parity")
    files = Made(*(str(at / name) for name in ("inputs.yaml", "model.onnx", "out", "w.parquet", "o.parquet")))
    run("simulate", "-o", f"{at}/d.root", "-n", "150", "--pileup", "off", "--pt", "1:60", "--overlap-particles", "-q")
    keep = ("--keep", "all", "-q")
    run("windows", f"{at}/d.root", "--mode", "cmssw", "-o", files.dataset, *keep)
    run("windows", f"{at}/d.root", "--mode", "overlapping", "--geometry", "v1", "-o", files.overlapping, *keep)
    hits = [{"name": name} for name in ("ieta", "iphi", "iz", "energy_fraction")]
    write_inputs(input_definition({
        "clusters": {"tensor": "input_1", "places": PLACES, "features": scaled("clusters")},
        "windows": {"tensor": "input_2", "features": scaled("windows")},
        "hits": {"tensor": "input_3", "places": 4, "features": hits},
        "is_seed": "input_4", "n_clusters": "input_5", "output": {"tensor": "cl_class"},
    }), files.inputs)  # fmt: skip
    save_model(Path(files.model))
    run("export", "cmssw", files.inputs, "--model", files.model, "--dataset", files.dataset, "-o", files.folder, "-q")
    return files


def test_a_model_with_weights_in_another_file_is_exported_as_one_file(made: Made, tmp_path: Path) -> None:
    onnx.save(
        onnx.load(made.model), tmp_path / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    given = (made.inputs, "--model", str(tmp_path / "m.onnx"), "--dataset", made.dataset)
    run("export", "cmssw", *given, "-o", str(tmp_path / "out"), "-q")
    (tmp_path / "w.bin").unlink()
    found, expected = (scores(open_source(folder), made.dataset) for folder in (tmp_path / "out", made.folder))
    np.testing.assert_array_equal(found, expected)


def scores(source: Any, path: str) -> Any:
    scan = open_dataset(path).scan
    return np.concatenate([source.scores(batch) for batch, _ in scan.pieces(scan.units(), scan.names)])


@pytest.mark.parametrize("given", ["inputs", "folder"])
def test_all_differences_together_give_the_scores_of_cmssw(made: Made, given: str) -> None:
    """Of a folder the inputs of the training are those that its means and widths show."""
    found = parity(getattr(made, given), made.dataset, model=made.model)
    effects = {each.difference: each for each in found.effects}
    fed = scores(open_source(made.folder), made.dataset)
    if given == "inputs":
        before = scores(open_source(made.model, inputs=made.inputs), made.dataset)
        assert {"as trained", "absolute", "zero", "scaler", "all together"} == {*effects}
        assert all(effects[kind].mean_change > 0 for kind in ("zero", "absolute", "scaler"))
        without_scalers = parity(made.inputs, made.dataset, model=made.model, sigma=1e9)
        together = {each.difference: each for each in without_scalers.effects}["all together"]
        change = np.abs(before - fed)
        assert together.clusters == len(change)
        assert together.mean_change == pytest.approx(change.mean(), rel=1e-5)
        assert together.largest_change == pytest.approx(change.max(), rel=1e-5)
        assert together.flipped == np.mean((before >= 0.5) != (fed >= 0.5))
        assert together.resolution is not None and together.resolution_error is not None
    assert effects["as trained"].mean_change == 0 and "zero" in effects


def test_clusters_that_cmssw_leaves_out_are_left_out(made: Made) -> None:
    """Windows of the mode overlapping, of which clusters before the seed are left out, are those of the mode cmssw."""
    found = parity(made.inputs, made.overlapping, model=made.model, sigma=1e9)
    effects = {each.difference: each for each in found.effects}
    assert {"membership", "absolute", "zero"} < {*effects} and "geometry" not in effects
    before = scores(open_source(made.model, inputs=made.inputs), made.overlapping)
    fed = scores(open_source(made.folder), made.dataset)
    left_out = len(before) - len(fed)
    assert left_out == found.counts.before > 0
    selected = effects["all together"].flipped * len(before)
    assert abs(int((before >= 0.5).sum()) - int((fed >= 0.5).sum())) <= round(selected)


def test_the_table_of_effects_is_printed(made: Made) -> None:
    ran = attempt("parity", made.inputs, made.dataset, "--model", made.model)
    assert ran.code == 1 and "what the differences change in the scores of the model\n" in ran.out
    assert "  all together  " in ran.out and "effect of scalers: " in ran.out
    content = json.loads(attempt("parity", made.folder, made.dataset, "--model", made.model, "--json", "-q").out)
    assert content["effects"][0]["difference"] == "as trained"


def test_a_model_with_other_tensors_is_a_difference_and_has_no_effects(made: Made, tmp_path: Path) -> None:
    text = Path(made.inputs).read_text().replace("tensor: input_2", "tensor: windows")
    (tmp_path / "i.yaml").write_text(text)
    found = parity(tmp_path / "i.yaml", made.dataset, model=made.model)
    assert any(each.kind == "tensors" and each.inputs == ("windows",) for each in found.differences)
    assert not found.effects and any("the effects were not measured" in note for note in found.notes)
    renamed = Path(made.inputs).read_text().replace("tensor: cl_class", "tensor: other")
    (tmp_path / "j.yaml").write_text(renamed)
    assert "no output 'other'" in parity(tmp_path / "j.yaml", made.dataset, model=made.model).notes[-1]
