"""The next command repairs what a killed run left incomplete, and reports it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.commit import FOLDER, UNDO, put_back_in
from ecalwindows.core.files.hidden_names import OLD, PARTIAL, hidden_beside, left_by_others, taken_apart

log = logging.getLogger(__name__)

LEVELS = 4
"""Folders above a file that may be its dataset."""
PATIENCE, PAUSE = 2.0, 0.1
"""Seconds for which a replaced folder is left alone, and between two looks at it."""


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
    for place, writer in hidden_beside(path.absolute(), PARTIAL).items():
        if writer.is_alive is None:
            log.warning(left_by_others(str(place), writer))
        elif not writer.is_alive:
            log.warning("%s: left incomplete by a run that was killed; remove it", place)


def _changed(path: Path) -> float:
    """When a file or folder got its name [s]; 0 where it is gone."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0


def recover_below(folder: Path, names: Sequence[str]) -> bool:
    """The same for what is in a folder, by the names in it; whether anything was done."""
    hidden = [name for name in names if name.startswith(".")]
    missing = {found[0] for name in hidden if (found := taken_apart(name, OLD))} - {*names}
    done = [restore_folder(folder / name) for name in sorted(missing)]
    if half := any(name.endswith(UNDO) for name in hidden):
        put_back_in(folder)
    return any(done) or half


def restore_folder(folder: Path) -> bool:
    """Give a folder that is missing its name again, when a run was killed while it replaced it; whether it did.

    Raises InputError where it cannot.
    """
    olds = {path: each for path, each in hidden_beside(folder, OLD).items() if path.is_dir() and not path.is_symlink()}
    if not olds:
        return False
    old = max(olds, key=_changed)
    may_be_alive = olds[old].is_alive is not False  # a run that is at work needs no help
    while may_be_alive and time.time() - _changed(old) < PATIENCE:
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
