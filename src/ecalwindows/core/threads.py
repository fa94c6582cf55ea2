"""Threads that work side by side, with results in the order of the work, whatever the number of threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from functools import partial
from itertools import islice
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

from ecalwindows.core.errors import SettingsError

T = TypeVar("T")


def usual_workers() -> int:
    """As many as there are processors for us."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def number_of_threads(jobs: int) -> int:
    """The number of threads for `-j`.

    Parameters
    ----------
    jobs
        1 or more; 0 for as many as there are processors for us.

    Raises
    ------
    SettingsError
        If it is negative.
    """
    if jobs < 0:
        raise SettingsError(
            f"jobs is {jobs}", expected="1 or more, or 0 for all processors", where="-j", todo="give a number like 4"
        )
    return jobs or usual_workers()


class Threads:
    """So many threads; with one, all work is done by the thread that asks for its results.

    Work should be in compiled loops, NumPy, decompression and Arrow, which let other threads run meanwhile.
    """

    def __init__(self, jobs: int = 1) -> None:
        self.n = number_of_threads(jobs)
        self._pool = ThreadPoolExecutor(self.n, "ecalwindows") if self.n > 1 else None

    def results(self, calls: Iterable[Callable[[], T]], *, first_alone: bool = False) -> Iterator[T]:
        """What the calls return, in their order; an error of one, or of the iterable, is raised at its place.

        At most so many results as there are threads, and one more, are made before they are taken. Calls are taken
        from the iterable by the thread that asks, which may therefore decide what follows.
        first_alone : the first call is made before the others begin, since it prepares what they share
        """
        if self._pool is None:
            yield from (call() for call in calls)
            return
        waiting: deque[Future[T]] = deque()
        rest = _with_error(calls)
        try:
            if first_alone:
                yield from (call() for call in islice(rest, 1))
            for call in rest:
                waiting.append(self._pool.submit(call))
                if len(waiting) > self.n:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for each in waiting:
                each.cancel()

    def ahead(self, items: Iterator[T]) -> Iterator[T]:
        """The same items; each is made, one at a time, while the one before is used."""
        if self._pool is None:
            yield from items
            return
        end: Any = object()
        coming: Future[T] = self._pool.submit(next, items, end)
        try:
            while (item := coming.result()) is not end:
                coming = self._pool.submit(next, items, end)
                yield item
        finally:
            if not coming.cancel():
                wait([coming])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait for what is being done, also after an error: nothing goes on behind the caller's back."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _with_error(calls: Iterable[Callable[[], T]]) -> Iterator[Callable[[], T]]:
    """The same calls, and one that raises where the next one cannot be had: after the results of those before."""
    try:
        yield from calls
    except Exception as error:
        yield partial(_refuse, error)


def _refuse(error: Exception) -> Any:
    raise error


class Shared:
    """Something that several threads use, and that is closed when the last of them is done."""

    def __init__(self, thing: AbstractContextManager[Any]) -> None:
        self._thing, self._users, self._lock = thing, 1, Lock()
        self.value = thing.__enter__()

    def one_more(self) -> Self:
        """Announce one more user, who enters and leaves it as a context."""
        with self._lock:
            self._users += 1
        return self

    def __enter__(self) -> Any:
        return self.value

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            is_last = self._users == 0
        if is_last:
            self._thing.__exit__(None, None, None)
