"""The driver of `ecalwindows show`: one window, or the windows of one event, of a dataset or of a dumper file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from ecalwindows.commands.validate import known_settings
from ecalwindows.commands.windows import Report, iter_made, prepared
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError, SettingsError, refuse_missing
from ecalwindows.core.files.output import no_empty_folders
from ecalwindows.core.geometry import Geometry, geometry_of
from ecalwindows.core.names import counted
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dataset.layout import record_path
from ecalwindows.dataset.reading.finding import (  # fmt: skip
    Name,
    event_name,
    fitting,
    named_windows,
    naming_columns,
    nearest,
    texts,
    window_name,
)
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.dataset.record import read_record
from ecalwindows.dumper.branches import EVERYTHING
from ecalwindows.dumper.inspection import event_ids
from ecalwindows.dumper.reading import Reading
from ecalwindows.plots.event import draw_event
from ecalwindows.plots.style import Figure, check_picture
from ecalwindows.plots.window import HITS, NEEDED, draw_window, seed_et
from ecalwindows.training.opened import open_dataset
from ecalwindows.validation.comparison import joined, taken

Done = Callable[[int, int, int], None]
MAX_NAMED = 5
WINDOW_NAME = "window_index, <sample>_<run>_<lumi>_<event>_<seed_index>"
EVENT_NAME = "N, RUN:LUMI:N or SAMPLE:RUN:LUMI:N"


@dataclass
class Shown:
    """What was drawn: `windows` : what they are called, with Et [GeV] and whether they are matched (None: unknown).

    et : whether Et is calibrated or raw; notes : what the picture lacks, and why
    """

    picture: Path
    windows: list[tuple[str, float, bool | None]]
    notes: list[str] = field(default_factory=list)
    et: str = ""


def show(
    source: str,
    *,
    window: str | None = None,
    event: str | None = None,
    output: str | Path | None = None,
    settings: WindowSettings | None = None,
    progress: Done | None = None,
) -> Shown:
    """Draw one window (by its window_index) or all windows of one event (`<event>` or `<run>:<lumi>:<event>`).

    source : a dataset of any format, or a dumper file (.root); output : picture, by default named after what it shows
    settings : with which windows of a dumper file are made
    Raises InputError for what is not there; the error names what is nearest.
    """
    name = f"window_{window}" if window is not None else f"event_{event}"
    picture = Path(output if output is not None else re.sub(r"[^\w.+-]", "_", name) + ".png")
    with no_empty_folders([picture]):
        check_picture(picture)
        _, batch, rows, notes = drawn(
            source, window=window, event=event, picture=picture, settings=settings, progress=progress
        )
    words, _ = seed_et(batch.window) or ("", None)
    return Shown(picture, list(_summaries(batch, rows)), notes, words)


def drawn(
    source: str,
    *,
    window: str | None = None,
    event: str | None = None,
    picture: Path | None = None,
    settings: WindowSettings | None = None,
    progress: Done | None = None,
) -> tuple[Figure, WindowBatch, Sequence[int], list[str]]:
    """The figure of one window or one event, saved if a picture is named; see `show`.

    Returns
    -------
    figure, batch with the windows, rows of it that are drawn, notes on what the figure lacks
    """
    name = _name(window, event, source)
    if is_dumper(source):
        found = _of_dumper(source, name, settings or WindowSettings(truth="auto"))
    elif settings is not None:
        raise SettingsError(
            "settings are given, and the windows are made already", expected="settings for a dumper file (.root)",
            where=source, todo="leave out the settings, or name the dumper file",
        )  # fmt: skip
    else:
        found = _of_dataset(source, name, progress)
    refuse_missing(
        NEEDED, found.batch.names, source, expected="the places and energies of seed and clusters",
        todo="make the dataset with these columns (features definition), or name the dumper file",
    )  # fmt: skip
    if name.seed is None:
        figure = draw_event(found.batch, found.geometry, _title(found.batch), picture)
        return figure, found.batch, range(len(found.batch)), found.notes
    if not found.batch.hits.keys() >= HITS:
        found.notes.append("no crystals: the data do not hold them (cl_h)")
    figure = draw_window(found.batch, found.row, found.geometry, picture)
    return figure, found.batch, [found.row], found.notes


@dataclass
class _Found:
    """Windows to be drawn: `row` is the one that was named, or all of an event are."""

    batch: WindowBatch
    geometry: Geometry
    row: int = 0
    notes: list[str] = field(default_factory=list)


def is_dumper(source: str) -> bool:
    """Whether a path or URL is that of a dumper file."""
    return source.endswith(".root")


def _name(window: str | None, event: str | None, source: str) -> Name:
    if (window is None) == (event is None):
        raise SettingsError(
            "both a window and an event are named" if window else "no window and no event is named",
            expected="--window ID or --event N", where=source, todo=_listing(source),
        )  # fmt: skip
    if window is not None:
        what, given, found, expected = "window", window, window_name(window), WINDOW_NAME
    else:
        what, given, found, expected = "event", event or "", event_name(event or ""), EVENT_NAME
    if found is None:
        raise SettingsError(
            f"'{given}' names no {what}", expected=expected, where=f"--{what}", todo=_listing(source)
        )  # fmt: skip
    return found


def _listing(source: str) -> str:
    return f"list what there is with `ecalwindows show {quote(source)} --list`"


def _of_dataset(source: str, name: Name, progress: Done | None) -> _Found:
    """The windows that the name fits; a window that occurs several times is shown once, an event with all windows."""
    dataset, found = open_dataset(source), list[WindowBatch]()

    def done(n: int, of: int) -> None:
        if progress:
            progress(n, of, sum(map(len, found)))

    for batch, rows in named_windows(dataset, name, done):
        found.append(taken(batch, rows))
    if not found:
        raise _not_there(name, nearest(dataset, name), source)
    _refuse_several(name, found, source)
    shape = _geometry(dataset)
    notes = [] if shape else ["the shape of the windows is not known: v3 is drawn"]
    return _Found(reduce(joined, found), shape or geometry_of("v3"), notes=notes)


def _refuse_several(name: Name, found: Sequence[WindowBatch], source: str) -> None:
    """Raise InputError when the name fits windows or events of several samples or runs."""
    what, called = "windows", sorted({text for batch in found for text in texts(batch)})
    if name.seed is None:
        what, called = "events", sorted({text.rsplit("_", 1)[0] for text in called})
    if len(called) > 1:
        some = [text if what == "windows" else text.replace("_", ":") for text in called[:MAX_NAMED]]
        raise InputError(
            f"{len(called)} {what} are called so", expected=f"one: {', '.join(some)}", where=source,
            todo="give the complete name, with run, luminosity section and sample",
        )  # fmt: skip


def _geometry(dataset: Dataset) -> Geometry | None:
    """The shape with which the dataset was made; None if unknown."""
    path = Path(dataset.scan.files[0].path)
    place = record_path(path)
    try:
        settings, _ = known_settings(path, read_record(place) if place else None)
    except InputError:
        return None
    shape: Geometry | None = settings["geometry"]
    return shape


def _of_dumper(source: str, name: Name, settings: WindowSettings) -> _Found:
    """The windows of one event of a dumper file, also unmatched ones, and for one window those inside another one."""
    every = name.seed is not None and settings.mode == "non-overlapping"
    every_window = settings.model_copy(update={"keep": "all"} | ({"mode": "overlapping"} if every else {}))
    entry = _entry(source, name, every_window.tree)
    reading = Reading(events=(entry, entry + 1))
    inputs, threshold, every_window = prepared([source], every_window, EVERYTHING, reading)
    *_, made = iter_made(inputs, every_window, threshold, reading=reading, report=Report())
    rows = fitting(made.batch, Name(name.event, seed=name.seed))
    if not len(rows):
        raise _not_there(name, texts(made.batch)[:MAX_NAMED], source)
    return _Found(made.batch, every_window.shape, int(rows[0]))


def _entry(source: str, name: Name, tree: str) -> int:
    """The entry of an event in a dumper file. Raises InputError where there is none, or several that differ."""
    ids = event_ids(source, tree)
    entries = np.flatnonzero(replace(name, seed=None).among(ids))
    if not len(entries):
        order = np.argsort(np.abs(ids[2].astype(np.float64) - name.event), kind="stable")[:MAX_NAMED]
        raise _not_there(name, _events(ids[:, order]), source, what="event")
    if len(several := sorted(set(_events(ids[:, entries])))) > 1:
        raise InputError(
            f"{len(several)} events have this number", expected="one event", where=source,
            todo=f"name one as RUN:LUMI:N: {', '.join(several[:MAX_NAMED])}",
        )  # fmt: skip
    return int(entries[0])


def _events(ids: NDArray[np.int64]) -> list[str]:
    """What events are called, from run, lumi and event, (3, n)."""
    return [":".join(map(str, row)) for row in ids.T.tolist()]


def _not_there(name: Name, near: Sequence[str], source: str, what: str = "") -> InputError:
    what = what or ("window" if name.seed is not None else "event, or it makes no window")
    return InputError(
        f"there is no such {what}", expected=f"one of those that are there; nearest: {', '.join(near)}" if near
        else "an event that makes windows", where=source, todo=_listing(source),
    )  # fmt: skip


def _title(batch: WindowBatch) -> str:
    ids = {"run": "run_id", "lumi": "lumi_id", "event": "event_id"}
    where = ", ".join(f"{word} {batch.window[name][0]}" for word, name in ids.items() if name in batch.window)
    return f"{where}: {counted(len(batch), 'window')}"


def _summaries(batch: WindowBatch, rows: Sequence[int]) -> Iterator[tuple[str, float, bool | None]]:
    """Name, Et [GeV] and match of these windows, the highest Et first."""
    found = seed_et(batch.window)
    et = np.full(len(batch), np.nan) if found is None else found[1].astype(np.float64)
    matched, called = batch.window.get("is_seed_calo_matched"), texts(batch)
    for row in sorted(rows, key=lambda row: -et[row]):
        yield called[row], float(et[row]), None if matched is None else bool(matched[row])


def listing(source: str, event: str | None = None, settings: WindowSettings | None = None) -> Iterator[str]:
    """What a dataset's windows are called, in order, or those of one event; of a dumper file its events."""
    name = _name(None, event, source) if event is not None else None
    if is_dumper(source):
        ids = event_ids(source, (settings or WindowSettings()).tree)
        keep = np.arange(ids.shape[1]) if name is None else np.flatnonzero(name.among(ids))
        yield from _events(ids[:, keep])
        return
    dataset = open_dataset(source)
    for batch, _ in dataset.scan.pieces(dataset.scan.units(), naming_columns(dataset)):
        called = texts(batch)
        yield from (called[row] for row in (range(len(batch)) if name is None else fitting(batch, name).tolist()))
