"""Progress on a terminal, plain lines in a log, warnings in one line."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ecalwindows.cli.printing import say, terminal_text

SECONDS_BETWEEN_LINES = 5.0

StepDone = Callable[[int, int, int], None]
T = TypeVar("T")


def to_stdout(output: str) -> bool:
    """Whether the data go to standard output, so that words must not."""
    try:
        return os.path.exists(output) and os.path.samefile(output, f"/dev/fd/{sys.__stdout__.fileno()}")  # type: ignore[union-attr]
    except (OSError, AttributeError, ValueError):
        return False


class _OneMessage(logging.Formatter):
    """Messages as they may be printed."""

    def format(self, record: logging.LogRecord) -> str:
        """The message."""
        return terminal_text(super().format(record))


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Warnings of the library as lines on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneMessage("warning: %(message)s"))
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("ecalwindows")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def progress(*, shown: bool, noun: str = "events", found: str = "windows") -> Iterator[StepDone | None]:
    """A function to be called with (events done, of, windows): a bar on a terminal, now and then a line elsewhere.

    noun, found : what is counted and what comes of it, where it is not events and windows
    """
    if not shown:
        yield None
    elif sys.stderr.isatty():
        with _bar(noun, found) as step_done, compilation_shown(shown=True):
            yield step_done
    else:
        with _figures_shown(_figure_lines()), compilation_shown(shown=True):
            yield _lines(noun, found)


def finished(
    work: Callable[..., T], *arguments: Any, text: Callable[[T], str], quiet: bool, last_line: bool = False,
    err: bool = False, noun: str = "events", found: str = "windows", **options: Any,
) -> T:  # fmt: skip
    """What `work` returns: it is called with warnings and progress shown, then the text of its result is printed.

    quiet : no progress, and no text, or with `last_line` its last line
    err : print to standard error; noun, found : words for `progress`
    """
    with warnings_shown(), progress(shown=not quiet, noun=noun, found=found) as step_done:
        done = work(*arguments, progress=step_done, **options)
    if not quiet or last_line:
        lines = text(done)
        say(lines.splitlines()[-1] if quiet else lines, err=err)
    return done


class _Lines(logging.Handler):
    """Prints what is logged on stderr, wherever that leads at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """A line."""
        print(terminal_text(record.getMessage()), file=sys.stderr, flush=True)


class _Figures(logging.Handler):
    """Calls a function with (figure, of) for each figure that is drawn."""

    def __init__(self, figure_done: Callable[[int, int], None]) -> None:
        super().__init__(logging.INFO)
        self.figure_done = figure_done

    def emit(self, record: logging.LogRecord) -> None:
        """The figure that is done."""
        if isinstance(record.args, tuple) and len(record.args) == 2:
            number, of = record.args
            self.figure_done(int(str(number)), int(str(of)))


@contextmanager
def _figures_shown(figure_done: Callable[[int, int], None]) -> Iterator[None]:
    with _handled("ecalwindows.plots.saving", _Figures(figure_done)):
        yield


def _figure_lines() -> Callable[[int, int], None]:
    last = time.monotonic()

    def figure_done(number: int, of: int) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"figure {number} of {of}", file=sys.stderr, flush=True)

    return figure_done


@contextmanager
def _handled(name: str, handler: logging.Handler) -> Iterator[None]:
    """Messages of a logger, from level INFO, also go to a handler."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@contextmanager
def compilation_shown(*, shown: bool) -> Iterator[None]:
    """A line on stderr when loops are compiled, as the first call does for up to some minutes."""
    if not shown:
        yield
        return
    handler = _Lines(logging.INFO)
    handler.addFilter(lambda record: record.levelno == logging.INFO)
    with _handled("ecalwindows.core.jit", handler):
        yield


@contextmanager
def _bar(noun: str, found: str) -> Iterator[StepDone]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s, {task.fields[windows]:,} " + found), TimeRemainingColumn(),
    )  # fmt: skip
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(noun, total=None, rate=0.0, windows=0)

        def step_done(done: int, of: int, windows: int) -> None:
            rate = done / max(time.monotonic() - began, 1e-3)
            bar.update(task, completed=done, total=of, rate=rate, windows=windows)

        def figure_done(number: int, of: int) -> None:
            bar.update(task, description=f"figure {number} of {of}")

        with _figures_shown(figure_done):
            yield step_done


def _lines(noun: str, found: str) -> StepDone:
    began = last = time.monotonic()

    def step_done(done: int, of: int, windows: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / max(now - began, 1e-3)
            print(f"{done:,} of {of:,} {noun}, {rate:,.0f} {noun}/s, {windows:,} {found}", file=sys.stderr, flush=True)

    return step_done
