"""Conditions on columns of windows: a row group that is left out holds no window that passes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.core.schema import SENTINEL
from ecalwindows.dataset.reading.expression import Condition

VALUES = st.sampled_from([SENTINEL, -2.0, -1.0, 0.0, 1.0, 2.5])
TERMS = st.sampled_from(["et_seed", "ncls", "abs(et_seed)", "-et_seed", "et_seed + ncls", "1", "0", "-2", "-999"])
COMPARED = st.builds("{} {} {}".format, TERMS, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), TERMS)
LISTS = st.sampled_from(["ncls in [0, 1]", "et_seed not in [1, -999]", "is_seed_calo_matched"])


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["and", "or", "&", "|"]), inner),
    )


CONDITIONS = st.recursive(st.one_of(COMPARED, LISTS), joined, max_leaves=4)


@given(CONDITIONS, st.lists(st.tuples(VALUES, st.integers(-2, 2), st.booleans()), min_size=1, max_size=4))
def test_what_passes_is_never_left_out_by_ranges(text: str, rows: list[tuple[float, int, bool]]) -> None:
    """Ranges of floats do not include NaN, which is read as -999."""
    et = np.array([row[0] for row in rows], np.float32)
    columns = {
        "et_seed": et,
        "ncls": np.array([row[1] for row in rows], np.int32),
        "is_seed_calo_matched": np.array([row[2] for row in rows]),
    }
    ranges = {name: (float(column.min()), float(column.max())) for name, column in columns.items()}
    without_nan = et[et != SENTINEL]
    ranges.pop("et_seed")
    if len(without_nan):
        ranges["et_seed"] = float(without_nan.min()), float(without_nan.max())
    condition = Condition(text)
    assert condition.may_pass(ranges) or not condition.passing(columns).any()


def test_a_seed_without_a_number_passes_no_limit_but_can_be_named() -> None:
    columns = {"et_seed": np.array([SENTINEL, 1.0], np.float32)}
    for text, expected in {
        "et_seed < 5": [False, True], "-et_seed < 5": [False, True], "abs(et_seed) > 0.5": [False, True],
        "et_seed + 1 < 5": [False, True], "et_seed == -999": [True, False], "et_seed != -999": [False, True],
    }.items():  # fmt: skip
        assert Condition(text).passing(columns).tolist() == expected, text


def test_integers_are_compared_exactly() -> None:
    columns = {"event_id": np.array([2**53, 2**53 + 1])}
    assert Condition(f"event_id == {2**53 + 1}").passing(columns).tolist() == [False, True]
    assert Condition(f"event_id != {2**53}").may_pass({"event_id": (float(2**53), float(2**53 + 1))})
