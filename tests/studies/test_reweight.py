"""Weights for training: both distributions at once, on events not used to derive them; files that anyone reads."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np
import pytest
from helpers.cli import attempt, run
from helpers.flat_folders import flat_folder
from helpers.golden_files import GOLDEN
from helpers.pages import DOCS, blocks
from helpers.reweight import dataset, toy

from ecalwindows.dataset.record import read_record
from ecalwindows.formats.readers import read_batches
from ecalwindows.studies.reweighting.bins import equal_contents, equal_width, integer_edges
from ecalwindows.studies.reweighting.closure import chi2_probability
from ecalwindows.studies.reweighting.fit import ELECTRON, PHOTON, Bins, Windows, fitted
from ecalwindows.studies.reweighting.samples import halves


def joined(*tables: dict[str, Any]) -> dict[str, Any]:
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with electrons and photons, and the weights derived from them."""
    folder = tmp_path_factory.mktemp("toy")
    dataset(folder / "e.parquet", toy(ELECTRON, 20_000, 1))
    dataset(folder / "p.parquet", toy(PHOTON, 20_000, 2))
    ran = run("reweight", str(folder / "e.parquet"), str(folder / "p.parquet"), "-o", str(folder / "w.json"))
    (folder / "out.txt").write_text(ran.out)
    return folder


def evaluate(path: Path, flavour: Any, et: Any, eta: Any, ncls: Any) -> Any:
    """The total weight as a plain correctionlib session gives it."""
    total = correctionlib.CorrectionSet.from_file(str(path)).compound["total_reweighting"]
    return total.evaluate(np.asarray(flavour, np.int64), np.abs(eta), np.asarray(et, float), np.asarray(ncls, float))


# --- closure


def test_both_distributions_hold_on_the_half_not_used(place: Path) -> None:
    found = {(row["when"], row["statement"]): float(row["probability"]) for row in rows(place / "w_study/closure.csv")}
    statements = {"electrons flat in Et - eta", "photons flat in Et - eta", "photons as electrons in ncls - eta"}
    for statement in statements:
        assert found["before", statement] < 1e-6
        assert found["after", statement] > 1e-3
    assert len(found) == 6
    assert "DOES NOT HOLD" not in (place / "out.txt").read_text()


def test_new_windows_are_flat_and_have_the_same_distributions_too(place: Path) -> None:
    """An independent sample, histogrammed here, with no code of the study."""
    et_edges, eta_edges, ncls_edges = np.linspace(0, 100, 6), np.linspace(0, 3, 6), [1, 2, 3, 4, 30]
    shape = {}
    for flavour in (ELECTRON, PHOTON):
        new = toy(flavour, 200_000, 10 + flavour)
        et, eta = new["et_seed"], np.abs(new["seed_eta"])
        weights = evaluate(place / "w.json", new["flavour"], et, eta, new["ncls"])
        assert weights.mean() == pytest.approx(1, abs=0.06), "one over a number of windows is a few % too large"
        before, after = (np.histogram2d(et, eta, [et_edges, eta_edges], weights=w)[0] for w in (None, weights))
        spread = [float(np.std(bins) / bins.mean()) for bins in (before, after)]
        assert spread[0] > 0.22 and spread[1] < 0.11, "400 windows in each bin: 5 %, and more as weights differ"
        shape[flavour] = np.histogram2d(new["ncls"], eta, [ncls_edges, [0, 1, 2, 3]], weights=weights)[0]
    shares = {flavour: counts / counts.sum() for flavour, counts in shape.items()}
    assert shares[PHOTON] == pytest.approx(shares[ELECTRON], rel=0.15)


def test_factors_one_after_the_other_spoil_each_other() -> None:
    """Why the fit iterates: flatten, then bring ncls to the electrons', and Et - eta is no longer flat."""
    bins = Bins(np.linspace(0, 100, 6), np.linspace(0, 3, 4), np.arange(1.0, 9.0))
    tables = {flavour: toy(flavour, 200_000, 3) for flavour in (ELECTRON, PHOTON)}
    tables[PHOTON]["ncls"] = 1 + np.random.default_rng(4).poisson(0.5 + tables[PHOTON]["et_seed"] / 20)
    counts = {
        flavour: Windows(t["et_seed"], np.abs(t["seed_eta"]), t["ncls"].astype(float)).counts(bins)
        for flavour, t in tables.items()
    }
    fit = fitted(counts, bins, bins.area, least=25, cap=None)
    photons, wanted = counts[PHOTON], bins.area / bins.area.sum()
    first = wanted / photons.sum(axis=2)
    electrons = counts[ELECTRON] * (wanted / counts[ELECTRON].sum(axis=2))[:, :, None]
    second = electrons.sum(axis=1) / (photons * first[:, :, None]).sum(axis=1)
    naive = (photons * first[:, :, None] * second[:, None, :]).sum(axis=2) / wanted - 1
    assert np.abs(naive).max() > 0.25
    ours = (photons * fit.weights(PHOTON)).sum(axis=2)
    assert ours / ours.sum() == pytest.approx(wanted, rel=1e-8)
    ncls = (photons * fit.weights(PHOTON)).sum(axis=1)
    assert ncls / ncls.sum() == pytest.approx(electrons.sum(axis=1) / electrons.sum(), rel=1e-6)


