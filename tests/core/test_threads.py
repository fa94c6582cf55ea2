"""Threads give the results of calls in the order of the calls, and end before their user goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from ecalwindows.core.errors import SettingsError
from ecalwindows.core.threads import Later, Threads, number_of_threads


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


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_one_of_the_threads_may_ask_for_results_also_where_no_other_is_free(jobs: int) -> None:
    def asked(threads: Threads, first: int) -> list[int]:
        calls = (partial(int, first + number) for number in range(20))
        return list(threads.results(calls, is_nested=True))

    with Threads(jobs) as threads:
        found = threads.results(partial(asked, threads, first) for first in range(0, 200, 20))
        assert [number for numbers in found for number in numbers] == list(range(200))


def test_calls_are_taken_no_further_ahead_than_the_number_of_threads() -> None:
    taken = []

    def calls() -> Iterator[Callable[[], int]]:
        for number in range(50):
            taken.append(number)
            yield lambda number=number: number  # type: ignore[misc]

    with Threads(3) as threads:
        for done, _ in enumerate(threads.results(calls()), start=1):
            assert len(taken) <= done + 3


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_calls_made_together_give_their_results_in_order_also_where_no_thread_is_free_to_help(jobs: int) -> None:
    def asked(threads: Threads, first: int) -> list[int]:
        return threads.together([partial(int, first + number) for number in range(7)])

    with Threads(jobs) as threads:
        found = list(threads.results(partial(asked, threads, 10 * number) for number in range(9)))
    assert found == [list(range(10 * number, 10 * number + 7)) for number in range(9)]


@pytest.mark.parametrize("jobs", [1, 4])
def test_of_calls_made_together_the_first_error_in_order_is_raised_when_all_are_done(jobs: int) -> None:
    done: list[int] = []

    def call(number: int) -> None:
        done.append(number)
        if number in (3, 5):
            raise ValueError(f"call {number}")

    with Threads(jobs) as threads, pytest.raises(ValueError, match="call 3"):
        threads.together([partial(call, number) for number in range(9)])
    assert sorted(done) == list(range(9))


@pytest.mark.parametrize("most", [0, 3])
def test_calls_that_are_made_later_are_made_in_their_order_and_all_are_done_at_the_end(most: int) -> None:
    done: list[int] = []
    with Later(most) as later:
        for number in range(20):
            later(done.append, number)
            assert len(done) >= number - most
    assert done == list(range(20))


@pytest.mark.parametrize("most", [0, 2])
def test_the_error_of_a_call_that_is_made_later_is_raised(most: int) -> None:
    with pytest.raises(ZeroDivisionError), Later(most) as later:
        later(lambda number: print(1 // number), 0)
    assert not [each for each in threading.enumerate() if each.name.startswith("ecalwindows_")]


def test_after_an_error_of_the_user_what_waits_is_not_made() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), []

    def call(number: int) -> None:
        begun.set()
        go_on.wait(10)
        done.append(number)

    def use() -> None:
        with Later(5) as later:
            for number in range(4):
                later(call, number)
            begun.wait(10)
            threading.Timer(0.05, go_on.set).start()
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert done == [0]


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


@pytest.mark.parametrize("jobs", [1, 2])
def test_parts_of_items_are_the_same_and_the_next_item_is_begun_before_them(jobs: int) -> None:
    begun = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    found = []
    with Threads(jobs) as threads:
        for number, part in threads.parts_ahead(items(), lambda item: [(item, place) for place in range(3)]):
            found.append((number, part))
            if number < 2:
                assert begun[number + 1].wait(10) if jobs > 1 else not begun[number + 1].is_set()
        assert next(threads.parts_ahead(items(), lambda item: [item, item])) == 0  # and the rest is not wanted
    assert found == [(number, part) for number in range(3) for part in range(3)]
