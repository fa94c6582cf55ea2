"""The table of matched clusters: its rows against a slow reference implementation, its file, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import strategies
from helpers.cli import attempt, run
from helpers.events_maker import events_of_dicts, window_settings_of
from helpers.golden_files import GOLDEN
from helpers.pipeline import assert_same
from hypothesis import given
from reference.matches import matches as reference_matches
from reference.pipeline import Settings

from ecalwindows.commands.truth.match import write_matches
from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.manifest import manifest_path, problems, read_manifest
from ecalwindows.studies.matches.clusters import matched_clusters
from ecalwindows.studies.matches.columns import MATCH_COLUMNS
from ecalwindows.studies.matches.reading import n_matches, read_matches

ELECTRONS, PHOTONS = GOLDEN / "electrons.root", GOLDEN / "photons.root"


@given(strategies.cases())
def test_the_table_equals_its_slow_reference(case: tuple[list[dict[str, Any]], Settings]) -> None:
    events, settings = case
    chosen, use_pileup = window_settings_of(settings), settings.pileup == "on"
    made = matched_clusters(events_of_dicts(events, chosen, use_pileup=use_pileup), chosen, use_pileup=use_pileup)
    rows = reference_matches(events, settings)
    for name, column in MATCH_COLUMNS.items():
        assert_same(name, made.columns[name], [row[name] for row in rows], column.dtype)
    counts = made.counts
    assert counts.clusters == counts.matched + counts.of_nobody and counts.matched == len(rows)
    assert counts.caloparticles == counts.with_clusters + counts.without_clusters
    assert counts.with_clusters == sum(row["is_seed"] for row in rows)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "matches.parquet"
    run("truth", "match", str(ELECTRONS), "-o", str(path), "--sample", "e", "-q")
    return path


def test_every_column_has_its_unit_and_meaning(table: Path) -> None:
    schema = pq.read_schema(table)
    assert schema.names == list(MATCH_COLUMNS)
    for field in schema:
        column = MATCH_COLUMNS[field.name]
        assert not field.nullable and field.type == pa.from_numpy_dtype(np.dtype(column.dtype))
        assert field.metadata == {b"unit": column.unit.encode(), b"meaning": column.meaning.encode()}
    assert json.loads(schema.metadata[b"ecalwindows"])["settings"]["sample"] == "e"


def test_the_manifest_proves_the_table(table: Path) -> None:
    manifest = read_manifest(manifest_path(table))
    assert problems(manifest, table.parent) == []
    assert manifest.format == "matches" and manifest.rows == n_matches(table) == manifest.counts["matched"] == 204
    assert [record.name for record in manifest.inputs] == ["electrons.root"]


def test_the_bytes_do_not_depend_on_the_steps(table: Path, tmp_path: Path) -> None:
    again = tmp_path / "again" / "matches.parquet"
    run("truth", "match", str(ELECTRONS), "-o", str(again), "--sample", "e", "--step-events", "5", "-q")
    assert again.read_bytes() == table.read_bytes()


def test_the_summary_adds_up_and_shows_the_next_step(tmp_path: Path) -> None:
    out = run("truth", "match", str(ELECTRONS), str(PHOTONS), "-o", str(tmp_path / "m.parquet"),
              "--keep-first-duplicates").out  # fmt: skip
    numbers = {line[:24].strip(): int(line[24:37].replace(",", "")) for line in out.splitlines()[:7]}
    assert numbers["clusters"] + numbers["of nobody"] == numbers["matched clusters"]
    assert numbers["caloparticles"] + numbers["without clusters"] == numbers["in the table"]
    assert f"next: ecalwindows truth working-points {tmp_path / 'm.parquet'}" in out


def test_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    cut = tmp_path / "cut.root"
    cut.write_bytes(ELECTRONS.read_bytes()[:100_000])
    ran = attempt("truth", "match", str(ELECTRONS), str(cut), "-o", str(tmp_path / "out" / "m.parquet"))
    assert ran.code == 2 and "cannot be read as a ROOT file" in ran.err and not (tmp_path / "out").exists()
    out = run("truth", "match", str(PHOTONS), str(cut), "-o", str(tmp_path / "m.parquet"), "--skip-bad-files").out
    assert f"bad file left out: {cut}" in out


def test_events_that_occur_twice_are_refused(tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    copy.write_bytes(ELECTRONS.read_bytes())
    ran = attempt("truth", "match", str(ELECTRONS), str(copy), "-o", str(tmp_path / "m.parquet"))
    assert ran.code == 2 and "is there twice" in ran.err


def test_readers_get_complete_caloparticles(tmp_path: Path) -> None:
    """Row groups of 7 rows cut caloparticles; what is read does not."""
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    write_matches(ELECTRONS, first)
    write_matches(PHOTONS, second, reading=Reading(step_events=3))
    tables = [pq.read_table(path) for path in (first, second)]
    first, second = tmp_path / "small_groups_a.parquet", tmp_path / "small_groups_b.parquet"
    for path, table in zip((first, second), tables, strict=True):
        pq.write_table(table, path, row_group_size=7)
    assert pq.ParquetFile(first).num_row_groups == -(-204 // 7)
    pieces = list(read_matches([first, second], ["group_id", "calo_score"]))
    assert len(pieces) > 20 and all(set(piece) == {"group_id", "calo_score"} for piece in pieces)
    seen = [group for piece in pieces for group in np.unique(piece["group_id"]).tolist()]
    assert len(seen) == len(set(seen))
    complete = np.concatenate([pq.read_table(path)["group_id"].to_numpy() for path in (first, second)])
    np.testing.assert_array_equal(np.concatenate([piece["group_id"] for piece in pieces]), complete)


def test_a_folder_of_tables_is_read(table: Path) -> None:
    assert [len(piece["is_seed"]) for piece in read_matches(table.parent, ["is_seed"])] == [
        len(piece["is_seed"]) for piece in read_matches(table, ["is_seed"])
    ]


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        pytest.param("nothing", InputError, "no such file", id="no file"),
        pytest.param("empty", InputError, "no tables", id="empty folder"),
        pytest.param("twice", InputError, "given twice", id="a file twice"),
        pytest.param("broken", BadFileError, "cannot be read", id="not Parquet"),
        pytest.param("column", InputError, "'calo_scores' is missing", id="no such column"),
    ],
)
def test_what_cannot_be_read_is_reported(
    table: Path, tmp_path: Path, what: str, kind: type[Exception], words: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    paths = {"nothing": tmp_path / "x.parquet", "empty": tmp_path / "empty", "twice": [table, table],
             "broken": tmp_path / "broken.parquet", "column": table}  # fmt: skip
    with pytest.raises(kind, match=words):
        list(read_matches(paths[what], ["calo_scores" if what == "column" else "calo_score"]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda t: t.slice(1, 3), "its first row is no main cluster", id="a caloparticle that is cut"),
        pytest.param(lambda t: retyped(t, "flavour", pa.int64()), "its column 'flavour' holds int64", id="int64"),
        pytest.param(lambda t: retyped(t, "is_seed", pa.int8()), "its column 'is_seed' holds int8", id="flags as int"),
        pytest.param(lambda t: without_first(t, "flavour"), "'flavour' holds float64, or values", id="null"),
        pytest.param(lambda t: without_first(t, "is_seed"), "'is_seed' holds object, or values", id="no flag"),
    ],
)
def test_a_table_with_other_rows_or_types_is_a_bad_file(
    table: Path, tmp_path: Path, change: Callable[[pa.Table], pa.Table], words: str
) -> None:
    """Its rows would count for other caloparticles, or as other numbers."""
    pq.write_table(change(pq.read_table(table)), tmp_path / "m.parquet")
    with pytest.raises(BadFileError, match=words):
        list(read_matches(tmp_path / "m.parquet", ["flavour", "calo_score"]))


def retyped(table: pa.Table, name: str, kind: pa.DataType) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, table[name].cast(kind))


def without_first(table: pa.Table, name: str) -> pa.Table:
    values = [None, *table[name].to_pylist()[1:]]
    return table.set_column(table.column_names.index(name), name, pa.array(values, table[name].type))
