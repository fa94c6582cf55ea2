"""The text above the axes of all figures, which a user may choose: nothing in the data says whether they are CMS's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TEXT: ContextVar[str] = ContextVar("text", default="")


def label_text() -> str:
    """The text above the axes, empty if there is none."""
    return _TEXT.get()


@contextmanager
def labelled(text: str) -> Iterator[None]:
    """Figures that are drawn inside the block have this text above their axes."""
    token = _TEXT.set(text)
    try:
        yield
    finally:
        _TEXT.reset(token)
