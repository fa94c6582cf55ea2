"""`ecalwindows stream --dry-run`: the numbers are those of the batches."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.batches import random_batch
from helpers.cli import attempt, run
from helpers.pages import is_printed, typed

from ecalwindows import open_dataset
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.parquet.writer import ParquetWriter

N = 60


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """40 windows of sample ele and 20 of pho, with flavours 11 and 22."""
    path = tmp_path_factory.mktemp("looked") / "w.parquet"
    made = random_batch(
        np.random.default_rng(1), N, texts=[f"{'ele' if i < 40 else 'pho'}_1_1_{i}_0" for i in range(N)]
    )
    window = dict(made.window) | {"flavour": np.repeat([11, 22], [40, 20]).astype(np.int32)}
    pair = dict(made.pair) | {"is_seed": np.isin(np.arange(len(made.pair_cluster)), made.window_offsets[:-1])}
    hits = {name: np.clip(column, -400, 400).astype(column.dtype) for name, column in made.hits.items()}
    with ParquetWriter(path, features_definition(), row_group=13) as writer:
        writer.write(type(made)(**{**made.__dict__, "window": window, "pair": pair, "hits": hits}))
    return str(path)


def looked(*words: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(run("stream", *words, "--dry-run", "--json").out)
    return found


def test_the_numbers_are_those_of_an_epoch(dataset: str) -> None:
    found = looked(dataset, "--batch-size", "8", "--pad-clusters", "2", "--pad-hits", "3")
    batches = list(open_dataset(dataset).stream(8, pad_clusters=2, pad_hits=3))
    assert (found["windows"], found["batches"], found["dropped"], found["read_windows"]) == (60, 7, 4, 56)
    assert found["clusters_cut"] == sum(batch.n_clusters_cut for batch in batches) > 0
    assert found["hits_cut"] == sum(batch.n_hits_cut for batch in batches) > 0
    filled = np.mean([batch.cl_mask.mean() for batch in batches]), np.mean([batch.hit_mask.mean() for batch in batches])
    assert found["wasted"] == pytest.approx({"clusters": 1 - filled[0], "hits": 1 - filled[1]})
    n = sum(int((batch.metadata["flavour"] == 11).sum()) for batch in batches)
    assert found["samples"] == {"ele": n, "pho": 56 - n} and found["flavours"] == {"11": n, "22": 56 - n}


def test_padded_and_flat_streams_report_the_same_clusters_and_hits(dataset: str) -> None:
    padded = looked(dataset, "--batch-size", "8", "--pad-clusters", "batch", "--pad-hits", "batch")
    flat = looked(dataset, "--batch-size", "8", "--flat")
    assert [padded[key] for key in ("clusters", "hits", "samples")] == [
        flat[key] for key in ("clusters", "hits", "samples")
    ]
    assert flat["wasted"] == {} and padded["cut"] == {"clusters": 0, "hits": 0}


def test_selections_and_several_datasets_are_looked_at(dataset: str) -> None:
    found = looked(dataset, dataset, "--batch-size", "8", "--where", "flavour == 22", "--no-hits", "--batches", "2")
    assert (found["windows"], found["read_batches"], found["hits"]) == (40, 2, 0)
    assert found["samples"] == {"pho": 16} and isinstance(found["windows_per_second"], float)


def test_buckets_are_part_of_the_order(dataset: str) -> None:
    found = looked(dataset, "--batch-size", "8", "--bucket", "16", "--batches", str(10**30))
    assert found["order"] == "exact permutation, buckets of 16 windows" and found["read_windows"] == 56


def test_one_batch_has_no_speed(dataset: str) -> None:
    assert looked(dataset, "--batch-size", "60")["windows_per_second"] is None
    assert "only one batch was read" in run("stream", dataset, "--dry-run", "--batch-size", "60").out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --dry-run"),
        (["--dry-run", "--pad-hits", "0"], "--pad-hits"),
        (["--dry-run", "--batch-size", "61"], "need 61 windows, and there are 60"),
        (["--dry-run", "--split", "train"], "no split"),
        (["--dry-run", "--where", "flavor == 11"], "does not have"),
        (["--dry-run", "--seed", str(2**63)], "a whole number of at least 0 and below 2^63"),
        (["--dry-run", "--bucket", str(2**63)], "a whole number of at least 0 and below 2^63"),
        (["--dry-run", "--pad-clusters", str(2**31)], "at least 1 and below 2^31"),
    ],
)
def test_a_wrong_setting_is_an_error(dataset: str, words: list[str], message: str) -> None:
    ran = attempt("stream", dataset, *words)
    assert ran.code == 2 and message in ran.err


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, said in typed("stream.md"):
        printed = run(*arguments).out
        assert is_printed(said, printed), f"{arguments}\n{printed}"
        assert arguments[0] != "stream" or re.search(r"[\d,]+ windows/s", printed)
