"""Row groups that were encoded side by side become one file, with the bytes that one writer would give it.

Each row group comes as a small Parquet file of its own. Its column chunks are copied as they are, since a page does not
say where it is. Its footer does: in the compact protocol of Thrift, where numbers have as many bytes as they need. Only
places in the file, the ordinal of the row group and the number of rows change; all else is copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ecalwindows.core.errors import OutputError
from ecalwindows.formats.kernels.thrift import BEGIN, END, INSIDE, NUMBER, SKIP, STRUCT, places
from ecalwindows.formats.parquet.footer import MAGIC

N_ROWS, ROW_GROUPS = 3, 4
"""Fields of the footer."""

SIZE, ORDINAL = 6, 7
"""Fields of a row group: total_compressed_size and ordinal."""

WANTED: Sequence[Mapping[int, int]] = (
    {N_ROWS: NUMBER, ROW_GROUPS: INSIDE},
    {1: INSIDE, 5: NUMBER, SIZE: NUMBER, ORDINAL: NUMBER},
    {2: NUMBER, 3: INSIDE},
    {9: NUMBER, 10: NUMBER, 11: NUMBER},
)
"""What is noted of a footer; then of its row groups, where all numbers but SIZE depend on what is before the group
(columns, file_offset, ordinal), of their columns (file_offset, metadata), and of the metadata of these
(data_page_offset, index_page_offset, dictionary_page_offset)."""

ACTIONS = np.array([[wanted.get(field, SKIP) for field in range(16)] for wanted in WANTED])

SPARE = 1 << 20
"""Bytes for a footer, and more."""


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


def encoded(table: pa.Table, schema: pa.Schema, options: Mapping[str, Any], *, room: int | None = None) -> Group:
    """A table as one row group. `options` : of pyarrow's writer, without page index and bloom filters

    Its memory comes from malloc: Arrow's own gives pages that another thread leaves back to the system at once, and
    then zeroing new ones takes a tenth of the time of all threads.
    room : bytes that are reserved, so that no buffer has to grow, which copies it each time; by default more than
        a table takes. Where they are not enough, it is encoded again into a buffer that grows.
    """
    pool = pa.system_memory_pool()
    table = table.combine_chunks(pool)
    space = pa.allocate_buffer(table.nbytes + SPARE if room is None else room, memory_pool=pool)
    stream = pa.FixedSizeBufferWriter(space)
    try:
        _encode(table, schema, options, stream, pool)
        return taken_apart(memoryview(space)[: stream.tell()])
    except OSError:  # "Write out of bounds"
        grown = pa.BufferOutputStream(pool)
        _encode(table, schema, options, grown, pool)
        return taken_apart(memoryview(grown.getvalue()))


def _encode(table: pa.Table, schema: pa.Schema, options: Mapping[str, Any], stream: Any, pool: pa.MemoryPool) -> None:
    with pq.ParquetWriter(stream, schema, **options, memory_pool=pool) as writer:
        writer.write_table(table, row_group_size=max(1, len(table)))


def taken_apart(file: memoryview) -> Group:
    """The row group of a file that has one. Raises OutputError where there is more than its columns and a footer."""
    start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    data = bytes(file[start:-8])
    noted = np.empty((len(data), 5), np.int64)
    found = noted[: max(places(np.frombuffer(data, np.uint8), ACTIONS, noted), 0)].tolist()
    if [value for _, field, *_, value in found if field == SIZE] != [start - len(MAGIC)]:
        raise OutputError(
            f"pyarrow {pa.__version__} writes more into a row group than its columns",
            expected="columns alone, which can be put together", where="the Parquet output", todo="give -j 1",
        )  # fmt: skip
    outer = {(depth, field): row for depth, field, *row in found}
    rows, after_rows, n_rows = outer[0, N_ROWS]
    groups, group, _ = outer[BEGIN, ROW_GROUPS]
    end, *_ = outer[END, ROW_GROUPS]
    changing = [row for depth, *row in found if depth > 0 and row[0] != SIZE]
    firsts, lasts = [group, *(last for _, _, last, _ in changing)], [*(first for _, first, *_ in changing), end]
    return Group(
        chunks=file[len(MAGIC) : start],
        n_rows=n_rows,
        texts=[data[first:last] for first, last in zip(firsts, lasts, strict=True)],
        numbers=[value for *_, value in changing],
        are_places=[field != ORDINAL for field, *_ in changing],
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
