"""Vectors straight from uncompressed baskets: `FlatVectors`, an uproot Interpretation that makes `Ragged` columns.

uproot keeps the files, the requests and the decompression; it is handed `FlatVectors` in the list of (name,
Interpretation) pairs that `TTree.arrays` takes (its `filter_branch` does not use a returned Interpretation, although
it says so). The baskets of a branch are kept until all are there, then decoded in their order with two compiled loops
(`dumper/kernels/decode.py`) into arrays of the final size.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
import uproot
from numpy.typing import NDArray

from ecalwindows.core.errors import BadFileError
from ecalwindows.dumper.errors import COPY_AGAIN, bad_file
from ecalwindows.dumper.kernels.decode import count_items, fill_items, swap_bytes
from ecalwindows.dumper.local_baskets import Basket

HEADER_BYTES = 10
CPP_NAMES = {"int32": "int", "int64": "Long64_t", "float32": "float", "float64": "double"}


@dataclass(frozen=True, eq=False)
class Ragged:
    """One branch over a range of entries.

    offsets : () for one number per entry; (o1,) for vector<T>; (o1, o2) for vector<vector<T>>.
        o1 : int64 (n_entries + 1,), o2 : int64 (o1[-1] + 1,), each starting at 0
    content : (n,) flat, contiguous, host byte order, the file's type
    """

    offsets: tuple[NDArray[np.int64], ...]
    content: NDArray[Any]

    @property
    def n_entries(self) -> int:
        """Entries read."""
        return len(self.offsets[0]) - 1 if self.offsets else len(self.content)


@dataclass(frozen=True)
class ColumnType:
    """depth: 0 number, 1 vector, 2 vector of vectors; dtype: of the innermost numbers, host byte order."""

    depth: int
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        name = CPP_NAMES.get(self.dtype.name, self.dtype.name)
        return "vector<" * self.depth + name + ">" * self.depth


def is_vector_of_numbers(branch: Any, kind: ColumnType) -> bool:
    """Whether the branch is written as `dumper/kernels/decode.py` reads it, as far as its description shows."""
    way = branch.interpretation
    if kind.dtype.kind == "b" or len(branch.branches) or branch.count_branch is not None:
        return False
    if kind.depth == 1:
        return isinstance(way, uproot.AsJagged) and way.header_bytes == HEADER_BYTES
    outer = getattr(way, "model", None)
    inner = getattr(outer, "values", None)
    vector = uproot.containers.AsVector
    return isinstance(outer, vector) and isinstance(inner, vector) and outer.header and not inner.header


@dataclass(frozen=True, eq=False)
class _Basket:
    """An uncompressed basket that waits for the others of its branch. uproot compares its length with the header."""

    data: NDArray[np.uint8]
    byte_offsets: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.byte_offsets) - 1


@dataclass(unsafe_hash=True)
class FlatVectors(uproot.interpretation.Interpretation):  # type: ignore[misc]
    """Interpretation of a vector<T> or vector<vector<T>> branch as `Ragged`, for `TTree.arrays(library="np")`.

    The result is None when the baskets hold a form of vector that only uproot's own interpretation can read.
    """

    name: str
    kind: ColumnType

    @property
    def cache_key(self) -> str:
        """Names the interpretation in uproot's own tables."""
        return repr(self)

    @property
    def typename(self) -> str:
        """The C++ type."""
        return str(self.kind)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """Rows of it are objects to NumPy."""
        return np.dtype(object)

    def basket_array(self, data: Any, byte_offsets: Any, basket: Any, branch: Any, *_: Any) -> _Basket:
        """Keep the basket's bytes (see `uproot.interpretation.Interpretation.basket_array`)."""
        data = np.asarray(data).view()
        data.flags.writeable = False  # uproot gives both kinds; one kind means one compilation
        if byte_offsets is None:
            if basket.num_entries:  # entries of a fixed length, which no vector has
                raise self._damaged(branch, int(branch.entry_offsets[basket.basket_num]))
            byte_offsets = [0]
        return _Basket(data, np.ascontiguousarray(byte_offsets, dtype=np.int32))

    def taken(self, basket: Basket, branch: Any) -> _Basket:
        """A basket that was read without uproot."""
        found = self.basket_array(basket.data, basket.byte_offsets, basket, branch)
        _check_entries(found, basket)
        return found

    def column(
        self, baskets: Mapping[int, _Basket], start: int, stop: int, entry_offsets: Any, branch: Any
    ) -> Ragged | None:
        """Entries [start, stop) of baskets that were read without uproot; None as for `final_array`."""
        return self.final_array(baskets, start, stop, entry_offsets, None, branch)

    def final_array(
        self, baskets: Mapping[int, _Basket], start: int, stop: int, entry_offsets: Any, *others: Any
    ) -> Ragged | None:
        """Decode entries [start, stop) of all baskets (see `uproot.interpretation.Interpretation.final_array`)."""
        branch = others[1]
        parts = []  # (basket's first entry, basket, first and last + 1 entry in it)
        for number, first, last in basket_ranges(branch, self.name, baskets, start, stop, entry_offsets):
            begin = int(entry_offsets[number])
            parts.append((begin, baskets[number], first - begin, last - begin))
        itemsize, depth = self.kind.dtype.itemsize, self.kind.depth
        n_items = np.int64(0)
        list_offsets = np.zeros(stop - start + 1, dtype=np.int64)
        for begin, basket, first, last in parts:
            window = list_offsets[begin + first - start : begin + last - start + 1]
            bad, n_items = count_items(basket.data, basket.byte_offsets, first, last, itemsize, depth, window, n_items)
            if bad >= 0:
                if _is_other_streaming(basket, bad):
                    return None
                raise self._damaged(branch, begin + bad)
        item_offsets = np.zeros(int(list_offsets[-1]) + 1, dtype=np.int64)
        content = np.empty(n_items, dtype=self.kind.dtype)
        for begin, basket, first, last in parts:
            n_lists = int(list_offsets[begin + first - start])
            bad = fill_items(
                basket.data, basket.byte_offsets, first, last, itemsize, depth, item_offsets, n_lists,
                content.view(np.uint8),
            )  # fmt: skip
            if bad >= 0:
                raise self._damaged(branch, begin + bad)
        if sys.byteorder == "little":
            if itemsize == 4:
                swap_bytes(content.view(np.uint32))
            else:
                content.byteswap(inplace=True)
        return Ragged((item_offsets,) if depth == 1 else (list_offsets, item_offsets), content)

    def _damaged(self, branch: Any, entry: int) -> BadFileError:
        return bad_file(
            branch, f"the bytes of branch '{self.name}', entry {entry}, don't decode",
            f"a {self.kind} whose sizes add up to the entry's length", COPY_AGAIN,
        )  # fmt: skip


