"""Names of files in manifests, records, plans and archives: relative, inside their folder, and not through links.

Such files may come from anybody. What a name says is checked when the file is read (`RelativeName`, `PlainName`);
what it leads to is checked on the disk when the name is used (`place_problem`, `refuse_links`).
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from ecalwindows.core.errors import OutputError

NOT_IN_NAMES = ("Cc", "Zl", "Zp", "Cs")
"""Unicode categories of characters that a name may not have: control characters, line ends, halves of characters."""


def absolute(path: str | Path) -> Path:
    """The path from the root of the file system, without "..", so that names below a folder can be compared.

    Links before a ".." are followed, as the system does it; those behind it stay.
    """
    path = Path(path).absolute()
    if ".." not in path.parts:
        return path
    behind = len(path.parts) - path.parts[::-1].index("..")
    return Path(os.path.realpath(Path(*path.parts[:behind])), *path.parts[behind:])


def name_problem(name: str) -> str | None:
    """Why a relative name could lead out of its folder, or break a line of text.

    Parameters
    ----------
    name
        Name with `/` between folders.

    Returns
    -------
    str or None
        The reason, in words that follow the name; None for a good name.
    """
    if any(unicodedata.category(each) in NOT_IN_NAMES for each in name):
        return "which has a control character, a line end or a byte that is not UTF-8 in it"
    return escape_problem(name)


def escape_problem(name: str) -> str | None:
    """Why a relative name could lead out of its folder; control characters are allowed."""
    if not name or "\0" in name:
        return "which is no name"
    if name.startswith("/"):
        return "which is an absolute path"
    if ".." in name.split("/"):
        return "which leads out of its folder"
    if {"", "."} & {*name.split("/")}:
        return "which has an empty part or a dot between its slashes"
    return None


def _relative(name: str) -> str:
    if problem := name_problem(name):
        raise ValueError(f"it names {name!r}, {problem}")
    return name


def _plain(name: str) -> str:
    if "/" in _relative(name) or name.startswith("."):
        raise ValueError(f"it names {name!r}, which is not the name of one visible file or folder")
    return name


RelativeName = Annotated[str, AfterValidator(_relative)]
"""Name of a file below a folder: no absolute path, no `..`, no control character."""

PlainName = Annotated[str, AfterValidator(_plain)]
"""Name of one file or folder: a relative name without slashes, not hidden."""


def place_problem(base: Path, name: str) -> str | None:
    """Why the file of a name must not be used: what `name_problem` says, or a link on the way to it.

    Parameters
    ----------
    base
        Folder to which the name is relative. It may be reached through links.
    name
        Name of the file, as a manifest or record gives it.

    Returns
    -------
    str or None
        A sentence that begins with the name; None for a file that is inside the folder, or missing.
    """
    if problem := name_problem(name):
        return f"{name!r} is a name {problem}"
    return link_problem(base, name)


def link_problem(base: Path, name: str) -> str | None:
    """A sentence about the first link on the way from a folder to a file in it; None where there is none."""
    place = base
    for part in name.split("/"):
        place /= part
        if place.is_symlink():
            is_file = place == base / name
            return f"{name} is {'a link' if is_file else f'reached through the link {place.name}'}"
    return None


def refuse_links(paths: Iterable[Path]) -> None:
    """Raise OutputError for the first of these paths that is a link, a pipe or a device: what is written there would
    appear elsewhere.
    """
    for path in paths:
        is_link = path.is_symlink()
        if is_link or (path.exists() and not path.is_file() and not path.is_dir()):
            raise OutputError(
                f"{path.name} is a {'link' if is_link else 'pipe or device'}: what is written there appears elsewhere",
                expected="a file or folder of its own, or none", where=str(path),
                todo="remove it, or ask who made this folder",
            )  # fmt: skip
