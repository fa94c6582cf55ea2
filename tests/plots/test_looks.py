"""Figures of studies: what is drawn differs also without colours, and nothing hides it."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from matplotlib.cbook import is_math_text
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ecalwindows.evaluation.collecting import SCORE
from ecalwindows.evaluation.measuring import Bin, Measured
from ecalwindows.evaluation.separation import calibration
from ecalwindows.plots.drift import drift_figure
from ecalwindows.plots.evaluation import evaluation_figures
from ecalwindows.plots.response import draw_response
from ecalwindows.plots.reweighting import draw_map, draw_shares
from ecalwindows.plots.style import LINES, cms_style, new_figure, share_error
from ecalwindows.plots.ticks import draw_ticks
from ecalwindows.plots.working_points import draw_change
from ecalwindows.validation.drift import Drift, Moments

MODELS = [f"model {number}" for number in range(3)]
NAMES = [*MODELS, "mustache", "truth"]
EDGES = {"et_seed": (1, 5, 10, 500), "seed_eta": (0, 1.4, 3), "et of the supercluster": (0, 5, 10, 20, 40, np.inf)}


@pytest.fixture(scope="module")
def figures() -> dict[str, Figure]:
    """All figures of an evaluation with three models; fakes are a thousand times as many in the first bin."""
    rng = np.random.default_rng(1)
    true = rng.random(300) < 0.5
    scores = {SCORE + name: np.clip(true * 0.3 + rng.random(300) * 0.7, 0, 1) for name in MODELS}
    scores[SCORE + "mustache"] = true.astype(float)
    measured = []
    for what, by in (("resolution", "et_seed"), ("purity", "seed_eta"), ("fakes per event", "et of the supercluster")):
        for low, high in zip(EDGES[by], EDGES[by][1:], strict=False):
            for name in NAMES:
                value = {0: 3.0, 10: 0.0}.get(low, 0.003) if what.startswith("fakes") else 0.9
                minus = {"mustache": (0.01, 0.01)} if name != "mustache" else {}
                measured.append(Measured(Bin(by, (low, high)), name, what, 1000, value, 0.1 * value, minus))
    found = {name: {"response": rng.normal(0.95, 0.05, 500)} for name in NAMES}
    calibrations = {name: calibration(scores[SCORE + name], true) for name in MODELS}
    draw = evaluation_figures(measured, {"is_true": true, **scores}, found, calibrations, MODELS)
    with cms_style():
        made = {name: each() for name, each in draw.items()}
        for figure in made.values():
            if figure is not None:
                figure.draw_without_rendering()
    return {name: figure for name, figure in made.items() if figure is not None}


def test_there_are_enough_lines_for_all_collections() -> None:
    assert len(set(map(str, LINES))) == len(LINES) >= 5


@pytest.mark.parametrize(("name", "lines"), [("roc", 3), ("response", 5)])
def test_lines_differ_without_colours(figures: dict[str, Figure], name: str, lines: int) -> None:
    there = io.StringIO()
    figures[name].savefig(there, format="svg")
    dashes = re.findall(r"stroke-dasharray: ([^;\"]+)", there.getvalue())
    assert len(set(dashes)) == lines - 1, "one of the lines has no gaps"


def test_a_legend_hides_nothing(figures: dict[str, Figure]) -> None:
    assert {"roc", "calibration", "response", "resolution_by_et_seed", "purity_by_seed_eta", "fakes"} == set(figures)
    for name, figure in figures.items():
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes), name
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 + 1, name


def test_a_value_that_is_far_above_the_others_does_not_flatten_them(figures: dict[str, Figure]) -> None:
    assert figures["fakes"].axes[0].get_yscale() == "log"
    assert figures["purity_by_seed_eta"].axes[0].get_yscale() == "linear"


def test_numbers_of_logarithmic_axes_are_no_powers_of_ten(figures: dict[str, Figure]) -> None:
    numbers = []
    for figure in figures.values():
        for axes in figure.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if axis.get_scale() == "log":
                    numbers += [
                        text.get_text() for which in ("major", "minor") for text in axis.get_ticklabels(which=which)
                    ]
    written = [number for number in numbers if number]
    assert "10" in written
    assert all(re.fullmatch(r"[0-9.]+|1e[-\N{MINUS SIGN}]0[5-9]", number) for number in written), written


@pytest.mark.parametrize("limits", [(0.3, 4.0), (0.05, 0.9), (2.0, 30.0), (0.3, 400.0)])
def test_a_logarithmic_axis_has_two_numbers_or_more(limits: tuple[float, float]) -> None:
    with cms_style():
        figure, axes = new_figure()
        axes.set(xscale="log", xlim=limits, xlabel="x", yticks=[])
        draw_ticks(axes)
        there = io.StringIO()
        figure.savefig(there, format="svg")
    numbers = {float(text) for text in re.findall(r"<!-- ([0-9.]+) -->", there.getvalue())}
    assert len([number for number in numbers if limits[0] <= number <= limits[1]]) >= 2


@pytest.mark.parametrize("name", ["_old.parquet", "a$b$c.parquet", f"{'x' * 20}_{'y' * 39}", "plain.parquet"])
def test_the_legend_shows_every_dataset_by_its_name(name: str) -> None:
    values = np.arange(50.0)
    drift = Drift("rho", Moments(), Moments(), (values[:3], values[:3]), 0.1, 0.2)
    figure = drift_figure(drift, values, values, (name, "other"))()
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert [text.replace(r"\$", "$").strip() for text in texts] == [f"{name[-40:]} (50)", "other (50)"]
    assert not any(map(is_math_text, texts))


def test_the_legend_says_of_how_many_values_a_sample_is_drawn() -> None:
    values = np.arange(50.0)
    drift = Drift("rho", Moments(n=2000), Moments(n=50), (values[:3], values[:3]), 0.1, 0.2)
    figure = drift_figure(drift, values, values, ("a", "b"))()
    assert figure is not None
    legend = figure.axes[0].get_legend()
    assert legend is not None and [text.get_text() for text in legend.get_texts()] == ["a (50 of 2,000)", "b (50)"]


def test_marks_in_the_first_bin_are_not_taken_for_values() -> None:
    """Of 100 values that need logarithmic bins, 20 are -1, in B none."""
    b = np.geomspace(1e-4, 1, 100)
    a = np.sort(np.concatenate([np.full(20, -1.0), b[:80]]))
    drift = Drift("seed_PUfrac", Moments(n=100), Moments(n=100), (a[:3], b[:3]), 0.2, 0.2)
    figure = drift_figure(drift, a, b, ("a", "b"))()
    assert figure is not None
    (note,) = [text.get_text() for text in figure.axes[0].texts if text.get_text()]
    assert note == "first bin: with all below (20 %, 0 %); last bin: with all above (0 %, 1 %)"


def test_a_bin_with_nothing_does_not_look_like_a_bin_as_wanted() -> None:
    """Ratios 0, 1, 2 and none: three colours, and the background, which is none of them."""
    low, edges = np.array([0, 0, 1, 1]), np.array([1, 2, 1, 2])
    table = {"eta_low": low, "eta_high": low + 1, "et_low": edges, "et_high": edges + 1}
    _, axes = new_figure()
    draw_map(axes, table, "et", np.array([0, 1, 2, np.nan]), "", cmap="RdBu_r", norm=LogNorm(0.5, 2))
    cells = [
        tuple(colour)
        for mesh in axes.collections
        if (values := mesh.get_array()) is not None
        for colour in mesh.to_rgba(values).reshape(-1, 4).tolist()
    ]
    assert [alpha for *_, alpha in cells] == [1, 1, 1, 0]
    assert len({*cells[:3], axes.get_facecolor()}) == 4


@pytest.mark.parametrize(
    ("after", "error", "expected"),
    [([3.0, 1.0], [0.6, 0.4], [8.39, 8.39]), ([4.0, 0.0], [1.0, 0.0], [0, 0])],
)  # by hand: 100 % x hypot(1/4 x 0.6, 3/4 x 0.4) / 4 = 8.39 for both of the first
def test_shares_of_an_eta_bin_have_the_errors_of_shares(
    after: list[float], error: list[float], expected: list[float]
) -> None:
    n = len(after)
    table = {"eta_low": np.zeros(2 * n), "eta_high": np.ones(2 * n), "flavour": np.repeat(["electron", "photon"], n)}
    table |= {"ncls_low": np.tile(np.arange(1.0, n + 1), 2), "ncls_high": np.tile(np.arange(2.0, n + 2), 2)}
    table |= {"before": np.tile(after, 2), "after": np.tile(after, 2), "after_error": np.tile(error, 2)}
    _, axes = new_figure()
    draw_shares(axes, table)
    (bars,) = axes.containers
    half = [(high - low) / 2 for (_, low), (_, high) in bars[2][0].get_segments()]
    assert half == pytest.approx(expected, abs=0.01)


def test_a_large_change_of_the_resolution_is_drawn() -> None:
    ones = np.ones(2)
    table = {"eta_low": 0 * ones, "eta_high": ones, "et_low": np.array([1.0, 5]), "et_high": np.array([5.0, 10])}
    table |= {"entries": 100 * ones, "change": np.array([-0.1, 0.4]), "change_error": 0.1 * ones}
    figure = draw_change(table | {"resolution_map": ones, "resolution_map_error": 0.1 * ones})
    assert figure.axes[0].get_ylim() == pytest.approx((-46, 46))


def test_responses_that_are_not_drawn_are_written_in_the_figure() -> None:
    low = np.array([0.2, 0.9, 1.3, 1.498])
    table = {"flavour": np.full(4, 11), "kind": np.full(4, "true supercluster"), "count": np.array([1, 7, 1, 1])}
    figure = draw_response(table | {"response_low": low, "response_high": low + 0.002})
    assert "not drawn: 10 % below, 20 % above" in [text.get_text() for text in figure.axes[0].texts]


def test_shares_of_0_and_1_have_errors_too() -> None:
    """Wilson's interval: 5 of 10, and 0 and 10 of 10, by hand."""
    below, above = share_error(np.array([0.5, 0.0, 1.0]), np.array([10, 10, 10]))
    assert below == pytest.approx([0.5 / 11**0.5, 0, 1 / 11])
    assert above == pytest.approx([0.5 / 11**0.5, 1 / 11, 0])
