"""Read tables of matched clusters from any number of files, with complete caloparticles in each part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.core.files.recovery import recover
from ecalwindows.core.urls import refuse_twice
from ecalwindows.dataset.copies import refuse_copies
from ecalwindows.dataset.flat_tables import Columns, flat_rows, read_flat
from ecalwindows.dataset.reading.sources import dataset_record
from ecalwindows.dataset.stated import not_in_record
from ecalwindows.studies.matches.columns import MATCH_COLUMNS

MADE_BY = "ecalwindows truth match"
FORMAT = "matches"
"""Folder of the tables in a finished production."""

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


def match_files(paths: Paths) -> list[Path]:
    """The Parquet files of some paths.

    Parameters
    ----------
    paths : files, or folders of files; of a finished production, the files in its folder `matches`

    Raises
    ------
    InputError : if a path does not exist, a folder has no tables, a file is given twice, or one is missing that the
        record of a dataset names
    """
    given = [paths] if isinstance(paths, str | PathLike) else list(paths)
    files = [file for each in given for file in _files_of(Path(each))]
    refuse_twice(files)
    refuse_copies(files, are_windows=False)
    return files


def _files_of(path: Path) -> list[Path]:
    recover(path)
    if path.is_file() and path.suffix != ".root":
        return [path]
    folder = path / FORMAT if (path / FORMAT).is_dir() else path
    files = sorted(file for file in folder.glob("*.parquet") if file.name[0] not in "._")
    if not files:
        if path.suffix == ".root" or any(path.rglob("*.root")):
            raise InputError(
                "there are ROOT files, and no tables of matched clusters", expected="Parquet files of matched clusters",
                where=str(path), todo=f"make them with `{MADE_BY} DUMP.root -o matches.parquet`",
            )  # fmt: skip
        raise InputError(
            "the folder contains no tables" if path.is_dir() else "there is no such file or folder",
            expected="Parquet files of matched clusters", where=str(path), todo=f"make them with `{MADE_BY}`",
        )  # fmt: skip
    not_in_record(path, files, dataset_record(str(path)))
    return files


def n_matches(paths: Paths) -> int:
    """Number of rows of all tables, from their footers."""
    return sum(flat_rows(file) for file in match_files(paths))


def read_matches(paths: Paths, columns: Sequence[str]) -> Iterator[Columns]:
    """Read columns of all tables in parts of about 100,000 rows.

    Parameters
    ----------
    paths : files, or folders of files
    columns : names of the columns

    Yields
    ------
    Arrays (n_rows,) by name. All rows of a caloparticle are in the same part, the main cluster (`is_seed`) first.

    Raises
    ------
    InputError : if a table does not have a column
    BadFileError : if a file is damaged, if a column has missing values or another type than in `MATCH_COLUMNS`, or if
        the rows of a caloparticle are incomplete
    """
    wanted = list(dict.fromkeys([*columns, "is_seed"]))
    for path in match_files(paths):
        rest: Columns = {}
        for number, piece in enumerate(read_flat(path, wanted, made_by=MADE_BY)):
            _refuse_other_types(piece, path)
            if number == 0 and len(piece["is_seed"]) and not piece["is_seed"][0]:
                raise _bad_table("its first row is no main cluster", "the rows of a caloparticle, each complete", path)
            joined = {name: np.concatenate([rest[name], piece[name]]) for name in wanted} if rest else piece
            starts = np.flatnonzero(joined["is_seed"])
            last = int(starts[-1]) if len(starts) else 0
            rest = {name: values[last:] for name, values in joined.items()}
            if last:
                yield {name: joined[name][:last] for name in columns}
        if rest and len(rest["is_seed"]):
            yield {name: rest[name] for name in columns}


def _refuse_other_types(columns: Columns, path: Path) -> None:
    for name, values in columns.items():
        dtype = MATCH_COLUMNS[name].dtype
        if values.dtype != np.dtype(dtype):
            raise _bad_table(f"its column '{name}' holds {values.dtype}, or values are missing", dtype, path)


def _bad_table(found: str, expected: str, path: Path) -> BadFileError:
    return BadFileError(found, expected=expected, where=str(path), todo=f"make it again with `{MADE_BY}`")
