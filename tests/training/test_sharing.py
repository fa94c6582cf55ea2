"""Batches of workers share memory: what a training or a transform keeps is never written over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.streams import digest, made, write_folder

from ecalwindows.training.sharing import Arenas, zeros


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("streamed"))


class FirstKept:
    """Keeps the first batch, and gives it again beside each batch."""

    first: Any = None

    def __call__(self, batch: Any) -> Any:
        self.first = self.first or batch
        return self.first, batch


def test_batches_that_are_kept_stay_as_they_are(folder: Path) -> None:
    plain = digest(made(folder))
    stream = made(folder, workers=2)
    kept = list(stream)
    assert digest(stream.resume(made(folder).state())) == digest(kept) == plain
    stream.close()
    assert digest(kept) == plain


def test_a_batch_that_a_transform_keeps_stays_as_it_is(folder: Path) -> None:
    stream = made(folder, workers=1, transform=FirstKept())
    found = [(digest([first]), digest([batch])) for first, batch in stream]
    stream.close()
    assert {first for first, _ in found} == {found[0][1]}
    assert len({batch for _, batch in found}) == len(found)


def test_blocks_that_are_read_into_the_memory_of_others_are_not_taken_for_them(folder: Path) -> None:
    """Workers have blocks of an epoch before in mind, which others have written over since."""
    settings: dict[str, Any] = {"pool": 1, "prefetch": 1, "size": 30}
    plain, stream = made(folder, **settings), made(folder, workers=3, **settings)
    for _ in range(3):
        assert digest(stream) == digest(plain)
    stream.close()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="the system has no files without a name")
def test_an_arena_is_used_again_when_its_arrays_are_gone_and_is_empty_then() -> None:
    arenas = Arenas()
    for kept in (False, True):
        array, first = arenas.made(lambda: zeros((3, 4), np.float32))
        assert first is not None and not array.any()
        array[:] = 1
        if not kept:
            del array
        arenas.release([first.number])
        again, second = arenas.made(lambda: zeros((3, 4), np.float32))
        assert (second is first) != kept and not again.any()
