"""docs/training_to_cmssw.md with a few events: from simulation to CMSSW's folder and its evaluation, without edits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.pages import blocks
from helpers.weights import weights_file

import ecalwindows
from ecalwindows.evaluation.scores import open_source

pytest.importorskip("torch", reason="needs the extra torch")
onnxruntime: Any = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
PAGE = "training_to_cmssw.md"
ENVIRONMENT = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
SMALL = (
    (r"for seed in (\d+) .*;", r"for seed in \1;"),
    (r"^ *make_windows \w+ photon .*$", ""),
    (r"^( *make_windows .*) \d+$", r"\1 30"),
    (r"^ecalwindows reweight .*$", ""),
    (r"^python examples/(.*) --epochs 5 (.*)$", rf"python {ROOT}/examples/\1 --epochs 1 --batch-size 16 \2"),
    (r"^ecalwindows evaluate .*$", r"\g<0> --no-figures --bootstrap 3"),
)
"""What is replaced in the commands of the page, so that they take seconds; weights need thousands of events."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all commands of the page were typed, one after the other."""
    made = tmp_path_factory.mktemp("to_cmssw")
    (made / "weights.json").write_text(json.dumps(weights_file()))
    commands = "".join(blocks(PAGE, "sh"))
    for pattern, small in SMALL:
        assert re.search(pattern, commands, flags=re.MULTILINE), pattern
        commands = re.sub(pattern, small, commands, flags=re.MULTILINE)
    done = subprocess.run(["bash", "-ec", commands], cwd=made, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(each in done.stdout for each in ("test vectors of", "\nagree: ", "area under ROC"))
    return made


def test_the_model_has_the_tensors_of_cmssw(folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "my_model" / "model.onnx")
    shapes = {each.name: each.shape[1:] for each in (*session.get_inputs(), *session.get_outputs())}
    assert shapes.pop("input_1")[0] == 45 and shapes.pop("input_3") == [45, 40, 4] and len(shapes.pop("input_2")) == 1
    assert shapes.pop("input_4") == [45, 1] and shapes.pop("input_5") == []
    assert shapes.pop("wind_class")[-1] == 3 and {*shapes} == {"cl_class"}


def test_the_folder_gives_the_scores_of_the_training_in_every_bit(folder: Path) -> None:
    of_training = open_source(folder / "model" / "model.onnx", inputs=folder / "model" / "inputs.yaml")
    of_folder = open_source(folder / "my_model")
    scan = ecalwindows.open_dataset(folder / "unseen").scan
    n = 0
    for batch, _ in scan.pieces(scan.units(), frozenset((*of_training.columns, *of_folder.columns))):
        scores = of_training.scores(batch)
        assert scores.tobytes() == of_folder.scores(batch).tobytes() and np.ptp(scores) > 0
        n += len(scores)
    assert n > 100


def test_the_test_vectors_give_their_scores(folder: Path) -> None:
    """What a unit test in CMSSW does: the tensors that are listed, zeros beyond, and a sigmoid of the logits."""
    content = json.loads((folder / "my_model" / "test_vectors.json").read_text())
    session = onnxruntime.InferenceSession(folder / "my_model" / "model.onnx")
    for window in content["windows"]:
        tensors = {
            "input_1": np.zeros((1, 45, len(content["inputs"]["input_1"])), np.float32),
            "input_2": np.array([window["input_2"]], np.float32),
            "input_3": np.zeros((1, 45, 40, 4), np.float32),
            "input_4": np.zeros((1, 45, 1), np.float32),
            "input_5": np.array([window["input_5"]], np.float32),
        }
        n = len(window["input_1"])
        tensors["input_1"][0, :n], tensors["input_4"][0, :n, 0] = window["input_1"], window["input_4"]
        for place, hits in enumerate(window["input_3"]):
            tensors["input_3"][0, place, : len(hits)] = hits
        (logits,) = session.run(["cl_class"], tensors)
        expected = 1 / (1 + np.exp(-logits[0, :n, 0].astype(np.float64)))
        np.testing.assert_allclose(window["scores"][:n], expected, rtol=0, atol=1e-6)
