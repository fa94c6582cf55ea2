"""What is true of every window (windows.md), as one table against which batches are checked."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ecalwindows.core.arrays import Flags
from ecalwindows.core.batch import Text, text_at
from ecalwindows.core.schema import SECOND
from ecalwindows.validation.invariants.labels import LABELS
from ecalwindows.validation.invariants.seen import Invariant, Seen
from ecalwindows.validation.invariants.shape import NUMBERS, SHAPE

INVARIANTS: tuple[Invariant, ...] = (*SHAPE, *NUMBERS, *LABELS)
"""All of them, in the order of the report."""

MAX_OFFENDERS = 5


@dataclass
class Outcome:
    """The outcome of an invariant.

    Attributes
    ----------
    name, sentence
        Those of the invariant.
    checked
        Windows that were checked.
    failed
        Windows of which it is not true.
    offenders
        The first of these.
    missing
        Columns and settings that some part of it needs and that the data do not have.
    """

    name: str
    sentence: str
    checked: int = 0
    failed: int = 0
    offenders: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)

    def count(self, holds: Flags, names: Text | None, where: str, first: int) -> None:
        """Add windows; those without names are named by their file (`where`) and their row in it, from `first`."""
        self.checked += len(holds)
        self.failed += int((~holds).sum())
        for row in np.flatnonzero(~holds)[: MAX_OFFENDERS - len(self.offenders)].tolist():
            self.offenders.append((text_at(names, row) if names else "") or f"{where}, window {first + row + 1}")

    def take(self, other: Outcome) -> None:
        """Add the outcome of the same invariant for windows that come after."""
        self.checked += other.checked
        self.failed += other.failed
        self.offenders = (self.offenders + other.offenders)[:MAX_OFFENDERS]
        self.missing |= other.missing

    def fail(self, offender: str, n: int = 1) -> None:
        """Add a failure that was found elsewhere."""
        self.failed += n
        if len(self.offenders) < MAX_OFFENDERS:
            self.offenders.append(offender)


def outcomes() -> list[Outcome]:
    """An empty outcome for each invariant."""
    return [Outcome(each.name, each.sentence) for each in INVARIANTS]


def check(seen: Seen, results: list[Outcome], where: str = "", first: int = 0) -> None:
    """Check all invariants whose columns a batch has, and add the outcome to `results`, which has the same order."""
    if not len(seen.batch):
        return
    names = seen.batch.window_index if len(seen.batch.window_index.data) else None
    for each, outcome in zip(INVARIANTS, results, strict=True):
        parts = [part for part in each.parts if part.needs <= seen.held]
        outcome.missing |= each.needs - seen.held - SECOND  # which only a second collection of superclusters has
        if parts:
            holds = np.all([part.holds(seen) for part in parts], axis=0)
            outcome.count(holds, names, where, first)
