"""Rows of numbers as text: the JSON of windows and clusters, and any other text of keys and values.

A table of numbers is three arrays:

words   : int64 (n_rows, n_columns), each value as a word (`kernels.decimal`)
columns : int64 (n_columns, 2), kind of the word and length of its key in bytes
keys    : uint64 (n_columns, n), the bytes before a value, lowest byte first, eight bytes per number

`out` is uint8 and has room for all text and `SLACK` bytes more; a `write_*` starts at `at` and returns the place after
the text that it wrote. Bytes are moved eight at a time, so bytes after that place may be overwritten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
from ecalwindows.formats.kernels.decimal import NOTHING, fixed, value_text
from ecalwindows.formats.kernels.eight_bytes import write_eight

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]
Words = NDArray[np.uint64]

SLACK = 32
"""Bytes after its text that a kernel may overwrite."""

LONGEST_ESCAPE = 6
"""Maximum number of bytes that one byte of a string becomes."""

START = fixed(0)
WINDOW, SEED_HITS, CLUSTERS, CL_HITS, END_CLUSTER, END_WINDOW, ONLY_CLUSTERS, END_HITLESS = map(fixed, range(8))
MARKS = (
    b'{"window_index":"', b',"seed_hits":[', b'],"clusters":[', b',"cl_hits":[', b"]}", b"]}\n", b',"clusters":[', b"}",
)  # fmt: skip
"""The text between the parts of a window; the last two replace others where there are no hits."""


def packed(texts: Sequence[bytes]) -> tuple[Words, Integers]:
    """Texts as numbers of eight bytes, uint64 (n_texts, n), and their lengths, int64 (n_texts,)."""
    width = max(((len(text) + 7) // 8 for text in texts), default=1)
    data = b"".join(text.ljust(8 * width, b"\0") for text in texts)
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    return np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(len(texts), width), lengths


MARK_WORDS, MARK_LENGTHS = packed(MARKS)
QUOTE, BACKSLASH, COMMA, SPACE = (np.uint8(ord(letter)) for letter in '"\\, ')
ESCAPES = np.zeros((256, LONGEST_ESCAPE), dtype=np.uint8)
ESCAPE_LENGTHS = np.zeros(256, dtype=np.int64)
for _byte in [*range(32), *b'"\\']:
    _short = {8: b"\\b", 9: b"\\t", 10: b"\\n", 12: b"\\f", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
    _escape = _short.get(_byte, b"\\u%04x" % _byte)
    ESCAPES[_byte, : len(_escape)] = np.frombuffer(_escape, dtype=np.uint8)
    ESCAPE_LENGTHS[_byte] = len(_escape)


@kernel
def write_mark(out: Bytes, at: int, mark: int) -> Any:
    """One of `MARKS`."""
    for part in range(MARK_WORDS.shape[1]):
        write_eight(out, at + 8 * part, MARK_WORDS[mark, part])
    return at + MARK_LENGTHS[mark]


@kernel
def write_copy(out: Bytes, at: int, source: Bytes, first: int, last: int) -> int:
    """The bytes `first` to `last` of `source`."""
    for place in range(last - first):
        out[np.uint64(at + place)] = source[np.uint64(first + place)]
    return at + max(last - first, 0)


@kernel
def write_escaped(out: Bytes, at: int, source: Bytes, first: int, last: int) -> int:
    """The bytes `first` to `last` of `source`, escaped as in a JSON string."""
    for place in range(first, last):
        letter = source[place]
        out[at] = letter
        if letter < SPACE or letter in (QUOTE, BACKSLASH):
            for part in range(ESCAPE_LENGTHS[letter]):
                out[at + part] = ESCAPES[letter, part]
            at += ESCAPE_LENGTHS[letter]
        else:
            at += 1
    return at


@kernel
def write_rows(
    out: Bytes, at: int, words: Integers, columns: Integers, keys: Words,
    first_row: int, last_row: int, first_column: int, last_column: int,
) -> int:  # fmt: skip
    """Keys and values of a block of a table, row after row."""
    for row in range(first_row, last_row):
        for column in range(first_column, last_column):
            length = columns[column, 1]
            for part in range((length + 7) >> 3):
                write_eight(out, at + 8 * part, keys[column, part])
            at += length
            if columns[column, 0] == NOTHING:
                continue
            head, in_head, first, second, in_body, third, fourth, in_end = value_text(
                words[row, column], columns[column, 0]
            )
            write_eight(out, at, head)
            write_eight(out, at + in_head, first)
            write_eight(out, at + in_head + 8, second)
            at += in_head + in_body
            if in_end > 0:
                write_eight(out, at, third)
                write_eight(out, at + 8, fourth)
                at += in_end
    return at


@kernel
def write_table(out: Bytes, words: Integers, columns: Integers, keys: Words) -> int:
    """A complete table."""
    return write_rows(out, START, words, columns, keys, START, len(words), START, len(columns))


@kernel
def write_clusters(
    out: Bytes, ends: Integers, words: Integers, columns: Integers, keys: Words, runs: Integers,
    hit_words: Integers, hit_columns: Integers, hit_keys: Words, hits_offsets: Integers,
) -> int:  # fmt: skip
    """Text of each cluster in pieces: one for each run of columns, then the hits (each with a comma before it).

    runs : int64 (n_pieces,), the first column of each run; the last entry is the number of columns
    ends : int64 (n_clusters * n_pieces + 1,), where each piece ends; filled from the second on
    """
    at, piece = START, START
    for row in range(len(words)):
        for run in range(len(runs) - 1):
            at = write_rows(out, at, words, columns, keys, row, row + 1, runs[run], runs[run + 1])
            piece += 1
            ends[piece] = at
        first, last = hits_offsets[row], hits_offsets[row + 1]
        at = write_rows(out, at, hit_words, hit_columns, hit_keys, first, last, START, len(hit_columns))
        piece += 1
        ends[piece] = at
    return at


@kernel
def write_windows(
    out: Bytes, text: Bytes, text_offsets: Integers, words: Integers, columns: Integers, keys: Words,
    window_seed: Integers, window_offsets: Integers,
    pair_words: Integers, pair_columns: Integers, pair_keys: Words, pair_cluster: Integers,
    order: Integers, cluster_text: Bytes, ends: Integers, with_hits: bool,
) -> int:  # fmt: skip
    """The windows, one JSON object per line; `with_hits` false leaves out the fields of hits.

    text         : uint8, `window_index` of all windows; `text_offsets` as in `batch.Text`
    order        : int64 (n, 3), the runs of a cluster's columns: a run of `pair_words` as (1, first, last column), or
                   the piece k of the cluster's own text as (0, k, 0)
    cluster_text, ends : made by `write_clusters`; `window_seed` (-1: none), `pair_cluster` count its clusters
    """
    at, pieces = START, 1
    for run in range(len(order)):
        pieces += 1 - order[run, 0]
    for window in range(len(words)):
        at = write_mark(out, at, WINDOW)
        at = write_escaped(out, at, text, text_offsets[window], text_offsets[window + 1])
        at = write_rows(out, at, words, columns, keys, window, window + 1, START, len(columns))
        if with_hits:
            at = write_mark(out, at, SEED_HITS)
            if window_seed[window] >= 0:
                hits = (window_seed[window] + 1) * pieces - 1
                at = write_copy(out, at, cluster_text, ends[hits] + 1, ends[hits + 1])
        at = write_mark(out, at, CLUSTERS if with_hits else ONLY_CLUSTERS)
        for pair in range(window_offsets[window], window_offsets[window + 1]):
            if pair > window_offsets[window]:
                out[at] = COMMA
                at += 1
            piece = pair_cluster[pair] * pieces
            for run in range(len(order)):
                if order[run, 0] == 1:
                    first, last = order[run, 1], order[run, 2]
                    at = write_rows(out, at, pair_words, pair_columns, pair_keys, pair, pair + 1, first, last)
                else:
                    own = piece + order[run, 1]
                    at = write_copy(out, at, cluster_text, ends[own], ends[own + 1])
            if with_hits:
                at = write_mark(out, at, CL_HITS)
                at = write_copy(out, at, cluster_text, ends[piece + pieces - 1] + 1, ends[piece + pieces])
            at = write_mark(out, at, END_CLUSTER if with_hits else END_HITLESS)
        at = write_mark(out, at, END_WINDOW)
    return at
