"""The writers of each format, chosen by name or by the suffix of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import SettingsError, near
from ecalwindows.core.files.inside import refuse_links
from ecalwindows.core.files.output import check_output, is_special
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, absent_second
from ecalwindows.core.threads import Threads
from ecalwindows.formats.batch_writer import Writer as Writer
from ecalwindows.formats.manifest import FOLDER, FileRecord, file_record, manifest_path, refuse_linked_manifest
from ecalwindows.formats.manifest import Format as Format
from ecalwindows.formats.ndjson.text_file import Compression
from ecalwindows.formats.parquet.definition import FeaturesDefinition
from ecalwindows.formats.suffixes import EVENTS_SUFFIX, SUFFIXES, WINDOW_FORMATS, WRITTEN, real_file, suffix_of

if TYPE_CHECKING:
    from ecalwindows.formats.weights import Weights


@dataclass(frozen=True)
class OutputPlan:
    """What a run writes: the data file, and beside NDJSON the table of events (not beside a device or pipe).

    For TFRecord `path` is a folder, which contains the two files of `part`, with `weights` in them.
    leave_out : columns and hit components that the input of a conversion cannot give
    """

    path: Path
    format: Format
    compression: Compression
    definition: FeaturesDefinition
    events_path: Path | None
    part: str = "0"
    weights: Weights | None = None
    leave_out: frozenset[str] = frozenset()

    @property
    def paths(self) -> list[Path]:
        """All files of the output, the data last (it gets its name after the others)."""
        if self.format == "tfrecord":
            from ecalwindows.formats.tfrecord.layout import part_paths

            return list(part_paths(self.path, self.part))
        return [*([self.events_path] if self.events_path else []), self.path]

    @property
    def all_paths(self) -> list[Path]:
        """The manifest (a device or pipe has none), then all files of the output: they get their names together."""
        return [*([] if is_special(self.path) else [self.manifest]), *self.paths]

    @property
    def base(self) -> Path:
        """The folder of the output: names in its manifest are relative to it."""
        return self.path if self.format == "tfrecord" else self.path.parent

    @property
    def manifest(self) -> Path:
        """The path of the manifest."""
        if self.format == "tfrecord":
            return self.path / FOLDER / "manifests" / f"{self.part}.proto.json"
        return manifest_path(self.path)

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Dataset columns and hit components in the output."""
        if self.format == "parquet":
            return self.definition.wanted - self.leave_out
        if self.format == "tfrecord":
            from ecalwindows.formats.tfrecord.layout import COLUMNS as IN_RECORD

            return IN_RECORD - self.leave_out
        return frozenset({*COLUMNS, *HIT_NAMES}) - self.leave_out

    def without(self, missing: frozenset[str]) -> OutputPlan:
        """The plan without some columns and hit components, whatever its format.

        Parquet has hits in any case: where there are none, clusters without hits are written.
        """
        chosen = self.definition
        if self.format == "parquet":
            chosen = chosen.without(missing)
        return replace(self, definition=chosen, leave_out=self.leave_out | missing)

    def with_second(self, name: str | None) -> OutputPlan:
        """The plan of windows for which this collection of superclusters is read beside the first one."""
        chosen = self.definition.with_second(name) if self.format == "parquet" else self.definition
        return replace(self, definition=chosen, leave_out=self.leave_out | absent_second(name))

    @property
    def columns(self) -> list[str]:
        """Names for the manifest: `group.name` for Parquet."""
        if self.format == "parquet":
            return [f"{group}.{name}" for group, names in self.definition.groups.items() for name in names]
        return [name for name in COLUMNS if name in self.wanted]


