"""How finished files get their names: all files of an output or none, also after an interrupt.

A file alone is renamed. Of several files the old ones get a second name first, and a small file beside them,
`.NAME.undo`, lists the renames: the next command that finds it after a crash puts the old files back (`put_back_in`).
During this time the writer locks that file, so that writers of one output take turns.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.hidden_names import OLD, PARTIAL, Writer, hidden_name, this_writer
from ecalwindows.core.files.inside import place_problem
from ecalwindows.core.files.renaming import flush, interrupts_later, keep, rename_new

log = logging.getLogger(__name__)

FOLDER = "_ecalwindows"
"""Beside the data of a flat folder: readers of Parquet folders leave out names with an underscore."""

UNDO = ".undo"
"""End of the name of the list."""
BEGUN, DONE = "begun", "done."
"""How far a commit is: first word of its list. Of one length, so that one overwrites the other in one step."""


MAX_NOTED = 1000
named: list[Path] = []
"""Outputs that got their names in this process, for what is said when it is interrupted."""


PATIENCE, PAUSE = 60.0, 0.1
"""Seconds for which a list is left alone on a file system without locks, and between two looks at it."""


class NotPutBackError(OSError):
    """An output is half renamed, and the old files could not be put back."""


def temporary_name(path: Path) -> Path:
    """Where an output is while it is written."""
    return hidden_name(path, PARTIAL)


@dataclass(frozen=True)
class Step:
    """A file that gets its name: `path`; until then it has the name `place`, and the old file, if any, keeps `old`.

    bytes, mtime_ns : of the new file, by which it is known
    """

    path: Path
    writer: Writer
    bytes: int
    mtime_ns: int
    has_old: bool

    @property
    def place(self) -> Path:
        """Where the new file was written."""
        return hidden_name(self.path, PARTIAL, self.writer)

    @property
    def old(self) -> Path:
        """The second name of the old file."""
        return hidden_name(self.path, OLD, self.writer)

    @property
    def is_done(self) -> bool:
        """Whether the new file has its name."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.bytes, self.mtime_ns)


def commit(paths: Sequence[Path], *, new: Collection[Path] = ()) -> None:
    """Give files that were written to `temporary_name(path)` their names, all or none.

    new : of the paths, those that must not be there yet
    Raises OSError (FileExistsError where one of `new` is there); then all is as it was before, unless it is a
    NotPutBackError. A signal takes effect when all is done.
    """
    if not paths:
        return
    with interrupts_later():
        steps = [_step(path) for path in paths]
        for step in steps:
            if step.has_old:  # new content must be on the disk before it replaces the old
                flush(step.place)
        for group in _groups(steps):
            if len(group) == 1:
                _commit_one(group[0], is_new=group[0].path in new)
            else:
                _commit_together(group, new)


def _groups(steps: Sequence[Step]) -> list[list[Step]]:
    """All together, where their common folder can hold the list; else what is outside the folder of the last first."""
    if os.access(_common_folder(steps), os.W_OK):
        return [list(steps)]
    home = steps[-1].path.parent
    inside = [step for step in steps if step.path.is_relative_to(home)]
    return [*([step] for step in steps if step not in inside), inside]


def _common_folder(steps: Sequence[Step]) -> Path:
    return Path(os.path.commonpath([step.path.parent for step in steps]))


def _step(path: Path) -> Step:
    found = os.stat(temporary_name(path))
    return Step(path, this_writer(), found.st_size, found.st_mtime_ns, os.path.lexists(path))


def _commit_one(step: Step, *, is_new: bool) -> None:
    try:
        rename_new(step.place, step.path) if is_new else os.replace(step.place, step.path)
    except BaseException as error:
        if os.path.lexists(step.place) or not step.is_done:
            raise
        _note([step.path])
        if not isinstance(error, OSError):  # a file server may answer with an error to what it has done
            raise
    else:
        _note([step.path])


def _note(paths: Sequence[Path]) -> None:
    """Note outputs as complete."""
    named.extend(paths)
    del named[:-MAX_NOTED]


def _commit_together(steps: Sequence[Step], new: Collection[Path]) -> None:
    base = _common_folder(steps)
    journal = base / f".{steps[-1].path.name}{UNDO}"
    with _held(journal) as file:
        steps = [_step(step.path) for step in steps]  # another writer may have been faster
        for step in steps:
            if step.path in new and step.has_old:
                os.unlink(journal)
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(step.path))
        try:
            os.truncate(file, 0)
            _write(file, steps, f"{BEGUN} {_listed(steps, base)}\n")
            for step in steps:
                if step.has_old:
                    keep(step.path, step.old)
            for step in steps:
                if step.path in new:
                    rename_new(step.place, step.path)
                else:
                    os.replace(step.place, step.path)
            _write(file, steps, DONE)
        except BaseException:
            with suppress(OSError):
                os.pwrite(file, BEGUN.encode(), 0)
            _put_back(steps)
            with suppress(OSError):
                os.unlink(journal)
            raise
        _note([step.path for step in steps])
        with suppress(OSError):  # all is done: remaining files do no harm
            _forget(steps)
            os.unlink(journal)


@contextmanager
def _held(journal: Path) -> Iterator[int]:
    """The list of a commit, opened and locked; what a dead writer left in it is put back first."""
    while True:
        file = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        try:
            if not _is_locked(file) and _is_at_work(file):
                time.sleep(PAUSE)
            elif _is_at(file, journal):
                if content := os.pread(file, 1 << 24, 0):
                    _finish_dead(content, journal)
                yield file
                return
        finally:
            os.close(file)


