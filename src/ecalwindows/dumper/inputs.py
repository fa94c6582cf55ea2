"""From what a user types (files, folders, globs, root:// URLs) to a list of input files in a fixed order."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from typing import Any

from ecalwindows.core.errors import InputError
from ecalwindows.core.urls import is_remote, path_of, refuse_twice, remote_filesystem, server_of

GLOB_CHARACTERS = frozenset("*?[")


def input_files(inputs: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[str]:
    """The files meant: a file as given, a folder's `*.root` at any depth, a glob's matches; sorted within each.

    Raises InputError when an input matches nothing or a file is given twice.
    """
    if isinstance(inputs, str | os.PathLike):
        inputs = [inputs]
    files: list[str] = []
    for given in (os.fspath(path) for path in inputs):
        files += _remote_files(given) if is_remote(given) else _local_files(given)
    if not files:
        raise InputError(
            "no input", expected="at least one file, folder, glob or URL", where="the inputs", todo="name one"
        )
    refuse_twice(files)
    return files


def _local_files(given: str) -> list[str]:
    if os.path.isdir(given):
        _refuse_closed_folders(given)
        folder = glob.escape(given)
        named = glob.glob(os.path.join(folder, "**", "*.root"), recursive=True)
        found = sorted(path for path in named if not os.path.isdir(path))
        return _some(found, given, "a folder with *.root files in it, at any depth")
    if os.path.lexists(given) or not GLOB_CHARACTERS & set(given):  # a link to nothing is a file that cannot be read
        return _some([given] if os.path.lexists(given) else [], given, "an existing file or folder")
    if "**" in given:
        _refuse_closed_folders(_above_glob(given))
    found = sorted(path for path in glob.glob(given, recursive=True) if not os.path.isdir(path))
    return _some(found, given, "a glob that matches files (** for any depth)")


def _remote_files(given: str) -> list[str]:
    path = path_of(given)
    if not GLOB_CHARACTERS & set(path) and path.endswith(".root"):
        return [given]  # whether it exists is seen when it is opened
    filesystem, root = remote_filesystem(given)
    try:
        if GLOB_CHARACTERS & set(path) and not filesystem.isfile(root):
            found = filesystem.glob(root, on_error="raise")
            if "**" in root:
                _listed(filesystem, _above_glob(root))
        elif filesystem.isdir(root):
            found = [name for name in _listed(filesystem, root) if name.endswith(".root")]
        else:
            return [given]
    except OSError as error:
        raise InputError(
            f"the server cannot list it: {' '.join(str(error).split())}", where=given,
            expected="a folder or glob that the server lists",
            todo="check the URL and your credentials (voms-proxy-info, klist)",
        ) from error  # fmt: skip
    urls = [f"{server_of(given)}//{name.lstrip('/')}" for name in sorted(found)]
    return _some(urls, given, "a folder with *.root files in it, or a glob that matches files")


def _above_glob(text: str) -> str:
    """The folder above the first part of a glob that is a pattern."""
    first = min(text.index(character) for character in GLOB_CHARACTERS if character in text)
    return text[:first].rpartition("/")[0] or ("/" if text.startswith("/") else ".")


def _refuse_closed_folders(folder: str) -> None:
    """Raise InputError for a folder below that cannot be listed: a glob leaves it out silently."""

    def refuse(error: OSError) -> None:
        raise InputError(
            f"a folder cannot be listed: {error.strerror}", expected="folders that you may read: their files would be "
            "left out silently", where=str(error.filename), todo="correct that (chmod, klist), or name other inputs",
        ) from error  # fmt: skip

    if os.path.isdir(folder):
        for _ in os.walk(folder, onerror=refuse):
            pass


def _listed(filesystem: Any, folder: str) -> list[str]:
    """The files below a folder of a server. Raises OSError, also for a folder in it that the server does not list,
    which fsspec passes over: of such a one it says that it holds itself.
    """
    found = filesystem.find(folder, withdirs=True, detail=True, on_error="raise")
    above = {name.rpartition("/")[0] for name in found}
    for name in (name for name, info in found.items() if info["type"] == "directory" and name not in above):
        if [each["name"].rstrip("/") for each in filesystem.ls(name, detail=True)] == [name.rstrip("/")]:
            raise PermissionError(f"the folder {name} is closed")
    return [name for name, info in found.items() if info["type"] != "directory"]


def _some(found: list[str], given: str, expected: str) -> list[str]:
    if not found:
        raise InputError(
            "no input matched", expected=expected, where=given, todo="check the path (relative to the current folder)"
        )
    return found
