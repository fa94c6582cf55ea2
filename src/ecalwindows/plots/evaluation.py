"""Figures of `ecalwindows evaluate`: ROC, response, resolution, completeness, purity and fakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecalwindows.core.arrays import Floats
from ecalwindows.evaluation.collecting import SCORE
from ecalwindows.evaluation.measuring import MIN_ENTRIES, Measured, Table
from ecalwindows.evaluation.separation import Calibration, roc
from ecalwindows.plots import style
from ecalwindows.plots.saving import Draw

LOOKS = {"truth": ("#717581", "s"), "mustache": ("#ffa90e", "^")}
"""Colour and marker of the references; models have the other colours."""

MARKERS = ("o", "D", "v", "P", "X")
Look = tuple[str, str, Any]
Looks = Mapping[str, Look]
"""Colour, marker and line of each collection."""

LABELS = {
    "et_seed": style.with_unit(r"raw $E_T$ of the seed", "GeV"),
    "seed_eta": r"$|\eta|$ of the seed",
    "nVtx": "reconstructed vertices",
    "ncls": "clusters in the window",
    "et of the supercluster": style.with_unit(r"raw $E_T$ of the supercluster", "GeV"),
}
LOGARITHMIC = ("et_seed", "ncls")
WORDS = {"resolution": "effective resolution", "completeness": "completeness", "purity": "purity"}
MAX_RATIO = 30.0
"""An axis is logarithmic where the largest value exceeds the median by this factor."""

POINTS = 2000
"""Points of a ROC curve that are drawn."""


def evaluation_figures(
    measured: Sequence[Measured], satellites: Table, caloparticles: Mapping[str, Table],
    calibrations: Mapping[str, Calibration], models: Sequence[str],
) -> dict[str, Draw]:  # fmt: skip
    """What draws each figure, by name, for `draw_all`; it draws nothing where there are no numbers.

    Parameters
    ----------
    measured : all numbers
    satellites, caloparticles : of which curves and distributions are made
    calibrations : of the scores, by name
    models : names of the collections that are no reference, in the order of their colours

    Returns
    -------
    dict of functions
    """
    looks = _looks(list(dict.fromkeys(each.collection for each in measured)), models)
    draw: dict[str, Draw] = {"roc": partial(_roc, satellites, looks)}
    draw["calibration"] = partial(_calibration, calibrations, looks)
    if caloparticles:
        draw["response"] = partial(_response, caloparticles, looks)
        for by in ("et_seed", "seed_eta", "nVtx", "ncls"):
            draw[f"resolution_by_{by}"] = partial(_with_ratio, measured, "resolution", by, looks)
        for what in ("completeness", "purity"):
            for by in ("et_seed", "seed_eta"):
                draw[f"{what}_by_{by}"] = partial(_by, measured, what, by, looks)
        draw["fakes"] = partial(_by, measured, "fakes per event", "et of the supercluster", looks)
    return draw


def _looks(names: Sequence[str], models: Sequence[str]) -> Looks:
    """Colour, marker and line of each collection; all lines differ, so that curves differ without colours."""
    colours = [colour for colour in style.COLOURS if colour not in {used for used, _ in LOOKS.values()}]
    own = zip(cycle(colours), cycle(MARKERS), strict=False)
    lines = zip(dict.fromkeys([*models, *names]), cycle(style.LINES), strict=False)
    return {name: (*(LOOKS.get(name) or next(own)), line) for name, line in lines}


def _roc(satellites: Table, looks: Looks) -> Figure | None:
    """Draw the ROC curve of each collection; labels have one point."""
    names = [name.removeprefix(SCORE) for name in satellites if name.startswith(SCORE)]
    if not names or len(set(satellites["is_true"].tolist())) < 2:
        return None
    figure, axes = style.new_figure(meaning="satellites of matched windows", top=style.TOP)
    for name in names:
        curve = roc(satellites[SCORE + name], satellites["is_true"])
        colour, marker, line = looks[name]
        if len(curve.threshold) <= 3:
            axes.plot(curve.false_rate[1:2], curve.true_rate[1:2], marker, color=colour, ms=9, label=name)
            continue
        step = max(1, len(curve.threshold) // POINTS)
        label = f"{name} (area {curve.area:.4f})"
        axes.plot(curve.false_rate[::step], curve.true_rate[::step], color=colour, ls=line, lw=2, label=label)
    axes.set(
        xlabel="share of other clusters selected", ylabel="share of true clusters selected", xlim=(0, 1), ylim=(0, 1.02)
    )
    style.legend_above(axes)
    return figure


def _calibration(calibrations: Mapping[str, Calibration], looks: Looks) -> Figure | None:
    """Draw the share of true satellites against the mean score, in tenths of the satellites; labels are left out."""
    drawn = {name: each for name, each in calibrations.items() if np.isfinite(each.score).sum() > 2}
    if not drawn:
        return None
    figure, axes = style.new_figure(meaning="satellites of matched windows, in ten groups by score", top=style.TOP)
    axes.plot([0, 1], [0, 1], color="0.6", lw=1)
    for name, each in drawn.items():
        colour, marker, _ = looks[name]
        error = style.share_error(each.true_share, np.maximum(each.n, 1))
        axes.errorbar(each.score, each.true_share, error, fmt=marker, color=colour, ms=6, lw=1.3, label=name)
    axes.set(xlabel="mean score", ylabel="share of true clusters", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    style.legend_above(axes)
    return figure


def _response(caloparticles: Mapping[str, Table], looks: Looks) -> Figure | None:
    """Draw the distribution of the response of the caloparticles that all collections found."""
    common = np.all([np.isfinite(table["response"]) for table in caloparticles.values()], axis=0)
    if not common.any():
        return None
    words = f"{int(common.sum()):,} caloparticles that all collections found; both ends: all beyond"
    figure, axes = style.new_figure(meaning=words, top=style.TOP)
    edges = np.linspace(0.6, 1.2, 61)
    for name, table in caloparticles.items():
        response = np.clip(table["response"][common], edges[0], edges[-1] - 1e-9)
        counts = np.histogram(response, edges)[0]
        (colour, _, line), error = looks[name], np.sqrt(counts)
        style.band(axes, counts, error, edges, colour, alpha=0.15)
        axes.stairs(counts, edges, color=colour, ls=line, lw=2, label=name)
    axes.set(
        xlabel="raw energy / true energy", ylabel="caloparticles per bin", yscale="log", xlim=(edges[0], edges[-1])
    )
    style.plain_numbers(axes.yaxis)
    style.legend_above(axes)
    return figure


def _points(measured: Sequence[Measured], what: str, by: str) -> dict[str, list[Measured]]:
    """The numbers of each collection in bins with enough entries."""
    found: dict[str, list[Measured]] = {}
    for each in measured:
        if each.measure == what and each.bin.by == by and each.entries >= MIN_ENTRIES and np.isfinite(each.value):
            found.setdefault(each.collection, []).append(each)
    return found


def _places(points: Sequence[Measured], by: str, shift: float) -> tuple[Floats, list[Floats]]:
    """Where bins are drawn, shifted so that points do not hide each other, and the distances to their edges."""
    last = 2.0 if by != "nVtx" else 1.25
    low = np.array([each.bin.limits[0] for each in points])
    high = np.array([each.bin.limits[1] for each in points])
    high = np.where(np.isfinite(high) & (high < 1000), high, np.maximum(low, 1) * last)
    if by in LOGARITHMIC:
        middle = np.sqrt(low * high) * (high / low) ** (0.12 * shift)
    else:
        middle = (low + high) / 2 + 0.12 * shift * (high - low)
    return middle, [middle - low, high - middle]


def _by(measured: Sequence[Measured], what: str, by: str, looks: Looks) -> Figure | None:
    """Draw a number in bins."""
    found = _points(measured, what, by)
    if not found:
        return None
    values = np.array([each.value for points in found.values() for each in points])
    is_log = bool(values.min() >= 0) and values.max() > MAX_RATIO * np.median(values)
    empty = "bins with 0 have no place on a logarithmic axis" if is_log and values.min() == 0 else ""
    figure, axes = style.new_figure(top=style.TOP, meaning=empty)
    _draw_points(axes, found, by, looks)
    axes.set(xlabel=LABELS[by], ylabel=WORDS.get(what, what))
    if is_log and values.max() > 0:
        axes.set_yscale("log")
        style.plain_numbers(axes.yaxis)
        axes.set_ylim(0.3 * values[values > 0].min(), 3 * values.max())
    style.legend_above(axes)
    return figure


def _draw_points(axes: Axes, found: Mapping[str, Sequence[Measured]], by: str, looks: Looks) -> None:
    for place, (name, points) in enumerate(found.items()):
        value, error = np.array([(each.value, each.error) for each in points]).T
        _draw_bins(axes, *_places(points, by, place - (len(found) - 1) / 2), value, error, looks[name], name)
    _scale_bins(axes, by)


def _draw_bins(axes: Axes, x: Floats, width: list[Floats], value: Floats, error: Floats, look: Look, name: str) -> None:
    """Draw numbers with errors at x, and lines to both edges of their bins."""
    axes.errorbar(x, value, np.nan_to_num(error), fmt=look[1], color=look[0], ms=6, lw=1.3, label=name)
    axes.hlines(value, x - width[0], x + width[1], color=look[0], lw=1.3)


def _scale_bins(axes: Axes, by: str) -> None:
    if by in LOGARITHMIC:
        axes.set_xscale("log")
        style.plain_numbers(axes.xaxis)


def _with_ratio(measured: Sequence[Measured], what: str, by: str, looks: Looks) -> Figure | None:
    """Draw a number in bins, and below its ratio to Mustache with the error of the difference."""
    found = _points(measured, what, by)
    if not found:
        return None
    figure = Figure(figsize=(8, 8), dpi=80)
    top, bottom = figure.add_axes((0.15, 0.4, 0.815, 0.45)), figure.add_axes((0.15, 0.1, 0.815, 0.27))
    style.mark(top)
    _draw_points(top, found, by, looks)
    top.set(ylabel=WORDS.get(what, what), ylim=(0, top.get_ylim()[1]))
    top.tick_params(axis="x", which="both", labelbottom=False)
    style.legend_above(top)
    bottom.axhline(1, color="0.6", lw=1)
    for place, (name, points) in enumerate(found.items()):
        kept = [each for each in points if "mustache" in each.differences]
        if not kept:
            continue
        minus, error = np.array([each.differences["mustache"] for each in kept]).T
        reference = np.array([each.value for each in kept]) - minus
        places = _places(kept, by, place - (len(found) - 1) / 2)
        _draw_bins(bottom, *places, 1 + minus / reference, error / reference, looks[name], name)
    _scale_bins(bottom, by)
    bottom.set(xlabel=LABELS[by], ylabel="over Mustache", xlim=top.get_xlim())
    return figure
