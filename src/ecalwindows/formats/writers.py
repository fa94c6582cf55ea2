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
from ecalwindows.formats.manifest import FOLDER, manifest_path, refuse_linked_manifest
from ecalwindows.formats.manifest import Format as Format
from ecalwindows.formats.ndjson.text_file import Compression
from ecalwindows.formats.parquet.definition import FeaturesDefinition, features_definition
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
    events_path: Path | None
    definition: FeaturesDefinition
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
    format_name: str | None = None,
    definition: FeaturesDefinition | str | Path | None = None,
    *,
    part: str = "0",
    weights: str | Path | None = None,
) -> OutputPlan:
    """The plan of a single output, as `output_plans` makes it."""
    return output_plans([path], format_name, definition, part=part, weights=weights)[0]


def output_plans(
    paths: Sequence[Path],
    format_name: str | None,
    definition: FeaturesDefinition | str | Path | None,
    *,
    part: str = "0",
    weights: str | Path | None = None,
) -> list[OutputPlan]:
    """The plans of outputs that are made together.

    paths : links are followed, so that a manifest is beside the file itself
    format_name : the format of a single output; of several, that of those whose names show none
    definition : what Parquet holds, or its name or file; None is the default
    part, weights : of TFRecord, the name of the part and the file of weights
    Raises SettingsError where there is no output, for one of unknown format, for what none of them would use, and for
    a definition or weights that cannot be used.
    """
    if not paths:
        raise SettingsError("no output is named", expected="a name", where="-o", todo="name an output")
    paths = [real_file(path) for path in paths]
    names = [None if len(paths) > 1 and _shows_format(path) else format_name for path in paths]
    if format_name not in names:
        raise SettingsError(
            f"the names of all outputs show their formats, and --format {format_name} has no effect",
            expected="an output whose name does not show a format", where="--format", todo="leave out --format",
        )  # fmt: skip
    formats = [_format(path, name) for path, name in zip(paths, names, strict=True)]
    _refuse_unused("-f", "a features definition chooses columns of Parquet", definition, "parquet", formats)
    _refuse_unused("-w", "weights go into TFRecord", weights, "tfrecord", formats)
    if not isinstance(definition, FeaturesDefinition):
        definition = features_definition(definition)
    return [
        OutputPlan(path, format, *_text_and_events(path, format), definition, part, _weights(format, weights))
        for path, format in zip(paths, formats, strict=True)
    ]


def _shows_format(path: Path) -> bool:
    return path.name.endswith(tuple(WRITTEN))


def _format(path: Path, name: str | None) -> Format:
    """Format by name, else by suffix; raises SettingsError when neither is known."""
    if name is not None and name not in WINDOW_FORMATS:
        raise SettingsError(
            f"unknown format '{name}'", expected=near(name, WINDOW_FORMATS), where="--format", todo="name a known one"
        )
    if name is None and not _shows_format(path):
        raise SettingsError(
            f"the name '{path.name}' does not show a format",
            expected=f"a name that ends in {', '.join(WRITTEN)}, or --format {'|'.join(WINDOW_FORMATS)}",
            where="-o",
            todo="change the name or give --format",
        )
    suffix = suffix_of(path.name)
    shown = SUFFIXES[suffix].format if suffix else None
    if name in ("parquet", "ndjson") and shown and name != shown and not is_special(path):
        raise SettingsError(
            f"the output is named '{path.name}', which shows the format {shown}, and --format is {name}",
            expected="the same format", where="-o", todo="change the name, or leave out --format",
        )  # fmt: skip
    chosen: Format = name or SUFFIXES[suffix].format
    return chosen


def _refuse_unused(option: str, use: str, given: Any, format: Format, formats: Sequence[Format]) -> None:
    """Raise SettingsError for an option that only one format uses, where there is no such output."""
    if given is not None and format not in formats:
        raise SettingsError(
            f"{use}, and this is {' and '.join(dict.fromkeys(formats))}", expected=f"an output of format {format}",
            where=option, todo=f"leave out {option}, or write {format}",
        )  # fmt: skip


def _text_and_events(path: Path, format: Format) -> tuple[Compression, Path | None]:
    """The compression of an output, and the table of events beside it."""
    if format != "ndjson":
        return "none", None
    suffix = suffix_of(path.name) if _shows_format(path) else ""
    events = None if is_special(path) else path.with_name(path.name.removesuffix(suffix) + EVENTS_SUFFIX)
    if suffix and SUFFIXES[suffix].format == "ndjson":
        return SUFFIXES[suffix].compression, events
    return "none" if is_special(path) else "zst", events


def _weights(format: Format, path: str | Path | None) -> Weights | None:
    if path is None or format != "tfrecord":
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


def encoder(writers: Sequence[Writer], *, threads: int) -> Callable[[WindowBatch], Iterable[tuple[Writer, Any]]]:
    """What makes the pieces of a batch for all writers: with one thread one after the other, when they are put."""

    def pieces(batch: WindowBatch) -> Iterable[tuple[Writer, Any]]:
        found = ((writer, piece) for writer in writers for piece in writer.pieces(batch))
        return list(found) if threads > 1 else found

    return pieces


def put_all(pieces: Iterable[tuple[Writer, Any]]) -> None:
    """Append the pieces of a batch. Raises OSError."""
    for writer, piece in pieces:
        writer.put(piece)


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
