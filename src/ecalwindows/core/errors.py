"""One tree of errors. Each tells what was found, what was expected, where, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EcalWindowsError(Exception):
    """Base of all errors that a user can mend.

    found, expected, where, todo: the four parts, each a phrase without a full stop at its end.
    """

    exit_code = 2

    def __init__(self, found: str, *, expected: str, where: str, todo: str) -> None:
        self.found, self.expected, self.where, self.todo = found, expected, where, todo
        super().__init__(found, expected, where, todo)

    def __str__(self) -> str:
        return f"{self.found}\n  expected: {self.expected}\n  where:    {self.where}\n  next:     {self.todo}"

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return _rebuild, (type(self), self.found, self.expected, self.where, self.todo)


def _rebuild(kind: type[EcalWindowsError], found: str, expected: str, where: str, todo: str) -> EcalWindowsError:
    return kind(found, expected=expected, where=where, todo=todo)


class InputError(EcalWindowsError):
    """A dumper file, or what is said of it, is not as it must be."""


class BadFileError(InputError):
    """One input file cannot be read; `--skip-bad-files` goes on without it."""


class SettingsError(EcalWindowsError):
    """A setting or option has a value that means nothing."""


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


def near(name: str, known: Iterable[str], *, most: int = 5) -> str:
    """The known names, nearest first: for the `expected` part of an error about an unknown name."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names[: MAX_COMPARED[0]], n=most, cutoff=0.5)
    if close:
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


def missing_extra(library: str, extra: str, purpose: str) -> MissingExtraError:
    """The error for an optional library that is not there."""
    return MissingExtraError(
        f"the library '{library}' is not installed",
        expected=f"it, to {purpose}",
        where="this Python environment",
        todo=f'pip install "ecalwindows[{extra}]"',
    )


def broken_extra(library: str, extra: str, purpose: str, error: ImportError) -> MissingExtraError:
    """The error for an optional library that is there, but cannot be imported."""
    return MissingExtraError(
        f"the library '{library}' cannot be imported: {error}",
        expected=f"it, to {purpose}",
        where="this Python environment",
        todo=f'pip install --force-reinstall "ecalwindows[{extra}]", or mend what is named above',
    )
