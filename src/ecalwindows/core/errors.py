"""One tree of errors. Each states what was found, what was expected, where, and what to do next."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial

SHORT = {"-o": "output", "-j": "jobs", "-w": "weights"}
"""Arguments that short options in errors stand for."""

OPTION = re.compile(r"(?<![^\s(|])(?:-[ojw]|--([a-z]+(?:-[a-z]+)*))\b")
"""An option in an error."""

OTHER_WAY = re.compile(r"[;,] or [^;,`]*")
"""Another way out, in what a user can do next."""


class EcalWindowsError(Exception):
    """Base of all errors that a user can correct.

    found, expected, where, todo: the four parts, each a phrase without a full stop at its end.
    """

    exit_code = 2

    def __init__(self, found: str, *, expected: str, where: str, todo: str) -> None:
        self.found, self.expected, self.where, self.todo = found, expected, where, todo
        super().__init__(found, expected, where, todo)

    def __str__(self) -> str:
        """The four parts as a caller in Python needs them: with names of arguments in place of options."""
        where = _in_python(self.where) if self.where.startswith("-") else self.where
        return _four_lines(_in_python(self.found), _in_python(self.expected), where, _in_python(self.todo))

    @property
    def command_line_text(self) -> str:
        """The four parts as a user of the command line needs them: with options."""
        return _four_lines(self.found, self.expected, self.where, self.todo)

    def text_for(self, options: Collection[str]) -> str:
        """The four parts for a command with these options: another way out by an option that it lacks is left out."""
        todo = OTHER_WAY.sub(lambda way: "" if _names_other(way[0], options) else way[0], self.todo)
        return _four_lines(self.found, self.expected, self.where, todo)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return partial(type(self), expected=self.expected, where=self.where, todo=self.todo), (self.found,)


def _four_lines(found: str, expected: str, where: str, todo: str) -> str:
    return f"{found}\n  expected: {expected}\n  where:    {where}\n  next:     {todo}"


def _names_other(text: str, options: Collection[str]) -> bool:
    """Whether a text names an option that is none of these."""
    return any(option[0] not in options for option in OPTION.finditer(text))


def _in_python(text: str) -> str:
    """The text with arguments in place of options: `skip_bad_files` for --skip-bad-files.

    Commands in backticks remain as they are: they are for a shell.
    """
    pieces = re.split("(`[^`]*`)", text)
    pieces[::2] = [
        OPTION.sub(lambda option: SHORT.get(option[0]) or option[1].replace("-", "_"), piece) for piece in pieces[::2]
    ]
    return "".join(pieces)


class InputError(EcalWindowsError):
    """A dumper file, or what is recorded about it, is not as required."""


class BadFileError(InputError):
    """One input file cannot be read; `--skip-bad-files` continues without it."""


class SettingsError(EcalWindowsError):
    """A setting or option has a value without a meaning."""


class UnknownColumnError(SettingsError, KeyError):
    """There is no column of this name."""


class WorkingPointError(EcalWindowsError):
    """A file of working points cannot be used."""


class OutputError(EcalWindowsError):
    """An output cannot be written."""


class MissingExtraError(EcalWindowsError):
    """An optional library is not installed."""


MAX_LISTED = 20
"""Names that a message lists in full."""

MAX_COMPARED = 5000, 100
"""Names that are compared, and characters of each: comparing takes time."""


def near(name: str, known: Iterable[str]) -> str:
    """The known names, nearest first: for the `expected` part of an error about an unknown name."""
    names = sorted(set(known))
    if close := difflib.get_close_matches(name, names[: MAX_COMPARED[0]], n=5, cutoff=0.5):
        return "one of the known names; nearest: " + ", ".join(close)
    return "one of: " + listed(name, names)


def listed(name: str, known: Iterable[str], *, most: int = MAX_LISTED) -> str:
    """The known names in a message: all of them in order, or of many names some, those nearest to `name` first.

    Parameters
    ----------
    name : the name that was looked for
    known : names that there are
    most : names that are listed

    Returns
    -------
    "nothing" without names, else for example "a, b, c and 237 more"
    """
    names = sorted(set(known))
    if len(names) <= most:
        return ", ".join(names) or "nothing"
    compared = names[: MAX_COMPARED[0]]
    compared.sort(key=lambda each: -difflib.SequenceMatcher(None, name, each[: MAX_COMPARED[1]]).ratio())
    return ", ".join(compared[:most]) + f" and {len(names) - most:,} more"


@contextmanager
def needs_extra(library: str, extra: str, purpose: str) -> Iterator[None]:
    """Raise MissingExtraError where the library that is imported in the block is not installed."""
    try:
        yield
    except ImportError:
        raise missing_extra(library, extra, purpose) from None


def missing_extra(library: str, extra: str, purpose: str) -> MissingExtraError:
    """The error for an optional library that is not installed."""
    return _extra_error(f"the library '{library}' is not installed", purpose, f'pip install "ecalwindows[{extra}]"')


def broken_extra(library: str, extra: str, purpose: str, error: ImportError) -> MissingExtraError:
    """The error for an optional library that is installed, but cannot be imported."""
    todo = f'pip install --force-reinstall "ecalwindows[{extra}]", or correct what is named above'
    return _extra_error(f"the library '{library}' cannot be imported: {error}", purpose, todo)


def _extra_error(found: str, purpose: str, todo: str) -> MissingExtraError:
    return MissingExtraError(found, expected=f"it, to {purpose}", where="this Python environment", todo=todo)


def unknown_column(name: str, known: Iterable[str], where: str, what: str = "column") -> UnknownColumnError:
    """The error for a column that there is not."""
    return UnknownColumnError(
        f"there is no {what} '{name}'", expected=near(name, known), where=where, todo="correct the name"
    )


REMAKE = "make the dataset with the default features definition, as Parquet or NDJSON (TFRecord has fewer columns)"


def refuse_missing(
    wanted: Iterable[str], held: Iterable[str], where: str, *, found: str = "the data have no {}", expected: str = "",
    todo: str = REMAKE, kind: type[EcalWindowsError] = InputError,
) -> None:  # fmt: skip
    """Raise an error that names, in place of {} in `found`, the columns that are wanted and not held."""
    held = {*held}
    if missing := sorted({*wanted} - held):
        raise kind(
            found.format(", ".join(missing)), expected=expected or near(missing[0], held), where=where, todo=todo
        )


def no_windows(where: str) -> InputError:
    """The error for datasets without windows."""
    return InputError("there are no windows", expected="at least one window", where=where, todo="name another dataset")


def one_line(error: object) -> str:
    """What an error of a library says, in one line of 300 characters at most; its kind where it says nothing."""
    return " ".join(str(error).split())[:300] or type(error).__name__
