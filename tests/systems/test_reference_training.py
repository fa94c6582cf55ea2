"""examples/train_reference.py, and the commands of its page with a few events: an interruption changes no bit."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.pages import blocks
from helpers.weights import weights_file

import ecalwindows

torch: Any = pytest.importorskip("torch", reason="needs the extra torch")
onnxruntime: Any = pytest.importorskip("onnxruntime", reason="needs the extra onnx")
pytestmark = pytest.mark.torch

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "train_reference.py"
ENVIRONMENT = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def small(commands: str) -> str:
    """The commands of the page for a few events, without weights, which need thousands."""
    short = re.sub(r"for seed in (\d+) .*;", r"for seed in \1;", commands)
    short = re.sub(r"^( *make_windows .*) \d+$", r"\1 30", short, flags=re.MULTILINE)
    return re.sub(r"^ecalwindows reweight .*$", "", short, flags=re.MULTILINE)


def training(output: str, *more: str) -> list[str]:
    """The command of the page, short and with small batches."""
    command = blocks("reference_training.md", "sh")[2].split()
    assert command[:2] == ["python", "examples/train_reference.py"]
    changed = [*command[2:], "-o", output, "--epochs", "2", "--batch-size", "16", "--save-every", "5", *more]
    return [sys.executable, str(SCRIPT), *changed]


def train(folder: Path, output: str, *more: str) -> str:
    return subprocess.run(training(output, *more), cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The samples and the input definition of the page, and a complete training in the folder `model`."""
    made = tmp_path_factory.mktemp("reference")
    samples, inputs, *_ = blocks("reference_training.md", "sh")
    subprocess.run(["bash", "-ec", small(samples) + small(inputs)], cwd=made, check=True, env=ENVIRONMENT)
    (made / "weights.json").write_text(json.dumps(weights_file()))
    assert "parameters; from batch 0 of" in train(made, "model")
    return made


def of_script() -> Any:
    spec = importlib.util.spec_from_file_location("train_reference", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["train_reference"] = module
    spec.loader.exec_module(module)
    return module


def checkpoint(folder: Path, name: str) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(folder / name / "checkpoint.pt", weights_only=True)
    return saved


def model_of(folder: Path) -> tuple[Any, Any]:
    """The module of the example, and the trained model."""
    example = of_script()
    model = example.SetTransformer(example.read_inputs(folder / "model" / "inputs.yaml"))
    model.load_state_dict(checkpoint(folder, "model")["model"])
    return example, model.eval()


def batches(folder: Path, **more: Any) -> Any:
    return ecalwindows.open_dataset(folder / "unseen").stream(
        37, shuffle=False, last="keep", inputs=folder / "model" / "inputs.yaml", **more
    )


def test_a_training_that_is_killed_and_resumed_gives_the_same_weights_bit_for_bit(folder: Path) -> None:
    with subprocess.Popen(training("killed"), cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "saved after batch 10\n":
                process.kill()
                break
    assert process.returncode < 0 and not (folder / "killed" / "model.onnx").exists()
    killed, undisturbed = checkpoint(folder, "killed"), checkpoint(folder, "model")
    assert 10 <= killed["done"] < undisturbed["done"]
    assert "from batch 0 of" not in train(folder, "killed", "--resume")
    resumed = checkpoint(folder, "killed")
    assert resumed["stream"] == undisturbed["stream"] and resumed["done"] == undisturbed["done"]
    assert list(resumed["model"]) == list(undisturbed["model"])
    for name, values in resumed["model"].items():
        assert values.numpy().tobytes() == undisturbed["model"][name].numpy().tobytes(), name
    moments = [checkpoint(folder, name)["optimizer"]["state"] for name in ("killed", "model")]
    assert all(torch.equal(moments[0][n]["exp_avg_sq"], moments[1][n]["exp_avg_sq"]) for n in moments[1])
    assert (folder / "killed" / "model.onnx").read_bytes() == (folder / "model" / "model.onnx").read_bytes()


def test_other_settings_do_not_continue_a_checkpoint(folder: Path) -> None:
    shutil.copytree(folder / "model", folder / "other")
    command = training("other", "--resume", "--rate", "0.5")
    refused = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert refused.returncode == 1 and "checkpoint.pt is of other settings" in refused.stderr


def test_onnx_takes_the_tensors_of_the_definition_by_name_and_gives_the_logits_of_torch(folder: Path) -> None:
    example, model = model_of(folder)
    definition = example.read_inputs(folder / "inputs.yaml")
    session = onnxruntime.InferenceSession(folder / "model" / "model.onnx")
    assert [each.name for each in session.get_inputs()] == list(definition.tensors)
    assert [each.name for each in session.get_outputs()] == [definition.output.tensor]
    sizes = set()
    for batch in batches(folder):
        (found,) = session.run(None, dict(batch))
        with torch.no_grad():
            expected = model(*example.tensors_of(batch)).numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        sizes.add(len(found))
    assert len(sizes) == 2  # any number of windows


def test_what_is_in_empty_places_changes_neither_logits_nor_loss(folder: Path) -> None:
    example, model = model_of(folder)
    batch = next(iter(batches(folder, weights=folder / "weights.json")))
    with torch.no_grad():
        logits = model(*example.tensors_of(batch))
        loss = example.loss_of(logits, batch)
        batch["clusters"][~batch.cl_mask] = 7
        batch["hits"][~batch.cl_mask] = 7
        batch["hits"][batch["hit_mask"] == 0] = 7
        changed = model(*example.tensors_of(batch))
        assert torch.equal(changed, logits)
        changed[~torch.from_numpy(batch.cl_mask)] = 7
        assert example.loss_of(changed, batch) == loss


def test_windows_count_with_their_weights(folder: Path) -> None:
    example = of_script()
    batch = next(iter(batches(folder, weights=folder / "weights.json")))
    batch.weights[:] = 0
    batch.weights[3] = 2
    logits = torch.linspace(-3, 3, batch.cl_mask.size).reshape(batch.cl_mask.shape)
    x, y = (each[3][batch.cl_mask[3]].astype(np.float64) for each in (logits.numpy(), batch.label("in_scluster")))
    expected = np.mean(np.log1p(np.exp(x)) - x * y)
    assert example.loss_of(logits, batch).item() == pytest.approx(expected, rel=1e-6)


def test_the_loss_curve_has_a_row_for_each_epoch(folder: Path) -> None:
    with (folder / "model" / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert all(0 < float(row["area"]) <= 1 and np.isfinite(float(row["loss"])) for row in rows)


def test_the_python_of_the_page_gives_scores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    exec(blocks("reference_training.md", "python")[0], names)
    assert ((names["scores"] > 0) == names["batch"].cl_mask).all()


def test_the_evaluation_of_the_page_measures_the_model(folder: Path) -> None:
    command = blocks("reference_training.md", "sh")[3].strip() + " --no-figures --bootstrap 3"
    done = subprocess.run(command.split(), cwd=folder, check=True, env=ENVIRONMENT, capture_output=True, text=True)
    assert "area under ROC" in done.stdout + done.stderr
