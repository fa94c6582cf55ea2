"""What is true of every window (windows.md), as one table that a batch is held against; pure, so that it streams."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.batch import Text
from ecalwindows.validation.invariants.labels import LABELS
from ecalwindows.validation.invariants.numbers import NUMBERS
from ecalwindows.validation.invariants.seen import Flags, Invariant, Seen
from ecalwindows.validation.invariants.shape import SHAPE

INVARIANTS: tuple[Invariant, ...] = (*SHAPE, *NUMBERS, *LABELS)
"""All of them, in the order of the report."""

MOST_OFFENDERS = 5


@dataclass
class Outcome:
    """What became of an invariant.

    checked : windows looked at; failed : those of which it is not true; offenders : the first of them
    lacking : columns and settings that some part of it needs and that are not there
    """

    name: str
    sentence: str
    checked: int = 0
    failed: int = 0
    offenders: list[str] = field(default_factory=list)
    lacking: set[str] = field(default_factory=set)

    def count(self, holds: Flags, names: Text | None, where: str, first: int) -> None:
        """Add windows. `where`, `first` : their file and the number of the first in it, where there are no names."""
        self.checked += len(holds)
        self.failed += int((~holds).sum())
        for row in np.flatnonzero(~holds)[: MOST_OFFENDERS - len(self.offenders)].tolist():
            self.offenders.append(window_name(names, row) or f"{where}, window {first + row + 1}")

    def fail(self, told: str, n: int = 1) -> None:
        """Add what failed elsewhere."""
        self.failed += n
        if len(self.offenders) < MOST_OFFENDERS:
            self.offenders.append(told)


def window_name(names: Text | None, row: int) -> str:
    """The window_index of a row, empty where there is none."""
    if names is None:
        return ""
    return names.data[names.offsets[row] : names.offsets[row + 1]].tobytes().decode(errors="replace")


def outcomes() -> list[Outcome]:
    """An empty outcome for each invariant."""
    return [Outcome(each.name, each.sentence) for each in INVARIANTS]


def check(seen: Seen, results: list[Outcome], where: str = "", first: int = 0) -> None:
    """Hold a batch against all invariants whose columns it has, and add what is found to `results` (in that order)."""
    if not len(seen.batch):
        return
    names = seen.batch.window_index if len(seen.batch.window_index.data) else None
    for each, outcome in zip(INVARIANTS, results, strict=True):
        parts = [part for part in each.parts if part.needs <= seen.held]
        outcome.lacking |= each.needs - seen.held
        if parts:
            holds = np.all([part.holds(seen) for part in parts], axis=0)
            outcome.count(holds, names, where, first)
