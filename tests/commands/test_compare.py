"""Two datasets side by side: what is equal, what differs and by how much, and how distributions drift."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import text_column, texts_of
from helpers.cli import attempt, run
from helpers.definitions import EVERYTHING, USUAL_COLUMNS
from helpers.flat_folders import flat_folder
from helpers.golden_files import GOLDEN
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows.commands.compare import compare_datasets
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import HIT_COMPONENTS
from ecalwindows.formats.parquet.reader import read_batches
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.studies.binning import binning_of
from ecalwindows.validation.comparison import Comparison, Rules, taken
from ecalwindows.validation.drift import Distributions, Moments, Sample, ks_distance

ELECTRONS = str(GOLDEN / "electrons.root")
OPTIONS = ("--overlap", "--maxnocalow", "1000", "--flavour", "11")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same windows in all formats, and in Parquet with all columns."""
    place = tmp_path_factory.mktemp("formats")
    for name in ("w.parquet", "w.ndjson.zst", "w.ndjson.gz"):
        run("windows", ELECTRONS, "-o", str(place / name), *OPTIONS)
    run("windows", ELECTRONS, "-o", str(place / "tfrecord"), "--format", "tfrecord", *OPTIONS)
    run("convert", str(place / "w.ndjson.zst"), "-o", str(place / "all.parquet"), "-f", str(definition_file(place)))
    return place


def definition_file(place: Path) -> Path:
    path = place / "f.json"
    path.write_text(json.dumps({"features_dict": EVERYTHING.groups, "hits_indices": EVERYTHING.hits}))
    return path


def all_windows(folder: Path) -> WindowBatch:
    """All windows with all columns, to be changed."""
    (batch,) = read_batches(folder / "all.parquet")
    window, pair, hits = (
        {name: column.copy() for name, column in part.items()} for part in (batch.window, batch.pair, batch.hits)
    )
    return replace(batch, window=window, pair=pair, hits=hits)


def written(path: Path, *batches: WindowBatch) -> Path:
    with ParquetWriter(path, EVERYTHING) as writer:
        for batch in batches:
            writer.write(batch)
    return path


def last(*arguments: Any) -> str:
    """The verdict."""
    return attempt("compare", *map(str, arguments)).out.splitlines()[-1]


FORMATS = ("w.parquet", "all.parquet", "w.ndjson.zst", "w.ndjson.gz", "tfrecord")


@pytest.mark.parametrize("a", FORMATS)
@pytest.mark.parametrize("b", FORMATS)
def test_the_formats_hold_the_same_windows(a: str, b: str, folder: Path) -> None:
    ran = run("compare", str(folder / a), str(folder / b))
    assert ran.out.splitlines()[-1] == "equal: 282 windows"
    n = int(re.findall(r"^(\d+) columns equal$", ran.out, flags=re.MULTILINE)[0])
    assert n >= 123


def test_all_columns_and_hits_are_compared(folder: Path) -> None:
    found = compare_datasets(folder / "all.parquet", folder / "w.ndjson.zst")
    numbers = set(USUAL_COLUMNS) - {"window_index"}
    assert set(found.comparison.columns) == numbers | {f"cl_h.{name}" for name, *_ in HIT_COMPONENTS}
    assert found.one_sided == ([], [])


def test_columns_of_one_side_are_listed(folder: Path) -> None:
    out = run("compare", str(folder / "w.parquet"), str(folder / "w.ndjson.gz")).out
    names = "mustache_seed_index, seed_recoen_PU, wtot_recoen_PU, calo_recoen_PU, energy, fraction"
    assert f"columns only in B: {names}\n" in out


