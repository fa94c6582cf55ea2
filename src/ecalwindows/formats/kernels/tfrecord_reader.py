"""TFRecords of `tf.train.SequenceExample` split into their parts. Every length is checked before it is used.

A span is the first byte of something in `data`, uint8, and the byte after its last: int64 (2,); (0, 0) for nothing. A
kernel reports data that it cannot read by a count or a place `BAD`; its output then has no meaning.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.jit import array_kernel, kernel
from ecalwindows.formats.kernels.crc32c import masked_crc
from ecalwindows.formats.kernels.decimal import fixed
from ecalwindows.formats.kernels.protobuf import (
    BAD,
    CHECKSUM_BYTES,
    FIRST,
    FIRST_FLOAT,
    FIRST_VARINT,
    FRAME_BYTES,
    LENGTH_BYTES,
    SECOND,
    THIRD,
    next_field,
    read_number,
    read_varint,
)

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

COMPLETE, BAD_LENGTH, TOO_LONG, BAD_DATA = range(4)
"""What `record_spans` found: nothing wrong, a wrong checksum of the length, too long a record, a wrong checksum."""

LENGTH, CHECKSUM, WIDTH = fixed(LENGTH_BYTES), fixed(CHECKSUM_BYTES), fixed(4)

NO_KIND, TEXT, FLOATS, INTS = range(4)
"""What a feature holds: the number of the field of its list."""


@kernel
def record_spans(data: Bytes, at: int, longest: int, spans: Integers) -> Any:
    """The data of the complete records in `data` from `at` on, at most len(spans), with correct checksums.

    spans : int64 (n, 2), filled. Returns how many were found; the place after the last; how many bytes of the next
    record are missing (at least one where less than a length is there, 0 when the spans are full); and a problem.
    """
    n = 0
    while n < len(spans):
        rest = len(data) - at
        if rest < LENGTH_BYTES + CHECKSUM_BYTES:
            return n, at, LENGTH_BYTES + CHECKSUM_BYTES - rest, COMPLETE
        if masked_crc(data, at, at + LENGTH_BYTES) != read_number(data, at + LENGTH_BYTES, CHECKSUM):
            return n, at, 0, BAD_LENGTH
        length = read_number(data, at, LENGTH)
        if length < 0 or length > longest:
            return n, at, 0, TOO_LONG
        if FRAME_BYTES + length > rest:
            return n, at, FRAME_BYTES + length - rest, COMPLETE
        first = at + LENGTH_BYTES + CHECKSUM_BYTES
        last = first + length
        if masked_crc(data, first, last) != read_number(data, last, CHECKSUM):
            return n, at, 0, BAD_DATA
        spans[n, 0], spans[n, 1] = first, last
        at = last + CHECKSUM_BYTES
        n += 1
    return n, at, 0, COMPLETE


@kernel
def key_number(data: Bytes, first: int, last: int, keys: Bytes, key_offsets: Integers, start: int, stop: int) -> int:
    """The index, from `start` to `stop`, of the key that the bytes are, or `BAD`."""
    for key in range(start, stop):
        begin = key_offsets[key]
        if key_offsets[key + 1] - begin != last - first:
            continue
        place = 0
        while place < last - first and data[first + place] == keys[begin + place]:
            place += 1
        if place == last - first:
            return key
    return BAD


@kernel
def feature_span(data: Bytes, at: int, stop: int) -> Any:
    """What a feature holds: kind, start and end of its list; kind `BAD` where it cannot be read."""
    kind, first, last = NO_KIND, 0, 0
    while at < stop:
        tag, start, end = next_field(data, at, stop)
        if end == BAD:
            return BAD, 0, 0
        if tag in (FIRST, SECOND, THIRD):
            kind, first, last = tag >> 3, start, end
        at = end
    return kind, first, last


@kernel
def entry_span(
    data: Bytes, at: int, stop: int, keys: Bytes, key_offsets: Integers, first_key: int, last_key: int
) -> Any:
    """Key, start and end of the value of a map entry: key `BAD` for an unknown one, end `BAD` for a broken entry."""
    key, first, last = BAD, 0, 0
    while at < stop:
        tag, start, end = next_field(data, at, stop)
        if end == BAD:
            return BAD, 0, BAD
        if tag == FIRST:
            key = key_number(data, start, end, keys, key_offsets, first_key, last_key)
        elif tag == SECOND:
            first, last = start, end
        at = end
    return key, first, last


@kernel
def find_features(
    data: Bytes, records: Integers, keys: Bytes, key_offsets: Integers, n_context: int, spans: Integers, there: Any
) -> int:
    """Where the features and feature lists with known keys are. Returns the first unreadable record, or `BAD`.

    keys  : uint8; `key_offsets` int64 (n_keys + 1,): those of the context first, then those of the lists
    spans : int64 (n_records, n_keys, 2) of the value; `there` bool (n_records, n_keys); both filled
    """
    for record in range(len(records)):
        at, stop = records[record, 0], records[record, 1]
        while at < stop:
            part, start, end = next_field(data, at, stop)
            if end == BAD:
                return record
            at = end
            if part not in (FIRST, SECOND):
                continue
            first_key = 0 if part == FIRST else n_context
            last_key = n_context if part == FIRST else len(key_offsets) - 1
            while start < end:
                tag, first, last = next_field(data, start, end)
                if last == BAD:
                    return record
                start = last
                if tag != FIRST:
                    continue
                key, begin, last = entry_span(data, first, last, keys, key_offsets, first_key, last_key)
                if last == BAD:
                    return record
                if key != BAD:
                    there[record, key] = True
                    spans[record, key, 0], spans[record, key, 1] = begin, last
    return BAD


@array_kernel
def count_features(data: Bytes, lists: Integers) -> Any:
    """Features in each FeatureList: int64 (n_lists,), `BAD` where one cannot be read."""
    counts = np.zeros(len(lists), np.int64)
    for row in range(len(lists)):
        at, stop = lists[row, 0], lists[row, 1]
        while at < stop:
            tag, _, end = next_field(data, at, stop)
            if end == BAD:
                counts[row] = BAD
                break
            counts[row] += tag == FIRST
            at = end
    return counts


@kernel
def feature_spans(data: Bytes, lists: Integers, spans: Integers) -> None:
    """The features of lists that `count_features` could read, one after the other: int64 (n_features, 2), filled."""
    n = 0
    for row in range(len(lists)):
        at = lists[row, 0]
        while at < lists[row, 1]:
            tag, start, end = next_field(data, at, lists[row, 1])
            if end == BAD or n == len(spans):
                return
            if tag == FIRST:
                spans[n, 0], spans[n, 1] = start, end
                n += 1
            at = end


@array_kernel
def read_floats(data: Bytes, features: Integers, out: Any) -> Any:
    """The floats of features, one after the other, as bits: fills uint32 (sum of the spans // 4,).

    Returns how many each feature holds, int64 (n_features,): `BAD` for one that cannot be read or holds other things.
    """
    counts, n = np.zeros(len(features), np.int64), 0
    for row in range(len(features)):
        kind, at, stop = feature_span(data, features[row, 0], features[row, 1])
        began = n
        while kind == FLOATS and at < stop:
            tag, start, end = next_field(data, at, stop)
            if end == BAD or (tag == FIRST and (end - start) % 4 != 0) or n + (end - start) // 4 > len(out):
                kind = BAD
            elif tag in (FIRST, FIRST_FLOAT):
                for place in range(start, end, 4):
                    out[n] = read_number(data, place, WIDTH)
                    n += 1
            at = end
        counts[row] = n - began if kind in (FLOATS, NO_KIND) else BAD
        n = began + max(counts[row], 0)
    return counts


@array_kernel
def read_ints(data: Bytes, features: Integers, out: Integers) -> Any:
    """The same for integers: fills int64 (sum of the spans,)."""
    counts, n = np.zeros(len(features), np.int64), 0
    for row in range(len(features)):
        kind, at, stop = feature_span(data, features[row, 0], features[row, 1])
        began = n
        while kind == INTS and at < stop:
            tag, start, end = next_field(data, at, stop)
            while tag in (FIRST, FIRST_VARINT) and start != BAD and start < end and n < len(out):
                out[n], start = read_varint(data, start, end)
                n += 1
            if end == BAD or start == BAD or (tag in (FIRST, FIRST_VARINT) and start < end):
                kind = BAD
            at = end
        counts[row] = n - began if kind in (INTS, NO_KIND) else BAD
        n = began + max(counts[row], 0)
    return counts


@array_kernel
def text_spans(data: Bytes, features: Integers, spans: Integers) -> Any:
    """The last text of features: fills int64 (n_features, 2). Returns how many texts each holds, or `BAD`."""
    counts = np.zeros(len(features), np.int64)
    for row in range(len(features)):
        kind, at, stop = feature_span(data, features[row, 0], features[row, 1])
        while kind == TEXT and at < stop:
            tag, start, end = next_field(data, at, stop)
            if end == BAD:
                kind = BAD
            elif tag == FIRST:
                spans[row, 0], spans[row, 1] = start, end
                counts[row] += 1
            at = end
        if kind not in (TEXT, NO_KIND):
            counts[row] = BAD
    return counts
