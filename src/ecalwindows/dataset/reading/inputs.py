"""The data files that a user means: files, all of a folder or of a finished dataset, the matches of a glob."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

from ecalwindows.core.errors import InputError
from ecalwindows.core.urls import refuse_twice
from ecalwindows.dataset.layout import data_files, natural_key
from ecalwindows.dataset.reading.sources import dataset_files, dataset_record, files_of_record
from ecalwindows.formats.suffixes import kind_of


def input_files(inputs: Any) -> list[Path]:
    """The data files meant: a file, those of a folder or finished dataset, a glob's matches in natural order.

    A warning says which files the record of a dataset does not name. Raises InputError for what does not exist, has no
    known format, or is given twice, and for files that a record names and that are missing.
    """
    given = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    files = [file for each in given for file in _files_of(os.fspath(each))]
    if not files:
        raise InputError("no input", expected="at least one file, folder or glob", where="the inputs", todo="name one")
    for file in files:
        kind_of(file)
    refuse_twice(files)
    return files


def _files_of(given: str) -> list[Path]:
    if os.path.isdir(given):
        return [Path(file.path) for file in files_of_record(given, dataset_files(given), dataset_record(given))]
    if os.path.exists(given) or not set(given) & set("*?["):
        return data_files(given)
    found = sorted((path for path in glob.glob(given, recursive=True) if not os.path.isdir(path)), key=natural_key)
    if not found:
        raise InputError(
            "no input matched",
            expected="a glob that matches files (** for any depth)",
            where=given,
            todo="check the path (relative to the current folder)",
        )
    return [Path(path) for path in found]
