"""Normalisation factors: what numpy finds on all windows, the same from parts, and inputs that do not fit together."""

from __future__ import annotations

import contextlib
import json
import math
import random
import re
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.batches import part_of, random_batch
from helpers.cli import attempt, run
from helpers.flat_folders import flat_folder
from helpers.golden_files import GOLDEN
from helpers.pages import typed
from hypothesis import given
from hypothesis import strategies as st

from ecalwindows import stream
from ecalwindows.commands.normalize import check_factors
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import InputError
from ecalwindows.core.schema import SENTINEL
from ecalwindows.dataset.record import read_record
from ecalwindows.formats.ndjson.writer import NdjsonWriter
from ecalwindows.formats.parquet.definition import FeaturesDefinition, features_definition
from ecalwindows.formats.parquet.writer import ParquetWriter
from ecalwindows.studies.normalization import Moments, exact_number, exact_text
from ecalwindows.training.inputs import CMSSW_NAMES, read_inputs

DEFAULT = features_definition()
LEVELS = {"cluster": "cl_features", "window": "window_features"}
BATCH = random_batch(np.random.default_rng(6), 200)


def parquet(path: Path, batch: WindowBatch, definition: FeaturesDefinition = DEFAULT) -> str:
    with ParquetWriter(path, definition, row_group=64) as writer:
        writer.write(batch)
    return str(path)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> str:
    return parquet(tmp_path_factory.mktemp("complete") / "w.parquet", BATCH)


def factors(folder: Path, *arguments: str) -> dict[str, Any]:
    run("normalize", *arguments, "-o", str(folder / "f.json"), "-q")
    return dict(json.loads((folder / "f.json").read_text()))


def by_numpy(level: str, name: str, *, keep: bool = False) -> tuple[float, float, float, float]:
    values = BATCH.column(name).astype(np.longdouble)
    values = values if keep else values[values != SENTINEL]
    return float(values.mean()), float(values.std()), float(values.min()), float(values.max())


# --- sums without rounding

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(2**31), 2**31 - 1).map(float)


@given(st.lists(FLOATS, max_size=30), st.randoms())
def test_sums_are_exact_whatever_the_order(values: list[float], order: random.Random) -> None:
    moments = Moments()
    mixed = order.sample(values, len(values))
    for half in (mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]):
        moments.add(np.array(half, dtype=np.float64), math.nan)
    assert Fraction(moments.total, 2**1074) == sum(map(Fraction, values))
    assert Fraction(moments.squares, 2**1074) == sum(Fraction(value) ** 2 for value in values)
    assert moments.n == len(values)
    if values:
        assert moments.statistics[2:] == (min(values), max(values))


@pytest.mark.parametrize("number", [0, 1, -1, 3 << 1074, -(5 << 2000), (1 << 1074) + 1])
def test_exact_text_is_read_back(number: int) -> None:
    assert exact_number(exact_text(number)) == number


def test_small_numbers_by_eye() -> None:
    moments = Moments()
    moments.add(np.array([1.0, 3.0, SENTINEL, math.nan, math.inf]), SENTINEL)
    assert (moments.n, moments.no_number, moments.statistics) == (2, 3, (2.0, 1.0, 1.0, 3.0))
    moments = Moments()
    moments.add(np.array([0.1] * 1_000), SENTINEL)
    assert moments.statistics[0] == 0.1, "a naive sum gives 0.10000000000000007"


# --- the command


@pytest.mark.parametrize("keep", [False, True], ids=["sentinels left out", "sentinels kept"])
def test_factors_are_those_of_numpy_on_all_windows(tmp_path: Path, complete: str, keep: bool) -> None:
    found = factors(tmp_path, complete, *(["--keep-sentinels"] if keep else []))
    for level, group in LEVELS.items():
        assert list(found[level]) == ["mean", "std", "min", "max"]
        for key, which in zip(found[level], range(4), strict=True):
            assert set(found[level][key]) == set(DEFAULT.groups[group])
            for name, value in found[level][key].items():
                assert value == pytest.approx(by_numpy(level, name, keep=keep)[which], rel=1e-12, abs=0), (name, key)


def test_what_is_left_out_is_counted(tmp_path: Path, complete: str) -> None:
    beside = factors(tmp_path, complete)["ecalwindows"]
    assert (beside["windows"], beside["clusters"]) == (200, len(BATCH.pair_cluster))
    for level, group in LEVELS.items():
        for name in DEFAULT.groups[group]:
            gaps = int((BATCH.column(name) == SENTINEL).sum())
            assert beside["sums"][level][name]["no_number"] == gaps
            assert beside["sums"][level][name]["n"] == len(BATCH.column(name)) - gaps
    assert sum(column["no_number"] for column in beside["sums"]["cluster"].values()) > 100


