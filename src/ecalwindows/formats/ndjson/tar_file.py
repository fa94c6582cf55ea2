"""`.ndjson.tar.gz` as in CMS productions: a compressed archive of one text file, with the same bytes each time."""

from __future__ import annotations

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ecalwindows.core.arrays import Bytes
from ecalwindows.formats.ndjson.text_file import PIECE, TextFile, encoder

MEMBER = "output.ndjson"
"""Name of the text in the archive, as CMS's productions have it."""


class TarFile(TextFile):
    """A text file that becomes an archive when it is closed: its header contains the length of the text.

    Until then the text is in a temporary file without a name.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._text = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 (closed by `close` and `discard`)

    def write(self, text: Bytes | bytes) -> None:
        """Write all of `text`, bytes or uint8 (n_bytes,). Raises OSError; ValueError when the file is closed."""
        self._text.write(text)  # type: ignore[arg-type]  # both are buffers

    def close(self) -> None:
        """Write the archive and close; a second call does nothing. Raises OSError (disk full)."""
        if self._text.closed:
            return
        with self._text:
            compressor = encoder("gz")
            for piece in _archive(self._text):
                self._put(compressor.compress(piece))
            self._put(compressor.flush())
        super().close()

    def discard(self) -> None:
        """Close without writing: the file is empty."""
        self._text.close()
        super().discard()


def _archive(text: IO[bytes]) -> Iterator[bytes]:
    """The archive in pieces, of the same length each: without time, owner and name of the file."""
    member = tarfile.TarInfo(MEMBER)
    member.size = size = text.tell()
    text.seek(0)
    yield member.tobuf(tarfile.GNU_FORMAT)
    while piece := text.read(PIECE):
        yield piece
    padding = -size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE
    yield bytes(padding)
    yield bytes(-(tarfile.BLOCKSIZE + size + padding) % tarfile.RECORDSIZE)
