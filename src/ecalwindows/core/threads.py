"""Threads that work side by side, with results in the order of the work, whatever the number of threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

from ecalwindows.core.errors import SettingsError

T = TypeVar("T")
U = TypeVar("U")


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

    def results(
        self, calls: Iterable[Callable[[], T]], *, first_alone: bool = False, is_nested: bool = False
    ) -> Iterator[T]:
        """What the calls return, in their order; an error of one, or of the iterable, is raised at its place.

        At most so many results as there are threads, and one more, are made before they are taken. Calls are taken
        from the iterable by the thread that asks, which may therefore decide what follows.
        first_alone : the first call is made before the others begin, since it prepares what they share
        is_nested : one of the threads asks: it does not wait for a call that none has begun, but makes it
        """
        if self._pool is None:
            for call in calls:
                result = call()
                del call  # and what it holds is free before the next one is made
                yield result
                del result
            return
        waiting: deque[tuple[Future[T], Callable[[], T]]] = deque()
        rest = _with_error(calls)

        def first() -> T:
            coming, call = waiting.popleft()
            return call() if is_nested and coming.cancel() else coming.result()

        try:
            if first_alone:
                yield from (call() for call in islice(rest, 1))
            for call in rest:
                waiting.append((self._pool.submit(call), call))
                if len(waiting) > self.n:
                    yield first()
            while waiting:
                yield first()
        finally:
            for coming, _ in waiting:
                coming.cancel()

    def begin(self, call: Callable[[], T]) -> Future[T]:
        """Have a call made by a thread, or at once where there is one; its result, or error, is asked for later."""
        if self._pool is not None:
            return self._pool.submit(call)
        done: Future[T] = Future()
        _make(call, done)
        return done

    def ahead(self, items: Iterator[T]) -> Iterator[T]:
        """The same items; each is made, one at a time, while the one before is used."""
        return self.parts_ahead(items, lambda item: (item,))

    def parts_ahead(self, items: Iterator[T], parts: Callable[[T], Iterable[U]]) -> Iterator[U]:
        """The parts of items, of which each has some. An item is made while the parts of the one before are used.

        So all threads have work when one of them makes an item, which takes longer than the use of a part.
        """
        if self._pool is None:
            for item in items:
                yield from parts(item)
                del item
            return
        end: Any = object()
        coming: Future[T] = self._pool.submit(next, items, end)
        try:
            while (item := coming.result()) is not end:
                coming = self._pool.submit(next, items, end)
                found = deque(parts(item))
                del item
                while found:
                    yield found.popleft()
        finally:
            if not coming.cancel():
                wait([coming])

    def together(self, calls: Sequence[Callable[[], T]]) -> list[T]:
        """What the calls return, in their order; the error of the first that has one is raised when all are done.

        The thread that asks makes the calls, and threads without other work help it: any of them may ask.
        """
        done: dict[int, Future[T]] = {number: Future() for number in range(len(calls))}
        numbers = iter(range(len(calls)))  # from which each number is taken once

        def help_out() -> None:
            for number in numbers:
                _make(calls[number], done[number])

        helpers = [self._pool.submit(help_out) for _ in range(min(self.n, len(calls)) - 1)] if self._pool else []
        try:
            help_out()
        finally:
            wait([each for each in helpers if not each.cancel()])
        return [each.result() for each in done.values()]

    def later(self) -> Later:
        """What makes calls one by one beside the threads, such as those that write; at once where there is one thread.

        One call may wait.
        """
        return Later(1 if self.n > 1 else 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait for what is being done, also after an error: nothing goes on behind the caller's back."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _make(call: Callable[[], T], done: Future[T]) -> None:
    """Make a call, and keep its result or its error."""
    try:
        done.set_result(call())
    except Exception as error:
        done.set_exception(error)


def _with_error(calls: Iterable[Callable[[], T]]) -> Iterator[Callable[[], T]]:
    """The same calls, and one that raises where the next one cannot be had: after the results of those before."""
    try:
        yield from calls
    except Exception as error:
        yield partial(_refuse, error)


def _refuse(error: Exception) -> Any:
    raise error


class Later:
    """Makes calls one by one, in their order: in one more thread, while their user goes on; at once where `limit` is 0.

    limit : calls that may wait. An error of a call is raised by a later one, or at the end.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pool = ThreadPoolExecutor(1, "ecalwindows") if limit else None
        self._waiting: deque[Future[None]] = deque()

    def __call__(self, function: Callable[[T], None], argument: T) -> None:
        """Have a call made."""
        if self._pool is None:
            function(argument)
            return
        self._waiting.append(self._pool.submit(function, argument))
        while len(self._waiting) > self._limit:
            self._waiting.popleft().result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        """Wait for all calls; after an error only for the one that is being made."""
        if self._pool is None:
            return
        try:
            while error is None and self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)
