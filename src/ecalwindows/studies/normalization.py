"""Normalization factors: number, mean, standard deviation and range of columns, from exact sums.

Sums are integers in units of 2^-1074 (the smallest float64), so they do not depend on the order of the values, and the
factors of merged parts are exactly those of a single pass.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import SENTINEL
from ecalwindows.studies.kernels.exact_sums import EXPONENTS, exact_sums
from ecalwindows.training.factors import LEVELS, STATISTICS

UNIT_BITS = 1074
MAX_TEXT = 2000
"""Maximum number of characters of an exact sum as text: that of 2^63 squares of the largest float64 has 600."""

AT_ONCE = 1 << 30
"""Number of values that are added to a table before it is emptied; a table can hold 2^35 values."""


@dataclass
class Moments:
    """Exact moments of a column.

    Attributes
    ----------
    n : number of values
    no_number : number of other entries (the sentinel, NaN, infinity)
    total, squares : sum of the values and of their squares, in units of 2^-1074
    least, largest : minimum and maximum
    """

    n: int = 0
    no_number: int = 0
    total: int = 0
    squares: int = 0
    least: float = math.inf
    largest: float = -math.inf

    def add(self, values: Array, left_out: float) -> None:
        """Add values; entries equal to `left_out` are not counted as values (NaN: every finite entry is a value)."""
        for first in range(0, len(values), AT_ONCE):
            sums, squares = (np.zeros((EXPONENTS, 2), np.int64) for _ in range(2))
            piece = np.ascontiguousarray(values[first : first + AT_ONCE], dtype=np.float64)
            n, out, least, largest = exact_sums(piece, left_out, sums, squares)
            self.merge(Moments(n, out, _table_sum(sums), _table_sum(squares), float(least), float(largest)))

    def merge(self, other: Moments) -> None:
        """Add the moments of other values."""
        self.n += other.n
        self.no_number += other.no_number
        self.total += other.total
        self.squares += other.squares
        self.least, self.largest = min(self.least, other.least), max(self.largest, other.largest)

    @property
    def statistics(self) -> tuple[float, float, float, float]:
        """Mean, standard deviation (divided by n), minimum, maximum: exact, then rounded; -999 without values."""
        if not self.n:
            return (SENTINEL, SENTINEL, SENTINEL, SENTINEL)
        unit = 1 << UNIT_BITS
        variance = Fraction(max(self.n * self.squares * unit - self.total**2, 0), self.n**2 * unit**2)
        return float(Fraction(self.total, self.n * unit)), math.sqrt(variance), self.least, self.largest

    @property
    def sums(self) -> dict[str, Any]:
        """The exact sums, as they are written."""
        texts = {"sum": exact_text(self.total), "sum_of_squares": exact_text(self.squares)}
        return {"n": self.n, "no_number": self.no_number} | texts


def _table_sum(table: Integers) -> int:
    """The sum in a table of `exact_sums`, in units of 2^-1074."""
    places = np.flatnonzero(table.any(axis=1))
    return sum(((int(high) << 26) + int(low)) << (int(e) - 1) for e, (high, low) in zip(places, table[places]))  # noqa: B905


@dataclass
class Factors:
    """Moments of the columns of both levels ("cluster", "window").

    Attributes
    ----------
    keep_sentinels : whether -999 counts as a value, as in older files
    windows, clusters : numbers of windows and clusters
    levels : moments by level and name of the column
    """

    keep_sentinels: bool = False
    windows: int = 0
    clusters: int = 0
    levels: dict[str, dict[str, Moments]] = field(default_factory=lambda: {level: {} for level in LEVELS})

    def add(self, batch: WindowBatch, columns: Mapping[str, Mapping[str, Array]]) -> None:
        """Add the windows of a batch. columns : values by level and name."""
        left_out = math.nan if self.keep_sentinels else SENTINEL
        self.windows += len(batch)
        self.clusters += len(batch.pair_cluster)
        for level, of_level in columns.items():
            for name, values in of_level.items():
                self.levels[level].setdefault(name, Moments()).add(values, left_out)

    def merge(self, other: Factors) -> None:
        """Add the moments of other windows."""
        self.windows += other.windows
        self.clusters += other.clusters
        for level, columns in other.levels.items():
            for name, moments in columns.items():
                self.levels[level].setdefault(name, Moments()).merge(moments)

    @property
    def factors(self) -> dict[str, dict[str, dict[str, float]]]:
        """The factors as training code reads them: {level: {"mean": {name: x}, "std": .., "min": .., "max": ..}}."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for level, columns in self.levels.items():
            values = {name: moments.statistics for name, moments in columns.items()}
            found[level] = {key: {name: values[name][i] for name in values} for i, key in enumerate(STATISTICS)}
        return found

    @property
    def sums(self) -> dict[str, dict[str, dict[str, Any]]]:
        """The exact sums by level and name, for `from_sums`."""
        return {
            level: {name: moments.sums for name, moments in columns.items()} for level, columns in self.levels.items()
        }


