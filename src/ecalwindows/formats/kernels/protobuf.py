"""Protocol buffers on the wire: https://protobuf.dev/programming-guides/encoding.

`data` and `out` are uint8. A reader takes the place `at` and the end `stop`, never reads beyond it, and returns
the place `BAD` for bytes that are not a message.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel

Bytes = NDArray[np.uint8]

BAD = -1
FIRST, SECOND, THIRD = 0x0A, 0x12, 0x1A
"""Tags of the fields 1, 2 and 3 where they hold a message, text or packed numbers (wire type 2)."""

FIRST_VARINT, FIRST_FLOAT = 0x08, 0x0D
"""Tags of the field 1 where it holds a varint (wire type 0) or four bytes (wire type 5)."""

LONGEST_VARINT = 10
LENGTH_BYTES, CHECKSUM_BYTES = 8, 4
FRAME_BYTES = LENGTH_BYTES + 2 * CHECKSUM_BYTES
"""Bytes of a TFRecord beside its data: length (uint64), checksum of the length, data, checksum of the data."""


@kernel
def write_number(out: Bytes, at: int, number: int, n_bytes: int) -> None:
    """A non-negative number in `n_bytes` bytes from `at` on, lowest first."""
    for place in range(n_bytes):
        out[at + place] = np.uint8((number >> (8 * place)) & 255)


@kernel
def read_number(data: Bytes, at: int, n_bytes: int) -> Any:
    """The number in `n_bytes` bytes, lowest first, int64 (so eight of them may give a negative one)."""
    number = np.int64(0)
    for place in range(n_bytes):
        number |= np.int64(data[at + place]) << (8 * place)
    return number


@kernel
def varint_size(value: int) -> int:
    """Bytes of an int64 as varint; negative ones take ten."""
    if value < 0:
        return LONGEST_VARINT
    size = 1
    while value > 127:
        value >>= 7
        size += 1
    return size


@kernel
def write_varint(out: Bytes, at: int, value: int) -> int:
    """An int64 as varint that ends before `at`. Returns where it begins."""
    if 0 <= value < 128:
        out[at - 1] = np.uint8(value)
        return at - 1
    size = varint_size(value)
    for place in range(at - size, at - 1):
        out[place] = np.uint8((value & 127) | 128)
        value >>= 7
    out[at - 1] = np.uint8(1 if value < 0 else value)
    return at - size


@kernel
def write_tag(out: Bytes, at: int, tag: int, number: int) -> int:
    """A tag and a number, or the length of the content from `at` on, ending before `at`. Returns where they begin."""
    at = write_varint(out, at, number) - 1
    out[at] = np.uint8(tag)
    return at


@kernel
def read_varint(data: Bytes, at: int, stop: int) -> Any:
    """A varint as int64, and the place after it, or `BAD`."""
    value = np.int64(0)
    for place in range(min(stop - at, LONGEST_VARINT)):
        byte = np.int64(data[at + place])
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            if place == LONGEST_VARINT - 1 and byte > 1:
                break
            return value, at + place + 1
    return value, BAD


@kernel
def next_field(data: Bytes, at: int, stop: int) -> Any:
    """Tag, start and end of the next field of a message; the end is `BAD` where no field can be read.

    The field lies within `stop`. Groups (wire types 3 and 4) count as bad: TensorFlow does not write them.
    """
    tag, start = read_varint(data, at, stop)
    if start == BAD or tag < 8 or tag > 0xFFFFFFFF:
        return tag, at, BAD
    wire, size = tag & 7, np.int64(BAD)
    if wire == 0:
        return tag, start, read_varint(data, start, stop)[1]
    if wire == 1:
        size = np.int64(8)
    elif wire == 5:
        size = np.int64(4)
    elif wire == 2:
        size, start = read_varint(data, start, stop)
    if start == BAD or size < 0 or size > stop - start:
        return tag, at, BAD
    return tag, start, start + size
