"""What is written to a text file is in it, however it is divided; also compressed, with the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecalwindows.formats.ndjson.text_file import PIECE, TextFile

SIZES = st.lists(st.sampled_from([0, 1, 7, PIECE // 2, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE // 2]), max_size=6)


@pytest.mark.parametrize("compression", ["none", "zst"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=SIZES, are_arrays=st.booleans())
def test_text_is_the_same_however_it_is_divided(
    compression: Literal["none", "zst"], sizes: list[int], are_arrays: bool, tmp_path: Path
) -> None:
    text = np.random.default_rng(1).integers(0, 20, sum(sizes), dtype=np.uint8)
    divided, at_once = tmp_path / "divided", tmp_path / "at_once"
    with TextFile(divided, compression) as file:
        for part in np.split(text, np.cumsum(sizes)[:-1]) if sizes else []:
            file.write(part if are_arrays else part.tobytes())
    with TextFile(at_once, compression) as file:
        file.write(text.tobytes())
    content = divided.read_bytes()
    assert content == at_once.read_bytes()
    found = content if compression == "none" else zstandard.ZstdDecompressor().decompressobj().decompress(content)
    assert found == text.tobytes()
