"""Inputs on servers: an input is bad only if its server answers; data files are copied with what describes them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ecalwindows.core.errors import BadFileError
from ecalwindows.core.urls import is_remote, path_of, remote_filesystem, server_of
from ecalwindows.dumper.reading import ReadReport
from ecalwindows.formats.readers import manifest_places
from ecalwindows.formats.suffixes import RECORD
from ecalwindows.production.errors import ServerError
from ecalwindows.production.xrootd import WAITS, FarFolder

Reported = TypeVar("Reported", bound=ReadReport)


def with_answers(make: Callable[[], Reported]) -> Reported:
    """What `make` returns; it is called again while inputs on servers are bad, until all of their servers answer.

    Raises
    ------
    ServerError
        If a server does not answer.
    BadFileError
        If `make` raises it and the server of that input answers.
    """
    report, bad = _tried(make)
    for attempt, wait in enumerate(WAITS):
        if not bad or (attempt and all(server_answers(where) for where in bad)):
            break
        time.sleep(wait)
        report, bad = _tried(make)
    if silent := [where for where in bad if not server_answers(where)]:
        raise ServerError(
            "the server of an input does not answer", expected="an answer", where=silent[0],
            todo="try again later with `ecalwindows production resume`",
        )  # fmt: skip
    if isinstance(report, BadFileError):
        raise report
    return report


def _tried(make: Callable[[], Reported]) -> tuple[Reported | BadFileError, list[str]]:
    """What `make` returns or raises, and which inputs on servers were bad."""
    try:
        report = make()
    except BadFileError as error:
        return error, [error.where] if is_remote(error.where) else []
    return report, [error.where for error in report.bad if is_remote(error.where)]


def server_answers(url: str) -> bool:
    """Whether the server of a URL answers a question about it, even if there is no such file."""
    filesystem, path = remote_filesystem(url)
    try:
        filesystem.invalidate_cache()
        filesystem.info(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        return "3011" in str(error) or "No such file" in str(error)
    return True


def fetched(url: str, folder: Path) -> Path:
    """Copy a data file, its manifests and the records above it to the same places below a folder as on the server.

    Returns the path of the copy. Raises BadFileError for a file that cannot be copied completely, ServerError for a
    server that does not answer.
    """
    server = FarFolder(f"{server_of(url)}/")
    name = PurePosixPath(path_of(url).strip("/"))
    server.get(str(name), folder / name)
    records = [folder / base / RECORD for base in name.parents[:4]]
    for place in (*manifest_places(folder / name), *records):
        if folder in place.parents and server.bytes_of(beside := place.relative_to(folder).as_posix()) is not None:
            server.get(beside, place)
    return folder / name
