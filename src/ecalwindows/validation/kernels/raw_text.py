"""A quick look at text, to find the pieces in which a number may not be finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel

A, E, F, I, N = (ord(letter) for letter in "aefin")  # noqa: E741  letters
NEWLINE, MINUS, ZERO, NINE = (ord(sign) for sign in "\n-09")
LOWER = 32
"""The bit in which small letters differ from capitals."""


@kernel
def lines_and_suspicion(text: NDArray[np.uint8]) -> tuple[int, bool]:
    """Number of lines, and whether `nan`, `inf` (in any case) or an exponent without minus is somewhere in the text."""
    n_lines, is_suspicious, end = 0, False, len(text)
    for at in range(end):
        byte = text[np.uint64(at)]
        if byte == NEWLINE:
            n_lines += 1
        letter = byte | LOWER
        if letter == E:
            if 0 < at < end - 1 and ZERO <= text[at - 1] <= NINE and text[at + 1] != MINUS:
                is_suspicious = True
        elif letter == N:
            if at < end - 2 and text[at + 1] | LOWER == A and text[at + 2] | LOWER == N:
                is_suspicious = True
        elif letter == I and at < end - 2 and text[at + 1] | LOWER == N and text[at + 2] | LOWER == F:
            is_suspicious = True
    return n_lines, is_suspicious
