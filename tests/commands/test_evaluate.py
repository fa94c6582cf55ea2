"""`ecalwindows evaluate`: tables, summary and page agree with the dataset; problems are reported."""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from helpers.cli import attempt, run

import ecalwindows
from ecalwindows.commands.convert import Task, convert_files
from ecalwindows.commands.evaluate import Evaluated, EvaluationOptions, evaluate
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import EcalWindowsError, InputError, SettingsError
from ecalwindows.core.schema import TRUTH
from ecalwindows.evaluation.measuring import measured_table
from ecalwindows.evaluation.page import MARK, PAGE
from ecalwindows.formats.parquet.definition import features_definition

SAMPLE = Path(ecalwindows.__file__).parent / "data" / "samples" / "electrons.root"
REMOVED = 0.3
"""Share of the true satellites that a planted fault removes."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packaged sample with the windows of all candidates, as one file."""
    folder = tmp_path_factory.mktemp("evaluate")
    options = ("--mode", "cmssw", "--keep", "all", "--sample", "electrons", "-q")
    run("windows", str(SAMPLE), "-o", str(folder / "all.parquet"), *options)
    run("windows", str(SAMPLE), "-o", str(folder / "matched.parquet"), "--sample", "electrons", "-q")
    return folder


def planted(batch: WindowBatch) -> Any:
    """Truth, with some of the true satellites removed by a number that depends on the cluster alone."""
    removed = (batch.column("cl_index") * 7919 % 1000 < 1000 * REMOVED) & ~batch.column("is_seed")
    return (batch.column("in_scluster") & ~removed).astype(np.float32)


planted.columns = ("in_scluster", "cl_index", "is_seed")  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def found(place: Path) -> Evaluated:
    options = EvaluationOptions(rounds=60, save_scores=True, cms_csv=True)
    return evaluate([str(place / "all.parquet")], {"planted": planted}, place / "out", options)


def numbers(found: Evaluated, measure: str, collection: str) -> Any:
    return next(
        each for each in found.measured
        if each.bin.by == "all" and (each.measure, each.collection) == (measure, collection)
    )  # fmt: skip


def test_an_effect_that_is_planted_changes_the_response_as_arithmetic_says(place: Path, found: Evaluated) -> None:
    windows = ecalwindows.open_dataset(place / "all.parquet").to_awkward()
    about, labels = windows.window_metadata, windows.cl_labels
    chosen = about.is_seed_calo_seed & (about.et_true_gen >= 1)
    cluster = windows.cl_metadata.cl_index[chosen]
    true = labels.in_scluster[chosen]
    kept = true & ~((cluster * 7919 % 1000 < 1000 * REMOVED) & ~labels.is_seed[chosen])
    energy = windows.cl_features.en_cluster[chosen]
    energies = [
        np.array([float(np.sum(np.asarray(e[k], float))) for e, k in zip(energy, flag, strict=True)])
        for flag in (true, kept)
    ]
    response = [each / np.asarray(about.en_true_sim_good[chosen], float) for each in energies]
    difference = float(np.median(response[1]) - np.median(response[0]))
    value, error = numbers(found, "median", "planted").differences["truth"]
    assert difference < 0
    assert value == pytest.approx(difference, abs=error)
    completeness = float(np.mean(energies[1] / energies[0]))
    assert numbers(found, "completeness", "planted").value == pytest.approx(completeness, abs=0.003)
    assert numbers(found, "purity", "planted").value == pytest.approx(1)
    assert numbers(found, "completeness", "truth").value == 1


