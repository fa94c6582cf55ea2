"""Threads give the results of calls in the order of the calls, and end before their user goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.threads import Shared, Threads, number_of_threads


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_results_come_in_the_order_of_the_calls(jobs: int) -> None:
    events = [threading.Event() for _ in range(20)]
    if jobs > 1:
        events[0].clear()

    def call(number: int) -> int:
        if number == 1:
            events[0].set()  # the second call lets the first one end
        elif number == 0 and jobs > 1:
            events[0].wait(10)
        return number

    with Threads(jobs) as threads:
        assert list(threads.results(partial(call, number) for number in range(20))) == list(range(20))


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_is_raised_at_its_place_and_later_results_are_not_given(jobs: int) -> None:
    def call(number: int) -> int:
        return 1 // (number - 4)

    found: list[int] = []
    with Threads(jobs) as threads, pytest.raises(ZeroDivisionError):
        found.extend(threads.results(partial(call, number) for number in range(9)))
    assert len(found) == 4
    assert not [each for each in threading.enumerate() if each.name.startswith("ecalwindows_")]


def test_calls_are_taken_no_further_ahead_than_the_number_of_threads() -> None:
    taken = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(50):
            taken.append(number)
            yield lambda number=number: number  # type: ignore[misc]

    with Threads(3) as threads:
        for done, _ in enumerate(threads.results(calls()), start=1):
            assert len(taken) <= done + 3


def test_what_is_shared_is_closed_when_the_last_user_is_done() -> None:
    closed = []

    @contextmanager
    def thing() -> Iterator[str]:
        yield "thing"
        closed.append(True)

    shared = Shared(thing())
    with shared:
        user = shared.one_more()
    assert not closed
    with user as value:
        assert value == "thing" and not closed
    assert closed


def test_jobs_0_means_all_processors_and_a_negative_number_is_refused() -> None:
    assert number_of_threads(0) == len(os.sched_getaffinity(0)) and number_of_threads(3) == 3
    with pytest.raises(SettingsError, match="jobs is -1"):
        number_of_threads(-1)


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_of_what_gives_the_calls_comes_after_the_results_before(jobs: int) -> None:
    def calls() -> Iterator[Callable[[], int]]:
        for number in range(3):
            yield partial(int, number)
        raise KeyError("no more")

    found: list[int] = []
    with Threads(jobs) as threads, pytest.raises(KeyError, match="no more"):
        found.extend(threads.results(calls()))
    assert found == [0, 1, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_items_that_are_made_ahead_are_the_same_and_so_is_their_error(jobs: int) -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("broken")

    found: list[int] = []
    with Threads(jobs) as threads, pytest.raises(ValueError, match="broken"):
        found.extend(threads.ahead(items()))
    assert found == [0, 1, 2, 3, 4]
    with Threads(jobs) as threads:
        assert next(threads.ahead(iter(range(9)))) == 0  # and the rest is not wanted
