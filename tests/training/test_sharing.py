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


def write_over(batch: Any) -> None:
    """Fill all arrays of a batch but its masks, which still say where there is something, with 1."""
    for name, array in vars(batch).items():
        if isinstance(array, np.ndarray) and "mask" not in name:
            array[...] = 1


def written_over(batch: Any) -> str:
    """What is in a batch, which is then written over."""
    found = digest([batch])
    write_over(batch)
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param({"layout": "flat"}, marks=pytest.mark.slow),
        pytest.param({"pad_clusters": "batch", "pad_hits": "batch"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_what_a_training_writes_to_a_batch_is_in_no_later_one(folder: Path, settings: dict[str, Any]) -> None:
    plain = made(folder, **settings)
    stream = made(folder, workers=1, prefetch=1, **settings)
    for _ in range(2):
        assert [written_over(batch) for batch in stream] == [digest([batch]) for batch in plain]
    stream.close()


def test_what_a_transform_writes_to_a_batch_is_in_no_later_one(folder: Path) -> None:
    expected = [digest([batch]) for batch in made(folder)]
    stream = made(folder, workers=1, prefetch=1, transform=written_over)
    assert list(stream) == expected
    stream.close()


def with_another_column(batch: Any) -> Any:
    """A batch whose metadata are changed."""
    batch.metadata["twice"] = 2 * batch.metadata["event_id"]
    batch.metadata["event_id"] = batch.metadata["event_id"] + 1
    batch.metadata["window_index"][:] = "changed"
    batch.metadata["flavour"][:] = 3
    return batch


def test_metadata_that_a_transform_changes_are_those_of_the_batch(folder: Path) -> None:
    stream = made(folder, workers=1, transform=with_another_column)
    for batch, plain in zip(stream, made(folder), strict=True):
        assert list(batch.metadata) == [*plain.metadata, "twice"]
        assert np.array_equal(batch.metadata["twice"], 2 * plain.metadata["event_id"])
        assert np.array_equal(batch.metadata["event_id"], plain.metadata["event_id"] + 1)
        assert (batch.metadata["flavour"] == 3).all() and set(batch.metadata["window_index"]) == {"changed"}
    stream.close()


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
