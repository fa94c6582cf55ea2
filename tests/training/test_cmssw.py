"""The convention `cmssw`: tensors are those of a slow reference, written from cmssw.md alone, in every bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import random_batch
from helpers.definitions import EVERYTHING
from reference import cmssw as reference

from ecalwindows import stream
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import SettingsError
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.training.cmssw import CmsswInputs
from ecalwindows.training.inputs import CMSSW_NAMES, input_definition
from ecalwindows.training.padding import gathering_source, padded_batch
from ecalwindows.training.transform import ModelInputs

RNG = np.random.default_rng(11)
SCALERS = {"MeanRms": ("mean_std", "mean", "std"), "MinMax": ("min_max", "min", "max"), "None": ("none",)}
PLACES, HITS = 3, 2


def lines(level: str) -> list[tuple[str, str, str, str]]:
    """A scaler for each input, of all three kinds, with numbers that float32 cannot hold."""
    kinds = [("MeanRms", "0.1", "3.3"), ("MinMax", "-0.7", "1e2"), ("None", "0", "0")]
    return [(name, *kinds[i % 3]) for i, name in enumerate(CMSSW_NAMES[level])]


def features(level: str) -> list[dict[str, Any]]:
    made = []
    for name, kind, *numbers in lines(level):
        scaler, *keys = SCALERS[kind]
        made.append({"name": name, "scaler": scaler} | dict(zip(keys, map(float, numbers), strict=False)))
    return made


DEFINITION = input_definition({
    "convention": "cmssw",
    "clusters": {"tensor": "input_1", "places": PLACES, "features": features("clusters")},
    "windows": {"tensor": "input_2", "features": features("windows")},
    "hits": {"tensor": "input_3", "places": HITS, "features": features("hits")},
    "is_seed": "input_4", "n_clusters": "input_5",
})  # fmt: skip


def windows(path: Path, n: int) -> WindowBatch:
    """Windows as they are read, with positions and energies, and seeds at any place of a window."""
    made = random_batch(RNG, n)
    size = len(made.hits_offsets) - 1
    cluster = dict(made.cluster) | {
        "cluster_eta": RNG.uniform(-3, 3, size).astype(np.float32), "cl_nxtals": RNG.integers(1, 9, size) * 1.0,
        "cluster_phi": RNG.uniform(-np.pi, np.pi, size).astype(np.float32),
        "en_cluster": RNG.lognormal(1, 2, size).astype(np.float32),
        **{f"cluster_{name}": RNG.integers(-90, 90, size).astype(np.int32) for name in ("ieta", "iphi", "iz")},
    }  # fmt: skip
    cluster["cl_nxtals"] = cluster["cl_nxtals"].astype(np.float32)
    sizes = np.diff(made.window_offsets)
    is_seed = np.zeros(len(made.pair_cluster), np.bool_)
    is_seed[made.window_offsets[:-1] + RNG.integers(0, sizes)] = True
    hits = {name: np.clip(column, -400, 400).astype(column.dtype) for name, column in made.hits.items()}
    window = dict(made.window) | {"ncls": sizes.astype(np.int32)}
    with ParquetWriter(path, EVERYTHING) as writer:
        writer.write(replace(made, cluster=cluster, pair=made.pair | {"is_seed": is_seed}, hits=hits, window=window))
    (batch,) = read_batches(path)
    return batch


def expected(batch: WindowBatch) -> dict[str, Any]:
    """The tensors of the reference, of windows whose seed comes first."""
    given = []
    for w in range(len(batch)):
        rows = list(range(batch.window_offsets[w], batch.window_offsets[w + 1]))
        rows.sort(key=lambda row: not batch.column("is_seed")[row])
        clusters = []
        for row in rows:
            cluster: dict[str, Any] = {
                name: float(batch.column(f"cluster_{name}")[row]) for name in ("eta", "phi", "ieta", "iphi", "iz")
            }
            for name, column in (("energy", "en_cluster"), ("nxtals", "cl_nxtals")):
                cluster[name] = float(batch.column(column)[row])
            cluster["hits"] = [
                {name: float(batch.hits[name][k]) for name in ("ieta", "iphi", "iz")}
                | {"en_withfrac": float(batch.hits["energy_fraction"][k])}
                for k in range(batch.hits_offsets[row], batch.hits_offsets[row + 1])
            ]
            clusters.append(cluster)
        given.append(clusters)
    return reference.tensors(given, {level: lines(level) for level in CMSSW_NAMES}, PLACES, HITS)


def test_tensors_are_those_of_the_reference_in_every_bit(tmp_path: Path) -> None:
    batch = windows(tmp_path / "w.parquet", 40)
    inputs, rows = ModelInputs(DEFINITION), np.arange(len(batch))
    padding = inputs.padding()
    tensors = inputs(padded_batch([(gathering_source(batch, padding), rows, rows)], len(rows), padding))
    wanted = expected(batch)
    assert (np.diff(batch.window_offsets) > PLACES).any()
    assert tuple(tensors) == tuple(wanted)
    for name, tensor in wanted.items():
        assert np.array_equal(tensors[name].view(np.int32), tensor.view(np.int32)), name


def test_a_stream_gives_the_same_tensors(tmp_path: Path) -> None:
    batch = windows(tmp_path / "w.parquet", 12)
    (tensors,) = stream(str(tmp_path / "w.parquet"), 12, shuffle=False, inputs=DEFINITION)
    for name, tensor in expected(batch).items():
        assert np.array_equal(tensors[name], tensor), name
    assert tensors.label("in_scluster").shape == (12, PLACES)


def test_clusters_without_a_place_count_for_the_features_of_the_window(tmp_path: Path) -> None:
    batch = windows(tmp_path / "w.parquet", 20)
    one_place = input_definition({
        "convention": "cmssw", "clusters": {"tensor": "x", "places": 1, "features": [{"name": "cl_energy"}]},
        "windows": {"tensor": "w", "features": [{"name": "max_cl_energy"}, {"name": "min_cl_energy"}]},
    })  # fmt: skip
    _, of_windows, _ = CmsswInputs(one_place)(batch)
    assert np.array_equal(of_windows[:, 0], np.maximum.reduceat(batch.column("en_cluster"), batch.window_offsets[:-1]))
    assert (of_windows[:, 1] == 0).all()


def test_inputs_of_the_other_convention_and_missing_tensors_are_refused() -> None:
    for features, more, reason in (
        ([{"name": "en_cluster"}], {}, "there is no input 'en_cluster' of clusters"),
        ([{"name": "cl_energy_log"}], {}, "there is no input 'cl_energy_log'"),
        ([{"name": "cl_et"}], {"missing": "m"}, "CMSSW does not feed it"),
        ([{"name": "cl_et", "scaler": "min_max", "min": 1.0, "max": 1.00000001}], {}, "'cl_et' differ by 0 in"),
        (
            [{"name": "cl_et", "scaler": "min_max", "min": -3e38, "max": 3e38}],
            {},
            "of 'cl_et' do not fit into",
        ),
    ):
        with pytest.raises(SettingsError, match=reason):
            input_definition({"convention": "cmssw", "clusters": {"tensor": "x", "features": features} | more})
