"""All inputs of a run as events, step by step: headers checked first, each event once, bad files counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import pairwise
from numbers import Integral
from typing import Any, TypeVar

from ecalwindows.core.errors import BadFileError, SettingsError, near
from ecalwindows.core.events import Events, events_between, selected_events
from ecalwindows.core.settings import WindowSettings
from ecalwindows.core.threads import Threads, number_of_threads
from ecalwindows.dumper.duplicates import SeenEvents
from ecalwindows.dumper.headers import Input, Inputs, check_inputs
from ecalwindows.dumper.inputs import input_files
from ecalwindows.dumper.read import event_steps

T = TypeVar("T")

MAX_MEMORY = 1e15
"""Bytes: so much and more is all that there is."""

STEP_SHARE = 0.15
"""Share of the memory budget for the arrays read in a step: the rest is for decompression and for what is made."""


@dataclass(frozen=True)
class Reading:
    """How inputs are read; nothing here changes the content of a dataset but `events` and what is skipped.

    memory_mb : about how much the arrays of a step may take [MB, 1e6 bytes]
    step_events : most events of a step
    events : (start, stop) over all inputs
    all_may_be_bad : inputs of which none can be read give an output without windows, which records them
    warns : what a user must know of the inputs is logged as warnings, else it is in the report only
    jobs : threads; 0 for as many as there are processors
    """

    memory_mb: float = 256.0
    step_events: int | None = None
    events: tuple[int | None, int | None] = (None, None)
    skip_bad_files: bool = False
    keep_first_duplicates: bool = False
    all_may_be_bad: bool = False
    warns: bool = True
    jobs: int = 1

    def __post_init__(self) -> None:
        """Raise SettingsError for events that are no pair of numbers, and a step or memory of which nothing comes."""
        events: Any = self.events
        step: Any = self.step_events
        if not isinstance(events, tuple | list) or len(events) != 2 or not all(map(_is_number, events)):
            raise _wrong(f"events is {events!r}", "(START, STOP), two whole numbers; either may be None")
        if not _is_number(step) or (step is not None and step < 1):
            raise _wrong(f"step_events is {step!r}", "a whole number, at least 1, or None")
        if not self.memory_mb >= 0:
            raise _wrong(f"memory_mb is {self.memory_mb}", "a number of MB, not below 0")

    @property
    def step_bytes(self) -> float:
        """Budget of the events that are read at once."""
        return min(self.memory_mb * 1e6, MAX_MEMORY) * STEP_SHARE

    @property
    def piece_bytes(self) -> float:
        """Budget of the events of which something is made at once: threads share it, also for what waits."""
        n_threads = number_of_threads(self.jobs)
        return self.step_bytes / (1.5 * n_threads if n_threads > 1 else 1)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, Integral) and not isinstance(value, bool))


def _wrong(found: str, expected: str) -> SettingsError:
    return SettingsError(found, expected=expected, where="the reading", todo="correct or remove it")


def reading_of(given: Reading | Mapping[str, Any] | None) -> Reading:
    """How inputs are read, from `Reading` itself, a dictionary of its fields, or None for the defaults.

    Raises
    ------
    SettingsError : if a name is unknown (the error lists near names) or a value cannot be used
    """
    if isinstance(given, Reading):
        return given
    values, known = dict(given or {}), [each.name for each in fields(Reading)]
    for name in values:
        if name not in known:
            raise _wrong(f"unknown name '{name}'", near(str(name), known))
    return Reading(**values)


@dataclass
class ReadReport:
    """What was found in the inputs of a run. `warnings`: what a user of the data must know of it, one line for each."""

    n_files: int = 0
    warnings: list[str] = field(default_factory=list)
    bad: list[BadFileError] = field(default_factory=list)
    pileup_files: int = 0
    duplicates: dict[str, int] = field(default_factory=dict)

    @property
    def n_duplicates(self) -> int:
        """Events that were left out, as an input before has them too."""
        return sum(self.duplicates.values())


def iter_events(
    inputs: Inputs, settings: WindowSettings, *, reading: Reading, report: ReadReport
) -> Iterator[tuple[Input, Events]]:
    """Events of all inputs, step by step, in order, none twice, with the file of each step; fills the report."""
    steps = iter_results(inputs, settings, _nothing, reading=reading, report=report)
    return ((file, events) for file, events, _ in steps)


def _nothing(file: Input, events: Events) -> None:
    """Only the events are wanted."""


def iter_results(
    inputs: Inputs,
    settings: WindowSettings,
    work: Callable[[Input, Events], T],
    *,
    reading: Reading,
    report: ReadReport,
    threads: Threads | None = None,
    when_read: Callable[[Input], None] | None = None,
) -> Iterator[tuple[Input, Events, T]]:
    """The file, the events and what `work` makes of them for each step of all inputs, in order; fills the report.

    work : is called in any thread, and again for steps with events that were there before: without them
    when_read : is called when a file has been read to its end, while work on its last events goes on
    """
    report.n_files, report.bad = len(inputs.files), list(inputs.bad)
    report.pileup_files = sum(file.use_pileup for file in inputs.files)
    seen = SeenEvents([file.path for file in inputs.files], keep_first=reading.keep_first_duplicates)
    bad = dict[int, BadFileError]()
    with ExitStack() as stack:
        threads = threads or stack.enter_context(Threads(reading.jobs))
        for number, found in threads.results(_calls(inputs, settings, work, reading, threads, when_read)):
            file = inputs.files[number]
            if isinstance(found, BadFileError):
                bad.setdefault(number, found)
            elif number not in bad:
                events, made = found
                first = seen.first_time(events, number)
                if not first.all():
                    report.duplicates[file.path] = report.duplicates.get(file.path, 0) + int((~first).sum())
                    events = selected_events(events, first)
                    made = work(file, events)
                yield file, events, made
                del events, made
            del found  # and is free before the next events are read
    report.bad += bad.values()


Step = tuple[int, tuple[Events, T] | BadFileError]
"""Number of the file, and events with what was made of them, or the reason why the file is left out."""


def _calls(
    inputs: Inputs,
    settings: WindowSettings,
    work: Callable[[Input, Events], T],
    reading: Reading,
    threads: Threads,
    when_read: Callable[[Input], None] | None,
) -> Iterator[Callable[[], Step[T]]]:
    """The steps of all files, as calls, each for a piece of what is read at once.

    Where bad files are left out, each file is read once for nothing before, so that one that breaks half-way gives
    nothing, not a part.
    """

    def steps(file: Input) -> Iterator[Events]:
        return event_steps(
            file, settings, memory_bytes=reading.step_bytes, max_events=reading.step_events, threads=threads
        )

    def done(number: int, file: Input, events: Events) -> Step[T]:
        return number, (events, work(file, events))

    for number, file in enumerate(inputs.files):
        try:
            if reading.skip_bad_files:
                for _ in steps(file):
                    pass
            for piece in threads.parts_ahead(steps(file), partial(_pieces, most=reading.piece_bytes)):
                yield partial(done, number, file, piece)
                del piece
            if when_read:
                when_read(file)
        except BadFileError as error:
            if not reading.skip_bad_files:
                raise
            yield partial(_left_out, number, error)


def _pieces(events: Events, most: float) -> Iterator[Events]:
    """Equal pieces of about so many bytes."""
    n_pieces = max(1, min(math.ceil(events.n_bytes / max(most, 1)), len(events)))
    bounds = [len(events) * number // n_pieces for number in range(n_pieces + 1)]
    return (events_between(events, start, stop) for start, stop in pairwise(bounds))


def _left_out(number: int, error: BadFileError) -> Step[Any]:
    return number, error


def checked_inputs(inputs: Any, settings: WindowSettings, wanted: Collection[str], reading: Reading) -> Inputs:
    """All headers checked."""
    files = input_files(inputs)
    checked = check_inputs(files, settings, wanted, events=reading.events, skip_bad_files=reading.skip_bad_files)
    if checked.bad and not checked.files and not reading.all_may_be_bad:
        raise checked.bad[0]
    return checked
