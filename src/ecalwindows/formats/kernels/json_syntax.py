"""JSON between the values: spaces, strings, separators, and values that are not wanted.

`text` is uint8 with some spare bytes after the text; each line ends in a newline, where every function stops.
A place below 0 means that the text there is not JSON.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
from ecalwindows.formats.kernels.decimal import fixed
from ecalwindows.formats.kernels.eight_bytes import eight_bytes
from ecalwindows.formats.kernels.json_numbers import BAD, read_number

Bytes = NDArray[np.uint8]

QUOTE, COMMA, COLON, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT, BACKSLASH, NEWLINE = map(ord, '",:[]{}\\\n')
DEEPEST = 60
"""Maximum depth of nested lists and objects in a value that is skipped."""

FIVE_BYTES, FOUR_BYTES = np.uint64(2**40 - 1), np.uint64(2**32 - 1)
TRUE, FALSE, NULL = (np.uint64(int.from_bytes(word, "little")) for word in (b"true", b"false", b"null"))
IS_TRUE, IS_FALSE, IS_NULL, NO_WORD = map(fixed, (1, 0, 2, -1))
SHORT_ESCAPES = np.zeros(256, dtype=np.bool_)
SHORT_ESCAPES[list(b'"\\/bfnrt')] = True
HEXADECIMAL = np.zeros(256, dtype=np.bool_)
HEXADECIMAL[list(b"0123456789abcdefABCDEF")] = True


@kernel
def skip_space(text: Bytes, at: int) -> int:
    """The place of the next byte that is not a space, tab or carriage return."""
    place = np.uint64(at)
    while text[place] == 32 or text[place] == 9 or text[place] == 13:
        place += np.uint64(1)
    return np.int64(place)  # type: ignore[return-value]


@kernel
def skip_string(text: Bytes, at: int) -> int:
    """The place after a string whose opening quote is just before `at`."""
    while text[at] != QUOTE:
        if text[at] == BACKSLASH:
            at += 1
            if text[at] == 117:  # u and four digits
                for place in range(at + 1, at + 5):
                    if not HEXADECIMAL[text[place]]:
                        return BAD
                at += 4
            elif not SHORT_ESCAPES[text[at]]:
                return BAD
        elif text[at] < 32:
            return BAD
        at += 1
    return at + 1


@kernel
def read_word(text: Bytes, at: int) -> tuple[int, int]:
    """true, false or null: the place after it and which it is."""
    eight = eight_bytes(text, at)
    if eight & FOUR_BYTES == TRUE:
        return at + 4, IS_TRUE
    if eight & FIVE_BYTES == FALSE:
        return at + 5, IS_FALSE
    if eight & FOUR_BYTES == NULL:
        return at + 4, IS_NULL
    return BAD, NO_WORD


@kernel
def next_field(text: Bytes, at: int) -> int:
    """After a value in an object: the place of the next key's quote or of the closing brace."""
    at = skip_space(text, at)
    if text[at] == COMMA:
        at = skip_space(text, at + 1)
        return at if text[at] == QUOTE else BAD
    return at if text[at] == CLOSE_OBJECT else BAD


@kernel
def skip_key(text: Bytes, at: int) -> int:
    """From the quote of a key to its value."""
    if text[at] != QUOTE:
        return BAD
    at = skip_string(text, at + 1)
    if at < 0:
        return BAD
    at = skip_space(text, at)
    return skip_space(text, at + 1) if text[at] == COLON else BAD


@kernel
def skip_leaf(text: Bytes, at: int) -> int:
    """The place after a string, a word or a number."""
    if text[at] == QUOTE:
        return skip_string(text, at + 1)
    if 97 <= text[at] <= 122:
        return read_word(text, at)[0]
    return read_number(text, at)[0]


@kernel
def skip_value(text: Bytes, at: int) -> Any:
    """The place after any value. `kinds` has a bit for each list (0) or object (1) that is open: innermost lowest."""
    depth, kinds = 0, 0
    while True:
        if text[at] == OPEN_LIST or text[at] == OPEN_OBJECT:
            if depth == DEEPEST:
                return BAD
            kinds = 2 * kinds + (1 if text[at] == OPEN_OBJECT else 0)
            depth += 1
            at = skip_space(text, at + 1)
            if not (text[at] == CLOSE_LIST or text[at] == CLOSE_OBJECT):
                at = skip_key(text, at) if kinds & 1 == 1 else at
                if at < 0:
                    return BAD
                continue
        else:
            at = skip_leaf(text, at)
        while depth > 0 and at >= 0:
            at = skip_space(text, at)
            if text[at] != (CLOSE_OBJECT if kinds & 1 == 1 else CLOSE_LIST):
                break
            at, depth, kinds = at + 1, depth - 1, kinds >> 1
        if at < 0 or depth == 0:
            return at
        if text[at] != COMMA:
            return BAD
        at = skip_space(text, at + 1)
        if kinds & 1 == 1:
            at = skip_key(text, at)
            if at < 0:
                return BAD
