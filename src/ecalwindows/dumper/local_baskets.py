"""The uncompressed baskets of many branches of a local file, without uproot's work for each of them.

A file has thousands of small baskets, and uproot makes an object of each: this takes longer than their decompression.
Here the headers of all baskets are gathered from the mapped file at once. What is not as expected is left to uproot,
which also says what is wrong with it.

A basket (TKey, then what TBasket adds; all numbers are big-endian):

    18 bytes      bytes in the file, version, bytes of the object, date, bytes of the header, cycle
    ...           names
    19 bytes      version, size of the buffer, size or number of entries, entries, end of the data, flag
    the object    compressed in blocks of 9 bytes (method, lengths) and data; or as it is
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import uproot
import zstandard
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

KEY = np.dtype(
    [("n_bytes", ">i4"), ("version", ">i2"), ("n_object", ">i4"), ("date", ">i4"), ("n_header", ">i2"),
     ("cycle", ">i2")]
)  # fmt: skip
TAIL = np.dtype(
    [("version", ">u2"), ("n_buffer", ">i4"), ("n_sizes", ">i4"), ("n_entries", ">i4"), ("end", ">i4"), ("flag", "u1")]
)
BLOCK = np.dtype([("method", "S2"), ("version", "u1"), ("packed", "u1", 3), ("unpacked", "u1", 3)])
METHODS = {b"ZL": uproot.ZLIB(1), b"XZ": uproot.LZMA(1)}
"""Those whose blocks have no more than these headers, beside zstd; LZ4 has a checksum."""


@dataclass(frozen=True)
class Basket:
    """An uncompressed basket; the attributes have the names of uproot's.

    data : uint8 (n_bytes,) ; byte_offsets : int32 (num_entries + 1,), None for entries of one length
    """

    basket_num: int
    num_entries: int
    data: Bytes
    byte_offsets: NDArray[np.int32] | None


def mapped(tree: Any) -> Bytes | None:
    """The bytes of a local file, uint8 (n_bytes,), mapped and not copied; None where it is not mapped."""
    source = tree.file.source
    if not isinstance(source, uproot.MemmapSource) or source.fallback is not None:
        return None
    return source.file.view(np.ndarray)  # type: ignore[no-any-return]


def forget_pages(tree: Any) -> None:
    """Take the pages of a mapped file out of our memory; they come back when they are read again."""
    pages = getattr(tree.file.source.file, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)


def basket_places(branch: Any, edges: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int64] | None:
    """Number, begin and end in the file of all baskets with entries of [start, stop), int64 (n, 3).

    edges : the entry where each basket begins, and the end of the last
    None where a basket is in the tree itself.
    """
    if len(branch.embedded_baskets):
        return None
    numbers = np.flatnonzero((edges[1:] > start) & (edges[:-1] < stop))
    begin, size = (
        np.asarray(branch.member(name))[numbers].astype(np.int64) for name in ("fBasketSeek", "fBasketBytes")
    )
    return np.stack([numbers, begin, begin + size], axis=1)


def read_baskets(file: Bytes, tree: Any, places: NDArray[np.int64]) -> Iterator[Basket]:
    """The baskets at these places (`basket_places`), in order.

    Raises ValueError, or what a library of compression raises, where a basket is not as its header says.
    """
    number, begin, end = places.T
    _require((begin >= 0) & (end - begin >= KEY.itemsize + TAIL.itemsize) & (end <= len(file)))
    key = _gathered(file, begin, KEY)
    n_header = key["n_header"].astype(np.int64)
    _require((key["n_bytes"] == end - begin) & (n_header >= KEY.itemsize + TAIL.itemsize) & (n_header < end - begin))
    tail = _gathered(file, begin + n_header - TAIL.itemsize, TAIL)
    n_object, border = key["n_object"].astype(np.int64), tail["end"].astype(np.int64) - n_header
    _require((n_object > 0) & (border >= 0) & (border <= n_object) & (tail["n_entries"] >= 0))
    zstd = zstandard.ZstdDecompressor()  # keeps its tables from block to block, and serves one thread
    columns = (number, begin + n_header, end, n_object, border, n_header, tail["n_entries"])
    for basket, first, last, size, edge, header, n in zip(*(column.tolist() for column in columns), strict=True):
        packed = file[first:last]
        raw = packed.copy() if len(packed) == size else _unpacked(packed, tree, size, zstd)
        if edge == size:
            yield Basket(basket, n, raw, None)
            continue
        stored = raw[edge:].view(">i4")[1:]
        if len(stored) != n + 1:  # before anything is computed: a damaged header may state gigabytes
            raise ValueError("the offsets of a basket are not one for each entry")
        offsets = stored - np.int32(header)
        offsets[-1] = edge
        yield Basket(basket, n, raw[:edge], offsets)


def _gathered(file: Bytes, begin: NDArray[np.int64], kind: np.dtype[Any]) -> NDArray[Any]:
    """The records of one kind at these places, (n,)."""
    found: NDArray[Any] = file.take(begin[:, None] + np.arange(kind.itemsize)).view(kind)
    return found[:, 0]


def _require(each: NDArray[np.bool_]) -> None:
    if not each.all():
        raise ValueError("the header of a basket is not as expected")


def _unpacked(packed: Bytes, tree: Any, size: int, zstd: zstandard.ZstdDecompressor) -> Bytes:
    """The object of a basket."""
    if len(packed) >= BLOCK.itemsize:
        block = packed[: BLOCK.itemsize].tobytes()
        n_packed, n_unpacked = (int.from_bytes(block[at : at + 3], "little") for at in (3, 6))
        if n_packed == len(packed) - BLOCK.itemsize and n_unpacked == size and block[:2] in (b"ZS", *METHODS):
            data, method = packed[BLOCK.itemsize :], METHODS.get(block[:2])
            raw = method.decompress(data, size) if method else zstd.decompress(data.data, size, allow_extra_data=False)
            if len(raw) != size:
                raise ValueError("a block of a basket has another length than its header says")
            return np.frombuffer(raw, dtype=np.uint8)
    source, cursor = tree.file.source, uproot.source.cursor.Cursor(0)
    chunk = uproot.source.chunk.Chunk.wrap(source, packed)
    unpacked = uproot.compression.decompress(chunk, cursor, {}, len(packed), size)
    return unpacked.raw_data  # type: ignore[no-any-return]
