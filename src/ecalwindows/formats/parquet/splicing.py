"""Row groups that were encoded side by side become one file, with the bytes that one writer would give it.

Each row group comes as a small Parquet file of its own. Its column chunks are copied as they are, since a page does not
say where it is. Its footer does: in the compact protocol of Thrift, where numbers have as many bytes as they need. Only
places in the file, the ordinal of the row group and the number of rows change; all else is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.core.errors import OutputError
from ecalwindows.formats.parquet.footer import MAGIC

BOOLEANS, BYTE, INTEGERS, DOUBLE, BINARY, LIST, STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, 9, 12
"""Types of the compact protocol; maps and sets are not in footers."""

N_ROWS, ROW_GROUPS = 3, 4
"""Fields of the footer."""

SIZE, ORDINAL = 6, 7
"""Fields of a row group: total_compressed_size and ordinal."""

PLACE: Mapping[int, Any] = {}
CHANGING: Mapping[int, Any] = {1: {2: PLACE, 3: {9: PLACE, 10: PLACE, 11: PLACE}}, 5: PLACE, ORDINAL: PLACE}
"""Numbers of a row group that depend on what is before it, by field: in its columns (file_offset; of their metadata
data_page_offset, index_page_offset, dictionary_page_offset), its file_offset and its ordinal."""


class Walk:
    """Goes through values of the compact protocol, from byte `at` of `data`."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def unsigned(self) -> int:
        """A number of any length."""
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def signed(self) -> int:
        """A number with a sign."""
        value = self.unsigned()
        return (value >> 1) ^ -(value & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and type of each field of a struct; whoever asks goes through its value before the next one."""
        number = 0
        while head := self.data[self.at]:
            self.at += 1
            number = number + (head >> 4) if head >> 4 else self.signed()
            yield number, head & 15
        self.at += 1

    def elements(self) -> tuple[int, int]:
        """Number and type of the elements of a list, which follow."""
        head = self.data[self.at]
        self.at += 1
        return (head >> 4 if head >> 4 < 15 else self.unsigned()), head & 15

    def skip(self, kind: int) -> None:
        """Go to the end of a value of a field. Raises ValueError for a type that is not known."""
        if kind in INTEGERS:
            self.unsigned()
        elif kind == BINARY:
            length = self.unsigned()
            self.at += length
        elif kind == STRUCT:
            for _, inner in self.fields():
                self.skip(inner)
        elif kind == LIST:
            n, inner = self.elements()
            for _ in range(n):
                self.skip(inner)
        elif kind in (BYTE, DOUBLE):
            self.at += 1 if kind == BYTE else 8
        elif kind not in BOOLEANS:
            raise ValueError(f"a footer with the Thrift type {kind}")

    def numbers(self, wanted: Mapping[int, Any]) -> Iterator[tuple[int, int, int, int]]:
        """Go through a struct: field, first byte, byte after the last and value of the numbers that are wanted."""
        for number, kind in self.fields():
            inside = wanted.get(number)
            if inside is None:
                self.skip(kind)
            elif kind in INTEGERS:
                first = self.at
                value = self.signed()
                yield number, first, self.at, value
            else:
                for _ in range(self.elements()[0] if kind == LIST else 1):
                    yield from self.numbers(inside)


def signed(value: int) -> bytes:
    """A number with a sign, in as many bytes as it needs."""
    return unsigned(2 * value if value >= 0 else -2 * value - 1)


def unsigned(value: int) -> bytes:
    """A number from 0 on, in as many bytes as it needs."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@dataclass(frozen=True)
class Group:
    """A row group: its column chunks, and what a footer says of it, in `texts` with a number before each but the first.

    numbers : place in a file where the chunks begin at byte 4, or the ordinal, where that is so (`are_places`)
    around : the footer of a file of this group alone, up to the number of rows, then up to the row groups, and the rest
    """

    chunks: memoryview
    n_rows: int
    texts: list[bytes]
    numbers: list[int]
    are_places: list[bool]
    around: tuple[bytes, bytes, bytes]

    def footer(self, shift: int, ordinal: int) -> bytes:
        """What a footer says of the group behind `shift` more bytes, and `ordinal` groups. A place of 0 means none.

        An ordinal, which Arrow wrote up to version 18 or later, is a number of 16 bits, whose sign is lost there too.
        """
        out, ordinal = [self.texts[0]], (ordinal + (1 << 15)) % (1 << 16) - (1 << 15)
        for number, is_place, text in zip(self.numbers, self.are_places, self.texts[1:], strict=True):
            new = (number + shift if number else 0) if is_place else ordinal
            out += [signed(new), text]
        return b"".join(out)


def encoded(table: pa.Table, schema: pa.Schema, options: Mapping[str, Any]) -> Group:
    """A table as one row group. `options` : of pyarrow's writer, without page index and bloom filters

    Its memory comes from malloc: Arrow's own gives pages that another thread leaves back to the system at once, and
    then zeroing new ones takes a tenth of the time of all threads.
    """
    pool = pa.system_memory_pool()
    table, stream = table.combine_chunks(pool), pa.BufferOutputStream(pool)
    with pq.ParquetWriter(stream, schema, **options, memory_pool=pool) as writer:
        writer.write_table(table, row_group_size=max(1, len(table)))
    return taken_apart(memoryview(stream.getvalue()))


def taken_apart(file: memoryview) -> Group:
    """The row group of a file that has one. Raises OutputError where there is more than its columns and a footer."""
    start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    walk, n_rows, at, found = Walk(bytes(file[start:-8])), 0, [], list[tuple[int, int, int, int]]()
    for number, kind in walk.fields():
        first = walk.at
        if number == N_ROWS:
            n_rows = walk.signed()
            at += [first, walk.at]
        elif number == ROW_GROUPS:
            walk.elements()
            at += [first, walk.at]
            found = list(walk.numbers({**CHANGING, SIZE: PLACE}))
            at += [walk.at]
        else:
            walk.skip(kind)
    if [value for number, *_, value in found if number == SIZE] != [start - len(MAGIC)]:
        raise OutputError(
            f"pyarrow {pa.__version__} writes more into a row group than its columns",
            expected="columns alone, which can be put together", where="the Parquet output", todo="give -j 1",
        )  # fmt: skip
    found = [each for each in found if each[0] != SIZE]
    rows, after_rows, groups, group, end = at
    data = walk.data
    firsts, lasts = [group, *(each[2] for each in found)], [*(each[1] for each in found), end]
    return Group(
        chunks=file[len(MAGIC) : start],
        n_rows=n_rows,
        texts=[data[first:last] for first, last in zip(firsts, lasts, strict=True)],
        numbers=[value for *_, value in found],
        are_places=[number != ORDINAL for number, *_ in found],
        around=(data[:rows], data[after_rows:groups], data[end:]),
    )


@dataclass
class Splicing:
    """Puts row groups into a file one after the other."""

    file: BinaryIO | Any
    place: int = 0
    n_rows: int = 0
    footers: list[bytes] = field(default_factory=list)
    around: tuple[bytes, bytes, bytes] = (b"", b"", b"")

    def put(self, group: Group) -> None:
        """Write the chunks of the next group. Raises OSError."""
        if not self.footers:
            self.file.write(MAGIC)
            self.place, self.around = len(MAGIC), group.around
        self.footers.append(group.footer(self.place - len(MAGIC), len(self.footers)))
        self.file.write(group.chunks)
        self.place += len(group.chunks)
        self.n_rows += group.n_rows

    def end(self) -> bytes:
        """What follows the last group: the footer, its length, and the mark of Parquet."""
        before, between, after = self.around
        n = len(self.footers)
        head = bytes([n << 4 | STRUCT]) if n < 15 else bytes([0xF0 | STRUCT]) + unsigned(n)
        footer = b"".join([before, signed(self.n_rows), between, head, *self.footers, after])
        return footer + len(footer).to_bytes(4, "little") + MAGIC
