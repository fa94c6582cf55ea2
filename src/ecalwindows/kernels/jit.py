"""The decorator of all compiled loops, and where their machine code is kept between runs.

Numba keeps compiled code in files whose index is a pickle: whoever can write there can run code as us. So the cache
lives only in a folder that belongs to us and that nobody else may enter (mode 0700); otherwise in a private temporary
folder that goes with the process.
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
from pathlib import Path
from typing import Any, TypeVar

# Intel's vector library gives other last bits than scalar libm (ARCHITECTURE.md, "Same bytes everywhere").
os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")

import numba
import numba.core.config

log = logging.getLogger(__name__)
Function = TypeVar("Function", bound=Callable[..., Any])


def is_private(folder: Path) -> bool:
    """Whether `folder` is a real folder (no link) of ours with mode 0700 (always true where there are no owners)."""
    if not hasattr(os, "getuid"):
        return folder.is_dir()
    try:
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and stat.S_IMODE(info.st_mode) == 0o700


def wanted_folder() -> Path:
    """The folder asked for: `$NUMBA_CACHE_DIR`, else `ecalwindows/numba` in the user's cache folder."""
    if asked := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(asked)
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "ecalwindows" / "numba"


def safe_folder(wanted: Path) -> Path:
    """`wanted` (made if absent) when it is private, else a new temporary folder, removed when the process ends."""
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
    private = tempfile.mkdtemp(prefix="ecalwindows-numba-")
    atexit.register(shutil.rmtree, private, ignore_errors=True)
    return Path(private)


def sources_digest() -> str:
    """Hash of all kernel sources: numba itself does not see when a kernel that another one calls has changed.

    Code with checks of all indices (`NUMBA_BOUNDSCHECK=1`) is kept in a folder of its own.
    """
    checks = " with checks of indices" if numba.core.config.BOUNDSCHECK else ""
    digest = hashlib.sha256(f"{sys.version} {numba.__version__}{checks}".encode())
    for source in sorted({Path(__file__), *Path(__file__).parents[1].rglob("kernels/*.py")}):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@cache
def cache_folder() -> Path:
    """The folder that holds the compiled kernels of this version of the code."""
    folder = safe_folder(wanted_folder()) / sources_digest()
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def kernel(function: Function) -> Function:
    """Compile a loop: no fastmath, so that every machine rounds alike; IEEE division; cached safely."""
    return _compiled(function)


def lean_kernel(function: Function) -> Function:
    """Compile a loop that makes no array and takes those it works on from its caller.

    Numba then counts no references to them: for functions that are called for each number, counting costs more than
    the work (`_nrt` is numba's own option, used in its string functions for the same reason).
    """
    return _compiled(function, _nrt=False)


def _compiled(function: Function, **options: Any) -> Function:
    config: Any = numba.core.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder())
    try:
        compiled: Function = numba.njit(cache=True, error_model="numpy", nogil=True, **options)(function)
    finally:
        config.CACHE_DIR = before
    return compiled
