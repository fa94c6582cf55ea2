"""Text to float: what Python's float makes of it, or a plain "not sure"."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecalwindows.formats.kernels import json_numbers as kernels
from ecalwindows.formats.ndjson.tables import exact_float


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(text.encode() + b"\n" + bytes(64), dtype=np.uint8).copy()


def read(text: str) -> tuple[int, float | None]:
    """The place after a number (-1: none), and its value where the kernel is sure of it."""
    at, negative, digits, power, kind = kernels.read_number(bytes_of(text), 0)
    if at < 0:
        return -1, None
    if kind == kernels.NOT_A_NUMBER:
        return int(at), float("nan")
    if kind == kernels.INFINITE:
        return int(at), -float("inf") if negative else float("inf")
    value, sure = kernels.float_value(np.uint64(digits), power) if kind != kernels.LONG else (0.0, False)
    return int(at), (-value if negative else value) if sure else None


DECIMALS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?\Z")
DOUBLES = st.floats(allow_nan=False, allow_infinity=False).map(repr)


@given(DECIMALS | DOUBLES)
@example("9007199254740993")
@example("0.000000000000000000000000000000001234567890123456789")
@example("1e22")
@example("1e23")
@example("123456789012345678")
@example("1.7976931348623157e+308")
@example("2.2250738585072014e-308")
@example("-0.0")
def test_every_number_is_correctly_rounded_or_left(text: str) -> None:
    at, value = read(text)
    assert at == len(text)
    assert value is None or (value == float(text) and np.signbit(value) == np.signbit(float(text)))


@given(st.floats(1e-280, 1e280) | st.floats(2.0**-120, 2.0**120, width=32))
def test_usual_numbers_are_never_left(number: float) -> None:
    for text in (repr(number), f"{number:.6f}", f"{number:.15e}"):
        assert read(text)[1] == float(text) or len(text) > 20


def test_powers_of_ten_are_not_left() -> None:
    for power in range(-280, 281):
        assert power == 23 or read(f"1e{power}")[1] == float(f"1e{power}")  # 1e23 lies half-way, all but
        assert read(f"-9.87654321e{power}")[1] == float(f"-9.87654321e{power}")


@pytest.mark.parametrize(
    ("text", "value"),
    [("NaN", float("nan")), ("Infinity", float("inf")), ("-Infinity", -float("inf"))],
)
def test_constants(text: str, value: float) -> None:
    at, found = read(text)
    assert at == len(text) and (found == value or (found != found and value != value))


@pytest.mark.parametrize(
    "text", ["", "-", "+1", ".5", "1.", "1.e5", "01", "-01", "1e", "1e+", "nan", "-NaN", "Infinit"]
)
def test_what_is_no_number(text: str) -> None:
    assert read(text) == (-1, None)


@pytest.mark.parametrize(
    ("text", "length"), [("1,2", 1), ("0.5]", 3), ("1e5}", 3), ("0x", 1), ("12345678a", 8), ("1 2", 1)]
)
def test_a_number_ends_where_its_text_ends(text: str, length: int) -> None:
    assert read(text)[0] == length


@given(st.binary(min_size=8, max_size=8) | st.text("0123456789a.", min_size=8, max_size=8).map(str.encode))
def test_digits_of_eight_bytes(data: bytes) -> None:
    count = next((place for place, byte in enumerate(data) if not 48 <= byte <= 57), 8)
    eight = np.uint64(int.from_bytes(data, "little"))
    assert kernels.digits_in(eight) == count
    if count == 8:
        assert kernels.eight_digits_value(eight) == int(data)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from([0.0, 0.5, 1.0]))
@example(float(np.finfo(np.float32).max), 0.0)
def test_what_lies_between_two_float32(number: float, step: float) -> None:
    with np.errstate(over="ignore"):
        above = float(np.nextafter(np.float32(number), np.float32(np.inf)))
    if np.isfinite(above):
        value = abs(number + step * (above - number))
        assert bool(kernels.between_singles(value)) == (step == 0.5)


@given(st.integers(1, 10**9 - 1), st.integers(-50, 36))
@example(16777217, 0)
@example(8388609, 0)
@example(7038531, -32)
@example(93137999, -40)  # its float64 lies half-way between two float32, the decimal itself does not
def test_a_short_decimal_gives_the_nearest_float32(digits: int, power: int) -> None:
    text = f"{digits}e{power}"
    with np.errstate(over="ignore"):
        found = np.float32(exact_float(text, single=True))
    if not np.isfinite(found):
        return
    near = [found, np.nextafter(found, np.float32(np.inf)), np.nextafter(found, np.float32(-np.inf))]
    distances = [abs(Fraction(float(one)) - Fraction(text)) for one in near if np.isfinite(one)]
    assert distances[0] == min(distances)


@pytest.mark.compiled
def test_kernels_count_no_references_and_lose_none() -> None:
    text = bytes_of("123.5")
    before = sys.getrefcount(text)
    for _ in range(1000):
        kernels.read_number(text, 0)
    assert sys.getrefcount(text) == before