def test_ten_merged_parts_are_one_pass_to_the_last_byte(tmp_path: Path) -> None:
    names = [parquet(tmp_path / f"{i}.parquet", part_of(BATCH, 20 * i, 20 * i + 20)) for i in range(10)]
    results = []
    for i, name in enumerate(names):
        run("normalize", name, "-o", str(tmp_path / f"part_{i}.json"), "-q")
        results.append(str(tmp_path / f"part_{i}.json"))
    run("normalize", *names, "-o", str(tmp_path / "one.json"), "-q")
    run("normalize", *results[::-1], "-o", str(tmp_path / "merged.json"), "-q")
    run("normalize", *results[:5], *names[5:8], "-o", str(tmp_path / "some.json"), "-q")
    run("normalize", *results[8:], str(tmp_path / "some.json"), "-o", str(tmp_path / "in_steps.json"), "-q")
    one = (tmp_path / "one.json").read_bytes()
    ran = attempt("normalize", *results, "-o", results[0], "-q")
    assert ran.code == 2 and "the output is one of the inputs" in ran.err
    assert (tmp_path / "merged.json").read_bytes() == one
    assert (tmp_path / "in_steps.json").read_bytes() == one


def test_every_format_gives_the_same(tmp_path: Path, complete: str) -> None:
    with NdjsonWriter(tmp_path / "w.ndjson.zst") as writer:
        writer.write(BATCH)
    run("convert", str(tmp_path / "w.ndjson.zst"), "-o", str(tmp_path / "t"), "--format", "tfrecord", "-q")
    expected = factors(tmp_path, complete)
    for other in (tmp_path / "w.ndjson.zst", tmp_path / "t"):
        found = factors(tmp_path, str(other))
        for level in LEVELS:
            shared = expected[level]["mean"].keys() & found[level]["mean"].keys()
            assert len(shared) > 15
            for key in ("mean", "std", "min", "max"):
                for name in shared:
                    assert found[level][key][name] == expected[level][key][name], (other, name, key)


def test_only_the_split_that_is_asked_for(tmp_path: Path) -> None:
    flat_folder(tmp_path / "parts")
    run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "d"), "--split", "train=0.7,test=0.3")
    both = factors(tmp_path, str(tmp_path / "d"))["ecalwindows"]["windows"]
    train = factors(tmp_path, str(tmp_path / "d"), "--split", "train")["ecalwindows"]["windows"]
    test = factors(tmp_path, str(tmp_path / "d"), "--split", "test")["ecalwindows"]["windows"]
    assert 0 < test < train and train + test == both


def test_the_group_is_that_of_the_file(tmp_path: Path) -> None:
    groups = {"cl_features": ("en_cluster",), "window_features": ("rho", "ncls"), "window_metadata": ("flavour",)}
    found = factors(tmp_path, parquet(tmp_path / "w.parquet", BATCH, FeaturesDefinition(groups)))
    assert set(found["window"]["mean"]) == {"rho", "ncls"} and set(found["cluster"]["mean"]) == {"en_cluster"}


def test_the_record_names_the_factors_of_a_dataset(tmp_path: Path) -> None:
    flat_folder(tmp_path / "parts")
    factors(tmp_path, str(tmp_path / "parts"))
    run("finalize", str(tmp_path / "parts"), "-o", str(tmp_path / "d"), "--normalisation", str(tmp_path / "f.json"))
    (named,) = read_record(tmp_path / "d" / "dataset.json").normalisation
    assert named.name == "f.json" and len(named.sha256 or "") == 64


def test_columns_without_numbers_and_constant_ones_are_reported(tmp_path: Path) -> None:
    batch = part_of(BATCH, 0, 50)
    batch.window["max_en_cluster"][:] = SENTINEL
    batch.window["min_dphi_cluster"][:] = 0.0
    ran = run("normalize", parquet(tmp_path / "w.parquet", batch), "-o", str(tmp_path / "f.json"))
    assert "1 columns hold no number: all four factors are -999: max_en_cluster" in ran.err
    assert "1 columns are constant: std is 0: min_dphi_cluster" in ran.err
    assert "  max_en_cluster                   50  of 50\n" in ran.out
    found = json.loads((tmp_path / "f.json").read_text())["window"]
    assert [found[key]["max_en_cluster"] for key in found] == [SENTINEL] * 4


