"""Outputs are written atomically: under a name with a dot, renamed at the end, all files of an output together."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from ecalwindows.core.errors import OutputError
from ecalwindows.core.files.commit import NotPutBackError, commit, temporary_name
from ecalwindows.core.files.hidden_names import hidden_name
from ecalwindows.core.files.inside import name_problem
from ecalwindows.core.files.recovery import recover, warn_of_partials
from ecalwindows.core.names import is_storable, storable

OPEN_FILES = re.compile(r"/dev|/dev/fd|/proc/\d+/(task/\d+/)?fd")
"""Folders of devices and of what processes have open: names in them must never be replaced."""

OF_FORMATS = frozenset({
    ".csv", ".gz", ".h5", ".html", ".json", ".md", ".ndjson", ".npy", ".npz", ".onnx", ".parquet", ".pb", ".pdf",
    ".png", ".proto", ".root", ".svg", ".tfrecord", ".tgz", ".txt", ".yaml", ".yml", ".zst",
})  # fmt: skip
"""Ends of names by which people and programs know a format."""

MAX_LINKS = 40
"""Maximum number of links that are followed, as in Linux."""

MAX_TEXT = 100_000_000
"""Bytes of a text file: no command writes a larger one."""


def is_special(path: Path) -> bool:
    """Whether the path is a device, a pipe, or an open file (/dev/stdout, wherever it leads): written directly."""
    return not path.is_dir() and ((path.exists() and not path.is_file()) or _is_open_file(path))


def _is_open_file(path: Path) -> bool:
    """Whether a path, or a link that it leads over, is in one of those folders."""
    for _ in range(MAX_LINKS):
        place = path.parent.resolve() / path.name
        if OPEN_FILES.fullmatch(str(place.parent)):
            return True
        if not place.is_symlink():
            return False
        path = place.parent / place.readlink()
    return False


def is_replaced(path: Path) -> bool:
    """Whether there is a file under the output's name that will be replaced."""
    return path.is_file() and not is_special(path)


