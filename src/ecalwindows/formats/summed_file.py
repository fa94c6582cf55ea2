"""A file that is written from its beginning to its end, with its checksum: nothing is read again for its record."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ecalwindows.formats.manifest import FileRecord, file_record


class SummedFile:
    """A new file, whose size and SHA-256 are those of what was written. Nothing stays open after an OSError."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (closed by `close`)
        self._sum, self._n_bytes = hashlib.sha256(), 0

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._file.closed

    def write(self, data: Any) -> None:
        """Write all of `data`, bytes or a contiguous array. Raises OSError."""
        view = memoryview(data).cast("B")
        self._sum.update(view)
        self._n_bytes += len(view)
        try:
            while len(view):
                view = view[self._file.write(view) :]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file. Raises OSError."""
        self._file.close()

    def record(self, base: Path, path: Path) -> FileRecord:
        """Size and checksum of the file, whose name will be `path`, for a manifest of files below `base`."""
        return FileRecord(name=path.relative_to(base).as_posix(), bytes=self._n_bytes, sha256=self._sum.hexdigest())


def file_records(
    paths: Sequence[Path], base: Path, places: Sequence[Path], written: Iterable[SummedFile]
) -> list[FileRecord]:
    """The files of an output below `base` for its manifest. `places` : where they are until they have their names

    Those that are `written`, and finished, are not read again for their checksums.
    """
    known = {file.path: file for file in written}
    return [
        known[place].record(base, path) if place in known else file_record(path, base, place)
        for path, place in zip(paths, places, strict=True)
    ]
