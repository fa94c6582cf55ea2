"""Values of fields into the cells of tables: numbers, flags, hits and text.

Tables, filled row by row: `floats` and `integers` are two views of the same words. `hard` takes the numbers that are
left to the caller, int64 (n, 5): table, row, column, first and last place in the text. `state` contains the counters at
the places `AT` ... `COMPONENTS`. Every function returns the place after the value, or why it could not read it:
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
from ecalwindows.formats.kernels.decimal import TENS, fixed
from ecalwindows.formats.kernels.json_numbers import (  # fmt: skip
    BAD,
    FLOAT_LITERAL,
    INTEGER_LITERAL,
    LONG,
    between_singles,
    float_value,
    read_number,
)
from ecalwindows.formats.kernels.json_syntax import (  # fmt: skip
    BACKSLASH,
    CLOSE_LIST,
    COMMA,
    IS_NULL,
    OPEN_LIST,
    QUOTE,
    read_word,
    skip_space,
    skip_string,
)

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

FULL, REWRITE = map(fixed, (-2, -3))
"""A table is full; only Python can read this (an escape, a repeated field). `BAD`: this is not a window."""

SKIP, INT32, INT64, BOOL, SINGLE, DOUBLE, TEXT, CLUSTERS, HITS = map(fixed, range(9))
"""Kinds of fields."""

AT, LINE, WINDOWS, PAIRS, N_HITS, NAMES, N_HARD, N_BAD, N_STRANGE, STAMP, COMPONENTS, N_COUNTERS = range(12)
IN_WINDOW, IN_CLUSTER, IN_HITS = map(fixed, range(3))
ONE, ZERO = np.uint64(1), np.uint64(0)
LIMITS = np.array([0, 2**31 - 1, 2**63 - 1, 1], dtype=np.uint64)
"""The largest integer of a kind; INT32 and INT64 go one further below 0."""

EXACT = 2.0**53
LETTER_F, LETTER_N, LETTER_T = map(ord, "fnt")


@kernel
def read_float(
    text: Bytes, at: int, kind: int, floats: Floats, row: int, column: int, table: int, hard: Integers, state: Integers
) -> int:
    """Write a number into its cell: NaN for null and for all values that are not finite."""
    if text[at] == LETTER_N:
        floats[row, column] = np.nan
        return read_word(text, at)[0]
    start = at
    at, negative, digits, power, literal = read_number(text, at)
    if at < 0:
        return BAD
    value, sure = np.nan, literal != LONG
    if literal <= FLOAT_LITERAL:
        value, sure = float_value(digits, power)
        if kind == SINGLE and digits < TENS[9] and between_singles(value):
            sure = False
    floats[row, column] = -value if negative else value
    return at if sure else note_hard(hard, state, table, row, column, start, at)


@kernel
def note_hard(hard: Integers, state: Integers, table: int, row: int, column: int, start: int, at: int) -> int:
    """Leave a number to the caller."""
    place = state[N_HARD]
    if place == len(hard):
        return FULL
    hard[place, 0], hard[place, 1], hard[place, 2], hard[place, 3], hard[place, 4] = table, row, column, start, at
    state[N_HARD] += 1
    return at


@kernel
def read_integer(text: Bytes, at: int, kind: int, integers: Integers, row: int, column: int) -> int:
    """A number that must be an integer (17.0 is one), or for a flag true, false, 0 or 1, into its cell."""
    if kind == BOOL and LETTER_F <= text[at] <= LETTER_T:
        at, word = read_word(text, at)
        integers[row, column] = word
        return BAD if word == IS_NULL else at
    at, negative, digits, power, literal = read_number(text, at)
    if at < 0:
        return BAD
    if literal == FLOAT_LITERAL:
        value, sure = float_value(digits, power)
        if not sure:
            return REWRITE
        if value > EXACT or value != np.floor(value):
            return BAD
        digits = np.uint64(value)
    elif literal != INTEGER_LITERAL:
        return REWRITE if literal == LONG else BAD
    below = ONE if negative and kind != BOOL else ZERO
    if digits > LIMITS[kind] + below or (negative and kind == BOOL and digits > ZERO):
        return BAD
    integers[row, column] = -np.int64(digits - ONE) - 1 if negative and digits > ZERO else np.int64(digits)
    return at


@kernel
def read_hits(text: Bytes, at: int, hits: Floats, hard: Integers, state: Integers) -> int:
    """A list of hits, each a list of numbers (the first three integers): the place after it, or BAD, FULL, REWRITE."""
    if text[at] != OPEN_LIST:
        return BAD
    at = skip_space(text, at + 1)
    if text[at] == CLOSE_LIST:
        return at + 1
    while True:
        row = state[N_HITS]
        if row == len(hits):
            return FULL
        if text[at] != OPEN_LIST:
            return BAD
        n_hard = state[N_HARD]
        for component in range(state[COMPONENTS]):
            at = skip_space(text, at + 1)
            kind = DOUBLE if component < 3 else SINGLE
            at = read_float(text, at, kind, hits, row, component, IN_HITS, hard, state)
            if at < 0:
                return at
            value = hits[row, component]
            if component < 3 and not (value == np.floor(value) and -2147483648.0 <= value <= 2147483647.0):
                return REWRITE if state[N_HARD] > n_hard else BAD
            at = skip_space(text, at)
            if text[at] != (COMMA if component + 1 < state[COMPONENTS] else CLOSE_LIST):
                return BAD
        state[N_HITS] += 1
        at = skip_space(text, at + 1)
        if text[at] == CLOSE_LIST:
            return at + 1
        if text[at] != COMMA:
            return BAD
        at = skip_space(text, at + 1)


@kernel
def read_name(text: Bytes, at: int, names: Bytes, state: Integers, name_ends: Integers) -> int:
    """A string without escapes into `names`: the place after it, or BAD or REWRITE."""
    if text[at] != QUOTE:
        return BAD
    end = skip_string(text, at + 1)
    if end < 0:
        return BAD
    first = name_ends[state[WINDOWS]]
    for place in range(at + 1, end - 1):
        if text[place] == BACKSLASH:
            return REWRITE
        names[first + place - at - 1] = text[place]
    state[NAMES] = first + end - at - 2
    return end