def test_all_tables_have_the_same_numbers_as_summary_and_counts(place: Path, found: Evaluated) -> None:
    summary = json.loads((place / "out" / "summary.json").read_text())
    table = pq.read_table(place / "out" / "summary.parquet").to_pylist()
    assert [
        {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in row.items()} for row in table
    ] == (summary["measures"])
    superclusters = pq.read_table(place / "out" / "superclusters.parquet").to_pydict()
    for name in ("planted", "mustache", "truth"):
        assert superclusters["collection"].count(name) == summary["counts"][f"superclusters of {name}"]
    caloparticles = pq.read_table(place / "out" / "caloparticles.parquet").to_pydict()
    assert caloparticles["collection"].count("truth") == summary["counts"]["caloparticles"]
    windows = pq.read_table(place / "out" / "windows_planted.parquet").to_pydict()
    assert len(windows["ncls_tot"]) == summary["counts"]["windows"]
    assert sum(windows["ncls_tot"]) == summary["counts"]["clusters in windows"]
    for name in ("superclusters", "caloparticles", "windows_planted", "summary"):
        assert (
            pc.read_csv(place / "out" / f"{name}.csv").num_rows
            == pq.read_metadata(place / "out" / f"{name}.parquet").num_rows
        )


def test_the_calibration_is_that_of_the_scores(place: Path, found: Evaluated) -> None:
    rows = pq.read_table(place / "out" / "calibration.parquet").to_pylist()
    summary = json.loads((place / "out" / "summary.json").read_text())
    ours = [row for row in rows if row["collection"] == "planted"]
    assert [row["n"] for row in ours] == summary["calibration"]["planted"]["n"]
    windows = ecalwindows.open_dataset(place / "all.parquet").to_awkward()
    chosen = windows.window_metadata.is_seed_calo_matched
    labels = windows.cl_labels[chosen]
    satellites = ~labels.is_seed
    assert sum(row["n"] for row in ours) == int(np.sum(np.asarray(ak.sum(satellites, axis=1))))
    true = sum(row["n"] * row["true_share"] for row in ours if row["n"])
    assert true == pytest.approx(int(ak.sum(labels.in_scluster & satellites)))
    assert max(row["score"] for row in ours if row["n"]) == 1


@pytest.mark.usefixtures("found")
def test_windows_are_summed_with_the_names_of_cms(place: Path) -> None:
    windows = pq.read_table(place / "out" / "windows_planted.parquet").to_pydict()
    batches = ecalwindows.open_dataset(place / "all.parquet").to_awkward()
    by_identity = {
        (int(about.event_id), int(about.seed_index)): row for row, about in enumerate(batches.window_metadata)
    }
    for place_of, (event, seed) in enumerate(zip(windows["event_id"], windows["seed_index"], strict=True)):
        if place_of % 29:
            continue
        row = batches[by_identity[event, seed]]
        true = np.asarray(row.cl_labels.in_scluster)
        energy = np.asarray(row.cl_features.en_cluster, float)
        assert windows["ncls_true"][place_of] == true.sum()
        assert windows["En_tot"][place_of] == pytest.approx(energy.sum())
        assert windows["En_true"][place_of] == pytest.approx(energy[true].sum())
        if true.any():
            expected = windows["En_sel"][place_of] / windows["En_true"][place_of]
            assert windows["En_ovEtrue"][place_of] == pytest.approx(expected)


def test_tables_for_cms_scripts_are_split_by_flavour_with_semicolons(place: Path, found: Evaluated) -> None:
    electrons = (place / "out" / "validation_dataset_ele.csv").read_text().splitlines()
    photons = (place / "out" / "validation_dataset_gamma.csv").read_text().splitlines()
    assert electrons[0] == photons[0]
    assert {"ncls_sel_must_true", "En_ovEtrue_sim_good_calib_mustache"} <= set(electrons[0].replace('"', "").split(";"))
    windows = pq.read_table(place / "out" / "windows_planted.parquet").to_pydict()
    assert [len(electrons) - 1, len(photons) - 1] == [windows["flavour"].count(11), windows["flavour"].count(22)]