def test_weights_are_numbers_where_both_distributions_cannot_hold() -> None:
    """Low Et has 1 cluster, high Et 2: photons flat in Et are half and half in clusters, and electrons are not."""
    bins = Bins(np.array([0.0, 50, 100]), np.array([0.0, 3]), np.array([1.0, 2, 3]))
    counts = {ELECTRON: np.array([[[900.0, 100], [900, 100]]]), PHOTON: np.array([[[1000.0, 0], [0, 1000]]])}
    fit = fitted(counts, bins, bins.area, least=25, cap=None)
    assert fit.off > 0.1, "and that is reported"
    assert np.isfinite(fit.weights(PHOTON)).all() and np.isfinite(fit.to_electrons_error).all()
    assert fit.to_electrons.max() < 2e4


@pytest.mark.parametrize(("chi2", "dof", "probability"), [(3.841, 1, 0.05), (18.307, 10, 0.05), (149.449, 100, 0.001),
                                                          (0.0, 3, 1.0), (2.0, 0, 1.0), (1e4, 7, 0.0)])  # fmt: skip
def test_chi2_probability_is_that_of_the_tables(chi2: float, dof: int, probability: float) -> None:
    assert chi2_probability(chi2, dof) == pytest.approx(probability, rel=1e-3, abs=1e-12)


# --- the file


def test_a_plain_session_evaluates_it_everywhere(place: Path) -> None:
    ends = evaluate(place / "w.json", [11, 22, 11, 22], [1e6, -5, 99.9, 0], [9, 9, 2.99, 2.99], [0, 999, 3, 13])
    assert np.isfinite(ends).all() and ends[0] == ends[2] > 0
    others = evaluate(place / "w.json", [0, 13, 211], [50] * 3, [1] * 3, [3] * 3)
    assert others.tolist() == [1, 1, 1]
    complete = correctionlib.CorrectionSet.from_file(str(place / "w.json"))
    flattening, second = complete["flattening_seed_et_eta"], complete["photon_to_electron_weight"]
    assert [v.name for v in flattening.inputs] == ["flavour", "seed_et", "seed_eta"]
    assert [v.name for v in second.inputs] == ["flavour", "ncls", "seed_eta"]
    assert [v.name for v in complete.compound["total_reweighting"].inputs] == ["flavour", "seed_eta", "seed_et", "ncls"]
    assert second.evaluate(11, 3.0, 1.0) == 1
    product = flattening.evaluate(22, 20.0, 1.0) * second.evaluate(22, 3.0, 1.0)
    assert evaluate(place / "w.json", [22], [20], [1], [3])[0] == pytest.approx(product)


def test_the_mean_is_1_for_each_flavour(place: Path) -> None:
    derive, check = halves([str(place / "e.parquet"), str(place / "p.parquet")], [], None)
    for flavour in (ELECTRON, PHOTON):
        rows = derive.flavour == flavour
        weights = evaluate(place / "w.json", *(c[rows] for c in (derive.flavour, derive.et, derive.eta, derive.ncls)))
        assert weights.mean() == pytest.approx(1, abs=1e-8)
    assert len(derive.flavour) + len(check.flavour) == 40_000 and abs(len(check.flavour) - 20_000) < 500


def test_errors_are_those_of_the_counts(place: Path) -> None:
    complete = correctionlib.CorrectionSet.from_file(str(place / "w.json"))
    for row in rows(place / "w_study/flattening.csv"):
        point = [(float(row[f"{name}_low"]) + float(row[f"{name}_high"])) / 2 for name in ("et", "eta")]
        flavour = {"electron": 11, "photon": 22}[row["flavour"]]
        assert complete["flattening_seed_et_eta"].evaluate(flavour, *point) == pytest.approx(
            float(row["weight"]), rel=1e-7
        )
        assert complete["flattening_seed_et_eta_error"].evaluate(flavour, *point) == pytest.approx(float(row["error"]))
        n = int(row["windows"])
        if flavour == ELECTRON and n >= 25:
            assert float(row["error"]) == pytest.approx(float(row["weight"]) / np.sqrt(n), rel=0.35)


