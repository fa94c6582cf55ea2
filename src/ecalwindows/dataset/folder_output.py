"""Folders are written atomically: under a name with a dot; at the end they get their name, or take that of an old one.

Where the file system can exchange two names in one step, there is always a complete folder under the name. Elsewhere
the old one has the name `.NAME.HOST.PID.old` for a moment; a run that is killed just then leaves it so, and the next
command that meets it gives it its name back (`recovery.recover`).
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ecalwindows.core.files.commit import named
from ecalwindows.core.files.hidden_names import OLD, PARTIAL, hidden_name
from ecalwindows.core.files.inside import absolute
from ecalwindows.core.files.output import cannot_write, check_name, followed, is_unnamed, output_error, unnamed_folder
from ecalwindows.core.files.recovery import recover, warn_of_partials
from ecalwindows.core.files.renaming import can_exchange, exchange, flush, interrupts_later
from ecalwindows.dataset.layout import record_path

IS_TAKEN = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}
"""What systems answer when a folder is to get the name of something that is not an empty folder."""


def is_dataset(path: Path, home: Path | None = None) -> bool:
    """Whether a folder is a finished dataset. home : where its record must be [in the folder itself]"""
    record = record_path(path)
    return record is not None and record.parent == absolute(home or path)


def has_page(folder: Path, *, page: str, mark: str) -> bool:
    """Whether a folder has a page with a mark at its beginning, as a command writes it."""
    place = folder / page
    return place.is_file() and mark in place.read_text(encoding="utf-8", errors="replace")[:1000]


def check_folder(
    path: Path, *, overwrite: bool, is_own: Callable[[Path], bool] = is_dataset, ours: str = "a finished dataset",
    inputs: Iterable[Any] = (),
) -> None:  # fmt: skip
    """Raise OutputError when a folder can't be written there; makes missing parents.

    Only an empty folder, or with `overwrite` one that ecalwindows wrote, may be there already. What a killed run left
    there is repaired first.
    is_own, ours : what may be replaced, as a test and in words
    inputs : paths (what else is among them is left out), which may not be in a folder that is replaced
    """
    check_name(path.absolute())
    recover(path)
    warn_of_partials(path)
    if path.is_dir() and any(path.iterdir()):
        _refuse_other(path, overwrite, is_own, ours)
        for each in inputs:
            if not isinstance(each, str | Path) or not os.path.exists(each):
                continue
            if Path(each).resolve().is_relative_to(path.resolve()):
                raise output_error(
                    f"{each} is in the output, which would be replaced", "inputs elsewhere", path,
                    "name another with -o",
                )  # fmt: skip
    elif path.exists() and not path.is_dir():
        raise output_error("the output is a file", "the name of a folder", path, "name a folder with -o")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


@contextmanager
def folder_written_atomically(
    path: Path, *, overwrite: bool, is_own: Callable[[Path], bool] = is_dataset, ours: str = "a finished dataset"
) -> Iterator[Path]:
    """A new folder to write to.

    It gets its real name (in place of an old one) when the block ends well, and vanishes when it does not. Whether
    there may be an old one is checked again at that moment: another run may have been faster.
    overwrite, is_own, ours : as for `check_folder`
    An OSError in the block (disk full, folder gone) becomes an OutputError.
    """
    target = followed(path.absolute())
    temporary = hidden_name(target, PARTIAL)
    try:
        try:
            _make_new(temporary)
            with unnamed_folder(temporary):
                yield temporary
            with interrupts_later():
                _take_name(temporary, target, partial(_refuse_other, path, overwrite, is_own, ours))
        except OSError as error:
            raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _make_new(folder: Path) -> None:
    """Make an empty folder, in place of what a process with the same ID left."""
    try:
        folder.mkdir()
    except FileExistsError:
        if is_unnamed(folder / "any"):  # another thread is writing there
            raise
        shutil.rmtree(folder)
        folder.mkdir()


def _refuse_other(path: Path, overwrite: bool, is_own: Callable[[Path], bool], ours: str) -> None:
    """Raise OutputError for a folder that may not be replaced."""
    may_be_replaced = is_own(path)
    if not overwrite or not may_be_replaced:
        raise output_error(
            "the output is there already", f"no such folder, or with --overwrite {ours}", path,
            "add --overwrite, or name another with -o" if may_be_replaced else "name another with -o",
        )  # fmt: skip


def _take_name(temporary: Path, path: Path, refuse_other: Callable[[], None]) -> None:
    """Give a folder its name. After that `temporary` is the name of the folder that was there before, if any.

    Raises OSError or OutputError: then all is as before.
    """
    new = os.stat(temporary)
    try:
        try:
            os.rename(temporary, path)  # where there is nothing, or an empty folder
        except OSError as error:
            if error.errno not in IS_TAKEN:
                raise
            refuse_other()
            _replace(temporary, path)
    except BaseException as error:
        if not _is_at(new, path):
            raise
        named.append(path)
        if not isinstance(error, OSError):  # a file server may answer with an error to what it has done
            raise
    else:
        named.append(path)


def _is_at(found: os.stat_result, path: Path) -> bool:
    with suppress(OSError):
        return os.path.samestat(found, os.stat(path))
    return False


def _replace(temporary: Path, path: Path) -> None:
    """Exchange two folders; in two steps where the file system cannot do it in one."""
    for folder, _, names in os.walk(temporary):  # new content must be on the disk before it replaces the old
        for name in names:
            flush(Path(folder) / name)
    try:
        exchange(temporary, path)
    except OSError as error:
        if can_exchange(error):
            raise
        old = hidden_name(path, OLD)
        try:
            os.rename(path, old)
            os.rename(temporary, path)
            os.rename(old, temporary)
        except BaseException:
            if not os.path.lexists(path):
                os.rename(old, path)
            elif not os.path.lexists(temporary):
                shutil.rmtree(old, ignore_errors=True)
            raise
