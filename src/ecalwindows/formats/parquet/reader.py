"""Reads Parquet files of windows into batches: our own, and those that CMS's converter or other programs wrote.

What differs there is made equal here: nullable, large or fixed-size lists, records of lists, float64 or integer
numbers, NaN.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from os import PathLike, fspath
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.core.arrays import Array, Integers
from ecalwindows.core.batch import WindowBatch, partial_batch
from ecalwindows.core.errors import BadFileError, one_line
from ecalwindows.core.names import is_storable
from ecalwindows.core.schema import COLUMNS, HIT_DTYPES, HIT_NAMES
from ecalwindows.core.urls import is_remote, remote_filesystem
from ecalwindows.formats.parquet.checked_file import CheckedFile, End, known_end
from ecalwindows.formats.parquet.definition import DEFAULT_HITS
from ecalwindows.formats.parquet.footer import bad_file, read_proof
from ecalwindows.formats.parquet.shape import (
    ARROW_SCHEMA,
    HITS,
    OTHER_HITS,
    Layout,
    Leaf,
    Table,
    check_names,
    do_not_fit,
    hit_numbers,
    schema_layout,
)
from ecalwindows.formats.parquet.stored import arrow_text, finite_numbers, stored_column

Names = TypeVar("Names", tuple[str, ...], frozenset[str])
Ranges = Mapping[str, tuple[float, float]]
"""Least and largest stored value of columns, by name."""


class StoredRanges(Mapping[str, tuple[float, float]]):
    """`Ranges` of a row group in little memory: a dataset may have a million of them."""

    __slots__ = ("_ends", "_names")

    def __init__(self, ranges: Ranges) -> None:
        self._names = _once(tuple(ranges))
        self._ends = np.array([*ranges.values()], np.float64).reshape(-1, 2)

    def __getitem__(self, name: str) -> tuple[float, float]:
        if name not in self._names:
            raise KeyError(name)
        least, largest = self._ends[self._names.index(name)].tolist()
        return least, largest

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@lru_cache(maxsize=1024)
def _once(names: Names) -> Names:
    """The same names as the first object with them, so that those of many files are in memory once."""
    return names


BUFFER = 1 << 16
"""Bytes read ahead of each column, so that memory does not grow with the size of a row group."""

ENERGY = "en_cluster"
"""The column with which hits of unknown components are compared."""


def read_batches(
    path: str | PathLike[str],
    *,
    rows: int = 8192,
    columns: Collection[str] | None = None,
    row_groups: Sequence[int] | None = None,
    unknown: set[str] | None = None,
    doubts: set[str] | None = None,
) -> Iterator[WindowBatch]:
    """Windows of a Parquet file as partial batches of at most `rows`, none over the border of a row group.

    path : a file or URL (root://, or any other that fsspec knows)
    columns : names of columns and hit components wanted, of those that the file has; all by default
    row_groups : numbers of the row groups wanted; all by default
    unknown : gets the names of what is no column of ecalwindows
    doubts : gets one sentence for each assumption that nothing in the file proves
    Raises BadFileError for a file that is cut, damaged or of another layout, or whose hits cannot be what nothing but
    their number says that they are.
    """
    with opened_parquet(path) as file:
        layout = file_layout(file, path)
        if unknown is not None:
            unknown.update(layout.unknown)
        leaves = _leaves_wanted(layout, columns)
        if doubts is not None and layout.is_assumed and layout.hits and layout.hits.path in leaves:
            doubts.update(_doubts(layout))
        groups = range(file.metadata.num_row_groups) if row_groups is None else row_groups
        for group in groups:
            yield from _group_batches(file, group, rows, leaves, layout, columns, path)


def _doubts(layout: Layout) -> list[str]:
    """What cannot be proven for hits without names: their energies, where the energies of clusters are missing."""
    if ENERGY in layout.leaves or not layout.components:
        return []
    return [
        f"the file does not say what the numbers of a hit are; they are read as {', '.join(layout.components)}, "
        f"and without {ENERGY} their energies cannot be checked"
    ]


@dataclass(frozen=True)
class Index:
    """The content of a file, as far as its header shows it.

    names : columns and hit components
    rows : windows of each row group; None where only reading shows it
    ranges : of each row group, minimum and maximum of columns of windows with one number per window
    bytes : of each row group, before compression
    samples : of each row group, the samples of its first and last window_index by name; empty where not stated
    """

    names: frozenset[str]
    rows: tuple[int, ...] | None = None
    ranges: Sequence[Ranges] = ()
    bytes: tuple[int, ...] = ()
    samples: tuple[str, ...] = ()


def parquet_index(path: str | PathLike[str]) -> Index:
    """What the footer of a file states.

    Columns of windows have a range where the file has one. NaN, which is read as the sentinel, is not included.
    """
    if (known := known_end(path)) is not None and known.index is not None:
        remembered: Index = known.index
        return remembered
    with opened_parquet(path) as file:
        end = _end(file)
        end.index = end.index or _index(file, path)
        found: Index = end.index
        return found


def _index(file: Any, path: str | PathLike[str]) -> Index:
    layout = file_layout(file, path)
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    names = {leaf.path: name for name, leaf in layout.leaves.items() if COLUMNS[name].level == "window"}
    stated = [_statistics(group, names) for group in groups]
    return Index(
        names=_once(layout.names),
        rows=tuple(group.num_rows for group in groups),
        ranges=[StoredRanges(ranges) for ranges, _ in stated],
        bytes=tuple(group.total_byte_size for group in groups),
        samples=tuple(samples for _, samples in stated),
    )


def _statistics(group: Any, names: Mapping[str, str]) -> tuple[Ranges, str]:
    """Ranges of the columns of a row group, and the samples of its least and largest window_index."""
    found, samples = {}, ""
    for number in range(group.num_columns):
        column = group.column(number)
        name = names.get(column.path_in_schema)
        if name is None or not column.is_stats_set or not column.statistics.has_min_max:
            continue
        least, largest = column.statistics.min, column.statistics.max
        if name == "window_index":
            samples = " ".join(dict.fromkeys(f"_{end}".rsplit("_", 4)[0] for end in (least, largest)))
        elif COLUMNS[name].dtype != "str":
            ends = _stored_range(least, largest, COLUMNS[name].dtype)
            found.update({name: ends} if ends else {})
    return found, samples


def _stored_range(least: Any, largest: Any, dtype: str) -> tuple[float, float] | None:
    """The range of a column as it is stored in a batch, from the statistics of a file; None where it has none.

    Older writers put NaN there, and other programs store other dtypes: a float64 is rounded, a flag may be any number.
    """
    try:
        ends = float(least), float(largest)
    except (TypeError, ValueError):
        return None
    if dtype == "bool":
        return (
            (0.0 if ends[0] <= 0 <= ends[1] else 1.0, 0.0 if ends == (0.0, 0.0) else 1.0)
            if ends[0] <= ends[1]
            else None
        )
    if dtype.startswith("float"):
        with np.errstate(over="ignore"):
            ends = float(np.dtype(dtype).type(ends[0])), float(np.dtype(dtype).type(ends[1]))
    return ends if np.isfinite(ends).all() and ends[0] <= ends[1] else None


def _group_batches(
    file: Any, group: int, rows: int, leaves: list[str], layout: Layout, wanted: Collection[str] | None, path: Any
) -> Iterator[WindowBatch]:
    """The batches of a row group; columns that are read only to build the windows are removed."""
    n_rows, n_read = file.metadata.row_group(group).num_rows, 0
    if not leaves:
        for first in range(0, n_rows, rows):
            yield _batch(pa.table({}), min(rows, n_rows - first), layout, wanted, path)
        return
    for piece in file.iter_batches(use_threads=False, batch_size=rows, row_groups=[group], columns=leaves):
        piece.validate(full=True)
        n_read += len(piece)
        yield _batch(pa.table(piece).combine_chunks(), len(piece), layout, wanted, path)
    if n_read != n_rows:
        raise bad_file(f"row group {group} holds {n_read:,} windows, its footer says {n_rows:,}", path)


@contextmanager
def opened_parquet(path: str | PathLike[str]) -> Iterator[Any]:
    """The file opened as `pyarrow.parquet.ParquetFile`; errors of pyarrow become a BadFileError.

    Its footer, and of local files all bytes that are used, are checked before Arrow reads them, where the file has
    checksums (`footer.py`).
    """
    name = fspath(path)
    if not is_storable(name):
        raise bad_file("its path is not UTF-8, so Arrow cannot open it", path, todo="rename it, or give a link to it")
    try:
        if is_remote(name):
            filesystem, place = remote_filesystem(name)
            with filesystem.open(place, "rb") as source:
                read_proof(source, source.size, path)
                source.seek(0)
                with pq.ParquetFile(source, buffer_size=BUFFER, page_checksum_verification=True) as file:
                    yield file
        else:
            with CheckedFile(name, buffer_size=BUFFER) as file:
                yield file
    except FileNotFoundError as error:
        raise bad_file("there is no such file", path, todo="check the path") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise bad_file(f"the file cannot be read: {' '.join(str(error).split())[:200]}", path) from error


_known: dict[tuple[Any, ...], Layout] = {}
"""Layouts of schemas that were seen, by what they follow from."""

MAX_KNOWN = 64


def file_layout(file: Any, path: str | PathLike[str]) -> Layout:
    """The layout of an open file. Raises BadFileError as `schema_layout`, and for hits that fit no known form.

    It is worked out once for each schema: files of a dataset, and the row groups of a file, have the same.
    """
    end = _end(file)
    end.layout = end.layout or _file_layout(file, path)
    found: Layout = end.layout
    return found


def _end(file: Any) -> End:
    """What is known of the end of an open file; of a remote one nothing is remembered."""
    end: End = getattr(file, "end", None) or End(file.metadata, None)
    return end


def _file_layout(file: Any, path: str | PathLike[str]) -> Layout:
    metadata = file.metadata.metadata or {}
    paths = tuple(".".join(names) for names in file.reader.column_paths)  # `schema` keeps the footer in a circle
    key = (file.schema_arrow.serialize().to_pybytes(), metadata.get(ARROW_SCHEMA), paths)
    layout = _known.get(key)
    if layout is None:
        check_names(file.schema_arrow, metadata, path)
        layout = schema_layout(file.schema_arrow, list(paths), path)
        if len(_known) == MAX_KNOWN:
            _known.clear()
        _known[key] = layout
    if layout.hits and layout.components is None:
        return replace(layout, components=_components(file, layout.hits, path), is_assumed=True)
    return layout


def _components(file: Any, hits: Leaf, path: str | PathLike[str]) -> tuple[str, ...] | None:
    """The components of hits without names, by their number in the first windows."""
    for piece in file.iter_batches(use_threads=False, batch_size=64, columns=[hits.path]):
        _, lengths, _ = hit_numbers(Table(pa.table(piece)), hits)
        return _component_names(lengths, None, hits, path) if len(lengths) else None
    return None


def _leaves_wanted(layout: Layout, wanted: Collection[str] | None) -> list[str]:
    """Parquet paths to read. One column of clusters is always among them: it gives the number of clusters."""
    chosen = {name: leaf.path for name, leaf in layout.leaves.items() if wanted is None or name in wanted}
    of_clusters = [name for name in layout.leaves if COLUMNS[name].level == "cluster"]
    counting = ["is_seed"] if "is_seed" in of_clusters else of_clusters[:1]
    needs_hits = wanted is None or set(wanted) & set(HIT_NAMES) or not counting
    if layout.is_assumed and needs_hits and ENERGY in layout.leaves:
        counting = [*counting, ENERGY]
    for name in counting:
        chosen[name] = layout.leaves[name].path
    return [*chosen.values(), *(leaf.path for leaf in layout.hit_leaves if needs_hits)]


def _batch(table: Any, n_windows: int, layout: Layout, wanted: Collection[str] | None, path: Any) -> WindowBatch:
    """A table with the columns of a few windows as a partial batch."""
    columns = Table(table)
    window, pair, known_offsets = _columns(columns, layout, path)
    offsets = np.zeros(n_windows + 1, np.int64) if known_offsets is None else known_offsets
    hits_offsets, hits = np.zeros(int(offsets[-1]) + 1, np.int64), dict[str, Array]()
    if layout.hit_leaves and columns.get(layout.hit_leaves[0]) is not None:
        offsets, hits_offsets, hits = _hits(columns, known_offsets, layout, pair.get(ENERGY), path)
    is_seed = pair.get("is_seed")
    if wanted is not None:
        window, pair, hits = ({k: v for k, v in part.items() if k in wanted} for part in (window, pair, hits))
    text = window.pop("window_index", None)
    return partial_batch(window, pair, offsets, hits_offsets, hits, text=text, is_seed=is_seed)


def _columns(table: Table, layout: Layout, path: Any) -> tuple[dict[str, Any], dict[str, Array], Integers | None]:
    """Columns of windows and of pairs in their stored dtypes, and the pairs' offsets (None without such columns)."""
    window: dict[str, Any] = {}
    pair: dict[str, Array] = {}
    offsets, first = None, ""
    for name, leaf in layout.leaves.items():
        if (taken := table.get(leaf)) is None:
            continue
        found, values = taken
        if not found:
            window[name] = _values(values, name, path)
            continue
        if offsets is not None and found[0] is not offsets and not np.array_equal(found[0], offsets):
            raise bad_file(f"'{leaf.title}' has other numbers of clusters than '{first}'", path)
        if offsets is None:
            offsets, first = found[0], leaf.title
        pair[name] = _values(values, name, path)
    return window, pair, offsets


def _values(values: Any, name: str, path: Any) -> Any:
    try:
        if COLUMNS[name].dtype == "str":
            return arrow_text(values)
        return stored_column(values, COLUMNS[name].dtype)
    except (ValueError, pa.ArrowException) as error:
        raise _wrong_type(f"column '{name}'", COLUMNS[name].dtype, error, path) from error


def _hits(
    table: Table, offsets: Integers | None, layout: Layout, energy: Array | None, path: Any
) -> tuple[Integers, Integers, dict[str, Array]]:
    """Offsets of the pairs, offsets of their hits, and the components of the hits in their stored dtypes."""
    if layout.hits:
        (by_window, hits_offsets), lengths, numbers = hit_numbers(table, layout.hits)
        names = _component_names(lengths, layout.components, layout.hits, path)
        columns = _numbers(numbers, path).reshape(-1, len(names)).T
        found = dict(zip(names, columns, strict=True))
        first = layout.hits
    else:
        found, (first, *_) = {}, layout.named_hits.values()
        (by_window, hits_offsets), _ = table.values(first)
        for name, leaf in layout.named_hits.items():
            theirs, numbers = table.values(leaf)
            if not all(map(np.array_equal, theirs, (by_window, hits_offsets))):
                raise bad_file(f"'{leaf.title}' has other numbers of hits than '{first.title}'", path)
            found[name] = _numbers(numbers, path)
    if offsets is not None and not np.array_equal(by_window, offsets):
        raise bad_file(f"'{first.title}' has other numbers of clusters than the columns of clusters", path)
    if layout.is_assumed and (wrong := do_not_fit(found, hits_offsets, energy)):
        raise bad_file(
            f"the file does not say what the {len(found)} numbers of a hit in '{first.title}' are, and they are not "
            f"{', '.join(found)}: {wrong}",
            path, expected=f"metadata of '{HITS}' that names the components, or hits with these components",
            todo="convert the original again (a program that rewrote this file dropped its metadata), "
            f"or write it without {HITS}",
        )  # fmt: skip
    return by_window, hits_offsets, {name: _component(column, name, path) for name, column in found.items()}


def _component(values: Array, name: str, path: Any) -> Array:
    """A component of hits in its stored dtype. Raises BadFileError for a number outside its range."""
    together = np.ascontiguousarray(values)
    with np.errstate(invalid="ignore"):
        stored = together.astype(HIT_DTYPES[name], copy=together is values)
    if stored.dtype.kind == "i" and (wrong := stored.astype(values.dtype) != together).any():
        raise bad_file(
            f"component '{name}' of the hits holds {values[wrong][0]}, which is no {stored.dtype.name}", path
        )
    return stored


def _numbers(values: Any, path: Any) -> Array:
    try:
        return finite_numbers(values, "float32")
    except (ValueError, pa.ArrowException) as error:
        raise _wrong_type(f"'{HITS}'", "float32", error, path) from error


def _wrong_type(what: str, dtype: str, error: Exception, path: Any) -> BadFileError:
    return bad_file(
        f"{what} holds what is no {dtype}: {one_line(error)}", path, expected=f"values of the type {dtype}",
        todo="write it with such values, or under another name; copy the file again if it was right before",
    )  # fmt: skip


def _component_names(lengths: Integers, recorded: tuple[str, ...] | None, leaf: Leaf, path: Any) -> tuple[str, ...]:
    """Names of the components from the metadata of the file, or else by their number."""
    by_number = {len(DEFAULT_HITS): tuple(HIT_NAMES[i] for i in DEFAULT_HITS), len(HIT_NAMES): HIT_NAMES}
    if leaf.name == OTHER_HITS:
        by_number = {n: HIT_NAMES[:n] for n in range(3, len(HIT_NAMES) + 1)}
    names = recorded or by_number.get(int(lengths[0]) if len(lengths) else len(DEFAULT_HITS))
    if names is None or (len(lengths) and lengths.tolist() != [len(names)]):
        numbers = " or ".join(map(str, lengths.tolist()))
        raise bad_file(f"hits in '{leaf.title}' have {numbers} numbers, not {len(names) if names else '4 or 6'}", path)
    return names
