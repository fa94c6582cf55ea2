"""Reads Parquet files of windows into batches: our own, and those that CMS's converter or Awkward Array wrote.

What differs there is made equal here: nullable, large or fixed-size lists, float64 or integer numbers, NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecalwindows.batch import Array, Text, WindowBatch
from ecalwindows.dataset.parquet.definition import DEFAULT_HITS
from ecalwindows.dataset.parquet.stored import arrow_text, ragged, storage, stored_column
from ecalwindows.errors import BadFileError
from ecalwindows.remote import is_remote, remote_filesystem
from ecalwindows.schema import COLUMNS, HIT_COMPONENTS

HITS = "cl_h"
HIT_NAMES = tuple(name for name, *_ in HIT_COMPONENTS)
Ranges = Mapping[str, tuple[float, float]]
"""Least and largest stored value of columns, by name."""

BUFFER = 1 << 16
"""Bytes read ahead of each column, so that memory does not grow with the size of a row group."""


@dataclass(frozen=True)
class Layout:
    """Where a file keeps what.

    leaves : Parquet path of each known column, by name
    hits : Parquet path of the hits' numbers, None without
    components : names of the components of a hit; None where only the data tell
    """

    leaves: dict[str, str]
    hits: str | None
    components: tuple[str, ...] | None

    @property
    def names(self) -> frozenset[str]:
        """Known columns and hit components (by default those of formats.md, where only the data tell)."""
        hits = self.components or tuple(HIT_NAMES[i] for i in DEFAULT_HITS)
        return frozenset(self.leaves) | frozenset(hits if self.hits else ())


def read_batches(
    path: str | PathLike[str],
    *,
    rows: int = 8192,
    columns: Collection[str] | None = None,
    row_groups: Sequence[int] | None = None,
) -> Iterator[WindowBatch]:
    """Windows of a Parquet file as partial batches of at most `rows`, none over the border of a row group.

    path : a file or URL (root://, or any other that fsspec knows)
    columns : names of columns and hit components wanted, of those that the file has; all by default
    row_groups : numbers of the row groups wanted; all by default
    Raises BadFileError for a file that is cut, damaged or of another layout.
    """
    with opened_parquet(path) as file:
        layout = file_layout(file, path)
        leaves = _leaves_wanted(layout, columns)
        groups = range(file.metadata.num_row_groups) if row_groups is None else row_groups
        for group in groups:
            yield from _group_batches(file, group, rows, leaves, layout, columns, path)


def parquet_index(path: str | PathLike[str]) -> tuple[frozenset[str], tuple[int, ...], list[Ranges]]:
    """Columns and hit components that a file holds, the windows of each row group, and the ranges of its columns.

    Columns of windows have a range where the file tells one. NaN, which is read as the sentinel, is not in it.
    """
    with opened_parquet(path) as file:
        layout = file_layout(file, path)
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        names = {leaf: name for name, leaf in layout.leaves.items() if COLUMNS[name].level == "window"}
        return layout.names, tuple(group.num_rows for group in groups), [_ranges(group, names) for group in groups]


def _ranges(group: Any, names: Mapping[str, str]) -> Ranges:
    found = {}
    for number in range(group.num_columns):
        column = group.column(number)
        name = names.get(column.path_in_schema)
        if name is None or COLUMNS[name].dtype == "str" or not column.is_stats_set:
            continue
        if column.statistics.has_min_max:
            found[name] = (float(column.statistics.min), float(column.statistics.max))
    return found


def _group_batches(
    file: Any, group: int, rows: int, leaves: list[str], layout: Layout, wanted: Collection[str] | None, path: Any
) -> Iterator[WindowBatch]:
    """The batches of a row group; what a window's columns need beyond `wanted` is read and left out."""
    if not leaves:
        n_rows = file.metadata.row_group(group).num_rows
        for first in range(0, n_rows, rows):
            yield _batch(pa.table({}), min(rows, n_rows - first), layout, wanted, path)
        return
    for piece in file.iter_batches(use_threads=False, batch_size=rows, row_groups=[group], columns=leaves):
        piece.validate(full=True)
        yield _batch(pa.table(piece).combine_chunks(), len(piece), layout, wanted, path)


@contextmanager
def opened_parquet(path: str | PathLike[str]) -> Iterator[Any]:
    """The file opened as `pyarrow.parquet.ParquetFile`; what pyarrow finds wrong becomes a BadFileError."""
    name = fspath(path)
    try:
        if is_remote(name):
            filesystem, place = remote_filesystem(name)
            with filesystem.open(place, "rb") as source, _parquet_file(source) as file:
                yield file
        else:
            with _parquet_file(name) as file:
                yield file
    except FileNotFoundError as error:
        raise bad_file("there is no such file", path, todo="check the path") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise bad_file(f"the file cannot be read: {' '.join(str(error).split())[:200]}", path) from error


def _parquet_file(source: Any) -> Any:
    return pq.ParquetFile(source, buffer_size=BUFFER, page_checksum_verification=True)


def bad_file(found: str, path: str | PathLike[str], *, todo: str = "copy or make the file again") -> BadFileError:
    """The error for a file that is not what it should be."""
    return BadFileError(found, expected="a whole Parquet file of windows", where=fspath(path), todo=todo)


def file_layout(file: Any, path: str | PathLike[str]) -> Layout:
    """What an open file holds. Raises BadFileError when it has no column of ours."""
    leaves: dict[str, str] = {}
    hits = None
    for number in range(len(file.schema)):
        leaf = file.schema.column(number).path
        group, _, rest = leaf.partition(".")
        name = rest.rpartition(".")[2]
        if group == HITS:
            hits = leaf
        elif name in COLUMNS and name not in leaves and group.startswith("cl_") == (COLUMNS[name].level == "cluster"):
            leaves[name] = leaf
    if not leaves:
        raise bad_file("it has none of the columns of a dataset of windows", path, todo="see `ecalwindows columns`")
    return Layout(leaves, hits, _components(file, hits, path) if hits else None)


def _components(file: Any, hits: str, path: str | PathLike[str]) -> tuple[str, ...] | None:
    """The components of a hit as our files tell them; of files of others from how many the first windows have."""
    metadata = file.schema_arrow.field(HITS).metadata or {}
    told = tuple(metadata.get(b"components", b"").decode().split(", "))
    if set(told) <= set(HIT_NAMES):
        return told
    for piece in file.iter_batches(use_threads=False, batch_size=64, columns=[hits]):
        parts, _ = ragged(ragged(ragged(storage(piece.column(0)))[1])[1])
        return _component_names(np.unique(np.diff(parts)), None, path) if len(parts) > 1 else None
    return None


def _leaves_wanted(layout: Layout, wanted: Collection[str] | None) -> list[str]:
    """Parquet paths to read. One column of clusters is always among them: it tells how many a window has."""
    chosen = {name: leaf for name, leaf in layout.leaves.items() if wanted is None or name in wanted}
    of_clusters = [name for name in layout.leaves if COLUMNS[name].level == "cluster"]
    telling = ["is_seed"] if "is_seed" in of_clusters else of_clusters[:1]
    for name in telling:
        chosen[name] = layout.leaves[name]
    leaves = list(chosen.values())
    if layout.hits and (wanted is None or set(wanted) & set(HIT_NAMES) or not telling):
        leaves.append(layout.hits)
    return leaves


def _batch(table: Any, n_windows: int, layout: Layout, wanted: Collection[str] | None, path: Any) -> WindowBatch:
    """A table with the columns of a few windows as a partial batch."""
    window, pair, known_offsets = _columns(table, path)
    offsets = np.zeros(n_windows + 1, np.int64) if known_offsets is None else known_offsets
    hits_offsets, hits = np.zeros(int(offsets[-1]) + 1, np.int64), dict[str, Array]()
    if HITS in table.column_names:
        offsets, hits_offsets, hits = _hits(table, known_offsets, layout, path)
    seed = _seed_rows(offsets, pair.get("is_seed"))
    if wanted is not None:
        window, pair, hits = ({k: v for k, v in part.items() if k in wanted} for part in (window, pair, hits))
    if not hits:
        hits_offsets = np.zeros_like(hits_offsets)
    return WindowBatch(
        window_index=window.pop("window_index", Text(np.zeros(n_windows + 1, np.int64), np.zeros(0, np.uint8))),
        window=window, cluster={}, pair=pair, window_offsets=offsets, pair_cluster=np.arange(offsets[-1]),
        window_seed=seed, hits_offsets=hits_offsets, hits=hits, events={},
    )  # fmt: skip


def _columns(table: Any, path: Any) -> tuple[dict[str, Any], dict[str, Array], NDArray[np.int64] | None]:
    """Columns of windows and of pairs in their stored dtypes, and the pairs' offsets (None without such columns)."""
    window: dict[str, Any] = {}
    pair: dict[str, Array] = {}
    offsets = None
    for group in table.column_names:
        if group == HITS:
            continue
        array = storage(table[group])
        home = window
        if not pa.types.is_struct(array.type):
            found, array = ragged(array)
            if offsets is not None and not np.array_equal(found, offsets):
                raise bad_file(f"'{group}' has other numbers of clusters than the groups before it", path)
            offsets, home = found, pair
        for field, values in zip(array.type, array.flatten(), strict=True):
            if field.name in COLUMNS:
                home[field.name] = _values(values, field.name, path)
    return window, pair, offsets


def _values(values: Any, name: str, path: Any) -> Any:
    try:
        if COLUMNS[name].dtype == "str":
            return arrow_text(values)
        return stored_column(values, COLUMNS[name].dtype)
    except (ValueError, pa.ArrowException) as error:
        raise bad_file(f"column '{name}' holds what is no {COLUMNS[name].dtype}: {error}", path) from error


def _hits(
    table: Any, offsets: NDArray[np.int64] | None, layout: Layout, path: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, Array]]:
    """Offsets of the pairs, offsets of their hits, and the components of the hits in their stored dtypes."""
    by_window, clusters = ragged(storage(table[HITS]))
    hits_offsets, each = ragged(clusters)
    parts, numbers = ragged(each)
    if offsets is not None and not np.array_equal(by_window, offsets):
        raise bad_file(f"'{HITS}' has other numbers of clusters than the groups before it", path)
    lengths = np.unique(np.diff(parts))
    names = _component_names(lengths, layout.components, path)
    matrix = stored_column(numbers, "float32").reshape(-1, len(names))
    dtypes = {name: dtype for name, dtype, *_ in HIT_COMPONENTS}
    with np.errstate(invalid="ignore"):
        hits = {name: matrix[:, i].astype(dtypes[name]) for i, name in enumerate(names)}
    return by_window, hits_offsets, hits


def _component_names(lengths: NDArray[np.int64], told: tuple[str, ...] | None, path: Any) -> tuple[str, ...]:
    """Names of the components from what the file says, else from how many there are."""
    by_number = {len(DEFAULT_HITS): tuple(HIT_NAMES[i] for i in DEFAULT_HITS), len(HIT_NAMES): HIT_NAMES}
    names = told or by_number.get(int(lengths[0]) if len(lengths) else len(DEFAULT_HITS))
    if names is None or (len(lengths) and lengths.tolist() != [len(names)]):
        numbers = " or ".join(map(str, lengths.tolist()))
        raise bad_file(f"hits in '{HITS}' have {numbers} numbers, not {len(names) if names else '4 or 6'}", path)
    return names


def _seed_rows(offsets: NDArray[np.int64], is_seed: Array | None) -> NDArray[np.int64]:
    """The row of the first seed of each window, -1 where none is known."""
    rows = np.full(len(offsets) - 1, -1, np.int64)
    if is_seed is not None:
        seeds = np.flatnonzero(is_seed)[::-1]
        rows[np.searchsorted(offsets, seeds, side="right") - 1] = seeds
    return rows
