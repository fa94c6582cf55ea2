"""Inputs on servers: one is bad only when its server answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ecalwindows.core.errors import BadFileError
from ecalwindows.core.urls import is_remote, remote_filesystem
from ecalwindows.dumper.reading import ReadReport
from ecalwindows.production.errors import ServerError
from ecalwindows.production.xrootd import WAITS

Reported = TypeVar("Reported", bound=ReadReport)


def answered(make: Callable[[], Reported]) -> Reported:
    """What `make` reports, made again while inputs on servers are bad: one is bad only when its server answers and it
    still cannot be read. Raises ServerError for a server that does not answer.
    """
    report, bad = _tried(make)
    for number, wait in enumerate(WAITS):
        if not bad or (number and all(server_answers(where) for where in bad)):
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
    """What came of it, and the inputs on servers that were bad."""
    try:
        report = make()
    except BadFileError as error:
        return error, [error.where] if is_remote(error.where) else []
    return report, [error.where for error in report.bad if is_remote(error.where)]


def server_answers(url: str) -> bool:
    """Whether the server of a URL can be asked about it, even if there is no such file."""
    filesystem, path = remote_filesystem(url)
    try:
        filesystem.invalidate_cache()
        filesystem.info(path)
    except FileNotFoundError:
        return True
    except OSError as error:
        return "3011" in str(error) or "No such file" in str(error)
    return True
