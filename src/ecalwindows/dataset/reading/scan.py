"""What of a dataset is read, and how: files, limits on windows, headers that are read once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ecalwindows.core.arrays import Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import COLUMNS
from ecalwindows.core.urls import is_remote
from ecalwindows.dataset.reading.expression import Condition
from ecalwindows.dataset.reading.sources import File, file_batches, file_index
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.formats.manifest import Manifest
from ecalwindows.formats.parquet.reader import Index
from ecalwindows.formats.readers import file_manifest

Unit = tuple[File, int | None]
"""What is read at a time: a row group of a file, or a complete file."""

MAX_DEPTH = 6
"""Folders of a dataset in the name of a file, as its record has it, and the file itself."""


@dataclass(frozen=True)
class Scan:
    """Files of a dataset and the limits that all windows pass; `indices` are the headers read so far, by path."""

    files: tuple[File, ...]
    selections: tuple[Condition, ...] = ()
    indices: dict[str, Index] = field(default_factory=dict, compare=False, repr=False)

    def index(self, file: File) -> Index:
        """What a file holds."""
        if file.path not in self.indices:
            self.indices[file.path] = file_index(file)
        return self.indices[file.path]

    @cached_property
    def names(self) -> frozenset[str]:
        """Columns and hit components of the first file with any."""
        return next((names for file in self.files if (names := self.index(file).names)), frozenset())

    def units(self) -> Iterator[Unit]:
        """What is to be read; row groups in which no window can pass are left out."""
        for file in self.files:
            index = self.index(file)
            if index.rows is None:
                yield file, None
            for group, ranges in enumerate(index.ranges):
                if all(selection.may_pass(ranges) for selection in self.selections):
                    yield file, group

    def pieces(self, units: Iterable[Unit], columns: frozenset[str]) -> Iterator[tuple[WindowBatch, Integers]]:
        """Batches with these columns, each with its rows that pass all limits."""
        needed = columns.union(*(selection.columns for selection in self.selections))
        for file, group in units:
            for batch in file_batches(file, needed, group):
                passes = [selection.passing(batch.window) for selection in self.selections]
                yield batch, np.flatnonzero(np.all([np.ones(len(batch), bool), *passes], axis=0))

    def manifests(self) -> list[Manifest | None]:
        """The manifest of each file, None where there is none and for remote files. Raises OutputError."""
        return [None if is_remote(each.path) else file_manifest(Path(each.path)) for each in self.files]

    def stated_windows(self, record: DatasetRecord | None) -> int | None:
        """Windows without limits, as record or headers state them; None if only reading would find out."""
        stated = {file.name: file.windows for file in record.all_files} if record else {}
        counts = [self._stated_of(file, stated) for file in self.files]
        return None if None in counts else sum(filter(None, counts))

    def _stated_of(self, file: File, stated: Mapping[str, int | None]) -> int | None:
        parts = file.path.split("/")
        names = ("/".join(parts[-n:]) for n in range(1, min(len(parts), MAX_DEPTH) + 1))
        if name := next((name for name in names if name in stated), None):
            return stated[name]
        if is_remote(file.path) and file.path not in self.indices:
            return None
        rows = self.index(file).rows
        return None if rows is None else sum(rows)

    def count(self) -> int:
        """Windows: from the headers where possible, else by reading as little as possible."""
        return sum(self._count(unit) for unit in self.units())

    def _count(self, unit: Unit) -> int:
        rows, group = self.index(unit[0]).rows, unit[1]
        if rows is not None and group is not None and not self.selections:
            return rows[group]
        least = frozenset() if self.selections else frozenset(sorted(self.names & set(COLUMNS))[:1])
        return sum(len(kept) for _, kept in self.pieces([unit], least))
