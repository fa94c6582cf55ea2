"""Every window that the pipeline makes, from whatever events, holds all invariants."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers import strategies
from helpers.events_maker import window_settings_of
from helpers.pipeline import made_of
from hypothesis import given

from ecalwindows.core.batch import WindowBatch
from ecalwindows.validation.invariants import INVARIANTS, check, outcomes
from ecalwindows.validation.invariants.seen import Seen, close


def failures(batch: WindowBatch, settings: Any) -> dict[str, list[str]]:
    """The invariants that do not hold, with the first windows."""
    chosen = window_settings_of(settings)
    results = outcomes()
    check(Seen(batch, chosen.model_dump() | {"geometry": chosen.shape}), results)
    assert all(outcome.checked == len(batch) and not outcome.missing for outcome in results)
    return {outcome.name: outcome.offenders for outcome in results if outcome.failed}


@strategies.few
@given(strategies.cases())
def test_windows_of_the_pipeline_hold_all_invariants(case: Any) -> None:
    events, settings = case
    assert failures(made_of(events, settings).batch, settings) == {}


@strategies.few
@given(strategies.cases(broken=True))
def test_also_where_the_dump_holds_nan_and_infinities(case: Any) -> None:
    events, settings = case
    for event in events:  # pile-up of -infinity passes the limit, and is stored as what never does
        branch = "pfCluster_simEnergy_sharedXtalsPU"
        event[branch] = [np.inf if energy == -np.inf else energy for energy in event[branch]]
    found = failures(made_of(events, settings).batch, settings)
    found.pop("sentinel", None)  # the largest float32 stands for no number where others wrote the dump
    assert found == {}


@strategies.few
@given(strategies.cases(complete=False))
def test_also_where_branches_are_absent(case: Any) -> None:
    events, settings = case
    assert failures(made_of(events, settings).batch, settings) == {}


def test_numbers_that_are_equal_in_float32_are_close() -> None:
    step = float(np.finfo(np.float32).smallest_subnormal)
    assert close(np.array([0.0, step, 1.0]), np.array([step / 2, 3 * step, 1.0 + 1e-5])).tolist() == [True, True, False]


def test_each_invariant_has_a_name_of_its_own() -> None:
    assert len({each.name for each in INVARIANTS}) == len(INVARIANTS)
