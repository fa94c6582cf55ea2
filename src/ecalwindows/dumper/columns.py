"""Branches of a dumper file as flat columns with offsets: `read_columns`; how much at once: `step_bounds`.

Two ways lead to the same arrays. The plain one lets uproot make Awkward Arrays. The fast one (`baskets.py`) decodes
the baskets itself. The plain way is the reference in the tests, and takes over for every branch whose form the
fast one does not know: RNTuple fields, C arrays, member-wise streaming.
"""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice, pairwise
from typing import Any

import awkward as ak
import numpy as np
import uproot

from ecalwindows.core.errors import BadFileError
from ecalwindows.core.interrupts import interrupts_kept
from ecalwindows.core.threads import Threads
from ecalwindows.dumper.baskets import ColumnType, FlatNumbers, FlatVectors, Ragged, check_basket, is_vector_of_numbers
from ecalwindows.dumper.coverage import check_coverage, is_rntuple
from ecalwindows.dumper.errors import bad_file
from ecalwindows.dumper.local_baskets import basket_places, forget_pages, mapped, read_baskets
from ecalwindows.dumper.ntuples import read_ntuple

log = logging.getLogger(__name__)

__all__ = [
    "ColumnType", "Ragged", "bytes_per_entry", "checked_types", "cluster_boundaries", "column_names", "column_type",
    "column_types", "read_columns", "step_bounds",
]  # fmt: skip


def column_names(tree: Any) -> list[str]:
    """Names of the top-level branches of a TTree, or fields of an RNTuple, in the order of the file."""
    return [str(branch.name) for branch in (tree.fields if is_rntuple(tree) else tree.branches)]


def column_type(tree: Any, name: str) -> ColumnType | None:
    """Type of the column, or None when it is absent or not made of numbers at most two vectors deep."""
    try:
        with interrupts_kept():
            if is_rntuple(tree):
                form = tree.to_akform(filter_name=name)[0].content(name)
            else:
                way = tree[name].interpretation
                if found := type_of_interpretation(way):
                    return found
                form = way.awkward_form(tree.file)
    except Exception:  # a missing name, an unknown class, a type with no Awkward form: uproot raises many kinds
        return None
    return _type_of_form(form)


def column_types(tree: Any, names: Iterable[str]) -> dict[str, ColumnType | None]:
    """`column_type` of several columns; of an RNTuple in one go."""
    names = list(names)
    if is_rntuple(tree) and names:
        try:
            with interrupts_kept():
                form = tree.to_akform(filter_name=names)[0]
            return {name: _type_of_form(form.content(name)) for name in names}
        except Exception:  # one of them has no form, see `column_type`: each by itself
            log.debug("the fields have no common form", exc_info=True)
    return {name: column_type(tree, name) for name in names}


def read_columns(
    tree: Any,
    names: Iterable[str],
    entry_start: int,
    entry_stop: int,
    *,
    fast: bool = True,
    types: Mapping[str, ColumnType] | None = None,
    threads: Threads | None = None,
) -> dict[str, Ragged]:
    """Read entries [entry_start, entry_stop) of the named columns, in one set of requests.

    tree: uproot TTree or RNTuple; its file stays open and its array cache is left alone.
    fast: False takes the plain way for all columns (same result, slower).
    types: of the columns, where they are known (`checked_types`).
    threads: help with decompression and decoding.
    While it reads, the uncompressed baskets live beside the columns: about twice `bytes_per_entry` an entry.

    Raises `uproot.KeyInFileError` for a missing column, BadFileError for one that is not of numbers (`column_type`),
    has more or fewer entries than the tree (`check_coverage`), or whose bytes don't decode; what uproot raises when
    the file cannot be read or decompressed passes through.
    """
    names = list(dict.fromkeys(names))
    types = checked_types(tree, names) if types is None else types
    entry_stop = max(min(entry_stop, tree.num_entries), 0)
    entry_start = min(max(entry_start, 0), entry_stop)
    columns: dict[str, Ragged] = {}
    if fast and not is_rntuple(tree):
        ways = _flat_ways(tree, types)
        columns = _read_local(tree, ways, threads or Threads(), entry_start, entry_stop)
        columns |= _read_flat(tree, [each for each in ways if each[0] not in columns], types, entry_start, entry_stop)
    rest = {name: types[name] for name in names if name not in columns}
    if rest:
        columns |= _read_plain(tree, rest, entry_start, entry_stop)
    for name, column in columns.items():
        _check_lengths(tree, name, column, entry_stop - entry_start)
    return {name: columns[name] for name in names}


def checked_types(tree: Any, names: Iterable[str]) -> dict[str, ColumnType]:
    """The types of columns, which have as many entries as the tree; raises as `read_columns`."""
    names = list(dict.fromkeys(names))
    types: dict[str, ColumnType] = {}
    for name, kind in column_types(tree, names).items():
        if kind is None:
            found = tree[name].typename  # the KeyInFileError of a missing name lists the nearest names
            raise bad_file(
                tree, f"branch '{name}' has type {found}", "a number, a vector or a vector of vectors of numbers",
                "read another branch, or make the file again",
            )  # fmt: skip
        types[name] = kind
    check_coverage(tree, names)
    return types


