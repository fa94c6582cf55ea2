"""What records and manifests state of a data file, checked before the file is read.

A file of a dataset must have the size that is stated, and its content is checked too: by the checksum of all its bytes,
or, for Parquet with a checksum of its footer and of its pages, by these, which are checked while it is read. So a file
is read completely for a checksum only where nothing else proves it, and once per process.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ecalwindows.core.errors import BadFileError, InputError, OutputError
from ecalwindows.core.files.file_state import FileState, file_state
from ecalwindows.core.files.inside import absolute
from ecalwindows.core.names import some
from ecalwindows.dataset.layout import dataset_root, record_path
from ecalwindows.dataset.record import DatasetRecord, read_record
from ecalwindows.formats.manifest import Manifest, size_and_sha256
from ecalwindows.formats.parquet.footer import read_proof
from ecalwindows.formats.readers import file_manifest
from ecalwindows.formats.suffixes import format_of

MAX_NAMED = 5

MAX_KNOWN = 1 << 20
"""Files of which it is remembered that they were checked. A dataset has fewer, else all would be checked each time."""


@dataclass(frozen=True)
class Stated:
    """Size [bytes], checksum and number of windows (None: unknown) that a record or manifest (`where`) states."""

    where: Path
    bytes: int
    sha256: str
    windows: int | None = None


def stated_file(path: Path) -> Stated | None:
    """What the record of its dataset, else the manifest of its part, states of a data file; None where nothing does.

    Raises InputError or OutputError for a record or manifest that cannot be read.
    """
    path = absolute(path)
    place = record_path(path)
    found = _of_record(place, file_state(place)).get(path) if place else None
    return found or _of_manifest(path, file_manifest(path))


@lru_cache(maxsize=16)
def _of_record(place: Path, _: FileState | None) -> dict[Path, Stated]:
    """What a record states of its files, by path; read once as long as it is the same file."""
    root, record = dataset_root(place), read_record(place)
    return {root / each.name: Stated(place, each.bytes, each.sha256, each.windows) for each in record.all_files}


def _of_manifest(path: Path, manifest: Manifest | None) -> Stated | None:
    if manifest is None:
        return None
    data = [each for each in manifest.files if format_of(Path(each.name).name)]
    for each in data:
        if path.parts[-len(Path(each.name).parts) :] == Path(each.name).parts:
            return Stated(Path("its manifest"), each.bytes, each.sha256, manifest.rows if len(data) == 1 else None)
    return None


def file_sha256(path: Path) -> str:
    """The checksum of a file as hexadecimal digits; it is read once per process as long as it is the same file."""
    return _sha256(path.absolute(), file_state(path))


@lru_cache(maxsize=MAX_KNOWN)
def _sha256(path: Path, _: FileState | None) -> str:
    return size_and_sha256(path)[1]


def checked_file(path: Path) -> Stated | None:
    """What is stated of a local data file, which is compared with it (`check_stated`), once per process.

    Raises BadFileError where it differs, InputError or OutputError for a record or manifest that cannot be read.
    """
    state, place = file_state(path), record_path(path)
    if state is None:
        return None  # who opens it says why it cannot be read
    return _checked(absolute(path), state, file_state(place) if place else None)


@lru_cache(maxsize=MAX_KNOWN)
def _checked(path: Path, *_: FileState | None) -> Stated | None:
    stated = stated_file(path)
    check_stated(path, stated)
    return stated


def check_stated(path: Path, stated: Stated | None, *, completely: bool = False) -> None:
    """Check that a local data file is what is stated of it, before it is read.

    Parameters
    ----------
    path
        The data file.
    stated
        What `stated_file` gives; None: nothing is checked.
    completely
        Whether the checksum of all bytes is compared also for Parquet that has a checksum of its footer.

    Raises
    ------
    BadFileError
        For a file of another size or content.
    """
    if stated is None:
        return
    try:
        check_size(path, stated)
        if (completely or not _proves_itself(path)) and file_sha256(path) != stated.sha256:
            raise _differs(path, f"it has other content than {stated.where.name} says (checksum)")
    except OSError as error:
        raise BadFileError(
            f"the file cannot be read: {error.strerror or error}", expected="a file that you may read", where=str(path),
            todo="check the path and its permissions",
        ) from error  # fmt: skip


def check_size(path: Path, stated: Stated | None) -> None:
    """Raise BadFileError for a file of another size than is stated; OSError where there is none."""
    if stated is not None and (size := path.stat().st_size) != stated.bytes:
        raise _differs(path, f"it has {size:,} bytes, {stated.where.name} says {stated.bytes:,}")


def is_safe_to_read(path: Path) -> bool:
    """Whether Arrow may read a file: not Parquet that is not what is stated, and has no checksum of its footer.

    A damaged footer can end the process inside Arrow. Raises BadFileError for a footer that is not what its checksum is
    of.
    """
    if not path.name.endswith(".parquet") or _proves_itself(path):
        return True
    try:
        check_stated(path, stated_file(path))
    except BadFileError:
        return False
    except (InputError, OutputError):
        pass
    return True


def _proves_itself(path: Path) -> bool:
    """Whether a file has checksums of its footer and pages: Parquet written by ecalwindows."""
    if not path.name.endswith(".parquet"):
        return False
    with path.open("rb") as file:
        return read_proof(file, path.stat().st_size, path) is not None


def check_windows(path: str, windows: int, stated: Stated | None) -> None:
    """Raise BadFileError when a file that was read to its end has another number of windows than is stated."""
    if stated is not None and stated.windows is not None and windows != stated.windows:
        raise _differs(Path(path), f"it has {windows:,} windows, {stated.where.name} says {stated.windows:,}")


def not_in_record(path: Path, files: Iterable[Path], record: DatasetRecord | None) -> list[str]:
    """Compare the data files of a dataset with those that its record names.

    Parameters
    ----------
    path
        A finished dataset, or the folder of a format in it; of anything else nothing is compared.
    files
        The data files found there.
    record
        Its record, None without.

    Returns
    -------
    list of str
        Names of data files that the record does not name.

    Raises
    ------
    InputError
        For files that the record names and that are missing.
    """
    place = record_path(path)
    if record is None or place is None or path.is_file():
        return []
    root, folder, here = dataset_root(place), absolute(path), {absolute(file) for file in files}
    formats = {format_of(file.name) for file in here}
    all_named = {root / each.name for each in record.all_files if format_of(Path(each.name).name) in formats}
    named = {name for name in all_named if name.is_relative_to(folder)}
    if missing := sorted(str(name.relative_to(root)) for name in named - here):
        raise InputError(
            f"missing, but in the record: {some(missing, MAX_NAMED)}",
            expected=f"all {len(named):,} data files that the record names there", where=str(path),
            todo="copy the dataset again, or finalize its parts again",
        )  # fmt: skip
    return sorted(str(name.relative_to(root)) for name in here - named)


def _differs(path: Path, found: str) -> BadFileError:
    return BadFileError(
        found, expected="the file that was written", where=str(path),
        todo="copy or make it again; `ecalwindows validate` names the damaged files of a dataset",
    )  # fmt: skip
