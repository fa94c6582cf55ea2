"""The checksum of an input is the usual one, whatever its size, its threads, and what was begun before."""

from __future__ import annotations

import mmap
import os
import threading
import time
import zlib
from pathlib import Path

import pytest

from ecalwindows.core.files import adler32 as module
from ecalwindows.core.files.adler32 import NOTHING, PART, BegunSums, adler32
from ecalwindows.core.files.file_state import file_state
from ecalwindows.core.threads import Threads

PAGE = mmap.ALLOCATIONGRANULARITY
"""Bytes of the smallest parts of which sums can be begun."""


def file_of(path: Path, n_bytes: int) -> bytes:
    """A file of so many bytes, and what is in it."""
    data = (bytes(range(1, 252)) * (n_bytes // 251 + 1))[:n_bytes]
    path.write_bytes(data)
    return data


def when_done(sums: BegunSums) -> None:
    """Wait until all sums are made."""
    sums._thread.join(timeout=60)


@pytest.mark.parametrize("n_bytes", [0, 1, 70_000, PART, PART + 1, 2 * PART + 12_345])
def test_the_adler32_of_a_file_in_parts_is_that_of_zlib(tmp_path: Path, n_bytes: int) -> None:
    data = file_of(tmp_path / "file", n_bytes)
    with Threads(3) as threads:
        assert adler32(tmp_path / "file") == adler32(tmp_path / "file", threads) == f"{zlib.adler32(data):08x}"


@pytest.mark.parametrize("n_begun", [0, 1, PART - 1, PART, PART + 3, 2 * PART + 12_345])
def test_a_sum_that_was_begun_is_gone_on_with(tmp_path: Path, n_begun: int) -> None:
    data = file_of(tmp_path / "file", 2 * PART + 12_345)
    begun = zlib.adler32(data[:n_begun]), n_begun
    assert adler32(tmp_path / "file", begun=begun) == f"{zlib.adler32(data):08x}"


@pytest.mark.parametrize("n_bytes", [1, PAGE, PAGE + 1, 3 * PAGE])
def test_sums_are_begun_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_bytes: int) -> None:
    monkeypatch.setattr(module, "BEGUN_PART", PAGE)
    path = tmp_path / "file"
    data = file_of(path, n_bytes)
    with BegunSums([str(path)]) as begun:
        when_done(begun)
        assert begun.of(str(path), file_state(path)) == (zlib.adler32(data), n_bytes)


def test_what_is_no_local_file_is_passed_over(tmp_path: Path) -> None:
    file_of(tmp_path / "empty", 0)
    file_of(tmp_path / "file", 10)
    paths = [str(tmp_path), "root://host//file.root", str(tmp_path / "none"), str(tmp_path / "empty"), "*", "nul\0",
             str(tmp_path / "file")]  # fmt: skip
    with BegunSums(paths) as begun:
        when_done(begun)
        found = [begun.of(path, file_state(path)) for path in paths]
    assert found[:-1] == [NOTHING] * 6
    assert found[-1][1] == 10


def test_a_file_that_has_changed_is_summed_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file_of(path, 10)
    with BegunSums([str(path)]) as begun:
        when_done(begun)
        path.write_bytes(b"others are here")
        os.utime(path, ns=(1, 1))
        assert begun.of(str(path), file_state(path)) == NOTHING
        assert begun.of(str(path), None) == NOTHING


def test_sums_end_with_the_part_that_is_being_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`stop` does not wait for it; the end of the block does."""
    monkeypatch.setattr(module, "BEGUN_PART", PAGE)
    path, goes_on = tmp_path / "file", threading.Event()
    data = file_of(path, 10 * PAGE)

    def slowly(part: mmap.mmap, before: int) -> int:
        goes_on.wait(60)
        return zlib.adler32(part, before)

    class Slow:
        adler32 = staticmethod(slowly)

    monkeypatch.setattr(module, "zlib", Slow)
    with BegunSums([str(path)]) as begun:
        time.sleep(0.05)
        begun.stop()
        assert begun.of(str(path), file_state(path)) == NOTHING
        goes_on.set()
    assert begun.of(str(path), file_state(path)) in (NOTHING, (zlib.adler32(data[:PAGE]), PAGE))
    assert not begun._thread.is_alive()