def test_float64_is_compared_in_float32_only_with_tfrecord(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    for columns, name in ((batch.window, "seed_score"), (batch.pair, "calo_score"), (batch.pair, "cluster_PUfrac")):
        columns[name][:] = columns[name].astype(np.float32)
    rounded = written(tmp_path / "w.parquet", batch)
    assert last(rounded, folder / "tfrecord") == "equal: 282 windows"
    assert last(rounded, folder / "w.ndjson.gz").startswith("DIFFERENT: 1")
    assert last(rounded, folder / "w.ndjson.gz", "--rtol", "1e-7") == "equal: 282 windows"


def test_the_order_of_windows_does_not_count(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    order = np.random.default_rng(1).permutation(len(batch))
    pieces = [taken(batch, rows) for rows in np.array_split(order, 7)]
    assert last(written(tmp_path / "w.parquet", *pieces), folder / "w.ndjson.zst") == "equal: 282 windows"
    for number, piece in enumerate(pieces):
        written(tmp_path / f"p-{number}.parquet", piece)
    (tmp_path / "w.parquet").unlink()
    assert last(folder / "tfrecord", tmp_path) == "equal: 282 windows"


def test_the_order_of_clusters_counts(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    window = int(np.argmax(np.diff(batch.window_offsets) == 3))
    first = int(batch.window_offsets[window])
    pair = {name: column.copy() for name, column in batch.pair.items()}
    for column in pair.values():
        column[[first + 1, first + 2]] = column[[first + 2, first + 1]]
    hits = np.diff(batch.hits_offsets)
    if hits[first + 1] != hits[first + 2]:
        hits[:] = 0
        batch = replace(batch, hits={name: column[:0] for name, column in batch.hits.items()})
    batch = replace(batch, hits_offsets=np.concatenate([[0], np.cumsum(hits)]))
    a, b = written(tmp_path / "a.parquet", batch), written(tmp_path / "b.parquet", replace(batch, pair=pair))
    out = attempt("compare", str(a), str(b)).out
    assert "clusters are in another order in 1 window" in out
    assert out.splitlines()[-1].startswith("DIFFERENT: 1 of 282 common windows differ")


CHANGES: dict[str, Callable[[WindowBatch], None]] = {
    "rho": lambda batch: batch.window["rho"].__setitem__(3, 7.5),
    "nVtx": lambda batch: batch.window["nVtx"].__setitem__(3, -7),
    "seed_score": lambda batch: batch.window["seed_score"].__setitem__(3, 0.123456789),
    "et_cluster": lambda batch: batch.pair["et_cluster"].__setitem__(4, 7.5),
    "in_scluster": lambda batch: batch.pair["in_scluster"].__setitem__(4, ~batch.pair["in_scluster"][4]),
    "cl_h.energy": lambda batch: batch.hits["energy"].__setitem__(5, 7.5),
    "cl_h.iphi": lambda batch: batch.hits["iphi"].__setitem__(5, 444),
}


@pytest.mark.parametrize("name", CHANGES)
def test_one_changed_value_is_found(name: str, folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    CHANGES[name](batch)
    found = compare_datasets(folder / "w.ndjson.zst", written(tmp_path / "w.parquet", batch))
    assert {column.name: column.differ for column in found.comparison.columns.values() if column.differ} == {name: 1}
    assert (found.comparison.differ, found.comparison.windows) == (1, 282)
    assert not found.is_equal


def test_how_much_a_column_differs(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    batch.window["rho"][:4] = [1.0, 2.0, -999.0, 8.0]
    a = written(tmp_path / "a.parquet", batch)
    batch.window["rho"][:4] = [1.5, 1.0, 3.0, 8.0]
    b = written(tmp_path / "b.parquet", batch)
    rho = compare_datasets(a, b).comparison.columns["rho"]
    assert (rho.compared, rho.differ, rho.one_sentinel, rho.max_abs, rho.max_rel) == (282, 3, 1, 1.0, 0.5)
    assert rho.offenders == texts_of(batch.window_index)[:3]
    (line,) = [line for line in attempt("compare", str(a), str(b)).out.splitlines() if line.startswith("rho ")]
    assert line.split()[:6] == ["rho", "282", "3", "1", "0.5", "1"]


@pytest.mark.parametrize(
    ("options", "n"),
    [
        pytest.param((), 3, id="exact"),
        pytest.param(("--rtol", "1e-3"), 2, id="relative"),
        pytest.param(("--atol", "2e-2"), 1, id="absolute"),
        pytest.param(("--rtol", "1e-3", "--atol", "1"), 1, id="the sentinel equals only itself"),
        pytest.param(("--rtol", "2"), 1, id="nothing is close to the sentinel"),
    ],
)
def test_tolerances(options: tuple[str, ...], n: int, folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    batch.window["rho"][:3] = [1000.0, 0.001, -999.0]
    a = written(tmp_path / "a.parquet", batch)
    batch.window["rho"][:3] = [1000.01, 0.002, -998.9]
    b = written(tmp_path / "b.parquet", batch)
    assert last(a, b, *options) == f"DIFFERENT: {n} of 282 common windows differ in 1 column"


def test_flips_of_a_label_are_a_matrix(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    before = batch.pair["in_scluster"].copy()
    on, off = np.flatnonzero(before)[:3], np.flatnonzero(~before)[:2]
    batch.pair["in_scluster"][on], batch.pair["in_scluster"][off] = False, True
    out = attempt("compare", str(folder / "all.parquet"), str(written(tmp_path / "b.parquet", batch))).out
    rows = re.findall(r"^ +A (?:true|false).*$", out, re.MULTILINE)
    matrix = [[int(word) for word in re.findall(r"\d+", row)] for row in rows]
    n = int(before.sum())
    assert matrix == [[len(before) - n - 2, 2], [3, n - 3]]
    assert f"in_scluster: 5 of {len(before)} flipped" in out


def test_windows_of_one_side_and_clusters_of_one_side(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    names = texts_of(batch.window_index)
    a = written(tmp_path / "a.parquet", taken(batch, np.arange(2, 282)))
    keep = np.ones(len(batch.pair_cluster), bool)
    window = 2 + int(np.argmax(np.diff(batch.window_offsets)[2:] > 2))
    keep[batch.window_offsets[window] + 1] = False
    b = written(tmp_path / "b.parquet", taken(without_pairs(batch, keep), np.arange(281)))
    out = attempt("compare", str(a), str(b)).out
    assert f"only in A: 1 window: {names[281]}\n" in out
    assert f"only in B: 2 windows: {names[0]}; {names[1]}\n" in out
    assert "clusters of common windows only in A: 1\n" in out
    assert out.splitlines()[-1] == "DIFFERENT: 1 of 279 common windows differ, 1 window only in A, 2 windows only in B"


def without_pairs(batch: WindowBatch, keep: np.ndarray[Any, Any]) -> WindowBatch:
    counts = np.add.reduceat(keep.astype(np.int64), batch.window_offsets[:-1])
    hits = np.repeat(keep, np.diff(batch.hits_offsets))
    return replace(
        batch,
        pair={name: column[keep] for name, column in batch.pair.items()},
        window_offsets=np.concatenate([[0], np.cumsum(counts)]),
        pair_cluster=np.arange(keep.sum()),
        hits_offsets=np.concatenate([[0], np.cumsum(np.diff(batch.hits_offsets)[keep])]),
        hits={name: column[hits] for name, column in batch.hits.items()},
    )


def test_windows_of_other_names_are_reported_by_event_and_position(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    letters = replace(batch, window_index=text_column([f"random{i}" for i in range(282)]))
    out = run("compare", str(written(tmp_path / "w.parquet", letters)), str(folder / "w.ndjson.zst")).out
    assert "282 common windows by run, lumi, event, seed eta and phi" in out
    letters.window["seed_eta"][7] += 0.5
    assert last(written(tmp_path / "w.parquet", letters), folder / "w.ndjson.zst") == (
        "DIFFERENT: 1 window only in A, 1 window only in B"
    )


def test_a_repeated_window_is_reported(folder: Path, tmp_path: Path) -> None:
    batch = all_windows(folder)
    twice = written(tmp_path / "w.parquet", batch, taken(batch, np.arange(3)))
    assert last(twice, folder / "w.parquet") == ("DIFFERENT: 6 windows repeated in A, 3 windows only in B")


def test_a_finished_dataset_and_its_parts(tmp_path: Path) -> None:
    parts = flat_folder(tmp_path / "parts")
    run("finalize", str(parts), "-o", str(tmp_path / "done"), "--split", "train=0.6,test=0.4")
    assert last(parts, tmp_path / "done") == "equal: 328 windows"


@pytest.mark.parametrize("suffix", [".parquet", ".ndjson"])
def test_nothing_equals_nothing(suffix: str, tmp_path: Path, folder: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / f"w{suffix}"), "--events", "0:0")
    nothing = tmp_path / f"w{suffix}"
    assert last(nothing, nothing) == "equal: 0 windows"
    assert last(nothing, folder / "w.parquet") == "DIFFERENT: no common windows (0 in A, 282 in B)"


def test_exit_codes(folder: Path, tmp_path: Path) -> None:
    a = str(folder / "w.parquet")
    assert attempt("compare", a, a, "-q").out == "equal: 282 windows\n"
    assert attempt("compare", a, a).code == 0
    run("windows", ELECTRONS, "-o", str(tmp_path / "b.parquet"))
    assert attempt("compare", a, str(tmp_path / "b.parquet")).code == 1
    assert attempt("compare", a, str(tmp_path / "nothing")).code == 2
    (tmp_path / "b.parquet").write_bytes(b"PAR1 is not all")
    ran = attempt("compare", a, str(tmp_path / "b.parquet"))
    assert ran.code == 2 and "it has 15 bytes, its manifest says" in ran.err


def test_windows_without_names_are_not_compared_one_by_one(tmp_path: Path) -> None:
    """The packaged definition `seed` has no ids: a file of it was DIFFERENT from itself."""
    same = str(tmp_path / "w.parquet")
    run("windows", ELECTRONS, "-o", same, "-f", "seed")
    ran = attempt("compare", same, same)
    assert ran.code == 2
    assert ran.out.splitlines()[-1].startswith("not compared window by window: both need")
    assert re.search(r"^et_seed +0\.000 +A ", ran.out, flags=re.MULTILINE)  # distributions are compared


@given(st.data())
def test_counts_equal_the_slow_reference(data: Any) -> None:
    """Few windows, few values, so that many are equal; some clusters are left out."""
    a, b = data.draw(small_batches()), data.draw(small_batches())
    found = Comparison(Rules())
    found.add(a, b, ["rho", "is_seed_calo_matched", "en_cluster", "is_seed"])
    reference = slow_counts(a, b)
    assert {name: column.differ for name, column in found.columns.items()} == reference["differ"]
    assert found.differ == reference["windows"]
    assert found.clusters_only == reference["only"]
    assert found.columns["is_seed"].flips.tolist() == reference["flips"]


@st.composite
def small_batches(draw: st.DrawFn) -> WindowBatch:
    """Three windows of up to three clusters of five."""
    clusters = [draw(st.lists(st.integers(0, 4), max_size=3, unique=True)) for _ in range(3)]
    n = sum(map(len, clusters))
    numbers, flags = st.sampled_from([1.0, 2.0]), st.booleans()
    drawn = {kind: [draw(values) for _ in range(n)] for kind, values in (("numbers", numbers), ("flags", flags))}
    nothing = text_column([f"w{i}" for i in range(3)])
    return WindowBatch(
        window_index=nothing,
        window={
            "rho": np.array([draw(numbers) for _ in range(3)], np.float32),
            "is_seed_calo_matched": np.array([draw(flags) for _ in range(3)]),
        },
        cluster={},
        pair={
            "cl_index": np.array([i for each in clusters for i in each], np.int32),
            "en_cluster": np.array(drawn["numbers"], np.float32),
            "is_seed": np.array(drawn["flags"], dtype=np.bool_),
        },
        window_offsets=np.cumsum([0, *map(len, clusters)]), pair_cluster=np.arange(n), window_seed=np.full(3, -1),
        hits_offsets=np.zeros(n + 1, np.int64), hits={}, events={},
    )  # fmt: skip


def slow_counts(a: WindowBatch, b: WindowBatch) -> dict[str, Any]:
    differ = dict.fromkeys(("rho", "is_seed_calo_matched", "en_cluster", "is_seed"), 0)
    windows, only, flips = 0, [0, 0], [[0, 0], [0, 0]]
    for row in range(3):
        wrong = False
        for name in ("rho", "is_seed_calo_matched"):
            differ[name] += int(a.window[name][row] != b.window[name][row])
            wrong |= bool(a.window[name][row] != b.window[name][row])
        places = [
            {int(batch.pair["cl_index"][p]): p for p in range(batch.window_offsets[row], batch.window_offsets[row + 1])}
            for batch in (a, b)
        ]
        common = [index for index in places[0] if index in places[1]]
        wrong |= common != [index for index in places[1] if index in places[0]]
        for side in (0, 1):
            only[side] += len(places[side]) - len(common)
            wrong |= len(places[side]) > len(common)
        for index in common:
            left, right = places[0][index], places[1][index]
            for name in ("en_cluster", "is_seed"):
                unequal = bool(a.pair[name][left] != b.pair[name][right])
                differ[name] += unequal
                wrong |= unequal
            flips[int(a.pair["is_seed"][left])][int(b.pair["is_seed"][right])] += 1
        windows += wrong
    return {"differ": differ, "windows": windows, "only": only, "flips": flips}


def test_datasets_of_different_events_give_a_drift_table(folder: Path, tmp_path: Path) -> None:
    few = {"window_features": ["et_seed", "nclusters_insc"], "window_metadata": ["window_index", "flavour"],
           "cl_features": ["et_cluster"]}  # fmt: skip
    (tmp_path / "few.json").write_text(json.dumps({"features_dict": few, "hits_indices": [0]}))
    options = ("-f", str(tmp_path / "few.json"), "--sample", "photons")
    run("windows", str(GOLDEN / "photons.root"), "-o", str(tmp_path / "p.parquet"), *options)
    ran = attempt("compare", str(folder / "w.parquet"), str(tmp_path / "p.parquet"), "--plots", str(tmp_path / "plots"))
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "DIFFERENT: no common windows (282 in A, 57 in B)"
    rows = re.findall(r"^(\w+) +([\d.]+) \*? *A +([\d,]+)(.*)\n +B +([\d,]+)(.*)$", ran.out, flags=re.MULTILINE)
    distances = [float(row[1]) for row in rows]
    assert distances == sorted(distances, reverse=True) and rows[0][0] == "flavour"
    assert {row[0] for row in rows} == {"et_seed", "nclusters_insc", "flavour", "et_cluster"}
    assert len(list((tmp_path / "plots").glob("*.png"))) == len(rows)
    by_name = {row[0]: row for row in rows}
    et = next(read_batches(folder / "w.parquet")).window["et_seed"].astype(float)
    expected = [et.mean(), et.std(), *np.quantile(et, [0.05, 0.5, 0.95])]
    assert [float(word) for word in by_name["et_seed"][3].split()] == pytest.approx(expected, rel=1e-3)


def test_drift_of_the_same_windows_is_none(folder: Path) -> None:
    found = compare_datasets(folder / "w.parquet", folder / "w.ndjson.zst", drift=True)
    assert found.is_equal and len(found.drifts) > 100
    assert all(drift.ks == 0 for drift in found.drifts if drift.a.n)


VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.5, -3.0]), min_size=1)


@given(VALUES, VALUES)
def test_the_ks_distance_is_that_of_its_definition(x: list[float], y: list[float]) -> None:
    a, b = np.sort(x), np.sort(y)
    expected = max(abs((a <= at).mean() - (b <= at).mean()) for at in {*x, *y})
    assert ks_distance(a, b) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.lists(st.floats(-1e3, 1e3), max_size=5), max_size=6))
def test_moments_in_pieces_are_those_of_all(pieces: list[list[float]]) -> None:
    moments = Moments()
    for piece in pieces:
        moments.add(np.array([*piece, -999.0]))
    values = [x for piece in pieces for x in piece if x != -999]
    assert moments.n == len(values) and moments.no_number >= len(pieces)
    if values:
        assert moments.mean == pytest.approx(np.mean(values), abs=1e-9)
        assert moments.std == pytest.approx(np.std(values), abs=1e-6)


def test_a_sample_is_bounded_even_and_the_same_for_all_batch_sizes() -> None:
    one, many = Sample(most=1000), Sample(most=1000)
    numbers = np.arange(50_000)
    one.add({"x": numbers}, len(numbers))
    for piece in np.array_split(numbers, 37):
        many.add({"x": piece}, len(piece))
        assert len(many.hashes) <= 2000
    kept = many.columns["x"]
    assert 1000 <= len(kept) <= 2000 and len(np.unique(kept)) == len(kept)
    assert np.histogram(kept, 10)[0].min() > 0.7 * len(kept) / 10
    assert set(one.columns["x"]) <= set(kept)


def test_a_column_of_some_rows_is_thinned_out_with_the_others() -> None:
    found, numbers = Sample(most=1000), np.arange(2500)
    found.add({"x": numbers, "first": numbers}, len(numbers))
    found.add({"x": numbers + 2500, "second": numbers + 2500}, len(numbers))
    x, first, second = (found.columns[name] for name in ("x", "first", "second"))
    assert len(x) == len(found.hashes) <= 2000
    assert np.array_equal(first, np.where(x < 2500, x, -999)) and np.array_equal(second, np.where(x < 2500, -999, x))


def test_distributions_leave_out_the_sentinel(folder: Path) -> None:
    batch = all_windows(folder)
    batch.window["rho"][:5] = -999
    found = Distributions()
    found.add(batch, {"rho"})
    assert len(found.values("rho")) == 277 and found.moments["rho"].no_number == 5


@pytest.mark.parametrize(
    ("values", "n_bins"),
    [([0, 1, 1, 2], 3), ([0.5, 0.5], 60), ([0.0, 10.5], 60), ([], 1), ([5.0, 5.0], 1)],
    ids=["integers", "one value", "a range", "nothing", "one integer"],
)
def test_bins(values: list[float], n_bins: int) -> None:
    edges = binning_of(np.array(values, dtype=float)).edges
    assert len(edges) == n_bins + 1 and (np.diff(edges) > 0).all()
    assert not values or edges[0] <= min(values) <= max(values) <= edges[-1]
