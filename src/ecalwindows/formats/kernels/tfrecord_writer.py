"""Windows as TFRecords of `tf.train.SequenceExample`, in the bytes that protobuf gives (maps in order of their keys).

A record has a context and feature lists: maps from a key to a feature, or to a list of features, one per cluster. A
feature holds floats, integers or text. All is written from its end to its start, so that each length is known before it
is written: a `write_*` ends before the place `at` and returns where its output begins. The order is given by a table
`items`, int64 (n_items, 3): kind, first column and number of columns; the first `n_context` make the context, the rest
the lists. Arguments of all kernels here:

keys, key_offsets : uint8, and int64 (n_items + 1,): the keys as fields, with tag and length before the text
floats, ints : uint8 (n_rows, 4 * n), float32 columns as bytes; and int64 (n_rows, n): what FLOATS and INTS refer to;
               a row is a window, and with `pair_` before the name a (window, cluster)
hits : uint8 (4, 4 * n_hits), ieta, iphi, iz and energy*fraction as float32 bytes: what HITS refers to (one component)
       and TENSOR (all); `hits_offsets` int64 (n_clusters + 1,) are the hits of a cluster
window_seed, pair_cluster : int64, the cluster of a window (-1 for none) and of a (window, cluster)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import kernel
from ecalwindows.formats.kernels.crc32c import masked_crc
from ecalwindows.formats.kernels.decimal import fixed
from ecalwindows.formats.kernels.eight_bytes import write_eight
from ecalwindows.formats.kernels.protobuf import (
    CHECKSUM_BYTES,
    FIRST,
    FIRST_VARINT,
    LENGTH_BYTES,
    LONGEST_VARINT,
    SECOND,
    THIRD,
    write_number,
    write_tag,
    write_varint,
)

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

FLOATS, INTS, TEXT, TENSOR, HITS = map(fixed, range(5))
LIST_TAGS = np.array([SECOND, THIRD, FIRST, FIRST, SECOND])
"""By kind: the tag, in a feature, of its FloatList, Int64List or BytesList."""

CONTEXT, LISTS = fixed(FIRST), fixed(SECOND)
ENTRY, VALUE, FEATURE = fixed(FIRST), fixed(SECOND), fixed(FIRST)
"""Tags of an entry in its map, of the value in an entry, and of a feature in a list."""

DTYPE, SHAPE, CONTENT, DIMENSION, EXTENT = map(fixed, (FIRST_VARINT, SECOND, 0x22, SECOND, FIRST_VARINT))
"""Tags of TensorProto, of TensorShapeProto, and of its dimensions."""

FLOAT_TYPE = fixed(1)
"""DT_FLOAT of tensorflow/core/framework/types.proto."""

COMPONENTS, WIDTH, NOTHING = fixed(4), fixed(4), fixed(0)
"""Hit components in a tensor, and bytes of a number."""

LENGTH, CHECKSUM = fixed(LENGTH_BYTES), fixed(CHECKSUM_BYTES)
LONG = fixed(124)
"""Bytes of the content of a feature from which on a length in its head takes more than one byte."""

U8, U16, U24, U32, U40 = map(np.uint64, (8, 16, 24, 32, 40))
MAX_BYTES, WIDEST_INT = 64, LONGEST_VARINT
"""More than the tags, lengths and key around an item take; also around a record, or a tensor."""


@kernel
def write_copy(out: Bytes, at: int, source: Bytes, first: int, last: int) -> int:
    """The bytes `first` to `last` of `source`."""
    at -= last - first
    for place in range(last - first):
        out[np.uint64(at + place)] = source[np.uint64(first + place)]
    return at


@kernel
def write_row(out: Bytes, at: int, table: Bytes, row: int, first: int, last: int) -> int:
    """The bytes `first` to `last` of a row."""
    at -= last - first
    for place in range(last - first):
        out[np.uint64(at + place)] = table[row, np.uint64(first + place)]
    return at


@kernel
def write_tensor(out: Bytes, at: int, hits: Bytes, first_hit: int, n_hits: int) -> int:
    """The TensorProto of some hits, float32 (n_hits, 4); protobuf leaves out a number 0 and a text without bytes."""
    end = at
    at -= COMPONENTS * WIDTH * n_hits
    for hit in range(n_hits):
        for component in range(COMPONENTS):
            place = at + WIDTH * (COMPONENTS * hit + component)
            for byte in range(WIDTH):
                out[np.uint64(place + byte)] = hits[component, np.uint64(WIDTH * (first_hit + hit) + byte)]
    if n_hits > 0:
        at = write_tag(out, at, CONTENT, end - at)
    end = at
    at = write_tag(out, at, EXTENT, COMPONENTS)
    at = write_tag(out, at, DIMENSION, end - at)
    columns = at
    if n_hits > 0:
        at = write_tag(out, at, EXTENT, n_hits)
    at = write_tag(out, at, DIMENSION, columns - at)
    at = write_tag(out, at, SHAPE, end - at)
    return write_tag(out, at, DTYPE, FLOAT_TYPE)


@kernel
def write_head(out: Bytes, at: int, end: int, kind: int, tag: int) -> int:
    """What is before the content of a feature, which ends at `end`: its tags and lengths, after the tag `tag`."""
    size = end - at
    if 0 < size < LONG:  # the usual ones are six bytes, written at once; the two before them are written later
        tags = np.uint64(tag) | np.uint64(LIST_TAGS[kind]) << U16 | np.uint64(ENTRY) << U32
        sizes = np.uint64(size + 4) << U8 | np.uint64(size + 2) << U24 | np.uint64(size) << U40
        write_eight(out, at - 8, (tags | sizes) << U16)
        return at - 6
    if size > 0 or kind == TEXT:
        at = write_tag(out, at, ENTRY, size)
    at = write_tag(out, at, LIST_TAGS[kind], end - at)
    return write_tag(out, at, tag, end - at)


@kernel
def write_floats(
    out: Bytes, at: int, tag: int, floats: Bytes, first_row: int, last_row: int, first: int, last: int
) -> int:
    """Features of floats, one per row: the columns `first` to `last`."""
    for row in range(last_row - 1, first_row - 1, -1):
        end = at
        at = write_row(out, at, floats, row, WIDTH * first, WIDTH * last)
        at = write_head(out, at, end, FLOATS, tag)
    return at


@kernel
def write_ints(
    out: Bytes, at: int, tag: int, ints: Integers, first_row: int, last_row: int, first: int, last: int
) -> int:
    """Features of integers, one per row: the columns `first` to `last`."""
    for row in range(last_row - 1, first_row - 1, -1):
        end = at
        for column in range(last - 1, first - 1, -1):
            at = write_varint(out, at, ints[row, column])
        at = write_head(out, at, end, INTS, tag)
    return at


@kernel
def write_hits(
    out: Bytes, at: int, tag: int, kind: int, component: int, hits: Bytes, hits_offsets: Integers, clusters: Integers,
    first_row: int, last_row: int,
) -> int:  # fmt: skip
    """Features of the hits of clusters, one per row of `clusters`: one component, or a tensor of all."""
    for row in range(last_row - 1, first_row - 1, -1):
        end, cluster = at, clusters[row]
        first_hit = hits_offsets[cluster] if cluster >= 0 else NOTHING
        n_hits = hits_offsets[cluster + 1] - first_hit if cluster >= 0 else NOTHING
        if kind == HITS:
            at = write_row(out, at, hits, component, WIDTH * first_hit, WIDTH * (first_hit + n_hits))
        else:
            at = write_tensor(out, at, hits, first_hit, n_hits)
        at = write_head(out, at, end, kind, tag)
    return at


@kernel
def write_records(
    out: Bytes, rows: Integers, items: Integers, n_context: int, keys: Bytes, key_offsets: Integers,
    floats: Bytes, ints: Integers, text: Bytes, text_offsets: Integers, window_seed: Integers,
    window_offsets: Integers, pair_floats: Bytes, pair_ints: Integers, pair_cluster: Integers,
    hits_offsets: Integers, hits: Bytes,
) -> int:  # fmt: skip
    """The records of the windows `rows`, with lengths and checksums, at the end of `out`."""
    at = NOTHING + len(out)
    for place in range(len(rows) - 1, -1, -1):
        row, at = rows[place], at - CHECKSUM
        end = part_end = at
        for item in range(len(items) - 1, -1, -1):
            kind, column, stop = items[item, 0], items[item, 1], items[item, 1] + items[item, 2]
            item_end, in_list = at, item >= n_context
            tag = FEATURE if in_list else VALUE
            first = window_offsets[row] if in_list else row
            last = window_offsets[row + 1] if in_list else row + 1
            if kind == FLOATS:
                at = write_floats(out, at, tag, pair_floats if in_list else floats, first, last, column, stop)
            elif kind == INTS:
                at = write_ints(out, at, tag, pair_ints if in_list else ints, first, last, column, stop)
            elif kind == TEXT:
                at = write_copy(out, at, text, text_offsets[row], text_offsets[row + 1])
                at = write_head(out, at, item_end, kind, tag)
            else:
                clusters = pair_cluster if in_list else window_seed
                at = write_hits(out, at, tag, kind, column, hits, hits_offsets, clusters, first, last)
            if in_list:
                at = write_tag(out, at, VALUE, item_end - at)
            at = write_copy(out, at, keys, key_offsets[item], key_offsets[item + 1])
            at = write_tag(out, at, ENTRY, item_end - at)
            if item == n_context:
                at = part_end = write_tag(out, at, LISTS, part_end - at)
        at = write_tag(out, at, CONTEXT, part_end - at)
        write_number(out, end, masked_crc(out, at, end), CHECKSUM)
        length, at = end - at, at - LENGTH - CHECKSUM
        write_number(out, at, length, LENGTH)
        write_number(out, at + LENGTH, masked_crc(out, at, at + LENGTH), CHECKSUM)
    return at
