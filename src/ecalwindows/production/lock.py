"""One runner a production: an OS lock, and in its file who holds it (host, pid, start time)."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ecalwindows.production.errors import LockedError, ProductionError
from ecalwindows.production.state import is_alive, process_start

Tell = Callable[[str], None]


@contextmanager
def locked(path: Path, tell: Tell, *, break_lock: bool = False) -> Iterator[None]:
    """Hold the production for the block. A dead owner on this host is taken over, and told.

    Raises LockedError when another runner holds it, or one of another host may.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise ProductionError(
            f"the lock cannot be made: {error.strerror}", expected="a work folder that you may write to",
            where=str(path), todo="name another with work_folder in the YAML file",
        ) from error  # fmt: skip
    try:
        _take(file, path, tell, break_lock)
        try:
            yield
        finally:
            os.truncate(file, 0)
    finally:
        os.close(file)


def has_runner(path: Path) -> bool:
    """Whether a runner holds the production; one on another host may, for all that can be seen from here."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        owner = _owner(file)
    finally:
        os.close(file)
    return bool(owner) and _is_alive(owner) is not False


def _take(file: int, path: Path, tell: Tell, break_lock: bool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = _owner(file)
        raise _locked(owner, path, "wait for it, or stop it there", sure=True) from None
    owner = _owner(file)
    if owner:
        _take_over(owner, path, tell, break_lock)
    mine = {
        "host": socket.gethostname(), "pid": os.getpid(), "pid_started": process_start(os.getpid()) or "",
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    os.truncate(file, 0)
    os.pwrite(file, json.dumps(mine).encode(), 0)
    os.fsync(file)


def _take_over(owner: dict[str, Any], path: Path, tell: Tell, break_lock: bool) -> None:
    """Tell that a dead owner is replaced; refuse to replace one that lives, or may live."""
    alive = _is_alive(owner)
    if alive:
        raise _locked(owner, path, "wait for it, or stop it", sure=True)
    if alive is None and not break_lock:
        raise _locked(owner, path, "look there; if it is dead, run again with --break-lock", sure=False)
    tell(f"took the production over from {_who(owner)}, which {'is dead' if alive is False else 'left no sign'}")


def _is_alive(owner: dict[str, Any]) -> bool | None:
    return is_alive(str(owner.get("host")), int(owner.get("pid", 0)), str(owner.get("pid_started")))


def _owner(file: int) -> dict[str, Any]:
    try:
        content = json.loads(os.pread(file, 4096, 0) or b"{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _who(owner: dict[str, Any]) -> str:
    return f"process {owner.get('pid', '?')} on {owner.get('host', '?')} (started {owner.get('started', '?')})"


def _locked(owner: dict[str, Any], path: Path, todo: str, *, sure: bool) -> LockedError:
    return LockedError(
        f"the production {'is being' if sure else 'may be'} run by {_who(owner)}",
        expected="one runner a production", where=str(path), todo=todo,
    )  # fmt: skip
