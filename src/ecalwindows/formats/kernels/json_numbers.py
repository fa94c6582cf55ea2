"""Text of JSON numbers to floats, correctly rounded; with NaN, Infinity and -Infinity, which CMS productions contain.

A float comes from at most 19 digits and a power of ten: by one exact operation where both are small, else by Lemire's
method. Rare cases in which this is not certain, and numbers with more digits (`LONG`), are left to the caller.

`text` is uint8 with some spare bytes after the text. A place below 0 means that there is no number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
from ecalwindows.formats.kernels.decimal import LOWEST_POWER, POWERS, TENS, fixed, high_and_low
from ecalwindows.formats.kernels.eight_bytes import eight_bytes

Bytes = NDArray[np.uint8]

INTEGER_LITERAL, FLOAT_LITERAL, LONG, NOT_A_NUMBER, INFINITE = map(fixed, range(5))
"""Kinds of numbers."""

BAD = fixed(-1)
MAX_DIGITS = 19
MIN_SAFE, MAX_SAFE = -290, 288
"""Powers of ten between which Lemire's method stays among normal numbers, whatever the digits."""

EXACT_TENS = np.array([10.0**power for power in range(23)])
TWOS = np.array([2.0**power for power in range(-1074, 972)])
LARGEST_SINGLE = float(np.finfo(np.float32).max)
LARGEST_EXACT = np.uint64(2**53)
ONE, ZERO, TOP = np.uint64(1), np.uint64(0), np.uint64(63)
NAN = np.uint64(int.from_bytes(b"NaN", "little"))
THREE_BYTES = np.uint64(2**24 - 1)
INFINITY = np.uint64(int.from_bytes(b"Infinity", "little"))


@kernel
def digits_in(eight: np.uint64) -> int:
    """How many of eight bytes, from the first on, are ASCII digits."""
    values = eight ^ np.uint64(0x3030303030303030)
    others = ((values & np.uint64(0x7F7F7F7F7F7F7F7F)) + np.uint64(0x7676767676767676)) | values
    others &= np.uint64(0x8080808080808080)
    if others == ZERO:
        return 8
    before = (others & ~(others - ONE)) - ONE
    count = before & np.uint64(0x0101010101010101)
    count += count >> np.uint64(32)
    count += count >> np.uint64(16)
    count += count >> np.uint64(8)
    return np.int64(count & np.uint64(15)) - 1  # type: ignore[return-value]


