"""Where scores come from: labels, tables that are written and read back, functions; and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.batches import random_batch, texts_of
from helpers.definitions import EVERYTHING

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError
from ecalwindows.core.schema import DATA_MODEL_VERSION
from ecalwindows.evaluation.score_tables import EVENT, saved_scores
from ecalwindows.evaluation.scores import open_source
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.training.inputs import input_definition

RNG = np.random.default_rng(5)


def dataset(path: Path, n: int = 30) -> WindowBatch:
    """Windows as they are read from a dataset, with clusters of distinct indices."""
    made = random_batch(RNG, n)
    numbers = np.arange(int(made.window_offsets[-1]), dtype=np.int32)[::-1].copy()
    window = made.window | {name: np.arange(n) // 3 for name in EVENT.values()}
    window |= {"seed_index": np.arange(n, dtype=np.int32), "ncls": np.diff(made.window_offsets).astype(np.int32)}
    is_seed = np.isin(numbers, numbers[made.window_offsets[:-1]])
    batch = replace(
        made, window=window, pair=made.pair | {"cl_index": numbers, "is_seed": is_seed},
        cluster={name: column for name, column in made.cluster.items() if name != "cl_index"},
        hits={name: np.clip(column, -400, 400).astype(column.dtype) for name, column in made.hits.items()},
    )  # fmt: skip
    with ParquetWriter(path, EVERYTHING) as writer:
        writer.write(batch)
    (read,) = read_batches(path)
    return read


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> WindowBatch:
    return dataset(tmp_path_factory.mktemp("scores") / "w.parquet")


def table(batch: WindowBatch, *, by_index: bool = False) -> dict[str, Any]:
    """A table of scores of all clusters, as another program writes it: in any order."""
    owner = np.repeat(np.arange(len(batch)), np.diff(batch.window_offsets))
    score = np.linspace(0, 1, len(owner))
    columns: dict[str, Any] = {"cl_index": batch.column("cl_index"), "score": score}
    if by_index:
        columns["window_index"] = np.array(texts_of(batch.window_index))[owner]
    else:
        columns |= {name: batch.column(column)[owner] for name, column in EVENT.items()}
    order = RNG.permutation(len(owner))
    return {name: column[order] for name, column in columns.items()}


def written(columns: dict[str, Any], path: Path) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(("what", "label"), [
    ("truth", "in_scluster"), ("mustache", "in_mustache"), ("in_geom_mustache", "in_geom_mustache"),
])  # fmt: skip
def test_labels_are_scores_of_0_and_1(batch: WindowBatch, what: str, label: str) -> None:
    source = open_source(what)
    assert source.name == what and source.columns == (label,)
    scores = source.scores(batch)
    assert scores.dtype == np.float32 and np.array_equal(scores, batch.column(label))


@pytest.mark.parametrize("by_index", [False, True])
def test_a_table_gives_each_cluster_its_score_in_whatever_order_it_is(
    batch: WindowBatch, tmp_path: Path, by_index: bool
) -> None:
    source = open_source(written(table(batch, by_index=by_index), tmp_path / "model_7.parquet"))
    assert source.name == "model_7" and ("window_index" in source.columns) == by_index
    expected = np.linspace(0, 1, len(batch.pair_cluster)).astype(np.float32)
    assert np.array_equal(source.scores(batch), expected)


def test_saved_scores_are_read_back_with_what_is_known_of_them(batch: WindowBatch, tmp_path: Path) -> None:
    score = RNG.random(len(batch.pair_cluster)).astype(np.float32)
    with saved_scores(tmp_path / "s.parquet", {"dataset": "v1", "model_sha256": "ab"}) as writer:
        for part in (score, score * 0):
            window = batch.window if part is score else batch.window | {"run_id": batch.window["run_id"] + 1000}
            data = batch.window_index.data if part is score else batch.window_index.data + (part is not score)
            writer.write(replace(batch, window=window, window_index=replace(batch.window_index, data=data)), part)
    source = open_source(tmp_path / "s.parquet")
    assert np.array_equal(source.scores(batch), score)
    assert source.about["dataset"] == "v1" and source.about["model_sha256"] == "ab"
    names = pq.read_schema(tmp_path / "s.parquet").names
    assert names == ["run", "lumi", "event", "seed_index", "window_index", "cl_index", "score"]


def test_texts_of_windows_may_be_a_dictionary(batch: WindowBatch, tmp_path: Path) -> None:
    columns = table(batch, by_index=True)
    coded = columns | {"window_index": pa.array(columns["window_index"]).dictionary_encode()}
    source = open_source(written(coded, tmp_path / "t.parquet"))
    assert np.array_equal(source.scores(batch), np.linspace(0, 1, len(batch.pair_cluster)).astype(np.float32))


def _without_last(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: column[:-1] for name, column in columns.items()}


def _with_first_twice(columns: dict[str, Any]) -> dict[str, Any]:
    return {name: np.append(column, column[:1]) for name, column in columns.items()}


WRONG_TABLES: dict[str, tuple[Any, str]] = {
    "a cluster without a score": (_without_last, "1 clusters of windows have no score"),
    "a cluster with two scores": (_with_first_twice, "1 clusters have two scores.*row 0 and row"),
    "a missing column": (lambda t: {k: v for k, v in t.items() if k != "event"}, "no column 'event'"),
    "a score above 1": (lambda t: t | {"score": t["score"] * 2}, "not in \\[0, 1\\]"),
    "a score that is NaN": (lambda t: t | {"score": t["score"] * np.nan}, "not in \\[0, 1\\], the first is nan"),
    "a negative cluster": (lambda t: t | {"cl_index": -1 - t["cl_index"]}, "cl_index is not the index"),
    "scores as text": (lambda t: t | {"score": t["score"].astype(str)}, "scores have the type"),
    "a run that is no integer": (lambda t: t | {"run": t["run"] + 0.5}, "the column 'run' is no integer: double"),
    "names that are no text": (
        lambda t: t | {"window_index": t["run"] + 0.5},
        "the column 'window_index' is no text: double",
    ),
    "no rows": (lambda t: {k: v[:0] for k, v in t.items()}, "have no score"),
}


@pytest.mark.parametrize("case", WRONG_TABLES)
def test_a_wrong_table_is_refused(batch: WindowBatch, tmp_path: Path, case: str) -> None:
    change, reason = WRONG_TABLES[case]
    path = written(change(table(batch)), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=f"(?s){reason}.*where: .*t.parquet"):
        open_source(path).scores(batch)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="cannot be read"):
        open_source(tmp_path / "t.parquet")


DEFINITION = input_definition({
    "clusters": {"tensor": "x", "places": 2, "features": [{"name": "en_cluster"}, {"name": "is_seed"}]},
    "windows": {"tensor": "w", "features": [{"name": "rho"}]},
    "hits": {"tensor": "h", "places": 3, "features": [{"name": "iphi"}]},
    "n_clusters": "n", "sentinel": None,
})  # fmt: skip


def test_a_function_with_inputs_takes_tensors_and_clusters_without_a_place_get_0(batch: WindowBatch) -> None:
    seen = []

    def first_place(tensors: dict[str, Any]) -> Any:
        seen.append({name: tensor.shape for name, tensor in tensors.items()})
        return np.tile(np.array([0.25, 0.75], np.float32), (len(tensors["x"]), 1))

    source = open_source(first_place, inputs=DEFINITION)
    assert set(source.columns) == {"en_cluster", "is_seed", "rho", "iphi", "ncls"} and source.name == "first_place"
    scores = source.scores(batch)
    n = len(batch)
    assert seen == [{"x": (n, 2, 2), "w": (n, 1), "h": (n, 2, 3, 1), "n": (n,)}]
    for window in range(n):
        of_window = scores[batch.window_offsets[window] : batch.window_offsets[window + 1]]
        assert of_window.tolist() == [0.25, 0.75, *[0.0] * len(of_window)][: len(of_window)]


def test_a_seed_that_would_be_cut_has_the_last_place_and_gets_its_score(batch: WindowBatch) -> None:
    late = replace(batch, window_seed=batch.window_offsets[1:] - 1)
    scores = open_source(lambda tensors: tensors["x"][..., :1] * 0 + [[[0.25], [0.75]]], inputs=DEFINITION).scores(late)
    sizes = np.diff(batch.window_offsets)
    assert (sizes > 2).any()
    assert (scores[late.window_seed][sizes >= 2] == 0.75).all()


def test_a_function_without_inputs_takes_the_batch(tmp_path: Path, batch: WindowBatch) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\ndef half(batch):\n    return np.full(len(batch.pair_cluster), 0.5)\n\n"
        "half.columns = ('en_cluster',)\n\ndef plain(batch):\n    return 1\n"
    )
    source = open_source(f"{tmp_path}/mine.py:half", name="flat")
    assert source.name == "flat" and source.columns == ("en_cluster",) and (source.scores(batch) == 0.5).all()
    with pytest.raises(SettingsError, match=r"plain\.columns ="):
        open_source(f"{tmp_path}/mine.py:plain")


def test_what_a_function_writes_to_the_batch_is_not_measured(batch: WindowBatch) -> None:
    def scaled(batch: WindowBatch) -> Any:
        energy = batch.column("en_cluster")
        energy *= 0
        return energy

    scaled.columns = ("en_cluster",)  # type: ignore[attr-defined]
    before = batch.column("en_cluster").copy()
    assert before.any() and not open_source(scaled).scores(batch).any()
    np.testing.assert_array_equal(batch.column("en_cluster"), before)


def test_functions_may_return_one_array_again_and_again(batch: WindowBatch) -> None:
    buffer = np.empty(len(batch.pair_cluster), np.float32)

    def soft(batch: WindowBatch) -> Any:
        buffer[:] = 0.25
        return buffer

    def hard(batch: WindowBatch) -> Any:
        buffer[:] = 0.75
        return buffer

    soft.columns = hard.columns = ("en_cluster",)  # type: ignore[attr-defined]
    first, second = (open_source(each).scores(batch) for each in (soft, hard))
    assert (first == 0.25).all() and (second == 0.75).all()


@pytest.mark.parametrize(("returned", "reason"), [
    (lambda batch: batch.gone, "the function failed: AttributeError"),
    (lambda batch: ["high"] * len(batch.pair_cluster), "the function failed: ValueError: could not convert"),
    (lambda batch: None, "array of shape"),
])  # fmt: skip
def test_results_of_a_batch_that_are_no_scores_are_refused(batch: WindowBatch, returned: Any, reason: str) -> None:
    returned.columns = ("en_cluster",)
    with pytest.raises(InputError, match=reason):
        open_source(returned).scores(batch)


def test_inputs_of_a_newer_data_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "i.yaml").write_text(DEFINITION.text.replace(f"data_model: {DATA_MODEL_VERSION}", "data_model: 99"))
    with pytest.raises(SettingsError, match="version 99 of the data model"):
        open_source(lambda tensors: 0, inputs=tmp_path / "i.yaml")


@pytest.mark.parametrize(("result", "reason"), [
    (lambda t: t["x"], "array of shape"),
    (lambda t: t["x"][..., 0] * 0 + 1.5, "not in \\[0, 1\\], the first is 1.5"),
    (lambda t: t["x"][..., 0] * np.nan, "the first is nan"),
    (lambda t: t["gone"], "the function failed: KeyError"),
])  # fmt: skip
def test_results_that_are_no_scores_are_refused(batch: WindowBatch, result: Any, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        open_source(result, inputs=DEFINITION).scores(batch)


@pytest.mark.parametrize(("what", "reason"), [
    ("in_sclustr", "nearest: in_scluster"),
    ("missing.onnx", "no such file"),
    ("missing.py:f", "there is no such file"),
    ("README.md", "gives no scores"),
])  # fmt: skip
def test_what_gives_no_scores_is_refused(what: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(EcalWindowsError, match=reason):
        open_source(what)


def test_a_model_without_inputs_is_refused(tmp_path: Path) -> None:
    for name in ("m.onnx", "m.pb"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(SettingsError, match="no input definition"):
            open_source(tmp_path / name)
