"""A folder appears whole or not at all: written aside under a name with a dot, renamed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ecalwindows.dataset.layout import record_path
from ecalwindows.dataset.output import cannot_write, check_name, output_error


def is_dataset(path: Path, home: Path | None = None) -> bool:
    """Whether a folder is a finished dataset. home : where its record must stand [in the folder itself]"""
    record = record_path(path)
    return record is not None and record.parent == (home or path).absolute()


def check_folder(
    path: Path, *, overwrite: bool, is_ours: Callable[[Path], bool] = is_dataset, ours: str = "a finished dataset"
) -> None:
    """Raise OutputError when a folder can't be written there; makes missing parents.

    Only an empty folder, or with `overwrite` one of ours, may be there already.
    is_ours, ours : what may be replaced, to tell and in words
    """
    check_name(path.absolute())
    if path.is_dir() and any(path.iterdir()):
        if not overwrite or not is_ours(path):
            raise output_error(
                "the output is there already", f"no such folder, or with --overwrite {ours}", path,
                "add --overwrite, or name another with -o" if is_ours(path) else "name another with -o",
            )  # fmt: skip
    elif path.exists() and not path.is_dir():
        raise output_error("the output is a file", "the name of a folder", path, "name a folder with -o")
    try:
        path.absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


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
            raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
