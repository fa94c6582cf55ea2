"""The error of a dumper file that cannot be used."""

from __future__ import annotations

from typing import Any

from ecalwindows.core.errors import BadFileError

DUMP_AGAIN = "make the dump again; or go on without the file: --skip-bad-files"
COPY_AGAIN = "copy or make the file again; or leave it out"
"""What to do about a file that the dumper wrote wrongly, and about one with damaged bytes."""


def bad_file(place: Any, found: str, expected: str, todo: str = DUMP_AGAIN) -> BadFileError:
    """The error of a file. place : its path, or one of its trees or branches"""
    path = place if isinstance(place, str) else place.file.file_path
    return BadFileError(found, expected=expected, where=str(path), todo=todo)
