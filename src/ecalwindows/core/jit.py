"""The decorator of all compiled loops, and where their machine code is stored between runs.

Numba keeps compiled code in files whose index is a pickle: whoever can write there can run code as this user. So the
cache is only in a folder that belongs to this user and that nobody else may enter (mode 0700); otherwise in a private
temporary folder that is removed when the process ends. Where code cannot be stored or read (disk full, read-only,
damaged), kernels are compiled again in each process: this is slow, but the results are the same.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

# Intel's vector library gives other last bits than scalar libm (ARCHITECTURE.md, "Same bytes everywhere").
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

import numba
import numba.core.caching
import numba.core.config
import numba.core.event
import numba.extending
from llvmlite import ir
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., Any])


def is_private(folder: Path) -> bool:
    """Whether `folder` is a real folder (no link) of this user with mode 0700 (always true without owners)."""
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    try:
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and stat.S_IMODE(info.st_mode) == 0o700


def wanted_folder() -> Path:
    """The requested folder: `$NUMBA_CACHE_DIR`, else `ecalwindows/numba` in the user's cache folder."""
    if asked := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(asked)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "ecalwindows" / "numba"


def safe_folder(wanted: Path) -> Path | None:
    """`wanted` (made if absent) when it is private, else a new temporary folder, removed when the process ends.

    None where no temporary folder can be made.
    """
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        pass
    if is_private(wanted) and os.access(wanted, os.W_OK):
        return wanted
    if wanted.exists():
        log.warning("compiled code is not kept in %s: not a folder of yours with mode 0700 (try: chmod 700 %s)",
                    wanted, wanted)  # fmt: skip
    return temporary_folder()


def temporary_folder() -> Path | None:
    """A private folder that is removed when the process ends; None where none can be made."""
    try:
        private = tempfile.mkdtemp(prefix="ecalwindows-numba-")
    except OSError:
        return None
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return Path(private)


def sources_digest() -> str:
    """Hash of all kernel sources: numba itself does not see when a kernel that another one calls has changed.

    Code with checks of all indices (`NUMBA_BOUNDSCHECK=1`) is stored in a folder of its own.
    """
    checks = " with checks of indices" if numba.core.config.BOUNDSCHECK else ""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}{checks}".encode())
    for source in sorted({Path(__file__), *Path(__file__).parents[1].rglob("kernels/*.py")}):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path | None:
    """The folder of the compiled kernels of this version of the code; None where none can be made."""
    return _folder_of_version(safe_folder(wanted_folder())) or _folder_of_version(temporary_folder())


def _folder_of_version(place: Path | None) -> Path | None:
    if place is None:
        return None
    folder = place / sources_digest()
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        not_kept(str(place), error.strerror)
        return None
    return folder


@cache
def not_kept(place: str, reason: str | None) -> None:
    """Warn that code is compiled again, once per reason."""
    log.warning("compiled code cannot be kept in %s (%s): each run compiles again", place, reason or "not writable")


@cache
def import_array_functions() -> None:
    """Import numba's functions of arrays without scipy's linear algebra, which takes as long to import as numba.

    Numba imports it there only to see whether it can be imported. The loops of this package do not use it, and other
    loops that do import it when they are compiled, as always.
    """
    if "numba.np.arraymath" in sys.modules or find_spec("scipy") is None:
        return
    linalg: Any = import_module("numba.np.linalg")
    ensure = linalg.ensure_blas
    linalg.ensure_blas = lambda: None
    try:
        arraymath: Any = import_module("numba.np.arraymath")
        arraymath.ensure_blas = ensure
    finally:
        linalg.ensure_blas = ensure


class KeptCode(numba.core.caching.FunctionCache):  # type: ignore[misc]
    """Numba's files of compiled code; everything also works without them."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled code for types of arguments; None where there is none or it cannot be read."""
        try:
            rtsys.initialize(target_context)
            found = self._load_overload(sig, target_context)
        except Exception as error:  # a damaged file: whatever unpickling raises
            log.debug("compiled code cannot be read, and is compiled again: %s", error)
            found = None
        if found is None:
            import_array_functions()
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep compiled code if that is possible."""
        try:
            try:
                super().save_overload(sig, data)
            except OSError:
                raise
            except Exception:  # a damaged index, which is read before
                self.flush()
                super().save_overload(sig, data)
        except OSError as error:
            not_kept(str(cache_folder()), error.strerror)


def kernel(function: Function) -> Function:
    """Compile a loop: no fastmath, so that every machine rounds in the same way; IEEE division; cached safely.

    It makes no array, and no part of one; its arrays come from its caller. So numba counts no references to them: where
    a loop calls functions, counting takes up to half of its time, and threads wait there for one another (`_nrt` is
    numba's own option, used in its string functions for the same reason). A loop that makes an array cannot be
    compiled like this: it is an `array_kernel`.
    """
    return _compiled(function, _nrt=False)


def array_kernel(function: Function) -> Function:
    """Compile a loop as `kernel` does, which may make arrays, and parts of arrays."""
    return _compiled(function)


def by_instruction(feature: str, name: str) -> Callable[[Function], Function]:
    """Have compiled code use one instruction of the processor for a function of two uint64, where there is one.

    feature : what processors that have it are known by, such as "sse4.2"; name : of the instruction in LLVM
    For other processors, and where nothing is compiled, the function is used as it is. Numba keeps code for each set
    of features apart.
    """

    @numba.extending.intrinsic  # type: ignore[untyped-decorator]
    def instruction(typing_context: Any, one: Any, other: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64)] * 2)
            return builder.call(builder.module.declare_intrinsic(name, (), kind), given)

        return numba.types.uint64(numba.types.uint64, numba.types.uint64), code

    def by_it(one: Any, other: Any) -> Any:
        return instruction(one, other)

    def decorate(function: Function) -> Function:
        @numba.extending.overload(function, strict=False)  # type: ignore[untyped-decorator]
        def chosen(one: Any, other: Any) -> Any:
            _, _, features = cpu_target.target_context.codegen().magic_tuple()
            return by_it if f"+{feature}" in features.split(",") else function

        return function

    return decorate


class _FirstCompilation(numba.core.event.Listener):  # type: ignore[misc,unused-ignore]
    """Logs that loops are compiled, once per process; code from the cache is not compiled."""

    is_logged = False

    def on_start(self, event: Any) -> None:
        """Called when the compilation of a function begins."""
        module = getattr(event.data["dispatcher"].py_func, "__module__", "")
        if not self.is_logged and module.startswith("ecalwindows."):
            self.is_logged = True
            log.info("compiling; this is needed only once for a version and a kind of processor ...")

    def on_end(self, event: Any) -> None:
        """Called when it ends."""


numba.core.event.register("numba:compile", _FirstCompilation())


def _compiled(function: Function, **options: Any) -> Function:
    compiled: Any = numba.njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, **options)(function)
    folder = cache_folder()
    if folder is not None and hasattr(compiled, "_cache"):  # not where numba is switched off
        config: Any = numba.core.config
        before = config.CACHE_DIR
        config.CACHE_DIR = str(folder)
        try:
            kept = KeptCode(function)
            if Path(kept.cache_path).is_relative_to(folder):  # else numba has gone to a folder beside the source
                compiled._cache = kept
        except (OSError, RuntimeError) as error:  # RuntimeError: numba finds no place that it can write to
            not_kept(str(folder), getattr(error, "strerror", None))
        finally:
            config.CACHE_DIR = before
    found: Function = compiled
    return found
