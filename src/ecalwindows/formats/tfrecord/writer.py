"""Windows as TFRecord files, without TensorFlow: `tf.train.SequenceExample` in the layout of formats.md.

Windows whose seed is matched go to one file, the others to another; both exist even without windows, so that
programs need not check (an empty file is a TFRecord file without records). Nothing is NaN or infinite: a float64
beyond float32 becomes the sentinel. All loops are compiled (`kernels.tfrecord_writer`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Bytes, Integers, Singles
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.core.schema import COLUMNS, SENTINEL, TRUTH
from ecalwindows.formats.batch_writer import Writer
from ecalwindows.formats.kernels import tfrecord_writer as kernels
from ecalwindows.formats.ndjson.text_file import TextFile
from ecalwindows.formats.ndjson.writer import MAX_WINDOWS, slices
from ecalwindows.formats.tfrecord.layout import CLASS, CONTEXT, HITS, LISTS, REQUIRED, WEIGHT, Feature, Kind, part_paths
from ecalwindows.formats.weights import Weights

KINDS: dict[Kind, int] = {
    "floats": kernels.FLOATS, "ints": kernels.INTS, "text": kernels.TEXT, "tensor": kernels.TENSOR,
    "hits": kernels.HITS,
}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """The tables of `kernels.tfrecord_writer` for features that are there, and the columns that they refer to.

    Columns of a level are in the order in which its items name them.
    """

    items: Integers
    n_context: int
    keys: Bytes
    key_offsets: Integers
    window_floats: list[str]
    window_ints: list[str]
    pair_floats: list[str]
    pair_ints: list[str]


def columns_of(features: tuple[Feature, ...], kind: Kind) -> list[str]:
    """The columns of the features of a kind, one after the other."""
    return [name for feature in features if feature.kind == kind for name in feature.columns]


def layout_of(has: frozenset[str]) -> Layout:
    """The layout of records made from the columns `has`; extra features without their column are left out."""
    context = tuple(feature for feature in CONTEXT if not feature.extra or has.issuperset(feature.columns))
    items = []
    for features in (context, LISTS):
        firsts = dict.fromkeys(KINDS, 0)
        for feature in features:
            items.append((KINDS[feature.kind], firsts[feature.kind], len(feature.columns)))
            firsts[feature.kind] += len(feature.columns)
    keys = [feature.key.encode() for feature in context + LISTS]
    fields = [b"\x0a" + bytes([len(key)]) + key for key in keys]
    return Layout(
        items=np.array(items, dtype=np.int64),
        n_context=len(context),
        keys=np.array(list(b"".join(fields)), dtype=np.uint8),
        key_offsets=np.cumsum([0, *map(len, fields)]),
        window_floats=columns_of(context, "floats"),
        window_ints=columns_of(context, "ints"),
        pair_floats=columns_of(LISTS, "floats"),
        pair_ints=columns_of(LISTS, "ints"),
    )


def columns_in(batch: WindowBatch) -> frozenset[str]:
    """The columns and hit components that a batch has; `window_index` where it is not all empty."""
    return batch.held if len(batch) else batch.names | {"window_index"}


def as_float32(column: Array) -> Singles:
    """A column as float32; what is too large for it becomes the sentinel."""
    with np.errstate(over="ignore"):
        small = column.astype(np.float32, copy=False)
    return np.where(np.isfinite(small), small, np.float32(SENTINEL)) if column.dtype.itemsize > 4 else small


class TFRecordWriter(Writer):
    """Writes the two files of a part below `folder` (names: `layout.part_paths`). Raises OSError.

    Raises InputError for a batch that lacks columns that a record needs.

    weights : of each window (`wi`), 1 where None
    places  : the paths of the files while they are written, if not their own names
    """

    def __init__(
        self,
        folder: Path,
        part: str,
        *,
        weights: Weights | None = None,
        places: tuple[Path, Path] | None = None,
        max_windows: int = MAX_WINDOWS,
    ) -> None:
        self._where, self._weights, self._max_windows = folder, weights, max_windows
        self._layout: Layout | None = None
        self._texts: list[TextFile] = []
        try:
            for path in places or part_paths(folder, part):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._texts.append(TextFile(path))
        except BaseException:
            self.discard()
            raise
        self.files = [file for text in self._texts for file in text.files]

    def pieces(self, batch: WindowBatch) -> Iterator[tuple[int, Bytes]]:
        """The records of a batch, each time with the number of the file."""
        if not len(batch):
            return
        if columns_in(batch).isdisjoint(TRUTH):
            batch = with_no_truth(batch)
        if self._layout is None:
            self._layout = layout_of(self._checked(columns_in(batch)))
        columns = numbers_of(self._layout, batch, self._weights)
        hits = np.stack([batch.hits[name].astype(np.float32) for name in HITS]).view(np.uint8)
        n_hits = np.diff(batch.hits_offsets, append=batch.hits_offsets[-1])  # a seed of -1 has none
        for first, last in slices(batch.window_offsets, self._max_windows):
            tables = slice_tables(columns, batch, first, last)
            size = max_bytes(self._layout, tables, n_hits)
            for number, matched in enumerate((True, False)):
                rows = first + np.flatnonzero((batch.window["is_seed_calo_matched"][first:last] == 1) == matched)
                if len(rows):
                    yield number, records(self._layout, tables, size, batch.hits_offsets, hits, rows - first)

    def put(self, piece: tuple[int, Bytes]) -> None:
        """Append records to one of the files."""
        number, text = piece
        self._texts[number].write(text)

    def _checked(self, has: frozenset[str]) -> frozenset[str]:
        if missing := sorted(REQUIRED - has):
            raise InputError(
                f"the windows lack {', '.join(missing[:8])}{' and more' if len(missing) > 8 else ''}",
                expected=f"all {len(REQUIRED)} columns and hit components of a TFRecord",
                where=str(self._where),
                todo="make the TFRecord from ROOT or NDJSON, or from Parquet that was written with all of them"
                " (`-f` with a features definition that names them)",
            )
        return has

    def close(self) -> None:
        """Finish the files. Raises OSError."""
        try:
            for text in self._texts:
                text.close()
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Leave the files as they are."""
        for text in self._texts:
            text.discard()