def test_saved_scores_give_the_same_superclusters(place: Path, found: Evaluated) -> None:
    saved = str(place / "out" / "scores_planted.parquet")
    again = evaluate([str(place / "all.parquet")], {"planted": saved}, place / "again", EvaluationOptions(rounds=60))
    one, other = measured_table(found.measured), measured_table(again.measured)
    assert set(one["collection"]) == {"planted", "mustache", "truth"}
    for name, column in one.items():
        np.testing.assert_array_equal(column, other[name], err_msg=name)
    for name in ("superclusters.parquet", "caloparticles.csv"):
        assert (place / "again" / name).read_bytes() == (place / "out" / name).read_bytes()


def test_the_page_and_the_figures_name_all_collections(place: Path, found: Evaluated) -> None:
    text = (place / "out" / "README.md").read_text()
    assert "planted" in text and "mustache" in text and "Differences to truth" in text
    for name in ("roc", "response", "resolution_by_seed_eta", "purity_by_et_seed", "fakes"):
        assert f"{name}.png" in text
        assert (place / "out" / f"{name}.pdf").exists()


def test_several_strategies_are_collections_of_their_own(place: Path) -> None:
    output = place / "strategies"
    run("evaluate", str(place / "all.parquet"), "--model", "v1.2=in_geom_mustache", "--strategy", "Cascade",
        "--strategy", "SeedsFirst", "--no-figures", "--bootstrap", "0", "-o", str(output))  # fmt: skip
    counts = json.loads((output / "summary.json").read_text())["counts"]
    assert {
        "superclusters of v1.2 Cascade",
        "superclusters of v1.2 SeedsFirst",
        "superclusters of truth",
    } <= counts.keys()


def test_superclusters_of_little_et_are_left_out_if_that_is_asked_for(place: Path, found: Evaluated) -> None:
    evaluate([str(place / "all.parquet")], {}, place / "hard", EvaluationOptions(rounds=0, figures=False, min_et=3.0))
    names = ("collection", "event_id", "seed_index", "energy")

    def rows(folder: str) -> list[tuple[Any, ...]]:
        table = pq.read_table(place / folder / "superclusters.parquet").to_pylist()
        return [tuple(row[name] for name in names) for row in table if row["collection"] == "truth" and row["et"] >= 3]

    assert rows("hard") == rows("out")
    assert "with errors" in (place / "out" / "README.md").read_text()
    assert "with errors" not in (place / "hard" / "README.md").read_text(), "no round of the bootstrap was asked for"
    table = pq.read_table(place / "hard" / "superclusters.parquet").to_pydict()
    assert len(table["et"]) > 0 and min(table["et"]) >= 3
    assert numbers(found, "found", "truth").value == 1


def test_what_is_printed_adds_up_and_names_the_folder(place: Path) -> None:
    ran = run("evaluate", str(place / "all.parquet"), "--no-figures", "--bootstrap", "2", "-o", str(place / "printed"))
    assert f"written: {place / 'printed'}/" in ran.out
    summary = json.loads((place / "printed" / "summary.json").read_text())
    for name, n in summary["counts"].items():
        assert f"{name:<32}{n:>13,}" in ran.out


def test_a_dataset_without_all_candidates_has_measures_of_windows_only_and_says_how_to_make_one(place: Path) -> None:
    options = EvaluationOptions(rounds=0, figures=False)
    found = evaluate([str(place / "matched.parquet")], {}, place / "incomplete", options)
    assert not found.collections
    assert any("--mode cmssw --keep all" in each for each in found.left_out)
    assert {each.measure for each in found.measured} >= {"area under ROC", "precision"}
    assert not (place / "incomplete" / "superclusters.parquet").exists()


