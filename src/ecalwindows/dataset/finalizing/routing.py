"""Parts go into the finished layout: copied as they are, or row by row to the split of each row's event.

Rows are never rewritten: Parquet rows keep their values and schema, lines and records their bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ecalwindows.core.schema import EVENT_COLUMNS
from ecalwindows.dataset.finalizing.identity import (
    EVENT_LINE,
    WANTED,
    WINDOW_LINE,
    Keys,
    batch_keys,
    line_keys,
    table_keys,
)
from ecalwindows.dataset.finalizing.parts import Part
from ecalwindows.dataset.splits import Splits
from ecalwindows.formats.ndjson.lines import as_lines, line_pieces, text_of
from ecalwindows.formats.ndjson.text_file import TextFile
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.parquet.writer import ROW_GROUP, ParquetWriter
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, MATCHED, PART_SUFFIXES, UNMATCHED
from ecalwindows.formats.tfrecord.records import record_pieces

Writer = TypeVar("Writer")
Bytes = NDArray[np.uint8]


@dataclass
class Written:
    """A file of the finished dataset; windows: None where it holds none (the table of events)."""

    path: Path
    split: str | None
    windows: int | None


class TableWriter(ParquetWriter):
    """Writes Arrow tables that are in the layout already, in row groups of the usual size."""

    def __init__(self, path: Path, schema: Any) -> None:
        metadata = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
        super().__init__(path, FeaturesDefinition({}), metadata=metadata)

    def __enter__(self) -> Self:
        return self

    def write_table(self, table: Any) -> None:
        """Append all rows of a table."""
        self.take(table)


class LineWriter(TextFile, AbstractContextManager["LineWriter"]):
    """A text file that closes when its block ends well, and is cut when it does not."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


@dataclass
class Outlets(Generic[Writer]):
    """A writer for each split, opened when the first row comes; counts windows."""

    splits: Splits
    path_of: Callable[[str], Path]
    open: Callable[[Path], AbstractContextManager[Writer]]
    stack: ExitStack
    counts_windows: bool = True
    writers: dict[str, Writer] = field(default_factory=dict)
    written: dict[str, Written] = field(default_factory=dict)

    def outlet(self, split: str) -> Writer:
        """The writer of a split."""
        if split not in self.writers:
            path = self.path_of(split)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.writers[split] = self.stack.enter_context(self.open(path))
            self.written[split] = Written(path, split, 0 if self.counts_windows else None)
        return self.writers[split]

    def rows(self, keys: Keys) -> Iterator[tuple[Writer, Any]]:
        """For each split that has some of these rows: its writer and which rows, as an Arrow mask."""
        split = self.splits.of_hash(keys)
        for number, name in enumerate(self.splits.names):
            mask = split == number
            if mask.any():
                writer, written = self.outlet(name), self.written[name]
                if written.windows is not None:
                    written.windows += int(mask.sum())
                yield writer, pa.array(mask)


def route_part(part: Part, name: str, splits: Splits | None, folder: Path, flat: bool = False) -> list[Written]:
    """Write a part under a new name into a format folder, split by split; returns the files, in order.

    flat : NDJSON stays compressed as it is, and its table of events is `.meta.csv`
    Raises OSError; ValueError for data not written by ecalwindows.
    """
    if splits is None:
        return _kept(part, name, folder) if flat and part.manifest.format == "ndjson" else _copied(part, name, folder)
    route = {"parquet": _route_parquet, "ndjson": _route_ndjson, "tfrecord": _route_tfrecord}[part.manifest.format]
    written = route(part, name, splits, folder)
    order = {split: place for place, split in enumerate(splits.names)}
    return sorted(written, key=lambda each: order[str(each.split)])


def part_paths(format_name: str, name: str, folder: Path, split: str | None) -> dict[str, Path]:
    """Where the files of a part go, by what they hold: windows (by folder for TFRecord) and events."""
    base = folder / split if split else folder
    if format_name == "parquet":
        return {"windows": base / f"{name}.parquet"}
    if format_name == "ndjson":
        return {"windows": base / f"{name}{PART_SUFFIXES['ndjson']}", "events": base / f"{name}{EVENTS_SUFFIX}"}
    return {
        MATCHED: base / MATCHED / f"calomatch_{name}.proto",
        UNMATCHED: base / UNMATCHED / f"nocalomatch_{name}.proto",
    }


