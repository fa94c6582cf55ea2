"""The hash of a dataset as its record states it, without reading the data; see `production/digest.py`."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

from ecalwindows.dataset.record import read_record
from ecalwindows.formats.manifest import FOLDER, size_and_sha256
from ecalwindows.formats.suffixes import FORMATS, RECORD, REPORT


def record_checksum(path: Path) -> str:
    """The checksum of a record, as it is without the page of a report: with and without one a dataset is the same."""
    record = read_record(path)
    pages = [page for page in record.pages if PurePosixPath(page.name).name != REPORT]
    if pages == record.pages:
        return size_and_sha256(path)[1]
    return hashlib.sha256(record.model_copy(update={"pages": pages}).text().encode()).hexdigest()


def digest_of(checksums: dict[str, str]) -> str:
    """One hash of files, by their names relative to the dataset and their checksums."""
    lines = [f"{checksums[name]}  {name}\n" for name in sorted(checksums, key=PurePosixPath)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def recorded_digest(path: Path) -> str:
    """What `ecalwindows production digest` prints of a dataset whose files are as its record (at `path`) states."""
    record, is_flat = read_record(path), path.parent.name == FOLDER
    found = {PurePosixPath(each.name).parts: each for each in (*record.all_files, *record.beside)}
    wanted = {
        each.name: each.sha256
        for parts, each in found.items()
        if (FOLDER not in parts if is_flat else parts[0] in FORMATS)
    }
    return digest_of(wanted | {f"{FOLDER}/{RECORD}" if is_flat else RECORD: record_checksum(path)})