def test_the_page_shows_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(GOLDEN / "electrons.root", "electrons.root")
    commands = typed("normalisation.md")
    assert [arguments[0] for arguments, _ in commands] == ["windows", "normalize", "normalize"]
    for arguments, said in commands:
        printed = run(*arguments).out
        if said:
            lines = [".*" if line == "..." else re.escape(line) for line in said.splitlines()]
            assert re.fullmatch("\n".join(lines), printed.strip(), re.DOTALL)


# --- the features that CMSSW computes


@pytest.fixture(scope="module")
def as_reconstructed(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = str(tmp_path_factory.mktemp("cmssw") / "w.parquet")
    wp = ("--wp-file", str(GOLDEN / "wp_test.json"))
    run("windows", str(GOLDEN / "electrons.root"), *wp, "--mode", "cmssw", "--keep", "all", "-o", path)
    return path


def test_a_definition_of_cmssws_convention_gives_inputs_of_mean_0_and_width_1(
    tmp_path: Path, as_reconstructed: str
) -> None:
    inputs = tmp_path / "i.yaml"
    run("normalize", as_reconstructed, "--convention", "cmssw", "--inputs", str(inputs), "-q")
    definition = read_inputs(inputs)
    assert definition.tensors == ("input_1", "input_2", "input_3", "input_4", "input_5")
    assert definition.clusters.names == CMSSW_NAMES["clusters"] and definition.output.tensor == "cl_class"
    assert definition.windows is not None and len(definition.windows.names) == 16
    assert not {"min_cl_energy", "min_cl_et"} & {*definition.windows.names}, "constant: they are 0"
    (batch,) = stream(as_reconstructed, 10_000, shuffle=False, last="keep", inputs=inputs)
    for values in (batch["input_1"][batch.cl_mask], batch["input_2"]):
        assert values.mean(axis=0) == pytest.approx(0, abs=1e-5) and values.std(axis=0) == pytest.approx(1, abs=1e-5)


def test_factors_of_cmssws_features_are_merged_and_are_no_factors_of_columns(
    tmp_path: Path, as_reconstructed: str
) -> None:
    one = factors(tmp_path, as_reconstructed, "--convention", "cmssw")
    assert [{*one[level]["mean"]} for level in LEVELS] == [{*CMSSW_NAMES[f"{level}s"]} for level in LEVELS]
    part, inputs = tmp_path / "part.json", str(tmp_path / "i.yaml")
    shutil.copy(tmp_path / "f.json", part)
    assert factors(tmp_path, str(part), "--convention", "cmssw", "--inputs", inputs) == one
    assert read_inputs(inputs).convention == "cmssw"
    assert "elsewhere it does not" in wrong(tmp_path, str(part))
    assert "there is no input 'cl_energy'" in wrong(tmp_path, str(part), "--keep-sentinels", "--inputs", inputs)


def test_cmssws_features_need_the_columns_of_which_they_are_made(tmp_path: Path) -> None:
    groups = {"cl_features": ("en_cluster", "cluster_eta"), "window_features": ("max_en_cluster",)}
    path = parquet(tmp_path / "w.parquet", BATCH, FeaturesDefinition(groups))
    assert "the data have no cl_nxtals, cluster_ieta" in wrong(tmp_path, path, "--convention", "cmssw")


# --- what does not fit


def wrong(tmp_path: Path, *arguments: str) -> str:
    ran = attempt("normalize", *arguments, "-o", str(tmp_path / "none.json"))
    assert ran.code == 2 and not (tmp_path / "none.json").exists()
    return ran.err


def test_the_same_windows_twice(tmp_path: Path, complete: str) -> None:
    factors(tmp_path, complete)
    assert "the same windows are there twice: w.parquet" in wrong(tmp_path, complete, str(tmp_path / "f.json"))


def test_other_columns(tmp_path: Path, complete: str) -> None:
    groups = {**DEFAULT.groups, "window_features": ("max_en_cluster",)}
    other = parquet(tmp_path / "o.parquet", part_of(BATCH, 0, 9), FeaturesDefinition(groups))
    found = wrong(tmp_path, complete, other)
    assert "other columns in window_features: max_den_cluster" in found and "one features definition (-f)" in found


def test_parts_with_and_without_sentinels(tmp_path: Path, complete: str) -> None:
    factors(tmp_path, complete)
    found = wrong(tmp_path, str(tmp_path / "f.json"), "--keep-sentinels")
    assert "-999 does not count as a number in it, elsewhere it does" in found


def test_a_dataset_without_the_groups(tmp_path: Path) -> None:
    groups = {"cl_labels": ("is_seed",), "window_features": ("max_en_cluster",)}
    found = wrong(tmp_path, parquet(tmp_path / "w.parquet", BATCH, FeaturesDefinition(groups)))
    assert "no columns of the group cl_features" in found and "default features definition" in found


def test_a_dataset_without_windows(tmp_path: Path) -> None:
    empty = parquet(tmp_path / "w.parquet", random_batch(np.random.default_rng(1), 0))
    assert "the inputs hold no windows" in wrong(tmp_path, empty)


def changed_factors(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "NaN": lambda f: f["cluster"]["mean"].update(en_cluster=math.nan),
    "infinity": lambda f: f["window"]["max"].update(max_en_cluster=math.inf),
    "a negative std": lambda f: f["cluster"]["std"].update(en_cluster=-1.0),
    "a mean beyond the range": lambda f: f["cluster"]["mean"].update(en_cluster=1e300),
    "text": lambda f: f["cluster"]["mean"].update(en_cluster="1"),
    "a column less": lambda f: f["cluster"]["std"].pop("en_cluster"),
    "no windows": lambda f: f.pop("window"),
}
SUMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another mean than that of the sums": lambda f: f["cluster"]["mean"].update(en_cluster=10.5),
    "another number of values": lambda f: f["ecalwindows"]["sums"]["cluster"]["en_cluster"].update(n=3),
    "a negative number": lambda f: f["ecalwindows"]["sums"]["cluster"]["en_cluster"].update(n=-3, no_number=5),
    "a sum of no values": lambda f: f["ecalwindows"]["sums"]["cluster"]["en_cluster"].update(sum="0x1p+900"),
    "a huge power": lambda f: f["ecalwindows"]["sums"]["cluster"]["en_cluster"].update(sum="0x1p+99999999999"),
    "a sum that is missing": lambda f: f["ecalwindows"]["sums"]["cluster"].pop("en_cluster"),
    "another number of windows": lambda f: f["ecalwindows"].update(windows=7),
    "files that do not add up": lambda f: f["ecalwindows"]["files"][0].update(windows=7),
}


