"""Parquet of other programs: every shape is read right or refused, never read as other numbers or without clusters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN, read_ndjson
from helpers.parquet_reader import BATCH, DEFAULT, FOUR, SIX, assert_is_the_batch, joined, problem, written

import ecalwindows
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.schema import COLUMNS
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.parquet.reader import parquet_index, read_batches
from ecalwindows.formats.parquet.shape import HIT_NAMES
from ecalwindows.formats.parquet.writer import arrow_table

CLUSTERS = ("cl_features", "cl_metadata", "cl_labels")


def array() -> ak.Array:
    return ak.from_arrow(arrow_table(BATCH, DEFAULT))


def as_records_of_lists(groups: tuple[str, ...]) -> Callable[[Path], None]:
    """As `ak.zip(..., depth_limit=1)` writes groups."""

    def write(path: Path) -> None:
        events = array()
        parts = {name: events[name] for name in events.fields}
        for group in groups:
            fields = {name: events[group][name] for name in events[group].fields}
            parts[group] = ak.zip(fields, depth_limit=1)
        ak.to_parquet(ak.zip(parts, depth_limit=1), path)

    return write


def at_the_top_level(name_of: Callable[[str, str], str]) -> Callable[[Path], None]:
    """Every column by itself: one number or one list per window."""

    def write(path: Path) -> None:
        events = array()
        columns = {
            name_of(group, name): events[group][name] for group in DEFAULT.groups for name in events[group].fields
        }
        ak.to_parquet(ak.zip(columns | {"cl_h": events["cl_h"]}, depth_limit=1), path)

    return write


def with_named_hits(path: Path) -> None:
    """Hits as records."""
    events = array()
    hits = events["cl_h"]
    events["cl_h"] = ak.zip({name: hits[..., i] for i, name in enumerate(FOUR)})
    ak.to_parquet(events, path)


def by_polars(path: Path) -> None:
    written(path, DEFAULT)
    polars.read_parquet(path).write_parquet(path)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(as_records_of_lists(CLUSTERS), id="records of lists"),
        pytest.param(as_records_of_lists(CLUSTERS[1:2]), id="one group as a record of lists"),
        pytest.param(at_the_top_level(lambda _, name: name), id="columns without groups"),
        pytest.param(at_the_top_level(lambda group, name: f"{group}.{name}"), id="group in the name"),
        pytest.param(with_named_hits, id="hits as records"),
        pytest.param(by_polars, id="polars"),
    ],
)
def test_other_shapes_are_read_as_the_same_windows(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "w.parquet"
    write(path)
    assert_is_the_batch(joined(path), FOUR)
    data = ecalwindows.open_dataset(path)
    assert ak.to_list(data.to_awkward().cl_features.en_cluster) == ak.to_list(array().cl_features.en_cluster)
    assert ak.to_list(data.select(["en_cluster"]).to_awkward().cl_features.en_cluster) == ak.to_list(
        array().cl_features.en_cluster
    )


def test_the_lines_of_ndjson_as_a_table_are_read_as_the_same_windows(tmp_path: Path) -> None:
    """As `pandas.read_json(lines=True).to_parquet()` and `polars.read_ndjson().write_parquet()` write them."""
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.ndjson"), "--events", ":8", "-q")
    lines = read_ndjson(tmp_path / "w.ndjson")
    pq.write_table(pa.Table.from_pylist(lines), tmp_path / "lines.parquet")
    polars.read_ndjson(tmp_path / "w.ndjson").write_parquet(tmp_path / "polars.parquet")
    for name in ("lines", "polars"):
        ran = run("compare", str(tmp_path / "w.ndjson"), str(tmp_path / f"{name}.parquet"))
        assert f"equal: {len(lines)} windows" in ran.out and "columns only in" not in ran.out


def changed(group: str, change: Callable[[ak.Array], Any]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        events = array()
        events[group] = change(events[group])
        ak.to_parquet(events, path)

    return write


def only_strangers(path: Path) -> None:
    energy = [[1.0, 2.0], [3.0]]
    ak.to_parquet(ak.zip({"et_seed": [1.0, 2.0], "energy_of_clusters": energy}, depth_limit=1), path)


def two_of_one_name(path: Path) -> None:
    table = arrow_table(BATCH, DEFAULT)
    pq.write_table(table.append_column(table.schema.field("cl_features"), table["cl_features"]), path)


def two_of_one_name_in_a_group(path: Path) -> None:
    energy = pa.array([1.0, 2.0])
    pq.write_table(
        pa.table({"seed_features": pa.StructArray.from_arrays([energy, energy], ["et_seed", "et_seed"])}), path
    )


@pytest.mark.parametrize(
    ("write", "found"),
    [
        pytest.param(
            changed("cl_features", lambda group: ak.zip({"en_cluster": ak.firsts(group.en_cluster)})),
            "'cl_features.en_cluster' has one value per window",
            id="one cluster only",
        ),
        pytest.param(
            changed("cl_features", lambda group: ak.zip({"en_cluster": group.en_cluster[..., np.newaxis]})),
            "'cl_features.en_cluster' has lists of lists",
            id="a list too many",
        ),
        pytest.param(
            changed("window_metadata", lambda group: ak.unflatten(group, 1)),
            "has one list per window",
            id="windows in a list",
        ),
        pytest.param(
            changed("cl_h", lambda group: ak.flatten(group, axis=2)), "'cl_h' has lists of lists", id="hits of windows"
        ),
        pytest.param(only_strangers, "none of its lists has the name of a column of clusters", id="other names"),
        pytest.param(two_of_one_name, "two columns of the name 'cl_features", id="two columns of one name"),
        pytest.param(two_of_one_name_in_a_group, "two columns of the name 'seed_features.et_seed'", id="in a group"),
    ],
)
def test_shapes_that_cannot_be_windows_are_refused(tmp_path: Path, write: Callable[[Path], None], found: str) -> None:
    path = tmp_path / "bad.parquet"
    write(path)
    assert found in problem(path).found
    with pytest.raises(BadFileError):
        len(ecalwindows.open_dataset(path).to_arrow())
    ran = attempt("convert", str(path), "-o", str(tmp_path / "w.ndjson"))
    assert ran.code == 2 and found in ran.err and not (tmp_path / "w.ndjson").exists()


def test_a_record_of_lists_of_other_lengths_is_refused(tmp_path: Path) -> None:
    events = array()
    fields = {name: events["cl_features"][name] for name in events["cl_features"].fields}
    fields["et_cluster"] = fields["et_cluster"][:, :-1]
    events["cl_features"] = ak.zip(fields, depth_limit=1)
    ak.to_parquet(events, tmp_path / "w.parquet")
    assert "'cl_features.et_cluster' has other numbers of clusters" in problem(tmp_path / "w.parquet").found


def with_ids(path: Path, column: pa.Array) -> Path:
    """A table of one column of windows and one of clusters."""
    clusters = pa.array([[1.0]] * len(column), pa.list_(pa.float32()))
    pq.write_table(pa.table({"event_id": column, "en_cluster": clusters}), path)
    return path


@pytest.mark.parametrize(
    ("column", "found"),
    [
        (pa.array(np.array([3, 0.5], np.float16)), "0.5"),
        (pa.array(np.array([3, np.nan], np.float16)), "found nan"),
        (pa.array([Decimal(3)], pa.decimal128(10, 0)), "found decimal128(10, 0)"),
        (pa.array([date(2026, 1, 1)]), "found date32[day]"),
        (pa.array(["3"]).dictionary_encode(), "found string"),
        (pa.nulls(2), "found null"),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_a_column_of_another_type_is_named_with_what_it_holds_and_should_hold(
    tmp_path: Path, column: pa.Array, found: str
) -> None:
    path = with_ids(tmp_path / "w.parquet", column)
    wrong = problem(path)
    assert wrong.found.startswith("column 'event_id' holds what is no int64: ") and found in wrong.found
    assert wrong.where == str(path) and wrong.expected == "values of the type int64" and "another name" in wrong.todo


@pytest.mark.parametrize(
    "column",
    [pa.array(np.array([3, 2048], np.float16)), pa.array([3, 2048], pa.int16()).dictionary_encode()],
    ids=["float16", "dictionary"],
)
def test_numbers_of_another_type_that_are_integers_are_read(tmp_path: Path, column: pa.Array) -> None:
    (batch,) = read_batches(with_ids(tmp_path / "w.parquet", column))
    assert batch.column("event_id").tolist() == [3, 2048]


# Hits without names


def golden_with_hits(tmp_path: Path, hits: tuple[int, ...]) -> Path:
    """A file whose hits have these components, written again by Awkward Array: the metadata are lost."""
    (tmp_path / "f.json").write_text(
        f'{{"features_dict": {{"cl_features": ["en_cluster", "is_seed"], "seed_features": ["et_seed"]}}, '
        f'"hits_indices": {list(hits)}}}'.replace('"is_seed"', '"et_cluster"')
    )
    run(
        "windows",
        str(GOLDEN / "electrons.root"),
        "-o",
        str(tmp_path / "w.parquet"),
        "-f",
        str(tmp_path / "f.json"),
        "-q",
    )
    ak.to_parquet(ak.from_parquet(tmp_path / "w.parquet"), tmp_path / "lost.parquet")
    return tmp_path / "lost.parquet"


@pytest.mark.parametrize(
    "hits",
    [
        pytest.param((4, 0, 1, 2), id="energy first"),
        pytest.param((0, 1, 2, 5), id="fraction for energy"),
        pytest.param((0, 1, 2, 3), id="energy without fraction"),
        pytest.param((1, 0, 2, 4), id="phi before eta"),
        pytest.param((0, 1, 4, 2), id="energy for iz"),
        pytest.param((5, 4, 3, 2, 1, 0), id="six in another order"),
        pytest.param((0, 1, 2, 4, 3, 5), id="six with two exchanged"),
    ],
)
def test_hits_that_cannot_be_what_their_number_says_are_refused(tmp_path: Path, hits: tuple[int, ...]) -> None:
    path = golden_with_hits(tmp_path, hits)
    ran = attempt("convert", str(path), "-o", str(tmp_path / "o.parquet"))
    assert ran.code == 2 and f"the file does not say what the {len(hits)} numbers of a hit in 'cl_h' are" in ran.err
    with pytest.raises(BadFileError, match="the file does not say"):
        ecalwindows.open_dataset(path).to_arrow()
    with pytest.raises(BadFileError, match="the file does not say"):
        ecalwindows.open_dataset(path).select(["iz", "energy_fraction"]).to_arrow()


@pytest.mark.parametrize("hits", [(0, 1, 2, 4), (0, 1, 2, 3, 4, 5)], ids=["four", "six"])
def test_hits_that_are_what_their_number_says_are_read(tmp_path: Path, hits: tuple[int, ...]) -> None:
    found, expected = (joined(path) for path in (golden_with_hits(tmp_path, hits), tmp_path / "w.parquet"))
    for i in hits:
        np.testing.assert_array_equal(found[HIT_NAMES[i]], expected[HIT_NAMES[i]])


def test_hits_that_nothing_can_prove_are_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events = array()
    ak.to_parquet(
        ak.zip({"et_seed": events.seed_features.et_seed, "cl_h": events.cl_h}, depth_limit=1), tmp_path / "w.parquet"
    )
    data = ecalwindows.open_dataset(tmp_path / "w.parquet")
    assert len(data.to_arrow()) == len(data.to_arrow()) == len(BATCH)
    (record,) = caplog.records
    assert "read as ieta, iphi, iz, energy_fraction" in record.getMessage()


# Statistics of row groups


def with_statistics(tmp_path: Path, values: list[float], kind: Any) -> Path:
    path = tmp_path / "s.parquet"
    flags = pa.array([True] * len(values))
    record = pa.StructArray.from_arrays([pa.array(values, kind), flags], ["et_seed", "is_seed_calo_matched"])
    pq.write_table(pa.table({"seed_features": record}), path, row_group_size=2)
    return path


def nan_in_statistics(path: Path, number: float) -> None:
    """Put NaN where a number is in the footer, as older writers did."""
    content, text = path.read_bytes(), np.float32(number).tobytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    assert content.count(text, footer)
    path.write_bytes(content[:footer] + content[footer:].replace(text, np.float32(np.nan).tobytes()))


@pytest.mark.parametrize("number", [7.25, 9.5], ids=["least", "largest"])
def test_row_groups_with_nan_in_their_statistics_are_read(tmp_path: Path, number: float) -> None:
    path = with_statistics(tmp_path, [7.25, 9.5, 1.0, 2.0], pa.float32())
    nan_in_statistics(path, number)
    assert sorted(parquet_index(path).ranges[0]) == ["is_seed_calo_matched"]
    data = ecalwindows.open_dataset(path)
    assert len(data.filter(et_min=5.0)) == 2 and len(data.filter(et_max=8.0)) == 3


def test_statistics_of_wider_numbers_are_rounded_as_the_numbers_are(tmp_path: Path) -> None:
    """Just below 5 in float64 is 5 in float32, which is what is read and compared."""
    path = with_statistics(tmp_path, [5 - 1e-12, 5 - 1e-12, 1e300, 1.0], pa.float64())
    assert len(ecalwindows.open_dataset(path).filter(et_min=5.0)) == 2


@pytest.mark.parametrize("flags", [[255, 255], [-1, -2], [2, 3]], ids=str)
def test_a_filter_does_not_pass_over_flags_that_are_no_flags(tmp_path: Path, flags: list[int]) -> None:
    record = pa.StructArray.from_arrays([pa.array([1.0, 2.0]), pa.array(flags)], ["et_seed", "is_seed_calo_matched"])
    pq.write_table(pa.table({"seed_features": record}), tmp_path / "w.parquet")
    with pytest.raises(BadFileError, match="'is_seed_calo_matched' holds"):
        len(ecalwindows.open_dataset(tmp_path / "w.parquet").filter(matched=True))


def test_flags_as_integers_are_filtered_by_their_statistics(tmp_path: Path) -> None:
    flags = pa.array([1, 1, 0, 0, 0, 1])
    record = pa.StructArray.from_arrays([pa.array(np.arange(6.0)), flags], ["et_seed", "is_seed_calo_matched"])
    pq.write_table(pa.table({"seed_features": record}), tmp_path / "w.parquet", row_group_size=2)
    data = ecalwindows.open_dataset(tmp_path / "w.parquet")
    assert (len(data.filter(matched=True)), len(data.filter(matched=False))) == (3, 3)


def test_every_column_of_the_packaged_definitions_has_one_level() -> None:
    for name in ("default", "seed"):
        for group, names in features_definition(name).groups.items():
            assert {COLUMNS[each].level for each in names} <= {"cluster" if group.startswith("cl_") else "window"}
    assert not set(SIX) & set(COLUMNS)
