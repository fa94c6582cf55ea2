"""Parts go into the finished layout, with manifests: copied, or row by row to the split of each row's event.

Rows are never rewritten: Parquet rows keep their values and schema, lines and records their bytes.
"""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ecalwindows.core.arrays import Words
from ecalwindows.core.files.renaming import link_or_copy
from ecalwindows.core.threads import Threads
from ecalwindows.dataset.finalizing.description import Form
from ecalwindows.dataset.finalizing.identity import rows_of
from ecalwindows.dataset.finalizing.parts import Part, parts_error
from ecalwindows.dataset.part_output import EVENTS, KINDS, RULE, WINDOWS
from ecalwindows.dataset.record import DataFile
from ecalwindows.dataset.splits import Splits
from ecalwindows.formats.manifest import FOLDER, FileRecord, file_record, write_manifest
from ecalwindows.formats.ndjson.lines import line_pieces, text_of
from ecalwindows.formats.ndjson.text_file import TextFile
from ecalwindows.formats.ndjson.writer import EVENTS_HEADER
from ecalwindows.formats.parquet.index import write_parquet_index
from ecalwindows.formats.parquet.writer import TableWriter
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, MATCHED, PART_SUFFIXES, UNMATCHED
from ecalwindows.formats.summed_file import SummedFile, file_records
from ecalwindows.formats.tfrecord import layout


@dataclass
class Written:
    """A file of the finished dataset; windows: None where it holds none (the table of events).

    source : what the manifest of the part says of the file of which this is a copy; files : else, the file as written
    """

    path: Path
    split: str | None
    windows: int | None
    source: FileRecord | None = None
    files: Sequence[SummedFile] = ()

    def record(self, base: Path) -> FileRecord:
        """Size and checksum: of a copy those of its source, which are proven before it is copied. Raises OSError."""
        if self.source is None:
            return file_records([self.path], base, [self.path], self.files)[0]
        if self.source.bytes != self.path.stat().st_size:
            raise OSError(errno.EIO, "the copy has another size than what was copied", str(self.path))
        return self.source.model_copy(update={"name": self.path.relative_to(base).as_posix()})


class LineWriter(TextFile):
    """A text file that takes lines or records."""

    def put(self, rows: Any) -> None:
        """Append all lines or records of an Arrow array."""
        self.write(text_of(rows))


@dataclass
class Outlets:
    """A writer for each split, opened when the first row comes; counts windows. Without splits: one for all."""

    splits: Splits | None
    path_of: Callable[[str | None], Path]
    open: Callable[[Path], TableWriter | LineWriter]
    stack: ExitStack
    counts_windows: bool = True
    writers: dict[str | None, TableWriter | LineWriter] = field(default_factory=dict)
    written: dict[str | None, Written] = field(default_factory=dict)

    def outlet(self, split: str | None) -> TableWriter | LineWriter:
        """The writer of a split."""
        if split not in self.writers:
            path = self.path_of(split)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.writers[split] = opened = self.open(path)
            self.stack.enter_context(opened)
            self.written[split] = Written(path, split, 0 if self.counts_windows else None, files=opened.files)
        return self.writers[split]

    def put(self, rows: Any, keys: Words) -> None:
        """Give rows, an Arrow table or array, to the writers of their splits."""
        sides = self.splits.of_hash(keys) if self.splits else np.zeros(len(keys), np.int64)
        for number, name in enumerate(names_of(self.splits)):
            mask = sides == number
            if mask.any():
                self.outlet(name).put(rows if mask.all() else rows.filter(pa.array(mask)))
                written = self.written[name]
                written.windows = None if written.windows is None else written.windows + int(mask.sum())


def names_of(splits: Splits | None) -> Sequence[str | None]:
    """The names of the splits; None alone for a part that is not divided."""
    return splits.names if splits else [None]


def write_layout(
    parts: Sequence[Part],
    splits: Splits | None,
    out: Path,
    one_more: Callable[[], None],
    flat: Mapping[str, str] | None,
    workers: int,
    *,
    is_copy: bool,
) -> Form:
    """Data and manifests in the finished layout, or a flat one; the files by split, then by part.

    one_more : called when a part is written; flat : names of parts in an output without a folder for the format
    workers : threads that write; is_copy : the same windows exist in another format, whose manifests come first
    """
    format = parts[0].manifest.format
    base = out if flat else out / format
    manifests = (out / FOLDER if flat else out) / "manifests" / (format if is_copy else "")
    files: list[DataFile] = []
    names = [flat[part.name] if flat else f"part-{number:05d}" for number, part in enumerate(parts)]
    with Threads(max(workers, 1)) as threads:
        routed = threads.results(
            partial(route_part, part, name, splits, base, bool(flat)) for part, name in zip(parts, names, strict=True)
        )
        for number, (part, name, written) in enumerate(zip(parts, names, routed, strict=True)):
            if number == len(parts) - 1 and splits:
                filled = {file.split for file in files} | {each.split for each in written}
                empty = [split for split in splits.names if split not in filled]
                written += [each for split in empty for each in write_empty(part, name, split, base)]
            files += _recorded(part, name, written, out, manifests)
            one_more()
    order = {name: place for place, name in enumerate(splits.names)} if splits else {}
    beside = [file_record(manifests / f"{name}.json", out) for name in names]
    files.sort(key=lambda file: order.get(file.split or "", 0))
    if format == "parquet":
        for split in splits.names if splits else [None]:
            held = [file.name.rpartition("/")[2] for file in files if file.split == split]
            beside += write_parquet_index(base / split if split else base, held, out)
    return Form(parts, files, beside)


