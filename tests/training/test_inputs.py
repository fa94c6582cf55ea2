"""The input definition: written with factors, read back equal, and refused with a reason where it is wrong."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from helpers.cli import attempt, run
from helpers.pages import blocks

import ecalwindows
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.schema import COLUMNS, DATA_MODEL_VERSION, SENTINEL
from ecalwindows.training.factors import inputs_with_factors, scaled_input
from ecalwindows.training.inputs import LEVELS, NAMES, input_definition, read_inputs, write_inputs

SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"
CLUSTER = {
    "en_cluster": {"mean": 30.0, "std": 8.0, "min": 1.0, "max": 90.0},
    "cluster_iz": {"mean": 1.0, "std": 0.0, "min": 1.0, "max": 1.0},
    "et_cluster": dict.fromkeys(("mean", "std", "min", "max"), SENTINEL),
}
WINDOW = {"max_en_cluster": {"mean": 1e-6, "std": 3.0, "min": 0.0, "max": 9.0}}
FACTORS = {
    level: {key: {name: of[key] for name, of in columns.items()} for key in ("mean", "std", "min", "max")}
    for level, columns in {"cluster": CLUSTER, "window": WINDOW}.items()
}
VALUES: dict[str, Any] = {
    "clusters": {
        "tensor": "x",
        "places": 20,
        "features": [{"name": "cluster_deta", "scaler": "mean_std", "mean": 0.5, "std": 2.0}, {"name": "is_seed"}],
    },
    "windows": {"tensor": "w", "features": [{"name": "rho", "scaler": "min_max", "min": -1.0, "max": 3.0}]},
}


def test_a_file_its_content_and_what_was_read_of_it_are_the_same_definition(tmp_path: Path) -> None:
    definition = input_definition(VALUES)
    write_inputs(definition, tmp_path / "i.yaml")
    content = yaml.safe_load((tmp_path / "i.yaml").read_text())
    for given in (tmp_path / "i.yaml", str(tmp_path / "i.yaml"), content, VALUES, definition):
        assert read_inputs(given) == definition


def test_a_dictionary_is_the_input_definition_of_a_stream(tmp_path: Path) -> None:
    values = {"clusters": {"tensor": "x", "places": 3, "features": [{"name": "en_cluster"}]}}
    packaged = ecalwindows.windows(SAMPLE, {"mode": "overlapping"})
    ecalwindows.write_windows(SAMPLE, tmp_path / "w.parquet", {"mode": "overlapping"})
    batch = next(iter(ecalwindows.stream(tmp_path / "w.parquet", 4, inputs=values, shuffle=False)))
    assert batch["x"].shape == (4, 3, 1)
    assert batch["x"][0, 0, 0] == packaged.cl_features.en_cluster[0, 0]


def test_an_input_is_scaled_by_its_factors() -> None:
    definition = input_definition(VALUES)
    shift, width = definition.clusters.scales
    assert shift.tolist() == [0.5, 0.0] and width.tolist() == [2.0, 1.0] and shift.dtype == width.dtype == np.float32
    assert definition.windows is not None
    assert [part.tolist() for part in definition.windows.scales] == [[-1.0], [4.0]]


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    for sentinel in (0.0, -5.5, None):
        definition = input_definition(VALUES | {"sentinel": sentinel, "is_seed": "s", "output": {"logit": False}})
        write_inputs(definition, tmp_path / "inputs.yaml")
        assert read_inputs(tmp_path / "inputs.yaml") == definition


def test_columns_with_factors_become_inputs_in_their_order() -> None:
    definition = inputs_with_factors(FACTORS)
    assert definition.clusters.names == ("en_cluster", "cluster_iz")
    assert definition.tensors == ("clusters", "cluster_mask", "windows", "hits", "hit_mask")
    assert definition.data_model == DATA_MODEL_VERSION


@pytest.mark.parametrize("scaler", ["mean_std", "min_max"])
def test_a_constant_column_becomes_0(scaler: Any) -> None:
    assert inputs_with_factors(FACTORS, scaler=scaler).clusters.features[1].scale == (1.0, 1.0)


def test_a_column_without_numbers_has_no_factors() -> None:
    with pytest.raises(KeyError):
        scaled_input("et_cluster", FACTORS["cluster"])


def test_no_input_knows_the_truth() -> None:
    labels = {name for name, column in COLUMNS.items() if column.group == "cl_labels"}
    truth = labels - {"is_seed"} | {"flavour", "en_true_sim", "calo_simen_sig", "nclusters_insc"}
    assert not truth & {name for names in NAMES.values() for level in LEVELS for name in names[level]}


WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a newer data model": (lambda v: v.update(data_model=DATA_MODEL_VERSION + 1), "of the data model"),
    "a newer form": (lambda v: v.update(version=2), "it is of version 2 of the form"),
    "an unknown input": (lambda v: v["clusters"]["features"][0].update(name="cluster_dta"), "nearest: cluster_deta"),
    "a label": (lambda v: v["clusters"]["features"][0].update(name="in_scluster"), "may contain the truth"),
    "an input of another level": (lambda v: v["windows"]["features"][0].update(name="en_cluster"), "of windows"),
    "an input twice": (lambda v: v["clusters"]["features"].append({"name": "is_seed"}), "named twice"),
    "std 0": (lambda v: v["clusters"]["features"][0].update(std=0), r"features\[0\].std' cannot be 0.*write 1"),
    "a std that is 0 as float32": (lambda v: v["clusters"]["features"][0].update(std=1e-60), "do not fit into float32"),
    "a mean beyond float32": (lambda v: v["clusters"]["features"][0].update(mean=1e60), "do not fit into float32"),
    "an empty range": (lambda v: v["windows"]["features"][0].update(max=-1.0), "min -1 is not below max -1"),
    "no number": (lambda v: v["clusters"]["features"][0].update(mean=float("nan")), "mean' cannot be nan"),
    "a factor that is missing": (lambda v: v["clusters"]["features"][0].pop("mean"), "mean' is missing"),
    "an unknown scaler": (lambda v: v["clusters"]["features"][0].update(scaler="MeanRms"), "'mean_std', 'min_max'"),
    "an unknown name": (lambda v: v["clusters"].update(place=3), "nearest: places"),
    "a tensor twice": (lambda v: v["windows"].update(tensor="x"), "two tensors have the name 'x'"),
    "no inputs": (lambda v: v["clusters"].update(features=[]), "List should have.*at least one input"),
    "no clusters": (lambda v: v.pop("clusters"), "'clusters' is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_definition_is_refused_with_file_place_and_what_to_do(tmp_path: Path, case: str) -> None:
    change, reason = WRONG[case]
    values = copy.deepcopy(VALUES)
    change(values)
    (tmp_path / "inputs.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match=f"(?s){reason}.*where: .*inputs.yaml"):
        read_inputs(tmp_path / "inputs.yaml")


def test_the_command_writes_a_definition_with_the_factors_of_the_dataset(tmp_path: Path, golden: Path) -> None:
    windows = str(tmp_path / "w.parquet")
    run("windows", str(golden / "electrons.root"), "-o", windows, "--wp-file", str(golden / "wp_test.json"))
    ran = run("normalize", windows, "--inputs", str(tmp_path / "inputs.yaml"), "-o", str(tmp_path / "f.json"))
    factors = yaml.safe_load((tmp_path / "f.json").read_text())
    definition = read_inputs(tmp_path / "inputs.yaml")
    assert f"wrote {tmp_path / 'inputs.yaml'}" in ran.out
    for level, part in (("cluster", definition.clusters), ("window", definition.windows)):
        assert part is not None and part.names == tuple(factors[level]["mean"])
        for name, one in zip(part.names, part.features, strict=True):
            assert one.scale == (factors[level]["mean"][name], factors[level]["std"][name] or 1.0)


def test_the_command_needs_an_output(tmp_path: Path) -> None:
    ran = attempt("normalize", "w.parquet")
    assert "give -o factors.json or --inputs inputs.yaml" in ran.err


def test_the_definition_on_the_page_is_one() -> None:
    definition = input_definition(yaml.safe_load(blocks("normalisation.md", "yaml")[0]))
    assert definition.clusters.names == ("en_cluster", "cluster_deta")
