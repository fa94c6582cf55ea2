"""Names of files and folders, and the format that each of them means."""

from __future__ import annotations

import os
from os import PathLike, fspath
from pathlib import Path

from ecalwindows.core.errors import InputError

SUFFIXES = {
    ".parquet": "parquet",
    ".ndjson": "ndjson",
    ".ndjson.gz": "ndjson",
    ".ndjson.zst": "ndjson",
    ".ndjson.tar.gz": "ndjson",
    ".ndjson.tgz": "ndjson",
    ".ndjson.tar": "ndjson",
    ".proto": "tfrecord",
}
"""Suffixes of the names of data files, and their format."""

FORMATS = ("parquet", "ndjson", "tfrecord", "matches")
"""Folders of the finished layout; the first that exists is read. `matches` contains tables of matched clusters."""

EVENTS_SUFFIX = ".events.csv"
MATCHED, UNMATCHED = "calo_matched", "no_calo_matched"
RECORD = "dataset.json"


def format_of(name: str) -> str | None:
    """The format by the name of a file, None if it is not a data file."""
    if name.startswith((".", "_")):
        return None
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def root_file(path: str | PathLike[str]) -> InputError:
    """The error of a ROOT file where windows are wanted."""
    return InputError(
        "this is a ROOT file: events of RecoSimDumper (or of `ecalwindows simulate`), from which windows are made",
        expected=f"a dataset of windows: *{', *'.join(SUFFIXES)}, or a folder of these",
        where=fspath(path),
        todo="make windows of it with `ecalwindows windows DUMP.root -o windows.parquet` and name these; "
        "`ecalwindows show DUMP.root` draws one event",
    )


def stem_of(name: str) -> str:
    """The name of a data file without its suffix: the longest known one."""
    suffix = max((end for end in (*SUFFIXES, EVENTS_SUFFIX) if name.endswith(end)), key=len, default="")
    return name.removesuffix(suffix)


def real_file(path: Path) -> Path:
    """What a link leads to, if its name is that of a data file of the same format; else the path itself.

    Manifest and table of events are beside the file itself, so that it is a complete dataset under its own name.
    """
    if not path.is_symlink():
        return path
    real = Path(os.path.realpath(path))
    return real if format_of(real.name) == format_of(path.name) is not None else path
