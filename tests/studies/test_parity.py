"""Means and widths with errors from the spread between events, and which form they belong to."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecalwindows.studies.parity.forms import ABSOLUTE, CALIBRATED, FED, LOG, MEMBERS
from ecalwindows.studies.parity.moments import EventMoments, Statistics
from ecalwindows.studies.parity.population import BySize
from ecalwindows.studies.parity.scalers import Stated, Verdict, judged

RNG = np.random.default_rng(5)


def moments(values: np.ndarray, event: np.ndarray, pieces: int = 1) -> Statistics:
    sums = EventMoments()
    for rows in np.array_split(np.arange(len(values)), pieces):
        sums.add(values[rows], event[rows] - event[rows[0]])
    found = sums.statistics
    assert found is not None
    return found


def test_means_and_widths_are_those_of_numpy_also_of_large_numbers_in_pieces() -> None:
    values, event = RNG.normal(1e6, 2.0, 4000), np.repeat(np.arange(1000), 4)
    for pieces in (1, 4):
        found = moments(values, event, pieces)
        assert (found.n, found.mean, found.width) == (4000, pytest.approx(values.mean()), pytest.approx(values.std()))
        assert (found.least, found.largest) == (values.min(), values.max())


def test_errors_are_those_of_a_jackknife_over_events() -> None:
    """Each event is left out once: the spread of mean and width without it gives their errors."""
    sizes = RNG.integers(1, 6, 150)
    event = np.repeat(np.arange(150), sizes)
    values = RNG.normal(size=150)[event] + 0.3 * RNG.normal(size=len(event))
    without = [values[event != k] for k in range(150)]
    errors = [math.sqrt(149 / 150 * sum((x - np.mean(xs)) ** 2 for x in xs))
              for xs in ([v.mean() for v in without], [v.std() for v in without])]  # fmt: skip
    found = moments(values, event)
    assert (found.mean_error, found.width_error) == (
        pytest.approx(errors[0], rel=0.05),
        pytest.approx(errors[1], rel=0.05),
    )
    assert found.mean_error > 1.3 * values.std() / math.sqrt(len(values)), "values of an event are not independent"


def test_what_is_no_number_is_left_out_and_a_constant_has_no_width() -> None:
    assert moments(np.array([1.0, np.nan, 3.0]), np.arange(3)).mean == 2.0
    found = moments(np.full(5, 7.0), np.arange(5))
    assert found.is_constant and (found.mean, found.width, found.mean_error) == (7.0, 0.0, 0.0)
    assert EventMoments().statistics is None


def known(mean: float, width: float, error: float = 0.01, events: float = 1000.0) -> Statistics:
    return Statistics(10_000, mean, error, width, error, mean - 3 * width, mean + 3 * width, events)


ZERO = Statistics(10_000, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def verdicts(stated: dict[str, tuple[float, float]], forms: dict[str, dict[str, Statistics]]) -> dict[str, Verdict]:
    inputs = [Stated("windows" if name[:4] in ("max_", "min_", "avg_") else "clusters", name, name, "MeanRms", *numbers)
              for name, numbers in stated.items()]  # fmt: skip
    found = judged(inputs, {each.key: FED for each in inputs}, {each.key: forms[each.name] for each in inputs}, {})
    return {each.input.name: each for each in found}


def test_pulls_are_in_units_of_the_errors() -> None:
    (found,) = verdicts({"cl_et": (10.02, 4.9)}, {"cl_et": {FED: known(10.0, 5.0)}}).values()
    assert found.pulls == (pytest.approx(2.0), pytest.approx(-10.0)) and not found.fits
    assert found.reason.startswith("another sample: mean +0.004 widths away, width -2%")


@pytest.mark.parametrize(("numbers", "fits"), [((10.04, 5.0), True), ((10.06, 5.0), False), ((10.0, 4.96), True)])
def test_five_errors_are_the_limit(numbers: tuple[float, float], fits: bool) -> None:
    (found,) = verdicts({"cl_et": numbers}, {"cl_et": {FED: known(10.0, 5.0)}}).values()
    assert found.fits is fits


def test_where_few_events_decide_a_width_only_large_deviations_are_seen() -> None:
    for numbers, fits in (((10.0, 9.0), True), ((10.0, 5000.0), False), ((500.0, 5.0), False)):
        (found,) = verdicts({"cl_et": numbers}, {"cl_et": {FED: known(10.0, 5.0, events=4.0)}}).values()
        assert found.fits is fits


def test_calibrated_energies_are_named_only_where_they_explain_all_energies() -> None:
    forms = {name: {FED: known(mean, 5.0), CALIBRATED: known(1.03 * mean, 5.0), LOG: known(2.0, 0.5)}
             for name, mean in (("cl_energy", 30.0), ("cl_et", 10.0))}  # fmt: skip
    both = verdicts({"cl_energy": (30.9, 5.0), "cl_et": (10.3, 5.0)}, forms)
    assert {each.likely for each in both.values()} == {CALIBRATED}
    one = verdicts({"cl_energy": (30.9, 5.0), "cl_et": (9.0, 5.0)}, forms)
    assert {each.likely for each in one.values()} == {None}


def test_an_input_that_starts_from_zero_is_always_zero_unless_the_sample_has_no_other_values() -> None:
    (found,) = verdicts({"min_cl_et": (5.0, 16.0)}, {"min_cl_et": {FED: ZERO, MEMBERS: known(7.0, 19.0)}}).values()
    assert found.is_always_zero and found.likely == MEMBERS and found.reason == "the input is always 0 in CMSSW"
    (chance,) = verdicts({"min_cl_et": (0.1, 1.0)}, {"min_cl_et": {FED: ZERO, MEMBERS: ZERO}}).values()
    assert chance.fits


def test_inputs_that_changed_places_are_named_and_one_like_another_is_not() -> None:
    forms = {"cl_eta": {FED: known(0.0, 1.5)}, "cl_et": {FED: known(10.0, 5.0)}, "cl_nxtals": {FED: known(4.0, 2.0)}}
    swapped = verdicts({"cl_eta": (10.0, 5.0), "cl_et": (0.0, 1.5), "cl_nxtals": (4.0, 2.0)}, forms)
    assert swapped["cl_eta"].reason == "mean and width are those of cl_et: is the order another one?"
    assert swapped["cl_nxtals"].fits
    similar = verdicts({"cl_eta": (10.0, 5.0), "cl_et": (20.0, 9.0), "cl_nxtals": (4.0, 2.0)}, forms)
    assert similar["cl_eta"].reason.startswith("another sample")


@pytest.mark.parametrize("own", [FED, ABSOLUTE])
def test_one_angle_alone_does_not_show_whether_values_are_signed(own: str) -> None:
    stated = Stated("windows", "max_cl_seed_dEta", "max_cl_seed_dEta", "MeanRms", 1.0, 1.0)
    forms = {FED: known(2.0, 1.0), ABSOLUTE: known(3.0, 1.0), own: known(9.0, 1.0)}
    for angles, likely in (
        (None, None),
        (own, None),
        (ABSOLUTE if own == FED else FED, ABSOLUTE if own == FED else FED),
    ):
        (found,) = judged([stated], {stated.key: own}, {stated.key: forms}, {}, angles)
        assert not found.fits and found.likely == likely


@pytest.mark.parametrize("form", [FED, ABSOLUTE])
def test_signed_and_absolute_values_are_distinguished_in_a_sample_with_other_numbers_of_clusters(form: str) -> None:
    def sample(n: int, more: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sizes of windows, deta of clusters (0 of the seed), and largest of each window in both forms."""
        sizes = RNG.poisson(more, n) + 1
        values = RNG.normal(0.0, 0.05, sizes.sum())
        first = np.cumsum(sizes) - sizes
        values[first] = 0.0
        largest = np.stack([np.maximum.reduceat(values, first), np.maximum.reduceat(np.abs(values), first)])
        return sizes, values, largest

    _, values, largest = sample(20_000, 0.8)
    high = largest[0 if form == FED else 1]
    inputs = [
        Stated("clusters", "cl_seed_dEta", "cl_seed_dEta", "MeanRms", values.mean(), values.std()),
        Stated("windows", "max_cl_seed_dEta", "max_cl_seed_dEta", "MeanRms", high.mean(), high.std()),
    ]
    sizes, values, largest = sample(20_000, 3.0)
    sums = BySize(inputs)
    sums.add({("clusters", "cl_seed_dEta"): {FED: values},
              ("windows", "max_cl_seed_dEta"): {FED: largest[0], ABSOLUTE: largest[1]}}, sizes)  # fmt: skip
    assert sums.nearest() == form
