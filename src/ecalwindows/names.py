"""Names of files as text that can be stored: those that are no UTF-8 hold what JSON and YAML cannot."""

from __future__ import annotations


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
