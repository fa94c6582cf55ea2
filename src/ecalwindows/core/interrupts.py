"""An interrupt stays one, also when a library has made another error of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTED = 130
"""The exit code of a process that was interrupted (Ctrl-C, SIGTERM)."""


@contextmanager
def interrupts_kept() -> Iterator[None]:
    """Raise KeyboardInterrupt where an error in the block came from one.

    A signal can arrive while a compiled module is imported: pybind11 then raises `ImportError: initialization failed`
    from the KeyboardInterrupt, and ours or anybody's `except Exception` would take it for a fault.
    """
    try:
        yield
    except Exception as error:
        if _came_from_interrupt(error):
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