def test_a_dataset_without_truth_gives_superclusters_and_scores_and_says_so(place: Path) -> None:
    group = {"cl_metadata": ["cl_index"], "cl_labels": ["is_seed", "in_geom_mustache"], "window_metadata": [
        "window_index", "run_id", "lumi_id", "event_id", "seed_index"], "seed_features": ["et_seed_calib"],
        "cl_features": ["en_cluster", "en_cluster_calib", "cluster_eta", "cluster_phi"]}  # fmt: skip
    (place / "f.json").write_text(json.dumps({"features_dict": group, "hits_indices": [0]}))
    run("windows", str(SAMPLE), "-o", str(place / "blind.parquet"), "-f", str(place / "f.json"), "--mode", "cmssw",
        "--keep", "all", "-q")  # fmt: skip
    found = evaluate([str(place / "blind.parquet")], {}, place / "no_truth", EvaluationOptions(save_scores=True))
    assert any("no truth" in each for each in found.left_out)
    assert not found.measured
    assert "matched windows" not in found.counts
    assert (place / "no_truth" / "superclusters.parquet").exists()
    assert not (place / "no_truth" / "caloparticles.parquet").exists()


def bad(batch: WindowBatch) -> Any:
    return np.full(len(batch.pair_cluster), np.nan, np.float32)


bad.columns = ("is_seed",)  # type: ignore[attr-defined]


def none(batch: WindowBatch) -> Any:
    return np.zeros(len(batch.pair_cluster), np.float32)


none.columns = "is_seed"  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("error")
def test_a_model_that_selects_nothing_has_no_superclusters(place: Path) -> None:
    found = evaluate([str(place / "all.parquet")], {"none": none}, place / "nothing", EvaluationOptions(rounds=2))
    assert found.counts["superclusters of none"] == 0 < found.counts["superclusters of truth"]
    assert found.counts["found by all collections"] == 0
    rows = pq.read_table(place / "nothing" / "superclusters.parquet")
    assert set(rows["collection"].to_pylist()) == {"mustache", "truth"}


def test_a_cluster_without_an_energy_is_an_error_and_not_summed(place: Path, tmp_path: Path) -> None:
    convert_files(place / "matched.parquet", tmp_path / "windows.ndjson")
    first, *others = (tmp_path / "windows.ndjson").read_text().splitlines()
    window = json.loads(first)
    window["clusters"][-1]["en_cluster_calib"] = -999
    (tmp_path / "changed.ndjson").write_text("\n".join([json.dumps(window), *others]))
    with pytest.raises(InputError, match=r"1 cluster without an energy \(en_cluster_calib is -999\)"):
        evaluate(
            [str(tmp_path / "changed.ndjson")], {"planted": planted}, tmp_path / "out", EvaluationOptions(rounds=0)
        )


def test_one_event_in_two_datasets_is_an_error_and_leaves_no_folder(place: Path) -> None:
    data = str(place / "all.parquet")
    with pytest.raises(InputError, match=r"two windows with the same seed|in two places"):
        evaluate([data, data], {}, place / "twice", EvaluationOptions(rounds=0))
    assert not (place / "twice").exists()


