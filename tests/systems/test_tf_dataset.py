"""The dataset for TensorFlow: the sequence of the stream, and a training with Keras."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import run
from helpers.pages import blocks

import ecalwindows
from ecalwindows.core.errors import SettingsError

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tf: Any = pytest.importorskip("tensorflow", reason="needs the extra tensorflow")

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore")]
SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tf")
    run("windows", str(SAMPLE), "-o", str(place / "w.parquet"), "-q")
    run(
        "normalize", str(place / "w.parquet"), "-o", str(place / "n.json"), "--inputs", str(place / "inputs.yaml"), "-q"
    )
    return place


def test_elements_are_those_of_the_stream_epoch_by_epoch(folder: Path) -> None:
    settings: dict[str, Any] = {"seed": 5, "inputs": folder / "inputs.yaml"}
    made = ecalwindows.tf_dataset(folder / "w.parquet", 16, **settings)
    source = ecalwindows.stream(folder / "w.parquet", 16, **settings)
    assert int(made.cardinality()) == len(source)
    for _ in range(2):
        for (inputs, labels, weights), batch in zip(made, source, strict=True):
            assert set(inputs) == set(batch)
            for name, tensor in inputs.items():
                np.testing.assert_array_equal(tensor.numpy(), batch[name])
            np.testing.assert_array_equal(labels.numpy()[..., 0], batch.label("in_scluster"))
            np.testing.assert_array_equal(weights.numpy(), batch.cl_mask)


@pytest.mark.parametrize(
    "settings", [{"pad_clusters": "batch", "pad_hits": "batch"}, {"layout": "flat"}, {"last": "keep"}]
)
def test_elements_without_a_label_hold_all_arrays(folder: Path, settings: dict[str, Any]) -> None:
    made = ecalwindows.tf_dataset(folder / "w.parquet", 16, label=None, **settings)
    source = ecalwindows.stream(folder / "w.parquet", 16, **settings)
    for element, batch in zip(made, source, strict=True):
        np.testing.assert_array_equal(element["cl_features"].numpy(), batch.cl_features)
        np.testing.assert_array_equal(element["metadata"]["event_id"].numpy(), batch.metadata["event_id"])


def test_a_state_near_the_end_of_an_epoch_goes_on_with_a_batch_size_that_does_not_fit_into_the_rest(
    folder: Path,
) -> None:
    small = ecalwindows.stream(folder / "w.parquet", 16)
    source = ecalwindows.stream(folder / "w.parquet", 64).resume(small.state_after(len(small) - 1))
    made = ecalwindows.tf_dataset(source)
    assert [sum(1 for _ in made) for _ in range(2)] == [0, len(source)]


def test_the_training_of_the_page_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("windows", str(SAMPLE), "-o", "first-look/windows.parquet", "-q")
    (script,) = [each for each in blocks("training.md", "python") if each.startswith("import tensorflow")]
    names: dict[str, Any] = {"ecalwindows": ecalwindows}
    exec(script, names)
    losses = names["history"].history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_a_training_that_goes_on_within_an_epoch_has_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code of the page; each checkpoint that it writes is kept, and one in the middle of an epoch is taken."""
    monkeypatch.chdir(tmp_path)
    run("windows", str(SAMPLE), "-o", "first-look/windows.parquet", "-q")
    tf.config.experimental.enable_op_determinism()
    training, checkpoints = (
        next(each for each in blocks("training.md", "python") if each.startswith(start))
        for start in ("import tensorflow", "import json, os")
    )
    names: dict[str, Any] = {"ecalwindows": ecalwindows}
    exec(training.replace("epochs=5", "epochs=1"), names)
    exec(checkpoints, names)
    expected, state = names["model"].get_weights(), names["stream"].state()
    place = {"epoch": 2, "position": 5 * 16}
    Path("checkpoint.json").write_text(json.dumps({"stream": state | place, "model": "model_2_80.keras"}))
    exec(checkpoints, names)
    assert names["begin"] == 2
    for found, wanted in zip(names["model"].get_weights(), expected, strict=True):
        assert found.tobytes() == wanted.tobytes()


def test_a_label_that_is_not_there_and_settings_beside_a_stream_are_errors(folder: Path) -> None:
    with pytest.raises(SettingsError, match="no label 'in_sclustr'"):
        ecalwindows.tf_dataset(folder / "w.parquet", 16, label="in_sclustr")
    with pytest.raises(SettingsError, match="labels of clusters without padding"):
        ecalwindows.tf_dataset(folder / "w.parquet", 16, layout="flat")
    with pytest.raises(SettingsError, match="batch_size"):
        ecalwindows.tf_dataset(folder / "w.parquet")
    with pytest.raises(SettingsError, match="a stream and settings"):
        ecalwindows.tf_dataset(ecalwindows.stream(folder / "w.parquet", 16), 5)
