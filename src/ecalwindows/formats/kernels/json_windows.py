"""Lines of windows (NDJSON) to tables of numbers: one pass over the text; every field is read once.

Keys are described by `Keys` arrays (made in `formats.ndjson.layout`): first those of a window, then of a cluster.

kinds   : int64 (n_keys,), one of `SKIP` ... `HITS`
columns : int64 (n_keys,), the column of its table that a number goes to
words, masks : uint64 (n_keys, 4), the bytes of the name and its closing quote, and which of them count
levels  : int64 (3,), the first key of a window and of a cluster, and the number of keys
expected: int64 (2,), how many keys (but for `SKIP`) a window and a cluster must have
after   : int64 (n_keys + 2,), the key that last followed each key; then the first key of a window and of a cluster
seen    : int64 (n_keys,), the last object that had each key

Tables, filled row by row: `floats` and `integers` are two views of the same words.

window, pair : (n_rows, n_columns); hits : float64 (n_rows, 6)
ends    : int64, rows of `pair` after each window; hit_ends : rows of `hits` after each pair; both from index 1 on
names, name_ends : bytes of `window_index` and where each ends
hard    : int64 (n, 5), numbers left to the caller: table, row, column, first and last place in the text
bad     : int64 (n, 3), lines that are not windows: index, first and last place
strange : int64 (n, 3), keys that are not among the keys: level, first and last place
state   : int64, the counters at the places `AT` ... `STAMP`
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
from ecalwindows.formats.kernels.decimal import fixed
from ecalwindows.formats.kernels.eight_bytes import eight_bytes
from ecalwindows.formats.kernels.json_numbers import BAD
from ecalwindows.formats.kernels.json_syntax import (  # fmt: skip
    BACKSLASH,
    CLOSE_LIST,
    CLOSE_OBJECT,
    COLON,
    COMMA,
    NEWLINE,
    OPEN_LIST,
    OPEN_OBJECT,
    QUOTE,
    next_field,
    skip_space,
    skip_string,
    skip_value,
)
from ecalwindows.formats.kernels.json_values import (  # fmt: skip
    AT,
    CLUSTERS,
    DOUBLE,
    FULL,
    HITS,
    IN_CLUSTER,
    IN_WINDOW,
    LINE,
    N_BAD,
    N_HARD,
    N_HITS,
    N_STRANGE,
    NAMES,
    PAIRS,
    REWRITE,
    SINGLE,
    SKIP,
    STAMP,
    TEXT,
    WINDOWS,
    read_float,
    read_hits,
    read_integer,
    read_name,
)

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

DONE, UNKNOWN = map(fixed, (0, -1))


@kernel
def find_key(
    text: Bytes, at: int, level: int, guess: int, words: Any, masks: Any, levels: Integers
) -> tuple[int, int]:  # fmt: skip
    """The key whose name begins at `at`, or UNKNOWN, and the place after its closing quote."""
    if levels[level] <= guess < levels[level + 1] and same_key(text, at, guess, words, masks):
        return guess, end_of_name(text, at)
    end = skip_string(text, at)
    if end < 0:
        return UNKNOWN, end
    for key in range(levels[level], levels[level + 1]):
        if same_key(text, at, key, words, masks):
            return key, end
    for place in range(at, end):
        if text[place] == BACKSLASH:
            return UNKNOWN, REWRITE
    return UNKNOWN, end


@kernel
def end_of_name(text: Bytes, at: int) -> int:
    """The place after the quote that ends a plain name."""
    place = np.uint64(at)
    while text[place] != QUOTE:
        place += np.uint64(1)
    return np.int64(place) + 1  # type: ignore[return-value]


@kernel
def same_key(text: Bytes, at: int, key: int, words: Any, masks: Any) -> Any:
    """Whether the text from `at` on is the name of the key and a quote."""
    for part in range(words.shape[1]):
        if masks[key, part] == 0:
            break
        if eight_bytes(text, at + 8 * part) & masks[key, part] != words[key, part]:
            return False
    return True


@kernel
def open_cluster(text: Bytes, at: int, pair: Floats, state: Integers) -> int:
    """After the brace of a cluster, when there is room for it."""
    if text[at] != OPEN_OBJECT:
        return BAD
    state[STAMP] += 1
    return skip_space(text, at + 1) if state[PAIRS] < len(pair) else FULL


@kernel
def open_clusters(text: Bytes, at: int, pair: Floats, state: Integers) -> int:
    """From the bracket of the clusters to what follows the first brace, or the closing bracket."""
    if text[at] != OPEN_LIST:
        return BAD
    at = skip_space(text, at + 1)
    return at if text[at] == CLOSE_LIST else open_cluster(text, at, pair, state)


@kernel
def read_windows(
    text: Bytes, stop: int, kinds: Integers, columns: Integers, words: Any, masks: Any, levels: Integers,
    expected: Integers, after: Integers, seen: Integers,
    window: Floats, window_integers: Integers, pair: Floats, pair_integers: Integers, hits: Floats,
    ends: Integers, hit_ends: Integers, names: Bytes, name_ends: Integers,
    hard: Integers, bad: Integers, strange: Integers, state: Integers,
) -> Any:  # fmt: skip
    """The lines from `state[AT]` to `stop`, until a table is full or a line must be rewritten (`state[AT]` is then its
    first place). Each line ends in a newline.
    """
    while state[AT] < stop:
        start = state[AT]
        if state[WINDOWS] == len(window) or state[N_BAD] == len(bad):
            return FULL
        first_pair, first_hit, first_hard = state[PAIRS], state[N_HITS], state[N_HARD]
        at = skip_space(text, start)
        if text[at] != NEWLINE:
            at = read_window(
                text, at, kinds, columns, words, masks, levels, expected, after, seen, window, window_integers, pair,
                pair_integers, hits, hit_ends, names, name_ends, hard, strange, state,
            )  # fmt: skip
            if at >= 0:
                state[WINDOWS] += 1
                ends[state[WINDOWS]] = state[PAIRS]
                name_ends[state[WINDOWS]] = state[NAMES]
            else:
                state[PAIRS], state[N_HITS], state[N_HARD] = first_pair, first_hit, first_hard
                state[NAMES] = name_ends[state[WINDOWS]]
                if at != BAD:
                    return at
                at = start
                while text[at] != NEWLINE:
                    at += 1
                place = state[N_BAD]
                bad[place, 0], bad[place, 1], bad[place, 2] = state[LINE], start, at
                state[N_BAD] += 1
        state[LINE] += 1
        state[AT] = at + 1
    return DONE


@kernel
def read_window(
    text: Bytes, at: int, kinds: Integers, columns: Integers, words: Any, masks: Any, levels: Integers,
    expected: Integers, after: Integers, seen: Integers,
    window: Floats, window_integers: Integers, pair: Floats, pair_integers: Integers, hits: Floats,
    hit_ends: Integers, names: Bytes, name_ends: Integers, hard: Integers, strange: Integers, state: Integers,
) -> Any:  # fmt: skip
    """One window: the place of the newline after it, or BAD, FULL or REWRITE."""
    if text[at] != OPEN_OBJECT:
        return BAD
    state[STAMP] += 1
    own_stamp, level, clusters, met, own_met, last = state[STAMP], IN_WINDOW, 0, 0, 0, len(kinds)
    at = skip_space(text, at + 1)
    while True:
        if text[at] == QUOTE:
            name = at + 1
            key, at = find_key(text, name, level, after[last], words, masks, levels)
            if at < 0:
                return at
            kind = SKIP if key == UNKNOWN else kinds[key]
            if key == UNKNOWN:
                note_strange(strange, state, level, name, at - 1)
            else:
                after[last] = key
                last = key
                stamp = own_stamp if level == IN_WINDOW else state[STAMP]
                if kind != SKIP:
                    if seen[key] == stamp:
                        return REWRITE
                    seen[key] = stamp
                    met += 1
            if text[at] != COLON:
                at = skip_space(text, at)
                if text[at] != COLON:
                    return BAD
            at = skip_space(text, at + 1)
            if kind == CLUSTERS:
                at = open_clusters(text, at, pair, state)
                if at < 0:
                    return at
                if text[at] != CLOSE_LIST:
                    clusters, own_met, met, level, last = key, met, 0, IN_CLUSTER, len(kinds) + 1
                    continue
                at += 1
            elif kind == SKIP:
                at = skip_value(text, at)
            elif kind == HITS:
                at = read_hits(text, at, hits, hard, state)
            elif kind == TEXT:
                at = read_name(text, at, names, state, name_ends)
            elif kind in (SINGLE, DOUBLE):
                if level == IN_WINDOW:
                    at = read_float(text, at, kind, window, state[WINDOWS], columns[key], IN_WINDOW, hard, state)
                else:
                    at = read_float(text, at, kind, pair, state[PAIRS], columns[key], IN_CLUSTER, hard, state)
            elif level == IN_WINDOW:
                at = read_integer(text, at, kind, window_integers, state[WINDOWS], columns[key])
            else:
                at = read_integer(text, at, kind, pair_integers, state[PAIRS], columns[key])
            if at < 0:
                return at
            at = next_field(text, at)
            if at < 0:
                return BAD
            continue
        if text[at] != CLOSE_OBJECT:
            return BAD
        if met != expected[level]:
            return BAD
        at = skip_space(text, at + 1)
        if level == IN_WINDOW:
            return at if text[at] == NEWLINE else BAD
        state[PAIRS] += 1
        hit_ends[state[PAIRS]] = state[N_HITS]
        if text[at] == COMMA:
            met, last = 0, len(kinds) + 1
            at = open_cluster(text, skip_space(text, at + 1), pair, state)
            if at < 0:
                return at
        elif text[at] == CLOSE_LIST:
            met, level, last = own_met, IN_WINDOW, clusters
            at = next_field(text, at + 1)
            if at < 0:
                return BAD
        else:
            return BAD


@kernel
def note_strange(strange: Integers, state: Integers, level: int, first: int, last: int) -> None:
    """Record an unknown key while there is room."""
    place = state[N_STRANGE]
    if place < len(strange):
        strange[place, 0], strange[place, 1], strange[place, 2] = level, first, last
        state[N_STRANGE] += 1
