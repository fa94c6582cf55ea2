"""Events for the pure middle from plain dicts of branches, by the way that a file's columns take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ecalwindows.core.events import Events
from ecalwindows.core.settings import WindowSettings, window_settings
from ecalwindows.dumper.branches import EVERYTHING, branches_needed
from ecalwindows.dumper.columns import Ragged
from ecalwindows.dumper.headers import Input
from ecalwindows.dumper.read import events_of

FILE_TYPES = {"int": np.int32, "float": np.float32}


def window_settings_of(reference: Any) -> WindowSettings:
    """The package's settings from those of the reference."""
    return window_settings(vars(reference))


def events_of_dicts(rows: Sequence[dict[str, Any]], settings: WindowSettings, *, use_pileup: bool) -> Events:
    """`Events` from events as dicts branch -> value; branches that a row lacks take their defaults."""
    needed = branches_needed(EVERYTHING, settings, use_pileup=use_pileup)
    present = [branch for branch in needed if not rows or branch.name in rows[0]]
    file = Input("made", len(rows), tuple(present), (), 0, len(rows))
    columns = {branch.name: ragged([row[branch.name] for row in rows], branch) for branch in present}
    return events_of(file, columns, 0, len(rows))


def ragged(values: list[Any], branch: Any) -> Ragged:
    """Nested lists as a branch would hold them."""
    offsets = []
    for _ in range(branch.depth):
        offsets.append(np.cumsum([0, *(len(value) for value in values)], dtype=np.int64))
        values = [item for value in values for item in value]
    wide = (branch.depth == 2 and branch.part == "score") or branch.part == "event"
    dtype = {"int": np.int64, "float": np.float64}[branch.kind] if wide else FILE_TYPES[branch.kind]
    with np.errstate(over="ignore"):
        return Ragged(tuple(offsets), np.array(values, dtype=dtype))