def test_records_of_windows_and_convert_hold_the_weights(place: Path, tmp_path: Path) -> None:
    for name, arguments in {
        "w": ("windows", str(GOLDEN / "electrons.root"), "--flavour", "22", "--maxnocalow", "3"),
        "c": ("convert", str(tmp_path / "n.ndjson"), "--flavour", "22"),
    }.items():
        if name == "c":
            run("windows", str(GOLDEN / "electrons.root"), "--maxnocalow", "3", "-o", str(tmp_path / "n.ndjson"), "-q")
        run(*arguments, "-o", str(tmp_path / name), "--format", "tfrecord", "-w", str(place / "w.json"), "-q")
        found, expected = [], []
        for file in sorted((tmp_path / name).glob("*/*.proto")):
            for batch in read_batches(file):
                flavour = np.where(batch.window["is_seed_calo_matched"], 22, 0)
                values = (batch.window[key] for key in ("et_seed", "seed_eta", "ncls"))
                expected += evaluate(place / "w.json", flavour, *values).astype(np.float32).tolist()
            found += record_weights(file)
        assert found == expected and len(set(found)) > 5


def record_weights(path: Path) -> list[float]:
    """The weights in a file of records: key "wi", a list of one float32."""
    content, found, place = path.read_bytes(), [], 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        record = content[place + 12 : place + 12 + length]
        entry = record.index(b"\n\x02wi\x12\x08\x12\x06\n\x04") + 10
        found.append(float(np.frombuffer(record[entry : entry + 4], "<f4")[0]))
        place += 16 + length
    return found


def test_the_record_names_the_weights_of_a_dataset(place: Path, tmp_path: Path) -> None:
    flat_folder(tmp_path / "parts")
    run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "d"), "--reweighting", str(place / "w.json"))
    (named,) = read_record(tmp_path / "d" / "dataset.json").reweighting
    assert named.name == "w.json"


def test_the_same_bytes_each_time_and_from_a_mixed_dataset(place: Path, tmp_path: Path) -> None:
    mixed = dataset(tmp_path / "m.parquet", joined(toy(PHOTON, 20_000, 2), toy(ELECTRON, 20_000, 1)))
    run("reweight", mixed, "-o", str(tmp_path / "w.json"), "--no-figures", "-q")
    assert (tmp_path / "w.json").read_bytes() == (place / "w.json").read_bytes()
    for name in ("closure", "flattening", "photon_to_electron", "check_et_eta", "check_ncls_eta"):
        ours, other = ((folder / "w_study" / f"{name}.csv").read_bytes() for folder in (place, tmp_path))
        assert ours == other
    assert not list((tmp_path / "w_study").glob("*.png"))


def test_the_figures_are_there(place: Path) -> None:
    names = {"et_eta_electrons", "et_eta_photons", "ncls_eta", "ncls", "weights"}
    for suffix, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        found = {file.stem: file for file in (place / "w_study").glob(f"*{suffix}")}
        assert found.keys() == names
        assert all(file.read_bytes().startswith(start) for file in found.values())