def check_output(
    path: Path, *, overwrite: bool, is_own: Callable[[Path], bool] | None = None, ours: str = "",
    suffixes: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Raise OutputError when the output can't be written there; makes missing folders.

    What a killed run left half renamed there is repaired first.

    is_own, ours : what may be replaced, as a test and in words; None: every file
    suffixes : those that show the format of the output, which the name must not contradict; empty: any name
    """
    check_name(path)
    if path.is_dir():
        raise output_error("the output is a folder", "the name of a file", path, "name a file in it")
    if is_special(path):
        return
    if problem := name_problem(path.name):
        raise output_error(f"the output is named {path.name!r}, {problem}", "a name of one line", path, "name another")
    if suffixes and path.suffix.lower() in OF_FORMATS - {*suffixes}:
        raise output_error(
            f"the output is named {path.name!r}, which shows another format than its own",
            f"a name that ends in {' or '.join(suffixes)}", path, f"name it {path.stem}{suffixes[0]}",
        )  # fmt: skip
    recover(path)
    warn_of_partials(path)
    if path.exists() and not overwrite:
        raise already_there(path)
    try:
        if is_own is not None and path.exists() and not is_own(path):
            raise output_error(
                "another file is there already", f"a new name, or {ours}", path,
                "name another output, or remove this file: it is not replaced",
            )  # fmt: skip
        path = followed(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = hidden_name(path, ".probing")  # not shorter than what follows
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error


def check_names(folder: Path, names: Iterable[str], *, is_own: Callable[[Path], bool], ours: str) -> None:
    """`check_output` for those of the files that a command writes into a folder which are there already."""
    recover(folder)
    for path in (folder / name for name in names):
        if path.exists():
            check_output(path, overwrite=True, is_own=is_own, ours=ours)


def holds(text: str) -> Callable[[Path], bool]:
    """The test for `check_output` whether a file holds a text that a command writes."""
    return lambda path: path.stat().st_size <= MAX_TEXT and text.encode() in path.read_bytes()


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[str | Path]) -> None:
    """Raise OutputError when an output is one of the inputs, under whatever name."""
    known = {identity for path in inputs if (identity := _identity(path)) is not None}
    for path in outputs:
        if _identity(path) in known:
            raise output_error("the output is one of the inputs", "another file", path, "name another output with -o")


def refuse_shared(paths: Iterable[Path]) -> None:
    """Raise OutputError when two outputs have a file in common."""
    seen = set[str]()
    for path in paths:
        if (real := os.path.realpath(path)) in seen:
            raise output_error(
                "two outputs have this file", "files of their own (NDJSON has a table of events beside it)", path,
                "give them other names or folders",
            )  # fmt: skip
        seen.add(real)


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What a file is whatever its name, None for one that is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_name(path: Path) -> None:
    """Raise OutputError for a path that is not UTF-8: records cannot hold it, and Arrow cannot write there."""
    if not is_storable(str(path)):
        raise output_error(
            "the path of the output is not UTF-8", "a path in UTF-8, which records can hold",
            Path(storable(str(path))), "name another with -o",
        )  # fmt: skip


def followed(path: Path) -> Path:
    """The path itself, or what it leads to as a link: the file there is replaced, not the link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def no_empty_folders(paths: list[Path]) -> Iterator[None]:
    """Folders above the paths that are made in the block and hold nothing at its end are removed again."""
    new = {folder for path in paths for folder in path.parents if not folder.exists()}
    try:
        yield
    finally:
        for folder in sorted(new, key=lambda folder: len(folder.parts), reverse=True):
            with suppress(OSError):
                folder.rmdir()


@dataclass
class Together:
    """Outputs that get their names together, and folders that are not there yet for others."""

    waiting: dict[Path, None] = field(default_factory=dict)

    def place(self, path: Path) -> Path:
        """Where an output can be read before it has its name."""
        path = followed(path.absolute())
        return temporary_name(path) if path in self.waiting else path

    def places(self, paths: Mapping[str, Path]) -> dict[str, Path]:
        """The same for several, by name."""
        return {name: self.place(path) for name, path in paths.items()}


_TOGETHER: ContextVar[Together | None] = ContextVar("_TOGETHER", default=None)
_UNNAMED: set[Path] = set()
"""Folders that are being written under a name with a dot: files in them are written directly."""


@contextmanager
def outputs_together() -> Iterator[Together]:
    """All outputs that are written in the block get their names at its end, or vanish together when it fails.

    Raises OutputError where they cannot have their names.
    """
    if (outer := _TOGETHER.get()) is not None:
        yield outer
        return
    group = Together()
    token = _TOGETHER.set(group)
    try:
        yield group
        if group.waiting:
            _commit(list(group.waiting), ())
            group.waiting.clear()
    finally:
        _TOGETHER.reset(token)
        _remove(map(temporary_name, group.waiting))


@contextmanager
def outputs_apart() -> Iterator[None]:
    """Outputs in the block get their names at once, also in a block of `outputs_together`: they are read there."""
    token = _TOGETHER.set(None)
    try:
        yield
    finally:
        _TOGETHER.reset(token)


@contextmanager
def written_atomically(paths: Sequence[Path], *, new: Collection[Path] = ()) -> Iterator[list[Path]]:
    """Names to write the outputs to; they get their real names when the block ends well, and vanish when it does not.

    All get their names or none: an error or an interrupt between two renames puts the old files back, and after a kill
    the next command does (`recover`). The last path is the one that errors name.
    new : of the paths, those that must not be there yet, also not when the block ends
    An OSError in the block (disk full, folder gone) becomes an OutputError.
    """
    targets = [path if _is_direct(path) else followed(path.absolute()) for path in paths]
    places = [path if _is_direct(path) else temporary_name(path) for path in targets]
    hidden = {target: place for target, place in zip(targets, places, strict=True) if target != place}
    group = _TOGETHER.get()
    is_over = False
    try:
        try:
            for place in hidden.values():
                if place.is_symlink():  # somebody has prepared it, to have it written through
                    place.unlink()
            yield places
        except OSError as error:
            raise cannot_write(paths[-1], error) from error
        if group is not None:
            group.waiting |= dict.fromkeys(hidden)
        elif hidden:
            _commit(list(hidden), [target for path, target in zip(paths, targets, strict=True) if path in new])
        is_over = True
    finally:
        if not is_over:
            _remove(hidden.values())


def write_text_atomically(path: Path, text: str) -> None:
    """Write a text file in UTF-8 under a temporary name, and rename it. Raises OutputError."""
    with written_atomically([path]) as (temporary,):
        temporary.write_text(text, encoding="utf-8")


def _commit(paths: Sequence[Path], new: Collection[Path]) -> None:
    try:
        commit(paths, new=new)
    except FileExistsError as error:
        raise already_there(Path(str(error.filename))) from error
    except OSError as error:
        raise cannot_write(paths[-1], error) from error


def _remove(places: Iterable[Path]) -> None:
    for place in places:
        with suppress(OSError):
            place.unlink(missing_ok=True)


def _is_direct(path: Path) -> bool:
    """Whether a path is written under its own name."""
    return is_special(path) or is_unnamed(path)


def is_unnamed(path: Path) -> bool:
    """Whether a path is in a folder that has no name yet."""
    return bool(_UNNAMED) and not _UNNAMED.isdisjoint(path.absolute().parents)


@contextmanager
def unnamed_folder(folder: Path) -> Iterator[None]:
    """Files in the folder are written directly: it gets its name as one."""
    _UNNAMED.add(folder)
    try:
        yield
    finally:
        _UNNAMED.discard(folder)


def already_there(path: Path) -> OutputError:
    """The error of an output that may not be replaced."""
    expected = "no such file, since --no-overwrite"
    return output_error("the output is there already", expected, path, "remove it or name another")


def cannot_write(path: Path, error: OSError) -> OutputError:
    """The error of an output that the system refuses; raises `error` itself where the reader of a pipe has ended."""
    if error.errno == errno.EPIPE:
        raise error
    if isinstance(error, NotPutBackError):
        state = "; its files are half new, half old: the next command that meets them puts the old ones back"
    else:
        state = "" if is_special(path) else "; nothing has changed under the output's name"
    return output_error(
        f"the output cannot be written: {error.strerror or error}", "a place that you may write to, with space left",
        path, f"free space or name another place with -o{state}",
    )  # fmt: skip


def output_error(found: str, expected: str, path: Path, todo: str) -> OutputError:
    """An error about the output at `path`."""
    return OutputError(found, expected=expected, where=str(path), todo=todo)
