"""`ecalwindows windows` gives the golden windows, typed as a user types it; Parquet holds the same numbers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from helpers.cli import run
from helpers.definitions import USUAL_COLUMNS
from helpers.golden_files import CONFIGS, GOLDEN, command_line, differences, read_ndjson

from ecalwindows.core.schema import EVENT_COLUMNS
from ecalwindows.formats.parquet.definition import features_definition

Made = tuple[str, Path, list[dict[str, Any]]]


@pytest.fixture(scope="module", params=CONFIGS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A golden configuration, the folder in which it was made in both formats, and the windows in NDJSON."""
    folder = tmp_path_factory.mktemp(request.param)
    for name in ("windows.ndjson.zst", "windows.parquet"):
        run("windows", *command_line(request.param), "-o", str(folder / name))
    return request.param, folder, read_ndjson(folder / "windows.ndjson.zst")


def test_windows_equal_the_golden_ones(made: Made) -> None:
    name, _, ours = made
    gold = read_ndjson(GOLDEN / f"{name}.ndjson.gz")
    assert [window["window_index"] for window in ours] == [window["window_index"] for window in gold]
    assert sorted(set(differences(ours, gold))) == []
    assert len(ours) == CONFIGS[name]["n_windows"]
    assert sum(window["ncls"] for window in ours) == CONFIGS[name]["n_cluster_rows"]


def test_event_counts_equal_the_golden_ones(made: Made) -> None:
    name, folder, _ = made
    ours, gold = read_counts(folder / "windows.events.csv"), read_counts(GOLDEN / f"{name}.events.csv")
    assert list(ours[0]) == list(EVENT_COLUMNS)
    assert [{column: row[column] for column in gold[0]} for row in ours] == gold


def read_counts(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file, delimiter=";"))


def test_parquet_holds_the_numbers_of_ndjson(made: Made) -> None:
    _, folder, rows = made
    array = ak.from_parquet(folder / "windows.parquet")
    assert len(array) == len(rows)
    for group, names in features_definition().groups.items():
        for column in names:
            per_cluster = group.startswith("cl_")
            values = [c[column] for row in rows for c in row["clusters"]] if per_cluster else [r[column] for r in rows]
            assert_exactly(ak.flatten(array[group][column], axis=None) if per_cluster else array[group][column], values)
    assert_exactly_hits(array.cl_h, rows)


def assert_exactly(stored: Any, printed: list[Any]) -> None:
    name = stored.layout.form.parameters.get("__array__")
    if name == "string":
        assert stored.to_list() == printed
        return
    stored = ak.to_numpy(stored)
    np.testing.assert_array_equal(stored, np.array(printed, dtype=stored.dtype))


def assert_exactly_hits(stored: Any, rows: list[dict[str, Any]]) -> None:
    hits = [[[hit[i] for i in (0, 1, 2, 4)] for hit in c["cl_hits"]] for row in rows for c in row["clusters"]]
    stored = ak.flatten(stored, axis=1)
    assert ak.num(stored).to_list() == [len(one) for one in hits]
    assert_exactly(ak.flatten(stored, axis=None), [number for one in hits for hit in one for number in hit])


def test_all_columns_are_in_ndjson(made: Made) -> None:
    for window in made[2]:
        names = {*window, *(name for cluster in window["clusters"] for name in cluster)}
        assert names == {*USUAL_COLUMNS, "clusters", "seed_hits", "cl_hits"}
