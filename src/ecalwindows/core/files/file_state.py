"""By what a file is known again: an input that changes while it is used is an error, not a mixture of old and new."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.core.urls import is_remote

Item = TypeVar("Item")


@dataclass(frozen=True)
class FileState:
    """Size [bytes], time of the last change [ns] and inode of a file."""

    bytes: int
    mtime_ns: int
    inode: int


def file_state(path: str | Path, *, fresh: bool = False) -> FileState | None:
    """The state of a local file; None for a URL, a pipe or device, and where there is none.

    fresh : open it, since network file systems may know only old states of files that are not open
    """
    if is_remote(str(path)):
        return None
    try:
        found = os.stat(path)
        if fresh and stat.S_ISREG(found.st_mode):
            with open(path, "rb") as file:
                found = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return FileState(found.st_size, found.st_mtime_ns, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def file_states(paths: Iterable[str | Path]) -> dict[str, FileState | None]:
    """The states of files that are about to be read, by path."""
    return {str(path): file_state(path, fresh=True) for path in paths}


def refuse_changed(
    states: Mapping[str, FileState | None],
    found: str = "the input has changed while it was read",
    todo: str = "run again when nothing else writes there",
) -> None:
    """Raise InputError when a file is not as it was: replaced or written to; BadFileError when it is gone.

    states : the state of each file before it was used; None is not compared (URLs)
    """
    for path, before in states.items():
        if before is not None and file_state(path) != before:
            gone = not os.path.exists(path)
            raise (BadFileError if gone else InputError)(
                f"{found}: it is gone" if gone else found, expected="the same file from beginning to end",
                where=path, todo=todo,
            )  # fmt: skip


def unchanged(path: str | Path, items: Iterator[Item]) -> Iterator[Item]:
    """What is read of a file, piece by piece. Raises InputError before the piece after which it is another file."""
    before = {str(path): file_state(path)}
    for item in items:
        refuse_changed(before)
        yield item
    refuse_changed(before)
