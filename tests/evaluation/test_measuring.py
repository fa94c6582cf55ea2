"""Numbers with errors: beside the reference implementation, arithmetic, and toys with a known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import evaluation as slow

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.evaluation.cruijff import fitted
from ecalwindows.evaluation.kernels import bootstrap as kernels
from ecalwindows.evaluation.measuring import Bin, bins_of, measure, measured_table
from ecalwindows.evaluation.satellites import MEASURES, measure_satellites
from ecalwindows.evaluation.separation import roc, selection
from ecalwindows.studies.kernels.resolution import poisson_weights
from ecalwindows.studies.working_points.threshold_scan import round_keys

FEW = st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.9, 1.0, 1.5]), min_size=1, max_size=12)


def keys(n: int, start: int = 0) -> np.ndarray:
    return np.arange(start, start + n, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


@given(FEW, st.integers(0, 5))
def test_responses_of_each_round_are_those_of_values_repeated_by_their_weights(values: list[float], seed: int) -> None:
    key, rounds = keys(len(values)), round_keys(4, seed)
    found = kernels.responses(np.array([values, values[::-1]]), key, rounds)
    weights = np.concatenate([np.ones((1, len(values)), np.uint8), poisson_weights(key, rounds)])
    for number, own in enumerate(weights):
        for row, each in enumerate((values, values[::-1])):
            np.testing.assert_allclose(found[row, :, number], slow.responses(each, own), atol=1e-12)


@given(FEW, st.integers(0, 5))
def test_means_of_each_round_leave_out_what_is_no_number(values: list[float], seed: int) -> None:
    rows = np.array([values, [math.nan if v == 0.5 else v for v in values]])
    key, rounds = keys(len(values)), round_keys(4, seed)
    found = kernels.means(rows, key, rounds)
    weights = np.concatenate([np.ones((1, len(values)), np.uint8), poisson_weights(key, rounds)])
    for number, own in enumerate(weights):
        for row, each in enumerate(rows):
            kept = slow.drawn(each, own)
            kept = kept[~np.isnan(kept)]
            np.testing.assert_allclose(found[row, number], kept.mean() if len(kept) else math.nan)


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.5, 0.7]), st.booleans(), st.sampled_from([1.0, 4.0])), min_size=1)
)
def test_satellites_are_measured_as_roc_and_selection_have_it(clusters: list[tuple[float, bool, float]]) -> None:
    score, true, energy = (np.array(column) for column in zip(*clusters, strict=True))
    table = {"event_key": keys(len(true)), "is_true": true, "energy": energy, "score m": score.astype(np.float32)}
    found = {each.measure: each.value for each in measure_satellites(table, ["m"])}
    assert list(found) == list(MEASURES)
    for end, weight in (("", None), (" (by energy)", energy)):
        chosen = selection(table["score m"], true, weight=weight)
        expected = (roc(table["score m"], true, weight=weight).area, chosen.precision, chosen.recall)
        for name, number in zip(("area under ROC", "precision", "recall"), expected, strict=True):
            assert found[name + end] == pytest.approx(number, nan_ok=True)


def table(response: np.ndarray, key: np.ndarray, **more: np.ndarray) -> dict[str, np.ndarray]:
    return {"event_key": key, "response": response, **more}


def test_collections_are_measured_on_the_caloparticles_that_all_found() -> None:
    a, b = np.array([1.0, 2.0, np.nan, 4.0]), np.array([1.0, np.nan, 3.0, 4.0])
    found = measure({"a": table(a, keys(4)), "truth": table(b, keys(4))}, rounds=0)
    medians = {each.collection: each for each in found if each.measure == "median"}
    assert {each.entries for each in medians.values()} == {2}
    assert medians["a"].value == 2.5
    assert medians["a"].differences["truth"][0] == 0
    assert math.isnan(medians["a"].error)


def test_one_collection_measured_twice_differs_by_nothing_without_error() -> None:
    response = np.random.default_rng(1).normal(1, 0.1, 300)
    found = measure({"a": table(response, keys(300)), "mustache": table(response, keys(300))}, rounds=50)
    for each in found:
        if each.collection == "a":
            assert each.differences["mustache"] == (0, 0)
            assert each.error > 0


def test_errors_of_a_difference_cover_the_true_value_in_68_percent_of_toys() -> None:
    rng, n, toys = np.random.default_rng(5), 3000, 400
    width = math.hypot(0.1, 0.03)
    true = {"median": 0.02, "resolution": 0.99446 * width * (1 / 1.02 - 1)}
    covered = dict.fromkeys(true, 0)
    for toy in range(toys):
        common, key = rng.normal(1, 0.1, n), keys(n, toy * n)
        a, b = common + rng.normal(0.02, 0.03, n), common + rng.normal(0, 0.03, n)
        for each in measure({"a": table(a, key), "truth": table(b, key)}, rounds=100, seed=toy):
            if each.collection == "a" and each.measure in true:
                value, error = each.differences["truth"]
                covered[each.measure] += abs(value - true[each.measure]) < error
    for name, n_covered in covered.items():
        assert abs(n_covered / toys - 0.683) < 0.05, name


def test_the_same_events_give_the_same_numbers_in_any_order() -> None:
    rng = np.random.default_rng(2)
    response, key, order = rng.normal(1, 0.1, 200), keys(200), rng.permutation(200)
    one = measured_table(measure({"a": table(response, key)}, rounds=20))
    other = measured_table(measure({"a": table(response[order], key[order])}, rounds=20))
    np.testing.assert_array_equal(one["value"], other["value"])
    np.testing.assert_array_equal(one["error"], other["error"])


def test_bins_are_half_open_and_eta_counts_by_its_absolute_value() -> None:
    columns = {
        "event_key": keys(4),
        "seed_eta": np.array([-0.5, 0.49, 0.5, 3.1]),
        "flavour": np.array([11, 11, 22, 22]),
    }
    found = {(where.by, where.label): rows.tolist() for where, rows in bins_of(columns, {"seed_eta": (0, 0.5, 3)})}
    assert found == {
        ("all", ""): [0, 1, 2, 3],
        ("seed_eta", "0-0.5"): [1],
        ("seed_eta", "0.5-3"): [0, 2],
        ("flavour", "11"): [0, 1],
        ("flavour", "22"): [2, 3],
    }
    assert Bin("et_seed x seed_eta", (1, 5, 0, 0.5)).label == "1-5, 0-0.5"


def test_collections_with_other_caloparticles_are_an_error() -> None:
    with pytest.raises(InputError, match="other caloparticles"):
        measure({"a": table(np.ones(2), keys(2)), "b": table(np.ones(2), keys(2, 1))})


def test_a_number_of_rounds_without_a_meaning_is_an_error() -> None:
    with pytest.raises(SettingsError, match="rounds"):
        measure({"a": table(np.ones(2), keys(2))}, rounds=-1)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_would_be_another_one_is_an_error(seed: int) -> None:
    with pytest.raises(SettingsError, match=f"the seed {seed} of the bootstrap"):
        measure({"a": table(np.ones(2), keys(2))}, seed=seed)


def test_a_seed_of_no_rounds_is_an_error() -> None:
    with pytest.raises(SettingsError, match="the seed 3 of a bootstrap of 0 rounds"):
        measure({"a": table(np.ones(2), keys(2))}, rounds=0, seed=3)


def test_the_fit_finds_the_widths_of_its_own_function() -> None:
    rng = np.random.default_rng(3)
    side = rng.random(40_000) < 0.02 / 0.05
    response = 1 + np.where(side, np.abs(rng.normal(0, 0.02, 40_000)), -np.abs(rng.normal(0, 0.03, 40_000)))
    found = fitted(response, 0.99, 0.025)
    assert not found.problem
    assert found.mean == pytest.approx(1, abs=0.002)
    assert found.left == pytest.approx(0.03, rel=0.05)
    assert found.right == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(("response", "half"), [(np.ones(10), 0.1), (np.ones(1000), 0.0)])
def test_a_fit_that_is_not_possible_says_why(response: np.ndarray, half: float) -> None:
    found = fitted(response, 1.0, half)
    assert found.problem
    assert math.isnan(found.mean)


def test_caloparticles_without_the_hash_of_their_events_are_an_error() -> None:
    with pytest.raises(InputError, match="the caloparticles have no event_key"):
        measure({"a": {"response": np.ones(2)}})


def test_a_bootstrap_of_one_round_gives_no_errors_and_is_refused() -> None:
    with pytest.raises(SettingsError, match="1 rounds of the bootstrap"):
        measure({"a": table(np.ones(2), keys(2))}, rounds=1)
