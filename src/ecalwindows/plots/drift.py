"""The distributions of a column in two datasets, in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from ecalwindows.core.arrays import Floats
from ecalwindows.core.schema import COLUMNS
from ecalwindows.plots.saving import Draw
from ecalwindows.plots.style import COLOURS, around, band, new_figure, steps, with_unit, write_note
from ecalwindows.plots.ticks import draw_ticks
from ecalwindows.studies.binning import Binning, binning_of
from ecalwindows.validation.drift import Drift

MIN_SHARE = 0.002
"""Minimum share of values outside the bins that the figure states."""

MAX_NAME_LENGTH = 40
"""The legend shows this number of characters from the end of a dataset's name."""


def drift_figure(drift: Drift, a: Floats, b: Floats, labels: tuple[str, str]) -> Draw:
    """What draws a column of two datasets. Values outside the bins are counted in the first or last bin.

    Parameters
    ----------
    drift : result of the comparison of this column
    a, b : float64 (n,), sorted values in the two datasets
    labels : names of the two datasets
    """
    binning = binning_of(np.concatenate([a, b]))
    counts = [np.histogram(np.clip(values, binning.edges[0], binning.edges[-1]), binning.edges)[0] for values in (a, b)]
    words = [
        f"{_as_it_is(label)} ({_number(len(values), moments.n)})"
        for values, moments, label in zip((a, b), (drift.a, drift.b), labels, strict=True)
    ]
    return partial(draw_drift, drift, binning, counts, words, note=_ends(binning.edges, a, b))


def _ends(edges: Floats, a: Floats, b: Floats) -> str:
    """A note on values outside the bins, which the first and the last bin have, where they are not few."""
    parts = []
    for bin_, side, shares in (
        ("first", "below", [np.mean(values < edges[0]) if len(values) else 0.0 for values in (a, b)]),
        ("last", "above", [np.mean(values > edges[-1]) if len(values) else 0.0 for values in (a, b)]),
    ):
        if max(shares) > MIN_SHARE:
            parts.append(f"{bin_} bin: with all {side} ({', '.join(f'{100 * share:.2g} %' for share in shares)})")
    return "; ".join(parts)


def _number(drawn: int, n: int) -> str:
    """How many values are drawn, and of how many they are a sample."""
    return f"{drawn:,} of {n:,}" if drawn < n else f"{drawn:,}"


def _as_it_is(label: str) -> str:
    """The end of a name for a legend, which leaves out names that begin with "_", and takes $...$ for a formula."""
    text = label[-MAX_NAME_LENGTH:].replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def draw_drift(
    drift: Drift, binning: Binning, counts: Sequence[Floats], labels: Sequence[str], note: str = ""
) -> Figure:
    """Draw a column of two datasets, with statistical errors as bands.

    Parameters
    ----------
    drift : result of the comparison of this column
    binning : bins of the column
    counts : for each dataset, numbers of entries, (n_bins,)
    labels : of the two datasets
    note : written above the axes
    """
    column, edges = COLUMNS[drift.name], binning.edges
    figure, axes = new_figure(meaning=column.meaning)
    highest = 0.0
    for number, label, colour, line in zip(counts, labels, COLOURS[:3:2], ("-", (0, (4, 1.5))), strict=True):
        n = max(int(number.sum()), 1)
        share = number / n
        error = np.sqrt(share * (1 - share) / n)
        band(axes, share, error, edges, colour)
        steps(axes, share, edges, edgecolor=colour, fill=False, ls=line, lw=2, label=label)
        highest = max(highest, float((share + error).max()))
    if binning.is_log:
        axes.set_xscale("log")
    axes.set(
        xlim=around(edges[0], edges[-1], is_log=binning.is_log), ylim=(0, 1.32 * highest or 1),
        xlabel=with_unit(drift.name, column.unit), ylabel=f"share of {column.level}s per bin",
    )  # fmt: skip
    write_note(axes, note)
    title = f"KS distance {drift.ks:.3g} (by chance up to {drift.noise:.2g})"
    axes.legend(handles=axes.get_legend_handles_labels()[0], loc="upper right", fontsize="x-small", title=title,
                title_fontsize="x-small")  # fmt: skip
    draw_ticks(axes)
    return figure
