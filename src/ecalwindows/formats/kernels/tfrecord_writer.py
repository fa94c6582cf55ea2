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
from ecalwindows.formats.kernels.decimal import fixed
from ecalwindows.formats.kernels.protobuf import (
    CHECKSUM_BYTES,
    FIRST,
    FIRST_VARINT,
    LENGTH_BYTES,
    LONGEST_VARINT,
    SECOND,
    THIRD,
    masked_crc,
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
def write_feature(
    out: Bytes, at: int, tag: int, kind: int, first: int, count: int, floats: Bytes, ints: Integers, row: int,
    text: Bytes, first_text: int, last_text: int, hits: Bytes, first_hit: int, n_hits: int,
) -> int:  # fmt: skip
    """A feature with the tag `tag` before it: numbers of `row`, text and hits from their `first` on."""
    end = at
    if kind == FLOATS:
        at = write_row(out, at, floats, row, WIDTH * first, WIDTH * (first + count))
    elif kind == HITS:
        at = write_row(out, at, hits, first, WIDTH * first_hit, WIDTH * (first_hit + n_hits))
    elif kind == TEXT:
        at = write_copy(out, at, text, first_text, last_text)
    elif kind == TENSOR:
        at = write_tensor(out, at, hits, first_hit, n_hits)
    else:
        for column in range(first + count - 1, first - 1, -1):
            at = write_varint(out, at, ints[row, column])
    if at < end or kind == TEXT:
        at = write_tag(out, at, ENTRY, end - at)
    at = write_tag(out, at, LIST_TAGS[kind], end - at)
    return write_tag(out, at, tag, end - at)


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
            item_end, in_list = at, item >= n_context
            tag = FEATURE if in_list else VALUE
            singles, numbers = (pair_floats, pair_ints) if in_list else (floats, ints)
            first = window_offsets[row] if in_list else row
            last = window_offsets[row + 1] if in_list else row + 1
            for entry in range(last - 1, first - 1, -1):
                cluster = pair_cluster[entry] if in_list else window_seed[row]
                first_hit = hits_offsets[cluster] if cluster >= 0 else NOTHING
                n_hits = hits_offsets[cluster + 1] - first_hit if cluster >= 0 else NOTHING
                at = write_feature(
                    out, at, tag, items[item, 0], items[item, 1], items[item, 2], singles, numbers, entry,
                    text, text_offsets[row], text_offsets[row + 1], hits, first_hit, n_hits,
                )  # fmt: skip
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
