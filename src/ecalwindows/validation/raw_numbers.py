"""NaN and infinity in the data as they are stored; the readers of batches put -999 there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecalwindows.formats.ndjson.text_source import Limits, text_chunks
from ecalwindows.formats.parquet import reader as parquet_reader
from ecalwindows.formats.parquet.stored import storage
from ecalwindows.formats.readers import kind_of
from ecalwindows.formats.tfrecord import frames as tfrecord_frames
from ecalwindows.formats.tfrecord import reader as tfrecord_reader
from ecalwindows.formats.tfrecord.layout import CONTEXT, LISTS
from ecalwindows.validation.kernels.raw_text import lines_and_suspicion

ROWS = 8192
NO_NUMBER = re.compile(rb"[:,\[][ \t]*(-?(?:NaN|Infinity|nan|inf))\b")
LARGE = re.compile(rb"[0-9][eE]\+?[0-9]{2,}")
NUMBER = re.compile(rb"-?[0-9.]+[eE]\+?[0-9]+\Z")
LONGEST = 400
"""Bytes of a number that are looked at before its exponent."""

TOO_LARGE = 2.0**128 - 2.0**103
"""From here on a number is infinite in a float32."""


def not_finite(path: Path) -> Iterator[tuple[str, int]]:
    """Where a data file holds numbers that are not finite, and how many there.

    Of Parquet and TFRecord by column or feature, of text by line. Raises BadFileError.
    """
    kind = kind_of(path)
    if kind == "parquet":
        yield from _in_parquet(path)
    elif kind == "ndjson":
        yield from _in_text(path)
    else:
        yield from _in_records(path)


def _in_parquet(path: Path) -> Iterator[tuple[str, int]]:
    found = Counter[str]()
    with parquet_reader.opened_parquet(path) as file:
        for batch in file.iter_batches(use_threads=False, batch_size=ROWS):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                for leaf, values in _leaves(name, column):
                    numbers = values.drop_null().to_numpy(zero_copy_only=False)
                    n = values.null_count + int((~np.isfinite(numbers)).sum())
                    found.update({leaf: n} if n else {})
    yield from found.items()


def _leaves(name: str, column: Any) -> Iterator[tuple[str, Any]]:
    """The numbers with a point below a column, by the name of the leaf."""
    column = storage(column)
    if pa.types.is_struct(column.type):
        for field, values in zip(column.type, column.flatten(), strict=True):
            yield from _leaves(f"{name}.{field.name}", values)
    elif pa.types.is_floating(column.type):
        yield name, column
    elif pa.types.is_nested(column.type):
        yield from _leaves(name, column.flatten())


def _in_text(path: Path) -> Iterator[tuple[str, int]]:
    line = 1
    for chunk in text_chunks(path, Limits(), []):
        n_lines, is_suspicious = lines_and_suspicion(np.frombuffer(chunk.text, np.uint8))
        if is_suspicious:
            places = [*_words(chunk.text), *_too_large(chunk.text)]
            found = Counter(line + chunk.text.count(b"\n", 0, place) for place in places)
            yield from ((f"line {number}", n) for number, n in sorted(found.items()))
        line += n_lines


def _words(text: bytes) -> Iterator[int]:
    """Where a value is a word for what is no number."""
    yield from (match.start() for match in NO_NUMBER.finditer(text))


def _too_large(text: bytes) -> Iterator[int]:
    """Where a number is infinite in a float32; only a number with an exponent without minus can be one."""
    data = np.frombuffer(text, np.uint8)
    places = np.flatnonzero((data == ord("e")) | (data == ord("E")))
    places = places[(places > 0) & (places < len(data) - 1)]
    before = data[places - 1]
    places = places[(before >= ord("0")) & (before <= ord("9")) & (data[places + 1] != ord("-"))]
    for place in places.tolist():
        if match := LARGE.match(text, place - 1):
            number = NUMBER.search(text, max(place - LONGEST, 0), match.end())
            if number and abs(float(number[0])) >= TOO_LARGE:
                yield place


def _in_records(path: Path) -> Iterator[tuple[str, int]]:
    found = Counter[str]()
    with tfrecord_frames.opened(str(path)) as file:
        for block in tfrecord_frames.blocks(file, str(path), ROWS):
            spans, _ = tfrecord_reader.find(block)
            everyone = np.arange(len(block.records))
            features = {
                feature.key: tfrecord_reader.Found(block, feature, spans[:, place], everyone)
                for place, feature in enumerate(CONTEXT + LISTS)
            }
            _, lists = tfrecord_reader.clusters_of(block, features)
            for key, values in (features | lists).items():
                if values.feature.kind in ("floats", "hits"):
                    n = int((~np.isfinite(tfrecord_reader.floats(values)[0])).sum())
                    found.update({key: n} if n else {})
    yield from found.items()
