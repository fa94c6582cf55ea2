"""The same windows under two names: they would be counted twice, and nothing in a histogram or a mean shows it.

Copies byte by byte are found before anything is read: files of the same size have their checksums compared. The same
windows in another format or compression are found when both were read, by the columns that every format has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.dataset.flat_tables import flat_rows
from ecalwindows.dataset.stated import file_sha256
from ecalwindows.formats.readers import file_columns

COMPARED = ("run_id", "lumi_id", "event_id", "seed_index", "et_seed", "seed_eta", "seed_phi", "ncls")
"""Columns of windows by which the same windows are known again, those of them that both files have."""

PROVING = ({"event_id", "seed_index"}, {"et_seed", "seed_eta"})
"""Columns of which one set must be among them."""


def refuse_copies(files: Iterable[Path], *, are_windows: bool = True) -> None:
    """Raise InputError when two data files with rows have the same bytes; only those of one size are read.

    are_windows : else they are tables of matched clusters
    """
    by_size: dict[int, list[Path]] = {}
    for file in files:
        if file.is_file():
            by_size.setdefault(file.stat().st_size, []).append(file)
    for same in by_size.values():
        seen: dict[str, Path] = {}
        for file in same if len(same) > 1 else ():
            other = seen.setdefault(file_sha256(file), file)
            if other is not file and _has_rows(file, are_windows):
                raise copied(str(other), str(file))


def _has_rows(file: Path, are_windows: bool) -> bool:
    """Whether a file has a row; files without rows are the same."""
    try:
        return file_columns(file) is not None if are_windows else flat_rows(file) > 0
    except BadFileError:
        return False


def copied(one: str, other: str) -> InputError:
    """The error for two files that hold the same windows."""
    return InputError(
        f"{Path(one).name} and {Path(other).name} hold the same data",
        expected="each file once: its windows would count twice",
        where=f"{one} and {other}", todo="leave one of them out",
    )  # fmt: skip


@dataclass
class Print:
    """What the windows of a file are known by: their number, and a digest of each compared column."""

    windows: int = 0
    columns: dict[str, hashlib.blake2b] = field(default_factory=dict)

    def add(self, batch: WindowBatch) -> None:
        """Take the next windows of the file."""
        if not len(batch):
            return
        values = {name: batch.window[name] for name in COMPARED if name in batch.window}
        if not self.windows:
            self.columns = {name: hashlib.blake2b(digest_size=16) for name in values}
        self.columns = {name: digest for name, digest in self.columns.items() if name in values}
        for name, digest in self.columns.items():
            digest.update(np.ascontiguousarray(values[name]).view(np.uint8).data)
        self.windows += len(batch)

    def is_that_of(self, other: Print) -> bool:
        """Whether another file holds the same windows in the same order, as far as both record it."""
        both = self.columns.keys() & other.columns.keys()
        if not self.windows or self.windows != other.windows or not any(needed <= both for needed in PROVING):
            return False
        return all(self.columns[name].digest() == other.columns[name].digest() for name in both)


@dataclass
class Prints:
    """The fingerprints of all files that were read."""

    _seen: dict[int, list[tuple[str, Print]]] = field(default_factory=dict)

    def take(self, path: str, one: Print) -> None:
        """Take that of a file that was read to its end. Raises InputError when it holds the windows of another."""
        same = self._seen.setdefault(one.windows, [])
        for other, seen in same:
            if other != path and one.is_that_of(seen):
                raise copied(other, path)
        same.append((path, one))
