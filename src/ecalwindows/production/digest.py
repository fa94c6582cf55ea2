"""One hash of what a dataset is: data files, indices, tables of events and dataset.json; not who made it, and when."""

from __future__ import annotations

from pathlib import Path

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.inside import absolute
from ecalwindows.core.files.recovery import recover
from ecalwindows.dataset.layout import dataset_root, record_path
from ecalwindows.dataset.record import digest_of, record_checksum
from ecalwindows.formats.manifest import FOLDER, file_record
from ecalwindows.formats.suffixes import FORMATS


def dataset_digest(folder: str | Path) -> str:
    """The hash of a finished dataset. Raises InputError where there is none."""
    folder = absolute(folder)
    recover(folder)
    record = record_path(folder) if folder.is_dir() else None
    below = [folder / name for name in FORMATS if (folder / name).is_dir()]
    if record is None:
        raise InputError(
            "there is no finished dataset", expected="a folder with dataset.json", where=str(folder),
            todo="finish it with `ecalwindows production resume` or `ecalwindows finalize`",
        )  # fmt: skip
    if (root := dataset_root(record)) != folder:
        raise InputError(
            "it is only a part of a finished dataset", expected="a folder with dataset.json", where=str(folder),
            todo=f"give the dataset: {root}",
        )  # fmt: skip
    flat = record.parent.name == FOLDER
    found = [path for place in ([folder] if flat else below) for path in place.rglob("*") if path.is_file()]
    names = {path.relative_to(folder) for path in found}
    sums = {name.as_posix(): file_record(folder / name, folder).sha256 for name in names if FOLDER not in name.parts}
    return digest_of(sums | {record.relative_to(folder).as_posix(): record_checksum(record)})
