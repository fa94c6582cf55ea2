"""The driver of `ecalwindows compare`: which windows two datasets share, how those differ, how distributions drift.

Keys are read first (16 bytes per window): so it is known which windows are common. Then both datasets are read side by
side; a window waits until the other side brings the same window. Memory follows how far the two orders are apart: a few
batches for two productions of the same files, at most the smaller dataset.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.core.files.output import check_names, holds, outputs_together
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import COLUMNS, in_order
from ecalwindows.validation.comparison import Comparison, Rules, name_of, taken
from ecalwindows.validation.drift import Distributions, Drift, drifts
from ecalwindows.validation.matching import Match, Side, Waiting, keys, matched

MAX_NAMED = 3
UNNAMED = frozenset({"window_index"})


@dataclass
class Compared:
    """The result: what is common, how common windows differ, and, if asked for or nothing is common, the drift.

    one_sided : columns and hit components that only A, only B has; columns : those that both have
    only : names of the first windows that are on one side only
    """

    paths: tuple[str, str]
    match: Match
    comparison: Comparison
    columns: frozenset[str]
    one_sided: tuple[list[str], list[str]]
    only: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    drifts: list[Drift] = field(default_factory=list)
    figures: list[Path] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_equal(self) -> bool:
        """Whether both hold the same windows, with the same values in all columns that both have."""
        match, found = self.match, self.comparison
        return not any((*match.only, *match.repeated, found.differ)) and found.windows == match.windows[0]


def compare_datasets(
    a: str | Path,
    b: str | Path,
    *,
    rtol: float = 0.0,
    atol: float = 0.0,
    drift: bool = False,
    plots: str | Path | None = None,
    progress: Progress | None = None,
) -> Compared:
    """Compare two datasets of any formats: files, folders, finished datasets, URLs.

    rtol, atol : values agree when abs(a - b) <= atol + rtol x max(abs(a), abs(b)); by default when they are the same
    drift : also compare distributions; always done where no windows are common. plots : folder for their figures
    Raises InputError for what cannot be read, or shares no column.
    """
    began = time.monotonic()
    sides = Side(str(a)), Side(str(b))
    steps = Steps(progress, 2 * sum(len(side.files) for side in sides))
    shared = sides[0].names & sides[1].names
    if plots is not None:
        from ecalwindows.plots.style import MARK

        names, ours = (f"{name}.png" for name in shared), "figures of `ecalwindows compare`"
        check_names(Path(plots), names, is_own=holds(MARK), ours=ours)
    match = matched(sides, steps.done)
    if not shared and all(match.windows):
        raise InputError(
            "the two have no column in common", expected="two datasets of windows", where=f"{a} and {b}",
            todo="make or convert one of them with the columns of the other",
        )  # fmt: skip
    one_sided = [in_order(one.names - two.names) if two.names else [] for one, two in (sides, sides[::-1])]
    rules = Rules(rtol, atol, single=sides[0].is_single or sides[1].is_single)
    result = Compared((str(a), str(b)), match, Comparison(rules), shared, (one_sided[0], one_sided[1]))
    if len(match.common):
        _compare_common(sides, result, steps)
    if drift or plots or (not len(match.common) and any(match.windows)):
        _drift(sides, result, steps, None if plots is None else Path(plots))
    result.seconds = time.monotonic() - began
    return result


def _compare_common(sides: tuple[Side, Side], result: Compared, steps: Steps) -> None:
    """Read both sides, the one that is behind first, and compare windows as soon as both are there."""
    match = result.match
    wanted = result.columns | {name for name in UNNAMED if all(name in side.names for side in sides)}
    streams = [side.batches(wanted, steps.done) for side in sides]
    waiting = [Waiting(len(match.common)), Waiting(len(match.common))]
    read, open_sides = [0, 0], {0, 1}
    compared = result.columns - UNNAMED
    while open_sides:
        side = min(open_sides, key=lambda each: read[each])
        batch = next(streams[side], None)
        if batch is None:
            open_sides.remove(side)
            continue
        read[side] += len(batch)
        rows, number = _common_rows(batch, match, result.only[side])
        done = np.zeros(len(rows), dtype=np.bool_)
        for places, other in waiting[1 - side].take(number):
            done[places] = True
            pair = taken(batch, rows[places]), other
            result.comparison.add(pair[side], pair[1 - side], compared)
        waiting[side].add(taken(batch, rows[~done]), number[~done])
        steps.windows = result.comparison.windows


def _common_rows(batch: WindowBatch, match: Match, only: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the windows that are common, and their numbers; the first others are named in `only`."""
    key = keys(batch, match.kind) if len(batch) else np.empty(0, np.uint64)
    number = np.searchsorted(match.common, key)
    is_common = match.common[np.minimum(number, len(match.common) - 1)] == key
    for row in np.flatnonzero(~is_common)[: MAX_NAMED - len(only)].tolist():
        only.append(name_of(batch, row))
    rows = np.flatnonzero(is_common)
    return rows, number[rows]


def _drift(sides: tuple[Side, Side], result: Compared, steps: Steps, folder: Path | None) -> None:
    """Distributions of all columns of numbers that both have, and their figures."""
    names = {name for name in result.columns if name in COLUMNS and COLUMNS[name].dtype not in ("str", "int64")}
    found = [Distributions(), Distributions()]
    for side, distributions in zip(sides, found, strict=True):
        for batch in side.batches(names, steps.done):
            distributions.add(batch, names)
    result.drifts = drifts(found[0], found[1], names)
    if folder is not None:
        from ecalwindows.plots.drift import drift_figure
        from ecalwindows.plots.saving import Look, draw_all

        figures = {
            each.name: drift_figure(each, found[0].values(each.name), found[1].values(each.name), result.paths)
            for each in result.drifts
        }
        with outputs_together():
            result.figures = draw_all(figures, folder, Look((".png",)))
