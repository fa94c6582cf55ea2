"""The driver of `ecalwindows plot`: datasets to tables of histograms, and from these figures with a page of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import SettingsError, near, no_windows
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import COLUMNS, SECOND
from ecalwindows.core.urls import is_remote, refuse_twice
from ecalwindows.dataset.copies import Print, Prints, refuse_copies
from ecalwindows.dataset.folder_output import check_folder, folder_written_atomically, has_page
from ecalwindows.dataset.reading.scan import Scan
from ecalwindows.dataset.reading.sources import File
from ecalwindows.formats.suffixes import root_file
from ecalwindows.plots.gallery import MARK, PAGE, gallery
from ecalwindows.studies.distributions import NEEDED, Distributions, Samples, is_drawn, tables
from ecalwindows.studies.tables import write_table
from ecalwindows.training.opened import open_dataset

TABLES = "tables"
FIGURES = ".png", ".pdf"
OWN: dict[str, Any] = {
    "is_own": partial(has_page, page=PAGE, mark=MARK), "ours": "figures that `ecalwindows plot` made"
}  # fmt: skip
"""What may be replaced."""


@dataclass
class Plotted:
    """What was drawn.

    columns : with a distribution; absent : columns of the schema that no input has
    partial : columns that only some files have
    figures : names without suffix; tables : names, both relative to the folder
    """

    folder: Path
    files: int = 0
    windows: int = 0
    clusters: int = 0
    columns: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    seconds: float = 0.0


def plot_datasets(
    inputs: Sequence[str],
    folder: str | Path,
    *,
    only: Collection[str] = (),
    split: str | None = None,
    pdf: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Plotted:
    """Write tables and figures of datasets (any formats, taken together) to a folder, which is written atomically.

    only : columns or groups to draw, all by default; split : only this split of the datasets
    Memory does not grow with the data. Raises an EcalWindowsError for anything that a user can correct.
    """
    began, target = time.monotonic(), Path(folder)
    check_folder(target, overwrite=overwrite, inputs=inputs, **OWN)
    reading = Reading(inputs, split, only)
    steps = Steps(progress, 2 * len(reading.units) + len(reading.drawn))
    found, plotted = _counted(reading, steps, inputs), Plotted(target, files=len(reading.names))
    plotted.windows, plotted.clusters = steps.windows, steps.clusters
    plotted.columns = list(found.binnings)
    plotted.absent = [] if only else [name for name in COLUMNS if is_drawn(name) and name not in reading.drawn | SECOND]
    plotted.partial = [name for name in found.binnings if not all(name in names for names in reading.names.values())]
    with folder_written_atomically(target, overwrite=overwrite, **OWN) as temporary:
        (temporary / TABLES).mkdir()
        for name, (names, rows) in tables(found).items():
            write_table(temporary / TABLES / f"{name}.csv", names, rows)
            plotted.tables.append(f"{TABLES}/{name}.csv")
        plotted.figures = _drawn(temporary, FIGURES if pdf else FIGURES[:1], steps)
        what = ", ".join(Path(name.rstrip("/")).name for name in inputs)
        title = f"{what}: {plotted.windows:,} windows, {plotted.clusters:,} clusters"
        page = gallery(plotted.figures, plotted.tables, title, pdf=pdf)
        (temporary / PAGE).write_text(page, encoding="utf-8")
    plotted.seconds = time.monotonic() - began
    return plotted


class Reading:
    """What is read of the inputs.

    units : what is read at a time; names : columns of each file with any window; drawn, wanted : columns to be drawn
    and to be read
    """

    def __init__(self, inputs: Sequence[str], split: str | None, only: Collection[str]) -> None:
        scans = [Scan((file,)) for name in inputs for file in _files(name, split)]
        paths = [scan.files[0].path for scan in scans]
        refuse_twice(paths)
        refuse_copies(Path(path) for path in paths if not is_remote(path))
        self.units = [(scan, unit) for scan in scans for unit in scan.units()]
        self.names = {scan.files[0].path: scan.names for scan in scans if scan.names}
        held = frozenset[str]().union(*self.names.values())
        chosen = _chosen(only, held, ", ".join(inputs)) if only else frozenset(COLUMNS)
        self.drawn = frozenset(name for name in chosen & held if is_drawn(name))
        self.wanted = self.drawn | NEEDED

    def batches(self, steps: Steps) -> Iterator[WindowBatch]:
        """Read everything once. Raises InputError for copies, at the end."""
        prints: dict[str, Print] = {}
        for scan, unit in self.units:
            one = prints.setdefault(unit[0].path, Print())
            for batch, _ in scan.pieces([unit], self.wanted & scan.names):
                one.add(batch)
                yield batch
            steps.done()
        seen = Prints()
        for path, one in prints.items():
            seen.take(path, one)


def _files(path: str, split: str | None) -> tuple[File, ...]:
    if path.endswith(".root"):
        raise root_file(path)
    return open_dataset(path).filter(split=split).scan.files


def _chosen(only: Collection[str], held: Collection[str], where: str) -> frozenset[str]:
    """The columns meant by names of columns and groups."""
    groups: dict[str, set[str]] = {name: {name} for name in held if is_drawn(name)}
    for name in list(groups):
        groups.setdefault(COLUMNS[name].group, set()).add(name)
    for name in only:
        if name not in groups:
            raise SettingsError(
                f"there is no column or group '{name}'", expected=near(name, groups), where=where,
                todo="correct --only, or leave it out for all columns",
            )  # fmt: skip
    return frozenset().union(*(groups[name] for name in only))


def _counted(reading: Reading, steps: Steps, inputs: Sequence[str]) -> Distributions:
    """Both ways through the data. Raises InputError where there are no windows."""
    samples = Samples()
    for batch in reading.batches(steps):
        samples.add(batch, reading.drawn & {*batch.window, *batch.pair})
    steps.windows, steps.clusters = samples.windows, samples.clusters
    if not samples.windows:
        raise no_windows(", ".join(inputs))
    found = Distributions(samples.binnings())
    for batch in reading.batches(steps):
        found.add(batch)
    return found


def _drawn(folder: Path, suffixes: tuple[str, ...], steps: Steps) -> list[str]:
    """The names of all figures, which are drawn from the tables in the folder."""
    from ecalwindows.plots.dataset import figures
    from ecalwindows.plots.saving import Look, draw_all

    waiting = figures(folder / TABLES)
    steps.of = steps.n + len(waiting)
    draw_all(waiting, folder, Look(suffixes), done=steps.done)
    return list(waiting)
