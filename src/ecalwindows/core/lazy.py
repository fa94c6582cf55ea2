"""Libraries that are imported when something of them is used first: their import takes longer than some commands."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Lazy:
    """A library that is imported when something of it is used.

    Write `if TYPE_CHECKING: import NAME` and `else: NAME = Lazy("NAME")`, so that types are still checked.

    Parameters
    ----------
    name
        Full name of a module.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)