def from_sums(sums: Mapping[str, Any], factors: Mapping[str, Any], **about: Any) -> Factors:
    """Factors from the content of a file.

    Parameters
    ----------
    sums : `Factors.sums`
    factors : `Factors.factors`, for the minimum and the maximum
    **about : other attributes of `Factors`

    Raises
    ------
    KeyError, TypeError, ValueError : if the content is different, or does not agree with itself
    """
    found = Factors(**about)
    for level in LEVELS:
        n = found.clusters if level == "cluster" else found.windows
        found.levels[level] = {name: _moments(name, known, factors[level], n) for name, known in sums[level].items()}
        columns = [{*factors[level][key]} for key in STATISTICS]
        if any(names != found.levels[level].keys() for names in columns):
            raise ValueError(f"factors and sums of '{level}' are not of the same columns")
    return found


def _moments(name: str, known: Mapping[str, Any], factors: Mapping[str, Any], n: int) -> Moments:
    """The moments of a column from a file, in which everything agrees. Raises ValueError, KeyError, TypeError."""
    least, largest = (factors["min"][name], factors["max"][name]) if known["n"] else (math.inf, -math.inf)
    total, squares = exact_number(known["sum"]), exact_number(known["sum_of_squares"])
    found = Moments(int(known["n"]), int(known["no_number"]), total, squares, float(least), float(largest))
    if min(found.n, found.no_number) < 0 or found.n + found.no_number != n:
        raise ValueError(f"'{name}' has {found.n} values and {found.no_number} others, of {n} in the file")
    if found.n and found.n * (found.squares + found.n) < found.total**2 >> UNIT_BITS:
        raise ValueError(f"the sums of '{name}' belong to no values")
    stated = tuple(float(factors[key][name]) for key in STATISTICS)
    is_ordered = not found.n or -math.inf < stated[2] <= stated[0] <= stated[3] < math.inf
    if stated != found.statistics or not is_ordered:
        raise ValueError(f"the factors of '{name}' do not follow from its sums")
    return found


MAX_POWER = 4096
"""Maximum power of two of an exact sum as text: that of 2^63 squares of the largest float64 is 2111."""


def exact_text(number: int) -> str:
    """An integer in units of 2^-1074 as exact text: hexadecimal digits and a power of two, for example 0x3p-1."""
    zeros = (number & -number).bit_length() - 1 if number else UNIT_BITS
    return f"{number >> zeros:#x}p{zeros - UNIT_BITS:+d}"


def exact_number(text: str) -> int:
    """The integer that `exact_text` wrote. Raises ValueError for other text, also for a power that no sum can have."""
    digits, _, power = text.partition("p")
    if len(text) > MAX_TEXT or int(power) > MAX_POWER:
        raise ValueError("a sum is too large")
    return int(digits, 16) << (int(power) + UNIT_BITS)
