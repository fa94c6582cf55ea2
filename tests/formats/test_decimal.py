"""Numbers as text: Python's repr, digit for digit."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from reference import decimal as reference

from ecalwindows.formats.kernels.decimal import HIGHEST_POWER, LOWEST_POWER, POWERS, WIDEST
from ecalwindows.formats.ndjson.writer import table, table_text


def texts(values: NDArray) -> list[str]:
    """What the kernel makes of each value."""
    shape = table([(b"", "value", values.dtype.name), (b"\n", "", "")])
    return table_text(shape, {"value": values}, len(values)).tobytes().decode().splitlines()


def digits_of(text: str) -> tuple[str, int]:
    """Digits without zeros at either end, and the power of ten of the last one: the number whatever its notation."""
    mantissa, _, exponent = text.lstrip("-").partition("e")
    before, _, behind = mantissa.partition(".")
    digits = (before + behind).lstrip("0")
    return digits.rstrip("0"), int(exponent or 0) - len(behind) + len(digits) - len(digits.rstrip("0"))


SINGLES = [0x00000000, 0x80000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x7F7FFFFF, 0x3F800000, 0x4B800000, 0x5A0E1BCA]
DOUBLES = [0, 1 << 63, 1, (1 << 52) - 1, 1 << 52, 0x7FEFFFFFFFFFFFFF, 0x3FF0000000000000, 0x4340000000000000]


def around(numbers: list[float], dtype: type) -> NDArray:
    """The floats nearest to some numbers, with the ones before and behind them, and all these negative."""
    centre = np.array(numbers, dtype=dtype)
    near = np.concatenate([np.nextafter(centre, dtype(0)), centre, np.nextafter(centre, dtype(np.inf))])
    near = near[np.isfinite(near)]
    return np.concatenate([near, -near])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two_and_of_ten_and_their_neighbours(dtype):
    lowest, highest = (-149, 128) if dtype is np.float32 else (-1074, 1024)
    twos = [2.0**power for power in range(lowest, highest)]
    tens = [
        float(f"1e{power}") for power in range(-44 if dtype is np.float32 else -323, 39 if dtype is np.float32 else 309)
    ]
    values = around(twos + tens, dtype)
    assert texts(values) == [repr(float(str(value))) for value in values]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_with_few_decimals(dtype):
    values = (np.arange(-2000, 2000) / np.array([[1], [10], [1000], [1e8]])).ravel().astype(dtype)
    assert texts(values) == [repr(float(str(value))) for value in values]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (3.0, "3.0"),
        (-999.0, "-999.0"),
        (0.1, "0.1"),
        (0.0001, "0.0001"),
        (1e-05, "1e-05"),
        (0.00012345679, "0.00012345679"),
        (1.5e-07, "1.5e-07"),
        (1234567.0, "1234567.0"),
        (123456.78, "123456.78"),
        (9999999000000000.0, "9999999000000000.0"),
        (1e16, "1e+16"),
        (-1.1754944e-38, "-1.1754944e-38"),
        (3.4028235e38, "3.4028235e+38"),
        (1e-45, "1e-45"),
    ],
)
def test_notation_of_float32(value, text):
    assert texts(np.array([value], np.float32)) == [text]


@pytest.mark.parametrize(
    "value", [5e-324, 2.2250738585072014e-308, -sys.float_info.max, 1e22, 1e23, 9007199254740993.0,
              0.00012345678901234567, 0.1 + 0.2, 1 / 3, 123456789012.34567, 1234567.8901234567,
              9999999999999998.0, 2.0**53]
)  # fmt: skip
def test_float64_is_repr(value):
    assert texts(np.array([value])) == [repr(value)]


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=200))
@example(SINGLES)
def test_all_bit_patterns_of_float32(bits):
    values = np.array(bits, np.uint32).view(np.float32)
    values = values[np.isfinite(values)]
    written = texts(values)
    assert written == [repr(float(str(value))) for value in values]
    assert [digits_of(text) for text in written] == [digits_of(str(value)) for value in values]
    assert np.array_equal(np.array(written, dtype=object).astype(np.float32).view(np.uint32), values.view(np.uint32))
    assert written == [reference.float_text(int(value.view(np.uint32)), reference.SINGLE) for value in values]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50))
@example(DOUBLES)
def test_all_bit_patterns_of_float64(bits):
    values = np.array(bits, np.uint64).view(np.float64)
    values = values[np.isfinite(values)]
    written = texts(values)
    assert written == [repr(float(value)) for value in values]
    assert written == [reference.float_text(int(value.view(np.uint64)), reference.DOUBLE) for value in values]


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)),
)
def test_floats_that_people_use(doubles, singles):
    assert texts(np.array(doubles)) == [repr(value) for value in doubles]
    assert texts(np.array(singles, np.float32)) == [repr(float(str(np.float32(value)))) for value in singles]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
@example([-(2**63), 2**63 - 1, 0, -1, 10, 99, 100, 10**16 - 1, 10**16, 10**18, -(10**18)])
def test_integers(values):
    assert texts(np.array(values, np.int64)) == [str(value) for value in values]


@pytest.mark.parametrize("dtype", ["int32", "int64", "float32", "float64", "bool"])
def test_no_value_is_wider_than_said(dtype):
    widest = {
        "int32": np.iinfo(np.int32).min, "int64": np.iinfo(np.int64).min, "bool": False,
        "float32": -9.999999e15, "float64": -2.2250738585072014e-308,
    }[dtype]  # fmt: skip
    assert len(texts(np.array([widest], dtype))[0]) <= WIDEST[dtype]


def test_flags_are_json():
    assert texts(np.array([True, False])) == ["true", "false"]


def test_powers_of_ten_are_rounded_up():
    for power, (high, low, leading) in zip(range(LOWEST_POWER, HIGHEST_POWER + 1), POWERS.tolist(), strict=True):
        number = (high << 64) + low
        assert 2**127 <= number < 2**128
        assert leading == high + (low > 0) < 2**64
        assert power < 0 or power > 55 or number << 64 == 10**power << (192 - (10**power).bit_length())
