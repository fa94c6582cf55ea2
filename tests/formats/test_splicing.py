"""Row groups that threads encode side by side: the file that one writer would write, byte for byte."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecalwindows.core.errors import OutputError
from ecalwindows.core.threads import Threads
from ecalwindows.formats.parquet.splicing import Splicing, encoded
from ecalwindows.formats.parquet.writer import TableWriter

VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-3, 3),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.string(): st.text(max_size=300),
}


def kinds() -> st.SearchStrategy[pa.DataType]:
    """Types of columns: numbers and text, lists of them, and records of such lists."""
    number = st.sampled_from(list(VALUES))
    lists = number.map(lambda kind: pa.list_(pa.field("element", kind, nullable=False)))
    records = st.lists(number | lists, min_size=1, max_size=3).map(
        lambda kinds: pa.struct([pa.field(f"x{place}", kind, nullable=False) for place, kind in enumerate(kinds)])
    )
    return number | lists | records


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """A value of a type."""
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    return st.lists(values(kind.value_type), max_size=3) if pa.types.is_list(kind) else VALUES[kind]


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A table of any such columns, some rows of which are there many times."""
    schema = pa.schema([pa.field(f"c{n}", draw(kinds()), nullable=False) for n in range(draw(st.integers(1, 4)))])
    row = st.fixed_dictionaries({field.name: values(field.type) for field in schema})
    rows = draw(st.lists(row, max_size=20)) * draw(st.sampled_from([1, 1, 3, 40]))
    return pa.Table.from_pylist(rows, schema=schema)


def written(path: Path, pieces: list[pa.Table], threads: int, **options: Any) -> bytes:
    with Threads(threads) as some, TableWriter(path, threads=some, **options) as writer:
        for piece in pieces:
            writer.put(piece)
    return path.read_bytes()


@settings(max_examples=25)
@given(
    table=tables(), row_group=st.integers(1, 60), step=st.integers(1, 50),
    metadata=st.dictionaries(st.text(min_size=1), st.text(max_size=300), max_size=3),
)  # fmt: skip
def test_the_bytes_of_any_table_are_those_of_one_writer(
    tmp_path_factory: pytest.TempPathFactory, table: pa.Table, row_group: int, step: int, metadata: dict[str, str]
) -> None:
    path = tmp_path_factory.getbasetemp() / "t.parquet"
    pieces = [table.slice(first, step) for first in range(0, max(len(table), 1), step)]
    alone, *others = (written(path, pieces, n, row_group=row_group, metadata=metadata) for n in (1, 2, 3))
    assert others == [alone, alone]


@pytest.mark.parametrize("n_groups", [0, 1, 14, 15, 16, 130])
def test_any_number_of_row_groups_is_read_back(tmp_path: Path, n_groups: int) -> None:
    table = pa.table({"x": pa.array(range(n_groups * 3), pa.int32())})
    found = written(tmp_path / "t.parquet", [table], 2, row_group=3)
    assert found == written(tmp_path / "u.parquet", [table], 1, row_group=3)
    file = pq.ParquetFile(io.BytesIO(found), page_checksum_verification=True)
    assert file.num_row_groups == max(n_groups, 1)
    assert file.read() == table
    for number in range(n_groups):
        assert file.read_row_group(number)["x"].to_pylist() == [3 * number, 3 * number + 1, 3 * number + 2]


def test_places_beyond_4_gb_are_those_of_one_writer() -> None:
    """The first row group is far into the file: only the footer is made, without so many bytes."""
    table = pa.table({"x": pa.array([1, 2], pa.int64())})
    file = Splicing(io.BytesIO())
    file.put(encoded(table, table.schema, {}))
    file.place = far = 5_000_000_000
    file.put(encoded(table, table.schema, {}))
    found = pq.read_metadata(io.BytesIO(b"PAR1" + file.end()))
    first, second = (found.row_group(number).column(0) for number in (0, 1))
    assert second.data_page_offset - first.data_page_offset == far - 4
    assert second.dictionary_page_offset == far and found.num_rows == 4


def test_row_groups_with_more_than_columns_are_refused() -> None:
    table = pa.table({"x": pa.array([1, 2], pa.int64())})
    with pytest.raises(OutputError, match="more into a row group than its columns"):
        encoded(table, table.schema, {"write_page_index": True})


@pytest.mark.parametrize("threads", [1, 2])
def test_a_table_of_another_layout_is_refused_and_leaves_no_footer(tmp_path: Path, threads: int) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(ValueError, match="schema"):
        written(path, [pa.table({"x": [1, 2]}), pa.table({"x": ["a", "b"]})], threads, row_group=1)
    assert not path.read_bytes().endswith(b"PAR1")


def test_row_groups_that_are_encoded_side_by_side_have_memory_of_malloc() -> None:
    table = pa.table({"x": pa.chunked_array([list(map(float, range(first, first + 4000))) for first in (0, 4000)])})
    pools = pa.default_memory_pool(), pa.system_memory_pool()
    before = [pool.bytes_allocated() for pool in pools]
    group = encoded(table, table.schema, {})
    grown = [pool.bytes_allocated() - held for pool, held in zip(pools, before, strict=True)]
    assert len(group.chunks) > 40000 and grown[0] == 0 and grown[1] >= len(group.chunks)


def test_a_row_group_that_needs_more_room_than_was_reserved_is_the_same() -> None:
    table = pa.table({"x": pa.array(range(1000))})
    usual, small = (encoded(table, table.schema, {}, room=room) for room in (None, 100))
    assert small == usual
