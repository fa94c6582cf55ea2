"""A plugin of pytest (`-p helpers.kernels_run`): which kernels the tests of a process have not compiled.

Their names go to the file that the variable `KERNELS_NOT_RUN` of the environment names, one in a line.
"""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numba.core.config
from numba.core.dispatcher import Dispatcher

import ecalwindows


def pytest_sessionstart() -> None:
    """Without checks of indices the tests would say nothing."""
    assert numba.core.config.BOUNDSCHECK == 1 and not numba.core.config.DISABLE_JIT


def pytest_sessionfinish() -> None:
    """A kernel that another one calls is compiled with it."""
    names = [name for name, dispatcher in kernels() if not dispatcher.signatures]
    Path(os.environ["KERNELS_NOT_RUN"]).write_text("".join(f"{name}\n" for name in sorted(names)))


def kernels() -> Iterator[tuple[str, Dispatcher]]:
    """All compiled loops of the package, by module and name."""
    for module in pkgutil.walk_packages(ecalwindows.__path__, "ecalwindows."):
        if ".kernels." in module.name:
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, Dispatcher) and value.py_func.__module__ == module.name:
                    yield f"{module.name}.{name}", value
