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

FIGURES = "ecalwindows.plots.saving"
"""The logger that reports figures that are drawn."""

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
def progress(
    *, shown: bool, noun: str = "events", found: str = "windows", lines: StepDone | None = None
) -> Iterator[StepDone | None]:
    """A function to be called with (events done, of, windows): a bar on a terminal, now and then a line elsewhere.

    noun, found : what is counted and what comes of it, where it is not events and windows
    lines : prints other lines than the usual ones
    """
    if not shown:
        yield None
    elif sys.stderr.isatty():
        with _bar(noun, found) as step_done, compilation_shown():
            yield step_done
    else:
        figure_line = _now_and_then()
        with _messages(FIGURES, lambda record: figure_line(record.getMessage())), compilation_shown():
            yield lines or _lines(noun, found)


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


@contextmanager
def compilation_shown() -> Iterator[None]:
    """A line on stderr when loops are compiled, as the first call does for up to some minutes."""
    with _messages("ecalwindows.core.jit", lambda record: _print(terminal_text(record.getMessage()))):
        yield


def _print(line: str) -> None:
    """Print a line on stderr, wherever that leads at the time."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _messages(name: str, take: Callable[[logging.LogRecord], Any]) -> Iterator[None]:
    """Messages of a logger of level INFO also go to a function."""
    logger, handler = logging.getLogger(name), logging.Handler()
    handler.emit = take  # type: ignore[method-assign, assignment]
    handler.addFilter(lambda record: record.levelno == logging.INFO)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


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

        with _messages(FIGURES, lambda record: bar.update(task, description=record.getMessage())):
            yield step_done


def _lines(noun: str, found: str) -> StepDone:
    began, now_and_then = time.monotonic(), _now_and_then()

    def step_done(done: int, of: int, windows: int) -> None:
        rate = done / max(time.monotonic() - began, 1e-3)
        now_and_then(f"{done:,} of {of:,} {noun}, {rate:,.0f} {noun}/s, {windows:,} {found}")

    return step_done


def _now_and_then() -> Callable[[str], None]:
    """Prints a line, if the last one was long enough ago."""
    last = time.monotonic()

    def shown(line: str) -> None:
        nonlocal last
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            _print(line)

    return shown