def _check_lengths(tree: Any, name: str, column: Ragged, n_entries: int) -> None:
    """Raise BadFileError unless the column has so many entries, and lists that follow each other and end in it."""
    n = n_entries
    for offsets in column.offsets:
        if len(offsets) != n + 1 or offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise _wrong_lengths(tree, name, f"{len(offsets) - 1:,} lists, some of negative length", n)
        n = int(offsets[-1])
    if len(column.content) != n:
        raise _wrong_lengths(tree, name, f"{len(column.content):,} values", n)


def _wrong_lengths(tree: Any, name: str, found: str, n: int) -> BadFileError:
    return bad_file(
        tree, f"branch '{name}' has {found} where its tables say {n:,}",
        "as many values as the lengths of its lists add up to",
    )  # fmt: skip


def bytes_per_entry(tree: Any, names: Iterable[str]) -> float:
    """Mean uncompressed bytes an entry of these columns, from the file's own tables (no data is read)."""
    names = list(names)
    if not is_rntuple(tree):
        total = sum(int(tree[name].uncompressed_bytes) for name in names)
    else:
        keys = set(_form_keys(tree.to_akform(filter_name=names)[0])) if names else set()
        columns = sorted({int(key.split("-")[1]) for key in keys if key.startswith("column-")})
        bits = sum(
            page.num_elements * tree.column_records[column].nbits
            for cluster in tree.page_link_list
            for column in columns
            if column < len(cluster)  # columns added late are not in the first clusters
            for page in cluster[column].pages
        )
        total = bits // 8
    return float(total) / max(int(tree.num_entries), 1)


def cluster_boundaries(tree: Any, names: Iterable[str]) -> list[int]:
    """Entries where baskets (RNTuple: clusters) of all these columns start together; with 0 and the tree's end."""
    n_entries = int(tree.num_entries)
    if is_rntuple(tree):
        starts = [{int(cluster.num_first_entry) for cluster in tree.cluster_summaries}]
    else:
        starts = [set(tree[name].entry_offsets) for name in names]
    common = set.intersection(*starts) if starts else set[int]()
    return sorted({entry for entry in common if 0 < entry < n_entries} | {0, n_entries})


