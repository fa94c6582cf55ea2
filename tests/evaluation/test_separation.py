"""ROC, precision, recall and calibration of scores: small tables, and all pairs of clusters one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.evaluation.separation import calibration, roc, selection

CLUSTERS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans(), st.sampled_from([0.5, 1.0, 3.0])),
    max_size=12,
)


def arrays(clusters: list[tuple[float, bool, float]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    score, truth, weight = zip(*clusters, strict=True) if clusters else ((), (), ())
    return np.array(score, np.float32), np.array(truth, np.bool_), np.array(weight, np.float64)


@given(CLUSTERS)
def test_area_is_the_weighted_share_of_pairs_in_the_right_order_where_equal_scores_count_half(
    clusters: list[tuple[float, bool, float]],
) -> None:
    score, truth, weight = arrays(clusters)
    pairs = [
        (w * v, 1.0 if s > r else 0.5 if s == r else 0.0)
        for s, is_true, w in clusters if is_true
        for r, other_is_true, v in clusters if not other_is_true
    ]  # fmt: skip
    expected = sum(w * right for w, right in pairs) / sum(w for w, _ in pairs) if pairs else np.nan
    assert roc(score, truth, weight=weight).area == pytest.approx(expected, nan_ok=True)


@given(CLUSTERS)
def test_points_of_the_curve_are_what_their_thresholds_select(clusters: list[tuple[float, bool, float]]) -> None:
    score, truth, weight = arrays(clusters)
    curve = roc(score, truth, weight=weight)
    for threshold, true_rate in zip(curve.threshold[1:], curve.true_rate[1:], strict=True):
        if threshold > 0:
            assert selection(score, truth, weight=weight, threshold=threshold).recall == pytest.approx(
                true_rate, nan_ok=True
            )


@pytest.mark.parametrize(
    ("threshold", "weight", "precision", "recall"),
    [
        pytest.param(0.5, None, 1 / 2, 1 / 2, id="a score at the threshold is selected"),
        pytest.param(0.6, None, 1.0, 1 / 2, id="a higher threshold"),
        pytest.param(0.5, [3.0, 1.0, 1.0, 5.0], 3 / 4, 3 / 4, id="weighted by energy"),
        pytest.param(0.95, None, np.nan, 0.0, id="nothing selected"),
    ],
)
def test_precision_and_recall(threshold: float, weight: list[float] | None, precision: float, recall: float) -> None:
    score = np.array([0.9, 0.5, 0.2, 0.1], np.float32)
    truth = np.array([True, False, True, False])
    found = selection(score, truth, weight=None if weight is None else np.array(weight), threshold=threshold)
    assert (found.precision, found.recall) == pytest.approx((precision, recall), nan_ok=True)


def test_calibration_has_equal_scores_in_one_group_in_any_order_of_clusters() -> None:
    score = np.array([0.0] * 15 + [0.25] + [1.0] * 4, np.float32)
    truth = np.array([True] * 3 + [False] * 12 + [False] + [True] * 4)
    for order in (np.arange(20), np.arange(20)[::-1]):
        found = calibration(score[order], truth[order])
        assert found.n.tolist() == [15, 0, 0, 0, 0, 0, 0, 1, 4, 0]
        assert found.true_share == pytest.approx([0.2, *[np.nan] * 6, 0.0, 1.0, np.nan], nan_ok=True)
        assert found.score == pytest.approx([0.0, *[np.nan] * 6, 0.25, 1.0, np.nan], nan_ok=True)


def test_without_clusters_nothing_is_claimed() -> None:
    score, truth, _ = arrays([])
    assert np.isnan([roc(score, truth).area, selection(score, truth).precision, selection(score, truth).recall]).all()
    assert calibration(score, truth).n.tolist() == [0] * 10


@pytest.mark.parametrize(
    ("score", "truth", "weight", "where"),
    [
        pytest.param([np.nan], [True], None, "score 0", id="a score that is not a number"),
        pytest.param([0.5, 0.5], [True], None, "scores", id="more scores than clusters"),
        pytest.param([0.5], [1], None, "is_true", id="truth that is not bool"),
        pytest.param([0.5], [True], [-1.0], "weight", id="a negative weight"),
        pytest.param([0.5], [True], [1.0, 1.0], "weight", id="more weights than clusters"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(score: list, truth: list, weight: list | None, where: str) -> None:
    with pytest.raises(InputError) as error:
        roc(np.array(score, np.float32), np.array(truth), weight=None if weight is None else np.array(weight))
    assert error.value.where == where


@pytest.mark.parametrize("threshold", [0.0, 1.5, np.nan])
def test_thresholds_without_a_meaning_are_refused(threshold: float) -> None:
    with pytest.raises(SettingsError):
        selection(np.array([0.5], np.float32), np.array([True]), threshold=threshold)
