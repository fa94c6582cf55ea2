"""Paths and URLs, and the file systems behind them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from ecalwindows.core.errors import InputError, needs_extra


def is_remote(path: str) -> bool:
    """Whether the path is a URL (root://host//file) and not a local one."""
    return "://" in path


def server_of(url: str) -> str:
    """The server of a URL, as URLs begin: root://host:port."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def path_of(url: str) -> str:
    """The path of a URL on its server. A "#" in it is a character like others, as XRootD has it."""
    return urlsplit(url, allow_fragments=False).path


def remote_filesystem(url: str) -> tuple[Any, str]:
    """fsspec's file system for the URL, and the path on it. Raises MissingExtraError without fsspec-xrootd."""
    import fsspec

    if url.startswith("root://"):
        with needs_extra("fsspec-xrootd", "xrootd", "read root:// URLs"):
            import fsspec_xrootd  # noqa: F401
    filesystem, path = fsspec.core.url_to_fs(url)
    return filesystem, str(path)


def refuse_twice(inputs: Iterable[str | os.PathLike[str]], what: str = "file") -> None:
    """Raise InputError when an input is given twice, also by another path."""
    seen: dict[str, str] = {}
    for path in map(str, inputs):
        real = path if is_remote(path) else os.path.realpath(path)
        if real in seen:
            raise InputError(
                f"the same {what} is given twice", expected="every input once: what it holds would count twice",
                where=path if path == seen[real] else f"{seen[real]} and {path}", todo="leave one out",
            )  # fmt: skip
        seen[real] = path
