"""Text files in chunks of complete lines: plain, gzip, zstd, and members of tar archives; streams with bounded memory.

Nothing is written, and names in archives are used only in reports.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from typing import IO

import zstandard

from ecalwindows.core.errors import BadFileError
from ecalwindows.formats.ndjson.tar_stream import members
from ecalwindows.formats.suffixes import is_archive

RAW_PIECE = 1 << 16
PIECE = 1 << 20
"""Maximum number of bytes that decompression gives at a time."""

ZSTD_FEED = 1 << 10
"""Bytes that zstd gets at a time: three can become 128 KiB, so this limits the output to about 40 MB."""

CHUNK = 1 << 22
"""Approximate size of a chunk of complete lines in bytes."""

OTHER_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}  # fmt: skip
"""How a text begins that is not UTF-8; the longer marks first, since one of them begins as another does."""

LONGEST_MARK = 4


@dataclass(frozen=True)
class Limits:
    """Maximum size of a text: of a line [MB], and of all text of a file without compression [GB]."""

    max_line_mb: float = 16.0
    max_decompressed_gb: float = 100.0


@dataclass(frozen=True)
class Chunk:
    """Complete lines, each with its newline; `is_first` of a file or member; `has_end` when the text ends in a newline.

    Where it does not (only the last line of a file or member), one was added.
    """

    text: bytes
    member: str
    is_first: bool
    has_end: bool = True


class StreamError(Exception):
    """The stream is cut or damaged; what came before it counts."""


def text_chunks(path: str | PathLike[str], limits: Limits, skipped: list[str]) -> Iterator[Chunk]:
    """The lines of a file, in chunks; its name decides which kind of file it is.

    skipped : gets the names of members of an archive that are not regular files
    Raises BadFileError for a file that cannot be read, is cut, damaged or beyond the limits, after all complete lines
    before that place.
    """
    name = fspath(path)
    try:
        with open(name, "rb") as file:
            pieces = within(decompressed(file, name), limits)
            if is_archive(name):
                for member, content in members(pieces, skipped, StreamError):
                    yield from line_chunks(without_mark(content), limits, member)
            else:
                yield from line_chunks(without_mark(pieces), limits, "")
    except StreamError as error:
        raise bad_text(str(error), name) from error
    except OSError as error:
        raise bad_text(f"the file cannot be read: {error.strerror or error}", name) from error


def bad_text(found: str, where: str) -> BadFileError:
    """The error for a file that is not as expected."""
    return BadFileError(
        found,
        expected="a complete text file, one window per line (.ndjson; .gz, .zst, .tar.gz)",
        where=where,
        todo="copy or make it again, or keep its complete lines with --skip-bad-files",
    )


def decompressed(file: IO[bytes], name: str) -> Iterator[bytes]:
    """The text of an open file in pieces; its name says how it is compressed. Raises StreamError."""
    raw = iter(lambda: file.read(RAW_PIECE), b"")
    if name.endswith((".gz", ".tgz")):
        return gunzipped(raw)
    if name.endswith(".zst"):
        return unzstd(raw)
    return raw


def gunzipped(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip, of one or more members, with zeros after them; raises StreamError."""
    decoder, begun = None, False
    try:
        for piece in raw:
            while piece:
                if decoder is None:
                    piece = piece.lstrip(b"\0") if begun else piece
                    decoder, begun = zlib.decompressobj(16 + zlib.MAX_WBITS) if piece else None, True
                    continue
                yield decoder.decompress(piece, PIECE)
                piece = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
                decoder = None if decoder.eof else decoder
        while decoder is not None and (rest := decoder.decompress(b"", PIECE)):
            yield rest
    except zlib.error as error:
        raise StreamError(f"the gzip stream is damaged: {error}") from error
    if not begun or (decoder is not None and not decoder.eof):
        raise StreamError("the gzip stream is cut")


def unzstd(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress zstd, of one or more frames; raises StreamError."""
    decoder, begun = None, False
    try:
        for large in raw:
            for first in range(0, len(large), ZSTD_FEED):
                piece = large[first : first + ZSTD_FEED]
                while piece:
                    decoder, begun = decoder or zstandard.ZstdDecompressor().decompressobj(), True
                    yield decoder.decompress(piece)
                    piece = decoder.unused_data if decoder.eof else b""
                    decoder = None if decoder.eof else decoder
    except zstandard.ZstdError as error:
        raise StreamError(f"the zstd stream is damaged: {error}") from error
    if not begun or decoder is not None:
        raise StreamError("the zstd stream is cut")


def within(pieces: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    """The pieces, as long as all together keep to the limit; raises StreamError beyond."""
    total, most = 0, limits.max_decompressed_gb * 1e9
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise StreamError(f"its text has more than {limits.max_decompressed_gb:g} GB (--max-decompressed-gb)")
        yield piece


def without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces of a text without its byte order mark; raises StreamError for UTF-16 and UTF-32."""
    pieces, head = iter(pieces), b""
    while len(head) < LONGEST_MARK and (piece := next(pieces, None)) is not None:
        head += piece
    if encoding := _other_encoding(head[:LONGEST_MARK]):
        raise StreamError(f"the text is {encoding}, not UTF-8 (make it UTF-8 with `iconv -f {encoding} -t UTF-8`)")
    if head.startswith(b"\0"):
        raise StreamError("the file begins with zero bytes, and not with text")
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from pieces


def _other_encoding(head: bytes) -> str | None:
    """The encoding of a text that is not UTF-8, from its mark or from where its first characters have zero bytes."""
    for mark, name in OTHER_MARKS.items():
        if head.startswith(mark):
            return name
    zeros = tuple(byte == 0 for byte in head)
    if zeros in ((False, True, True, True), (True, True, True, False)):
        return "UTF-32"
    return "UTF-16" if zeros[:2] in ((False, True), (True, False)) and any(head) else None


def line_chunks(pieces: Iterable[bytes], limits: Limits, member: str) -> Iterator[Chunk]:
    """Chunks of complete lines of a text; complete lines before an error come first. Raises StreamError."""
    waiting, searched, is_first = bytearray(), 0, True
    longest = limits.max_line_mb * 1e6
    size = min(CHUNK, longest)
    error = None
    try:
        for piece in pieces:
            waiting += piece
            if len(waiting) < size:
                continue
            end = waiting.rfind(b"\n", searched) + 1
            if end:
                yield Chunk(bytes(memoryview(waiting)[:end]), member, is_first)
                del waiting[:end]
                is_first = False
            searched = len(waiting)
            if searched > longest:
                raise StreamError(f"a line has more than {limits.max_line_mb:g} MB (--max-line-mb)")
    except StreamError as caught:
        error = caught
        del waiting[waiting.rfind(b"\n") + 1 :]
    if waiting:
        has_end = waiting.endswith(b"\n")
        yield Chunk(bytes(waiting) + (b"" if has_end else b"\n"), member, is_first, has_end)
    if error:
        raise error
