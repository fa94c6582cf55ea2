"""The tables that `kernels.json_windows` fills, and the rare lines and numbers that it leaves to Python."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Bytes, offsets_of
from ecalwindows.core.batch import Text
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, SENTINEL
from ecalwindows.formats.kernels import json_values as at
from ecalwindows.formats.kernels.json_windows import DONE, read_windows
from ecalwindows.formats.ndjson.layout import LONGEST_INTEGER, LONGEST_NAME, Layout, parsed

PAIRS, HITS, HARD, BAD, STRANGE = 1 << 14, 1 << 18, 1 << 12, 1 << 12, 64
"""Rows of the tables at the start (more of pairs, hits and hard numbers when one window needs them)."""

MAX_PASSED_OVER = 200
"""Maximum number of skipped fields that a kernel knows; further ones are skipped more slowly."""

SLACK = 64
"""Bytes after a text that a kernel may read."""

MAX_DIGITS = 9
"""Decimals of at most this many digits are read as float32, longer ones as float64."""


class Table:
    """Rows of words, seen as floats and as integers."""

    def __init__(self, n_rows: int, n_columns: int) -> None:
        self.integers = np.empty((n_rows, n_columns), dtype=np.int64)
        self.floats = self.integers.view(np.float64)

    def column(self, place: int, name: str, n_rows: int) -> Array:
        """A column in its stored dtype."""
        return stored(self.floats[:n_rows, place], self.integers[:n_rows, place], COLUMNS[name].dtype)


def stored(floats: Array, integers: Array, dtype: str) -> Array:
    """Words in their stored dtype; values that are not finite become the sentinel."""
    if not dtype.startswith("float"):
        return integers.astype(dtype)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        values = floats.astype(dtype)
    values[~np.isfinite(values)] = SENTINEL
    return values


class Tables:
    """A text and the windows of it that are read but not yet taken."""

    def __init__(self, layout: Layout, rows: int) -> None:
        self.layout = layout
        self.keys = layout.keys()
        self.window = Table(rows, len(layout.window) + 1)
        self.ends = np.zeros(rows + 1, dtype=np.int64)
        self.name_ends = np.zeros(rows + 1, dtype=np.int64)
        self.bad, self.strange = np.zeros((BAD, 3), dtype=np.int64), np.zeros((STRANGE, 3), dtype=np.int64)
        self.state = np.zeros(at.N_COUNTERS, dtype=np.int64)
        self.state[at.COMPONENTS] = layout.components
        self.renamed: dict[int, bytes] = {}
        self._space = self.name_bytes = np.empty(0, dtype=np.uint8)
        self._grow(PAIRS, HITS, HARD)

    def _grow(self, n_pairs: int, n_hits: int, n_hard: int) -> None:
        self.pair = Table(n_pairs, len(self.layout.cluster) + 1)
        self.hit_ends = np.zeros(n_pairs + 1, dtype=np.int64)
        self.hits = np.empty((n_hits, len(HIT_COMPONENTS)))
        self.hard = np.zeros((n_hard, 5), dtype=np.int64)

    @property
    def n_windows(self) -> int:
        """Number of windows that are read but not yet taken."""
        return int(self.state[at.WINDOWS])

    @property
    def n_pairs(self) -> int:
        """Number of their clusters."""
        return int(self.state[at.PAIRS])

    @property
    def n_lines(self) -> int:
        """Number of lines of the text that are read."""
        return int(self.state[at.LINE])

    def load(self, text: bytes) -> None:
        """Start with a text of complete lines."""
        self.text = text
        if len(self._space) < len(text) + SLACK:
            self._space = np.empty(len(text) + SLACK, dtype=np.uint8)
            self.name_bytes = np.empty(len(text), dtype=np.uint8)
        self.padded = padded(valid_text(text), self._space)
        self.state[[at.AT, at.LINE]] = 0
        self.clear()

    def clear(self) -> None:
        """Forget the windows read so far."""
        self.state[[at.WINDOWS, at.PAIRS, at.N_HITS, at.NAMES, at.N_HARD]] = 0
        self.renamed = {}

    def read(self) -> bool:
        """Read on, until all of the text is read (true) or the windows must be taken first."""
        while True:
            status = self._run(self.padded, len(self.text))
            if status == at.REWRITE:
                status = self._rewrite()
            if status == DONE and self.state[at.AT] == len(self.text):
                return True
            if status == at.FULL:
                if self.n_windows or self.state[at.N_BAD] == len(self.bad):
                    return False
                self._grow(2 * len(self.hit_ends), 2 * len(self.hits), 2 * len(self.hard))

    def _run(self, padded: Any, stop: int) -> int:
        k = self.keys
        status = read_windows(
            padded, stop, k.kinds, k.columns, k.words, k.masks, k.levels, k.expected, k.after, k.seen,
            self.window.floats, self.window.integers, self.pair.floats,
            self.pair.integers, self.hits, self.ends, self.hit_ends, self.name_bytes, self.name_ends, self.hard,
            self.bad, self.strange, self.state,
        )  # fmt: skip
        self._settle_hard(padded)
        return int(status)

    def _settle_hard(self, padded: Any) -> None:
        """Write the numbers for which the kernel was not certain of the rounding."""
        homes = {
            int(at.IN_WINDOW): self.window.floats,
            int(at.IN_CLUSTER): self.pair.floats,
            int(at.IN_HITS): self.hits,
        }
        names = {int(at.IN_WINDOW): self.layout.window, int(at.IN_CLUSTER): self.layout.cluster}
        for home, row, column, first, last in self.hard[: self.state[at.N_HARD]].tolist():
            single = home not in names or COLUMNS[names[home][column]].dtype == "float32"
            homes[home][row, column] = exact_float(padded[first:last].tobytes().decode(), single=single)
        self.state[at.N_HARD] = 0

    def _rewrite(self) -> int:
        """Read the line that has escapes or a repeated field, with Python."""
        first, line_number = int(self.state[at.AT]), int(self.state[at.LINE])
        last = self.text.index(b"\n", first)
        plain, name = rewritten(self.text[first:last], self.layout)
        row = self.n_windows
        self.state[at.AT] = 0
        status = int(at.REWRITE)
        if plain:
            status = self._run(padded(plain, np.empty(len(plain) + SLACK, np.uint8)), len(plain))
        self.state[at.AT], self.state[at.LINE] = first, line_number
        if status == at.FULL:
            return status
        if self.n_windows > row:
            self.renamed[row] = name
        else:
            n_bad = int(self.state[at.N_BAD]) - (status == DONE)
            self.bad[n_bad] = line_number, first, last
            self.state[at.N_BAD] = n_bad + 1
        self.state[at.AT], self.state[at.LINE] = last + 1, line_number + 1
        return int(DONE)

    def take_bad(self) -> list[list[int]]:
        """Index (from 0), first and last place of the unusable lines since the last call."""
        found: list[list[int]] = self.bad[: self.state[at.N_BAD]].tolist()
        self.state[at.N_BAD] = 0
        return found

    def take_strange(self) -> list[tuple[int, str]]:
        """Level and name of the unknown keys; they are skipped from now on."""
        found = self.strange[: self.state[at.N_STRANGE]].tolist()
        self.state[at.N_STRANGE] = 0
        names = sorted({(level, self.text[first:last].decode("utf-8", "replace")) for level, first, last in found})
        for level, name in names:
            if len(self.layout.passed_over[level]) < MAX_PASSED_OVER and len(name.encode()) <= LONGEST_NAME:
                self.layout = self.layout.passing_over(level, [name])
                self.keys = self.layout.keys()
        return names

    def hit_column(self, place: int) -> Array:
        """A component of the hits in its stored dtype."""
        numbers = self.hits[: self.state[at.N_HITS], place]
        return stored(numbers, numbers, HIT_COMPONENTS[place][1])

    def names(self) -> Text:
        """`window_index` of the windows, in a file that has it."""
        offsets = self.name_ends[: self.n_windows + 1].copy()
        return renamed(Text(offsets, self.name_bytes[: offsets[-1]].copy()), self.renamed)


def renamed(text: Text, names: dict[int, bytes]) -> Text:
    """The column with other text in some rows, which come in order."""
    if not names:
        return text
    lengths, data, pieces, last = np.diff(text.offsets), text.data.tobytes(), list[bytes](), 0
    for row, name in names.items():
        pieces += [data[text.offsets[last] : text.offsets[row]], name]
        lengths[row], last = len(name), row + 1
    pieces.append(data[text.offsets[last] :])
    return Text(offsets_of(lengths), np.frombuffer(b"".join(pieces), dtype=np.uint8))


def padded(text: bytes, space: Bytes) -> Bytes:
    """The text and `SLACK` zeros at the start of `space`; copied by NumPy, so that other threads can run meanwhile."""
    if text:
        space[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    space[len(text) : len(text) + SLACK] = 0
    return space[: len(text) + SLACK]


def valid_text(text: bytes) -> bytes:
    """The text, with every line that is not UTF-8 replaced by as many question marks."""
    try:
        if not text.isascii():
            text.decode()
        return text
    except UnicodeDecodeError:
        lines = text.split(b"\n")
        return b"\n".join(line if _is_utf8(line) else b"?" * len(line) for line in lines)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def rewritten(line: bytes, layout: Layout) -> tuple[bytes, bytes]:
    """A line with nothing but the fields that are read, each once and without escapes, and its `window_index`.

    The line has an empty `window_index`. It is empty itself when it is not a window.
    """
    try:
        window = parsed(line)
        clusters = [
            {name: cluster[name] for name in cluster if name in layout.of_cluster} for cluster in window["clusters"]
        ]
        window = {name: window[name] for name in window if name in layout.window}
        name = b""
        if isinstance(window.get("window_index"), str):
            name, window["window_index"] = window["window_index"].encode(), ""
        return json.dumps(window | {"clusters": clusters}).encode() + b"\n", name
    except (ValueError, TypeError, KeyError, RecursionError):
        return b"", b""


def exact_float(text: str, *, single: bool) -> float:
    """A decimal as float64; for `single`, one that also rounds to the right float32."""
    value = float(text)
    mantissa = text.lstrip("-").lower().partition("e")[0].replace(".", "").lstrip("0")
    is_long = len(mantissa) > MAX_DIGITS or len(text) > LONGEST_INTEGER
    if not single or is_long or not np.isfinite(value) or value == 0:
        return value
    exact, nearest = Fraction(text), Fraction(value)
    if exact == nearest:
        return value
    return float(np.nextafter(value, np.inf if exact > nearest else -np.inf))