@pytest.mark.parametrize(
    ("models", "options", "message"),
    [
        ({"bad": bad}, {}, "outside|NaN|no number"),
        ({"x": "no_such_model.onnx"}, {}, "no such file"),
        ({"../x": "truth"}, {}, "cannot have the name"),
        ({"a b": "truth"}, {}, "cannot have the name"),
        ({}, {"strategies": ("Cascde",)}, "unknown strategy 'Cascde'"),
        ({}, {"threshold": 0.0}, "threshold"),
        ({}, {"threshold": math.nan}, "threshold"),
        ({}, {"min_et": -1.0}, "minimum Et"),
        ({}, {"min_et": math.nan}, "minimum Et"),
        ({}, {"rounds": -1}, "rounds"),
        ({}, {"split": "test"}, "there is no split 'test'"),
    ],
)
def test_what_has_no_meaning_is_an_error_and_leaves_no_folder(
    place: Path, models: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(EcalWindowsError, match=message):
        evaluate([str(place / "all.parquet")], models, place / "bad", EvaluationOptions(**options))
    assert not (place / "bad").exists()


def test_two_models_of_one_name_are_an_error(place: Path) -> None:
    ran = attempt(
        "evaluate", str(place / "all.parquet"), "--model", "a=truth", "--compare", "a=mustache", "-o", str(place / "x")
    )
    assert ran.code == 2
    assert "two sources of scores have the name 'a'" in ran.err


def test_a_folder_of_something_else_is_not_replaced(place: Path) -> None:
    (place / "mine").mkdir()
    (place / "mine" / "thesis.txt").write_text("mine")
    ran = attempt("evaluate", str(place / "all.parquet"), "-o", str(place / "mine"), "--overwrite")
    assert ran.code == 2
    assert (place / "mine" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("en_cluster", ()),
        ("is_seed", ()),
        ("et_cluster_calib", ("--compare", "a=truth")),
        ("flavour", ("--compare", "a=truth", "--cms-csv")),
    ],
)
def test_a_column_without_which_nothing_can_be_measured_is_named(
    place: Path, tmp_path: Path, name: str, options: tuple[str, ...]
) -> None:
    definition = features_definition().without(frozenset({name}))
    convert_files(place / "all.parquet", tmp_path / "w.parquet", Task(definition=definition))
    ran = attempt("evaluate", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "e"), *options)
    assert ran.code == 2 and f"an evaluation needs {name}, which the dataset does not have" in ran.err


@pytest.mark.parametrize(
    ("model", "absent", "found", "next_step"),
    [
        ("in_deepSuperCluster", (), "needs in_deepSuperCluster", "windows --also-superclusters deepSuperCluster`"),
        ("truth", TRUTH, "the windows have no truth", "windows --truth require`"),
        ("in_mustache", ("in_mustache",), "needs in_mustache", "a features definition that contains these columns"),
    ],
)
def test_the_error_for_scores_without_their_column_says_how_to_get_it(
    place: Path, tmp_path: Path, model: str, absent: Collection[str], found: str, next_step: str
) -> None:
    definition = features_definition().without(frozenset(absent))
    convert_files(place / "all.parquet", tmp_path / "w.parquet", Task(definition=definition))
    ran = attempt("evaluate", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "e"), "--model", model)
    assert ran.code == 2 and found in ran.err and next_step in ran.err


def test_scores_in_the_folder_of_an_earlier_evaluation_are_not_lost(place: Path) -> None:
    (place / "before").mkdir()
    (place / "before" / PAGE).write_text(MARK)
    (place / "before" / "scores_a.parquet").touch()
    words = ("evaluate", str(place / "all.parquet"), "--compare", f"a={place}/before/scores_a.parquet")
    ran = attempt(*words, "-o", str(place / "before"), "--overwrite")
    assert ran.code == 2 and "scores_a.parquet is in the output, which would be replaced" in ran.err
    assert (place / "before" / "scores_a.parquet").exists()


def test_an_unknown_name_of_settings_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="unknown strategy"):
        evaluate(["x"], {}, "y", EvaluationOptions(strategies=("cascade",)))


def test_a_seed_that_would_be_another_one_is_an_error_before_anything_is_read() -> None:
    with pytest.raises(SettingsError, match="the seed 18446744073709551616 of the bootstrap"):
        evaluate(["x"], {}, "y", EvaluationOptions(seed=2**64))


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--model", "truth", "--inputs", "i.yaml"), "'truth', which is no model"),
        (("--model", "truth", "--compare-inputs", "other=i.yaml"), "'other', and no scores have this name"),
        (("--model", "truth", "--compare-inputs", "i.yaml"), "NAME=YAML"),
        (("--inputs", "i.yaml"), "--inputs is given without a model"),
    ],
)
def test_an_input_definition_that_would_not_be_used_is_an_error(
    place: Path, options: tuple[str, ...], found: str
) -> None:
    ran = attempt("evaluate", str(place / "all.parquet"), "-o", str(place / "unused"), *options)
    assert ran.code == 2 and found in ran.err
    assert not (place / "unused").exists()
