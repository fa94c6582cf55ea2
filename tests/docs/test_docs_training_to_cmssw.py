"""The table of both conventions in docs/training_to_cmssw.md is what a model is fed of the same windows."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from helpers.cli import run
from helpers.golden_files import GOLDEN
from helpers.pages import DOCS

from ecalwindows import stream
from ecalwindows.core.schema import COLUMNS
from ecalwindows.training.cmssw_files import TRAINING_NAMES
from ecalwindows.training.inputs import CMSSW_NAMES, NAMES, InputDefinition, input_definition

EXACT, ROUNDED, OTHER = "in every bit", "within rounding", "no"
SHARED = {
    level: {name: theirs for name, theirs in names.items() if theirs in CMSSW_NAMES[level]}
    for level, names in TRAINING_NAMES.items()
}


def definition(convention: str, **numbers: Any) -> InputDefinition:
    """All columns that both conventions have, in the same order."""
    features = {
        level: [{"name": pair[convention == "cmssw"], **numbers} for pair in names.items()]
        for level, names in SHARED.items()
    }
    values = {level: {"tensor": level, "features": each} for level, each in features.items()}
    values["clusters"]["places"], values["hits"]["places"] = 200, 200
    return input_definition(values | {"convention": convention, "is_seed": "s", "sentinel": None})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Windows as CMS's reconstruction makes them."""
    path = str(tmp_path_factory.mktemp("conventions") / "w.parquet")
    wp = ("--wp-file", str(GOLDEN / "wp_test.json"))
    run("windows", str(GOLDEN / "electrons.root"), *wp, "--mode", "cmssw", "--keep", "all", "-o", path, "-q")
    return path


def fed(dataset: str, **numbers: Any) -> list[Any]:
    """What a model is fed of all windows, by the training and by CMSSW."""
    made = [definition(convention, **numbers) for convention in ("training", "cmssw")]
    batches = [next(iter(stream(dataset, 100_000, shuffle=False, last="keep", inputs=each))) for each in made]
    assert all(batch.n_clusters_cut == 0 and batch.n_hits_cut == 0 for batch in batches)
    assert batches[0]["s"][:, 0].all() and np.array_equal(batches[0]["s"], batches[1]["s"]), "the seed is first"
    return batches


def agreement(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> str:
    if np.array_equal(ours, theirs):
        return EXACT
    return ROUNDED if np.allclose(ours, theirs, rtol=2e-6, atol=0) else OTHER


def table() -> dict[str, dict[str, tuple[str, str]]]:
    """The rows of the page by level: column of a training to CMSSW's name and agreement."""
    page = (DOCS / "training_to_cmssw.md").read_text()
    rows = re.findall(r"^\| (cluster|window|hit) \| `(\w+)` \| `(\w+)` \| ([a-z ]+) \| .+ \|$", page, re.M)
    found: dict[str, dict[str, tuple[str, str]]] = {"clusters": {}, "windows": {}, "hits": {}}
    for level, name, theirs, agree in rows:
        found[f"{level}s"][name] = theirs, agree
    return found


def test_the_table_says_of_each_column_whether_both_conventions_agree(dataset: str) -> None:
    one, other = fed(dataset)
    measured = {
        level: {
            name: (theirs, agreement(one[level][..., i], other[level][..., i]))
            for i, (name, theirs) in enumerate(names.items())
        }
        for level, names in SHARED.items()
    }
    assert table() == measured
    assert {agree for names in measured.values() for _, agree in names.values()} == {EXACT, ROUNDED, OTHER}


def test_scaled_inputs_that_agree_in_every_bit_agree_within_rounding(dataset: str) -> None:
    plain, _ = fed(dataset)
    scaled = fed(dataset, scaler="mean_std", mean=0.3, std=0.7)
    differs = False
    for level, names in table().items():
        for i, (_, agree) in enumerate(names.values()):
            one, other = (batch[level][..., i] for batch in scaled)
            if agree == EXACT:
                size = (np.abs(plain[level][..., i]) + 1) / 0.7
                assert (np.abs(one.astype(float) - other) <= 4 * np.finfo(np.float32).eps * size).all()
                differs = differs or not np.array_equal(one, other)
    assert differs, "the training scales in single precision"


def test_the_page_lists_the_inputs_that_only_one_of_them_has() -> None:
    page = (DOCS / "training_to_cmssw.md").read_text()
    only_training, only_cmssw = (
        {*re.findall(r"`(\w+)`", re.findall(rf"^- \*\*Only {who}\.\*\*(.*?)^(?=- |$)", page, re.M | re.S)[0])}
        for who in ("in a training", "in CMSSW")
    )
    assert only_cmssw == {*CMSSW_NAMES["windows"]} - {*SHARED["windows"].values()}
    of_training = {*NAMES["training"]["hits"]} | {
        name for name, column in COLUMNS.items() if column.group in ("cl_features", "window_features")
    }
    assert only_training == of_training - {name for names in SHARED.values() for name in names}