def _is_locked(file: int) -> bool:
    """Lock a list, when its writer has ended; False on a file system without locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _is_at_work(file: int) -> bool:
    """Whether the writer of a list may be at work, as far as its age shows."""
    found = os.fstat(file)
    return found.st_size > 0 and time.time() - found.st_mtime < PATIENCE


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file still has its name: the writer that had it before removes it."""
    try:
        return os.path.samestat(os.fstat(file), os.stat(path))
    except FileNotFoundError:
        return False


def _write(file: int, steps: Sequence[Step], text: str) -> None:
    """Write at the beginning of a list."""
    os.pwrite(file, text.encode(), 0)
    if any(step.has_old for step in steps):
        os.fsync(file)


def _listed(steps: Sequence[Step], base: Path) -> str:
    files = [
        {
            "name": step.path.relative_to(base).as_posix(), "bytes": step.bytes, "mtime_ns": step.mtime_ns,
            "has_old": step.has_old,
        }
        for step in steps
    ]  # fmt: skip
    return json.dumps({**asdict(steps[0].writer), "files": files})


def _read(content: bytes, base: Path) -> tuple[bool, list[Step]] | None:
    """Whether all was renamed, and the steps; None for a list that its writer did not finish: it renamed nothing.

    Raises ValueError for names outside the folder and hosts that are none, which no list of ecalwindows has.
    """
    word, _, rest = content.decode(errors="replace").partition(" ")
    try:
        stated = json.loads(rest)
        if word not in (BEGUN, DONE):
            return None
        writer = Writer(str(stated["host"]), int(stated["pid"]))
        steps = [
            Step(_inside(base, each["name"]), writer, int(each["bytes"]), int(each["mtime_ns"]), bool(each["has_old"]))
            for each in stated["files"]
        ]
    except (json.JSONDecodeError, RecursionError, KeyError, TypeError):
        return None
    return word == DONE, steps


def _inside(base: Path, name: Any) -> Path:
    """The path of a name below a folder. Raises ValueError for one outside, also through a link."""
    if problem := place_problem(base, str(name)):
        raise ValueError(problem)
    return base / str(name)


def _put_back(steps: Sequence[Step]) -> None:
    """Make all as it was before: what has its new name loses it, what had an old one gets it back.

    Raises NotPutBackError; then it can be tried again.
    """
    try:
        for step in reversed(steps):
            if step.has_old and os.path.lexists(step.old) and (step.is_done or not os.path.lexists(step.path)):
                os.replace(step.old, step.path)
            elif not step.has_old and step.is_done:
                os.unlink(step.path)
        _forget(steps)
        for step in steps:
            step.place.unlink(missing_ok=True)
    except OSError as error:
        log.warning(
            "%s: half of the files of this output are new, and the old ones cannot be put back: %s; the next "
            "ecalwindows command that meets them tries again", steps[-1].path, error.strerror or error,
        )  # fmt: skip
        raise NotPutBackError(error.errno, error.strerror or str(error)) from error


def _forget(steps: Sequence[Step]) -> None:
    """Remove the old files."""
    for step in steps:
        if step.has_old:
            step.old.unlink(missing_ok=True)


def _finish_dead(content: bytes, journal: Path) -> None:
    """Complete or undo what a killed writer left, according to its list."""
    try:
        read = _read(content, journal.parent)
    except ValueError as error:
        raise InputError(
            f"a list of files to put back is not one of ecalwindows: {error}", expected="names in its own folder",
            where=str(journal), todo="remove this file, and look where the dataset comes from",
        ) from error  # fmt: skip
    if read is None:
        return
    is_done, steps = read
    if is_done:
        _forget(steps)
        return
    _put_back(steps)
    back = [str(step.path) for step in steps if step.has_old]
    gone = [str(step.path) for step in steps if not step.has_old]
    log.warning(
        "a run was killed while it gave files their names: %s",
        "; ".join(
            [f"put back as before: {', '.join(back)}"] * bool(back)
            + [f"removed, as there were none before: {', '.join(gone)}"] * bool(gone)
        ),
    )


def _is_harmless(journal: Path) -> bool:
    """Whether a list that cannot be removed says that no file is half renamed, or goes away: its writer is at work."""
    for _ in range(10):
        try:
            read = _read(journal.read_bytes(), journal.parent)
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False
        if read is None or read[0]:
            return True
        time.sleep(PAUSE)
    return False


def put_back_in(folder: Path) -> None:
    """Put back what killed writers left half renamed in a folder, with a warning for each output.

    A writer that is at work is waited for. Raises InputError where that cannot be done.
    """
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name[0] == "." and entry.name.endswith(UNDO))
    except OSError:
        return
    for name in names:
        journal = folder / name
        try:
            if journal.is_symlink() or not journal.is_file():
                continue
            with interrupts_later(), _held(journal):
                os.unlink(journal)
        except OSError as error:
            if _is_harmless(journal):
                continue
            raise InputError(
                f"a run was killed while it gave files their names, and they cannot be put back: "
                f"{error.strerror or error}",
                expected="files that are all of one run", where=str(journal),
                todo="have somebody who may write there run any ecalwindows command on it, such as `ecalwindows log`",
            ) from error  # fmt: skip
