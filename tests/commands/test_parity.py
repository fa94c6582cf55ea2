"""`ecalwindows parity`: every kind of difference is found and named, and none where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import yaml
from helpers.cli import attempt, run

from ecalwindows import open_dataset
from ecalwindows.commands.parity import Parity, parity
from ecalwindows.commands.parity_data import Counts, of_dataset
from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.training.cmssw import CmsswInputs
from ecalwindows.training.inputs import CMSSW_CLUSTER, CMSSW_NAMES, input_definition

RELEASED = Path(__file__).parents[3] / "shared" / "data" / "cmssw"
CLUSTERS, WINDOWS, HITS = "config_clusters_inputs.txt", "config_window_inputs.txt", "config_hits_inputs.txt"
SAME = {
    "clusters": ("en_cluster", "et_cluster", "cluster_eta", "cluster_deta", "cluster_dphi", "cluster_den_seed",
                 "cl_nxtals"),
    "windows": ("max_en_cluster", "max_et_cluster", "mean_en_cluster", "mean_et_cluster"),
}  # fmt: skip
"""Inputs that CMSSW computes as the training does."""


def windows(path: Path, golden: Path, *options: str) -> str:
    wp = ("--wp-file", str(golden / "wp_test.json"))
    run("windows", str(golden / "electrons.root"), *wp, "--keep", "all", "-o", str(path), "-q", *options)
    return str(path)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Windows of 200 simulated events."""
    folder = tmp_path_factory.mktemp("parity")
    run("simulate", "-o", f"{folder}/d.root", "-n", "200", "--pileup", "off", "--pt", "1:60", "--seed", "3", "-q")
    run("windows", f"{folder}/d.root", "--mode", "cmssw", "--keep", "all", "-o", f"{folder}/w.parquet", "-q")
    return f"{folder}/w.parquet"


def scaled(names: Any, values: Any) -> list[dict[str, Any]]:
    """Inputs with mean and width of columns; width 1 of a constant, as `normalize` has it."""
    numbers = np.asarray(values, np.float64)
    of = zip(names, numbers.mean(axis=0).tolist(), numbers.std(axis=0).tolist(), strict=True)
    return [{"name": name, "scaler": "mean_std", "mean": mean, "std": std or 1.0} for name, mean, std in of]