@pytest.mark.parametrize("change", [*CHANGES, *SUMS])
def test_factors_that_do_not_agree_are_refused_wherever_they_are_read(
    tmp_path: Path, complete: str, change: str
) -> None:
    factors = tmp_path / "f.json"
    run("normalize", complete, "-o", str(factors), "-q")
    changed_factors(factors, (CHANGES | SUMS)[change])
    with pytest.raises(InputError):
        check_factors(factors)
    assert "the factors cannot be merged" in wrong(tmp_path, str(factors))


def test_older_files_of_factors_are_checked_too(tmp_path: Path, complete: str) -> None:
    """Those of other programs have no sums."""
    nothing: Callable[[dict[str, Any]], Any] = lambda _: None  # noqa: E731
    for change, is_right in ((nothing, True), *((each, False) for each in CHANGES.values())):
        (tmp_path / "f.json").unlink(missing_ok=True)
        run("normalize", complete, "-o", str(tmp_path / "f.json"), "-q")
        changed_factors(tmp_path / "f.json", lambda f: f.pop("ecalwindows"))
        changed_factors(tmp_path / "f.json", change)
        with contextlib.nullcontext() if is_right else pytest.raises(InputError):
            check_factors(tmp_path / "f.json")


def test_a_std_of_0_is_reported_when_factors_go_with_a_dataset(
    tmp_path: Path, complete: str, caplog: pytest.LogCaptureFixture
) -> None:
    run("normalize", complete, "-o", str(tmp_path / "f.json"), "-q")
    changed_factors(tmp_path / "f.json", lambda f: f.pop("ecalwindows"))
    changed_factors(tmp_path / "f.json", lambda f: f["cluster"]["std"].update(en_cluster=0.0))
    check_factors(tmp_path / "f.json")
    assert "std is 0" in caplog.text and "en_cluster" in caplog.text


def test_factors_of_few_windows_are_reported(tmp_path: Path) -> None:
    few = parquet(tmp_path / "w.parquet", random_batch(np.random.default_rng(1), 8))
    ran = run("normalize", few, "-o", str(tmp_path / "f.json"), "-q")
    assert "the factors are those of 8 windows only: standard deviations are uncertain by some 25 %" in ran.err


@pytest.mark.parametrize("content", ["{", "[]", '{"cluster": {}}', '{"ecalwindows": {"kind": "weights"}}'])
def test_a_json_of_another_kind(tmp_path: Path, content: str) -> None:
    (tmp_path / "f.json").write_text(content)
    assert "the factors cannot be merged" in wrong(tmp_path, str(tmp_path / "f.json"))
