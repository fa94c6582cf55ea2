"""Numbers as text: integers, and the shortest decimal that gives a float back, digit for digit as Python's repr.

Source: R. Giulietti, "The Schubfach way to render doubles" (2020), with powers of ten of 128 bits. The notation is
Python's: plain from 1e-4 up to 1e16, else scientific with two digits of exponent at least.

All arithmetic is on integers. A number comes as a `word`, int64: an integer itself, or the bits of a float (those of a
float32 in the lower half, zeros above). Its text is made of three pieces, `Pieces`: head, body, end. Each is ASCII in
one or two uint64 (first byte lowest) and a length; the next piece overwrites the bytes beyond the length.

Two rules avoid problems with numba. No operation mixes signed and unsigned integers: numba would return a float.
No function here takes an array: numba would count references at each call, which is slower than the arithmetic.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel

WIDEST = {"bool": 5, "int32": 11, "int64": 20, "float32": 19, "float64": 24, "": 0}
"""The maximum number of bytes of a value, for each dtype."""

LOWEST_POWER, HIGHEST_POWER = -292, 324


def fixed(number: int) -> int:
    """A constant that kernels pass on: for an int of Python, numba would compile the called kernel once more."""
    return np.int64(number)  # type: ignore[return-value]


def power_table() -> NDArray[np.uint64]:
    """The leading bits of the powers of ten 10**-292 ... 10**324, rounded up.

    Shape (617, 3), uint64: upper and lower half of the leading 128 bits; the leading 64 bits.
    """
    rows = []
    for power in range(LOWEST_POWER, HIGHEST_POWER + 1):
        shift = 127 - (power * 1741647 >> 19)  # 127 - floor(log2(10**power))
        numerator = 10 ** max(power, 0) << max(shift, 0)
        denominator = 10 ** max(-power, 0) << max(-shift, 0)
        leading = -(-numerator // denominator)
        rows.append((leading >> 64, leading & (2**64 - 1), -(-leading >> 64)))
    return np.array(rows, dtype=np.uint64)


POWERS = power_table()
TENS = np.array([10**power for power in range(20)], dtype=np.uint64)

ZERO, ONE, TWO, TEN, FORTY = (np.uint64(number) for number in (0, 1, 2, 10, 40))
HALF, LOWER_HALF, BYTE = (np.uint64(number) for number in (32, 2**32 - 1, 8))
MINUS, PLUS, POINT, LETTER_E = (np.uint64(ord(letter)) for letter in "-+.e")
TRUE, FALSE, NOUGHT, MINUS_NOUGHT = (
    np.uint64(int.from_bytes(text, "little")) for text in (b"true", b"false", b"0.0", b"-0.0")
)

NO_POINT, ONE_DIGIT, SEVEN, TWENTY = map(fixed, (0, 1, 7, 20))

INTEGER, BOOL, SINGLE, DOUBLE, NOTHING = range(5)
KINDS = {"int32": INTEGER, "int64": INTEGER, "bool": BOOL, "float32": SINGLE, "float64": DOUBLE, "": NOTHING}
"""The kind of the word for each dtype; "" means a value without text."""

Word = np.uint64
Pieces = tuple[Word, int, Word, Word, int, Word, Word, int]


@kernel
def scaled_single(row: int, factor: np.uint64) -> np.uint64:
    """`factor` (< 2**32) times the power of ten of `row`, without its last 64 bits, rounded to odd."""
    power = POWERS[row, 2]
    product = (power >> HALF) * factor + (((power & LOWER_HALF) * factor) >> HALF)
    result: np.uint64 = (product >> HALF) | (ONE if (product & LOWER_HALF) > ONE else ZERO)
    return result


@kernel
def high_and_low(one: np.uint64, other: np.uint64, more: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Upper and lower 64 bits of `one * other + more`; no step overflows."""
    a1, a0, b1, b0 = one >> HALF, one & LOWER_HALF, other >> HALF, other & LOWER_HALF
    low = a0 * b0 + (more & LOWER_HALF)
    left = a1 * b0 + (low >> HALF)
    right = a0 * b1 + (left & LOWER_HALF) + (more >> HALF)
    return a1 * b1 + (left >> HALF) + (right >> HALF), (right << HALF) | (low & LOWER_HALF)


