"""Tables of scores: one row per cluster in a window, as `--save-scores` writes them and as other programs may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecalwindows.core.arrays import Array, Integers, Singles
from ecalwindows.core.batch import Text, WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.core.files.output import check_output, written_atomically
from ecalwindows.formats.parquet.stored import arrow_text, storage, text_array
from ecalwindows.formats.parquet.writer import TableWriter

EVENT = {"run": "run_id", "lumi": "lumi_id", "event": "event_id", "seed_index": "seed_index"}
"""Columns of a table that name a window together, and the columns of a dataset with the same content."""

INDEX = "window_index"
ROWS = 1 << 16
"""Rows of a table that are read, or written, at a time."""

Scores = Singles
Keys = NDArray[np.bytes_]


@dataclass(frozen=True)
class ScoreTable:
    """A table of scores in memory, 12 bytes per cluster and some 30 per window; a `ScoreSource`.

    Attributes
    ----------
    name : str
        Name of the collection.
    path : str
        The file.
    by_index : bool
        Whether windows are named by `window_index`, else by run, luminosity section, event and seed_index.
    windows : bytes (n_windows,)
        Names of the windows, sorted.
    cluster : int64 (n,)
        Place of the window times 2**32 plus the index of the cluster in its event, sorted.
    score : float32 (n,)
        Score of each.
    metadata : mapping
        What the file says of dataset and model.
    """

    name: str
    path: str
    by_index: bool
    windows: Keys
    cluster: Integers
    score: Scores
    metadata: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a dataset that name windows and clusters."""
        return (INDEX, "cl_index") if self.by_index else (*EVENT.values(), "cl_index")

    @property
    def about(self) -> Mapping[str, str]:
        """What the file says of dataset and model."""
        return {"scores": self.path} | dict(self.metadata)

    def scores(self, batch: WindowBatch) -> Scores:
        """The scores of the clusters of a batch, float32 (n_pairs,). Raises InputError for a cluster without one."""
        keys = _window_names(batch, self.by_index)
        place = np.minimum(np.searchsorted(self.windows, keys), max(len(self.windows) - 1, 0))
        known = (self.windows[place] == keys) if len(self.windows) else np.zeros(len(keys), np.bool_)
        owner = batch.window_of_pair
        wanted = (place[owner].astype(np.int64) << 32) + batch.column("cl_index")
        row = np.minimum(np.searchsorted(self.cluster, wanted), max(len(self.cluster) - 1, 0))
        found = known[owner]
        if len(self.cluster):
            found = found & (self.cluster[row] == wanted)
        if not found.all():
            first = int(np.flatnonzero(~found)[0])
            raise InputError(
                f"{int((~found).sum()):,} clusters of windows have no score, the first is cluster "
                f"{batch.column('cl_index')[first]} of window {_shown(batch, int(owner[first]))}",
                expected="a score for each cluster of each window", where=self.path,
                todo="give the table that was made from this dataset, or complete it",
            )  # fmt: skip
        return self.score[row] if len(row) else np.zeros(0, np.float32)


def read_score_table(path: str | Path, *, name: str | None = None) -> ScoreTable:
    """Read a table of scores.

    Parameters
    ----------
    path
        A Parquet file with the columns `cl_index` (index of the cluster in its event) and `score`, and either
        `window_index`, or `run`, `lumi`, `event` and `seed_index`; with both, `window_index` counts.
    name
        Name of the collection; the name of the file without its suffix where it is not given.

    Raises
    ------
    InputError
        For a file that cannot be read, a missing column, a score outside [0, 1], and a cluster with two scores.
    """
    try:
        with pq.ParquetFile(str(path), pre_buffer=False) as file:
            names = set(file.schema_arrow.names)
            by_index = INDEX in names
            wanted = [*([INDEX] if by_index else EVENT), "cl_index", "score"]
            if missing := [each for each in wanted if each not in names]:
                raise _wrong(path, f"the table has no column '{missing[0]}'", f"the columns {', '.join(wanted)}")
            pieces = [_piece(rows, by_index, path) for rows in _rows(file, wanted)]
            metadata = {
                key.decode(errors="replace"): value.decode(errors="replace")
                for key, value in (file.schema_arrow.metadata or {}).items()
                if not key.startswith((b"ARROW", b"pandas"))
            }
    except (OSError, pa.ArrowException) as error:
        why = error if Path(path).exists() else "there is no such file"
        raise _wrong(path, f"the table cannot be read: {why}", "a Parquet file of scores") from error
    named, size, cluster, score = (np.concatenate([piece[i] for piece in pieces]) for i in range(4))
    windows, at = np.unique(named, return_inverse=True)
    key = (np.repeat(at.astype(np.int64), size) << 32) + cluster
    order = np.argsort(key, kind="stable")
    key = key[order]
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        raise _wrong(
            path, f"{len(twice):,} clusters have two scores, the first is cluster {key[twice[0]] & 0xFFFFFFFF}, "
            f"in row {order[twice[0]]:,} and row {order[twice[0] + 1]:,}", "one score per cluster in a window",
        )  # fmt: skip
    return ScoreTable(name or Path(path).stem, str(path), by_index, windows, key, score[order], metadata)


def _rows(file: Any, wanted: Sequence[str]) -> Iterator[Any]:
    yield file.schema_arrow.empty_table().select(wanted)
    yield from file.iter_batches(ROWS, columns=list(wanted), use_threads=False)