def _recorded(part: Part, name: str, written: Sequence[Written], out: Path, manifests: Path) -> list[DataFile]:
    """The files of a part with their checksums; writes the manifest of the part."""
    records = [each.record(out) for each in written]
    files = [
        DataFile(**record.model_dump(), windows=each.windows, split=each.split)
        for record, each in zip(records, written, strict=True)
    ]
    rows = sum(file.windows or 0 for file in files)
    if rows != part.manifest.rows:
        raise parts_error(
            f"{part.name} gave {rows:,} windows, but holds {part.manifest.rows:,}", "all of them", part.base,
            "check that nothing else writes to the folder, and run again",
        )  # fmt: skip
    notes = {name: note for name, note in part.manifest.notes.items() if name != RULE} | {"part": part.name}
    manifest = part.manifest.model_copy(update={"files": records, "notes": notes})
    write_manifest(manifest, manifests / f"{name}.json")
    return files


def route_part(part: Part, name: str, splits: Splits | None, folder: Path, flat: bool = False) -> list[Written]:
    """Write a part under a new name into a format folder, split by split; returns the files, in order.

    flat : NDJSON stays compressed as it is, and its table of events is `.meta.csv`
    Raises OSError; ValueError for data not written by ecalwindows.
    """
    if str(part.splits) != str(splits):
        return _routed(part, name, splits, folder)
    if splits is None and flat and part.manifest.format == "ndjson":
        return _kept(part, name, folder)
    return [written for split in names_of(splits) for written in _copied(part, name, split, folder)]


def part_paths(format_name: str, name: str, folder: Path, split: str | None) -> dict[str, Path]:
    """Where the files of a part go, by what they hold: windows (by folder for TFRecord) and events."""
    base = folder / split if split else folder
    if format_name == "parquet":
        return {WINDOWS: base / f"{name}.parquet"}
    if format_name == "ndjson":
        return {WINDOWS: base / f"{name}{PART_SUFFIXES['ndjson']}", EVENTS: base / f"{name}{EVENTS_SUFFIX}"}
    return dict(zip((MATCHED, UNMATCHED), layout.part_paths(base, name), strict=True))


def _copied(part: Part, name: str, split: str | None, folder: Path) -> list[Written]:
    """The files of a split as they are, under their new name; NDJSON is compressed again where it was not zst."""
    targets = part_paths(part.manifest.format, name, folder, split)
    written = []
    for kind, source in part.files_of(split).items():
        rows = part.rows.get(source.relative_to(part.base).as_posix())
        if part.manifest.format == "parquet" and split and not rows:
            continue
        written.append(Written(targets[kind], split, rows))
        targets[kind].parent.mkdir(parents=True, exist_ok=True)
        if kind == WINDOWS and part.manifest.format == "ndjson" and not source.name.endswith(".zst"):
            written[-1].files = compress_lines([source], targets[kind])
        else:
            _copy(part, source, written[-1])
    return written


def _copy(part: Part, source: Path, written: Written) -> None:
    name = source.relative_to(part.base).as_posix()
    written.source = next(record for record in part.manifest.files if record.name == name)
    (link_or_copy if part.may_link else shutil.copyfile)(source, written.path)


def _kept(part: Part, name: str, folder: Path) -> list[Written]:
    """NDJSON as it is, under its new name and that of its table of events in CMS's productions."""
    source, events = part.data[0], part.files_of(None).get(EVENTS)
    end = source.name.removeprefix(part.name)
    written = [Written(folder / f"{name}{end}", None, part.rows[source.relative_to(part.base).as_posix()])]
    _copy(part, source, written[0])
    if events:
        written.append(Written(folder / f"{name}.meta.csv", None, None))
        _copy(part, events, written[1])
    return written


def compress_lines(sources: Sequence[Path], path: Path) -> Sequence[SummedFile]:
    """Write the lines of texts, one after the other, as zst. The file that is written is returned."""
    with TextFile(path, "zst") as file:
        for source in sources:
            for piece in line_pieces(source):
                file.write(piece)
    return file.files


def _routed(part: Part, name: str, splits: Splits | None, folder: Path) -> list[Written]:
    """Rows to the splits of their events; to the table of events also those of events without windows."""
    written: list[Written] = []
    for kind in KINDS[part.manifest.format]:
        with ExitStack() as stack:
            outlets = Outlets(
                splits, lambda split, kind=kind: part_paths(part.manifest.format, name, folder, split)[kind],  # type: ignore[misc]
                lambda path, kind=kind: opened(part, kind, path), stack, counts_windows=kind != EVENTS,  # type: ignore[misc]
            )  # fmt: skip
            if part.manifest.format != "parquet" or splits is None:
                for split in names_of(splits):
                    outlets.outlet(split)
            for rows, keys in rows_of(part, kind):
                outlets.put(rows, keys)
        written += outlets.written.values()
    order = {split: place for place, split in enumerate(names_of(splits))}
    return sorted(written, key=lambda each: order[each.split])


def opened(part: Part, kind: str, path: Path) -> TableWriter | LineWriter:
    """A file for rows of a part; as long as none comes, it is what a file without rows is."""
    if part.manifest.format == "parquet":
        metadata = {key.decode(): value.decode() for key, value in (part.schema.metadata or {}).items()}
        table = TableWriter(path, metadata=metadata)
        table.put(part.schema.empty_table())
        return table
    file = LineWriter(path, "zst" if kind == WINDOWS else "none")
    if kind == EVENTS:
        file.write(EVENTS_HEADER)
    return file


def write_empty(part: Part, name: str, split: str, folder: Path) -> list[Written]:
    """Files without a window, for a split that no event fell into."""
    paths = part_paths(part.manifest.format, name, folder, split)
    written = []
    for kind, path in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with opened(part, kind, path) as file:
            written.append(Written(path, split, None if kind == EVENTS else 0, files=file.files))
    return written