def with_no_truth(batch: WindowBatch) -> WindowBatch:
    """Windows without columns of truth, as a record has them: the lengths of its features are fixed, so the sentinel is
    in each place of truth. It is no label, no index and no energy, so that no number can be taken for truth.
    """
    window, pair = dict(batch.window), dict(batch.pair)
    for name in REQUIRED & TRUTH:
        columns, n = (window, len(batch)) if COLUMNS[name].level == "window" else (pair, len(batch.pair_cluster))
        columns[name] = np.full(n, int(SENTINEL), np.float32 if COLUMNS[name].dtype.startswith("float") else np.int64)
    return replace(batch, window=window, pair=pair)


def window_numbers(batch: WindowBatch, weights: Weights | None) -> dict[str, Array]:
    """The window columns, with the flavour as a record has it (0 where unmatched), the class and the weight."""
    state, main = (batch.window[name].astype(np.int64) for name in ("is_seed_calo_matched", "is_seed_calo_seed"))
    matched = state == 1
    flavour = np.where(matched, batch.window["flavour"], 0)
    weight = np.ones(len(batch))
    if weights is not None:
        weight = weights(flavour, batch.window["seed_eta"], batch.window["et_seed"], batch.window["ncls"])
    return {**batch.window, "flavour": flavour, CLASS: np.where(matched, 1 + main, state), WEIGHT: weight}


@dataclass(frozen=True)
class Numbers:
    """The columns of a batch that its records hold; of those of pairs, whether they have one value per cluster."""

    window_floats: list[Array]
    window_ints: list[Array]
    pair_floats: list[tuple[Array, bool]]
    pair_ints: list[tuple[Array, bool]]


