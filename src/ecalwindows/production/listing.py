"""Looks at the inputs and other files that a production names: paths, sizes, checksums on demand."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.files.file_state import file_states, refuse_changed
from ecalwindows.core.names import is_storable, some, storable
from ecalwindows.core.urls import is_remote, remote_filesystem
from ecalwindows.core.working_points import is_packaged
from ecalwindows.formats.manifest import size_and_sha256
from ecalwindows.production.kinds.parts import part_maker
from ecalwindows.production.plan import Entry, Source
from ecalwindows.production.settings import Production

MAX_NAMED = 3
"""Inputs that an error names."""

AT_ONCE = 8
"""Requests to servers, or files that are read for checksums, at the same time."""


def listed_inputs(production: Production, *, checksums: bool = False) -> dict[str, list[Entry]]:
    """The inputs of each sample in order. Raises InputError for nothing, and for a file in two samples."""
    files_of = part_maker(production.kind).input_files
    paths = {sample.name: files_of(sample.inputs) for sample in production.samples}
    refuse_other_names(path for found in paths.values() for path in found)
    _refuse_twice(paths)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            name: list(pool.map(lambda path: entry_of(path, checksum=checksums), found))
            for name, found in paths.items()
        }


def refuse_other_names(paths: Iterable[str]) -> None:
    """Raise InputError for paths that are not UTF-8: plans are JSON, which cannot hold them, and a name that is not the
    file's own would not be found.
    """
    wrong = [storable(path) for path in paths if not is_storable(path)]
    if wrong:
        raise InputError(
            f"names of inputs are not UTF-8: {some(wrong, MAX_NAMED)}",
            expected="names in UTF-8, which a plan can hold", where=os.path.dirname(wrong[0]),
            todo="rename them, or give links with other names to them",
        )  # fmt: skip


def entry_of(path: str, *, checksum: bool = False) -> Entry:
    """An input as it is now; of one that is gone only the path is known."""
    if is_remote(path):
        return Entry(path=path, bytes=_remote_bytes(path))
    path = os.path.abspath(path)
    try:
        before = file_states([path])
        info = os.stat(path)
        digest = size_and_sha256(path)[1] if checksum else None
    except OSError:
        return Entry(path=path)
    refuse_changed(before, "the input has changed while its checksum was computed")
    return Entry(path=path, bytes=info.st_size, mtime_ns=None if digest else info.st_mtime_ns, sha256=digest)


def _remote_bytes(url: str) -> int | None:
    filesystem, path = remote_filesystem(url)
    try:
        return int(filesystem.info(path)["size"])
    except (OSError, KeyError, TypeError, ValueError):
        return None  # the job that reads it reports why


def _refuse_twice(paths: dict[str, list[str]]) -> None:
    seen: dict[str, tuple[str, str]] = {}
    for sample, found in paths.items():
        for path in found:
            real = path if is_remote(path) else os.path.realpath(path)
            other = seen.setdefault(real, (sample, path))
            if other != (sample, path):
                raise InputError(
                    f"the same file is in the samples '{other[0]}' and '{sample}'", where=path,
                    expected="every input once: its events would be twice in the dataset",
                    todo="leave it out of one of them",
                )  # fmt: skip


def read_sources(production: Production) -> list[Source]:
    """The files that decide content, with their checksums. Raises SettingsError for one that cannot be read."""
    files = {production.settings_of(sample).wp_file for sample in production.samples} | {production.weights}
    if production.features_def not in (None, "default", "seed"):
        files.add(Path(str(production.features_def)))
    return [_source(path) for path in sorted(file for file in files if file is not None and not is_packaged(file))]


def _source(path: Path) -> Source:
    try:
        return Source(path=str(path), sha256=size_and_sha256(path)[1])
    except OSError as error:
        raise SettingsError(
            f"the file cannot be read: {error.strerror}", expected="a file that the production names", where=str(path),
            todo="check the path (relative to the current folder)",
        ) from error  # fmt: skip