def _copied(part: Part, name: str, folder: Path) -> list[Written]:
    """The part as it is, under its new name; NDJSON is compressed again where it was not zst."""
    targets = part_paths(part.manifest.format, name, folder, None)
    written = []
    for source in part.data:
        rows = part.rows[source.relative_to(part.base).as_posix()]
        written.append(Written(targets[_kind(source, part)], None, rows))
        written[-1].path.parent.mkdir(parents=True, exist_ok=True)
        if part.manifest.format == "ndjson" and not source.name.endswith(".zst"):
            with _lines("zst", written[-1].path) as file:
                for piece in line_pieces(source):
                    file.write(np.frombuffer(piece, np.uint8))
        else:
            shutil.copyfile(source, written[-1].path)
    if part.events:
        shutil.copyfile(part.events, targets["events"])
        written.append(Written(targets["events"], None, None))
    return written


def _kept(part: Part, name: str, folder: Path) -> list[Written]:
    """NDJSON as it is, under its new name and that of its table of events in CMS's productions."""
    (source,) = part.data
    end = source.name.removeprefix(part.name)
    written = [Written(folder / f"{name}{end}", None, part.rows[source.relative_to(part.base).as_posix()])]
    shutil.copyfile(source, written[0].path)
    if part.events:
        written.append(Written(folder / f"{name}.meta.csv", None, None))
        shutil.copyfile(part.events, written[1].path)
    return written


def _kind(source: Path, part: Part) -> str:
    return source.parent.name if part.manifest.format == "tfrecord" else "windows"


def _lines(compression: Literal["zst", "none"], path: Path) -> LineWriter:
    return LineWriter(path, compression)


def _route_parquet(part: Part, name: str, splits: Splits, folder: Path) -> list[Written]:
    with ExitStack() as stack:
        outlets = Outlets(
            splits, lambda split: part_paths("parquet", name, folder, split)["windows"],
            lambda path: TableWriter(path, part.schema), stack,
        )  # fmt: skip
        with pq.ParquetFile(part.data[0]) as file:
            for batch in file.iter_batches(use_threads=False, batch_size=ROW_GROUP):
                table = pa.Table.from_batches([batch])
                for writer, mask in outlets.rows(table_keys(table, part.sample)):
                    writer.write_table(table.filter(mask))
    return list(outlets.written.values())


def write_empty(part: Part, name: str, split: str, folder: Path) -> list[Written]:
    """Files without a window, for a split that no event fell into."""
    paths = part_paths(part.manifest.format, name, folder, split)
    for kind, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if part.manifest.format == "parquet":
            with TableWriter(path, part.schema) as writer:
                writer.write_table(part.schema.empty_table())
        else:
            with _lines("zst" if kind == "windows" else "none", path) as file:
                file.write(_header() if kind == "events" else np.empty(0, np.uint8))
    return [Written(path, split, None if kind == "events" else 0) for kind, path in paths.items()]


def _header() -> Bytes:
    return np.frombuffer((";".join(EVENT_COLUMNS) + "\n").encode(), np.uint8)


def _route_ndjson(part: Part, name: str, splits: Splits, folder: Path) -> list[Written]:
    """Lines to their splits, and beside each the rows of its events, also of those without windows."""
    with ExitStack() as stack:

        def outlets(kind: str, compression: Literal["zst", "none"]) -> Outlets[LineWriter]:
            return Outlets(
                splits, lambda split: part_paths("ndjson", name, folder, split)[kind],
                lambda path: _lines(compression, path), stack, counts_windows=kind == "windows",
            )  # fmt: skip

        windows, events = outlets("windows", "zst"), outlets("events", "none")
        for split in splits.names:
            windows.outlet(split)
            events.outlet(split).write(_header())
        for piece in line_pieces(part.data[0]):
            _put_lines(as_lines(piece), WINDOW_LINE, part.sample, windows)
        for number, piece in enumerate(line_pieces(part.events) if part.events else ()):
            _put_lines(as_lines(piece)[int(number == 0) :], EVENT_LINE, part.sample, events)
    return [*windows.written.values(), *events.written.values()]


def _put_lines(lines: Any, pattern: str, sample: str, outlets: Outlets[LineWriter]) -> None:
    for writer, mask in outlets.rows(line_keys(lines, pattern, sample)):
        writer.write(text_of(lines.filter(mask)))


def _route_tfrecord(part: Part, name: str, splits: Splits, folder: Path) -> list[Written]:
    """Records to their splits, bytes as they are."""
    result: list[Written] = []
    for source in part.data:
        kind = _kind(source, part)
        with ExitStack() as stack:
            outlets = Outlets(
                splits, lambda split, kind=kind: part_paths("tfrecord", name, folder, split)[kind],  # type: ignore[misc]
                lambda path: _lines("none", path), stack,
            )  # fmt: skip
            for split in splits.names:
                outlets.outlet(split)
            for frames, batch in record_pieces(source, frozenset(WANTED)):
                for writer, mask in outlets.rows(batch_keys(batch, part.sample)):
                    writer.write(text_of(frames.filter(mask)))
        result += outlets.written.values()
    return result
