"""Where the files of a dataset are: the finished layout (formats.md), a flat folder of parts, a single file.

    OUT/README.md  dataset.json  croissant.json  manifests/  run/
    OUT/parquet/[<split>/]part-00000.parquet ...  _metadata  _common_metadata  _type.txt
    OUT/ndjson/[<split>/]part-00000.ndjson.zst  and  part-00000.events.csv
    OUT/tfrecord/[<split>/]calo_matched/calomatch_<part>.proto, no_calo_matched/nocalomatch_<part>.proto

In a flat folder the data are side by side (TFRecord in its two folders) and the rest is below `_ecalwindows/`.
Names that start with a dot or an underscore are never data.
"""

from __future__ import annotations

import re
from pathlib import Path

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.commit import FOLDER
from ecalwindows.core.files.inside import absolute, link_problem
from ecalwindows.core.files.recovery import recover
from ecalwindows.formats.suffixes import (
    FORMATS,
    FOUND,
    MATCHED,
    RECORD,
    UNMATCHED,
    format_of,
    real_file,
    root_file,
)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """For sorting: `part-2` before `part-10`, the same on every machine."""
    return [
        (0, int(word), word) if word.isdecimal() and len(word) < 4000 else (1, 0, word)
        for word in re.split(r"([0-9]+)", name)
    ]


def data_files(path: str | Path, *, linked: list[str] | None = None) -> list[Path]:
    """The data files of a dataset, in order: of a finished one, its format folder, a flat folder, or a file itself.

    In a folder with a record or manifests a data file that is a link, or reached through one, is none of the dataset.
    What a killed run left half done there is repaired first.

    Parameters
    ----------
    path
        Folder or file.
    linked
        Takes a sentence for each file that is a link, which is left out; without it such a file is an error.

    Raises
    ------
    InputError
        Where there are no data, data of several formats side by side, or links.
    """
    path = Path(path)
    recover(path)
    if path.is_file():
        return [real_file(path)]
    if not path.is_dir():
        raise _no_data("there is no such file or folder", path)
    base = next((path / name for name in FORMATS if (path / name).is_dir()), path)
    found = _without_links(path, _data_below(base), linked)
    if not found and linked:
        return []
    formats = sorted({str(format_of(file.name)) for file in found})
    if not found:
        if dumps := min(path.rglob("*.root"), default=None):
            raise root_file(dumps)
        raise _no_data("there are no data in the folder", path)
    if len(formats) > 1:
        raise InputError(
            f"the folder holds {' and '.join(formats)} side by side",
            expected="one format in a folder",
            where=str(path),
            todo="name the files of one format, or `ecalwindows convert` all into one",
        )
    return found


def _data_below(base: Path) -> list[Path]:
    """Data files at any depth, leaving out what lies under names with a dot or underscore."""
    found = (file.relative_to(base).as_posix() for file in base.rglob("*") if format_of(file.name) is not None)
    names = sorted(found, key=natural_key)
    return [base / name for name in names if not re.search(r"(^|/)[._]", name) and (base / name).is_file()]


def _without_links(path: Path, files: list[Path], linked: list[str] | None) -> list[Path]:
    """The files that are no links; all of them in a folder that has neither record nor manifests: there, links are what
    the user has put together.
    """
    if record_path(path) is None and not (path / FOLDER).is_dir():
        return files
    problems = {file: link_problem(path, file.relative_to(path).as_posix()) for file in files}
    wrong = [problem for problem in problems.values() if problem]
    if wrong and linked is None:
        raise InputError(
            f"{wrong[0]}, and may lead out of the dataset", expected="the files of the dataset themselves",
            where=str(path), todo="replace the link by the file, or name the files themselves",
        )  # fmt: skip
    if linked is not None:
        linked += wrong
    return [file for file, problem in problems.items() if not problem]


def record_path(path: str | Path) -> Path | None:
    """The record (dataset.json) that describes a path (a dataset, a folder or a file in it), or None."""
    path = absolute(path)
    for folder in (path, *path.parents[:4]):
        below = path.relative_to(folder).parts
        if not below or (below[0] in FORMATS and (folder / RECORD).is_file()):
            places = [folder / RECORD, folder / FOLDER / RECORD]
        else:
            in_flat = len(below) == 1 or {MATCHED, UNMATCHED} & set(below[:2])
            places = [folder / FOLDER / RECORD] if in_flat else []
        for place in places:
            if place.is_file():
                return place
    return None


def dataset_root(record: Path) -> Path:
    """The folder to which the names of files in a record are relative."""
    return record.parent.parent if record.parent.name == FOLDER else record.parent


def _no_data(found: str, path: Path) -> InputError:
    return InputError(
        found,
        expected=f"a dataset: a folder of, or one of {', '.join('*' + suffix for suffix in FOUND)}",
        where=str(path),
        todo="check the path, or make the data with `ecalwindows windows` or `ecalwindows convert`",
    )
