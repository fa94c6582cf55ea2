"""Names of files and folders, and the format that each of them means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ecalwindows.core.errors import InputError

if TYPE_CHECKING:
    from ecalwindows.formats.manifest import Format
    from ecalwindows.formats.ndjson.text_file import Compression


@dataclass(frozen=True)
class Suffix:
    """What the suffix of a name means.

    Attributes
    ----------
    format
        The format of the file.
    used
        "written": the format of an output may be chosen by it. "found": data files of folders have it, too.
        "named": only a file that is named itself is read.
    compression
        That of text.
    """

    format: Format
    used: Literal["written", "found", "named"]
    compression: Compression = "none"


SUFFIXES: dict[str, Suffix] = {
    ".parquet": Suffix("parquet", "written"),
    ".ndjson": Suffix("ndjson", "written"),
    ".ndjson.gz": Suffix("ndjson", "written", "gz"),
    ".ndjson.zst": Suffix("ndjson", "written", "zst"),
    ".ndjson.tar.gz": Suffix("ndjson", "written", "tar.gz"),
    ".ndjson.tgz": Suffix("ndjson", "found"),
    ".ndjson.tar": Suffix("ndjson", "found"),
    ".proto": Suffix("tfrecord", "found"),
    ".tfrecord": Suffix("tfrecord", "named"),
    **dict.fromkeys((".tar", ".tar.gz", ".tgz", ".tar.zst"), Suffix("ndjson", "named")),
}
"""Suffixes of the names of data files: the only list of them."""

WRITTEN = [suffix for suffix, meaning in SUFFIXES.items() if meaning.used == "written"]
FOUND = [suffix for suffix, meaning in SUFFIXES.items() if meaning.used != "named"]
PART_SUFFIXES: dict[str, str] = {
    "parquet": ".parquet", "ndjson": ".ndjson.zst", "tfrecord": ".proto", "matches": ".parquet",
}  # fmt: skip
"""Suffix of the parts of a dataset, by format."""

FORMATS: tuple[Format, ...] = ("parquet", "ndjson", "tfrecord", "matches")
"""Folders of the finished layout; the first that exists is read. `matches` contains tables of matched clusters."""

WINDOW_FORMATS = FORMATS[:3]
"""Formats of windows."""

EVENTS_SUFFIX = ".events.csv"
MATCHED, UNMATCHED = "calo_matched", "no_calo_matched"
RECORD = "dataset.json"
REPORT = "report.html"


def suffix_of(name: str) -> str:
    """The suffix of the name of a data file: the longest known one; empty without."""
    return max((suffix for suffix in SUFFIXES if name.endswith(suffix)), key=len, default="")


def format_of(name: str) -> Format | None:
    """The format by the name of a file of a folder, None if it is not a data file."""
    suffix = suffix_of(name)
    return SUFFIXES[suffix].format if suffix in FOUND and not name.startswith((".", "_")) else None


def kind_of(path: str | PathLike[str]) -> Format:
    """The format of a file that is named itself; NDJSON for a tar archive. Raises InputError for other names."""
    name = fspath(path)
    if suffix := suffix_of(name):
        return SUFFIXES[suffix].format
    if name.endswith(".root"):
        raise root_file(name)
    raise InputError(
        f"'{Path(name).name}' is not the name of a file of windows",
        expected=f"a name that ends in {', '.join((*WRITTEN, PART_SUFFIXES['tfrecord']))}",
        where=name,
        todo="name data files, or a folder of them",
    )


def is_archive(name: str) -> bool:
    """Whether the name is that of a tar archive."""
    return name.endswith((".tar", ".tar.gz", ".tgz", ".tar.zst"))


def root_file(path: str | PathLike[str]) -> InputError:
    """The error of a ROOT file where windows are wanted."""
    return InputError(
        "this is a ROOT file: events of RecoSimDumper (or of `ecalwindows simulate`), from which windows are made",
        expected=f"a dataset of windows: *{', *'.join(FOUND)}, or a folder of these",
        where=fspath(path),
        todo="make windows of it with `ecalwindows windows DUMP.root -o windows.parquet` and name these; "
        "`ecalwindows show DUMP.root` draws one event",
    )


def stem_of(name: str) -> str:
    """The name of a data file, or of a table of events, without its suffix."""
    suffix = EVENTS_SUFFIX if name.endswith(EVENTS_SUFFIX) else suffix_of(name)
    return name.removesuffix(suffix) if suffix in (*FOUND, EVENTS_SUFFIX) else name


def real_file(path: Path) -> Path:
    """What a link leads to, if its name is that of a data file of the same format; else the path itself.

    Manifest and table of events are beside the file itself, so that it is a complete dataset under its own name.
    """
    if not path.is_symlink():
        return path
    real = Path(os.path.realpath(path))
    return real if format_of(real.name) == format_of(path.name) is not None else path
