"""Libraries that are imported when something of them is used first: their import takes longer than some commands."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

LARGEST = "numba"
"""The library with most modules: while it is missing, the others are missing too."""

NOT_USED = ("cffi", "cloudpickle", "coverage", "scipy", "pyarrow._azurefs", "pyarrow._gcsfs", "pyarrow._hdfs",
            "pyarrow._s3fs")  # fmt: skip
"""What numba and pyarrow import where it is installed, and no command uses: they take that for not installed."""

SELDOM_USED = ("asyncio", "awkward", "fsspec", "fsspec.asyn", "fsspec.core", "fsspec.implementations.cached",
               "fsspec.implementations.local", "html", "uproot.writing._dask_write", "yaml")  # fmt: skip
"""What uproot and numba import, and use for few inputs or not at all: a `Lazy` takes its place meanwhile."""

is_quick = False
"""Whether this process runs nothing but one command: it has begun `quick_imports`."""


@contextmanager
def quick_imports() -> Iterator[None]:
    """In this block a command imports what it needs; for processes that run nothing but one command.

    Python does not look for unused objects in it: imports make many objects, of which none is unused. What the first
    such block has made is never looked at again. Libraries do not import what no command uses (`NOT_USED`), and neither
    numba's nor pydantic's extensions by others; they import later what few inputs need (`SELDOM_USED`). NumPy starts no
    threads for linear algebra, which these commands do not have.
    """
    global is_quick
    if LARGEST in sys.modules:
        yield
        return
    is_quick = True
    was_on, hidden = gc.isenabled(), [name for name in NOT_USED if name not in sys.modules]
    later = {name: Lazy(name) for name in SELDOM_USED if library_of(name) not in sys.modules}
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python finds no such module
    sys.modules.update(later)  # type: ignore[arg-type]
    finder = _Loaded()
    sys.meta_path.insert(0, finder)
    try:
        yield
        if LARGEST in sys.modules:
            import_module("numba.core.typing.cffi_utils")
            extensions: Any = import_module("numba.core.entrypoints")
            extensions._already_initialized = True
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
        leave_table(later)
        sys.meta_path.remove(finder)
        gc.freeze()
        if was_on:
            gc.enable()


class Lazy:
    """A library that is imported when something of it is used.

    Write `if TYPE_CHECKING: import NAME` and `else: NAME = Lazy("NAME")`, so that types are still checked. In the table
    of Python's modules it takes the place of the library until something of it is used.

    Parameters
    ----------
    name
        Full name of a module.
    """

    __spec__ = None  # the import statement asks for it

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        """Something of the library; while a module of it is in the table, what is imported from that by name."""
        if "." not in self._name or sys.modules.get(self._name) is not self:  # type: ignore[comparison-overlap]
            return self.used(name)
        if name.startswith("__"):
            raise AttributeError(name)
        return LazyName(self, name)

    def used(self, name: str) -> Any:
        """Something of the library, which is imported now, with those modules of it that were in the table too."""
        same = [other for other in SELDOM_USED if library_of(other) == library_of(self._name)]
        if sys.modules.get(self._name) is self:  # type: ignore[comparison-overlap]
            leave_table(same)
        library = import_module(self._name)
        for other in same:
            with suppress(ModuleNotFoundError):  # another release may not have it
                import_module(other)
        return getattr(library, name)


class LazyName:
    """A class or function of a library that is imported when it is called, asked for something, or inherited from."""

    def __init__(self, library: Lazy, name: str) -> None:
        self._used = partial(library.used, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._used(), name)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._used()(*arguments, **options)

    def __instancecheck__(self, found: Any) -> bool:
        return isinstance(found, self._used())

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[Any]:
        return (self._used(),)


class _Loaded:
    """Finds what was loaded while its import began, as a `Lazy` above it left the table: it is not loaded again."""

    def __init__(self) -> None:
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The module, if it is there."""
        if name not in sys.modules or target is not None:
            return None
        self._specs[name] = sys.modules[name].__spec__
        return ModuleSpec(name, self)  # type: ignore[arg-type]  # importlib.abc imports too much

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module that is there."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It has been run."""
        module.__spec__ = self._specs[module.__name__]


def library_of(name: str) -> str:
    """The library to which a module belongs."""
    return name.partition(".")[0]


def leave_table(names: Iterable[str]) -> None:
    """Remove each `Lazy` of these names from Python's table of modules: the next import finds the library itself."""
    for name in names:
        if isinstance(sys.modules.get(name), Lazy):
            del sys.modules[name]
