"""One name a format: what a file's suffix says, and the writers that make it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from ecalwindows.batch import WindowBatch
from ecalwindows.dataset.definition import FeaturesDefinition
from ecalwindows.dataset.output import is_special
from ecalwindows.errors import SettingsError, near
from ecalwindows.schema import COLUMNS, HIT_COMPONENTS

Format = Literal["parquet", "ndjson"]
Compression = Literal["zst", "gz", "none"]

SUFFIXES: dict[str, tuple[Format, Compression]] = {
    ".parquet": ("parquet", "none"),
    ".ndjson": ("ndjson", "none"),
    ".ndjson.gz": ("ndjson", "gz"),
    ".ndjson.zst": ("ndjson", "zst"),
}
FORMATS: tuple[Format, ...] = ("parquet", "ndjson")


class Writer(Protocol):
    """What every format has: takes batches in order, and finishes its file."""

    def write(self, batch: WindowBatch) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class OutputPlan:
    """What a run writes: the data file, and beside NDJSON the table of events (not beside a device or pipe)."""

    path: Path
    format: Format
    compression: Compression
    definition: FeaturesDefinition
    events_path: Path | None

    @property
    def paths(self) -> list[Path]:
        """All files of the output, the data last (it gets its name when the rest has)."""
        return [*([self.events_path] if self.events_path else []), self.path]

    @property
    def wanted(self) -> frozenset[str]:
        """Dataset columns and hit components that the output holds."""
        if self.format == "parquet":
            return self.definition.wanted
        return frozenset(COLUMNS) | {name for name, *_ in HIT_COMPONENTS}

    @property
    def columns(self) -> list[str]:
        """Names for the manifest: `group.name` for Parquet."""
        if self.format == "parquet":
            return [f"{group}.{name}" for group, names in self.definition.groups.items() for name in names]
        return list(COLUMNS)


def output_plan(path: Path, format_name: str | None, definition: FeaturesDefinition) -> OutputPlan:
    """Format by name, else by suffix; raises SettingsError when neither tells."""
    suffix = next((end for end in sorted(SUFFIXES, key=len, reverse=True) if path.name.endswith(end)), None)
    if format_name is not None and format_name not in FORMATS:
        raise SettingsError(
            f"unknown format '{format_name}'",
            expected=near(format_name, FORMATS),
            where="--format",
            todo="name a known one",
        )
    if suffix is None and format_name is None:
        raise SettingsError(
            f"the name '{path.name}' tells no format",
            expected=f"a name that ends in {', '.join(SUFFIXES)}, or --format {'|'.join(FORMATS)}",
            where="-o",
            todo="change the name or give --format",
        )
    by_suffix = SUFFIXES[suffix] if suffix else None
    chosen: Format = by_suffix[0] if by_suffix and format_name in (None, by_suffix[0]) else format_name  # type: ignore[assignment]
    if chosen == "parquet":
        return OutputPlan(path, "parquet", "none", definition, None)
    compression = by_suffix[1] if by_suffix and by_suffix[0] == "ndjson" else "none" if is_special(path) else "zst"
    stem = path.name.removesuffix(suffix) if suffix else path.name
    events = None if is_special(path) else path.with_name(f"{stem}.events.csv")
    return OutputPlan(path, "ndjson", compression, definition, events)


def open_writers(plan: OutputPlan, places: list[Path], metadata: dict[str, str], stack: ExitStack) -> list[Writer]:
    """The writers of an output, on the places given for `plan.paths`; the stack closes them."""
    if plan.format == "parquet":
        from ecalwindows.dataset.parquet import ParquetWriter

        return [stack.enter_context(ParquetWriter(places[-1], plan.definition, metadata=metadata))]
    from ecalwindows.dataset.ndjson import EventsCsvWriter, NdjsonWriter

    writers: list[Writer] = [stack.enter_context(NdjsonWriter(places[-1], compression=plan.compression))]
    if plan.events_path:
        writers.append(stack.enter_context(EventsCsvWriter(places[0])))
    return writers
