"""Names of files: as text that can be stored (JSON and YAML cannot hold those that are no UTF-8), and `~` in them;
lists and numbers of things in sentences.
"""

from __future__ import annotations

import os
from collections.abc import Sequence


def is_storable(name: str) -> bool:
    """Whether a name is text: the operating system knows names of any bytes, which Python reads as half characters."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def storable(name: str) -> str:
    """A name as records hold it: bytes that are no UTF-8 as `\\xe9`, so that `dump_\\xe9.root` can be recognised."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """A text in a form that can be printed: line ends and other controls, such as those of terminals, are escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def at_home(text: str) -> str:
    """A path, with `~` and `~name` at its beginning as the home folder. Raises ValueError for an unknown user."""
    path = os.path.expanduser(text) if text.startswith("~") else text
    if path.startswith("~"):
        raise ValueError(
            f"there is no home folder of '{path[1:].partition('/')[0]}'; a path ./~... is one in this folder"
        )
    return path


def some(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are: "a, b and 237 more"."""
    more = len(names) - most
    return ", ".join(map(printable, names[:most])) + (f" and {more:,} more" if more > 0 else "")


def counted(n: int, noun: str) -> str:
    """A number of things: "1 file", "1,200 files", "2 batches"."""
    return f"{n:,} {noun}{'' if n == 1 else 'es' if noun.endswith('ch') else 's'}"