@kernel
def scaled_double(row: int, factor: np.uint64) -> np.uint64:
    """`factor` times the power of ten of `row`, without its last 128 bits, rounded to odd."""
    carried, _ = high_and_low(POWERS[row, 1], factor, ZERO)
    high, low = high_and_low(POWERS[row, 0], factor, carried)
    return high | (ONE if low > ONE else ZERO)


@kernel
def nearest_short(below: np.uint64, value: np.uint64, above: np.uint64) -> tuple[np.uint64, int]:
    """The number to print, and 1 if it counts tens, else 0.

    value : four times the number in units of the last digit; below, above : bounds (included) for rounding to it.
    """
    units = value >> TWO
    if units >= TEN:
        tens = units // TEN
        down, up = below <= FORTY * tens, FORTY * tens + FORTY <= above
        if down != up:
            return (tens + ONE, 1) if up else (tens, 1)
    four = units << TWO
    down, up = below <= four, four + TWO + TWO <= above
    if down == up:
        up = value > four + TWO or (value == four + TWO and units & ONE == ONE)
    return (units + ONE, 0) if up else (units, 0)


@kernel
def shortest(significand: int, exponent: int, lopsided: bool, single: bool) -> tuple[np.uint64, int]:
    """Shortest decimal (digits, power of ten) that rounds to `significand * 2**exponent`; the closest of these.

    lopsided : the float below is only half as far as the one above.
    """
    power = (exponent * 1262611 - (524031 if lopsided else 0)) >> 22
    shift = np.uint64(exponent + (-power * 1741647 >> 19) + 1)
    row = -power - LOWEST_POWER
    value = np.uint64(significand) << TWO
    lower, upper = value - (ONE if lopsided else TWO), value + TWO
    if single:
        below, middle = scaled_single(row, lower << shift), scaled_single(row, value << shift)
        above = scaled_single(row, upper << shift)
    else:
        below, middle = scaled_double(row, lower << shift), scaled_double(row, value << shift)
        above = scaled_double(row, upper << shift)
    parity = np.uint64(significand & 1)
    digits, tens = nearest_short(below + parity, middle, above - parity)
    power += tens
    while digits % TEN == ZERO:
        digits //= TEN
        power += 1
    return digits, power


@kernel
def decimal(magnitude: int, single: bool) -> tuple[np.uint64, int]:
    """Digits and power of ten of the float with the bits `magnitude` (> 0, no sign)."""
    width = 23 if single else 52
    lowest = -149 if single else -1074
    field = magnitude >> width
    significand = magnitude & ((1 << width) - 1)
    lopsided = significand == 0 and field > 1
    if field > 0:
        significand += 1 << width
    exponent = lowest + max(field, 1) - 1
    if -width <= exponent <= 0 and significand & ((1 << -exponent) - 1) == 0:
        return np.uint64(significand >> -exponent), 0
    return shortest(significand, exponent, lopsided, single)


@kernel
def digit_count(value: np.uint64, most: int) -> int:
    """How many digits `value` has; it has at most `most`."""
    while most > 1 and value < TENS[most - 1]:
        most -= 1
    return most


@kernel
def eight_digits(value: np.uint64) -> np.uint64:
    """The eight digits of `value` (< 10**8), with leading zeros, as ASCII: the first in the lowest byte."""
    fours = value // TENS[4]
    fours |= (value - fours * TENS[4]) << HALF
    hundreds = ((fours * np.uint64(10486)) >> np.uint64(20)) & np.uint64(0x7F0000007F)
    twos = hundreds | ((fours - hundreds * np.uint64(100)) << np.uint64(16))
    tens = ((twos * np.uint64(103)) >> np.uint64(10)) & np.uint64(0x000F000F000F000F)
    result: np.uint64 = (tens | ((twos - tens * TEN) << BYTE)) + np.uint64(0x3030303030303030)
    return result


@kernel
def left_digits(value: np.uint64, count: int) -> tuple[np.uint64, np.uint64]:
    """The `count` (at most 16) digits of `value`, with leading zeros, as ASCII in 16 bytes; the rest is unused."""
    if count <= 8:
        return eight_digits(value * TENS[8 - count]), ZERO
    value *= TENS[16 - count]
    head = value // TENS[8]
    return eight_digits(head), eight_digits(value - head * TENS[8])


