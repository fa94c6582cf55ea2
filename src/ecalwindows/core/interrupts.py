"""An interrupt stays one, also when a library has made another error of it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

INTERRUPTED = 130
"""The exit code of a process that was interrupted (Ctrl-C, SIGTERM)."""

_signals = 0  # how many have come, see `interrupts_kept`


def interrupt_on(*signals: signal.Signals) -> None:
    """Have signals end a run as Ctrl-C does, so that temporary files are removed. Only in the main thread."""
    for each in signals:
        with suppress(ValueError):  # signals belong to the main thread
            signal.signal(each, _interrupt)


def _interrupt(*_: object) -> NoReturn:
    global _signals
    _signals += 1
    raise KeyboardInterrupt


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt where an error in the block came from one.

    A signal can arrive while a compiled module is imported: pybind11 then raises `ImportError: initialization failed`
    from the KeyboardInterrupt, and PyO3 drops it and raises a PanicException that names no cause. Ours or anybody's
    `except Exception` would take the error for a fault. With the handler of `interrupt_on` every error that follows
    a signal in the block counts as its result.
    """
    before = _signals
    try:
        yield
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        if _signals != before or _came_from_interrupt(error):
            raise KeyboardInterrupt from error
        raise


def _came_from_interrupt(error: BaseException) -> bool:
    at: BaseException | None = error
    seen: set[int] = set()
    while at is not None and id(at) not in seen:
        if isinstance(at, KeyboardInterrupt):
            return True
        seen.add(id(at))
        at = at.__cause__ or at.__context__
    return False
