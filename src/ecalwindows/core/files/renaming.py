"""Renames by the operating system: without replacing, by exchange of two names, and without interruption."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

CURRENT_FOLDER = -100
"""AT_FDCWD of fcntl.h: relative paths begin in the current folder."""
NO_REPLACE, EXCHANGE = 1, 2
"""Flags of renameat2, from linux/fs.h."""
UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ENOTTY}
"""Error numbers of systems that cannot do it: old kernels, network file systems, containers that forbid the call."""
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def can_exchange(error: OSError) -> bool:
    """Whether the file system has exchange of names at all, after an error of `exchange`."""
    return error.errno not in UNSUPPORTED


def exchange(one: Path, other: Path) -> None:
    """Exchange two names in one step: there is no moment without either.

    Raises OSError, one of `UNSUPPORTED` where the system or the file system cannot do that.
    """
    renameat2(one, other, EXCHANGE)


def rename_new(source: Path, target: Path) -> None:
    """Rename a file. Raises FileExistsError where the new name is taken, also when it was taken a moment ago."""
    try:
        renameat2(source, target, NO_REPLACE)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        try:
            os.link(source, target)
        except FileExistsError:
            raise
        except OSError:
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
            os.rename(source, target)
        else:
            try:
                os.unlink(source)
            except BaseException:
                os.unlink(target)
                raise


def keep(path: Path, old: Path) -> None:
    """Add a second name to a file; if the file system has no hard links, rename it."""
    try:
        try:
            os.link(path, old)
        except FileExistsError:  # of a process of the same number that was killed
            os.unlink(old)
            os.link(path, old)
    except OSError:
        os.rename(path, old)


def link_or_copy(path: Path, other: Path) -> None:
    """Add a second name to a file; if that cannot be there (another disk, AFS), copy it. Raises OSError."""
    try:
        os.link(path, other)
    except OSError:
        shutil.copyfile(path, other)


def flush(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(file)


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal take effect at the end of the block. For blocks of milliseconds."""
    came: list[int] = []
    before: dict[int, Any] = {}
    try:
        if threading.current_thread() is threading.main_thread():  # others get no signals in Python
            for number in INTERRUPTS:
                if signal.getsignal(number) not in (None, signal.SIG_IGN):
                    before[number] = signal.signal(number, lambda which, _: came.append(which))
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
        for which in dict.fromkeys(came):
            signal.raise_signal(which)


@cache
def _system_call() -> Any:
    """The C function, None where the C library has none."""
    try:
        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    function.restype = ctypes.c_int
    return function


def renameat2(source: Path, target: Path, flags: int) -> None:
    """The system call of this name. Raises OSError, one of `UNSUPPORTED` where there is none."""
    function = _system_call()
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(target))
    if function(CURRENT_FOLDER, os.fsencode(source), CURRENT_FOLDER, os.fsencode(target), flags) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))
