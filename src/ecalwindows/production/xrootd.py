"""Folders on XRootD servers: files are copied, compared at the far end by checksum, and renamed there when complete."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from ecalwindows.core.errors import BadFileError, OutputError, needs_extra
from ecalwindows.core.files.adler32 import adler32
from ecalwindows.core.files.hidden_names import OLD, PARTIAL, hidden_name, left_by_others, taken_apart, this_writer
from ecalwindows.core.files.inside import escape_problem
from ecalwindows.core.files.json_files import UnreadableError, parsed_object
from ecalwindows.core.urls import path_of, server_of
from ecalwindows.formats.manifest import FOLDER
from ecalwindows.production.errors import ServerError

log = logging.getLogger(__name__)

WAITS = (1.0, 4.0, 10.0, 20.0)
"""Seconds between tries when a server does not answer."""

TIMEOUT = 30
"""Seconds that a server has for one answer."""

ANSWERED, NOT_FOUND = 400, 3011
"""The client's code for an error that a server reported, and the server's number for a file that is not there."""

CLIENT = {
    "XRD_CONNECTIONWINDOW": "5",
    "XRD_CONNECTIONRETRY": "6",
    "XRD_REQUESTTIMEOUT": "60",
    "XRD_STREAMTIMEOUT": "20",
    "XRD_STREAMERRORWINDOW": "5",
}
"""Settings of the XRootD client unless the user says otherwise: its own limits are up to half an hour."""

for _name, _value in CLIENT.items():
    os.environ.setdefault(_name, _value)


class FarFolder:
    """A folder on a server, by its URL (root://host//path)."""

    def __init__(self, url: str) -> None:
        self.path, self.server = "/" + path_of(url).strip("/"), server_of(url)
        with needs_extra("xrootd", "xrootd", "write to root:// URLs"):
            from XRootD import client
        self._client: Any = client
        self._files: Any = self._client.FileSystem(self.server)

    def bytes_of(self, name: str) -> int | None:
        """The size of a file below the folder, None where there is none."""
        status, info = self._try(lambda: self._files.stat(self._at(name), timeout=TIMEOUT))
        if status.ok:
            return int(info.size)
        if status.errno == NOT_FOUND:
            return None
        raise self._error(f"it cannot be looked at: {status.message}", name)

    def checksum(self, name: str) -> str:
        """The adler32 of a file, as the server works it out."""
        code = self._client.flags.QueryCode.CHECKSUM
        status, answer = self._try(
            lambda: self._files.query(code, self._at(name) + "?cks.type=adler32", timeout=TIMEOUT)
        )
        if not status.ok:
            raise self._error(f"the server gives no checksum: {status.message}", name)
        return bytes(answer).decode().strip("\x00 \n").split()[1].lower()

    def put(self, source: Path, name: str) -> None:
        """Copy a local file there; compare size and checksum at the far end. Raises OutputError when they differ."""
        status = self._copied(str(source.absolute()), f"{self.server}/{self._at(name)}")
        if not status.ok:
            raise self._error(f"it cannot be copied there: {status.message}", name)
        self.check(source, name)

    def get(self, name: str, target: Path) -> None:
        """Copy a file from there; compare size and checksum. Raises BadFileError if the copy is not complete."""
        status = self._copied(f"{self.server}/{self._at(name)}", str(target.absolute()))
        try:
            if not status.ok:
                raise self._error(f"it cannot be copied from there: {status.message}", name)
            self.check(target, name)
        except OutputError as error:
            raise BadFileError(
                error.found, expected="a file that the server gives", where=error.where,
                todo="check the URL, the server and your credentials (voms-proxy-info, klist)",
            ) from error  # fmt: skip

    def read(self, name: str) -> bytes:
        """The content of a file."""

        def read() -> tuple[Any, Any]:
            with self._client.File() as file:
                status, _ = file.open(f"{self.server}/{self._at(name)}", timeout=TIMEOUT)
                return file.read(timeout=TIMEOUT) if status.ok else (status, None)

        status, content = self._try(read)
        if not status.ok:
            raise self._error(f"it cannot be read: {status.message}", name)
        return bytes(content)

    def _copied(self, source: str, target: str) -> Any:
        """The status of a copy."""

        def copy() -> tuple[Any, Any]:
            job = self._client.CopyProcess()
            job.add_job(source, target, force=True, mkdir=True)
            job.prepare()
            return job.run()  # type: ignore[no-any-return]

        return self._try(copy)[0]

    def check(self, source: Path, name: str) -> None:
        """Raise OutputError when a file differs from a local one in size or checksum."""
        size, ours = source.stat().st_size, adler32(source)
        if (there := self.bytes_of(name)) != size:
            raise self._error(f"it has {there} bytes there, {size} here", name)
        theirs = self.checksum(name)
        if theirs != ours:
            raise self._error(f"its checksum at the far end is {theirs}, here it is {ours} (adler32)", name)

    def names(self) -> list[str] | None:
        """Names in the folder; None where it cannot be listed."""
        status, listing = self._try(lambda: self._files.dirlist(self.path, timeout=TIMEOUT))
        return sorted(entry.name for entry in listing) if status.ok else None

    def rename_to(self, other: FarFolder) -> None:
        """Give the folder another name on its server."""
        status, _ = self._try(lambda: self._files.mv(self.path, other.path, timeout=TIMEOUT))
        if not status.ok:
            raise self._error(f"it cannot be renamed to {other.path}: {status.message}", "")

    def remove(self) -> None:
        """Remove the folder with all that is in it; nothing when it is not there."""
        self._remove(self.path)

    def _remove(self, path: str) -> None:
        flags = self._client.flags
        status, listing = self._try(lambda: self._files.dirlist(path, flags.DirListFlags.STAT, timeout=TIMEOUT))
        if not status.ok:
            return
        for entry in listing:
            if escape_problem(entry.name) or "/" in entry.name:
                raise self._error(f"the server lists a file {entry.name!r}", "")
            inner = f"{path}/{entry.name}"
            if entry.statinfo.flags & flags.StatInfoFlags.IS_DIR:
                self._remove(inner)
            else:
                self._files.rm(inner, timeout=TIMEOUT)
        self._files.rmdir(path, timeout=TIMEOUT)

    def _at(self, name: str) -> str:
        return f"{self.path}/{name}" if name else self.path

    def _try(self, action: Callable[[], tuple[Any, Any]]) -> tuple[Any, Any]:
        """Try again when the server does not answer."""
        status, result = action()
        for wait in WAITS:
            if status.ok or status.code == ANSWERED:
                break
            time.sleep(wait)
            status, result = action()
        if not status.ok and status.code != ANSWERED:
            raise ServerError(
                f"the server does not answer: {' '.join(status.message.split())}", expected="an answer",
                where=self.server, todo="try again later with `ecalwindows production resume`",
            )  # fmt: skip
        return status, result

    def _error(self, found: str, name: str) -> OutputError:
        return OutputError(
            " ".join(found.split()), expected="a folder on the server that you may write to, with space left",
            where=f"{self.server}/{self._at(name)}", todo="correct that, then `ecalwindows production resume`",
        )  # fmt: skip


def local_files(folder: Path) -> list[str]:
    """Names of all files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def publish(folder: Path, url: str) -> None:
    """Copy a finished dataset to a server: under a hidden name first, compared there, then put in place of an old one.

    What a killed process of this host left there under a hidden name is removed; of another host it is named.
    Raises OutputError, and ServerError for a server that does not answer; then what was there before is still there, or
    comes back when this is called again: a server cannot exchange two names in one step.
    """
    base, _, name = url.rstrip("/").rpartition("/")
    temporary = FarFolder(f"{base}/{hidden_name(PurePosixPath(name), PARTIAL).name}")
    final, old = FarFolder(url), FarFolder(f"{base}/.{name}{OLD}")
    if _restored(final, old):
        log.warning("%s: a run was killed while it replaced this folder: the old one is back, complete", url)
    _clear_left(base, name)
    temporary.remove()
    try:
        for file in local_files(folder):
            temporary.put(folder / file, file)
        old.remove()
        try:
            if final.bytes_of("") is not None:
                final.rename_to(old)
            temporary.rename_to(final)
        except BaseException:
            _restored(final, old)
            raise
    except OutputError:
        temporary.remove()
        raise
    old.remove()


def _clear_left(base: str, name: str) -> None:
    """Remove what killed processes of this host left of a folder under hidden names; warn of those of other hosts."""
    for each in FarFolder(base).names() or []:
        found = taken_apart(each, PARTIAL)
        if found is None or found[0] != name:
            continue
        if found[1].is_alive is False:
            FarFolder(f"{base}/{each}").remove()
        elif found[1] != this_writer():
            log.warning(left_by_others(f"{base}/{each}", found[1]))


def _restored(final: FarFolder, old: FarFolder) -> bool:
    """Give a replaced folder its name again where nothing has it; whether it was so."""
    if final.bytes_of("") is not None or old.bytes_of("") is None:
        return False
    old.rename_to(final)
    return True


def published_as(folder: Path, url: str) -> bool:
    """Whether a server holds just what a local folder does, by size and checksum."""
    far = FarFolder(url)
    try:
        for file in local_files(folder):
            far.check(folder / file, file)
    except OutputError:
        return False
    return True


def far_name(url: str) -> str | None:
    """What the record of a dataset on a server says its name is; None where there is none, "" for something else."""
    far = FarFolder(url)
    if far.bytes_of("") is None or far.names() == []:
        return None
    record = next((name for name in ("dataset.json", f"{FOLDER}/dataset.json") if far.bytes_of(name) is not None), None)
    if record is None:
        return ""
    try:
        return str(parsed_object(far.read(record)).get("name", ""))
    except UnreadableError:
        return ""