def test_the_page_is_true(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    (place / "weights.json").write_bytes((place / "w.json").read_bytes())
    (python,) = blocks("reweighting.md", "python")
    exec(python, {})
    said = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", (DOCS / "reweighting.md").read_text()))
    helps = "".join(run(name, "--help").out for name in ("reweight", "convert", "finalize"))
    assert {option for option in said if option not in helps} == set() and len(said) > 8


# --- options


def test_a_cap_is_obeyed_and_reported(place: Path, tmp_path: Path) -> None:
    inputs = (str(place / "e.parquet"), str(place / "p.parquet"))
    ran = run("reweight", *inputs, "-o", str(tmp_path / "w.json"), "--cap", "1.5", "--no-figures")
    assert "bins of flattening" in ran.out and "at the cap" in ran.out
    for name in ("flattening", "photon_to_electron"):
        weights = [float(row["weight"]) for row in rows(tmp_path / "w_study" / f"{name}.csv")]
        assert max(weights) <= 1.5 + 1e-6 < max(float(row["weight"]) for row in rows(place / f"w_study/{name}.csv"))
    for flavour in (ELECTRON, PHOTON):
        new = toy(flavour, 100_000, 10 + flavour)
        weights = evaluate(tmp_path / "w.json", new["flavour"], new["et_seed"], new["seed_eta"], new["ncls"])
        assert weights.mean() == pytest.approx(1, abs=0.03)


def test_edges_are_taken_as_given(place: Path, tmp_path: Path) -> None:
    run("reweight", str(place / "e.parquet"), str(place / "p.parquet"), "-o", str(tmp_path / "w.json"), "--no-figures",
        "--et-bins", "0,10,30,100", "--eta-bins", "0,1.5,3", "--ncls-bins", "1,3,5,20", "--flat", "bins")  # fmt: skip
    edges = json.loads((tmp_path / "w.json").read_text())["corrections"][0]["data"]["content"][0]["value"]["edges"]
    assert edges == [[0, 10, 30, 100], [0, 1.5, 3]]
    flat = {row["flat"] for row in rows(tmp_path / "w_study/check_et_eta.csv")}
    assert len(flat) == 1, "the same share in every bin, whatever its size"


def test_bins_by_eye() -> None:
    assert equal_width(np.linspace(0.4, 498, 1001), 5).tolist() == [0, 100, 200, 300, 400, 500]
    assert equal_contents(np.arange(101.0), 4).tolist() == [0, 25, 50, 75, 100]
    assert integer_edges(np.array([1.0, 2, 2, 3, 5]), 12).tolist() == [1, 2, 3, 4, 5, 6]
    assert len(integer_edges(np.arange(100.0), 10)) <= 12


def test_empty_bins_weigh_1_and_are_reported(tmp_path: Path) -> None:
    inputs = []
    for flavour in (ELECTRON, PHOTON):
        table = toy(flavour, 4000, flavour)
        keep = ~((table["et_seed"] > 50) & (np.abs(table["seed_eta"]) < 1.5))
        path = tmp_path / f"{flavour}.parquet"
        inputs.append(dataset(path, {name: column[keep] for name, column in table.items()}))
    ran = run("reweight", *inputs, "-o", str(tmp_path / "w.json"), "--no-figures", "--et-bins", "0,50,100",
              "--eta-bins", "0,1.5,3")  # fmt: skip
    assert "electrons: 1 of 4 Et - eta bins are empty (weight 1)" in ran.out
    assert evaluate(tmp_path / "w.json", [11], [70], [1], [3])[0] == 1


@pytest.mark.parametrize(
    ("n", "options", "words"),
    [
        pytest.param(1200, (), "are in Et - eta bins with fewer than 25 windows", id="thin bins"),
        pytest.param(1200, ("--et-bins", "2", "--eta-bins", "12"),
                     "bins of eta all bins of clusters are merged into one", id="a step that does nothing"),
    ],
)  # fmt: skip
def test_weights_from_too_few_windows_are_not_written(
    tmp_path: Path, n: int, options: tuple[str, ...], words: str
) -> None:
    """Tables are written, and weights of before are not said to be new."""
    inputs = [dataset(tmp_path / f"{flavour}.parquet", toy(flavour, n, flavour)) for flavour in (ELECTRON, PHOTON)]
    command = ("reweight", *inputs, "-o", str(tmp_path / "w.json"), "--no-figures")
    ran = attempt(*command, *options)
    assert ran.code == 1 and not (tmp_path / "w.json").exists() and (tmp_path / "w_study" / "closure.csv").exists()
    assert ran.err.count("warning: no weights are written: ") == 1 and words in ran.err
    assert "wrote" not in ran.out
    assert "wrote" in run(*command, "--et-bins", "2", "--eta-bins", "2", "--ncls-bins", "3").out
    before = (tmp_path / "w.json").read_text()
    ran = attempt(*command, *options, "-q")
    assert ran.code == 1 and "is that of an earlier run" in ran.err and (tmp_path / "w.json").read_text() == before


def test_one_bin_of_clusters_may_be_asked_for(tmp_path: Path) -> None:
    """Then the second step brings nothing by intention."""
    inputs = [dataset(tmp_path / f"{flavour}.parquet", toy(flavour, 1200, flavour)) for flavour in (ELECTRON, PHOTON)]
    ran = run("reweight", *inputs, "-o", str(tmp_path / "w.json"), "--no-figures", "--et-bins", "2", "--eta-bins", "2",
              "--ncls-bins", "0,100")  # fmt: skip
    assert "wrote" in ran.out and "merged" not in ran.out


# --- what does not serve


def wrong(tmp_path: Path, *arguments: str) -> str:
    ran = attempt("reweight", *arguments, "-o", str(tmp_path / "none.json"), "--no-figures")
    assert ran.code == 2 and not (tmp_path / "none.json").exists()
    return ran.err


def test_a_flavour_is_missing(place: Path, tmp_path: Path) -> None:
    found = wrong(tmp_path, str(place / "e.parquet"))
    assert "there are 0 windows of photons (flavour 22) to derive weights from; flavours there: [11]" in found
    assert "--flavour 11 and 22" in found


def test_too_few_windows(tmp_path: Path) -> None:
    few = dataset(tmp_path / "f.parquet", joined(toy(ELECTRON, 4000, 1), toy(PHOTON, 30, 2)))
    assert "windows of photons (flavour 22)" in wrong(tmp_path, few) and "25 at least" in wrong(tmp_path, few)


def test_unmatched_windows_do_not_count(tmp_path: Path) -> None:
    unmatched = dataset(tmp_path / "u.parquet", toy(ELECTRON, 4000, 1, is_seed_calo_matched=np.zeros(4000, bool)))
    assert "there are 0 windows of electrons" in wrong(tmp_path, unmatched)


def test_windows_without_eta_are_counted(tmp_path: Path) -> None:
    table = joined(toy(ELECTRON, 4000, 1), toy(PHOTON, 4000, 2))
    table["seed_eta"][:7] = -999
    derive, check = halves([dataset(tmp_path / "m.parquet", table)], [], None)
    assert len(derive.et) + len(check.et) == 7993 and derive.skipped + check.skipped == 7


@pytest.mark.parametrize("name", ["ncls", "et_seed", "flavour"])
def test_a_column_is_not_there(tmp_path: Path, name: str) -> None:
    missing = dataset(tmp_path / "l.parquet", toy(ELECTRON, 100, 1), missing=(name,))
    found = wrong(tmp_path, missing)
    assert f"the data have no {name}" in found and "default features definition" in found


def test_events_without_numbers(tmp_path: Path, place: Path) -> None:
    missing = dataset(tmp_path / "l.parquet", toy(ELECTRON, 4000, 1), missing=("event_id",))
    found = wrong(tmp_path, missing, str(place / "p.parquet"))
    assert "the data do not identify events: no run_id, lumi_id, event_id" in found and "--check" in found
    photons = dataset(tmp_path / "c.parquet", toy(PHOTON, 4000, 5))
    ran = run("reweight", missing, str(place / "p.parquet"), "--check", str(place / "e.parquet"), "--check", photons,
              "-o", str(tmp_path / "w.json"), "--no-figures")  # fmt: skip
    assert "whether the halves share events is not known" in ran.err


def test_halves_that_share_events(tmp_path: Path) -> None:
    first = dataset(tmp_path / "1.parquet", joined(toy(ELECTRON, 4000, 1), toy(PHOTON, 4000, 2)))
    again = toy(ELECTRON, 4000, 3)
    again["event_id"] = again["event_id"] + 3990
    second = dataset(tmp_path / "2.parquet", joined(again, toy(PHOTON, 4000, 4, lumi_id=np.full(4000, 7))))
    found = wrong(tmp_path, first, "--check", second)
    assert "10 events with electrons are in both halves" in found and "leave --check out" in found


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param(("--et-bins", "10,5"), "'10,5' gives no bins", id="falling"),
        pytest.param(("--eta-bins", "a,b"), "'a,b' is no list of numbers", id="words"),
        pytest.param(("--ncls-bins", "2.5"), "'2.5' gives no bins", id="half a bin"),
        pytest.param(("--et-bins", "inf"), "'inf' gives no bins", id="infinite"),
        pytest.param(("--et-bins", "nan"), "'nan' gives no bins", id="no number"),
        pytest.param(("--cap", "0.5"), "the cap is 0.5", id="cap"),
        pytest.param(("--cap", "nan"), "nan is no number", id="cap is no number"),
    ],
)
def test_options_that_mean_nothing(place: Path, tmp_path: Path, arguments: tuple[str, ...], found: str) -> None:
    assert found in wrong(tmp_path, str(place / "e.parquet"), str(place / "p.parquet"), *arguments)


def test_the_same_dataset_twice(place: Path, tmp_path: Path) -> None:
    assert "the same dataset is given twice" in wrong(tmp_path, str(place / "e.parquet"), str(place / "e.parquet"))