def step_bounds(
    tree: Any,
    names: Iterable[str],
    memory_bytes: float,
    entry_start: int = 0,
    entry_stop: int | None = None,
    *,
    stretch: float = 1,
) -> list[tuple[int, int]]:
    """Cut [entry_start, entry_stop) into ranges whose columns take at most about `memory_bytes`.

    Ranges end at cluster boundaries where the memory allows, so that no basket is decompressed twice; a cluster that
    is too large alone is cut into equal pieces. A cluster in pieces is decompressed again for each of them: one of up
    to `stretch` times the memory is not cut.
    """
    names = list(names)
    last = int(tree.num_entries) if entry_stop is None else min(entry_stop, int(tree.num_entries))
    most = max(1, int(memory_bytes / max(bytes_per_entry(tree, names), 1.0)))
    edges = [edge for edge in cluster_boundaries(tree, names) if entry_start < edge < last] + [last]
    bounds = []
    start = entry_start
    while start < last:
        fitting = bisect_right(edges, start + most)
        stop = edges[fitting - 1] if fitting else start
        if stop <= start:  # the cluster is too large
            length = edges[fitting] - start
            most = most if length > stretch * most else length
            n_pieces = -(-length // most)
            stop = start - (-length // n_pieces)
        bounds.append((start, stop))
        start = stop
    return bounds


def _type_of_form(form: Any) -> ColumnType | None:
    depth = 0
    while isinstance(form, ak.forms.ListOffsetForm) and "__array__" not in form.parameters:
        form = form.content
        depth += 1
    is_number = isinstance(form, ak.forms.NumpyForm) and not form.inner_shape and "__array__" not in form.parameters
    if depth > 2 or not is_number:
        return None
    dtype = np.dtype(form.primitive)
    return ColumnType(depth, dtype) if dtype.kind in "iufb" else None


def type_of_interpretation(way: Any) -> ColumnType | None:
    """The type of a column of plain numbers or vectors of them by uproot's interpretation; None for all others."""
    depth = 0
    if type(way) is uproot.AsJagged:
        depth, way = 1, way.content
    elif type(way) is uproot.AsObjects:
        way = way.model
        while type(way) is uproot.containers.AsVector:
            depth, way = depth + 1, way.values
    dtype = way.to_dtype if type(way) is uproot.AsDtype else way
    if depth > 2 or not isinstance(dtype, np.dtype) or dtype.kind not in "iufb":
        return None
    return ColumnType(depth, dtype.newbyteorder("="))


def _form_keys(form: Any) -> list[str]:
    inner = [form.content] if isinstance(form, ak.forms.ListOffsetForm) else getattr(form, "contents", [])
    return [str(form.form_key)] + [key for part in inner for key in _form_keys(part)]


Ways = list[tuple[str, FlatNumbers | FlatVectors]]
"""How columns are decoded, by their names."""


def _flat_ways(tree: Any, types: Mapping[str, ColumnType]) -> Ways:
    """The columns that the fast way can read."""
    ways: Ways = []
    for name, kind in types.items():
        branch = tree[name]
        if kind.depth == 0 and type(branch.interpretation) is uproot.AsDtype:
            ways.append((name, FlatNumbers(branch.interpretation)))
        elif kind.depth > 0 and is_vector_of_numbers(branch, kind):
            ways.append((name, FlatVectors(name, kind)))
    return ways


def _read_local(tree: Any, ways: Ways, threads: Threads, start: int, stop: int) -> dict[str, Ragged]:
    """The columns whose baskets can be read straight from a local file; the others are left out."""
    file = mapped(tree)
    if file is None or start == stop:
        return {}
    columns = [_Local(name, way, tree[name], start, stop) for name, way in ways]
    columns = sorted((each for each in columns if each.places is not None), key=lambda each: -each.n_bytes)
    found: dict[str, Ragged] = {}
    for each, error in threads.together([partial(_decoded, file, tree, group) for group in _groups(columns)]):
        found |= each
        if isinstance(error, BadFileError):
            raise error
        if error is not None:  # of a library of compression, or of a header: uproot reads it, or says what is wrong
            log.debug("the baskets are left to uproot", exc_info=error)
            break
    forget_pages(tree)
    return found


class _Local:
    """A column of entries [start, stop), how it is decoded, and where its baskets are (`basket_places`)."""

    def __init__(self, name: str, way: FlatNumbers | FlatVectors, branch: Any, start: int, stop: int) -> None:
        self.name, self.way, self.branch, self.start, self.stop = name, way, branch, start, stop
        self.edges = np.asarray(branch.entry_offsets, dtype=np.int64)
        self.places: Any = basket_places(branch, self.edges, start, stop)

    @property
    def n_bytes(self) -> int:
        """Bytes of the baskets in the file."""
        return int(np.sum(self.places[:, 2] - self.places[:, 1]))


GROUPS = 16
"""Parts of about the same number of bytes in which the columns of a step are decoded, for any number of threads."""


def _groups(columns: Sequence[_Local]) -> list[list[_Local]]:
    sizes = np.cumsum([each.n_bytes for each in columns])
    ends = np.searchsorted(sizes, np.arange(1, GROUPS) * (sizes[-1] if len(sizes) else 0) / GROUPS, "right")
    bounds = [0, *np.unique(ends).tolist(), len(columns)]
    return [list(columns[first:last]) for first, last in pairwise(bounds) if first < last]


def _decoded(file: Any, tree: Any, columns: Sequence[_Local]) -> tuple[dict[str, Ragged], Exception | None]:
    """The columns up to one with an error, and that error."""
    found: dict[str, Ragged] = {}
    try:
        baskets = read_baskets(file, tree, np.concatenate([each.places for each in columns]))
        for each in columns:
            own = islice(baskets, len(each.places))
            arrays: dict[int, Any] = {one.basket_num: each.way.taken(one, each.branch) for one in own}
            column = each.way.column(arrays, each.start, each.stop, each.edges, each.branch)
            if column is not None:
                found[each.name] = column
    except Exception as error:
        return found, error
    return found, None


def _read_flat(tree: Any, ways: Ways, types: Mapping[str, ColumnType], start: int, stop: int) -> dict[str, Ragged]:
    """The columns by uproot; those whose bytes it alone can decode are left out."""
    if not ways:
        return {}
    found = tree.arrays(ways, entry_start=start, entry_stop=stop, library="np", how=dict, array_cache=None)
    columns = {}
    for name, values in found.items():
        if types[name].depth == 0:
            columns[name] = Ragged((), np.ascontiguousarray(values, dtype=types[name].dtype))
        elif values is not None:
            columns[name] = values
    return columns


def _read_plain(tree: Any, types: Mapping[str, ColumnType], start: int, stop: int) -> dict[str, Ragged]:
    if is_rntuple(tree):
        arrays = read_ntuple(tree, list(types), start, stop)
    else:
        for name in types:
            _check_baskets(tree[name], start, stop)
        ways = [(name, tree[name].interpretation) for name in types]
        arrays = tree.arrays(ways, entry_start=start, entry_stop=stop, how=dict, array_cache=None)
    return {name: _ragged(arrays[name], kind) for name, kind in types.items()}


def _check_baskets(branch: Any, start: int, stop: int) -> None:
    """Raise BadFileError for a basket of entries [start, stop) that holds others than its branch says."""
    edges = branch.entry_offsets
    for number, (first, last) in enumerate(pairwise(edges)):
        if first < stop and start < last:
            check_basket(branch, branch.name, number, branch.basket(number).num_entries, edges)


def _ragged(array: ak.Array, kind: ColumnType) -> Ragged:
    layout = ak.to_packed(array, highlevel=False)
    offsets = []
    for _ in range(kind.depth):
        offsets.append(np.ascontiguousarray(layout.offsets.data, dtype=np.int64))
        layout = layout.content
    return Ragged(tuple(offsets), np.ascontiguousarray(layout.data, dtype=kind.dtype))