def output_plan(
    path: Path,
    format_name: str | None,
    definition: FeaturesDefinition,
    *,
    part: str = "0",
    weights: str | Path | None = None,
) -> OutputPlan:
    """Format by name, else by suffix; raises SettingsError when neither is known, and for weights that cannot be used.

    path : a link is followed, so that the manifest is beside the file itself
    part, weights : of TFRecord, the name of the part and the file of weights
    """
    path = real_file(path)
    suffix = suffix_of(path.name) if path.name.endswith(tuple(WRITTEN)) else ""
    if format_name is not None and format_name not in WINDOW_FORMATS:
        raise SettingsError(
            f"unknown format '{format_name}'",
            expected=near(format_name, WINDOW_FORMATS),
            where="--format",
            todo="name a known one",
        )
    if not suffix and format_name is None:
        raise SettingsError(
            f"the name '{path.name}' does not show a format",
            expected=f"a name that ends in {', '.join(WRITTEN)}, or --format {'|'.join(WINDOW_FORMATS)}",
            where="-o",
            todo="change the name or give --format",
        )
    meaning = SUFFIXES[suffix] if suffix else None
    chosen: Format = format_name or SUFFIXES[suffix].format
    if chosen == "tfrecord":
        return OutputPlan(path, "tfrecord", "none", definition, None, part, _weights(weights))
    if weights is not None:
        raise SettingsError(
            f"weights go into TFRecord, and this is {chosen}",
            expected="--format tfrecord",
            where="-w",
            todo="leave out -w, or write TFRecord",
        )
    if chosen == "parquet":
        return OutputPlan(path, "parquet", "none", definition, None)
    compression: Compression = "none" if is_special(path) else "zst"
    if meaning and meaning.format == "ndjson":
        compression = meaning.compression
    events = None if is_special(path) else path.with_name(path.name.removesuffix(suffix) + EVENTS_SUFFIX)
    return OutputPlan(path, "ndjson", compression, definition, events)


def output_plans(
    paths: Sequence[Path],
    format_name: str | None,
    definition: FeaturesDefinition,
    *,
    part: str = "0",
    weights: str | Path | None = None,
) -> list[OutputPlan]:
    """The plans of outputs that are made together; raises SettingsError as `output_plan`, and where there is none.

    Of several, `format_name` is the format of those whose names show none, and the weights go into those of TFRecord.
    """
    if not paths:
        raise SettingsError("no output is named", expected="a name", where="-o", todo="name an output")
    names = [
        None if len(paths) > 1 and real_file(path).name.endswith(tuple(WRITTEN)) else format_name for path in paths
    ]
    return [
        output_plan(path, name, definition, part=part,
                    weights=weights if name == "tfrecord" or "tfrecord" not in names else None)
        for path, name in zip(paths, names, strict=True)
    ]  # fmt: skip


def _weights(path: str | Path | None) -> Weights | None:
    if path is None:
        return None
    from ecalwindows.formats.weights import read_weights

    return read_weights(path)


def check_outputs(plan: OutputPlan, *, overwrite: bool) -> None:
    """Raise OutputError when an output or its manifest can't be written; makes missing folders.

    Only the path that the user has named may be a link.
    """
    if not is_special(plan.path):
        refuse_linked_manifest(plan.manifest)
        refuse_links(above for path in plan.paths if path != plan.path for above in _below(path, plan.base))
    for path in plan.all_paths:
        check_output(path, overwrite=overwrite or path not in plan.paths)


def _below(path: Path, base: Path) -> list[Path]:
    """A file and the folders in which it is, below a folder."""
    return [path, *(above for above in path.parents if above != base and above.is_relative_to(base))]


def output_files(plan: OutputPlan, places: Sequence[Path]) -> list[FileRecord]:
    """The files of an output for its manifest. `places` : where they are until they have their names"""
    return [file_record(path, plan.base, place) for path, place in zip(plan.paths, places, strict=True)]


def encoder(writers: Sequence[Writer], *, threads: int) -> Callable[[WindowBatch], Iterable[tuple[Writer, Any]]]:
    """What makes the pieces of a batch for all writers: with one thread one after the other, when they are put."""

    def pieces(batch: WindowBatch) -> Iterable[tuple[Writer, Any]]:
        found = ((writer, piece) for writer in writers for piece in writer.pieces(batch))
        return list(found) if threads > 1 else found

    return pieces


def open_writers(
    plan: OutputPlan, places: list[Path], metadata: dict[str, str], stack: ExitStack, threads: Threads | None = None
) -> list[Writer]:
    """The writers of an output, on the places given for `plan.paths`; the stack closes them. `threads` help them"""
    if plan.format == "parquet":
        from ecalwindows.formats.parquet.writer import ParquetWriter

        return [stack.enter_context(ParquetWriter(places[-1], plan.definition, metadata=metadata, threads=threads))]
    if plan.format == "tfrecord":
        from ecalwindows.formats.tfrecord.writer import TFRecordWriter

        matched, unmatched = places
        return [
            stack.enter_context(TFRecordWriter(plan.path, plan.part, weights=plan.weights, places=(matched, unmatched)))
        ]
    from ecalwindows.formats.ndjson.writer import EventsCsvWriter, NdjsonWriter

    writers: list[Writer] = [stack.enter_context(NdjsonWriter(places[-1], compression=plan.compression))]
    if plan.events_path:
        writers.append(stack.enter_context(EventsCsvWriter(places[0])))
    return writers
