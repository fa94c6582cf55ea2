"""One runner a production: an OS lock, and in its file who holds it (host, pid, start time)."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ConfigDict

from ecalwindows.core.files.json_files import UnreadableError, parsed_model, read_model
from ecalwindows.production.errors import LockedError, ProductionError
from ecalwindows.production.job_state import Process, this_process

Notify = Callable[[str], None]


class Owner(Process):
    """Who holds a production."""

    model_config = ConfigDict(extra="ignore", strict=True)

    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (started {self.started})"


@contextmanager
def locked(path: Path, notify: Notify, *, break_lock: bool = False) -> Iterator[None]:
    """Hold the production for the block. A dead owner on this host is replaced, and that is reported.

    Raises LockedError when another runner holds it, or one of another host may.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        raise ProductionError(
            f"the lock cannot be made: {error.strerror}", expected="a work folder that you may write to",
            where=str(path), todo="name another with work_folder in the YAML file",
        ) from error  # fmt: skip
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ProductionError(
                "the lock is no regular file", expected="a file that a runner wrote, or none", where=str(path),
                todo="remove it",
            )  # fmt: skip
        _take(file, path, notify, break_lock)
        try:
            yield
        finally:
            os.truncate(file, 0)
    finally:
        os.close(file)


def has_runner(path: Path) -> bool:
    """Whether a runner holds the production; one on another host may, for all that can be seen from here."""
    try:
        return read_model(path, Owner).is_alive is not False
    except UnreadableError:
        return False


def _take(file: int, path: Path, notify: Notify, break_lock: bool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise _locked(_owner(file), path, "wait for it, or stop it there") from None
    if owner := _owner(file):
        _take_over(owner, path, notify, break_lock)
    os.truncate(file, 0)
    try:
        os.pwrite(file, Owner(**this_process()).model_dump_json().encode(), 0)
        os.fsync(file)
    except BaseException:  # this process lives on, and does not hold the production
        os.truncate(file, 0)
        raise


def _take_over(owner: Owner, path: Path, notify: Notify, break_lock: bool) -> None:
    """Notify that a dead owner is replaced; refuse to replace one that lives, or may live."""
    alive = owner.is_alive
    if alive:
        raise _locked(owner, path, "wait for it, or stop it")
    if alive is None and not break_lock:
        raise _locked(owner, path, "look there; if it is dead, run again with --break-lock", is_run="may be")
    notify(f"took the production over from {owner}, which {'is dead' if alive is False else 'left no sign'}")


def _owner(file: int) -> Owner | None:
    """Who holds it, as the file says; None where it says nothing that can be used: the lock of the system decides."""
    try:
        return parsed_model(os.pread(file, 4096, 0), Owner)
    except UnreadableError:
        return None


def _locked(owner: Owner | None, path: Path, todo: str, *, is_run: str = "is being") -> LockedError:
    return LockedError(
        f"the production {is_run} run by {owner or 'another process'}",
        expected="one runner a production", where=str(path), todo=todo,
    )  # fmt: skip