@kernel
def eight_digits_value(eight: np.uint64) -> np.uint64:
    """The number that eight ASCII digits give, the first in the lowest byte; leading zero bytes count as 0."""
    ones = eight & np.uint64(0x0F0F0F0F0F0F0F0F)
    twos = (ones * TENS[1] + (ones >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    fours = (twos * TENS[2] + (twos >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    result: np.uint64 = (fours * TENS[4] + (fours >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    return result


@kernel
def read_digits(text: Bytes, at: int, value: np.uint64) -> tuple[int, np.uint64]:
    """Append the digits from `at` on to those of `value`: the place after them, and the number if it fits 19 digits."""
    count = 8
    while count == 8:
        eight = eight_bytes(text, at)
        count = digits_in(eight)
        if count > 0:
            if value < TENS[MAX_DIGITS - count]:
                value = value * TENS[count] + eight_digits_value(eight << np.uint64(64 - 8 * count))
            at += count
    return at, value


@kernel
def leading_zeros(text: Bytes, first: int, last: int) -> int:
    """How many of the digits from `first` to `last` (a point may be among them) are leading zeros."""
    count = 0
    while first < last and text[first] <= 48:  # 0, or the point
        count += 1 if text[first] == 48 else 0
        first += 1
    return count


@kernel
def read_number(text: Bytes, at: int) -> tuple[int, bool, np.uint64, int, int]:
    """A number: the place after it, whether it has a minus, its digits, their power of ten, its kind.

    Digits and power mean nothing for `LONG`, `NOT_A_NUMBER` and `INFINITE`.
    """
    start = at
    negative = text[at] == 45
    if negative:
        at += 1
    first = at
    at, digits = read_digits(text, at, ZERO)
    count = at - first
    if count == 0:
        return read_constant(text, start, first, negative)
    if count > 1 and text[first] == 48:
        return BAD, negative, ZERO, BAD, BAD
    power, kind = 0, INTEGER_LITERAL
    if text[at] == 46:
        kind = FLOAT_LITERAL
        point = at + 1
        at, digits = read_digits(text, point, digits)
        power = point - at
        count -= power
        if power == 0:
            return BAD, negative, ZERO, BAD, BAD
    if count > MAX_DIGITS and count - leading_zeros(text, first, at) > MAX_DIGITS:
        kind = LONG
    if text[at] | 32 == 101:
        at, exponent = read_exponent(text, at + 1)
        power += exponent
        if kind == INTEGER_LITERAL:
            kind = FLOAT_LITERAL
    return at, negative, digits, power, kind


@kernel
def read_exponent(text: Bytes, at: int) -> tuple[int, int]:
    """An exponent after its `e`: the place after it and its value, limited where every number is 0 or infinite."""
    negative = text[at] == 45
    if negative or text[at] == 43:
        at += 1
    first, value = at, 0
    while 48 <= text[at] <= 57:
        value = min(value * 10 + int(text[at]) - 48, 1000000)
        at += 1
    if at == first:
        return BAD, 0
    return at, -value if negative else value


@kernel
def read_constant(text: Bytes, start: int, at: int, negative: bool) -> tuple[int, bool, np.uint64, int, int]:
    """NaN, Infinity or (from `start`) -Infinity."""
    eight = eight_bytes(text, at)
    if eight == INFINITY:
        return at + 8, negative, ZERO, 0, INFINITE
    if at == start and eight & THREE_BYTES == NAN:
        return at + 3, negative, ZERO, 0, NOT_A_NUMBER
    return BAD, negative, ZERO, BAD, BAD


@kernel
def shift_to_top(value: np.uint64) -> int:
    """By how many bits `value` (> 0) can be moved to the left."""
    shift = 0
    for step in (32, 16, 8, 4, 2, 1):
        if value >> np.uint64(64 - step) == ZERO:
            value <<= np.uint64(step)
            shift += step
    return shift


@kernel
def lemire(digits: np.uint64, power: int) -> tuple[float, bool]:
    """`digits` (> 0) times 10**power, correctly rounded, and whether this is certain.

    The product with the leading 128 bits of the power, rounded up, is at most one unit of its second word too large.
    """
    if power < MIN_SAFE or power > MAX_SAFE:
        return 0.0, False
    row, shift = power - LOWEST_POWER, shift_to_top(digits)
    factor = digits << np.uint64(shift)
    carried, _ = high_and_low(POWERS[row, 1], factor, ZERO)
    high, low = high_and_low(POWERS[row, 0], factor, carried)
    dropped = 10 + np.int64(high >> TOP)
    rest = high & ((ONE << np.uint64(dropped)) - ONE)
    half = ONE << np.uint64(dropped - 1)
    if rest == half and low <= ONE:
        return 0.0, False
    significand = high >> np.uint64(dropped)
    if rest >= half:
        significand += ONE
    exponent = (power * 1741647 >> 19) + 1 - shift + dropped
    return np.float64(significand) * TWOS[exponent + 1074], True


@kernel
def float_value(digits: np.uint64, power: int) -> tuple[float, bool]:
    """`digits` times 10**power, correctly rounded, and whether this is certain (otherwise the caller must find it)."""
    if digits == ZERO:
        return 0.0, True
    if digits <= LARGEST_EXACT and -22 <= power <= 22:
        value = np.float64(digits)
        return (value / EXACT_TENS[-power] if power < 0 else value * EXACT_TENS[power]), True
    return lemire(digits, power)


@kernel
def between_singles(value: float) -> Any:
    """Whether `value` lies half-way between two neighbouring float32."""
    if value > LARGEST_SINGLE:
        return False
    beyond = value - np.float64(np.float32(value))
    return beyond != 0.0 and np.float64(np.float32(value + beyond)) == value + beyond
