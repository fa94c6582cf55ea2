"""Frozen TensorFlow graphs give scores; CMS's released graph is fed as CMSSW feeds it."""

from __future__ import annotations

import json
import os
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.pages import blocks
from reference import cmssw as reference

from ecalwindows import open_dataset
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.evaluation.scores import ScoreSource, open_source
from ecalwindows.training.cmssw_files import cmssw_folder, read_lines
from ecalwindows.training.inputs import InputDefinition, input_definition, write_inputs

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    tf: Any = pytest.importorskip("tensorflow", reason="needs the extra tensorflow")

pytestmark = [pytest.mark.tensorflow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

RELEASED = Path(__file__).parents[3] / "shared" / "data" / "cmssw" / "EOY_2018"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, golden: Path) -> Path:
    """Windows as CMS's reconstruction makes them."""
    path = tmp_path_factory.mktemp("cmssw") / "w.parquet"
    wp = ("--wp-file", str(golden / "wp_test.json"))
    run("windows", str(golden / "electrons.root"), *wp, "--mode", "cmssw", "--keep", "all", "-o", str(path))
    return path


def batches(path: Path, source: ScoreSource) -> list[WindowBatch]:
    scan = open_dataset(str(path)).scan
    return [batch for batch, _ in scan.pieces(scan.units(), frozenset(source.columns))]


def definition() -> InputDefinition:
    features = [{"name": "en_cluster", "scaler": "mean_std", "mean": 5.0, "std": 10.0}]
    output = {"tensor": "y", "logit": True}
    return input_definition({"clusters": {"tensor": "x", "places": 45, "features": features}, "output": output})


def frozen(path: Path, places: int = 45) -> Path:
    """A graph whose logit is the first feature of a cluster."""
    graph = tf.Graph()
    with graph.as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, places, 1], name="x")
        tf.identity(x[..., 0], name="y")
    path.write_bytes(graph.as_graph_def().SerializeToString())
    return path


def test_a_graph_gives_the_sigmoid_of_its_logits(tmp_path: Path, dataset: Path) -> None:
    source = open_source(frozen(tmp_path / "g.pb"), inputs=definition())
    for batch in batches(dataset, source):
        expected = 1 / (1 + np.exp(-(batch.column("en_cluster").astype(np.float64) - 5) / 10))
        np.testing.assert_allclose(source.scores(batch), expected, rtol=1e-5)


def test_a_graph_with_other_tensors_or_another_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"(?s)has the inputs x \(n, 7, 1\).*x \(n, 45, 1\)"):
        open_source(frozen(tmp_path / "g.pb", 7), inputs=definition())
    (tmp_path / "g.pb").write_bytes(b"no graph")
    with pytest.raises(InputError, match="the model cannot be read"):
        open_source(tmp_path / "g.pb", inputs=definition())


def as_cmssw_sees(batch: WindowBatch) -> list[list[dict[str, Any]]]:
    """The clusters of each window, in order."""
    names = {name: f"cluster_{name}" for name in ("eta", "phi", "ieta", "iphi", "iz")}
    names |= {"energy": "en_cluster", "nxtals": "cl_nxtals"}
    columns = {name: batch.column(column).tolist() for name, column in names.items()}
    hits = {name: batch.hits[name].tolist() for name in ("ieta", "iphi", "iz", "energy_fraction")}
    clusters = []
    for row in range(len(batch.pair_cluster)):
        of_row = range(batch.hits_offsets[row], batch.hits_offsets[row + 1])
        clusters.append({name: column[row] for name, column in columns.items()} | {"hits": [
            {name.replace("energy_fraction", "en_withfrac"): column[k] for name, column in hits.items()} for k in of_row
        ]})  # fmt: skip
    offsets = batch.window_offsets.tolist()
    return [clusters[first:last] for first, last in pairwise(offsets)]


