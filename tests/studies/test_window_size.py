"""How large windows must be: planted boxes are found again, and what windows hold is what a plain loop finds."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from helpers.pages import DOCS
from hypothesis import given, settings
from hypothesis import strategies as st

from ecalwindows.commands.truth.window_size import Options, study_window_size, write_geometry
from ecalwindows.core.errors import OutputError
from ecalwindows.core.events import selected_events
from ecalwindows.core.geometry import GEOMETRIES, Geometry, Piece
from ecalwindows.core.settings import WindowSettings, read_settings, window_settings
from ecalwindows.dumper.branches import SIMHITS
from ecalwindows.dumper.headers import check_inputs
from ecalwindows.dumper.read import event_steps
from ecalwindows.studies.kernels.containment import shares_inside, smallest_box
from ecalwindows.studies.window_size.boxes import (
    Boxes,
    broken_lines,
    fit_problem,
    fitted_geometry,
    share_problem,
    smallest_boxes,
)
from ecalwindows.studies.window_size.containment import BLOCKS, STEPS, UNIT, Containment, Points, simhit_points

EDGES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
ELECTRONS = str(GOLDEN / "electrons.root")


def toy(rng: np.random.Generator, n: int, geometry: Geometry, *, held: float, hits: int = 200) -> Points:
    """Caloparticles of which a share of the energy is spread evenly over their window, the rest far around it."""
    seed_eta = rng.uniform(-3, 3, n)
    up, down, width = np.repeat(geometry.bounds(seed_eta), hits, axis=1)
    inside = np.tile(np.arange(hits) < round(held * hits), n)
    deta = np.where(inside, rng.uniform(down, up), rng.uniform(down - 0.1, up + 0.1))
    dphi = np.where(inside, rng.uniform(0, width), rng.uniform(width, 1.1))
    return Points(
        seed_eta=seed_eta,
        block=rng.integers(0, BLOCKS, n),
        offsets=np.arange(n + 1) * hits,
        deta=deta,
        dphi=dphi,
        share=np.full(n * hits, round(UNIT / hits)),
        same_side=np.ones(n * hits, np.bool_),
    )


def box(up: float, down: float, width: float) -> Geometry:
    """The same window at every eta."""
    return Geometry(**{name: (Piece(coefficients=(x,)),) for name, x in (("up", up), ("down", down), ("width", width))})


def found_in(points: Points, geometries: dict[str, Geometry] | None = None) -> Containment:
    found = Containment(EDGES, GEOMETRIES if geometries is None else geometries)
    found.add(points, 0)
    return found


# --- planted boxes


@pytest.mark.parametrize("planted", [(0.1, -0.1, 0.6), (0.15, -0.05, 0.3), (0.04, -0.12, 0.1)], ids=str)
def test_a_planted_box_is_found(planted: tuple[float, float, float]) -> None:
    points = toy(np.random.default_rng(1), 3000, box(*planted), held=0.95)
    (boxes,) = smallest_boxes(found_in(points), [0.95])
    assert boxes.found.all() and boxes.n.sum() == 3000
    cells = np.array([STEPS[0], STEPS[0], STEPS[1]])
    for number, expected in enumerate(planted):
        assert boxes.bounds[number] == pytest.approx(expected, abs=2 * cells[number] + 1e-9)
        assert np.abs(boxes.bounds[number] - expected).max() < 5 * boxes.errors[number].max()
        assert (boxes.errors[number] < 3 * cells[number]).all()


def test_planted_lines_are_found_and_written_as_settings(tmp_path: Path) -> None:
    lines = {"up": (0.10, 0.08, 0.16), "down": (-0.05, -0.10, -0.15), "width": (0.2, 0.6, 0.3)}
    planted = Geometry(
        **{
            name: (
                Piece(below=1.5, coefficients=(a, (b - a) / 1.5)),
                Piece(origin=1.5, coefficients=(b, (c - b) / 1.5)),
            )
            for name, (a, b, c) in lines.items()
        }
    )
    points = toy(np.random.default_rng(2), 6000, planted, held=0.95)
    found = Containment(np.linspace(0, 3, 25), {})
    found.add(points, 0)
    (boxes,) = smallest_boxes(found, [0.95])
    fits = broken_lines(boxes, [1.5])
    for fit in fits:
        assert fit.heights == pytest.approx(lines[fit.bound], rel=0.15, abs=0.01)
    path = write_geometry(tmp_path / "fit_95.yaml", "fit_95", fitted_geometry(fits))
    shape = window_settings(read_settings(path)).shape
    held = found_in(points, {"fit": shape, "planted": planted}).inside
    shares = {name: sums.sum() / UNIT / 6000 for name, sums in held.items()}
    assert shares["planted"] == pytest.approx(0.95, abs=1e-6)
    assert shares["fit"] == pytest.approx(0.95, abs=0.015)


def test_a_share_that_no_box_holds_gives_none() -> None:
    points = toy(np.random.default_rng(3), 600, box(0.1, -0.1, 0.3), held=0.9)
    away = replace(points, same_side=points.dphi < 0.3)
    low, high = smallest_boxes(found_in(away), [0.85, 0.95])
    assert low.found.all() and not high.found.any()
    assert broken_lines(high, [1.5]) == []


def test_bins_with_few_caloparticles_have_no_box() -> None:
    points = toy(np.random.default_rng(4), 60, box(0.1, -0.1, 0.3), held=0.9)
    (boxes,) = smallest_boxes(found_in(points), [0.8])
    assert not boxes.found.any(), "10 in each bin"


def test_caloparticles_of_one_event_have_no_box_as_its_errors_would_be_by_chance() -> None:
    points = toy(np.random.default_rng(4), 600, box(0.1, -0.1, 0.3), held=0.9)
    (boxes,) = smallest_boxes(found_in(replace(points, block=np.zeros(600, np.int64))), [0.8])
    assert not boxes.found.any(), "a third of the draws is empty"


def test_a_seed_without_a_position_is_beyond_the_bins() -> None:
    points = toy(np.random.default_rng(5), 3, box(0.1, -0.1, 0.3), held=0.9)
    found = found_in(replace(points, seed_eta=np.array([np.inf, np.nan, 0.25])), {})
    assert found.beyond == 2 and found.n.sum() == 1 and found.sum_eta.sum() == round(0.25 * UNIT)


FINE = np.array([0.0, 0.4, 0.8, 1.2, 1.4442, 1.566, 1.8, 2.4, 3.0])


def planted_boxes(
    *, edges: np.ndarray = FINE, without: tuple[int, ...] = (), n: int = 500, width: float = 0.3
) -> Boxes:
    """The same box in each bin, none in those of `without`."""
    size = len(edges) - 1
    bounds = np.tile(np.array([[0.1], [-0.1], [width]]), size)
    bounds[:, list(without)] = np.nan
    errors = np.where(np.isfinite(bounds), 0.005, np.nan)
    return Boxes(0.99, (edges[1:] + edges[:-1]) / 2, bounds, errors, np.full(size, n))


@pytest.mark.parametrize(
    ("boxes", "edges", "words"),
    [
        pytest.param(planted_boxes(), FINE, None, id="all bins"),
        pytest.param(planted_boxes(without=(4,)), FINE, None, id="none in the gap between barrel and endcap"),
        pytest.param(
            planted_boxes(without=(3, 4)), FINE, "no box surely contains it at abs(eta) 1.2 to 1.566", id="wide"
        ),
        pytest.param(planted_boxes(without=(7,)), FINE, "abs(eta) 2.4 to 3", id="none in the last bin"),
        pytest.param(planted_boxes(without=(0,)), FINE, "abs(eta) 0 to 0.4", id="none in the first bin"),
        pytest.param(planted_boxes(n=12), FINE, "fewer than 20 caloparticles at abs(eta) 0 to 3", id="few"),
        pytest.param(planted_boxes(edges=FINE[:6]), FINE[:6], "from abs(eta) 0 to 1.566 only", id="barrel only"),
        pytest.param(planted_boxes(edges=FINE[2:]), FINE[2:], "from abs(eta) 0.8 to 3 only", id="endcaps only"),
    ],
)
def test_no_fit_spans_bins_without_data(boxes: Boxes, edges: np.ndarray, words: str | None) -> None:
    problem = fit_problem(boxes, edges, broken_lines(boxes, [1.5]))
    assert problem is None if words is None else words in str(problem)


def test_no_fit_has_more_lines_than_bins_determine() -> None:
    boxes = planted_boxes(edges=np.array([0.0, 1.5, 3.0]))
    assert broken_lines(boxes, [1.0, 1.2, 1.4]) == []
    assert "too few bins for so many --knots" in str(fit_problem(boxes, np.array([0.0, 1.5, 3.0]), []))


def test_no_fit_is_far_below_all_boxes() -> None:
    boxes = planted_boxes()
    lines = [replace(line, heights=np.array([0.3, 0.01, 0.3])) if line.bound == "width" else line
             for line in broken_lines(boxes, [1.5])]  # fmt: skip
    problem = str(fit_problem(boxes, FINE, lines))
    assert "the line of 'width' would be at 0.01 at abs(eta) 1.5, and no box is smaller than 0.3" in problem


@pytest.mark.parametrize(
    ("held", "words"),
    [
        pytest.param([0.990] * 8, None, id="as named"),
        pytest.param([0.986] * 8, None, id="a little less"),
        pytest.param([0.972] * 8, "would contain 97.2 %", id="missing its name"),
        pytest.param([0.990] * 7 + [0.93], "would contain 93 % at abs(eta) 2.4 to 3", id="in one bin"),
        pytest.param([0.990] * 4 + [0.93] + [0.990] * 3, None, id="in the gap, where no box contains it"),
    ],
)
def test_no_fit_misses_its_name(held: list[float], words: str | None) -> None:
    n = np.full((8, BLOCKS), 1000)
    n[4:] //= 20  # few in these bins: the sum over all hardly changes
    inside = np.round(np.array(held)[:, None] * n * UNIT).astype(np.int64)
    problem = share_problem(planted_boxes(without=(4,)), FINE, inside, n)
    assert problem is None if words is None else words in str(problem)


def test_a_sample_that_is_too_small_gives_warnings_and_no_settings(tmp_path: Path) -> None:
    """Also none of an earlier run, which would not belong to the tables."""
    (tmp_path / "o").mkdir()
    write_geometry(tmp_path / "o" / "fit_99.yaml", "fit_99", GEOMETRIES["v3"])
    (tmp_path / "o" / "fit_98.yaml").write_text("of my own")
    ran = run("truth", "window-size", ELECTRONS, "-o", str(tmp_path / "o"), "--no-figures")
    assert ran.err.count("warning: no settings file for ") == 3 and "-s" not in ran.out
    assert "fewer than 20 caloparticles" in ran.err
    assert [path.name for path in (tmp_path / "o").glob("*.yaml")] == ["fit_98.yaml"]
    assert (tmp_path / "o" / "lines.csv").read_text().count("\n") == 1
    quiet = run("truth", "window-size", ELECTRONS, "-o", str(tmp_path / "o"), "--no-figures", "-q")
    assert quiet.err.count("warning: ") == 3


def test_a_settings_file_replaces_those_of_the_study_only(tmp_path: Path) -> None:
    mine = tmp_path / "fit_99.yaml"
    mine.write_text("of my own")
    with pytest.raises(OutputError, match="another file is there already"):
        write_geometry(mine, "fit_99", GEOMETRIES["v3"])
    assert mine.read_text() == "of my own"
    for geometry in ("v2", "v3"):
        write_geometry(tmp_path / "fit_98.yaml", "fit_98", GEOMETRIES[geometry])


# --- sums and kernels


def test_sums_do_not_depend_on_the_steps() -> None:
    rng = np.random.default_rng(5)
    first, second = (toy(rng, n, GEOMETRIES["v3"], held=0.7, hits=30) for n in (40, 70))
    joined = Points(
        *(np.concatenate([getattr(each, name) for each in (second, first)]) for name in ("seed_eta", "block")),
        np.concatenate([second.offsets, first.offsets[1:] + second.offsets[-1]]),
        *(
            np.concatenate([getattr(x, name) for x in (second, first)])
            for name in ("deta", "dphi", "share", "same_side")
        ),
    )
    apart = found_in(first)
    apart.add(second, 0)
    once = found_in(joined)
    for name in ("grid", "n", "sum_eta", "same_side"):
        np.testing.assert_array_equal(getattr(apart, name), getattr(once, name))
    for name in GEOMETRIES:
        np.testing.assert_array_equal(apart.inside[name], once.inside[name])


VALUES = st.sampled_from([-0.2, -0.1, 0.0, 0.1, 0.2])


@given(st.lists(st.lists(st.tuples(VALUES, VALUES.map(abs), st.integers(0, 9), st.booleans()), max_size=5), max_size=4))
def test_shares_inside_are_those_of_a_plain_loop(rows: list[list[tuple[float, float, int, bool]]]) -> None:
    flat = [point for row in rows for point in row]
    columns = [np.array([point[i] for point in flat], dtype=kind) for i, kind in enumerate((float, float, int, bool))]
    offsets = np.cumsum([0, *map(len, rows)])
    bounds = np.tile([[0.1], [-0.1], [0.1]], len(rows))
    expected = [sum(s for e, p, s, side in row if side and -0.1 <= e <= 0.1 and p <= 0.1) for row in rows]
    assert shares_inside(offsets, *columns, bounds).tolist() == expected


@settings(max_examples=60)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=4, max_size=4), st.integers(1, 20))
def test_the_smallest_box_is_the_smallest(cells: list[list[int]], wanted: int) -> None:
    below = np.zeros((5, 4))
    below[1:, 1:] = np.array(cells).cumsum(axis=0).cumsum(axis=1)
    areas = [
        (j - i) * k
        for i in range(2)
        for j in range(3, 5)
        for k in range(1, 4)
        if sum(sum(row[:k]) for row in cells[i:j]) >= wanted
    ]
    first, last, width = smallest_box(below, 2, float(wanted))
    if not areas:
        assert (first, last, width) == (-1, -1, -1)
    else:
        assert (last - first) * width == min(areas)
        assert sum(sum(row[:width]) for row in cells[first:last]) >= wanted


# --- dumper files and tables


def simulated(folder: Path) -> str:
    """A dumper file with simulated hits."""
    path = folder / "s.root"
    run("simulate", "-o", str(path), "-n", "60", "--particle", "electron", "--pileup", "off", "--seed", "3", "-q")
    return str(path)


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> str:
    return simulated(tmp_path_factory.mktemp("dump"))


def test_simulated_hits_are_read_with_their_caloparticle(dump: str) -> None:
    chosen = WindowSettings(require_gen_in_window=False, pileup="off")
    (file,) = check_inputs([dump], chosen, [*SIMHITS, "en_true_sim"]).files
    (events,) = event_steps(file, chosen, memory_bytes=1e9)
    assert events.simhits is not None and events.simhits_offsets is not None
    energy = np.add.reduceat(events.simhits["energy"].astype(float), events.simhits_offsets[:-1])
    assert energy == pytest.approx(events.calo["simEnergy"], rel=1e-3)
    keep = np.arange(len(events)) % 2 == 1
    some = selected_events(events, keep)
    calos = np.repeat(keep, np.diff(events.calo_offsets))
    assert some.simhits is not None and some.simhits_offsets is not None
    assert np.add.reduceat(some.simhits["energy"].astype(float), some.simhits_offsets[:-1]) == pytest.approx(
        energy[calos]
    )
    points, without_seed = simhit_points(events, chosen)
    assert len(points) + without_seed == events.calo_offsets[-1]
    assert np.add.reduceat(points.share, points.offsets[:-1]) / UNIT == pytest.approx(1.0, abs=1e-6)
    core = (np.abs(points.deta) < 0.05) & (points.dphi < 0.3)
    assert points.share[core].sum() > 0.9 * points.share.sum()


def test_hits_are_not_read_when_nobody_wants_them(dump: str) -> None:
    (file,) = check_inputs([dump], WindowSettings(), ["et_seed"]).files
    assert not any(branch.name.startswith("simHit") for branch in file.branches)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_command_writes_tables_settings_and_figures(dump: str, tmp_path: Path) -> None:
    ran = run("truth", "window-size", dump, "-o", str(tmp_path / "o"), "--shares", "90,95", "--eta-bins", "0,1,2,3",
              "--knots", "1.5")  # fmt: skip
    assert "energy from simulated hits" in ran.out and "-s " in ran.out
    every = [row for row in rows(tmp_path / "o/contained.csv") if (row["eta_low"], row["eta_high"]) == ("0.0", "3.0")]
    shares = {row["geometry"]: float(row["share"]) for row in every}
    assert set(shares) == {"v1", "v2", "v3", "fit_90", "fit_95", "seed_side"}
    assert 0.9 < shares["v1"] <= shares["v3"] + 0.01 and shares["v3"] <= shares["seed_side"] <= 1
    assert shares["fit_90"] == pytest.approx(0.90, abs=0.04) and shares["fit_90"] < shares["fit_95"]
    made = run("windows", dump, "-o", str(tmp_path / "w.parquet"), "-s", str(tmp_path / "o/fit_95.yaml"))
    assert "windows kept" in made.out
    figures = {file.name for file in (tmp_path / "o").iterdir() if file.suffix in (".png", ".pdf")}
    assert figures == {
        f"{name}{suffix}"
        for name in ("contained", "bound_up", "bound_down", "bound_width")
        for suffix in (".png", ".pdf")
    }


def test_the_same_tables_each_time_whatever_the_steps(dump: str, tmp_path: Path) -> None:
    from ecalwindows.dumper.reading import Reading

    chosen = Options(shares=(90,), eta_edges=(0, 1.5, 3))
    for name, step in (("a", None), ("b", 7)):
        study_window_size([dump], tmp_path / name, chosen, reading=Reading(step_events=step), figures=False)
    for file in ("boxes.csv", "contained.csv", "lines.csv"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_a_dump_without_simulated_hits_and_its_table_agree(tmp_path: Path) -> None:
    run("truth", "match", ELECTRONS, "-o", str(tmp_path / "m.parquet"), "-q")
    for name, source in (("dump", ELECTRONS), ("table", str(tmp_path / "m.parquet"))):
        ran = run("truth", "window-size", source, "-o", str(tmp_path / name), "--eta-bins", "0,3", "--no-figures")
        assert "energy from clusters" in ran.out
    found = [rows(tmp_path / name / "contained.csv") for name in ("dump", "table")]
    for ours, other in zip(*found, strict=True):
        assert ours["caloparticles"] == other["caloparticles"] and int(ours["caloparticles"]) > 20
        assert float(ours["share"]) == pytest.approx(float(other["share"]), abs=1e-4)


def test_every_input_is_a_sample_of_its_own(dump: str, tmp_path: Path) -> None:
    other = tmp_path / "again.root"
    other.write_bytes(Path(dump).read_bytes())
    for name, inputs in (("one", [dump]), ("two", [dump, str(other)])):
        run("truth", "window-size", *inputs, "-o", str(tmp_path / name), "--eta-bins", "0,3", "--no-figures", "-q")
    one, two = (rows(tmp_path / name / "contained.csv") for name in ("one", "two"))
    for ours, both in zip(one, two, strict=True):
        assert int(both["caloparticles"]) == 2 * int(ours["caloparticles"])
        assert both["share"] == ours["share"] or both["geometry"].startswith("fit")


def test_the_page_names_options_that_there_are() -> None:
    said = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", (DOCS / "window_size.md").read_text()))
    printed = run("truth", "window-size", "--help").out
    assert {option for option in said if option not in printed} == set() and len(said) >= 2


# --- what does not serve


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param(("--shares", "0,99"), "[0.0, 99.0] cannot be", id="shares"),
        pytest.param(("--shares", "99,99.0000001"), "cannot be", id="shares of one name"),
        pytest.param(("--knots", "nan"), "cannot be", id="no number among the knots"),
        pytest.param(("--eta-bins", "0,nan"), "cannot be", id="no number among the edges"),
        pytest.param(("--eta-bins", "1,0"), "[1.0, 0.0] cannot be", id="bins"),
        pytest.param(("--knots", "2,1"), "[2.0, 1.0] cannot be", id="knots"),
        pytest.param(("--knots", "x"), "'x' is not a list of numbers", id="words"),
        pytest.param(("--eta-bins", "7,8"), "no caloparticle with a seed in the bins", id="nothing there"),
    ],
)
def test_options_that_mean_nothing(tmp_path: Path, arguments: tuple[str, ...], found: str) -> None:
    ran = attempt("truth", "window-size", ELECTRONS, "-o", str(tmp_path / "o"), *arguments)
    assert ran.code == 2 and found in ran.err


def test_tables_and_dumper_files_together(tmp_path: Path) -> None:
    run("truth", "match", ELECTRONS, "-o", str(tmp_path / "m.parquet"), "-q")
    ran = attempt("truth", "window-size", ELECTRONS, str(tmp_path / "m.parquet"), "-o", str(tmp_path / "o"))
    assert ran.code == 2 and "tables of matched clusters and dumper files together" in ran.err