def _piece(rows: Any, by_index: bool, path: str | Path) -> tuple[Keys, Any, Any, Scores]:
    """Rows as names of windows, rows of each, clusters and scores; a window that goes on later is named again."""
    columns = {name: storage(rows.column(name)) for name in rows.schema.names}
    names = [INDEX] if by_index else list(EVENT)
    if any(columns[name].null_count for name in names):
        raise _wrong(path, "a window without a name (null)", "a name for each window")
    if by_index:
        texts = columns[INDEX].dictionary_encode()
        try:
            named = _text_names(arrow_text(texts.dictionary))[texts.indices.to_numpy()]
        except ValueError as error:
            raise _wrong(path, f"the column '{INDEX}' is no text: {columns[INDEX].type}", "names of windows") from error
    else:
        numbers = [np.asarray(columns[name].to_numpy(zero_copy_only=False)) for name in names]
        if bad := [name for name, each in zip(names, numbers, strict=True) if each.dtype.kind not in "iu"]:
            raise _wrong(path, f"the column '{bad[0]}' is no integer: {columns[bad[0]].type}", "integers")
        named = _number_names(numbers)
    cluster = np.asarray(columns["cl_index"].to_numpy(zero_copy_only=False))
    score = np.asarray(columns["score"].to_numpy(zero_copy_only=False))
    if len(cluster) and (cluster.dtype.kind not in "iu" or (cluster < 0).any() or (cluster >= 1 << 31).any()):
        raise _wrong(path, "cl_index is not the index of a cluster everywhere", "whole numbers from 0")
    if score.dtype.kind not in "f" and len(score):
        raise _wrong(path, f"the scores have the type {score.dtype}", "float32 or float64")
    first = np.flatnonzero(np.concatenate([[True], named[1:] != named[:-1]])) if len(named) else np.zeros(0, np.int64)
    values = checked(score.astype(np.float32), str(path))
    return named[first], np.diff(np.append(first, len(named))), cluster.astype(np.int64), values


def checked(score: Scores, where: str) -> Scores:
    """The scores. Raises InputError for scores that are not numbers in [0, 1]."""
    wrong = np.flatnonzero(~((score >= 0) & (score <= 1)))
    if len(wrong):
        raise InputError(
            f"{len(wrong):,} of {len(score):,} scores are not in [0, 1], the first is {score[wrong[0]]}",
            expected="numbers between 0 and 1", where=where,
            todo="state `output: {logit: true}` in the input definition if the model gives logits, and look for NaN",
        )  # fmt: skip
    return score


def _window_names(batch: WindowBatch, by_index: bool) -> Keys:
    if by_index:
        return _text_names(batch.window_index)
    return _number_names([batch.column(name) for name in EVENT.values()])


def _text_names(text: Text) -> Keys:
    """Texts as bytes of one width."""
    sizes = np.diff(text.offsets)
    names = np.zeros((len(text), max(int(sizes.max(initial=0)), 1)), np.uint8)
    owner = np.repeat(np.arange(len(text)), sizes)
    names[owner, np.arange(len(owner)) - np.repeat(text.offsets[:-1] - text.offsets[0], sizes)] = text.data
    return names.view(f"S{names.shape[1]}").ravel()


def _number_names(columns: Sequence[Array]) -> Keys:
    """Four integers as 32 bytes."""
    return np.stack([column.astype(">i8") for column in columns], axis=1).view("S32").ravel()


def _shown(batch: WindowBatch, window: int) -> str:
    if len(batch.window_index):
        return str(text_array(batch.window_index)[window])
    return ":".join(str(batch.column(name)[window]) for name in EVENT.values())


def _wrong(path: str | Path, found: str, expected: str) -> InputError:
    return InputError(found, expected=expected, where=str(path), todo="correct the table, or its path")


class ScoreWriter:
    """Writes the scores of one collection, batch by batch; see `saved_scores`."""

    columns = (*EVENT.values(), "cl_index")
    """Columns of a dataset that it needs; `window_index` too where the dataset has it."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer

    def write(self, batch: WindowBatch, score: Scores) -> None:
        """Take the scores of the clusters of a batch, float32 (n_pairs,)."""
        owner = batch.window_of_pair
        columns = {name: pa.array(batch.column(column)[owner]) for name, column in EVENT.items()}
        if len(batch.window_index) == len(batch):
            text = batch.window_index
            buffers = [None, pa.py_buffer(text.offsets.astype(np.int64)), pa.py_buffer(text.data)]
            texts = pa.Array.from_buffers(pa.large_string(), len(text), buffers).cast(pa.string())
            columns[INDEX] = texts.take(pa.array(owner))
        columns |= {"cl_index": pa.array(batch.column("cl_index")), "score": pa.array(score)}
        fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
        self._writer.put(pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields)))


@contextmanager
def saved_scores(path: str | Path, about: Mapping[str, str], *, overwrite: bool = True) -> Iterator[ScoreWriter]:
    """Write a table of scores that `read_score_table` reads: in row groups, atomically.

    Parameters
    ----------
    path
        The Parquet file.
    about
        What is kept in its metadata, such as name and digest of the dataset and `about` of the source.
    overwrite
        Whether a file there may be replaced.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    target = Path(path)
    check_output(target, overwrite=overwrite)
    with (
        written_atomically([target], new=() if overwrite else [target]) as (place,),
        TableWriter(place, metadata=about, row_group=ROWS) as writer,
    ):
        yield ScoreWriter(writer)
