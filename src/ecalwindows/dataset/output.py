"""Outputs appear whole or not at all: written aside under a name with a dot, renamed at the end."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ecalwindows.dataset.inside import name_problem
from ecalwindows.errors import OutputError
from ecalwindows.names import is_storable, storable

OPEN_FILES = re.compile(r"/dev|/dev/fd|/proc/\d+/(task/\d+/)?fd")
"""Folders of devices and of what processes have open: names in them must never be replaced."""

MOST_LINKS = 40
"""That are followed, as Linux does."""


def is_special(path: Path) -> bool:
    """Whether the path is a device, a pipe, or an open file (/dev/stdout, wherever it leads): written directly."""
    return not path.is_dir() and ((path.exists() and not path.is_file()) or _is_open_file(path))


def _is_open_file(path: Path) -> bool:
    """Whether a path, or a link that it leads over, is in one of those folders."""
    for _ in range(MOST_LINKS):
        place = path.parent.resolve() / path.name
        if OPEN_FILES.fullmatch(str(place.parent)):
            return True
        if not place.is_symlink():
            return False
        path = place.parent / place.readlink()
    return False


def is_replaced(path: Path) -> bool:
    """Whether a file stands under the output's name that will be replaced."""
    return path.is_file() and not is_special(path)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError when the output can't be written there; makes missing folders."""
    check_name(path)
    if path.is_dir():
        raise output_error("the output is a folder", "the name of a file", path, "name a file in it")
    if is_special(path):
        return
    if problem := name_problem(path.name):
        raise output_error(f"the output is named {path.name!r}, {problem}", "a name of one line", path, "name another")
    if path.exists() and not overwrite:
        raise output_error(
            "the output is there already", "no such file, since --no-overwrite", path, "remove it or name another"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = aside_name(path)
        aside.touch()
        aside.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error


def check_name(path: Path) -> None:
    """Raise OutputError for a path that is not UTF-8: records cannot hold it, and Arrow cannot write there."""
    if not is_storable(str(path)):
        raise output_error(
            "the path of the output is not UTF-8", "a path in UTF-8, which records can hold",
            Path(storable(str(path))), "name another with -o",
        )  # fmt: skip


def aside_name(path: Path) -> Path:
    """Where an output stands while it is written."""
    return path.with_name(f".{path.name}.{os.getpid()}.partial")


@contextmanager
def no_empty_folders(paths: list[Path]) -> Iterator[None]:
    """Folders above the paths that are made in the block and hold nothing at its end are removed again."""
    new = {folder for path in paths for folder in path.parents if not folder.exists()}
    try:
        yield
    finally:
        for folder in sorted(new, key=lambda folder: len(folder.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def written_aside(paths: list[Path]) -> Iterator[list[Path]]:
    """Names to write the outputs to; they get their real names when the block ends well, and vanish when it does not.

    An OSError in the block (disk full, folder gone) becomes an OutputError.
    """
    places = [path if is_special(path) else aside_name(path) for path in paths]
    try:
        try:
            yield places
            for place, path in zip(places, paths, strict=True):
                if place != path:
                    place.replace(path)
        except OSError as error:
            raise cannot_write(paths[-1], error) from error
    finally:
        for place, path in zip(places, paths, strict=True):
            if place != path:
                place.unlink(missing_ok=True)


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error of an output that the system refuses; raises `error` itself where the reader of a pipe has ended."""
    if error.errno == errno.EPIPE:
        raise error
    return output_error(
        f"the output cannot be written: {error.strerror or error}",
        "a place that you may write to, with space left",
        path,
        "free space or name another place with -o; nothing stands under the output's name that was not there before",
    )


def output_error(found: str, expected: str, path: Path, todo: str) -> OutputError:
    """An error about the output at `path`."""
    return OutputError(found, expected=expected, where=str(path), todo=todo)
