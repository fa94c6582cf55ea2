"""Libraries that are imported when something of them is used first: their import takes longer than some commands."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

LARGEST = "numba"
"""The library with most modules: while it is missing, the others are missing too."""

NOT_USED = ("cffi", "coverage", "scipy", "pyarrow._azurefs", "pyarrow._gcsfs", "pyarrow._hdfs", "pyarrow._s3fs")
"""What numba and pyarrow import where it is installed, and no command uses: they take that for not installed."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """In this block a command imports what it needs; for processes that run nothing but one command.

    Python does not look for unused objects in it: imports make many objects, of which none is unused. What the first
    such block has made is never looked at again. Libraries do not import what no command uses (`NOT_USED`), and neither
    numba's nor pydantic's extensions by others.
    """
    if LARGEST in sys.modules:
        yield
        return
    was_on, hidden = gc.isenabled(), [name for name in NOT_USED if name not in sys.modules]
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python finds no such module
    try:
        yield
        if LARGEST in sys.modules:
            import_module("numba.core.typing.cffi_utils")
            extensions: Any = import_module("numba.core.entrypoints")
            extensions._already_initialized = True
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
        gc.freeze()
        if was_on:
            gc.enable()


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
