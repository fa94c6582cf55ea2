"""A folder appears whole or not at all: written aside under a name with a dot, renamed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecalwindows.dataset.layout import record_path
from ecalwindows.errors import EcalWindowsError, OutputError


def check_folder(path: Path, *, overwrite: bool, home: Path | None = None) -> None:
    """Raise OutputError when a dataset can't be written there; makes missing parents.

    Only an empty folder, or with `overwrite` a dataset of ours, may be there already.
    home : where its record must stand [in the folder itself]
    """
    if path.is_dir() and any(path.iterdir()):
        record = record_path(path)
        if not overwrite or record is None or record.parent != (home or path).absolute():
            raise _error(
                "the output is there already", "no such folder, or with --overwrite a finished dataset", path,
                "name another with -o" if record is None else "add --overwrite, or name another with -o",
            )  # fmt: skip
    elif path.exists() and not path.is_dir():
        raise _error("the output is a file", "the name of a folder", path, "name a folder with -o")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextmanager
def folder_written_aside(path: Path) -> Iterator[Path]:
    """A new folder to write to.

    It gets its real name (in place of an old one) when the block ends well, and vanishes when it does not. An OSError
    in the block (disk full, folder gone) becomes an OutputError.
    """
    path = path.absolute()
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        try:
            aside.mkdir()
            yield aside
            if path.exists():
                path.rename(old)
            try:
                aside.rename(path)
            except OSError:
                if old.exists():
                    old.rename(path)
                raise
        except OSError as error:
            raise _cannot_write(path, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _cannot_write(path: Path, error: OSError) -> EcalWindowsError:
    return _error(
        f"the output cannot be written: {error.strerror or error}",
        "a place that you may write to, with space left",
        path,
        "free space or name another place with -o; nothing stands under the output's name that was not there before",
    )


def _error(found: str, expected: str, path: Path, todo: str) -> OutputError:
    return OutputError(found, expected=expected, where=str(path), todo=todo)
