"""Windows of random events, and how they are compared with the reference implementation."""

from __future__ import annotations

from typing import Any

import numpy as np
from reference.pipeline import Settings

from ecalwindows.core.working_points import BinnedWorkingPoints
from ecalwindows.windowing.pipeline import Made, make_windows
from helpers import strategies
from helpers.events_maker import events_of_dicts, window_settings_of

WORKING_POINTS = BinnedWorkingPoints(
    np.array(strategies.WP_CONTENT).reshape(3, 3),
    np.array(strategies.WP_ET_EDGES),
    np.array(strategies.WP_ETA_EDGES),
    "for tests",
)


def made_of(events: list[dict[str, Any]], settings: Settings) -> Made:
    chosen = window_settings_of(settings)
    use_pileup = settings.pileup == "on"
    return make_windows(
        events_of_dicts(events, chosen, use_pileup=use_pileup), chosen, WORKING_POINTS, use_pileup=use_pileup
    )


def rounded(values: list[Any], dtype: str) -> np.ndarray[Any, Any]:
    """The reference's numbers as stored; overflow of float32 is infinite, and so the sentinel."""
    with np.errstate(over="ignore"):
        stored = np.array(values, dtype=dtype)
    if stored.dtype.kind == "f":
        stored[~np.isfinite(stored)] = -999
    return stored


def assert_same(name: str, ours: np.ndarray[Any, Any], expected: list[Any], dtype: str) -> None:
    theirs = rounded(expected, dtype)
    assert ours.dtype == theirs.dtype, name
    np.testing.assert_array_equal(ours, theirs, err_msg=name)
