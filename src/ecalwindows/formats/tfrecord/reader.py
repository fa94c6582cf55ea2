"""Reads TFRecord files without TensorFlow, and checks each record: lengths, checksums, keys, kinds and numbers.

A record has float32, so float64 columns come back rounded. Not read are `s_h` (the hits of the seed are also among
those of the clusters), `w_cl` (follows from `s_l`) and `wi` (not a column). The columns `extra` in
`tfrecord.layout`, and `flavour`, may be absent, as in files that older programs made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Integers, Singles, offsets_of
from ecalwindows.core.batch import Text, WindowBatch, partial_batch
from ecalwindows.core.errors import BadFileError
from ecalwindows.core.schema import COLUMNS, HIT_DTYPES, SENTINEL, TRUTH
from ecalwindows.formats.kernels import tfrecord_reader as kernels
from ecalwindows.formats.tfrecord.frames import Block, bad_record, blocks, opened
from ecalwindows.formats.tfrecord.layout import CLASS, CONTEXT, LISTS, WEIGHT, Feature

KEYS = [feature.key.encode() for feature in CONTEXT + LISTS]
KEY_BYTES = np.array(list(b"".join(KEYS)), dtype=np.uint8)
KEY_OFFSETS = np.cumsum([0, *map(len, KEYS)])
OPTIONAL = frozenset(feature.key for feature in CONTEXT if feature.extra) | {"f"}
UNREAD = frozenset({"s_h", "w_cl", "wi"})
NO_TRUTH = "no truth"
"""It is among the optional keys of a file whose records have the sentinel in place of truth."""

STATE = next(feature for feature in CONTEXT if "is_seed_calo_matched" in feature.columns)
NOT_COLUMNS = {WEIGHT, CLASS}
ROWS = 8192
"""Usual number of windows of a batch."""
DTYPES = {name: column.dtype for name, column in COLUMNS.items()} | HIT_DTYPES


@dataclass(frozen=True)
class Found:
    """A feature of all records of a block: where its values are, and the record of each."""

    block: Block
    feature: Feature
    spans: Integers
    owner: Integers

    def check(self, good: Flags, found: str) -> None:
        """Raise BadFileError for the first value that is not good."""
        self.block.check(good, self.owner, f"its feature '{self.feature.key}' {found}")


def read_batches(
    path: str | Path, *, rows: int = ROWS, columns: Collection[str] | None = None
) -> Iterator[WindowBatch]:
    """Partial batches (clusters and hits by pair) of at most `rows` windows; at least one batch, which may be empty.

    columns : names of columns and hit components to read; None: all. Raises BadFileError for any other file.
    """
    path, n = str(path), 0
    try:
        with opened(path) as file:
            for _, batch in batches_of(blocks(file, path, rows), columns):
                yield batch
                n += len(batch)
    except OSError as error:
        raise BadFileError(
            f"the file cannot be read: {error.strerror or error}",
            expected="a TFRecord file",
            where=path,
            todo="check the path",
        ) from error
    if not n:
        nothing = Block(np.zeros(0, np.uint8), np.zeros((0, 2), np.int64), path, 0)
        yield batch_of(nothing, *find(nothing), OPTIONAL, columns)


def record_pieces(path: Path, columns: frozenset[str]) -> Iterator[tuple[Any, WindowBatch]]:
    """Complete frames of records as an Arrow array (large_binary), and the same records as a batch of some columns.

    Raises BadFileError when a record is wrong.
    """
    with path.open("rb") as file:
        for block, batch in batches_of(blocks(file, str(path), ROWS), columns):
            yield block.frames, batch


def batches_of(found: Iterator[Block], columns: Collection[str] | None) -> Iterator[tuple[Block, WindowBatch]]:
    """The blocks of a file, each with its batch."""
    has = None
    for block in found:
        spans, there = find(block)
        has = optional_keys(block, spans, there) if has is None else has
        yield block, batch_of(block, spans, there, has, columns)


def find(block: Block) -> tuple[Integers, Flags]:
    """Where the values of known keys are, (n_records, n_keys, 2), and whether they are present, (n_records, n_keys)."""
    n = len(block.records)
    spans, there = np.zeros((n, len(KEYS), 2), np.int64), np.zeros((n, len(KEYS)), np.bool_)
    bad = kernels.find_features(block.data, block.records, KEY_BYTES, KEY_OFFSETS, len(CONTEXT), spans, there)
    if bad >= 0:
        raise bad_record(block.path, block.first + bad, "it is no SequenceExample")
    return spans, there


def optional_keys(block: Block, spans: Integers, there: Flags) -> frozenset[str]:
    """The optional features that the first record has, and `NO_TRUTH` if it has none: all others must be the same."""
    keys = frozenset(feature.key for place, feature in enumerate(CONTEXT) if there[0, place]) & OPTIONAL
    return keys | ({NO_TRUTH} if _lacks_truth(block, spans, there)[0] else set())


def _lacks_truth(block: Block, spans: Integers, there: Flags) -> Flags:
    """Whether records have the sentinel in place of truth, bool (n_records,)."""
    place = CONTEXT.index(STATE)
    everyone = np.arange(len(block.records))
    if not there[:, place].all():
        return np.zeros(len(everyone), np.bool_)  # an error of its own
    lacks: Flags = int_table(Found(block, STATE, spans[:, place], everyone))[:, 0] == SENTINEL
    return lacks


def batch_of(
    block: Block, spans: Integers, there: Flags, has: frozenset[str], columns: Collection[str] | None
) -> WindowBatch:
    """The batch of a block."""
    everyone = np.arange(len(block.records))
    found = {}
    for place, feature in enumerate(CONTEXT + LISTS):
        if feature.key in OPTIONAL - has or feature.key in UNREAD:
            continue
        block.check(there[:, place], everyone, f"it has no feature '{feature.key}'")
        found[feature.key] = Found(block, feature, spans[:, place], everyone)
    wanted = frozenset(DTYPES) if columns is None else frozenset(columns)
    lacks = _lacks_truth(block, spans, there)
    block.check(lacks == (NO_TRUTH in has), everyone, "it has truth, or none, unlike the first record")
    if NO_TRUTH in has:
        wanted -= TRUTH
    window = {
        name: column
        for feature in CONTEXT
        if feature.key in found and wanted & set(feature.columns)
        for name, column in columns_of(found[feature.key], wanted).items()
    }
    offsets, lists = clusters_of(block, found)
    labels = columns_of(lists["cl_l"], wanted | {"is_seed"})
    pair = {name: column for name, column in labels.items() if name in wanted}
    for key in ("cl_f", "cl_m"):
        if wanted & set(lists[key].feature.columns):
            pair |= columns_of(lists[key], wanted)
    hits_offsets, hits = hits_of(lists, wanted)
    text = texts(found["window_index"]) if "window_index" in found else None
    return partial_batch(window, pair, offsets, hits_offsets, hits, text=text, is_seed=labels["is_seed"])


def columns_of(found: Found, wanted: frozenset[str]) -> dict[str, Array]:
    """The requested columns of a feature, as stored."""
    if found.feature.kind == "text":
        return {}
    table = (float_table if found.feature.kind == "floats" else int_table)(found)
    return {
        name: as_stored(table[:, place], name, found)
        for place, name in enumerate(found.feature.columns)
        if name in wanted - NOT_COLUMNS
    }


def float_table(found: Found) -> Singles:
    """The numbers of a feature, one row per value."""
    numbers, counts = floats(found)
    width = len(found.feature.columns)
    found.check(counts == width, f"does not hold {width} numbers")
    return numbers.reshape(len(counts), width)


def floats(found: Found) -> tuple[Singles, Integers]:
    """The numbers of a feature, one after the other, and how many each value has."""
    out = np.empty(int((np.diff(found.spans) // 4).sum()), dtype=np.uint32)
    counts = kernels.read_floats(found.block.data, np.ascontiguousarray(found.spans), out)
    found.check(counts >= 0, "holds no floats")
    return out[: counts.sum()].view(np.float32), counts


def int_table(found: Found) -> Integers:
    """The integers of a feature, one row per value."""
    out, width = np.empty(int(np.diff(found.spans).sum()), dtype=np.int64), len(found.feature.columns)
    counts = kernels.read_ints(found.block.data, np.ascontiguousarray(found.spans), out)
    found.check(counts == width, f"does not hold {width} integers")
    return out[: counts.sum()].reshape(len(counts), width)


def as_stored(values: Array, name: str, found: Found, owner: Integers | None = None) -> Array:
    """Numbers in the dtype of their column: NaN and infinity become the sentinel; an integer must be one, and fit."""
    dtype = np.dtype(DTYPES[name])
    if dtype.kind == "f":
        return np.where(np.isfinite(values), values, SENTINEL).astype(dtype)
    lowest, highest = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if values.dtype.kind == "f":  # the highest int32 is no float32: rounded up it still counts
        good = (values >= lowest) & (values <= highest) & (values == np.floor(values))
        integers = np.clip(np.where(good, values, 0).astype(np.int64), lowest, highest)
    else:
        good, integers = (values >= lowest) & (values <= highest), values
    found.block.check(good, found.owner if owner is None else owner, f"its {name} is no {dtype.name}")
    return integers.astype(dtype)


def clusters_of(block: Block, found: dict[str, Found]) -> tuple[Integers, dict[str, Found]]:
    """Offsets of the clusters of each record, and their features by key; all lists must be of the same length."""
    lists, offsets = {}, np.zeros(1, np.int64)
    for feature in LISTS:
        features = found[feature.key]
        counts = kernels.count_features(block.data, np.ascontiguousarray(features.spans))
        features.check(counts >= 0, "is no list of features")
        if feature is LISTS[0]:
            offsets = offsets_of(counts)
        features.check(counts == np.diff(offsets), f"has another length than '{LISTS[0].key}'")
        spans = np.empty((int(counts.sum()), 2), np.int64)
        kernels.feature_spans(block.data, np.ascontiguousarray(features.spans), spans)
        lists[feature.key] = Found(block, feature, spans, np.repeat(features.owner, counts))
    return offsets, lists


def hits_of(lists: dict[str, Found], wanted: frozenset[str]) -> tuple[Integers, dict[str, Array]]:
    """Offsets of the hits of each cluster, and the requested components; all must be of the same length."""
    hits: dict[str, Array] = {}
    offsets = np.zeros(1, np.int64)
    for key, found in lists.items():
        (name, *_) = found.feature.columns
        if found.feature.kind != "hits" or name not in wanted:
            continue
        numbers, counts = floats(found)
        if not hits:
            offsets = offsets_of(counts)
        found.check(counts == np.diff(offsets), f"has another number of hits than {next(iter(hits), key)}")
        hits[name] = as_stored(numbers, name, found, np.repeat(found.owner, counts))
    return offsets, hits


def texts(found: Found) -> Text:
    """`window_index`."""
    spans = np.zeros(found.spans.shape, np.int64)
    counts = kernels.text_spans(found.block.data, np.ascontiguousarray(found.spans), spans)
    found.check(counts == 1, "does not hold one text")
    lengths = spans[:, 1] - spans[:, 0]
    offsets = offsets_of(lengths)
    data = found.block.data[np.repeat(spans[:, 0] - offsets[:-1], lengths) + np.arange(offsets[-1])]
    try:
        data.tobytes().decode()
    except UnicodeDecodeError as error:
        row = int(np.searchsorted(offsets, error.start, "right")) - 1
        raise bad_record(found.block.path, found.block.first + row, "its window_index is no UTF-8 text") from error
    return Text(offsets, data)
