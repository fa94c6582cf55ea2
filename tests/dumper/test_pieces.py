"""Events that are read at once are handed on in pieces: views that hold the same as a selection of these events."""

from __future__ import annotations

import threading
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.golden_files import GOLDEN

from ecalwindows.commands.windows import Report, iter_encoded, prepared, write_windows
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.events import Events, events_between, selected_events
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.threads import Threads
from ecalwindows.dumper.columns import bytes_per_entry
from ecalwindows.dumper.headers import check_inputs, open_tree
from ecalwindows.dumper.read import event_steps
from ecalwindows.dumper.reading import STEP_SHARE, Reading
from ecalwindows.formats.parquet.definition import features_definition

PHOTONS = str(GOLDEN / "photons.root")
WANTED = features_definition().wanted


@pytest.fixture(scope="module")
def events() -> Events:
    (file,) = check_inputs([PHOTONS], WindowSettings(), WANTED).files
    (found,) = event_steps(file, WindowSettings(), memory_bytes=1e9)
    return found


def assert_same(one: Any, other: Any) -> None:
    """Compare columns, groups of columns and what is made of them."""
    if is_dataclass(one):
        for field in fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            assert_same(one[name], other[name])
    else:
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("start", "stop"), [(0, 24), (0, 1), (5, 17), (23, 24), (9, 9)])
def test_a_piece_of_events_is_what_a_selection_of_them_is(events: Events, start: int, stop: int) -> None:
    keep = np.zeros(len(events), bool)
    keep[start:stop] = True
    piece = events_between(events, start, stop)
    assert_same(piece, selected_events(events, keep))
    assert all(np.shares_memory(piece.hits[name], events.hits[name]) for name in piece.hits if stop > start)


@pytest.mark.parametrize("jobs", [1, 3])
def test_pieces_are_smaller_than_what_is_read_and_each_event_is_in_one(tmp_path: Path, jobs: int) -> None:
    (file,) = check_inputs([PHOTONS], WindowSettings(), WANTED).files
    with open_tree(PHOTONS, WindowSettings().tree) as tree:
        size = bytes_per_entry(tree, [branch.name for branch in file.branches])
    pieces: list[list[int]] = []
    reading = Reading(memory_mb=6 * size / STEP_SHARE / 1e6, jobs=jobs)
    write_windows(
        PHOTONS, tmp_path / "w.parquet", {"truth": "require"}, reading=reading,
        observer=lambda events, _: pieces.append(events.event.tolist()),
    )  # fmt: skip
    assert max(map(len, pieces)) < 9 and len(pieces) >= 3 * jobs
    assert len({event for piece in pieces for event in piece}) == sum(map(len, pieces)) == 24


@pytest.mark.parametrize("jobs", [1, 2])
def test_without_memory_each_event_is_a_piece(tmp_path: Path, jobs: int) -> None:
    pieces: list[int] = []
    reading = Reading(memory_mb=0, jobs=jobs)
    write_windows(
        PHOTONS, tmp_path / "w.ndjson", reading=reading, observer=lambda events, _: pieces.append(len(events))
    )
    assert pieces == [1] * 24


def test_a_single_file_is_opened_once_and_closed_when_it_is_read_or_no_longer_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Any] = []
    settings, library_open = WindowSettings(), uproot.open

    def noted_open(*args: Any, **options: Any) -> Any:
        opened.append(library_open(*args, **options))
        return opened[-1]

    monkeypatch.setattr(uproot, "open", noted_open)
    (file,) = check_inputs([PHOTONS], settings, WANTED).files
    (first,) = event_steps(file, settings, memory_bytes=1e9)
    assert len(opened) == 1 and opened[0].closed
    (again,) = event_steps(file, settings, memory_bytes=1e9)
    assert len(opened) == 2 and opened[1].closed
    assert_same(first, again)
    inputs = check_inputs([PHOTONS], settings, WANTED)
    assert not opened[-1].closed and inputs.n_events == 24
    del inputs
    assert opened[-1].closed
    check_inputs([PHOTONS, PHOTONS], settings, WANTED)
    assert len(opened) == 5 and all(each.closed for each in opened)


def test_with_threads_the_first_step_is_read_while_the_code_for_windows_is_loaded() -> None:
    """The windows of no events, for which the code is loaded, wait here until those of the first step are made."""
    is_read, waited = threading.Event(), list[bool]()

    def encode(batch: WindowBatch) -> None:
        if len(batch):
            is_read.set()
        else:
            waited.append(is_read.wait(60))

    reading, settings = Reading(jobs=2), WindowSettings()
    inputs, threshold, settings = prepared([PHOTONS], settings, WANTED, reading)
    with Threads(2) as threads:
        steps = iter_encoded(inputs, settings, threshold, encode, reading=reading, report=Report(), threads=threads)
        sizes = [len(made.batch) for made, _ in steps]
    assert waited == [True] and sizes[0] == 0 and min(sizes[1:]) > 0