def numbers_of(layout: Layout, batch: WindowBatch, weights: Weights | None) -> Numbers:
    """The columns in the order of the layout; those of clusters are converted here, before they are gathered."""
    windows, others = window_numbers(batch, weights), {**batch.cluster, **batch.pair}
    return Numbers(
        [as_float32(windows[name]) for name in layout.window_floats],
        [windows[name] for name in layout.window_ints],
        [(as_float32(others[name]), name not in batch.pair) for name in layout.pair_floats],
        [(others[name], name not in batch.pair) for name in layout.pair_ints],
    )


@dataclass(frozen=True)
class Tables:
    """Some windows as `kernels.tfrecord_writer` takes them."""

    floats: Bytes
    ints: Integers
    text: Bytes
    text_offsets: Integers
    window_seed: Integers
    window_offsets: Integers
    pair_floats: Bytes
    pair_ints: Integers
    pair_cluster: Integers


def slice_tables(columns: Numbers, batch: WindowBatch, first: int, last: int) -> Tables:
    """The windows from `first` to `last`."""
    pairs = slice(batch.window_offsets[first], batch.window_offsets[last])
    clusters = batch.pair_cluster[pairs]
    start, stop = batch.window_index.offsets[[first, last]]

    def of_windows(each: list[Array], dtype: Any) -> Array:
        return table([column[first:last] for column in each], last - first, dtype)

    def of_pairs(each: list[tuple[Array, bool]], dtype: Any) -> Array:
        return table([column[clusters if gathered else pairs] for column, gathered in each], len(clusters), dtype)

    return Tables(
        of_windows(columns.window_floats, np.float32).view(np.uint8),
        of_windows(columns.window_ints, np.int64),
        batch.window_index.data[start:stop].copy(),  # always a contiguous array: compiled once
        batch.window_index.offsets[first : last + 1] - start,
        batch.window_seed[first:last],
        batch.window_offsets[first : last + 1] - pairs.start,
        of_pairs(columns.pair_floats, np.float32).view(np.uint8),
        of_pairs(columns.pair_ints, np.int64),
        clusters,
    )


def records(layout: Layout, tables: Tables, size: int, hits_offsets: Integers, hits: Array, rows: Integers) -> Bytes:
    """The records of the windows `rows` of the tables, uint8 (n_bytes,), which take at most `size` bytes."""
    t, out = tables, np.empty(size, dtype=np.uint8)
    begin = kernels.write_records(
        out, rows, layout.items, layout.n_context, layout.keys, layout.key_offsets, t.floats, t.ints, t.text,
        t.text_offsets, t.window_seed, t.window_offsets, t.pair_floats, t.pair_ints, t.pair_cluster, hits_offsets, hits,
    )  # fmt: skip
    return out[begin:]


def max_bytes(layout: Layout, tables: Tables, n_hits: Integers) -> int:
    """Upper limit of the bytes of the records of all windows of the tables. `n_hits` : of each cluster, then of none"""
    around, widest = kernels.MAX_BYTES, kernels.WIDEST_INT
    window = around * (len(layout.items) + 2) + 4 * len(layout.window_floats) + widest * len(layout.window_ints)
    pair = around * len(LISTS) + 4 * len(layout.pair_floats) + widest * len(layout.pair_ints)
    seeds, clusters = tables.window_seed, tables.pair_cluster
    hits = 4 * len(HITS) * int(n_hits.take(seeds).sum() + n_hits.take(clusters).sum())
    return len(tables.text) + hits + window * len(seeds) + pair * len(clusters)


def table(columns: list[Array], n_rows: int, dtype: Any) -> Array:
    """The columns side by side, (n_rows, n_columns)."""
    found = np.empty((n_rows, len(columns)), dtype=dtype)
    for place, column in enumerate(columns):
        found[:, place] = column
    return found
