"""The driver of `ecalwindows report`: a dataset to one HTML file with its record, distributions and windows."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecalwindows.commands.report_reading import Source
from ecalwindows.core.errors import OutputError
from ecalwindows.core.files.output import check_output, write_text_atomically
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.core.schema import COLUMNS, Level
from ecalwindows.evaluation.score_tables import read_score_table
from ecalwindows.plots.window import HITS
from ecalwindows.plots.window import NEEDED as NEEDED_OF_VIEWS
from ecalwindows.report import binned, content, views
from ecalwindows.report.content import KINDS, Side
from ecalwindows.report.overview import overview, rendered
from ecalwindows.report.page import MAX_BYTES, page
from ecalwindows.report.quantities import quantities
from ecalwindows.report.rows import HASH, ROW, UNIT
from ecalwindows.studies.distributions import LEVELS

MAX_WINDOWS = 50_000
MAX_VALUES = 9_000_000
"""Largest numbers of windows and of values of the samples."""


@dataclass
class Reported:
    """What was written.

    path : the page; bytes : its size
    windows, clusters : of the dataset; sampled : windows with distributions; shown : single windows
    notes : what the page lacks, and why
    """

    path: Path
    bytes: int = 0
    windows: int = 0
    clusters: int = 0
    sampled: int = 0
    shown: int = 0
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def write_report(
    dataset: str,
    output: str | Path,
    *,
    split: str | None = None,
    against: str | None = None,
    scores: str | Path | None = None,
    wp_file: str | None = None,
    max_windows: int = MAX_WINDOWS,
    name: str | None = None,
    progress: Progress | None = None,
) -> Reported:
    """Write one HTML file in which a person sees what a dataset is, selects windows, and looks at single ones.

    Parameters
    ----------
    dataset : a finished dataset, a folder or a file of any format
    output : the page
    split : only this split
    against : a second dataset, with which the first one is compared
    scores : scores of a model for the (first) dataset, a table as `ecalwindows evaluate --save-scores` writes it
    wp_file : working points of the labels, where they are not packaged ones that the dataset records
    max_windows : windows in the distributions at most (of both datasets together), drawn by the hash of their event
    name : what the page calls the dataset in place of its path

    Raises
    ------
    EcalWindowsError : for everything that a user can correct; then nothing is written
    """
    began, target = time.monotonic(), Path(output)
    check_output(target, overwrite=True, replaces=(".html", ".htm"))
    table = None if scores is None else read_score_table(scores)
    sources = [Source(dataset, split, wp_file, table)]
    sources += [Source(against, split, wp_file)] if against is not None else []
    n, shared = len(sources), frozenset.intersection(*(each.names for each in sources))
    compared = {name for name in shared if COLUMNS[name].dtype != "int64"} if n > 1 else set()
    steps = Steps(progress, sum(len(each.units) for each in sources) + len(sources[0].units))
    sides = [
        each.collected(steps, max_windows // n, MAX_VALUES // n, label=label, compared=compared)
        for each, label in zip(sources, "AB", strict=False)
    ]
    sides[0].path = name or sides[0].path
    text = page_of(sources[0], sides, sorted(compared), "" if table is None else table.name, steps)
    first = sides[0]
    done = Reported(
        target, len(text.encode()), first.factors.windows, first.factors.clusters, len(first.sample), first.shown,
        notes=first.notes,
    )  # fmt: skip
    if done.bytes > MAX_BYTES:
        raise OutputError(
            f"the page would have {done.bytes:,} bytes", expected=f"at most {MAX_BYTES:,}", where=str(target),
            todo="show fewer windows with --max-windows",
        )  # fmt: skip
    write_text_atomically(target, text)
    done.seconds = time.monotonic() - began
    return done


def page_of(source: Source, sides: Sequence[Side], compared: Sequence[str], model: str, steps: Steps) -> str:
    """The text of the page. compared : columns of which distances are computed; model : name of the scores"""
    first, samples = sides[0], [side.sample for side in sides]
    names = set.intersection(*({*rows.window, *rows.cluster} for rows in samples)) - {HASH, UNIT, ROW}
    what = quantities(names)
    distances = content.distances(sides[0], sides[1], what, compared) if len(sides) > 1 else {}
    what.sort(key=lambda each: -distances.get(each.key, (0.0, 0.0))[0])
    bins = binned.binnings(what, samples)
    groups: dict[Level, binned.Groups] = {
        level: binned.groups_of({group for side in sides for group in side.groups[level]}) for level in LEVELS
    }
    can_be_drawn = source.scan.names >= NEEDED_OF_VIEWS
    chosen, extra = views.chosen_windows(first.sample, first.notable) if can_be_drawn else ({}, None)
    tables = [binned.table(what, bins, groups, side.sample, None if n else extra) for n, side in enumerate(sides)]
    shown = _shown(source, first, tables[0], chosen, steps)
    inserted = ""
    if len(sides) > 1:
        inserted = rendered(content.comparison(sides[0], sides[1], distances))
    if first.roc is not None:
        inserted += rendered(content.scores_text(first, model)) + content.roc_picture(first.roc)
    text = overview(
        first.path, first.record, content.facts(first), list(content.labels(first)), first.stated, inserted
    )  # fmt: skip
    packed = {f"table-{side.label}": one.text for side, one in zip(sides, tables, strict=True)}
    packed["views"] = binned.packed(json.dumps(shown, allow_nan=False, separators=(",", ":")).encode())
    title = " against ".join(side.title for side in sides)
    return page(title, text, content.meta(sides, what, bins, tables, groups, distances), packed)


def _shown(
    source: Source, side: Side, table: binned.Table, chosen: views.Chosen, steps: Steps
) -> list[dict[str, object]]:
    """The single windows of the page, in order; what is missing is noted."""
    drawn = sorted(
        source.views(table.rows, chosen, steps), key=lambda each: (KINDS.index(each["kinds"][0]), each["row"])
    )
    shown = list(views.within_limits(drawn))
    names = Counter(each["id"] for each in shown)
    for each in shown:
        each["link"] = each["id"] if each["id"] and names[each["id"]] == 1 else each["name"]
    side.shown = len(shown)
    if missing := NEEDED_OF_VIEWS - source.scan.names:
        side.notes.append(f"No windows are drawn: the data have no {', '.join(sorted(missing))}.")
    elif not source.scan.names >= HITS:
        side.notes.append("No crystals are drawn: the data do not hold them (cl_h).")
    if len(shown) < len(drawn):
        side.notes.append(f"{len(drawn) - len(shown)} windows are left out, to limit the size of the page.")
    return shown
