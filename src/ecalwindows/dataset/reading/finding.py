"""Single windows of a dataset, found by what they are called: run, lumi, event, seed, and the sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.formats.parquet.stored import text_array

NUMBERS = ("run_id", "lumi_id", "event_id", "seed_index")
MAX_DIGITS = 19
"""Digits of an int64."""

Done = Callable[[int, int], None]
"""Called with row groups and files read, and their number."""


@dataclass(frozen=True)
class Name:
    """What a window or an event is called; a part that was not given is None."""

    event: int
    run: int | None = None
    lumi: int | None = None
    seed: int | None = None
    sample: str | None = None

    def among(self, numbers: Integers) -> Flags:
        """Which of the windows (or events) it can be. numbers : run, lumi, event and seed, (4, n), or without seed."""
        given = (self.run, self.lumi, self.event, self.seed)[: len(numbers)]
        fits = np.ones(numbers.shape[1], np.bool_)
        for row, wanted in zip(numbers, given, strict=True):
            if wanted is not None:
                fits &= row == wanted
        return fits


def window_name(text: str) -> Name | None:
    """The name in `<sample>_<run>_<lumi>_<event>_<seed_index>`, the sample may be left out; None where it is none."""
    sample, *numbers = f"_{text}".rsplit("_", 4)
    if len(numbers) != 4 or not all(map(_is_number, numbers)):
        return None
    run, lumi, event, seed = map(int, numbers)
    return Name(event, run, lumi, seed, sample.removeprefix("_") or None)


def event_name(text: str) -> Name | None:
    """The name in `<event>`, `<run>:<lumi>:<event>` or `<sample>:<run>:<lumi>:<event>`; None where it is none."""
    words = text.split(":")
    sample = words.pop(0) if len(words) == 4 else None
    if len(words) not in (1, 3) or not all(map(_is_number, words)):
        return None
    numbers = [int(word) for word in words]
    run, lumi = numbers[:2] if len(numbers) == 3 else (None, None)
    return Name(numbers[-1], run, lumi, sample=sample)


def _is_number(word: str) -> bool:
    """Whether a word is a whole number that a column can hold."""
    digits = word.removeprefix("-")
    return digits.isdecimal() and len(digits) <= MAX_DIGITS and -(2**63) <= int(word) < 2**63


def texts(batch: WindowBatch) -> list[str]:
    """What the windows of a batch are called: window_index, or the numbers that it is made of; without both nothing."""
    if len(batch.window_index.data) or not set(NUMBERS) <= batch.window.keys():
        return list(text_array(batch.window_index))
    return ["_".join(map(str, row)) for row in window_numbers(batch).T.tolist()]


def window_numbers(batch: WindowBatch) -> Integers:
    """Run, lumi, event and seed of the windows of a batch, (4, n); of those without such columns from window_index."""
    if set(NUMBERS) <= batch.window.keys():
        return np.stack([batch.window[name].astype(np.int64) for name in NUMBERS])
    names = [window_name(text) for text in texts(batch)]
    rows = [(n.run, n.lumi, n.event, n.seed) if n else (-1, -1, -1, -1) for n in names]
    return np.array(rows, dtype=np.int64).reshape(-1, 4).T


def naming_columns(dataset: Dataset) -> frozenset[str]:
    """The columns with the names of windows. Raises InputError where there are none."""
    held = dataset.scan.names & {"window_index", *NUMBERS}
    if "window_index" in held or set(NUMBERS) <= held:
        return held
    raise InputError(
        "the data do not name their windows" if dataset.scan.names else "there are no windows",
        expected=f"the column window_index, or {', '.join(NUMBERS)}" if dataset.scan.names else "at least one window",
        where=dataset.path,
        todo="make the dataset with the default features definition",
    )


def named_windows(dataset: Dataset, name: Name, done: Done | None = None) -> Iterator[tuple[WindowBatch, Integers]]:
    """The windows that a name fits: batches with all their columns, and the rows in each.

    First only the names are read; then, completely, the pieces that contain a matching window.
    """
    naming = naming_columns(dataset)
    wanted = frozenset((*COLUMNS, *HIT_NAMES))
    units = list(dataset.scan.units())
    for number, unit in enumerate(units):
        if any(len(fitting(batch, name)) for batch, _ in dataset.scan.pieces([unit], naming)):
            for batch, _ in dataset.scan.pieces([unit], wanted & dataset.scan.names):
                if len(rows := fitting(batch, name)):
                    yield batch, rows
        if done:
            done(number + 1, len(units))


def fitting(batch: WindowBatch, name: Name) -> Integers:
    """Rows of the windows that a name fits."""
    rows = np.flatnonzero(name.among(window_numbers(batch)))
    if name.sample is None or not len(batch.window_index.data) or not len(rows):
        return rows
    called = texts(batch)
    return np.array([row for row in rows.tolist() if called[row].startswith(f"{name.sample}_")], dtype=np.int64)


def nearest(dataset: Dataset, name: Name, most: int = 5) -> list[str]:
    """What windows are called that are most like a name: of its event, else of the event with the nearest number."""
    found: list[tuple[int, int, str]] = []
    for batch, _ in dataset.scan.pieces(dataset.scan.units(), naming_columns(dataset)):
        numbers, called = window_numbers(batch), texts(batch)
        far = np.abs(numbers[2].astype(np.float64) - name.event)
        seeds = np.abs(numbers[3] - (name.seed or 0))
        for row in np.lexsort((seeds, far))[:most].tolist():
            found.append((int(far[row]), int(seeds[row]), called[row]))
        found = sorted(found)[:most]
    return [text for *_, text in found]
