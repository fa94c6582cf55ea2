"""The next command repairs what a killed run left incomplete, and reports it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.commit import FOLDER, UNDO, put_back_in

log = logging.getLogger(__name__)

LEVELS = 4
"""Folders above a file that may be its dataset."""
PARTIAL = ".partial"
"""End of the names of outputs that are being written."""
PATIENCE, PAUSE = 2.0, 0.1
"""Seconds for which a replaced folder is left alone, and between two looks at it."""
OLD = ".old"
"""End of the name of a folder that is replaced, for the moment in which neither has its real name."""


def recover(path: str | Path) -> None:
    """Repair what killed runs left at a path: of a dataset, a folder or file in it, or any output.

    A folder that is missing and has an old one beside it gets that; files that are half new get the old ones back
    (`commit.put_back_in`). Each is logged as a warning.
    Raises InputError where the file system forbids it.
    """
    path = Path(path).absolute()
    for folder in (path, *path.parents[:LEVELS]):
        if not os.path.lexists(folder):
            restore_folder(folder)
    for folder in _homes(path):
        put_back_in(folder)


def _homes(path: Path) -> Iterator[Path]:
    """Folders in which lists of half renamed files may be."""
    if path.is_dir():
        yield path
        yield path / FOLDER
    for above in path.parents[:LEVELS]:
        if above == path.parent or (above / FOLDER).is_dir() or (above / "dataset.json").is_file():
            yield above
            yield above / FOLDER


def warn_of_partials(path: Path) -> None:
    """Warn of what killed runs left of an output: it was never complete, and takes space until somebody removes it."""
    start = f".{path.name}."
    try:
        with os.scandir(path.absolute().parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(start) and entry.name.endswith(PARTIAL)]
    except OSError:
        return
    for name in sorted(names):
        pid = _pid(Path(name), PARTIAL)
        if pid is not None and not _is_alive(pid):
            log.warning(
                "%s: left incomplete by a run that was killed, or being written on another host; remove it if no such "
                "run is alive", path.with_name(name),
            )  # fmt: skip


def _pid(path: Path, end: str) -> int | None:
    """The ID of the process in a hidden name, `.NAME.PID.END`."""
    number = path.name.removesuffix(end).rpartition(".")[2]
    return int(number) if number.isdecimal() and len(number) < 10 else None


def _changed(path: Path) -> float:
    """When a file or folder got its name [s]; 0 where it is gone."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0


def _is_alive(pid: int | None) -> bool:
    """Whether this host has a process of that number."""
    try:
        os.kill(pid or 1, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def recover_below(folder: Path, names: Sequence[str]) -> bool:
    """The same for what is in a folder, by the names in it; whether anything was done."""
    hidden = [name for name in names if name.startswith(".")]
    missing = {name[1:].removesuffix(OLD).rpartition(".")[0] for name in hidden if name.endswith(OLD)} - {"", *names}
    done = [restore_folder(folder / name) for name in sorted(missing)]
    if half := any(name.endswith(UNDO) for name in hidden):
        put_back_in(folder)
    return any(done) or half


def restore_folder(folder: Path) -> bool:
    """Give a folder that is missing its name again, when a run was killed while it replaced it; whether it did.

    Raises InputError where it cannot.
    """
    olds = _old_folders(folder)
    if not olds:
        return False
    old = max(olds, key=_changed)
    while _is_alive(_pid(old, OLD)) and time.time() - _changed(old) < PATIENCE:  # a run that is at work needs no help
        time.sleep(PAUSE)
    if os.path.lexists(folder):
        return False
    try:
        os.rename(old, folder)
    except OSError as error:
        if os.path.lexists(folder):  # another command was faster
            return False
        raise InputError(
            f"a run was killed while it replaced the folder, and the old one cannot have its name back: "
            f"{error.strerror or error}", expected=f"{folder.name} there, which is now in {old.name}",
            where=str(folder), todo=f"have somebody who may write there rename {old} to {folder.name}",
        ) from error  # fmt: skip
    log.warning("%s: a run was killed while it replaced this folder: the old one is back, complete", folder)
    return True


def _old_folders(folder: Path) -> list[Path]:
    """What lies beside the name of a folder under the name of a replaced one."""
    start = f".{folder.name}."
    try:
        with os.scandir(folder.parent) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(start) and entry.name.endswith(OLD)]
    except OSError:
        return []
    paths = [folder.with_name(name) for name in names if _pid(Path(name), OLD) is not None]
    return [path for path in paths if path.is_dir() and not path.is_symlink()]
