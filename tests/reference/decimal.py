"""Reference implementation of `formats/kernels/decimal.py`: the shortest decimal, by trial with exact fractions."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Binary:
    """A binary format: number of stored bits of the significand, and the power of two of the smallest number."""

    width: int
    lowest: int


SINGLE, DOUBLE = Binary(23, -149), Binary(52, -1074)


def neighbourhood(magnitude: int, binary: Binary) -> tuple[Fraction, Fraction, Fraction, bool]:
    """The float with these bits (without sign), the limits of the numbers that round to it, and whether they do too."""
    field, fraction = magnitude >> binary.width, magnitude % (1 << binary.width)
    significand = fraction + ((1 << binary.width) if field else 0)
    unit = Fraction(2) ** (binary.lowest + max(field, 1) - 1)
    half_gap = unit / 4 if fraction == 0 and field > 1 else unit / 2
    value = significand * unit
    return value, value - half_gap, value + unit / 2, significand % 2 == 0


def power_below(value: Fraction) -> int:
    """The exponent of the largest power of ten that is at most a positive value."""
    power = len(str(value.numerator)) - len(str(value.denominator))
    return power if Fraction(10) ** power <= value else power - 1


def shortest(magnitude: int, binary: Binary) -> tuple[str, int]:
    """The digits of the shortest decimal (the closest one of several), and the power of ten of its first digit."""
    value, lower, upper, closed = neighbourhood(magnitude, binary)
    top = power_below(value)
    for count in range(1, 18):
        unit = Fraction(10) ** (top - count + 1)
        quotient = value // unit
        found = [
            number
            for number in (quotient, quotient + 1)
            if lower < number * unit < upper or (closed and number * unit in (lower, upper))
        ]
        if found:
            best = min(found, key=lambda number: (abs(number * unit - value), number % 2))
            digits = str(best)
            return digits.rstrip("0"), top - count + len(digits)
    raise AssertionError("17 digits are always enough")


def float_text(bits: int, binary: Binary) -> str:
    """The text of the float with these bits, in the notation of Python's repr."""
    magnitude = bits % (1 << (31 if binary is SINGLE else 63))
    sign = "-" if magnitude != bits else ""
    if magnitude == 0:
        return sign + "0.0"
    digits, power = shortest(magnitude, binary)
    if not -4 <= power < 16:
        return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{power:+03d}"
    if power < 0:
        return f"{sign}0.{'0' * (-power - 1)}{digits}"
    return f"{sign}{digits[: power + 1].ljust(power + 1, '0')}.{digits[power + 1 :] or '0'}"
