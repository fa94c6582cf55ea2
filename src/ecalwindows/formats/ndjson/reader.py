"""Reads NDJSON of ecalwindows and of CMS productions in batches (`.ndjson.tar.gz`, with NaN, sometimes a cut line).

The text is read in chunks of complete lines, straight into tables of numbers (`kernels.json_windows`); Python reads
only the first lines, and lines that a kernel cannot read.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

from ecalwindows.core.batch import WindowBatch, partial_batch
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.core.threads import Threads
from ecalwindows.formats.ndjson.layout import LEVELS, Layout, file_layout, parsed, unknown_fields
from ecalwindows.formats.ndjson.tables import Tables
from ecalwindows.formats.ndjson.text_source import Chunk, Limits, bad_text, text_chunks

MAX_REPORTED = 5
"""Unusable lines of a file that are reported with line number and reason."""

MAX_EXAMINED = 1000
"""Unusable lines of a file of which the reason is found; further ones are counted as `NOT_EXAMINED`."""

CUT = "cut at the end of the text"
NOT_UTF8 = "not UTF-8"
NOT_JSON = "not JSON"
NO_CLUSTERS = "no object with a list of clusters"
FIELD_MISSING = "a field is missing"
WRONG_VALUE = "a field has a value of another kind"
NOT_EXAMINED = "reason not examined"
REASONS = (CUT, NOT_UTF8, NOT_JSON, NO_CLUSTERS, FIELD_MISSING, WRONG_VALUE, NOT_EXAMINED)
"""Why a line is not a window: the keys of `ReadNotes.reasons`, and of `unusable` in the notes of manifests."""


@dataclass
class ReadNotes:
    """What was found while reading, for the summary; the counts add up over files.

    windows : usable lines
    unusable, cut : lines that are not windows: in the middle, and at the end of a text without a newline
    reasons : both of them by reason, one of `REASONS`
    reported : file, line number and reason of the first of them
    unknown : fields that are not columns
    doubts : assumptions that nothing in a file proves
    missing : fields that only some lines have, which are left out
    skipped : members of archives that are not files
    """

    windows: int = 0
    unusable: int = 0
    cut: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    reported: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    doubts: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    skipped: list[str] = field(default_factory=list)

    def take(self, other: ReadNotes) -> None:
        """Add what was found while reading other files."""
        for name, theirs in vars(other).items():
            own = getattr(self, name)
            setattr(self, name, own | theirs if isinstance(own, set) else own + theirs)


def read_batches(
    path: str | PathLike[str],
    *,
    rows: int = 8192,
    columns: Collection[str] | None = None,
    limits: Limits | None = None,
    notes: ReadNotes | None = None,
    threads: Threads | None = None,
) -> Iterator[WindowBatch]:
    """Windows of an NDJSON file as partial batches of at most `rows`.

    path : .ndjson, .ndjson.gz, .ndjson.zst, or a tar archive of such text (.tar, .tar.gz, .tgz)
    columns : names of columns and hit components wanted, of those that the file has; all by default
    notes : gets everything else to report
    threads : that read side by side; what is read, and the notes, do not depend on them
    The first lines decide which columns a file has; a later line that lacks one is unusable, even if the column is not
    requested: the number of windows does not depend on `columns`.
    Raises BadFileError for a file that is cut, damaged, beyond the limits or without a window; batches of all
    complete lines before that come first.
    """
    notes = ReadNotes() if notes is None else notes
    reader, reasons_before = Reader(fspath(path), rows, columns, notes, threads or Threads()), Counter(notes.reasons)
    yield from reader.batches(text_chunks(path, limits or Limits(), notes.skipped))
    if reader.n_refused and not reader.n_windows:
        reasons = described(notes.reasons - reasons_before)
        raise bad_text(f"none of its lines is a window: {reasons}", fspath(path))


@dataclass(frozen=True)
class Piece:
    """Some windows of a chunk.

    batch : the windows, None where there are none; bad : line in the chunk (from 0), first and last place of unusable
    lines; strange : level and name of fields that were not known before; layout : with these
    n_lines : of the chunk that are read by now
    """

    batch: WindowBatch | None
    bad: Sequence[Sequence[int]]
    strange: Sequence[tuple[int, str]]
    layout: Layout
    n_lines: int


class Reader:
    """Makes batches from the chunks of one file."""

    def __init__(
        self, path: str, rows: int, wanted: Collection[str] | None, notes: ReadNotes, threads: Threads
    ) -> None:
        self.path, self.rows, self.wanted, self.notes, self.threads = path, rows, wanted, notes, threads
        self.layout: Layout | None = None
        self.n_lines = 0
        self._unused: list[Tables] = []
        self.n_refused = self.n_windows = 0

    def batches(self, chunks: Iterator[Chunk]) -> Iterator[WindowBatch]:
        """The windows of the chunks, which are read side by side from the first one on that shows the layout."""
        for chunk in chunks:
            self.layout = file_layout(chunk.text)
            if self.layout is not None:
                yield from self._reported(chunk, self._pieces(self.layout, chunk))
                break
            self._refuse_all(chunk)
        for chunk, layout, pieces in self.threads.results(map(self._call, chunks), is_nested=True):
            is_known = layout == self.layout  # else fields were met that were not known when the chunk was read
            yield from self._reported(chunk, pieces if is_known else self._pieces(self.layout or layout, chunk))

    def _call(self, chunk: Chunk) -> Callable[[], tuple[Chunk, Layout, Iterable[Piece]]]:
        layout = self.layout
        assert layout is not None  # the first chunks have shown it

        def read() -> tuple[Chunk, Layout, Iterable[Piece]]:
            pieces = self._pieces(layout, chunk)
            return chunk, layout, list(pieces) if self.threads.n > 1 else pieces

        return read

    def _pieces(self, layout: Layout, chunk: Chunk) -> Iterator[Piece]:
        """What is in a chunk, read with tables that nobody else uses meanwhile."""
        try:
            tables = self._unused.pop()
        except IndexError:
            tables = Tables(layout, self.rows)
        if tables.layout != layout:
            tables = Tables(layout, self.rows)
        tables.load(chunk.text)
        done = False
        while not done:
            done = tables.read()
            bad, strange = tables.take_bad(), tables.take_strange()
            batch = batch_of(tables, self.wanted) if tables.n_windows else None
            yield Piece(batch, bad, strange, tables.layout, tables.n_lines)
            tables.clear()
        self._unused.append(tables)

    def _reported(self, chunk: Chunk, pieces: Iterable[Piece]) -> Iterator[WindowBatch]:
        """The windows of a chunk, whose unusable lines are counted; fields that only later lines have are recorded."""
        if chunk.is_first:
            self.n_lines = 0
        n_lines = 0
        for piece in pieces:
            for number, first, last in piece.bad:
                is_cut = not chunk.has_end and last == len(chunk.text) - 1
                self._refuse(self.n_lines + number, chunk.text[first:last], is_cut, chunk.member)
            for level, name in piece.strange:
                if name in COLUMNS and COLUMNS[name].level == LEVELS[level]:
                    self.notes.missing.add(name)
            self.layout, n_lines = piece.layout, piece.n_lines
            if piece.batch is not None:
                self.n_windows += len(piece.batch)
                self.notes.windows += len(piece.batch)
                yield piece.batch
        self.n_lines += n_lines
        if self.layout:
            self.notes.unknown.update(unknown_fields(self.layout))

    def _refuse_all(self, chunk: Chunk) -> None:
        if chunk.is_first:
            self.n_lines = 0
        lines = chunk.text.split(b"\n")[:-1]
        for number, line in enumerate(lines):
            if line.strip():
                self._refuse(self.n_lines + number, line, not chunk.has_end and number == len(lines) - 1, chunk.member)
        self.n_lines += len(lines)

    def _refuse(self, number: int, line: bytes, is_cut: bool, member: str) -> None:
        self.notes.cut += is_cut
        self.notes.unusable += not is_cut
        self.n_refused += 1
        if is_cut:
            reason, detail = CUT, ""
        elif self.n_refused <= MAX_EXAMINED:
            reason, detail = why_unusable(line, self.layout)
        else:
            reason, detail = NOT_EXAMINED, ""
        self.notes.reasons[reason] += 1
        if self.n_refused <= MAX_REPORTED:
            place = f"{self.path}{f' ({member})' if member else ''}, line {number + 1}"
            self.notes.reported.append(f"{place}: {reason}{f' ({detail})' if detail else ''}")


def why_unusable(line: bytes, layout: Layout | None) -> tuple[str, str]:
    """Why a line is not a window: one of `REASONS`, and the details in a few words."""
    try:
        window = parsed(line.decode())
    except UnicodeDecodeError as error:
        return NOT_UTF8, f"byte {error.start + 1}"
    except (ValueError, RecursionError) as error:
        return NOT_JSON, str(error)[:60]
    if not isinstance(window, dict) or not isinstance(window.get("clusters"), list) or layout is None:
        return NO_CLUSTERS, ""
    clusters = [cluster for cluster in window["clusters"] if isinstance(cluster, dict)]
    if len(clusters) < len(window["clusters"]):
        return NO_CLUSTERS, "a cluster is no object"
    missing = [name for name in layout.window if name not in window]
    missing += [name for name in layout.of_cluster if any(name not in cluster for cluster in clusters)]
    if missing:
        return FIELD_MISSING, f"{', '.join(missing[:3])}{' ...' if len(missing) > 3 else ''}"
    levels = ((layout.window, [window]), (layout.cluster, clusters))
    wrong = (
        (name, one[name])
        for names, objects in levels
        for one in objects
        for name in names
        if not _may_be(one[name], COLUMNS[name].dtype)
    )
    name, value = next(wrong, ("", None))
    return WRONG_VALUE, f"{name} is {json.dumps(value)[:30]}" if name else ""


def _may_be(value: Any, dtype: str) -> bool:
    """Whether a JSON value is of the kind of a column; not exact, only for the text of an error."""
    if dtype == "str":
        return isinstance(value, str)
    if dtype.startswith("float"):
        return value is None or type(value) in (int, float)
    if dtype == "bool":
        return value in (0, 1)
    return type(value) in (int, float) and value == value and abs(value) < 2 ** (31 if dtype == "int32" else 63)


def described(reasons: Mapping[str, int]) -> str:
    """Counts by reason, for people: "3 not JSON, 1 a field is missing"."""
    return ", ".join(f"{n:,} {reason}" for reason, n in in_order(reasons).items())


def in_order(reasons: Mapping[str, int]) -> dict[str, int]:
    """Counts by reason in the order of `REASONS`, for manifests."""
    return {reason: reasons[reason] for reason in REASONS if reasons.get(reason)}


def warning_of(reasons: Mapping[str, int], windows: int, reported: Sequence[str]) -> str:
    """The warning about a text in which some lines are not windows.

    reasons : its unusable lines by reason; windows : its usable ones; reported : the first unusable ones
    """
    n = sum(reasons.values())
    lines = "line is no window and is" if n == 1 else "lines are no windows and are"
    return f"{n:,} of {n + windows:,} {lines} left out: {described(reasons)}; the first: {reported[0]}"


def batch_of(tables: Tables, wanted: Collection[str] | None) -> WindowBatch:
    """The windows in the tables as a batch."""
    layout = tables.layout
    names = layout.names if wanted is None else layout.names & frozenset(wanted)
    window = {
        name: tables.window.column(i, name, tables.n_windows)
        for i, name in enumerate(layout.window)
        if name in names and name != "window_index"
    }
    pair = {
        name: tables.pair.column(i, name, tables.n_pairs)
        for i, name in enumerate(layout.cluster)
        if name in names or name == "is_seed"
    }
    is_seed = pair.get("is_seed") if "is_seed" in names else pair.pop("is_seed", None)
    return partial_batch(
        window,
        pair,
        tables.ends[: tables.n_windows + 1].copy(),
        tables.hit_ends[: tables.n_pairs + 1].copy(),
        {name: tables.hit_column(i) for i, name in enumerate(HIT_NAMES[: layout.components]) if name in names},
        text=tables.names() if "window_index" in names else None,
        is_seed=is_seed,
    )
