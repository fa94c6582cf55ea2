"""The working-point study: it finds what was planted, its map is smooth, and what it says is true on other events."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.matches_maker import RESOLUTION, Planted, toy, write_table
from hypothesis import given
from hypothesis import strategies as st
from reference import working_points as slow

from ecalwindows.commands.truth.working_points import DERIVED, Study, StudyOptions, derive_working_points
from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError
from ecalwindows.core.working_points import read_working_points
from ecalwindows.studies.kernels import resolution, smoothing
from ecalwindows.studies.working_points.caloparticles import Bins, read_sample, scan_thresholds
from ecalwindows.studies.working_points.closure import Closure
from ecalwindows.studies.working_points.threshold_map import MAX_FACTOR, largest_step, smooth_map
from ecalwindows.studies.working_points.threshold_scan import Scan, best_levels, scanned

BINS = Bins((1.0, 5.0, 20.0, 100.0, 500.0), (0.0, 0.8, 1.4442, 1.566, 2.2, 3.0))
FLAT: Planted = lambda et, eta: 5e-3 + 0 * et  # noqa: E731
SLOPE: Planted = lambda et, eta: 0.03 * et**-0.4  # noqa: E731


def studied(folder: Path, planted: Planted, n: int = 12_000, **options: Any) -> Study:
    table = write_table(folder / "toy.parquet", toy(n, planted, seed=3))
    return derive_working_points(table, folder / "wp.json", StudyOptions(bins=BINS, **options), figures=False)


def planted_in_bins(planted: Planted) -> np.ndarray[Any, Any]:
    et, eta = np.array(BINS.et), np.array(BINS.eta)
    middles = np.meshgrid(np.sqrt(et[1:] * et[:-1]), (eta[1:] + eta[:-1]) / 2, indexing="ij")
    return np.asarray(planted(*middles)).ravel()


# Kernels


@given(
    st.lists(st.tuples(st.sampled_from([0.5, 1.0, 1.0, 2.0, 3.5]), st.integers(0, 3)), min_size=1, max_size=12),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_weighted_quantiles_are_those_of_repeated_values(
    rows: list[tuple[float, int]], probabilities: list[float]
) -> None:
    values, weights = (np.array(column) for column in zip(*sorted(rows), strict=True))
    found = resolution.quantiles(values, weights.astype(np.uint8), np.array(sorted(probabilities)))
    repeated = np.repeat(values, weights)
    if len(repeated):
        np.testing.assert_allclose(found, np.quantile(repeated, sorted(probabilities)), rtol=1e-14)
    else:
        assert np.isnan(found).all()


def test_bootstrap_weights_are_poisson_numbers_of_events_and_rounds_alone() -> None:
    keys, rounds = np.arange(20_000, dtype=np.uint64), np.array([3, 9], dtype=np.uint64)
    weights = resolution.poisson_weights(keys, rounds)
    assert weights.mean() == pytest.approx(1, abs=0.01) and weights.var() == pytest.approx(1, abs=0.03)
    assert abs(np.corrcoef(weights)[0, 1]) < 0.02
    np.testing.assert_array_equal(resolution.poisson_weights(keys[::-1].copy(), rounds), weights[:, ::-1])


# Costs are binary fractions: their sums are exact in any order.
@given(st.lists(st.sampled_from([0.0, 0.25, 1.0, 4.0]), min_size=24, max_size=24))
def test_no_other_level_of_a_bin_and_no_flat_map_costs_less_than_the_smooth_one(numbers: list[float]) -> None:
    cost = np.array(numbers).reshape(2, 3, 4)
    flat = [slow.smoothest_cost(cost, np.full((2, 3), k), 0.5, 1) for k in range(4)]
    level = smoothing.smooth_levels(cost, int(np.argmin(flat)), 0.5, 1, 50)
    ours = slow.smoothest_cost(cost, level, 0.5, 1)
    assert ours <= min(flat)
    for place in np.ndindex(2, 3):
        for k in range(4):
            other = level.copy()
            other[place] = k
            assert ours <= slow.smoothest_cost(cost, other, 0.5, 1)


def test_a_smooth_map_of_free_bins_is_their_best() -> None:
    cost = np.random.default_rng(1).uniform(size=(4, 5, 7))
    np.testing.assert_array_equal(smoothing.smooth_levels(cost, 3, 0.0, 6, 50), cost.argmin(axis=2))


def test_the_best_threshold_is_the_middle_of_equal_ones() -> None:
    table = np.array([[3.0, 2.0, 2.0, 2.0, 5.0], [1.0, 1.0, 4.0, 4.0, 4.0], [4.0, 3.0, 2.0, 1.0, np.nan]]).T
    assert best_levels(table).tolist() == [2, 0, 3]


# The scan


def test_the_scan_equals_its_slow_reference(tmp_path: Path) -> None:
    columns = toy(600, FLAT, per_event=3)
    columns["in_window"] = np.random.default_rng(5).uniform(size=len(columns["is_seed"])) < 0.9
    columns["in_window"] |= columns["is_seed"]
    table, thresholds = write_table(tmp_path / "t.parquet", columns), scan_thresholds(4)
    sample = read_sample(table, BINS, thresholds)
    scan = scanned(sample, np.ones(len(sample), dtype=np.bool_), BINS, thresholds, rounds=0)
    starts = np.flatnonzero(columns["is_seed"])
    rows = [
        [{name: column[i] for name, column in columns.items()} for i in range(begin, end)]
        for begin, end in itertools.pairwise([*starts, len(columns["is_seed"])])
    ]
    by_bin: dict[int, list[list[dict[str, Any]]]] = {}
    for group in rows:
        seed = group[0]
        i, j = (
            sum(edge <= value for edge in edges) - 1
            for edges, value in ((BINS.et, seed["et_seed"]), (BINS.eta, abs(seed["seed_eta"])))
        )
        by_bin.setdefault(i * BINS.shape[1] + j, []).append(group)
    assert scan.entries.tolist() == [len(by_bin.get(number, [])) for number in range(20)]
    for number, groups in by_bin.items():
        for k, threshold in enumerate(thresholds):
            responses = [slow.response(group, threshold) for group in groups]
            assert scan.response[number, k, 0] == pytest.approx(np.median(responses), rel=1e-12)
            assert scan.resolution[number, k, 0] == pytest.approx(slow.resolution(responses), rel=1e-9)


def test_the_scan_holds_the_flat_threshold_and_the_ends() -> None:
    thresholds = scan_thresholds(20)
    assert len(thresholds) == 61 and thresholds[0] == 1e-4 and thresholds[-1] == 0.1 and 1e-3 in thresholds


# The map


@pytest.mark.parametrize(("planted", "within"), [(FLAT, 1.5), (SLOPE, 2.5)], ids=["flat", "falls with Et"])
def test_a_planted_threshold_is_found_within_its_error(tmp_path: Path, planted: Planted, within: float) -> None:
    study = studied(tmp_path, planted)
    made, true = study.map, planted_in_bins(planted)
    error = np.log10(made.high / made.low) / 2
    pull = np.log10(made.threshold / true) / error
    assert np.abs(pull).max() < within and np.sqrt(np.mean(pull**2)) < 1.2
    fine = np.log10(made.best / true)[~made.is_thin] / (np.log10(made.best_high / made.best_low)[~made.is_thin] / 2)
    assert np.median(np.abs(fine)) < 1.2


def test_events_that_did_not_choose_get_better_and_as_good_as_can_be(tmp_path: Path) -> None:
    done = studied(tmp_path, FLAT).closure
    mean, error = done.mean_change()
    assert mean < -5 * error < 0
    assert done.resolution[2, -1, 0] == pytest.approx(RESOLUTION, rel=0.05)
    change, own = done.change()
    there = done.entries >= 50
    assert (change[there] < own[there]).all()


def test_the_mean_change_is_unknown_where_no_bin_has_one() -> None:
    unknown, known = np.full((4, 3, 6), np.nan), np.ones((4, 3, 6))
    known[2] = 0.9
    for rounds, expected in ((unknown, (np.nan, np.nan)), (known, (-0.1, 0.0))):
        done = Closure(np.array([5, 5, 10]), np.zeros(3, np.int64), rounds, rounds, np.ones((4, 3)))
        assert done.mean_change() == pytest.approx(expected, nan_ok=True)


def test_without_a_best_threshold_the_map_stays_flat(tmp_path: Path) -> None:
    """Clusters that say nothing: what is best in a bin is chance, and neighbours do not jump."""
    columns = toy(8000, lambda et, eta: 1.0 + 0 * et, seed=7)
    columns["en_cluster"] = np.where(columns["is_seed"], columns["en_cluster"], np.float32(1e-6))
    table = write_table(tmp_path / "t.parquet", columns)
    study = derive_working_points(table, tmp_path / "wp.json", StudyOptions(bins=BINS), figures=False)
    own = study.map.best[~study.map.is_thin]
    assert own.max() / own.min() > 3  # noise
    assert largest_step(study.map.threshold.reshape(BINS.shape)) < 1.6
    assert (study.map.threshold / 1e-3 < 2).all() and (study.map.threshold / 1e-3 > 0.5).all()


def test_neighbours_never_differ_by_more_than_a_factor_3(tmp_path: Path) -> None:
    study = studied(tmp_path, lambda et, eta: np.where(eta < 1.5, 5e-4, 5e-2))
    step = largest_step(study.map.threshold.reshape(BINS.shape))
    assert 2 < step <= MAX_FACTOR


def test_thin_and_empty_bins_lie_on_the_surface_and_are_listed(tmp_path: Path) -> None:
    columns = toy(12_000, FLAT, seed=4, et=(1, 80))
    table = write_table(tmp_path / "t.parquet", columns)
    edges = ["--et-bins", "1,5,20,100,500", "--eta-bins", "0,0.8,1.4442,1.566,2.2,3"]
    out = run("truth", "working-points", str(table), "-o", str(tmp_path / "wp.json"), "--no-figures", *edges).out
    assert "Et 100-500 GeV, abs(eta) all" in out
    rows = list(csv.DictReader((tmp_path / "wp" / "map.csv").read_text().splitlines()))
    empty = [row for row in rows if row["entries"] == "0"]
    assert len(empty) == 5 and all(row["is_thin"] == "1" and row["own_best"] == "" for row in empty)
    assert all(3e-3 < float(row["threshold"]) < 8e-3 for row in empty)


def test_a_map_with_mainly_thin_bins_is_not_written(tmp_path: Path) -> None:
    """Most of it would follow from a few bins. Tables are written, and a map of before is not said to be new."""
    table = write_table(tmp_path / "t.parquet", toy(1500, FLAT, seed=4, et=(10.1, 14.9)))
    wp, command = tmp_path / "wp.json", ["truth", "working-points", str(table), "-o", str(tmp_path / "wp.json"),
                                         "--no-figures", "--bootstrap", "5"]  # fmt: skip
    ran = attempt(*command)
    assert ran.code == 1 and not wp.exists() and (tmp_path / "wp" / "map.csv").exists()
    assert re.search(r"warning: no map is written: 13\d of 144 bins have fewer than 50 entries", ran.err)
    assert ran.err.count("warning") == 1 and "use the packaged map" in ran.err
    assert "--wp-file" not in ran.out and "wp.json" not in ran.out
    wp.write_text(f"of before: {DERIVED}")
    ran = attempt(*command, "-q")
    assert ran.code == 1 and wp.read_text() == f"of before: {DERIVED}" and f"{wp} is that of an earlier run" in ran.err
    fewer = run(*command, "--et-bins", "10,12,15", "--eta-bins", "0,1,2,3")
    assert "next: " in fewer.out and read_working_points(wp)(np.array([11.0]), np.array([0.5]))[0] > 0


def test_bins_where_all_is_thin_are_an_error() -> None:
    scan = Scan(Bins((1, 2), (0, 3)), scan_thresholds(2), np.array([7]), *[np.ones((1, 7, 2))] * 2, np.ones((1, 7)))
    with pytest.raises(InputError, match="no bin has 50 caloparticles"):
        smooth_map(scan)


# Files


def test_the_map_loads_in_plain_correctionlib_and_as_wp_file(tmp_path: Path) -> None:
    study = studied(tmp_path, SLOPE)
    plain = correctionlib.CorrectionSet.from_file(str(tmp_path / "wp.json"))["simfraction_thres"]
    assert [variable.name for variable in plain.inputs] == ["seed_et", "seed_eta"]
    ours, grid = read_working_points(tmp_path / "wp.json"), study.map.threshold.reshape(BINS.shape)
    for et, eta, i, j in ((1.0, 0.0, 0, 0), (0.2, 9.0, 0, 4), (4.99, 1.5, 0, 2), (1e5, 2.2, 3, 4), (20.0, 0.8, 2, 1)):
        assert plain.evaluate(et, eta) == grid[i, j] == ours(np.array([et]), np.array([eta]))[0]


def test_the_same_tables_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    paths = [
        write_table(tmp_path / f"{name}.parquet", toy(3000, FLAT, seed=seed, sample=name, flavour=flavour))
        for name, seed, flavour in (("a", 1, 11), ("b", 2, 22))
    ]
    reported = []
    for number, order in enumerate((paths, paths[::-1])):
        folder = tmp_path / str(number)
        derive_working_points(order, folder / "wp.json", StudyOptions(bins=BINS, rounds=20), figures=False)
        reported.append([(folder / "wp" / f"{name}.csv").read_bytes() for name in ("scan", "map", "closure")])
        reported[-1].append(json.loads((folder / "wp.json").read_text())["corrections"])
    assert reported[0] == reported[1]


def test_the_figures_are_drawn_from_the_tables(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", toy(3000, FLAT, seed=1))
    out = run("truth", "working-points", str(table), "-o", str(tmp_path / "wp.json"), "--bootstrap", "5",
              "--et-bins", "1,20,500", "--eta-bins", "0,1.5,3").out  # fmt: skip
    assert "12 figures" in out
    names = {path.name for path in (tmp_path / "wp").iterdir()}
    for name in ("map", "resolution_by_threshold", "response_by_threshold", "resolution_before_and_after",
                 "change_of_resolution", "clusters_kept"):  # fmt: skip
        assert {f"{name}.png", f"{name}.pdf"} <= names


def test_the_summary_adds_up_and_shows_the_next_step(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", toy(4000, FLAT, seed=1, et=(0.5, 800)))
    edges = ["--et-bins", "1,5,20,100,500", "--eta-bins", "0,0.8,1.4442,1.566,2.2,3"]
    out = run("truth", "working-points", str(table), "-o", str(tmp_path / "wp.json"), "--no-figures", *edges).out
    numbers = {line[:24].strip(): int(line[24:37].replace(",", "")) for line in out.splitlines()[:6]}
    assert numbers["caloparticles"] == 4000 == numbers["in the study"] - numbers["outside the bins"]
    assert numbers["in the study"] == numbers["derive the map"] + numbers["close it"]
    assert "there are no photons: the map is not theirs" in out
    assert f"--wp-file {tmp_path / 'wp.json'}" in out.splitlines()[-1]


def test_bins_where_the_map_is_worse_are_counted_by_the_changes_and_errors_of_the_closure(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", toy(4000, lambda et, eta: 1.5e-3 + 0 * et, seed=1))
    edges = ["--et-bins", "1,5,20,100,500", "--eta-bins", "0,0.8,1.4442,1.566,2.2,3", "--min-entries", "20"]
    out = run("truth", "working-points", str(table), "-o", str(tmp_path / "wp.json"), "--no-figures", *edges).out
    with (tmp_path / "wp" / "closure.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)][:-1]
    drawn = [row for row in rows if row["entries"] >= 20]
    worse = sum(row["change"] > row["change_error"] for row in drawn)
    assert 0 < worse < len(drawn)
    assert f"worse by more than the error of the change: {worse} of {len(drawn)}" in out


# What goes wrong


def chosen_options(bins: Any = None, **options: Any) -> StudyOptions:
    return StudyOptions(bins=Bins(*bins) if bins else BINS, **options)


def test_a_flavour_that_is_not_there_is_reported(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.parquet", toy(100, FLAT))
    ran = attempt("truth", "working-points", str(table), "-o", str(tmp_path / "wp.json"), "--flavour", "22")
    assert (
        ran.code == 2 and "no caloparticle has the flavour 22" in ran.err and "a flavour of the tables: 11" in ran.err
    )
    assert not (tmp_path / "wp.json").exists()


def test_the_same_events_in_two_tables_are_reported(tmp_path: Path) -> None:
    for name in ("a", "b"):  # the settings differ, so that the files do too
        write_table(tmp_path / f"{name}.parquet", toy(100, FLAT), sample=name)
    with pytest.raises(InputError, match="100 caloparticles appear twice") as reported:
        derive_working_points([tmp_path / "a.parquet", tmp_path / "b.parquet"], tmp_path / "wp.json")
    assert "--sample" in reported.value.todo


def test_events_in_both_halves_are_reported(tmp_path: Path) -> None:
    columns = toy(400, FLAT)
    half = np.cumsum(columns["is_seed"]) <= 202  # cuts an event in two
    first, second = (
        write_table(tmp_path / f"{name}.parquet", {key: value[rows] for key, value in columns.items()})
        for name, rows in (("a", half), ("b", ~half))
    )
    with pytest.raises(InputError, match="1 events are in both halves"):
        derive_working_points(first, tmp_path / "wp.json", test=[second])
    other = write_table(tmp_path / "c.parquet", toy(20_000, FLAT, seed=8, sample="other"))
    study = derive_working_points(
        write_table(tmp_path / "d.parquet", toy(8_000, FLAT, seed=9)), tmp_path / "wp.json",
        StudyOptions(bins=BINS, rounds=5), test=[other], figures=False,
    )  # fmt: skip
    assert study.n_derive < 8_001 and study.n_close > 19_000


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        pytest.param({"bins": ((5, 1), (0, 3))}, SettingsError, "edges of the bins of Et", id="edges that fall"),
        pytest.param({"per_decade": 1}, SettingsError, "1 thresholds", id="a coarse scan"),
        pytest.param({"rounds": 0}, SettingsError, "a bootstrap of 0", id="no errors"),
        pytest.param({"rounds": 1}, SettingsError, "a bootstrap of 1", id="no spread"),
        pytest.param({"seed": 2**64}, SettingsError, "the seed 18446744073709551616", id="the seed 0 again"),
        pytest.param({"min_entries": 0}, SettingsError, "0 entries", id="no least number"),
        pytest.param({"bins": ((900, 901), (0, 3))}, InputError, "no caloparticle is left", id="bins with nothing"),
    ],
)
def test_options_that_mean_nothing_are_reported(
    tmp_path: Path, options: dict[str, Any], kind: type[EcalWindowsError], words: str
) -> None:
    table = write_table(tmp_path / "t.parquet", toy(100, FLAT))
    with pytest.raises(kind, match=words):
        derive_working_points(table, tmp_path / "wp.json", chosen_options(**options))


def test_tables_made_with_other_settings_do_not_mix(tmp_path: Path) -> None:
    paths = [
        write_table(tmp_path / "a.parquet", toy(100, FLAT, sample="a")),
        write_table(tmp_path / "b.parquet", toy(100, FLAT, sample="b"), geometry="v1"),
    ]
    with pytest.raises(InputError, match="geometry is v1"):
        derive_working_points(paths, tmp_path / "wp.json")


def test_a_dataset_of_windows_is_not_a_table_of_matches(tmp_path: Path) -> None:
    from helpers.golden_files import GOLDEN

    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "w.parquet"), "-q")
    ran = attempt("truth", "working-points", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "wp.json"))
    assert ran.code == 2 and "is missing" in ran.err and "ecalwindows truth match" in ran.err
