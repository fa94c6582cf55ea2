"""The Parquet reader: it gives back what was written, makes files of other writers equal, and reports damage."""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import awkward as ak
import duckdb
import fsspec
import numpy as np
import polars
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from helpers.parquet_reader import (
    ALL_HITS,
    BATCH,
    DEFAULT,
    FOUR,
    SIX,
    assert_is_the_batch,
    joined,
    problem,
    tame_batch,
    written,
)
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.core.errors import BadFileError
from ecalwindows.dataset.flat_tables import FlatWriter, flat_rows, read_flat
from ecalwindows.formats.parquet.checked_file import KEPT_BYTES
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.parquet.footer import BLOCK, BlockSums, CheckedBytes, Proof
from ecalwindows.formats.parquet.reader import parquet_index, read_batches
from ecalwindows.formats.parquet.writer import ParquetWriter, arrow_table


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The batch as our writer writes it, in row groups of 15."""
    return written(tmp_path / "w.parquet")


# --- our own files


@pytest.mark.parametrize("rows", [1, 7, 15, 8192])
def test_what_was_written_is_read_whatever_the_step(file: Path, rows: int) -> None:
    assert_is_the_batch(joined(file, rows=rows))
    lengths = [len(batch) for batch in read_batches(file, rows=rows)]
    assert max(lengths) <= rows and sum(lengths) == 40
    if rows >= 15:
        assert lengths == [15, 15, 10], "no batch over the border of a row group"


def test_reading_leaves_nothing_for_the_garbage_collector(file: Path) -> None:
    """Circles of references would keep the footer of each file that was read for a long time."""
    list(read_batches(file))
    gc.collect()
    gc.disable()
    try:
        list(read_batches(file))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_components_of_a_hit_are_those_that_the_file_says(tmp_path: Path) -> None:
    found = joined(written(tmp_path / "w.parquet", replace(DEFAULT, hits=(5, 0, 3))))
    assert_is_the_batch(found, ("fraction", "ieta", "energy"))


def test_a_batch_is_a_partial_one(file: Path) -> None:
    (batch,) = read_batches(file, row_groups=[1])
    assert len(batch) == 15 and batch.cluster == {} and batch.events == {}
    np.testing.assert_array_equal(batch.pair_cluster, np.arange(len(batch.pair["en_cluster"])))
    assert batch.pair["is_seed"][batch.window_seed].all()
    assert len(batch.hits_offsets) == len(batch.pair_cluster) + 1


@pytest.mark.parametrize(
    ("columns", "window", "pair", "hits"),
    [
        pytest.param({"et_seed"}, {"et_seed"}, set(), set(), id="of windows"),
        pytest.param({"en_cluster"}, set(), {"en_cluster"}, set(), id="of clusters"),
        pytest.param({"ieta", "fraction"}, set(), set(), {"ieta", "fraction"}, id="of hits"),
        pytest.param({"mustache_seed_index"}, set(), set(), set(), id="one that the file lacks"),
        pytest.param(set(), set(), set(), set(), id="none"),
    ],
)
def test_only_the_columns_asked_for(
    file: Path, columns: set[str], window: set[str], pair: set[str], hits: set[str]
) -> None:
    for batch in read_batches(file, columns=columns):
        assert (set(batch.window), set(batch.pair), set(batch.hits)) == (window, pair, hits)
        assert batch.window_offsets[-1] >= len(batch) and (batch.window_seed >= 0).all()


def test_the_index_lists_columns_row_groups_and_ranges(file: Path) -> None:
    index = parquet_index(file)
    names, rows, ranges = index.names, index.rows, index.ranges
    assert names == {name for group in DEFAULT.groups.values() for name in group} | set(SIX)
    assert rows == (15, 15, 10)
    for first, group in zip((0, 15, 30), ranges, strict=True):
        et = BATCH.window["et_seed"][first : first + 15]
        assert group["et_seed"] == (et.min(), et.max())
        assert "en_cluster" not in group


def test_a_url(file: Path) -> None:
    with fsspec.open("memory://there/w.parquet", "wb") as copy:
        copy.write(file.read_bytes())
    assert_is_the_batch(joined("memory://there/w.parquet"))


# --- files of other programs


def as_lists(table: pa.Table) -> pa.Table:
    """As from JSON: float64, int64, all nullable."""
    return pa.Table.from_pylist(table.to_pylist())


def by_awkward(table: pa.Table, path: Path) -> None:
    ak.to_parquet(ak.from_arrow(table), path)


def by_awkward_extension(table: pa.Table, path: Path) -> None:
    ak.to_parquet(ak.from_arrow(table), path, extensionarray=True)


def by_pyarrow(change: Callable[[pa.Table], pa.Table]) -> Callable[[pa.Table, Path], None]:
    return lambda table, path: pq.write_table(change(table), path, row_group_size=15)


def retyped(table: pa.Table, change: Callable[[pa.DataType], pa.DataType]) -> pa.Table:
    """The table cast so that each type below is changed."""

    def deep(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_struct(kind):
            return pa.struct([pa.field(field.name, deep(field.type)) for field in kind])
        if pa.types.is_list(kind):
            return change(pa.list_(deep(kind.value_type)))
        return change(kind)

    return table.cast(pa.schema([pa.field(field.name, deep(field.type)) for field in table.schema]))


def large(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.large_list(kind.value_type)
    return pa.large_string() if pa.types.is_string(kind) else kind


def numbers(kind: pa.DataType) -> pa.DataType:
    """Flags as integers, all numbers but ids as float64."""
    if pa.types.is_boolean(kind):
        return pa.int8()
    return pa.float64() if pa.types.is_float32(kind) or pa.types.is_int32(kind) else kind


def fixed_hits(table: pa.Table) -> pa.Table:
    n = len(table.field("cl_h").metadata[b"components"].split(b", "))
    plain = pa.list_(pa.float32())
    return retyped(table, lambda kind: pa.list_(pa.float32(), n) if kind == plain else kind)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(by_awkward, id="awkward"),
        pytest.param(by_awkward_extension, id="awkward with extension types"),
        pytest.param(by_pyarrow(as_lists), id="nullable float64 and int64"),
        pytest.param(by_pyarrow(lambda table: retyped(table, large)), id="large lists and text"),
        pytest.param(by_pyarrow(lambda table: retyped(table, numbers)), id="flags and integers as numbers"),
        pytest.param(by_pyarrow(fixed_hits), id="hits of fixed size"),
        pytest.param(by_pyarrow(lambda table: table.select(table.column_names[::-1])), id="groups in another order"),
        pytest.param(by_pyarrow(lambda table: table.add_column(0, "extra", [range(40)])), id="a column more"),
    ],
)
@pytest.mark.parametrize("hits", [pytest.param(ALL_HITS, id="six"), pytest.param(DEFAULT, id="four")])
def test_files_of_others_are_made_equal(
    tmp_path: Path, write: Callable[[pa.Table, Path], None], hits: FeaturesDefinition
) -> None:
    table = arrow_table(BATCH, hits)
    write(table, tmp_path / "o.parquet")
    assert_is_the_batch(joined(tmp_path / "o.parquet"), SIX if hits is ALL_HITS else FOUR)


def test_nan_infinity_and_null_become_the_sentinel(tmp_path: Path) -> None:
    rows = arrow_table(BATCH, DEFAULT).slice(0, 3).to_pylist()
    rows[0]["seed_features"] |= {"et_seed": float("nan"), "seed_iz": None}
    rows[1]["cl_features"][0] |= {"en_cluster": float("inf"), "cl_r9": None}
    rows[1]["cl_metadata"][0]["cluster_PUfrac"] = float("-inf")
    rows[2]["cl_h"] = [[[1, 2, 0, float("nan")]], *([] for _ in rows[2]["cl_h"][1:])]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "n.parquet")
    (batch,) = read_batches(tmp_path / "n.parquet")
    row = batch.window_offsets[1]
    assert batch.window["et_seed"][0] == batch.window["seed_iz"][0] == -999
    assert batch.pair["en_cluster"][row] == batch.pair["cl_r9"][row] == batch.pair["cluster_PUfrac"][row] == -999
    assert batch.hits["energy_fraction"][batch.hits_offsets[batch.window_offsets[2]]] == -999
    for column in (*batch.window.values(), *batch.pair.values(), *batch.hits.values()):
        assert np.isfinite(column).all()


@pytest.mark.parametrize("write", [by_awkward, by_pyarrow(as_lists)], ids=["awkward", "pyarrow"])
def test_clusters_without_a_single_hit(tmp_path: Path, write: Callable[[pa.Table, Path], None]) -> None:
    """Others then write lists of no type at all."""
    write(arrow_table(tame_batch(5, mean_hits=0.0), DEFAULT), tmp_path / "n.parquet")
    (batch,) = read_batches(tmp_path / "n.parquet")
    assert set(batch.hits) == set(FOUR) and batch.hits_offsets[-1] == 0
    assert len(batch.hits_offsets) == len(batch.pair["en_cluster"]) + 1


# --- what is broken


def test_flipped_bits_in_pages_are_found_where_pages_have_checksums(tmp_path: Path) -> None:
    path, rng = tmp_path / "f.parquet", np.random.default_rng(5)
    pq.write_table(arrow_table(BATCH, ALL_HITS), path, compression="zstd", write_page_checksum=True)
    content, good = path.read_bytes(), joined(path)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    n_found = 0
    for place in rng.integers(4, footer, 60):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found = joined(path)
        except BadFileError:
            n_found += 1
        else:  # a bit of a header that says nothing
            assert all(np.array_equal(found[name], good[name]) for name in good)
    assert n_found > 40


def test_a_flipped_bit_in_the_footer_is_found_before_arrow_reads_it(file: Path) -> None:
    content, rng = file.read_bytes(), np.random.default_rng(6)
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in (*rng.integers(footer, len(content) - 8, 60), *range(len(content) - 8, len(content))):
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(damaged)
        assert re.search("footer|last bytes", problem(file).found)


def test_a_flipped_bit_in_the_checksum_of_the_footer_is_found_or_harmless(file: Path) -> None:
    content, good = file.read_bytes(), joined(file)
    seal = content.rindex(b"ecalwindows checksums:")
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for place in range(seal, footer):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        if place < footer - 36:  # of the words that mark it
            assert all(np.array_equal(column, good[name]) for name, column in joined(file).items())
        else:
            assert "footer is damaged" in problem(file).found


def test_a_flipped_bit_in_the_header_of_a_page_is_found_before_arrow_passes_over_the_page(file: Path) -> None:
    """Arrow leaves out pages of an unknown kind silently, and the column has other values."""
    content = file.read_bytes()
    metadata = pq.read_metadata(file)
    for place in range(0, metadata.num_columns, 7):
        damaged = bytearray(content)
        damaged[metadata.row_group(1).column(place).data_page_offset + 1] ^= 1 << 5
        file.write_bytes(damaged)
        assert re.search(r"bytes [0-9,]+ to [0-9,]+ are not those that were written", problem(file).found)


def test_only_what_is_read_is_checked(tmp_path: Path) -> None:
    """Bytes of other columns may be damaged; those of the columns that are read are found."""
    path = tmp_path / "w.parquet"
    with ParquetWriter(path, ALL_HITS) as writer:
        writer.write(tame_batch(200))
    content, good = path.read_bytes(), joined(path, columns={"et_seed"})
    group = pq.read_metadata(path).row_group(0)
    chunks = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    damaged = bytearray(content)
    assert chunks["seed_features.et_seed"].data_page_offset > BLOCK
    damaged[4] ^= 1
    path.write_bytes(damaged)
    assert np.array_equal(joined(path, columns={"et_seed"})["et_seed"], good["et_seed"])
    damaged[chunks["seed_features.et_seed"].data_page_offset] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(BadFileError, match="not those that were written"):
        joined(path, columns={"et_seed"})


PLAIN = np.random.default_rng(11).bytes(3 * BLOCK + 1000)
"""The bytes of a file, the last 500 of which are behind what has checksums."""


def checked(path: Path, content: bytes) -> CheckedBytes:
    """A file with this content, opened with the checksums of `PLAIN`."""
    sums = BlockSums()
    sums.update(PLAIN[:-500])
    path.write_bytes(content)
    return CheckedBytes(path, Proof(str(path), len(PLAIN) - 500, sums.all()))


@given(st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(-1, 2 * BLOCK)), max_size=12))
def test_checked_bytes_are_those_of_the_file_wherever_they_are_read(reads: list[tuple[int, int]]) -> None:
    with TemporaryDirectory() as folder, checked(Path(folder) / "f", PLAIN) as ours, BytesIO(PLAIN) as plain:
        for place, size in reads:
            assert ours.seek(place) == plain.seek(place)
            assert bytes(ours.read(size)) == plain.read(size)
            assert ours.tell() == plain.tell()


@given(st.integers(0, len(PLAIN) - 501), st.integers(1, BLOCK), st.integers(0, BLOCK))
def test_a_damaged_byte_is_found_by_each_read_of_it(place: int, size: int, before: int) -> None:
    damaged = bytearray(PLAIN)
    damaged[place] ^= 1
    first = max(place - before, 0)
    last = min(place + size, len(PLAIN) - 500)
    with TemporaryDirectory() as folder, checked(Path(folder) / "f", damaged) as ours:
        for _ in range(2):
            ours.seek(first)
            with pytest.raises(BadFileError, match="not those that were written"):
                ours.read(last - first)


@pytest.mark.parametrize("n", [1, 3, 1 << 20], ids=["a byte less", "bytes less", "megabytes more"])
def test_a_footer_that_is_not_where_the_file_says_is_found(file: Path, n: int) -> None:
    content = file.read_bytes()
    length = int.from_bytes(content[-8:-4], "little")
    file.write_bytes(content[:-8] + (length - n if n < 9 else n).to_bytes(4, "little") + b"PAR1")
    assert "footer" in problem(file).found


def test_files_that_other_programs_write_from_ours_need_no_checksum(file: Path, tmp_path: Path) -> None:
    """They keep our metadata, but not what is in front of the footer."""
    pq.write_table(pq.read_table(file), tmp_path / "o.parquet")
    assert_is_the_batch(joined(tmp_path / "o.parquet"))


def test_a_flipped_bit_in_a_name_is_found_in_files_of_other_programs(tmp_path: Path) -> None:
    pq.write_table(arrow_table(BATCH, ALL_HITS), tmp_path / "o.parquet")
    content = (tmp_path / "o.parquet").read_bytes()
    place = content.index(b"et_seed", len(content) - 8 - int.from_bytes(content[-8:-4], "little"))
    (tmp_path / "o.parquet").write_bytes(content[:place] + b"at_seed" + content[place + 7 :])
    assert "two names for one column (cluster_dat_seed, cluster_det_seed)" in problem(tmp_path / "o.parquet").found


def test_a_flipped_bit_in_the_footer_of_a_table_of_clusters_is_found(tmp_path: Path) -> None:
    columns = [SimpleNamespace(name="energy", dtype="float64", unit="GeV", meaning="an energy")]
    with FlatWriter(tmp_path / "t.parquet", columns, metadata={}) as writer:
        writer.write({"energy": np.arange(9.0)})
    content = bytearray((tmp_path / "t.parquet").read_bytes())
    content[content.rindex(b"energy")] ^= 1
    (tmp_path / "t.parquet").write_bytes(content)
    for read in (
        lambda: flat_rows(tmp_path / "t.parquet"),
        lambda: list(read_flat(tmp_path / "t.parquet", ["energy"], made_by="x")),
    ):
        with pytest.raises(BadFileError, match="footer is damaged"):
            read()


def changed(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Path], None]:
    """A file of three windows after a change."""

    def write(path: Path) -> None:
        rows = arrow_table(BATCH, DEFAULT).slice(0, 3).to_pylist()
        change(rows)
        pq.write_table(pa.Table.from_pylist(rows), path)

    return write


def text_for_et(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["seed_features"]["et_seed"] = "x"


def three_components(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["cl_h"] = [[[1, 2, 3]] for _ in row["cl_h"]]


@pytest.mark.parametrize(
    ("write", "found"),
    [
        pytest.param(lambda path: path.write_bytes(b""), "cannot be read", id="empty"),
        pytest.param(lambda path: path.write_text('{"a": 1}\n' * 9), "cannot be read", id="text"),
        pytest.param(lambda path: None, "no such file", id="not there"),
        pytest.param(
            lambda path: pq.write_table(pa.table({"a": [1]}), path), "none of the columns", id="something else"
        ),
        pytest.param(
            changed(lambda rows: rows[0]["window_metadata"].update(ncls=1.5)), "'ncls' holds", id="half an integer"
        ),
        pytest.param(
            changed(lambda rows: rows[0]["window_metadata"].update(ncls=2**40)), "'ncls' holds", id="too large"
        ),
        pytest.param(
            changed(lambda rows: rows[0]["cl_labels"][0].update(in_scluster=None)), "'in_scluster' holds", id="no flag"
        ),
        pytest.param(changed(text_for_et), "'et_seed' holds", id="text in a number"),
        pytest.param(
            changed(lambda rows: rows[0]["cl_labels"].pop()), "other numbers of clusters", id="groups disagree"
        ),
        pytest.param(changed(lambda rows: rows[1]["cl_h"].append([])), "other numbers of clusters", id="hits disagree"),
        pytest.param(changed(three_components), "hits in 'cl_h' have 3", id="three components"),
    ],
)
def test_what_is_wrong_is_reported_with_the_file(tmp_path: Path, write: Callable[[Path], None], found: str) -> None:
    path = tmp_path / "bad.parquet"
    write(path)
    error = problem(path)
    assert found in error.found
    assert error.expected and error.todo


# --- other tools read what we write


def test_other_tools_open_a_folder_of_our_files(tmp_path: Path) -> None:
    for name in ("part-00000.parquet", "part-00001.parquet"):
        written(tmp_path / name, DEFAULT)
    energy = BATCH.column("en_cluster").astype(np.float64)
    expected = 2 * energy[energy != 0].size
    array = ak.from_parquet(tmp_path)
    assert len(array) == 80 and ak.sum(array.cl_features["en_cluster"] != 0) == expected
    table = pyarrow.dataset.dataset(tmp_path).to_table(columns=["seed_features"])
    assert table.num_rows == 80
    pattern = str(tmp_path / "*.parquet")
    with duckdb.connect() as connection:
        query = f"select count(*), sum(len(cl_features)), max(seed_features.et_seed) from '{pattern}'"
        row = connection.execute(query).fetchone()
    assert row == (80, 2 * len(energy), BATCH.window["et_seed"].max())
    frame = polars.scan_parquet(pattern).select(polars.col("cl_h").list.len().sum()).collect()
    assert frame.item() == 2 * len(energy)


def with_first(group: str, name: str, value: Any, kind: pa.DataType | None = None) -> pa.Table:
    """Windows as other programs write them, with another first value in a column of windows, of another type."""
    table = pa.Table.from_pylist(arrow_table(BATCH, DEFAULT).slice(0, 3).to_pylist())
    record = table[group].combine_chunks()
    place = record.type.get_field_index(name)
    values = [value, *([type(value)()] * 2 if value is not None else [0, 0])]
    fields = [pa.array(values, kind) if i == place else record.field(i) for i in range(record.type.num_fields)]
    changed = pa.StructArray.from_arrays(fields, [field.name for field in record.type])
    return table.set_column(table.column_names.index(group), group, changed)


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("event_id", 2**63, pa.uint64()),
        ("event_id", None, pa.int64()),
        ("event_id", float("nan"), pa.float64()),
        ("event_id", 2.0**53 + 2, pa.float64()),
        ("event_id", 16_777_218.0, pa.float32()),
        ("run_id", 0.5, pa.float64()),
        ("lumi_id", "7", pa.string()),
        ("flavour", 2**32 + 11, pa.int64()),
        ("flavour", 2**31, pa.uint32()),
        ("flavour", -(2.0**31) - 1, pa.float64()),
        ("is_seed_calo_matched", 2, pa.int8()),
        ("is_seed_calo_matched", 0.5, pa.float64()),
    ],
    ids=str,
)
def test_an_integer_that_does_not_fit_its_column_is_a_bad_file_and_never_another_number(
    tmp_path: Path, name: str, value: Any, kind: pa.DataType
) -> None:
    """Ids are exact or there are none: no sentinel and no rounded float stands for one."""
    path = tmp_path / "w.parquet"
    pq.write_table(with_first("window_metadata", name, value, kind), path)
    assert f"'{name}' holds what is no" in problem(path).found


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [("event_id", 2**63 - 1, pa.uint64()), ("event_id", 2.0**53, pa.float64()), ("run_id", 2**24, pa.float32()),
     ("flavour", 22, pa.uint8()), ("flavour", -(2**31), pa.int64())],
    ids=str,
)  # fmt: skip
def test_integers_of_other_types_that_fit_are_the_same_numbers(
    tmp_path: Path, name: str, value: Any, kind: pa.DataType
) -> None:
    path = tmp_path / "w.parquet"
    pq.write_table(with_first("window_metadata", name, value, kind), path)
    (batch,) = read_batches(path)
    assert int(batch.window[name][0]) == int(value)


@pytest.mark.parametrize(("place", "value"), [(0, 0.5), (1, 2.0**31), (2, -(2.0**40)), (0, float("inf"))])
def test_the_place_of_a_hit_that_is_no_int32_is_a_bad_file_or_the_sentinel(
    tmp_path: Path, place: int, value: float
) -> None:
    """Cut off or wrapped it would be the place of another crystal."""
    table = arrow_table(BATCH, DEFAULT).slice(0, 3)
    rows = table.column("cl_h").to_pylist()
    first = next(hits for window in rows for hits in window if hits)
    first[0][place] = value
    field = table.schema.field("cl_h")
    path = tmp_path / "w.parquet"
    pq.write_table(table.set_column(table.column_names.index("cl_h"), field, pa.array(rows, field.type)), path)
    if np.isfinite(value):
        assert f"component '{FOUR[place]}' of the hits holds" in problem(path).found
    else:
        (batch,) = read_batches(path)
        assert batch.hits[FOUR[place]][0] == -999


def bytes_read() -> int:
    """Bytes that this process has read so far, from files and from the page cache."""
    return int(re.findall(r"rchar: (\d+)", Path("/proc/self/io").read_text())[0])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system does not count what is read")
def test_the_end_of_a_file_is_read_once_in_a_process_until_the_file_changes(file: Path, tmp_path: Path) -> None:
    other = written(tmp_path / "other.parquet", DEFAULT)
    for path in (file, other):
        os.utime(path, (1e9, 1e9))
    size = pq.read_metadata(file).serialized_size
    first, before = parquet_index(file), bytes_read()
    assert parquet_index(file) == first and bytes_read() - before < size
    shutil.copyfile(other, file)
    assert parquet_index(file).names == parquet_index(other).names != first.names


def test_threads_that_read_more_files_than_a_process_remembers_find_what_is_in_each(tmp_path: Path) -> None:
    first = written(tmp_path / "0.parquet", DEFAULT)
    paths = [Path(shutil.copy(first, tmp_path / f"{number}.parquet")) for number in range(1, 41)]
    for path in paths:
        os.utime(path, (1e9, 1e9))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(parquet_index, paths * 3))
    assert all(each == found[0] for each in found)
    assert len(paths) * pq.read_metadata(first).serialized_size > KEPT_BYTES