class FlatNumbers(uproot.AsDtype):  # type: ignore[misc]
    """`uproot.AsDtype` that refuses baskets with other numbers of entries than their branch says.

    uproot itself copies what is there to where it should be: a basket of one entry into all entries of its range.
    """

    def __init__(self, way: Any) -> None:
        super().__init__(way.from_dtype, way.to_dtype)

    def taken(self, basket: Basket, _: Any) -> NDArray[Any]:
        """The numbers of a basket that was read without uproot."""
        found = basket.data.view(self.from_dtype)
        _check_entries(found, basket)
        return found

    def column(
        self, baskets: Mapping[int, NDArray[Any]], start: int, stop: int, entry_offsets: Any, branch: Any
    ) -> Ragged:
        """Entries [start, stop) of baskets that were read without uproot."""
        ranges = basket_ranges(branch, branch.name, baskets, start, stop, entry_offsets)
        parts = [
            baskets[number][first - entry_offsets[number] : last - entry_offsets[number]]
            for number, first, last in ranges
        ]
        return Ragged((), np.concatenate(parts).astype(self.to_dtype))

    def final_array(self, baskets: Mapping[int, Any], start: int, stop: int, entry_offsets: Any, *others: Any) -> Any:
        """The numbers of entries [start, stop) (see `uproot.interpretation.Interpretation.final_array`)."""
        branch = others[1]
        if start < stop:
            list(basket_ranges(branch, branch.name, baskets, start, stop, entry_offsets))
        return super().final_array(baskets, start, stop, entry_offsets, *others)


def _check_entries(found: Sized, basket: Basket) -> None:
    """Raise ValueError where a basket holds more or fewer entries than its header says."""
    if len(found) != basket.num_entries:
        raise ValueError("a basket holds more or fewer entries than its header says")


def check_basket(branch: Any, name: str, number: int, held: int, entry_offsets: Any) -> None:
    """Raise BadFileError unless a basket holds as many entries as its branch says."""
    begin, end = int(entry_offsets[number]), int(entry_offsets[number + 1])
    if held != end - begin:
        raise bad_file(
            branch,
            f"the basket of branch '{name}' that begins with entry {begin}, has {held:,} entries, not {end - begin:,}",
            "baskets that hold the entries which their branch says", COPY_AGAIN,
        )  # fmt: skip


def basket_ranges(
    branch: Any, name: str, baskets: Mapping[int, Any], start: int, stop: int, entry_offsets: Any
) -> Iterator[tuple[int, int, int]]:
    """The parts of entries [start, stop) by basket: its number, the first entry and the one after the last.

    Raises BadFileError when a basket has other entries than its branch says, and when there are not all entries, each
    once and in order.
    """
    at = start
    for number in sorted(baskets):
        check_basket(branch, name, number, len(baskets[number]), entry_offsets)
        first, last = max(start, int(entry_offsets[number])), min(stop, int(entry_offsets[number + 1]))
        if first < last:
            if first != at:
                break
            yield number, first, last
            at = last
    if at != stop and start < stop:
        raise bad_file(
            branch, f"the baskets of branch '{name}' end at entry {at}, before entry {stop}, or overlap",
            "baskets that follow each other and hold all entries", COPY_AGAIN,
        )  # fmt: skip


def _is_other_streaming(basket: _Basket, entry: int) -> bool:
    """Whether a header says member-wise (0x4000) or checksum instead of version (0): for uproot to read."""
    start, stop = int(basket.byte_offsets[entry]), int(basket.byte_offsets[entry + 1])
    if not 0 <= start <= stop - HEADER_BYTES <= len(basket.data) - HEADER_BYTES:
        return False
    n_bytes = int.from_bytes(basket.data[start : start + 4].tobytes(), "big")
    version = int.from_bytes(basket.data[start + 4 : start + 6].tobytes(), "big")
    return n_bytes == 0x40000000 | (stop - start - 4) and (version == 0 or bool(version & 0x4000))
