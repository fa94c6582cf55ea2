"""Brings finished files to their place: data first, the manifest last, each complete or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

from ecalwindows.core.errors import OutputError
from ecalwindows.core.files.commit import temporary_name
from ecalwindows.formats.manifest import FOLDER, Manifest, file_record, read_manifest


def deliver(scratch: Path, parts: Path, manifest_name: str) -> Manifest:
    """Move a part from the folder in which it was made to the folder of parts. Raises OutputError.

    The old manifest goes first and the new one comes last: a part without manifest is no part.
    """
    place = Path(FOLDER) / "manifests" / manifest_name
    manifest = read_manifest(scratch / place)
    try:
        (parts / place).parent.mkdir(parents=True, exist_ok=True)
        (parts / place).unlink(missing_ok=True)
        for record in manifest.files:
            (parts / record.name).parent.mkdir(parents=True, exist_ok=True)
            move(scratch / record.name, parts / record.name)
        move(scratch / place, parts / place)
    except OSError as error:
        raise OutputError(
            f"the part cannot be written: {error.strerror or error}",
            expected="a folder that is there and that you may write to, with space left", where=str(parts),
            todo="correct that, then `ecalwindows production resume`",
        ) from error  # fmt: skip
    return manifest


def move(source: Path, target: Path) -> None:
    """Rename, or between file systems copy to a temporary name, compare checksums, and rename."""
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)
        source.unlink()


def _copy(source: Path, target: Path) -> None:
    temporary = temporary_name(target)
    try:
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if file_record(source, source.parent).sha256 != file_record(temporary, temporary.parent).sha256:
            raise OSError(errno.EIO, "the copy differs from what was copied (checksum)")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
