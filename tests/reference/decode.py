"""Reference implementation of `dumper/kernels/decode.py`: decoding of the bytes of a basket.

Layout: TBufferFile::WriteVersion (byte count, version) and TCollectionProxy streaming of vectors of numbers.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


def entry(data: bytes, depth: int, dtype: str) -> list[Any]:
    """One entry as a list (depth 1) or list of lists (depth 2). Raises ValueError for inconsistent bytes."""
    if len(data) < 10:
        raise ValueError("too short")
    count, version = struct.unpack(">IH", data[:6])
    if count != 0x40000000 | (len(data) - 4) or not 0 < version < 0x4000:
        raise ValueError("not the header of a vector")
    rest = data[6:]
    if depth == 1:
        values, rest = one_list(rest, dtype)
    else:
        (size,) = struct.unpack(">I", rest[:4])
        rest = rest[4:]
        if 4 * size > len(rest):
            raise ValueError("more lists than bytes")
        values = []
        for _ in range(size):
            items, rest = one_list(rest, dtype)
            values.append(items)
    if rest:
        raise ValueError("bytes left over")
    return values


def one_list(data: bytes, dtype: str) -> tuple[list[Any], bytes]:
    """The list at the start of the bytes, and the bytes after it."""
    if len(data) < 4:
        raise ValueError("no room for a size")
    (size,) = struct.unpack(">I", data[:4])
    end = 4 + size * np.dtype(dtype).itemsize
    if end > len(data):
        raise ValueError("more items than bytes")
    return np.frombuffer(data[4:end], dtype=np.dtype(dtype).newbyteorder(">")).tolist(), data[end:]


def entry_bytes(values: list[Any], depth: int, dtype: str, version: int = 10) -> bytes:
    """The bytes that ROOT writes for the entry."""
    lists = [values] if depth == 1 else values
    body = b"" if depth == 1 else struct.pack(">I", len(values))
    for items in lists:
        body += (
            struct.pack(">I", len(items))
            + np.array(items, dtype=dtype).astype(np.dtype(dtype).newbyteorder(">")).tobytes()
        )
    return struct.pack(">IH", 0x40000000 | (len(body) + 2), version) + body
