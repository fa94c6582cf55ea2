"""Hidden names of outputs: `.NAME.HOST.PID.partial` while they are written, `.old` while they are replaced.

Hosts that share a file system have processes of the same ID: so the host is in the name, and only that host can say
whether the process is alive.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

AnyPath = TypeVar("AnyPath", bound=PurePath)

PARTIAL = ".partial"
"""End of the names of outputs that are being written."""
OLD = ".old"
"""End of the name of an output that is replaced, for the moment in which neither has its real name."""

MAX_HOST = 24
"""Maximum length of a host in a name: a name has at most 255 bytes."""
HIDDEN = re.compile(r"\.(?P<name>.+)\.(?P<host>[A-Za-z0-9-]+)\.(?P<pid>\d{1,9})", re.DOTALL)


@dataclass(frozen=True)
class Writer:
    """A process, by its ID and its host as it is in names. Raises ValueError for a host that no name has."""

    host: str
    pid: int

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9-]+", self.host):
            raise ValueError(f"it names a host {self.host!r}")

    @property
    def is_alive(self) -> bool | None:
        """Whether this host has the process; None where it is one of another host."""
        if self.host != host_in_names():
            return None
        try:
            os.kill(self.pid or 1, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except OSError:
            return True
        return True


def this_writer() -> Writer:
    """This process."""
    return Writer(host_in_names(), os.getpid())


def host_in_names() -> str:
    """This host, in letters, digits and hyphens; a hash keeps those different that have others, or are long."""
    host = socket.gethostname() or "localhost"
    plain = re.sub(r"[^A-Za-z0-9-]", "-", host)
    if len(plain) <= MAX_HOST and plain == host:
        return plain
    return f"{plain[: MAX_HOST - 9]}-{hashlib.sha256(os.fsencode(host)).hexdigest()[:8]}"


def left_by_others(place: str, writer: Writer) -> str:
    """What is said of an output that another process writes, or has left."""
    return (
        f"{place}: being written by process {writer.pid} of the host {writer.host}, or left incomplete by it; remove "
        "it if that process has ended"
    )


def hidden_name(path: AnyPath, end: str, writer: Writer | None = None) -> AnyPath:
    """The name of an output while it is not complete. writer : of it [this process]"""
    writer = writer or this_writer()
    return path.with_name(f".{path.name}.{writer.host}.{writer.pid}{end}")


def taken_apart(name: str, end: str) -> tuple[str, Writer] | None:
    """The output that a hidden name is of, and its writer; None for any other name."""
    found = HIDDEN.fullmatch(name.removesuffix(end)) if name.endswith(end) else None
    return (found["name"], Writer(found["host"], int(found["pid"]))) if found else None


def hidden_beside(path: Path, end: str) -> dict[Path, Writer]:
    """What is there of an output under such names, with its writers; nothing in a folder that cannot be listed."""
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return {}
    found = {name: each for name in names if (each := taken_apart(name, end)) and each[0] == path.name}
    return {path.with_name(name): writer for name, (_, writer) in found.items()}