def five_tensors(clusters: list[dict[str, Any]], of_windows: list[dict[str, Any]], convention: str) -> dict[str, Any]:
    hits = CMSSW_NAMES["hits"] if convention == "cmssw" else ("ieta", "iphi", "iz", "energy_fraction")
    return {
        "convention": convention, "clusters": {"tensor": "input_1", "features": clusters},
        "windows": {"tensor": "input_2", "features": of_windows},
        "hits": {"tensor": "input_3", "places": 45, "features": [{"name": name} for name in hits]},
        "is_seed": "input_4", "n_clusters": "input_5", "output": {"tensor": "cl_class"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def as_cmssw(dataset: str) -> dict[str, Any]:
    """A definition of the convention cmssw with the means and widths of the dataset."""
    unscaled = [[{"name": name} for name in CMSSW_NAMES[level]] for level in ("clusters", "windows")]
    inputs = CmsswInputs(input_definition(five_tensors(unscaled[0], unscaled[1], "cmssw")))
    scan = open_dataset(dataset).scan
    made = [inputs(batch)[:2] for batch, _ in scan.pieces(scan.units(), inputs.columns)]
    of = [np.concatenate([each[i] for each in made]) for i in (0, 1)]
    return five_tensors(scaled(CMSSW_CLUSTER, of[0]), scaled(CMSSW_NAMES["windows"], of[1]), "cmssw")


@pytest.fixture(scope="module")
def as_training(dataset: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `normalize` makes of the dataset."""
    path = tmp_path_factory.mktemp("normalize") / "inputs.yaml"
    run("normalize", dataset, "--inputs", str(path), "-q")
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


def chosen(values: dict[str, Any], names: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The inputs with these names, with the tensors of CMSSW."""
    of = {level: [each for each in values[level]["features"] if each["name"] in names[level]] for level in names}
    return five_tensors(of["clusters"], of["windows"], "training")


def saved(values: dict[str, Any], path: Path) -> str:
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.fixture
def folder(as_cmssw: dict[str, Any], dataset: str, tmp_path: Path) -> Path:
    """A folder that `export cmssw` made."""
    out = tmp_path / "out"
    run("export", "cmssw", saved(as_cmssw, tmp_path / "i.yaml"), "--dataset", dataset, "-o", str(out), "-q")
    return out


def found_in(found: Parity) -> dict[str, set[str]]:
    """The inputs of all differences, by kind."""
    kinds: dict[str, set[str]] = {}
    for each in found.differences:
        kinds.setdefault(each.kind, set()).update(each.inputs)
    return kinds


def test_a_definition_and_an_export_in_the_convention_cmssw_raise_no_alarm(
    folder: Path, as_cmssw: dict[str, Any], dataset: str, tmp_path: Path
) -> None:
    for given in (str(folder), saved(as_cmssw, tmp_path / "j.yaml")):
        assert run("parity", given, dataset).out.splitlines()[-1].startswith("agree: 52 inputs, ")


def test_a_definition_and_an_export_in_the_convention_training_raise_no_alarm(
    as_training: dict[str, Any], dataset: str, tmp_path: Path
) -> None:
    inputs, out = saved(chosen(as_training, SAME), tmp_path / "i.yaml"), str(tmp_path / "out")
    run("export", "cmssw", inputs, "--dataset", dataset, "-o", out, "-q")
    for given in (inputs, out):
        assert run("parity", given, dataset, "-q").out.startswith("agree: 15 inputs, ")


def test_a_definition_of_one_half_agrees_with_the_other_within_the_errors(
    as_cmssw: dict[str, Any], dataset: str
) -> None:
    """Means that are off by three errors, and widths by less than that, are no difference; by ten they are."""
    found = parity(input_definition(as_cmssw), dataset)
    error = {each.input.name: each.statistics.mean_error for each in found.verdicts if each.statistics}
    for errors, agrees in ((3, True), (10, False)):
        moved = [
            {**each, "mean": each["mean"] + errors * error[each["name"]]} for each in as_cmssw["clusters"]["features"]
        ]
        values = as_cmssw | {"clusters": {**as_cmssw["clusters"], "features": moved}}
        assert parity(input_definition(values), dataset).agrees is agrees


def test_absolute_values_and_extremes_over_the_clusters_are_named_in_a_definition_of_a_training(
    as_training: dict[str, Any], dataset: str, tmp_path: Path
) -> None:
    names = SAME | {"windows": ("max_deta_cluster", "mean_dphi_cluster", "min_en_cluster", "min_et_cluster")}
    inputs, out = saved(chosen(as_training, names), tmp_path / "i.yaml"), str(tmp_path / "out")
    run("export", "cmssw", inputs, "--dataset", dataset, "-o", out, "-q")
    assert found_in(parity(inputs, dataset)) == {
        "absolute": {"max_deta_cluster", "mean_dphi_cluster"}, "zero": {"min_en_cluster", "min_et_cluster"},
    }  # fmt: skip
    exported = parity(out, dataset)
    assert found_in(exported) == {
        "absolute": {"max_cl_seed_dEta", "avg_cl_seed_dPhi"}, "zero": {"min_cl_energy", "min_cl_et"},
    }  # fmt: skip
    reasons = {each.input.name: each.reason for each in exported.verdicts if not each.fits}
    assert reasons["max_cl_seed_dEta"] == "mean and width are those of absolute values"
    assert "min_cl_energy, min_cl_et is constant" in next(d.fed for d in exported.differences if d.kind == "zero")


def replaced(name: str, *pairs: tuple[str, str]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new, 1)
        (folder / name).write_text(text)

    return edit


def lines_swapped(folder: Path) -> None:
    lines = (folder / CLUSTERS).read_text().splitlines()
    (folder / CLUSTERS).write_text("\n".join([lines[1], lines[0], *lines[2:]]))


def numbers_swapped(folder: Path) -> None:
    (folder / "inputs.yaml").unlink()
    lines = [line.split() for line in (folder / CLUSTERS).read_text().splitlines()]
    lines[0][1:], lines[1][1:] = lines[1][1:], lines[0][1:]
    (folder / CLUSTERS).write_text("\n".join(map(" ".join, lines)))


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


@pytest.mark.parametrize(("edit", "expected"), [
    pytest.param(replaced(CLUSTERS, ("cl_energy ", "cl_energy_log ")), {"names": {"cl_energy_log"}}, id="unknown name"),
    pytest.param(replaced(CLUSTERS, ("cl_energy ", "en_cluster ")), {"names": {"en_cluster"}}, id="name of a training"),
    pytest.param(replaced(CLUSTERS, ("cl_et ", "cl_energy ")), {"names": {"cl_energy"}}, id="named twice"),
    pytest.param(without(HITS), {"missing": set()}, id="no file"),
    pytest.param(replaced("deepsc_config.py", ("nWindowFeatures = cms.uint32(36)", "nWindowFeatures = cms.uint32(18)")),
                 {"missing": set()}, id="other number of inputs"),
    pytest.param(lines_swapped, {"order": {"cl_energy", "cl_et"}}, id="lines in another order"),
    pytest.param(numbers_swapped, {"order": {"cl_energy", "cl_et"}}, id="numbers in another order"),
    pytest.param(replaced(CLUSTERS, ("cl_et MeanRms", "cl_et MeanStd")), {"scaler": {"cl_et"}}, id="unknown scaler"),
    pytest.param(replaced("deepsc_config.py", ("maxNClusters = cms.uint32(45)", "maxNClusters = cms.uint32(2)")),
                 {"padding": set()}, id="few places for clusters"),
    pytest.param(replaced("deepsc_config.py", ("maxNRechits = cms.uint32(45)", "maxNRechits = cms.uint32(2)")),
                 {"padding": set()}, id="few places for hits"),
])  # fmt: skip
def test_a_difference_is_found_and_named(
    folder: Path, dataset: str, edit: Callable[[Path], None], expected: dict[str, set[str]]
) -> None:
    edit(folder)
    kinds = found_in(parity(folder, dataset))
    assert {kind: kinds.get(kind) for kind in expected} == expected
    assert set(kinds) <= {*expected, "scaler", "missing"}


def test_inputs_that_state_numbers_of_others_have_changed_places_only_if_all_of_them_did(
    folder: Path, dataset: str
) -> None:
    (folder / "inputs.yaml").unlink()
    lines = [line.split() for line in (folder / CLUSTERS).read_text().splitlines()]
    first, second, third = (line[1:] for line in lines[:3])
    for stated, is_order in (([second, third, first], True), ([second, third, ["MeanRms", "2.5", "9"]], False)):
        for line, numbers in zip(lines, stated, strict=False):
            line[1:] = numbers
        (folder / CLUSTERS).write_text("\n".join(map(" ".join, lines)))
        kinds = found_in(parity(folder, dataset))
        assert kinds["order" if is_order else "scaler"] == {"cl_energy", "cl_et", "cl_eta"}
        assert set(kinds) == {"order" if is_order else "scaler"}


def first_line(text: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        (folder / "inputs.yaml").unlink()
        lines = (folder / CLUSTERS).read_text().splitlines()
        (folder / CLUSTERS).write_text("\n".join([text, *lines[1:]]))

    return edit


@pytest.mark.parametrize("numbers", ["1 1e-46", "1e39 1", "1 1e-38"])
def test_numbers_beyond_float32_are_found(folder: Path, dataset: str, numbers: str) -> None:
    first_line(f"cl_energy MeanRms {numbers}")(folder)
    assert found_in(parity(folder, dataset))["overflow"] == {"cl_energy"}


def statistics(dataset: str, column: str) -> tuple[float, float]:
    data = open_dataset(dataset).to_awkward().cl_features[column]
    values = ak.to_numpy(ak.flatten(data))
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


@pytest.mark.parametrize(("column", "likely"), [
    ("en_cluster_calib", "calibrated energies"), ("en_cluster_log", "logarithms"),
    ("en_cluster_calib_log", "logarithms of calibrated energies"),
])  # fmt: skip
def test_scalers_of_another_form_are_named_in_units_of_their_errors(
    folder: Path, dataset: str, column: str, likely: str
) -> None:
    mean, width = statistics(dataset, column)
    first_line(f"cl_energy MeanRms {mean!r} {width!r}")(folder)
    found = parity(folder, dataset, sigma=0.1)
    (verdict,) = [each for each in found.verdicts if not each.fits]
    assert verdict.input.name == "cl_energy" and verdict.likely == likely
    of = verdict.statistics
    assert of is not None and verdict.pulls == pytest.approx(
        ((mean - of.mean) / of.mean_error, (width - of.width) / of.width_error)
    )


@pytest.mark.parametrize(("numbers", "reason"), [
    ("-1e9 1e9", "far too wide"), ("0 2", "of the values are outside"), ("-1 5000", ""),
])  # fmt: skip
def test_minimum_and_maximum_are_compared_with_the_range(folder: Path, dataset: str, numbers: str, reason: str) -> None:
    first_line(f"cl_energy MinMax {numbers}")(folder)
    (verdict,) = [each for each in parity(folder, dataset).verdicts if each.input.name == "cl_energy"]
    assert reason in verdict.reason and bool(reason) != verdict.fits


@pytest.mark.parametrize(("options", "kinds", "texts"), [
    (("--mode", "cmssw", "--geometry", "v3"), {"geometry"}, ("geometry v3: ",)),
    (("--mode", "overlapping", "--geometry", "v1"), {"membership"}, ("mode overlapping: ",)),
    ((), {"membership", "geometry"}, ("mode non-overlapping: ", "geometry v3: ")),
    (("--mode", "cmssw", "--min-et-seed", "2"), {"membership"}, ("seeds from 2.0 GeV",)),
])  # fmt: skip
def test_windows_that_cmssw_does_not_make_are_named(
    folder: Path, golden: Path, tmp_path: Path, options: tuple[str, ...], kinds: set[str], texts: tuple[str, ...]
) -> None:
    found = parity(folder, windows(tmp_path / "w.parquet", golden, *options))
    of_dataset = [each for each in found.differences if each.level == "dataset"]
    assert {each.kind for each in of_dataset} == kinds
    assert all(any(each.found.startswith(text) for each in of_dataset) for text in texts)


def test_scalers_of_the_windows_that_cmssw_makes_are_recognised_in_other_windows_of_the_same_events(
    folder: Path, dataset: str, tmp_path: Path
) -> None:
    dump, path = str(Path(dataset).parent / "d.root"), str(tmp_path / "w.parquet")
    run("windows", dump, "--mode", "overlapping", "--keep", "all", "-o", path, "-q")
    likely = {each.input.name: each.likely for each in parity(folder, path).verdicts if not each.fits}
    assert {"cl_seed_dEt", "max_cl_et"} <= {*likely} and {*likely.values()} == {"windows as CMSSW makes them"}


def test_clusters_are_counted_where_nothing_states_the_mode(folder: Path, golden: Path, tmp_path: Path) -> None:
    path = windows(tmp_path / "w.parquet", golden, "--mode", "overlapping")
    shutil.rmtree(tmp_path / "_ecalwindows")
    found = parity(folder, path)
    assert {"membership", "geometry"} <= found_in(found).keys()
    assert "nothing states the mode and geometry" in found.notes[0]


def test_tensors_that_cmssw_does_not_feed_are_named(as_training: dict[str, Any], dataset: str) -> None:
    kinds = found_in(parity(input_definition(as_training), dataset))
    assert kinds["tensors"] == {"clusters", "windows", "hits", "cluster_mask", "hit_mask", "cl_class"}
    assert kinds["missing"] == {"input_4", "input_5"}
    assert {"cl_r9", "en_cluster_log"} <= kinds["names"]


def test_a_small_sample_is_a_warning(folder: Path, golden: Path, tmp_path: Path) -> None:
    notes = parity(folder, windows(tmp_path / "w.parquet", golden, "--mode", "cmssw")).notes
    assert any(note.startswith("the sample is small: ") for note in notes)
    assert any(note.startswith("a few events decide mean and width") and "cl_energy" in note for note in notes)


def test_the_report_the_json_and_the_exit_code(folder: Path, dataset: str) -> None:
    first_line("cl_energy MeanRms 1000 1")(folder)
    ran = attempt("parity", str(folder), dataset)
    assert ran.code == 1 and ran.out.splitlines()[-1] == "DIFFERENT: 1 difference: scalers"
    assert "scalers that do not fit (1 of 52)\n" in ran.out
    ran = attempt("parity", str(folder), dataset, "--json", "-q")
    content = json.loads(ran.out)
    assert ran.code == 1 and content["agrees"] is False and content["dataset"]["mode"] == "cmssw"
    assert [each["kind"] for each in content["differences"]] == ["scaler"]
    scaler = next(each for each in content["scalers"] if each["name"] == "cl_energy")
    assert scaler["fits"] is False and scaler["dataset"]["n"] == content["counts"]["clusters"]


def test_wrong_arguments_are_errors(folder: Path, dataset: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="numbers above 0"):
        parity(folder, dataset, max_windows=0)
    for name, reason in (("m.h5", "is no model"), ("m.onnx", "there is no such file")):
        with pytest.raises(InputError, match=reason):
            parity(folder, dataset, model=tmp_path / name)
    assert "there is no split 'x'" in attempt("parity", str(folder), dataset, "--split", "x").err


@pytest.mark.skipif(not RELEASED.is_dir(), reason="needs CMS's released files")
def test_the_text_files_of_the_run_3_training_name_what_section_5_of_the_specification_lists(dataset: str) -> None:
    found = parity(RELEASED / "models_pfthres_235fb", dataset)
    kinds = found_in(found)
    assert kinds["names"] == {"cl_energy_log", "cl_et_log", "cl_etaWidth", "cl_phiWidth", "cl_swissCross"}
    assert kinds["absolute"] == {"max_cl_seed_dEta", "max_cl_seed_dPhi"} and "zero" not in kinds


@pytest.mark.skipif(not RELEASED.is_dir(), reason="needs CMS's released files")
def test_the_text_files_of_2018_have_constant_inputs_and_signed_values(
    dataset: str, golden: Path, tmp_path: Path
) -> None:
    kinds = found_in(parity(RELEASED / "EOY_2018", dataset))
    assert kinds["zero"] == {"min_cl_energy", "min_cl_et"}
    assert "absolute" not in kinds and "names" not in kinds and "missing" not in kinds
    other = parity(RELEASED / "EOY_2018", windows(tmp_path / "w.parquet", golden))
    assert {"geometry", "membership", "zero"} <= found_in(other).keys()


def test_seeds_below_the_threshold_are_named_also_where_no_threshold_is_stated() -> None:
    counts = Counts(clusters=9, low_seeds=3)
    for settings, found in (({}, "seeds, 3 of"), ({"min_et_seed": 0.5}, "seeds from 0.5 GeV, 3 of")):
        assert [each.found for each in of_dataset(settings, counts)] == [f"{found} them up to 1 GeV"]
