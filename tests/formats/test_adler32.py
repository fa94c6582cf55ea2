"""The checksum of an input is the usual one, whatever its size and the number of threads that share the work."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from ecalwindows.core.threads import Threads
from ecalwindows.formats.manifest import ADLER_PART, adler32


@pytest.mark.parametrize("n_bytes", [0, 1, 70_000, ADLER_PART, ADLER_PART + 1, 2 * ADLER_PART + 12_345])
def test_the_adler32_of_a_file_in_parts_is_that_of_zlib(tmp_path: Path, n_bytes: int) -> None:
    data = bytes(range(1, 252)) * (n_bytes // 251 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:n_bytes])
    with Threads(3) as threads:
        assert adler32(path) == adler32(path, threads) == f"{zlib.adler32(data[:n_bytes]):08x}"
