"""Faults at every step at which a command changes names on the disk: errors, Ctrl-C, signals and kills.

`steps_of` counts the steps of an action, `broken` runs it with a fault at one of them, and `kills` gives the folder as
kills at many of them leave it. Steps are calls of rename, replace, link, unlink, rmdir and fsync, and of the exchange
of names, on paths below one folder.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ecalwindows.core.files import renaming
from ecalwindows.dataset import folder_output

Action = Callable[[], Any]
NAMES = ("rename", "replace", "link", "unlink", "remove", "rmdir", "fsync")
"""Functions of `os`; what `shutil.rmtree` does is one step."""
KINDS = ("error", "late error", "Ctrl-C", "late Ctrl-C", "SIGTERM", "late SIGTERM", "kill", "late kill")
"""What happens in place of the step, or (late) when it is done."""
KILLED = 77


class Steps:
    """Counts steps; at one of them there is a fault."""

    def __init__(self, folder: Path, at: int | None = None, kind: str = "error") -> None:
        self.folder, self.at, self.kind, self.n = str(folder), at, kind, 0
        self.calls: list[str] = []
        self.is_inside = False

    def step(self, name: str, call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """One call: counted, broken or done."""
        if self.is_inside or not self._is_watched(arguments):
            return call(*arguments, **options)
        number, self.n = self.n, self.n + 1
        self.calls.append(name)
        self.is_inside = True
        try:
            if number != self.at:
                return call(*arguments, **options)
            result = call(*arguments, **options) if self.kind.startswith("late") else None
            self._break()
            return call(*arguments, **options) if self.kind == "SIGTERM" else result
        finally:
            self.is_inside = False

    def _is_watched(self, arguments: tuple[Any, ...]) -> bool:
        if isinstance(arguments[0], int):
            return os.readlink(f"/proc/self/fd/{arguments[0]}").startswith(self.folder)
        path = os.fspath(arguments[0])
        return path.startswith(self.folder) and not path.endswith(".probing")

    def _break(self) -> None:
        if self.kind.endswith("error"):
            raise OSError(errno.EIO, "Input/output error", "injected")
        if self.kind.endswith("Ctrl-C"):
            raise KeyboardInterrupt
        if self.kind.endswith("kill"):
            sys.stdout.flush()
            os._exit(KILLED)
        signal.raise_signal(signal.SIGTERM)


@contextmanager
def watched(steps: Steps, *, can_exchange: bool = True) -> Iterator[None]:
    """All steps in the block are seen. `can_exchange` : whether the system has the call that exchanges names"""
    with pytest.MonkeyPatch.context() as patch:
        for name in NAMES:
            patch.setattr(os, name, _seen(name, getattr(os, name), steps))
        patch.setattr(shutil, "rmtree", _seen("rmtree", shutil.rmtree, steps))
        call = renaming.renameat2 if can_exchange else _unsupported
        patch.setattr(renaming, "renameat2", _seen("renameat2", call, steps) if can_exchange else call)
        assert folder_output.exchange is renaming.exchange
        yield


def _seen(name: str, call: Callable[..., Any], steps: Steps) -> Callable[..., Any]:
    return lambda *arguments, **options: steps.step(name, call, arguments, options)


def _unsupported(*_: Any) -> None:
    raise OSError(errno.EINVAL, "Invalid argument")


def steps_of(action: Action, folder: Path, *, can_exchange: bool = True) -> list[str]:
    """The steps of an action that nothing breaks."""
    steps = Steps(folder)
    with watched(steps, can_exchange=can_exchange):
        action()
    return steps.calls


def broken(action: Action, folder: Path, at: int, kind: str, *, can_exchange: bool = True) -> str:
    """Run an action with a fault at a step, as the command line does; how it ended.

    done, error, interrupted, or killed: then it ran in another process.
    """
    if kind.endswith("kill"):
        return _forked(action, folder, at, kind, can_exchange)
    before = signal.signal(signal.SIGTERM, _stop)
    steps = Steps(folder, at, kind)
    try:
        with watched(steps, can_exchange=can_exchange):
            action()
        return "done"
    except KeyboardInterrupt:
        if steps.n <= at:  # somebody wants the tests to end
            raise
        return "interrupted"
    except Exception:
        return "error"
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _forked(action: Action, folder: Path, at: int, kind: str, can_exchange: bool) -> str:
    code = _exit_code_of_child(action, Steps(folder, at, kind), can_exchange)
    assert code in (0, KILLED), f"the child ended with {code}"
    return "killed" if code == KILLED else "done"


def _exit_code_of_child(action: Action, steps: Steps, can_exchange: bool) -> int:
    child = os.fork()
    if child == 0:
        try:
            with watched(steps, can_exchange=can_exchange):
                action()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


class Copies(Steps):
    """Copies the folder at steps: before them, or (late) after them."""

    def __init__(self, folder: Path, at: Collection[int], kept: Path, *, is_late: bool) -> None:
        super().__init__(folder)
        self.places, self.is_late = {number: kept / str(number) for number in at}, is_late

    def step(self, name: str, call: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """One call, which is done; the folder is copied."""
        if self.is_inside or not self._is_watched(arguments):
            return call(*arguments, **options)
        place, self.n = self.places.get(self.n), self.n + 1
        self.is_inside = True
        try:
            if place and not self.is_late:
                copied_with_links(Path(self.folder), place)
            result = call(*arguments, **options)
            if place and self.is_late:
                copied_with_links(Path(self.folder), place)
            return result
        finally:
            self.is_inside = False


def kills(
    action: Action, folder: Path, at: Collection[int], kept: Path, *, is_late: bool = False, can_exchange: bool = True
) -> dict[int, Path]:
    """The folder as a kill at each of these steps leaves it, by step; of equal ones only the first.

    The action runs only once, in a process of its own that has ended when this returns. A kill leaves what is in the
    file system at that moment, and that is copied to below `kept`, with hard links and times; then the run goes on.
    """
    copies = Copies(folder, at, kept, is_late=is_late)
    kept.mkdir(exist_ok=True)
    assert _exit_code_of_child(action, copies, can_exchange) == 0
    found: dict[Any, int] = {}
    for number, place in copies.places.items():
        if place.is_dir():  # not so after a step that the system refused
            found.setdefault(_state(place), number)
    return {number: copies.places[number] for number in found.values()}


def copied_with_links(folder: Path, target: Path) -> None:
    """A copy of a folder in which files have the same times, and share their content as in the original."""
    seen: dict[int, str] = {}

    def copy(source: str, to: str) -> None:
        first = seen.setdefault(os.lstat(source).st_ino, to)
        if first == to:
            shutil.copy2(source, to, follow_symlinks=False)
        else:
            os.link(first, to)

    shutil.copytree(folder, target, symlinks=True, copy_function=copy)


def moved_back(copy: Path, folder: Path) -> None:
    """The folder becomes the copy, which is no more."""
    shutil.rmtree(folder)
    copy.rename(folder)


def _state(folder: Path) -> Any:
    """All that is in a folder: names, content and times of files, and which names share a file."""
    paths = sorted(folder.rglob("*"))
    first: dict[int, int] = {}
    return tuple(
        (str(path.relative_to(folder)), first.setdefault(os.lstat(path).st_ino, number), *_content(path))
        for number, path in enumerate(paths)
    )


def _content(path: Path) -> tuple[Any, ...]:
    if path.is_symlink():
        return (os.readlink(path),)
    return (path.read_bytes(), path.stat().st_mtime_ns) if path.is_file() else ()
