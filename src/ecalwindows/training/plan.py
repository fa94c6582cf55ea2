"""What a stream reads: the blocks of its datasets, the windows selected in each, and a fingerprint of all that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Flags, Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.event_hash import splitmix64
from ecalwindows.core.schema import COLUMNS
from ecalwindows.dataset.finalizing.identity import IDS, batch_keys
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.dataset.reading.scan import Unit

Fold = tuple[int, int]
"""Number of a fold, and how many folds there are."""

CLUSTER_NAMES = frozenset(name for name, column in COLUMNS.items() if column.group.startswith("cl_"))
"""Columns of clusters: one of them is enough to count the clusters of windows."""


@dataclass(frozen=True)
class FoldChoice:
    """The events of a fold, or all others."""

    fold: Fold
    inside: bool

    def __str__(self) -> str:
        return f"{'fold' if self.inside else 'except_fold'}={self.fold}"

    def passing(self, batch: WindowBatch) -> Flags:
        """Which windows are chosen, bool (n,)."""
        chosen: Flags = (folds(batch, self.fold[1]) == self.fold[0]) == self.inside
        return chosen


@dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks (row groups; complete files of other formats) of a dataset.

    units : what is read; rows : the rows selected of each, None for all of them
    sizes : windows selected of each, int64 (n_blocks,); samples : number of the sample of each, int64 (n_blocks,)
    lengths : clusters of each window selected, block after block, uint16 (n,); empty if they are not asked for
    bytes : of all blocks before compression, as their files state it
    fingerprint : SHA-256 of names, sizes, row groups and ranges of the files, and of the selection
    selection : the selection as text
    """

    dataset: Dataset
    units: tuple[Unit, ...]
    rows: tuple[NDArray[np.uint32] | None, ...]
    sizes: Integers
    samples: Integers
    lengths: NDArray[np.uint16]
    bytes: int
    fingerprint: str
    selection: str


def blocks_of(dataset: Dataset, folds: FoldChoice | None, *, lengths: bool = False) -> Blocks:
    """The blocks of a dataset; columns of a selection, and the lengths of windows, are read here, once.

    Raises InputError where no window is selected or a file cannot be read, SettingsError for folds without events.
    """
    units = tuple(dataset.scan.units())
    chosen = tuple(_chosen(dataset, unit, folds, lengths) for unit in units)
    kept = [i for i, (_, n, _) in enumerate(chosen) if n]
    if not kept:
        raise InputError(
            "no window is selected", expected="at least one window", where=dataset.path, todo="give wider limits",
        )  # fmt: skip
    names, n_bytes = _block_notes(dataset, [units[i] for i in kept])
    known = {name: number for number, name in enumerate(sorted(set(names)))}
    return Blocks(
        dataset=dataset,
        units=tuple(units[i] for i in kept),
        rows=tuple(chosen[i][0] for i in kept),
        sizes=np.array([chosen[i][1] for i in kept], dtype=np.int64),
        samples=np.array([known[name] for name in names], dtype=np.int64),
        lengths=np.concatenate([chosen[i][2] for i in kept]),
        bytes=n_bytes,
        fingerprint=_fingerprint(dataset),
        selection="; ".join([each.text for each in dataset.scan.selections] + ([str(folds)] if folds else [])),
    )


def _chosen(
    dataset: Dataset, unit: Unit, folds: FoldChoice | None, lengths: bool
) -> tuple[NDArray[np.uint32] | None, int, NDArray[np.uint16]]:
    """The rows selected of a block (None: all), their number, and their lengths if they are asked for."""
    file, group = unit
    rows, names = dataset.scan.index(file).rows, dataset.scan.names
    found, sizes = [np.zeros(0, np.uint32)], [np.zeros(0, np.uint16)]
    if rows is not None and group is not None and not (dataset.scan.selections or folds or lengths):
        return None, rows[group], sizes[0]
    columns = frozenset({*IDS, "window_index"} if folds else sorted(names & {"event_id", "et_seed", "ncls"})[:1])
    if folds and (missing := sorted(columns - names - {"window_index"})):
        raise SettingsError(
            f"folds need {', '.join(missing)}, which the dataset does not have", expected="run, lumi and event",
            where=dataset.path, todo="make the dataset with the default features definition",
        )  # fmt: skip
    if lengths:
        columns |= frozenset(sorted(names & CLUSTER_NAMES)[:1])
    first = 0
    for batch, kept in dataset.scan.pieces([unit], columns & names):
        if folds:
            kept = kept[folds.passing(batch)[kept]]
        found.append((kept + first).astype(np.uint32))
        if lengths:
            sizes.append(np.diff(batch.window_offsets)[kept].clip(max=np.iinfo(np.uint16).max).astype(np.uint16))
        first += len(batch)
    taken = np.concatenate(found)
    return (None if len(taken) == first else taken), len(taken), np.concatenate(sizes)


def folds(batch: WindowBatch, n: int) -> Integers:
    """The fold of each window: splitmix64(h) modulo n, where h is the hash of its event as dataset/splits.py has it."""
    return (splitmix64(batch_keys(batch, "")) % np.uint64(n)).astype(np.int64)


def _block_notes(dataset: Dataset, units: Sequence[Unit]) -> tuple[list[str], int]:
    """The sample of each block as text, and the bytes of all: from statistics; a file without any is its own sample."""
    names, total = [], 0
    for file, group in units:
        if file.format != "parquet" or group is None:
            names.append(file.path)
            total += 4 * (file.bytes or 0)
            continue
        index = dataset.scan.index(file)
        total += index.bytes[group]
        sample, flavour = index.samples[group], index.ranges[group].get("flavour", "")
        names.append(f"{sample} {flavour}" if sample or flavour else file.path)
    return names, total


def _fingerprint(dataset: Dataset) -> str:
    """SHA-256 of what the files of a dataset are, as their names, sizes and headers state it."""
    about = []
    for file in dataset.scan.files:
        index = dataset.scan.index(file)
        ranges = [sorted(each.items()) for each in index.ranges]
        about.append([list(PurePath(file.path).parts[-2:]), file.bytes, index.rows, repr(ranges)])
    if len(about) == 1:
        about[0][0] = ""
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()
