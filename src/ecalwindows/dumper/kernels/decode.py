"""From the bytes of an uncompressed TBasket to offsets and content, for `vector<T>` and `vector<vector<T>>`.

What ROOT (TBufferFile, TCollectionProxy streaming) writes for one entry, all numbers big-endian:

    4 bytes   0x40000000 | number of bytes that follow
    2 bytes   version (bit 0x4000 set: member-wise, another layout)
    depth 1   list
    depth 2   4 bytes number of lists, then the lists
    list      4 bytes number of items, then the items

Both depths are lists after 6 bytes, so the same two loops read both: `count_items` checks the headers and sizes the
output, `fill_items` copies. Neither reads outside the entry or the buffer, whatever the bytes say, and neither writes
beyond its outputs: what does not fit them is an entry that cannot be read. Items are copied
as bytes, still big-endian: `swap_bytes` turns all of them round at the end. Unsigned indices spare
numba's test for negative ones, which would keep the copy from being vectorised (2 to 3 times slower). Both loops also
run as plain Python (NUMBA_DISABLE_JIT=1): bytes are widened before they are shifted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel

ALTERNATE_BYTES = np.uint32(0x00FF00FF)


@kernel
def big_endian_4(data: NDArray[np.uint8], at: int | np.int64) -> np.int64:
    """The unsigned 4-byte number at `at`, as int64; the caller checks that `at + 4 <= len(data)`."""
    first = np.uint64(at)
    high = (np.int64(data[first]) << 24) | (np.int64(data[first + np.uint64(1)]) << 16)
    return high | (np.int64(data[first + np.uint64(2)]) << 8) | np.int64(data[first + np.uint64(3)])


@kernel
def count_items(
    data: NDArray[np.uint8],
    byte_offsets: NDArray[np.int32],
    first: int,
    last: int,
    itemsize: int,
    depth: int,
    list_offsets: NDArray[np.int64],
    n_items: np.int64,
) -> tuple[int, np.int64]:
    """Count lists and items of entries [first, last) of a basket, from their headers and lengths alone.

    data : uint8 (n_bytes,)  byte_offsets : int32 (n_entries_in_basket + 1,)
    list_offsets : int64 (last - first + 1,), the first set by the caller, the others written here: the number of
        lists before each entry (depth 1: one list an entry)
    n_items : items before this basket

    Returns (bad, items): bad is -1, or the first entry of the basket whose header and length disagree (then
    list_offsets is not to be used); items is n_items plus the items found.
    """
    items = n_items
    last_fitting = min(last, first + len(list_offsets) - 1, len(byte_offsets) - 1)
    for entry in range(first, last):
        if entry >= last_fitting:
            return entry, items
        start = np.int64(byte_offsets[entry])
        stop = np.int64(byte_offsets[entry + 1])
        if start < 0 or stop > len(data) or stop - start < 10:
            return entry, items
        version = (np.int64(data[start + 4]) << 8) | np.int64(data[start + 5])
        if version == 0 or version >= 0x4000 or big_endian_4(data, start) != (0x40000000 | (stop - start - 4)):
            return entry, items
        size = big_endian_4(data, start + 6)
        n_lists = size if depth == 2 else np.int64(1)
        item_bytes = stop - start - (10 if depth == 2 else 6) - 4 * n_lists
        if item_bytes < 0 or item_bytes % itemsize != 0 or (depth == 1 and size * itemsize != item_bytes):
            return entry, items
        list_offsets[entry - first + 1] = list_offsets[entry - first] + n_lists
        items += item_bytes // itemsize
    return -1, items


@kernel
def fill_items(
    data: NDArray[np.uint8],
    byte_offsets: NDArray[np.int32],
    first: int,
    last: int,
    itemsize: int,
    depth: int,
    item_offsets: NDArray[np.int64],
    n_lists: int,
    content: NDArray[np.uint8],
) -> int:
    """Copy the items of entries [first, last), which `count_items` has passed, and write their lists' offsets.

    item_offsets : int64 (all lists + 1,), [n_lists] set before: items before this basket; the next are written here
    n_lists : lists before this basket
    content : uint8 (all items * itemsize,), written as in the file (big-endian)

    Returns -1, or the first entry of the basket whose lists don't add up to its length.
    """
    if n_lists < 0 or n_lists >= len(item_offsets):
        return first
    n_items = item_offsets[n_lists]
    for entry in range(first, last):
        at = np.int64(byte_offsets[entry]) + 6
        stop = np.int64(byte_offsets[entry + 1])
        left = np.int64(1)
        if depth == 2:
            left = big_endian_4(data, at)
            at += 4
        while left > 0:
            left -= 1
            size = big_endian_4(data, at)
            at += 4
            # leaves room for the sizes to come: neither they nor the output are overrun
            if size * itemsize > stop - at - 4 * left:
                return entry
            if n_lists + 1 >= len(item_offsets) or (n_items + size) * itemsize > len(content):
                return entry
            source = np.uint64(at)
            target = np.uint64(n_items * itemsize)
            for byte in range(np.uint64(size * itemsize)):
                content[target + byte] = data[source + byte]
            at += size * itemsize
            n_items += size
            n_lists += 1
            item_offsets[n_lists] = n_items
        if at != stop:
            return entry
    return -1


@kernel
def swap_bytes(words: NDArray[np.uint32]) -> None:
    """Reverse the bytes of each word. NumPy's `byteswap` does not let other threads run meanwhile."""
    for place in range(len(words)):
        halves = (words[place] >> np.uint32(16)) | (words[place] << np.uint32(16))
        words[place] = ((halves >> np.uint32(8)) & ALTERNATE_BYTES) | ((halves & ALTERNATE_BYTES) << np.uint32(8))
