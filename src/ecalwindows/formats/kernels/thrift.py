"""A walk through a value of the compact protocol of Thrift, in which footers of Parquet are written.

Numbers there have as many bytes as they need, so that the place of one is known only behind all before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.formats.kernels.decimal import fixed

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LIST, STRUCT = 2, 3, 6, 7, 8, 9, 12
"""Types of the compact protocol, up to this one where there are several; maps and sets are not in footers."""

SKIP, NUMBER, INSIDE = map(fixed, range(3))
"""What is done with a field: nothing, its place and value are noted, or its structs are gone through."""

BEGIN, END = map(fixed, (-1, -2))
"""In place of a depth: here a list begins, or ends."""

DEEPEST = 32
"""Lists and structs inside each other."""


@kernel
def varint(data: Bytes, at: int) -> tuple[int, int]:
    """A number without a sign that begins at byte `at`, and where it ends."""
    value, shift = np.uint64(0), np.uint64(0)
    while data[at] >= 0x80:
        value |= np.uint64(data[at] & 0x7F) << shift
        at, shift = at + 1, shift + np.uint64(7)
    return np.int64(value | np.uint64(data[at]) << shift), at + 1  # type: ignore[return-value]


@array_kernel
def places(data: Bytes, actions: Integers, out: Integers) -> int:
    """Note the numbers of a struct that are wanted, and the lists that are gone through, in their order.

    actions : int64 (depth, fields), what is done with a field of the struct, of those inside it, and so on
    out : int64 (n, 5): depth, field, first byte, byte behind and value of a number; of a list BEGIN, field, first byte,
        byte behind its length and length, then END, field and twice its end
    Returns the number of rows of `out`; -1 where a type is not known, or the struct does not end.
    """
    n, top, at, end = 0, 0, 0, len(data)
    field, left, kind, depth = np.zeros((4, DEEPEST), np.int64)
    left[0] = -1
    while top >= 0:
        if at >= end or top + 1 == DEEPEST or n + 2 > len(out):
            return -1
        action, here = SKIP, depth[top]
        if left[top] >= 0:
            if left[top] == 0:
                if here >= 0:
                    out[n] = END, field[top], at, at, 0
                    n += 1
                top -= 1
                continue
            left[top] -= 1
            value_kind, inner = kind[top], here
        else:
            head = np.int64(data[at])
            at += 1
            if head == 0:
                top -= 1
                continue
            if head >> 4:
                field[top] += head >> 4
            else:
                value, at = varint(data, at)
                field[top] = (value >> 1) ^ -(value & 1)
            value_kind = head & 15
            if here >= 0 and field[top] < actions.shape[1]:
                action = actions[here, field[top]]
            inner = here + 1 if action == INSIDE else -1
        first = at
        if value_kind == BYTE:
            at += 1
        elif value_kind == DOUBLE:
            at += 8
        elif BYTE < value_kind <= INTEGERS:
            value, at = varint(data, at)
            if action == NUMBER:
                out[n] = here, field[top], first, at, (value >> 1) ^ -(value & 1)
                n += 1
        elif value_kind == BINARY:
            value, at = varint(data, at)
            at += value
        elif value_kind == STRUCT:
            top += 1
            field[top], left[top], depth[top] = 0, -1, inner
        elif value_kind == LIST:
            head = np.int64(data[at])
            length, at = (head >> 4, at + 1) if head >> 4 < 15 else varint(data, at + 1)
            if inner >= 0:
                out[n] = BEGIN, field[top], first, at, length
                n += 1
            top += 1
            field[top], left[top], kind[top], depth[top] = field[top - 1], length, head & 15, inner
        elif value_kind > BOOLEANS or left[top] >= 0:
            return -1
    return n