@kernel
def head_text(sign: int, value: np.uint64, count: int, point: int) -> np.uint64:
    """Minus (if `sign` is 1), then `count` digits of `value`, a point after `point` of them (0: none)."""
    digits = eight_digits(value * TENS[8 - count])
    if point > 0:
        place = np.uint64(8 * point)
        kept = (ONE << place) - ONE
        digits = (digits & kept) | (POINT << place) | ((digits & ~kept) << BYTE)
    return (digits << BYTE) | MINUS if sign == 1 else digits


@kernel
def integer_text(word: int) -> Pieces:
    """An integer."""
    sign = 1 if word < 0 else 0
    value = np.uint64(-(word + 1)) + ONE if word < 0 else np.uint64(word)
    if value < TENS[7]:
        count = digit_count(value, SEVEN)
        return head_text(sign, value, count, NO_POINT), sign + count, ZERO, ZERO, 0, ZERO, ZERO, 0
    count = digit_count(value, TWENTY)
    in_head = max(count - 16, 0)
    head = value // TENS[16]
    first, second = left_digits(value - head * TENS[16], count - in_head)
    return head_text(sign, head, in_head, NO_POINT), sign + in_head, first, second, count - in_head, ZERO, ZERO, 0


@kernel
def scientific_text(sign: int, digits: np.uint64, count: int, power: int) -> Pieces:
    """`digits` (`count` of them) as d.ddde+XX, where the first digit counts 10**power."""
    point = 1 if count > 1 else 0
    start = digits // TENS[count - 1]
    first, second = left_digits(digits - start * TENS[count - 1], count - 1)
    size = 2 if abs(power) < 100 else 3
    end = eight_digits(np.uint64(abs(power)) * TENS[8 - size]) << (BYTE + BYTE)
    end |= LETTER_E | ((MINUS if power < 0 else PLUS) << BYTE)
    return head_text(sign, start, ONE_DIGIT, point), sign + 1 + point, first, second, count - 1, end, ZERO, 2 + size


@kernel
def long_text(sign: int, digits: np.uint64, count: int, power: int) -> Pieces:
    """`digits` (`count` of them) times 10**power, with 7 to 16 digits before the point."""
    units, rest, behind = digits * TENS[max(power, 0)], ZERO, 1
    if power < 0:
        behind = -power
        units = digits // TENS[behind]
        rest = digits - units * TENS[behind]
    first, second = left_digits(units, count + power)
    third, fourth = left_digits(rest, behind)
    fourth = (fourth << BYTE) | (third >> np.uint64(56))
    return MINUS, sign, first, second, count + power, (third << BYTE) | POINT, fourth, behind + 1


@kernel
def short_text(sign: int, digits: np.uint64, count: int, power: int) -> Pieces:
    """`digits` (`count` of them) times 10**power, with at most 6 digits before the point and 3 zeros behind it."""
    point = max(count + power, 1)
    if power >= 0:
        digits, power = digits * TENS[power + 1], -1
    body = min(-power, 16)
    head = digits // TENS[body]
    first, second = left_digits(digits - head * TENS[body], body)
    in_head = point - power - body
    return head_text(sign, head, in_head, point), sign + in_head + 1, first, second, body, ZERO, ZERO, 0


@kernel
def float_text(word: int, single: bool) -> Pieces:
    """A float of 32 (`single`) or 64 bits; not NaN, not infinite."""
    magnitude = word & (0x7FFFFFFF if single else 0x7FFFFFFFFFFFFFFF)
    sign = 1 if magnitude != word else 0
    if magnitude == 0:
        return (MINUS_NOUGHT if sign == 1 else NOUGHT), 3 + sign, ZERO, ZERO, 0, ZERO, ZERO, 0
    digits, power = decimal(magnitude, single)
    count = digit_count(digits, 9 if single else 17)
    if -4 < count + power <= 6:
        return short_text(sign, digits, count, power)
    if 6 < count + power <= 16:
        return long_text(sign, digits, count, power)
    return scientific_text(sign, digits, count, count + power - 1)


@kernel
def value_text(word: int, kind: int) -> Pieces:
    """A value of any of `KINDS`."""
    if kind == BOOL:
        return (TRUE, 4, ZERO, ZERO, 0, ZERO, ZERO, 0) if word != 0 else (FALSE, 5, ZERO, ZERO, 0, ZERO, ZERO, 0)
    if kind == NOTHING:
        return ZERO, 0, ZERO, ZERO, 0, ZERO, ZERO, 0
    if kind == INTEGER:
        return integer_text(word)
    return float_text(word, kind == SINGLE)
