"""Members of a tar archive, read as a stream: regular files only, with bounded memory, and nothing is written.

`tarfile` reads headers of any size into memory and takes an archive that is cut between two members for a complete one;
here both are errors.
"""

from __future__ import annotations

from collections.abc import Iterator

BLOCK = 512
MAX_DIGITS = 19
"""Maximum number of digits of a number in a header: as many as a file size can have."""

LONGEST_HEADER = 1 << 20
"""Bytes of extended headers (long names, PAX records) that are read; more is an error."""

REGULAR = (b"0", b"\0", b"7")
WITHOUT_DATA = {b"1": "hard link", b"2": "symbolic link", b"3": "device", b"4": "device", b"5": "folder", b"6": "pipe"}
PAX = (b"x", b"X")
OTHER_HEADERS = (b"g", b"L", b"K")


class Stream:
    """Exact reads from pieces of bytes; raises `error` where they end early."""

    def __init__(self, pieces: Iterator[bytes], error: type[Exception]) -> None:
        self._pieces, self._piece, self._error = pieces, memoryview(b""), error

    def some(self, most: int) -> bytes:
        """At least one byte and at most `most`; none at the end."""
        while not len(self._piece):
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._piece = memoryview(piece)
        head, self._piece = self._piece[:most], self._piece[most:]
        return bytes(head)

    def exactly(self, size: int) -> Iterator[bytes]:
        """Pieces of `size` bytes in all."""
        while size:
            piece = self.some(size)
            if not piece:
                raise self._error("the tar archive is cut")
            size -= len(piece)
            yield piece

    def header(self) -> bytes:
        """The next block."""
        return b"".join(self.exactly(BLOCK))

    def skip(self, size: int) -> None:
        """Skip bytes."""
        for _ in self.exactly(size):
            pass

    def finish(self) -> None:
        """Read to the end, so that what follows (checksums of the compression) is checked too."""
        while self.some(1 << 20):
            pass


def members(
    pieces: Iterator[bytes], skipped: list[str], error: type[Exception]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and content of each regular file. Names are only for reports: do not open or write files by them.

    skipped : gets a phrase for each member of another kind
    Raises `error` for an archive that is cut or damaged, or has no regular file.
    """
    stream, found, pax_size = Stream(pieces, error), False, None
    while (header := stream.header()).strip(b"\0"):
        check_sum(header, error)
        kind, size = header[156:157], number(header[124:136], error)
        if kind in PAX:
            pax_size = stated_size(stream, size, error)
        elif kind in OTHER_HEADERS:
            stream.skip(size)
        else:
            size, pax_size = size if pax_size is None else pax_size, None
            name = repr(header[:100].partition(b"\0")[0].decode("utf-8", "replace"))
            if kind == b"S":
                raise error(f"the archive holds a sparse file, {name}")
            if kind in REGULAR:
                found = True
                content = stream.exactly(size)
                yield name, content
                for _ in content:  # what nobody read
                    pass
            else:
                skipped.append(f"{WITHOUT_DATA.get(kind, 'member of unknown kind')} {name}")
                size = 0 if kind in WITHOUT_DATA else size
                stream.skip(size)
        stream.skip(-size % BLOCK)
    stream.finish()
    if not found:
        raise error("the archive holds no file")


def stated_size(stream: Stream, size: int, error: type[Exception]) -> int | None:
    """The size of the next member, where the PAX header that comes next gives it."""
    if size > LONGEST_HEADER:
        raise error(f"the archive has a header of {size:,} bytes")
    content, stated = b"".join(stream.exactly(size)), None
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit() or len(length) > MAX_DIGITS or not len(length) + 2 < int(length) <= len(content):
            raise error("the tar archive is damaged: a header has no meaning")
        key, _, value = content[len(length) + 1 : int(length) - 1].partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise error("the archive holds a sparse file")
        if key == b"size" and len(value) > MAX_DIGITS:
            raise error("the tar archive is damaged: a size has too many digits")
        if key == b"size" and value.isdigit():
            stated = int(value)
        content = content[int(length) :]
    return stated


def number(field: bytes, error: type[Exception]) -> int:
    """A number of a header: octal digits, or binary after a high bit."""
    if field[0] in (0x80, 0xFF):
        value = int.from_bytes(field[1:], "big")
    else:
        text = field.replace(b"\0", b" ").strip() or b"0"
        value = int(text, 8) if text.isdigit() and not set(text) & set(b"89") else -1
    if value < 0 or field[0] == 0xFF:
        raise error("the tar archive is damaged: a header has no meaning")
    return value


def check_sum(header: bytes, error: type[Exception]) -> None:
    """Raise `error` unless the header's sum is right (some old programs took the bytes as signed)."""
    stated = number(header[148:156], error)
    blank = header[:148] + b" " * 8 + header[156:]
    if stated not in (sum(blank), sum(byte - 256 * (byte > 127) for byte in blank)):
        raise error("the tar archive is damaged: the sum of a header is wrong")
