"""A Parquet file of which every byte is checked before Arrow reads it, where it has checksums of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from ecalwindows.formats.parquet.footer import Proof, read_proof


class CheckedFile(pq.ParquetFile):  # type: ignore[misc]
    """`pyarrow.parquet.ParquetFile` of a local file, with its proof (None: a file of another program)."""

    def __init__(self, path: str | Path, **options: Any) -> None:
        self.path = Path(path)
        with self.path.open("rb") as file:
            self.proof: Proof | None = read_proof(file, self.path.stat().st_size, path)
        super().__init__(str(path), page_checksum_verification=True, **options)

    def iter_batches(
        self,
        *arguments: Any,
        row_groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        **more: Any,
    ) -> Iterator[Any]:
        """As of `ParquetFile`. Raises BadFileError for damaged bytes."""
        self._check(range(self.num_row_groups) if row_groups is None else row_groups, columns)
        found: Iterator[Any] = super().iter_batches(*arguments, row_groups=row_groups, columns=columns, **more)
        return found

    def read_row_group(self, i: int, columns: Sequence[str] | None = None, **more: Any) -> Any:
        """As of `ParquetFile`. Raises BadFileError for damaged bytes."""
        self._check([i], columns)
        return super().read_row_group(i, columns=columns, **more)

    def _check(self, groups: Sequence[int], columns: Sequence[str] | None) -> None:
        if self.proof is None:
            return
        ranges, wanted = [], None if columns is None else frozenset(columns)
        for number in groups:
            group = self.metadata.row_group(number)
            for place in range(group.num_columns):
                chunk = group.column(place)
                if wanted is None or not wanted.isdisjoint(_names(chunk.path_in_schema)):
                    first = min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
                    ranges.append((first, first + chunk.total_compressed_size))
        with self.path.open("rb") as file:
            self.proof.check(file, ranges)


@lru_cache(maxsize=1024)
def _names(path: str) -> tuple[str, ...]:
    """The name of a column of Parquet, and those of all groups above it."""
    ends = [place for place, letter in enumerate(path) if letter == "."]
    return (path, *(path[:end] for end in ends))
