"""The quick look at text finds every piece in which a number may not be finite, and counts its lines."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.validation.kernels.raw_text import lines_and_suspicion

SUSPICIOUS = re.compile(rb"(?i)nan|inf|[0-9]e[^-]")
PIECES = st.sampled_from(
    ["nan", "NaN", "-Infinity", "inf", "na", "in", "1e5", "1E+300", "2e-9", "e", "E", "7", "\n", ":"]
)


@given(st.lists(PIECES, max_size=5))
def test_what_is_suspicious_is_found_and_lines_are_counted(pieces: list[str]) -> None:
    text = "".join(pieces).encode()
    found = lines_and_suspicion(np.frombuffer(text, np.uint8) if text else np.empty(0, np.uint8))
    assert found == (text.count(b"\n"), SUSPICIOUS.search(text) is not None)


@pytest.mark.parametrize("text", ["1e", "n", "na", "i", "in", ""])
def test_a_text_that_ends_in_a_word_is_read_to_its_end_only(text: str) -> None:
    data = np.frombuffer(f"{text}naninf1e5".encode(), np.uint8)[: len(text)]
    assert lines_and_suspicion(data) == (0, False)
