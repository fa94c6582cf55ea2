"""Correction files: everything that they may give is checked when they are read, and what they give before it is used.

Each fault is put into a file of working points and one of weights.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN

from ecalwindows.core.errors import EcalWindowsError, listed, near
from ecalwindows.core.working_points import read_working_points
from ecalwindows.formats.weights import read_weights

KINDS: dict[str, Any] = {
    "working points": (
        "simfraction_thres",
        ("seed_et", "seed_eta"),
        read_working_points,
        "h2_Minimum_simScore_seedBins",
    ),
    "weights": ("total_reweighting", ("seed_et", "ncls"), read_weights, "weight"),
}
"""Name of the correction, inputs, what reads the file, name of the TH2."""

Node = Any
FORMULA = {"nodetype": "formula", "parser": "TFormula"}


def correction(kind: str, data: Node, inputs: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    name, names, *_ = KINDS[kind]
    variables = [{"name": each, "type": kind} for each, kind in (inputs or dict.fromkeys(names, "real")).items()]
    output = {"name": "value", "type": "real"}
    return {"name": name, "version": 1, "inputs": variables, "output": output, "data": data, **more}


def write(path: Path, *corrections: dict[str, Any], compounds: list[Any] | None = None) -> Path:
    content = {"schema_version": 2, "corrections": list(corrections), "compound_corrections": compounds or []}
    path.write_text(json.dumps(content))
    return path


def binned(*content: Node, edges: tuple[Any, ...] = (1.0, 10.0, 100.0)) -> Node:
    return {"nodetype": "binning", "input": "seed_et", "edges": list(edges), "content": list(content), "flow": "clamp"}


def grid(kind: str, *content: Node) -> Node:
    edges = [[1.0, 10.0, 100.0], [0.0, 1.5, 3.0]]
    return {"nodetype": "multibinning", "inputs": list(KINDS[kind][1]), "edges": edges, "content": list(content),
            "flow": "clamp"}  # fmt: skip


def formula(expression: str, *parameters: float) -> Node:
    return FORMULA | {"expression": expression, "variables": ["seed_et"], "parameters": list(parameters)}


NAN, INF = float("nan"), float("inf")
WRONG_DATA = {
    "NaN in the last bin": (binned(0.1, NAN), "NaN"),
    "infinity in a bin": (binned(INF, 0.1), "inf"),
    "a negative number in a bin": (binned(0.1, -999.0), "-999"),
    "a formula that gives infinity": (formula("1/(x-x)"), "at seed_et"),
    "a formula that gives NaN": (formula("sqrt(-x)"), "NaN at seed_et"),
    "a formula with a huge literal": (formula("1e308*10+x"), "inf"),
    "a formula that is negative at large Et": (formula("0.1-0.001*x"), "-0.[0-9]+ at seed_et"),
    "a formula that is wrong in one bin only": (binned(0.1, formula("[0]*x", -1e-3)), "-0.01 at seed_et 10,"),
    "a formula that is wrong at a lower edge only": (binned(formula("1e-9/(x-1)"), 0.1), "inf at seed_et 1,"),
    "a formula with fewer parameters than it uses": (formula("[0]+[1]*x", 0.1), "uses 2 parameters, and 1 are given"),
    "a parameter of NaN": (formula("[0]", NAN), "parameter that is no number"),
    "a formula of 100,000 brackets": (formula("(" * 100_000 + "x" + ")" * 100_000), "200,001 characters"),
    "a formula of 500 brackets": (formula("(" * 500 + "x" + ")" * 500), "500 brackets"),
    "a reference to a formula beyond the list": (
        {"nodetype": "formularef", "index": 7, "parameters": []}, "formula 7 of 1",
    ),
    "a reference with fewer parameters than the formula uses": (
        {"nodetype": "formularef", "index": 0, "parameters": []}, "uses 3 parameters, and 0 are given",
    ),
    "a transform to where a formula is wrong": (
        {"nodetype": "transform", "input": "seed_et", "rule": formula("-x"), "content": formula("sqrt(x)*0")}, "NaN at",
    ),
    "a transform before bins, of which one is wrong": (
        {"nodetype": "transform", "input": "seed_et", "rule": formula("1000+x"), "content": binned(-1.0, 0.1)}, "-1 is",
    ),
    "uniform bins without an end": (binned(0.1, 0.2, edges=()) | {"edges": {"n": 2, "low": 0.0, "high": INF}}, "inf"),
    "edges of NaN": (binned(0.1, 0.2, edges=(1.0, NAN, 100.0)), "edges"),
    "edges that fall": (binned(0.1, 0.2, edges=(1.0, 100.0, 10.0)), "edges"),
    "a binning without bins": (binned(edges=(1.0,)), "no bin"),
    "one edge list for two inputs": (
        {"nodetype": "multibinning", "inputs": ["seed_et", "seed_et"], "edges": [[0.0, 1.0]], "content": [0.1],
         "flow": "clamp"}, "2 inputs",
    ),
    "fewer contents than bins": (binned(0.1), "length"),
    "a number beyond float64": (binned(0.1, 10**400), "no JSON|too large|finite|number"),
    "an unknown kind of node": ({"nodetype": "magic"}, "magic|nodetype"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", WRONG_DATA)
def test_a_file_with_a_fault_anywhere_is_refused_when_it_is_read(tmp_path: Path, kind: str, fault: str) -> None:
    data, found = WRONG_DATA[fault]
    generic = [FORMULA | {"expression": "[2]*x", "variables": ["seed_et"]}]
    file = write(tmp_path / "file.json", correction(kind, data, generic_formulas=generic))
    with pytest.raises(EcalWindowsError, match=found) as caught:
        KINDS[kind][2](file)
    assert caught.value.where == str(file) and caught.value.exit_code == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("inputs", "data", "found"),
    [
        pytest.param({"seed_et": "string"}, 0.1, "type string", id="a string"),
        pytest.param({"seed_et": "int"}, 0.1, "type int", id="Et as an integer"),
        pytest.param({"seed_et": "real", "nVtx": "real"}, 0.1, "nVtx", id="an input that there is not"),
        pytest.param({"seed_et": "real", "phi": "string"}, 0.1, "phi", id="a string that there is not"),
    ],
)
def test_inputs_that_cannot_be_given_are_an_error_when_the_file_is_read(
    tmp_path: Path, kind: str, inputs: dict[str, str], data: Node, found: str
) -> None:
    inputs = dict.fromkeys(KINDS[kind][1], "real") | inputs
    file = write(tmp_path / "file.json", correction(kind, data, inputs))
    with pytest.raises(EcalWindowsError, match=found):
        KINDS[kind][2](file)


def category(name: str, content: dict[Any, Node], default: Node = None) -> Node:
    items = [{"key": key, "value": value} for key, value in content.items()]
    return {"nodetype": "category", "input": name, "content": items, "default": default}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        pytest.param(category("ncls", {1: 1.0, 2: 2.0}), "'ncls' has no default: only 1, 2", id="no default"),
        pytest.param(category("ncls", {1: NAN}, 1.0), "NaN", id="NaN for a key"),
        pytest.param(category("ncls", {1: 1.0}, INF), "inf", id="an infinite default"),
        pytest.param(category("ncls", {"1": 1.0}, 1.0), "cannot use it|key", id="keys that are text"),
        pytest.param(category("flavour", {11: category("ncls", {1: 1.0})}), "no default", id="inside another"),
    ],
)
def test_a_category_that_lacks_a_value_is_an_error_when_the_file_is_read(
    tmp_path: Path, data: Node, found: str
) -> None:
    file = write(tmp_path / "w.json", correction("weights", data, {"flavour": "int", "ncls": "int"}))
    with pytest.raises(EcalWindowsError, match=found):
        read_weights(file)


def compound(stack: list[str], **more: Any) -> dict[str, Any]:
    inputs = [{"name": name, "type": "real"} for name in ("seed_et", "ncls")]
    operations = {"inputs_update": [], "input_op": "*", "output_op": "*"} | more
    return {"name": "total_reweighting", "inputs": inputs, "output": {"name": "w", "type": "real"}, "stack": stack,
            **operations}  # fmt: skip


@pytest.mark.parametrize(
    ("second", "more", "found"),
    [
        pytest.param(binned(1.0, NAN), {}, "NaN is no weight in 'b'", id="NaN in a member"),
        pytest.param(binned(1.0, -1.0), {}, "-1 is no weight in 'b'", id="a negative factor"),
        pytest.param(binned(1.0, 0.0), {"output_op": "/"}, "inf|NaN", id="a division by 0"),
        pytest.param(binned(1.0, -5.0), {"output_op": "+"}, "weight of -3", id="a negative sum"),
        pytest.param(binned(1.0, 1e300), {}, "1e\\+300", id="too large for the file"),
        pytest.param(binned(1.0, 1e30), {}, "2e\\+60", id="a product too large for the file"),
        pytest.param(1.0, {"stack": ["a", "c"]}, "'c', which is not in the file", id="a member that is not there"),
        pytest.param(1.0, {"stack": []}, "made of no correction", id="no members"),
        pytest.param(1.0, {"inputs_update": ["pt"]}, "updates 'pt'", id="an update of no input"),
    ],
)
def test_a_compound_correction_is_checked_with_all_its_members(
    tmp_path: Path, second: Node, more: dict[str, Any], found: str
) -> None:
    a = correction("weights", 2.0 if "2e" not in found else 2e30) | {"name": "a"}
    b = correction("weights", second) | {"name": "b"}
    file = write(
        tmp_path / "w.json", a, b, compounds=[compound(["a", "b"], **more) if "stack" not in more else compound(**more)]
    )
    with pytest.raises(EcalWindowsError, match=found):
        read_weights(file)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [NAN, INF, -INF, -999.0])
def test_every_bin_of_a_histogram_is_checked(tmp_path: Path, kind: str, value: float) -> None:
    with uproot.recreate(tmp_path / "file.root") as out:
        out[KINDS[kind][3]] = np.array([[0.1, 0.2], [0.3, value]]), np.array([1.0, 10, 100]), np.array([0, 1.5, 3])
    with pytest.raises(EcalWindowsError, match=r"1 of 4 bins .* at x 10 to 100, y 1.5 to 3"):
        KINDS[kind][2](tmp_path / "file.root")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("edges", [[1.0, NAN, 100.0], [1.0, 1.0, 100.0]])
def test_edges_of_a_histogram_must_rise(tmp_path: Path, kind: str, edges: list[float]) -> None:
    with uproot.recreate(tmp_path / "file.root") as out:
        out[KINDS[kind][3]] = np.full((2, 2), 0.5), np.array(edges), np.array([0, 1.5, 3])
    with pytest.raises(EcalWindowsError, match=r"x edges .* do not rise"):
        KINDS[kind][2](tmp_path / "file.root")


@pytest.mark.parametrize("value", [1.5, 1e300])
def test_a_threshold_that_no_share_reaches_is_refused(tmp_path: Path, value: float) -> None:
    file = write(tmp_path / "wp.json", correction("working points", binned(0.1, value)))
    with pytest.raises(EcalWindowsError, match="is no threshold"):
        read_working_points(file)


def test_thresholds_of_numbers_of_crystals_may_be_above_1(tmp_path: Path) -> None:
    file = write(tmp_path / "wp.json", correction("working points", binned(0.1, 5.0)))
    points = read_working_points(file, "sim_nSharedXtals")
    assert points(np.array([5.0, 50.0]), np.zeros(2)).tolist() == [0.1, 5.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("last", [INF, "inf"])
def test_edges_may_be_infinite(tmp_path: Path, kind: str, last: Any) -> None:
    file = write(tmp_path / "file.json", correction(kind, binned(0.1, 0.2, 0.3, edges=(-INF, 10.0, 100.0, last))))
    values = KINDS[kind][2](file)
    et, one = np.array([5.0, 50.0, 5000.0]), np.ones(3)
    found = values(et, one) if kind == "working points" else values(one, one, et, one)
    assert found.tolist() == [0.1, 0.2, 0.3]


@pytest.mark.parametrize("kind", KINDS)
def test_integers_may_be_edges(tmp_path: Path, kind: str) -> None:
    file = write(tmp_path / "file.json", correction(kind, binned(0.1, 0.2, edges=(1, 10, 100))))
    KINDS[kind][2](file)


GOOD = {
    "a formula": (formula("0.001*exp(-0.01*x)"), 0.001 * np.exp(-0.5)),
    "a formula with parameters": (binned(0.5, formula("[0]+[1]*x", 0.1, 1e-4)), 0.105),
    "a formula in the last, infinite bin": (binned(0.5, formula("1/(1+x)"), edges=(0.0, 10.0, "inf")), 1 / 51),
    "a reference": ({"nodetype": "formularef", "index": 0, "parameters": [0.0, 0.0, 1e-4]}, 5e-3),
    "a transform": (
        {"nodetype": "transform", "input": "seed_et", "rule": formula("x/10"), "content": binned(0.1, 0.2)}, 0.1,
    ),
    "a constant": (0.25, 0.25),
    "zero": (0.0, 0.0),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", GOOD)
def test_all_nodes_of_correctionlib_are_evaluated(tmp_path: Path, kind: str, case: str) -> None:
    data, expected = GOOD[case]
    generic = [FORMULA | {"expression": "[2]*x", "variables": ["seed_et"]}]
    values = KINDS[kind][2](write(tmp_path / "file.json", correction(kind, data, generic_formulas=generic)))
    et, one = np.array([50.0]), np.ones(1)
    found = values(et, one) if kind == "working points" else values(one, one, et, one)
    np.testing.assert_allclose(found, [expected])


@pytest.mark.parametrize("kind", KINDS)
def test_an_evaluated_value_is_checked_before_it_is_used(tmp_path: Path, kind: str) -> None:
    """Beyond the range in which formulas are tried, a value may still be wrong."""
    values = KINDS[kind][2](write(tmp_path / "file.json", correction(kind, formula("0.9-0.0009*x"))))
    et, one = np.array([50.0, 7000.0]), np.ones(2)
    with pytest.raises(EcalWindowsError, match=r"-5.4 at seed_et 7000.*\(1 of 2 values"):
        _ = values(et, one) if kind == "working points" else values(one, one, et, one)


def test_a_wrong_weight_leaves_no_output(tmp_path: Path) -> None:
    """The formula is right where it is tried, and wrong for seeds below 1 GeV."""
    file = write(tmp_path / "w.json", correction("weights", formula("x > 999999 ? 1 : log(x) + 1e-9")))
    output = tmp_path / "o"
    (tmp_path / "s.yaml").write_text("min_et_seed: 0.1\n")
    ran = attempt("windows", str(GOLDEN / "electrons.root"), "-o", str(output), "--format", "tfrecord", "-w", str(file),
                  "-s", str(tmp_path / "s.yaml"))  # fmt: skip
    assert ran.code == 2 and not list(output.rglob("*.proto"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_with_other_corrections_says_which_it_has_and_which_is_needed(tmp_path: Path, kind: str) -> None:
    others = [correction(kind, 1.0) | {"name": name} for name in ("seed_et_flattening", "total_weight")]
    name, _, read, _ = KINDS[kind]
    with pytest.raises(EcalWindowsError, match=rf"no correction '{name}\(.*\)'; it has seed_et_flattening\(seed_et, "):
        read(write(tmp_path / "file.json", *others))


@pytest.mark.parametrize("kind", KINDS)
def test_a_root_file_of_many_objects_lists_some_the_nearest_first(tmp_path: Path, kind: str) -> None:
    name = KINDS[kind][3]
    with uproot.recreate(tmp_path / "file.root") as out:
        for i in range(40):
            out[f"other_{i}"] = np.histogram([1.0])
        out[f"{name}X"] = np.histogram([1.0])
    with pytest.raises(EcalWindowsError, match=rf"no histogram '{name}'; it has {name}X, .* and 36 more") as caught:
        KINDS[kind][2](tmp_path / "file.root")
    assert len(str(caught.value)) < 1500


def test_many_names_are_not_all_listed() -> None:
    names = [f"object_{i}" for i in range(240)]
    assert listed("object_17", names, most=3) == "object_17, object_107, object_117 and 237 more"
    assert listed("x", ["b", "a"]) == "a, b" and listed("x", []) == "nothing"
    assert len(near("qqq", names)) < 400


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(lambda: b"[" * 100_000 + b"]" * 100_000, "nested", id="nested JSON"),
        pytest.param(lambda: b'{"corrections": ' + b'{"a": [' * 60 + b"]}" * 60 + b"}", "nested", id="120 levels"),
        pytest.param(lambda: gzip.compress(b" " * (20 * 2**20)), "16 MiB", id="a small gzip file of much"),
        pytest.param(lambda: b" " * (17 * 2**20), "16 MiB", id="large"),
        pytest.param(lambda: gzip.compress(b'{"schema_version": 2, "corrections": []}')[:-12], "gzip", id="cut gzip"),
        pytest.param(lambda: b'{"schema_version": ' + b"1" * 5000 + b"}", "no JSON", id="5,000 digits"),
        pytest.param(lambda: b"\xff\xfe{}", "no JSON", id="not UTF-8"),
        pytest.param(lambda: b"null", "no correction set", id="null"),
    ],
)  # fmt: skip
def test_size_and_nesting_are_bounded_before_parsing(
    tmp_path: Path, kind: str, content: Callable[[], bytes], found: str
) -> None:
    (tmp_path / "file").write_bytes(content())
    with pytest.raises(EcalWindowsError, match=found):
        KINDS[kind][2](tmp_path / "file")


def test_a_formula_of_many_brackets_does_not_end_the_process(tmp_path: Path) -> None:
    file = write(tmp_path / "wp.json", correction("working points", formula("(" * 100_000 + "x" + ")" * 100_000)))
    command = [sys.executable, "-m", "ecalwindows", "windows", str(GOLDEN / "electrons.root"), "-o",
               str(tmp_path / "w.parquet"), "--wp-file", str(file)]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 2 and "characters" in ran.stderr


def test_relabel_checks_thresholds_against_the_scores_of_the_dataset(tmp_path: Path) -> None:
    """The dataset says of which kind its scores are: no share reaches 5, and 5 crystals are reached."""
    file = write(tmp_path / "wp.json", correction("working points", binned(0.1, 5.0)))
    for strategy, code in (("sim_fraction", 2), ("sim_nSharedXtals", 0)):
        data, output = str(tmp_path / f"{strategy}.parquet"), str(tmp_path / f"{strategy}_5.parquet")
        run("windows", str(GOLDEN / "electrons.root"), "--events", ":2", "-o", data, "-a", strategy, "-q")
        ran = attempt("relabel", data, "-o", output, "--wp-file", str(file))
        assert ran.code == code and Path(output).exists() == (code == 0)
