"""The tensors of an input definition are those of the batch: scaled, with sentinels replaced, weighted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import random_batch
from helpers.cli import run
from helpers.weights import weights_file

from ecalwindows import open_dataset, stream
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.schema import SENTINEL
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.formats.weights import read_weights
from ecalwindows.training.inputs import input_definition

DEFINITION = input_definition(
    {
        "clusters": {
            "tensor": "x", "places": 9, "mask": "m", "missing": "gone",
            "features": [{"name": "cl_r9", "scaler": "mean_std", "mean": 0.5, "std": 2.0}, {"name": "is_seed"}],
        },
        "windows": {"tensor": "w", "features": [{"name": "rho", "scaler": "min_max", "min": -1.0, "max": 3.0}]},
        "hits": {"tensor": "h", "places": 4, "mask": "hm", "features": [{"name": "iphi"}]},
        "n_clusters": "n", "is_seed": "s", "sentinel": -7.0,
    }
)  # fmt: skip


def replaced_places(definition: Any, **places: int) -> Any:
    values = definition.model_dump(mode="json", exclude_none=True)
    return input_definition({**values, **{level: {**values[level], "places": n} for level, n in places.items()}})


@pytest.fixture
def file(tmp_path: Path) -> str:
    rng = np.random.default_rng(3)
    batch = random_batch(rng, 40)
    numbers = rng.normal(size=len(batch.column("cl_r9"))).astype(np.float32)
    numbers[::3] = SENTINEL
    home = "pair" if "cl_r9" in batch.pair else "cluster"
    numbers = numbers if home == "pair" else np.resize(numbers, len(batch.hits_offsets) - 1)
    window: dict[str, Any] = {**batch.window, "rho": rng.uniform(0, 9, 40).astype(np.float32)}
    window["et_seed"] = rng.uniform(1, 90, 40).astype(np.float32)
    window["seed_eta"] = rng.uniform(-3, 3, 40).astype(np.float32)
    window["ncls"] = np.diff(batch.window_offsets).astype(np.int32)
    window["flavour"] = rng.choice([11, 22], 40).astype(batch.window["flavour"].dtype)
    window["is_seed_calo_matched"] = rng.random(40) < 0.8
    hits = {name: np.clip(column, -400, 400).astype(column.dtype) for name, column in batch.hits.items()}
    changed: Any = {"hits": hits, home: {**getattr(batch, home), "cl_r9": numbers}, "window": window}
    with ParquetWriter(tmp_path / "w.parquet", features_definition(), row_group=15) as writer:
        writer.write(replace(batch, **changed))
    (tmp_path / "weights.json").write_text(json.dumps(weights_file()))
    return str(tmp_path / "w.parquet")


def test_a_stream_gives_exactly_the_tensors_of_the_definition_and_the_weights(file: str, tmp_path: Path) -> None:
    weights = tmp_path / "weights.json"
    (batch,) = stream(file, 40, shuffle=False, inputs=DEFINITION, weights=weights)
    plain = next(iter(open_dataset(file).batches(40, 9, 4, features=["cl_r9", "is_seed", "rho", "seed_features"])))
    assert tuple(batch) == DEFINITION.tensors and {tensor.dtype for tensor in batch.values()} == {np.dtype("float32")}
    raw, mask = plain.column("cl_r9"), plain.cl_mask
    expected = np.where(raw == SENTINEL, np.float32(-7), (raw - np.float32(0.5)) / np.float32(2))
    assert (raw[mask] == SENTINEL).any()
    assert np.array_equal(batch["x"][..., 0], np.where(mask, expected, 0))
    assert np.array_equal(batch["x"][..., 1], plain.column("is_seed"))
    assert np.array_equal(batch["gone"][..., 0], (raw == SENTINEL) & mask)
    assert np.array_equal(batch["w"][:, 0], (plain.column("rho") + np.float32(1)) / np.float32(4))
    assert np.array_equal(batch["h"][..., 0], plain.cl_hits[..., 1]) and np.array_equal(batch["hm"], plain.hit_mask)
    assert np.array_equal(batch["m"], mask) and np.array_equal(batch["n"], plain.column("ncls"))
    flavour = np.where(plain.column("is_seed_calo_matched"), plain.column("flavour"), 0)
    asked = [plain.column(name) for name in ("seed_eta", "et_seed", "ncls")]
    assert np.array_equal(batch.weights, read_weights(weights)(flavour, *asked).astype(np.float32))
    assert np.array_equal(batch.label("in_scluster"), plain.column("in_scluster"))


def test_windows_have_the_same_weights_in_both_conventions(file: str, tmp_path: Path) -> None:
    made = {"convention": "cmssw", "clusters": {"tensor": "x", "features": [{"name": "cl_energy"}]}}
    (one,), (other,) = (
        stream(file, 40, shuffle=False, inputs=definition, weights=tmp_path / "weights.json")
        for definition in (input_definition(made), DEFINITION)
    )
    assert np.array_equal(one.weights, other.weights) and len(set(one.weights.tolist())) > 4


def test_worker_processes_give_the_same_tensors(file: str) -> None:
    ours = stream(file, 10, inputs=DEFINITION, workers=1)
    try:
        for one, other in zip(ours, stream(file, 10, inputs=DEFINITION), strict=True):
            assert all(np.array_equal(one[name], other[name]) for name in DEFINITION.tensors)
            assert np.array_equal(one.cl_labels, other.cl_labels)
    finally:
        ours.close()


def test_inputs_that_the_dataset_lacks_are_an_error_before_anything_is_read(file: str) -> None:
    other = input_definition({"clusters": {"tensor": "x", "features": [{"name": "cl_r9"}]},
                                "hits": {"tensor": "h", "features": [{"name": "fraction"}]}})  # fmt: skip
    with pytest.raises(SettingsError, match="need fraction"):
        stream(file, 10, inputs=other)
    for other_setting in ({"pad_clusters": 20}, {"hits": False}, {"columns": ["cl_r9"]}):
        with pytest.raises(SettingsError, match="other settings of the content"):
            stream(file, 10, inputs=DEFINITION, **other_setting)


def test_without_padding_a_batch_has_the_same_inputs_with_offsets(file: str, tmp_path: Path) -> None:
    weights, shuffled = tmp_path / "weights.json", {"inputs": DEFINITION, "seed": 5}
    wide = replaced_places(DEFINITION, clusters=60, hits=60)
    (padded,) = stream(file, 40, weights=weights, **shuffled | {"inputs": wide})
    (flat,) = stream(file, 40, weights=weights, layout="flat", **shuffled)
    assert padded.n_clusters_cut == padded.n_hits_cut == 0 and flat.cl_mask is None and "m" not in flat
    mask = padded.cl_mask
    for name in ("x", "gone", "s"):
        assert np.array_equal(flat[name], padded[name][mask])
    for name in ("w", "n"):
        assert np.array_equal(flat[name], padded[name])
    assert np.array_equal(flat["h"], padded["h"][padded["hm"] == 1])
    assert np.array_equal(np.diff(flat.cl_offsets), mask.sum(axis=1))
    assert np.array_equal(np.diff(flat.hit_offsets), padded["hm"].sum(axis=2)[mask])
    assert np.array_equal(flat.weights, padded.weights)
    assert np.array_equal(flat.label("in_scluster"), padded.label("in_scluster")[mask])


@pytest.mark.parametrize(
    ("layout", "tensor"), [("padded", r"x +float32 \(5, 9, 2\)"), ("flat", r"x +float32 \(\d+, 2\)")]
)
def test_repr_of_a_batch_shows_shapes(file: str, layout: Any, tensor: str) -> None:
    shown = repr(stream(file, 5, inputs=DEFINITION, layout=layout).first())
    assert re.search(tensor, shown) and "5 windows" in shown and "metadata" in shown


def test_padding_to_the_batch_leaves_nothing_out(file: str) -> None:
    (fixed,) = stream(file, 40, inputs=replaced_places(DEFINITION, clusters=60, hits=60))
    (fitted,) = stream(file, 40, inputs=DEFINITION, pad_clusters="batch", pad_hits="batch")
    clusters, hits = (max(8, -(-int(fixed[name].sum(axis=-1).max()) // 8) * 8) for name in ("m", "hm"))
    assert fitted["hm"].shape == (40, clusters, hits)
    for name, tensor in fitted.items():
        places = {"h": np.s_[:, :clusters, :hits], "hm": np.s_[:, :clusters, :hits]}.get(name, np.s_[:, :clusters])
        assert np.array_equal(tensor, fixed[name] if name in ("w", "n") else fixed[name][places])


def test_cmssw_has_places_so_it_is_not_read_without_padding(file: str) -> None:
    other = input_definition({"clusters": {"tensor": "x", "features": [{"name": "cl_energy"}]}, "convention": "cmssw"})
    with pytest.raises(SettingsError, match="convention cmssw"):
        stream(file, 10, inputs=other, layout="flat")


@pytest.fixture
def factors(file: str, tmp_path: Path) -> str:
    run("normalize", file, "-o", str(tmp_path / "n.json"), "--inputs", str(tmp_path / "n.yaml"), "-q")
    return str(tmp_path / "n.json")


def test_normalisation_gives_the_tensors_of_the_definition_with_these_factors(
    file: str, factors: str, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.json"
    (one,) = stream(file, 40, shuffle=False, normalisation=factors, weights=weights)
    (other,) = stream(file, 40, shuffle=False, inputs=tmp_path / "n.yaml", weights=weights)
    assert tuple(one) == tuple(other)
    for name, tensor in one.items():
        assert np.array_equal(tensor, other[name])
    assert np.array_equal(one.weights, other.weights)


def test_normalisation_of_some_columns_without_hits(file: str, factors: str) -> None:
    some = ["cl_r9", "et_cluster_log"]
    (batch,) = stream(file, 40, shuffle=False, normalisation=factors, columns=some, hits=False, pad_clusters=6)
    (plain,) = stream(file, 40, shuffle=False, columns=some, hits=False, pad_clusters=6)
    assert set(batch) == {"clusters", "cluster_mask"}
    assert batch["clusters"].shape == (40, 6, 2)
    there = json.loads(Path(factors).read_text())["cluster"]
    raw = plain.cl_features[..., plain.names.cl_features.index("et_cluster_log")]
    expected = (raw - np.float32(there["mean"]["et_cluster_log"])) / np.float32(there["std"]["et_cluster_log"])
    ours = batch["clusters"][..., sorted(some, key=list(there["mean"]).index).index("et_cluster_log")]
    assert np.array_equal(ours[plain.cl_mask], np.where(raw == SENTINEL, 0, expected)[plain.cl_mask])


def test_normalisation_without_factors_for_a_column_or_beside_inputs_is_an_error(file: str, factors: str) -> None:
    with pytest.raises(SettingsError, match="'et_clustr' has no factors"):
        stream(file, 40, normalisation=factors, columns=["et_clustr"])
    with pytest.raises(SettingsError, match="at least one column of clusters"):
        stream(file, 40, normalisation=factors, columns=["max_en_cluster"])
    with pytest.raises(SettingsError, match="one of the two"):
        stream(file, 40, normalisation=factors, inputs=DEFINITION)
