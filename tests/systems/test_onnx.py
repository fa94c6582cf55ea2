"""ONNX models, run by onnxruntime, give the scores of the tensors that their input definition makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import random_batch

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.evaluation.scores import open_source
from ecalwindows.training.inputs import InputDefinition, input_definition

onnx: Any = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytestmark = pytest.mark.onnx

FLOAT = onnx.TensorProto.FLOAT


def definition(**more: Any) -> InputDefinition:
    return input_definition({
        "clusters": {"tensor": "x", "places": 4, "features": [
            {"name": "cl_r9", "scaler": "mean_std", "mean": 0.5, "std": 2.0}, {"name": "is_seed"},
        ]},
        "output": {"tensor": "y", "logit": True},
    } | more)  # fmt: skip


def model(
    path: Path, *, places: int = 4, name: str = "x", more: tuple[str, ...] = (), n: Any = "n", number: int = FLOAT,
    weights: str | None = None, weight: float = 1.0,
) -> Path:  # fmt: skip
    """A model whose logit is the sum of the features of a cluster, times a weight that may be in a file of its own."""
    axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [1], [2])
    factor = onnx.numpy_helper.from_array(onnx.helper.tensor_dtype_to_np_dtype(number).type([weight]), "factor")
    nodes = [
        onnx.helper.make_node("ReduceSum", [name, "axes"], ["sum"], keepdims=0),
        onnx.helper.make_node("Mul", ["sum", "factor"], ["y"]),
    ]
    inputs = [onnx.helper.make_tensor_value_info(name, number, [n, places, 2])]
    inputs += [onnx.helper.make_tensor_value_info(each, number, [n, 1]) for each in more]
    output = onnx.helper.make_tensor_value_info("y", number, [n, places])
    graph = onnx.helper.make_graph(nodes, "sum", inputs, [output], [axes, factor])
    made = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(made, path, save_as_external_data=weights is not None, location=weights, size_threshold=0)
    return path


@pytest.fixture(scope="module")
def batch() -> WindowBatch:
    rng = np.random.default_rng(1)
    made = random_batch(rng, 700, mean_more_clusters=3.0)
    n = len(made.pair_cluster)
    seeds = made.window_offsets[:-1]
    columns = {"cl_r9": rng.normal(size=n).astype(np.float32), "is_seed": np.isin(np.arange(n), seeds)}
    return replace(
        made, cluster={}, pair=columns, pair_cluster=np.arange(n), window_seed=seeds,
        hits_offsets=np.zeros(n + 1, np.int64), hits={},
    )  # fmt: skip


def test_a_model_gives_the_sigmoid_of_its_logits(tmp_path: Path, batch: WindowBatch) -> None:
    source = open_source(model(tmp_path / "sum.onnx"), inputs=definition())
    assert source.name == "sum" and len(source.about["model_sha256"]) == 64
    logit = (batch.column("cl_r9") - 0.5) / 2 + batch.column("is_seed")
    place = np.arange(len(logit)) - np.repeat(batch.window_offsets[:-1], np.diff(batch.window_offsets))
    expected = np.where(place < 4, 1 / (1 + np.exp(-logit)), 0)
    assert (place >= 4).any()
    np.testing.assert_allclose(source.scores(batch), expected, rtol=1e-6)


@pytest.mark.parametrize(("made", "more", "reason"), [
    ({"places": 5}, {}, r"has the inputs x \(n, 5, 2\)\n.*x \(n, 4, 2\)"),
    ({"name": "z"}, {}, r"has the inputs z \(n, 4, 2\)\n.*x \(n, 4, 2\)"),
    ({"more": ("w",)}, {}, r"w \(n, 1\), x"),
    ({"n": 1}, {}, r"has the inputs x \(1, 4, 2\)\n.*x \(n, 4, 2\)"),
    ({}, {"output": {"tensor": "score"}}, "no output 'score': it has y"),
])  # fmt: skip
def test_a_model_with_other_tensors_is_refused_with_those_found_and_expected(
    tmp_path: Path, made: dict[str, Any], more: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match=f"(?s){reason}.*where: .*m.onnx"):
        open_source(model(tmp_path / "m.onnx", **made), inputs=definition(**more))


def test_a_model_that_fails_is_an_error_that_says_why(tmp_path: Path, batch: WindowBatch) -> None:
    source = open_source(model(tmp_path / "m.onnx", number=onnx.TensorProto.DOUBLE), inputs=definition())
    with pytest.raises(InputError, match=r"(?s)the model failed: .*expected: \(tensor\(double\)\).*where: .*m.onnx"):
        source.scores(batch)


def test_weights_in_a_file_of_their_own_belong_to_the_model(tmp_path: Path, batch: WindowBatch) -> None:
    (tmp_path / "other").mkdir()
    alone = open_source(model(tmp_path / "alone.onnx"), inputs=definition())
    two, other = (
        open_source(model(folder / "m.onnx", weights="w.bin", weight=weight), inputs=definition())
        for folder, weight in ((tmp_path, 1.0), (tmp_path / "other", 2.0))
    )
    np.testing.assert_array_equal(two.scores(batch), alone.scores(batch))
    assert (tmp_path / "m.onnx").read_bytes() == (tmp_path / "other" / "m.onnx").read_bytes()
    assert two.about["model_sha256"] != other.about["model_sha256"]
    (tmp_path / "w.bin").unlink()
    with pytest.raises(InputError, match=r"(?s)the model cannot be read: .*w\.bin"):
        open_source(tmp_path / "m.onnx", inputs=definition())


def test_logits_without_a_sigmoid_are_refused(tmp_path: Path, batch: WindowBatch) -> None:
    source = open_source(model(tmp_path / "m.onnx"), inputs=definition(output={"tensor": "y", "logit": False}))
    with pytest.raises(InputError, match="logit: true"):
        source.scores(batch)


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="the model cannot be read"):
        open_source(tmp_path / "m.onnx", inputs=definition())
