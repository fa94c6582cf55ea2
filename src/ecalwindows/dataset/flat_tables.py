"""Flat tables as Parquet: columns of numbers, each with unit and meaning, written and read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa

from ecalwindows.core.arrays import Array
from ecalwindows.core.errors import InputError, near
from ecalwindows.core.files.file_state import unchanged
from ecalwindows.core.threads import Threads
from ecalwindows.dataset.stated import checked_file
from ecalwindows.formats.parquet.checked_file import CheckedFile
from ecalwindows.formats.parquet.footer import bad_file
from ecalwindows.formats.parquet.writer import TableWriter, column_field

Columns = dict[str, Array]

ROW_GROUP = 1 << 17
"""Rows in a row group: some 20 MB of a table of 50 columns."""


class FlatColumn(Protocol):
    """What a column records about itself."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def dtype(self) -> str:
        """As stored, a NumPy name."""

    @property
    def unit(self) -> str:
        """Empty for a pure number."""

    @property
    def meaning(self) -> str:
        """One phrase."""


class FlatWriter(TableWriter):
    """Writes columns of numbers to one Parquet file; row groups are cut by row count, whatever comes at a time."""

    def __init__(
        self,
        path: str | Path,
        columns: Sequence[FlatColumn],
        *,
        metadata: Mapping[str, str],
        threads: Threads | None = None,
    ) -> None:
        super().__init__(path, metadata=metadata, row_group=ROW_GROUP, threads=threads)
        self._columns = columns

    def write(self, values: Mapping[str, Array]) -> None:
        """Append rows; `values` has all columns in their stored dtypes, (n,) each."""
        arrays = [pa.array(values[column.name]) for column in self._columns]
        fields = [column_field(column, array.type) for column, array in zip(self._columns, arrays, strict=True)]
        self.put(pa.Table.from_arrays(arrays, schema=pa.schema(fields)))


def read_flat(path: Path, columns: Sequence[str], *, made_by: str) -> Iterator[Columns]:
    """The requested columns of a file, one row group at a time.

    made_by : the command that makes such files, for errors
    Raises BadFileError for a file that is not complete Parquet, InputError for a missing column and for a file
    that changes while it is read.
    """
    yield from unchanged(path, _row_groups(path, columns, made_by))


def _row_groups(path: Path, columns: Sequence[str], made_by: str) -> Iterator[Columns]:
    with _readable(path, f"make it again with `{made_by}`"):
        checked_file(path)
        with CheckedFile(path) as file:
            check_columns(path, file.schema_arrow.names, columns, made_by)
            for number in range(file.num_row_groups):
                table = file.read_row_group(number, columns=list(columns), use_threads=False)
                yield {name: np.asarray(table[name].combine_chunks()) for name in columns}


def flat_rows(path: Path) -> int:
    """Rows of a file, from its footer. Raises BadFileError."""
    with _readable(path, "check the path, or make it again"), CheckedFile(path) as file:
        return int(file.metadata.num_rows)


@contextmanager
def _readable(path: Path, todo: str) -> Iterator[None]:
    """Errors of the system and of Arrow become a BadFileError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        found = f"the file cannot be read: {' '.join(str(error).split())[:200]}"
        raise bad_file(found, path, expected="a complete Parquet file", todo=todo) from error


def check_columns(path: Path, there: Sequence[str], wanted: Sequence[str], made_by: str) -> None:
    """Raise InputError for the first wanted column that is not there."""
    missing = [name for name in wanted if name not in there]
    if missing:
        raise InputError(
            f"the column '{missing[0]}' is missing",
            expected=near(missing[0], there) if there else "columns",
            where=str(path),
            todo=f"give a table made by `{made_by}`",
        )