@pytest.mark.skipif(not RELEASED.is_dir(), reason="needs CMS's released files")
def test_the_released_graph_is_fed_the_tensors_of_the_reference_in_every_bit(dataset: Path) -> None:
    source: Any = open_source(RELEASED)
    files = {"clusters": "config_clusters", "windows": "config_window", "hits": "config_hits"}
    lines = {}
    for level, name in files.items():
        words = (RELEASED / f"{name}_inputs.txt").read_text().split()
        lines[level] = [(words[i], words[i + 1], words[i + 2], words[i + 3]) for i in range(0, len(words), 4)]
    graph = tf.compat.v1.GraphDef.FromString((RELEASED / "model.pb").read_bytes())
    model = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
    n = 0
    for batch in batches(dataset, source):
        expected = reference.tensors(as_cmssw_sees(batch), lines, 45, 40)
        fed = source.tensors(batch)
        for name, tensor in expected.items():
            assert np.array_equal(fed[name].view(np.int32), tensor.view(np.int32)), name
        pruned = model.prune([f"{name}:0" for name in expected], "cl_class:0")
        logits = pruned(*(tf.constant(tensor) for tensor in expected.values())).numpy()[..., 0]
        place = np.arange(len(batch.pair_cluster)) - np.repeat(batch.window_offsets[:-1], np.diff(batch.window_offsets))
        owner = np.repeat(np.arange(len(batch)), np.diff(batch.window_offsets))
        by_hand = np.where(place < 45, 1 / (1 + np.exp(-logits[owner, np.minimum(place, 44)].astype(np.float64))), 0)
        scores = source.scores(batch)
        np.testing.assert_allclose(scores, by_hand, atol=2e-6)
        is_seed = batch.column("is_seed")
        assert (place[is_seed] == 0).all() and scores[is_seed].mean() > scores[~is_seed].mean()
        n += len(batch)
    assert n > 50


@pytest.mark.skipif(not RELEASED.is_dir(), reason="needs CMS's released files")
def test_the_released_model_is_exported_again_and_gives_its_scores(tmp_path: Path, dataset: Path) -> None:
    folder, out = cmssw_folder(RELEASED), tmp_path / "again"
    write_inputs(folder.definition(45, 40), tmp_path / "inputs.yaml")
    arguments = ("export", "cmssw", str(tmp_path / "inputs.yaml"), "--dataset", str(dataset), "-o", str(out))
    assert "test vectors of 100 windows and scores" in run(*arguments, "--model", str(RELEASED / "model.pb")).out
    for released, exported in (("clusters", "clusters"), ("window", "window"), ("hits", "hits")):
        theirs, ours = (read_lines(place / f"config_{name}_inputs.txt") for place, name in (
            (RELEASED, released), (out, exported)))  # fmt: skip
        assert [(line[:2], *np.float32(line[2:])) for line in ours] == [
            (line[:2], *np.float32(line[2:])) for line in theirs
        ]
    given, again = open_source(RELEASED), open_source(out)
    (batch, *_) = batches(dataset, given)
    scores = again.scores(batch)
    assert np.array_equal(scores, given.scores(batch))
    windows = json.loads((out / "test_vectors.json").read_text())["windows"]
    vectors = np.array([score for window in windows for score in window["scores"]], np.float32)
    assert np.array_equal(vectors, scores[: len(vectors)])


def test_a_model_with_other_tensors_than_cmssws_is_not_exported(tmp_path: Path, dataset: Path) -> None:
    text = definition().text.replace("en_cluster", "cl_energy").replace("training", "cmssw")
    windows = "windows:\n  tensor: w\n  features:\n  - {name: max_cl_et, scaler: none}\n"
    (tmp_path / "i.yaml").write_text(text + windows)
    arguments = ("export", "cmssw", str(tmp_path / "i.yaml"), "--model", str(frozen(tmp_path / "g.pb")))
    refused = attempt(*arguments, "--dataset", str(dataset), "-o", str(tmp_path / "out"))
    assert "no output cl_class and no output wind_class" in refused.err and not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_keras_model_of_the_page_becomes_a_folder_that_gives_its_scores(
    tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("finalize", str(dataset.parent), "-o", "training", "--split", "train=0.7,validation=0.3", "-q")
    run("normalize", "training", "--split", "train", "--convention", "cmssw", "--inputs", "inputs.yaml", "-q")
    names: dict[str, Any] = {}
    exec(blocks("training_to_cmssw.md", "python")[0].replace(" 256,", " 16,"), names)
    run("export", "cmssw", "inputs.yaml", "--model", "model.pb", "--dataset", "training", "-o", "keras_model", "-q")
    source: Any = open_source("keras_model")
    for batch in batches(dataset, source):
        logits = names["model"].predict(dict(source.tensors(batch)), verbose=0)[..., 0]
        offsets = batch.window_offsets.tolist()
        expected = np.concatenate(
            [each[: last - first] for each, (first, last) in zip(logits, pairwise(offsets), strict=True)]
        )
        np.testing.assert_allclose(source.scores(batch), 1 / (1 + np.exp(-expected)), atol=1e-6)
