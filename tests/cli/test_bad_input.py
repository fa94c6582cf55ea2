"""Bad input: a clear error of four parts, an exit code, no traceback, and nothing under the output's name."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
import uproot
from helpers.cli import Ran, attempt, run
from helpers.golden_files import GOLDEN, read_ndjson
from helpers.limits import small_files

from ecalwindows import write_windows
from ecalwindows.core.errors import BadFileError, InputError
from ecalwindows.dumper.inputs import input_files

ELECTRONS = GOLDEN / "electrons.root"
PARTS = ("expected:", "where:", "next:")


def refused(folder: Path, *arguments: str, output: str = "out.parquet") -> Ran:
    """The command fails in four parts, and the output is not there (nor anything beside it)."""
    before = sorted(folder.rglob("*"))
    ran = attempt("windows", *arguments, "-o", str(folder / output))
    assert ran.code not in (0, 70), ran.err
    assert re.search("^error: ", ran.err, flags=re.MULTILINE) and all(part in ran.err for part in PARTS), ran.err
    assert "Traceback" not in ran.err
    assert sorted(folder.rglob("*")) == before
    return ran


def tree_file(path: Path, change: Callable[[dict[str, Any]], None] = lambda _: None, n: int | None = None) -> Path:
    """A dumper file (RNTuple, as uproot writes all these types) with the golden electrons' branches, changed."""
    with uproot.open(ELECTRONS) as file:
        tree = file["recosimdumper/caloTree"]
        columns = {name: tree[name].array(entry_stop=n) for name in tree.keys()}
    change(columns)
    with uproot.recreate(path) as file:
        file.mkrntuple("caloTree", columns)
    return path


IN_RNTUPLE = ("--tree", "caloTree")


def test_what_is_found_does_not_depend_on_the_folder_of_the_file(tmp_path: Path) -> None:
    """Records state it, and are the same wherever a dataset is made."""
    found = []
    for folder in (tmp_path, tmp_path / "deep" / ("x" * 200)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "two  lines.root").write_bytes(ELECTRONS.read_bytes()[:20])
        with pytest.raises(BadFileError) as error:
            write_windows([str(folder / "two  lines.root")], tmp_path / "out.parquet")
        found.append(error.value.found)
    assert found[0] == found[1]


@pytest.mark.parametrize("tenth", range(10))
def test_cut_off_file(tmp_path: Path, tenth: int) -> None:
    complete = ELECTRONS.read_bytes()
    (tmp_path / "cut.root").write_bytes(complete[: len(complete) * tenth // 10])
    ran = refused(tmp_path, str(tmp_path / "cut.root"))
    assert "cut.root" in ran.err


def test_file_without_the_tree_names_what_it_holds(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "other.root") as file:
        file.mktree("events", {"x": np.float32}).extend({"x": np.zeros(3, np.float32)})
    ran = refused(tmp_path, str(tmp_path / "other.root"))
    assert "events (TTree)" in ran.err and "recosimdumper/caloTree" in ran.err


def test_file_that_is_no_root_file(tmp_path: Path) -> None:
    (tmp_path / "text.root").write_text("hello")
    refused(tmp_path, str(tmp_path / "text.root"))


def test_empty_tree_is_reported_and_gives_no_windows(tmp_path: Path) -> None:
    """The documented default: a file without events is no error."""
    empty = tree_file(tmp_path / "empty.root", n=0)
    for name in ("w.parquet", "w.ndjson"):
        ran = run("windows", str(empty), "-o", str(tmp_path / name), *IN_RNTUPLE)
        assert "1 of 1 input without events: empty.root" in ran.err
    assert len(ak.from_parquet(tmp_path / "w.parquet")) == 0
    assert ak.from_parquet(tmp_path / "w.parquet").fields[0] == "cl_features"
    assert (tmp_path / "w.ndjson").read_bytes() == b""


@pytest.mark.parametrize("branch", ["pfCluster_sim_fraction", "pfCluster_energy", "caloParticle_simEnergy", "eventId"])
def test_missing_required_branch_is_named(tmp_path: Path, branch: str) -> None:
    file = tree_file(tmp_path / "less.root", lambda columns: columns.pop(branch))
    ran = refused(tmp_path, str(file), *IN_RNTUPLE)
    assert f"'{branch}' is missing" in ran.err and "less.root" in ran.err


def test_missing_score_names_the_option_that_works_without_it(tmp_path: Path) -> None:
    ran = refused(tmp_path, str(ELECTRONS), "-a", "sim_fraction_noHitsFraction")
    assert "pfCluster_sim_fraction_noHitsFraction" in ran.err and "--assoc-strategy" in ran.err


def test_missing_optional_branches_take_their_defaults_and_are_reported_once(tmp_path: Path) -> None:
    def without(columns: dict[str, Any]) -> None:
        for name in [n for n in columns if n in ("rho", "nVtx") or n.startswith(("superCluster_", "pfCluster_r9"))]:
            columns.pop(name)

    file = tree_file(tmp_path / "less.root", without)
    ran = run("windows", str(file), "-o", str(tmp_path / "w.ndjson"), *IN_RNTUPLE)
    assert (ran.out + ran.err).count("rho = -1") == 1
    for window in read_ndjson(tmp_path / "w.ndjson"):
        assert (window["rho"], window["nVtx"], window["seed_r9"]) == (-1, -1, -999)
        assert not window["is_seed_mustache_matched"] and window["en_mustache_raw"] == 0


def test_branch_of_another_type(tmp_path: Path) -> None:
    def change(columns: dict[str, Any]) -> None:
        columns["pfCluster_energy"] = columns["rho"]

    ran = refused(tmp_path, str(tree_file(tmp_path / "unexpected.root", change)), *IN_RNTUPLE)
    assert "'pfCluster_energy' has type float" in ran.err and "vector<float>" in ran.err


def test_columns_that_do_not_agree(tmp_path: Path) -> None:
    def change(columns: dict[str, Any]) -> None:
        columns["pfCluster_eta"] = columns["pfCluster_eta"][:, 1:]

    ran = refused(tmp_path, str(tree_file(tmp_path / "unexpected.root", change)), *IN_RNTUPLE)
    assert "pfCluster_eta" in ran.err and "entry 0" in ran.err


def test_scores_for_caloparticles_that_are_not_there(tmp_path: Path) -> None:
    def change(columns: dict[str, Any]) -> None:
        for name in [n for n in columns if n.startswith("caloParticle_gen") or n.startswith("caloParticle_sim")]:
            columns[name] = columns[name][:, :-1]
        columns["caloParticle_pdgId"] = columns["caloParticle_pdgId"][:, :-1]

    ran = refused(tmp_path, str(tree_file(tmp_path / "unexpected.root", change)), *IN_RNTUPLE)
    assert "pfCluster_sim_fraction" in ran.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "broken"),
        (b"{", "broken"),
        (b"root and then nothing", "broken"),
        (b'{"schema_version": 2, "corrections": []}', "no correction"),
        (None, "cannot be read"),
    ],
    ids=["empty", "cut-json", "cut-root", "no-correction", "absent"],
)
def test_working_points_of_another_kind_or_broken(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "wp"
    if content is not None:
        file.write_bytes(content)
    assert words in refused(tmp_path, str(ELECTRONS), "--wp-file", str(file)).err


def test_working_points_with_another_correction_are_named(tmp_path: Path) -> None:
    content = json.loads((GOLDEN / "wp_test.json").read_text())
    content["corrections"][0]["name"] = "total_reweighting"
    (tmp_path / "weights.json").write_text(json.dumps(content))
    ran = refused(tmp_path, str(ELECTRONS), "--wp-file", str(tmp_path / "weights.json"))
    assert "total_reweighting(seed_et, seed_eta)" in ran.err


def test_a_dumper_file_is_no_working_point_file(tmp_path: Path) -> None:
    assert "h2_Minimum_simScore_seedBins" in refused(tmp_path, str(ELECTRONS), "--wp-file", str(ELECTRONS)).err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-a", "sim_fracton"], "nearest: sim_fraction"),
        (["-a", "dR_genScore"], "good where small"),
        (["--pileup", "maybe"], "pileup"),
        (["--geometry", "v4"], "v1, v2, v3"),
        (["--min-et-seed", "-1"], "min_et_seed"),
        (["--min-et-seed", "inf"], "min_et_seed"),
        (["--maxnocalow", "-1"], "maxnocalow"),
        (["--flavour", "electron"], "flavour"),
        (["--sample", "a b"], "sample"),
        (["--events", "5:2"], "--events"),
        (["--events=-5:"], "the range of events -5: means nothing"),
        (["--format", "parqet"], "nearest: parquet"),
        (["-f", "/nowhere.json"], "features definition"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options(tmp_path: Path, options: list[str], words: str) -> None:
    assert words in refused(tmp_path, str(ELECTRONS), *options).err


@pytest.mark.parametrize(
    ("command", "suffix"),
    [
        (("simulate", "-n", "1"), ".root"),
        (("truth", "match", "d.root"), ".parquet"),
        (("truth", "working-points", "m.parquet"), ".json"),
        (("normalize", "w.parquet"), ".json"),
        (("reweight", "w.parquet"), ".json"),
        (("report", "w.parquet"), ".html"),
        (("production", "plan", "p.yaml"), ".json"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else value,
)
def test_an_output_is_not_named_as_another_format(tmp_path: Path, command: tuple[str, ...], suffix: str) -> None:
    ran = attempt(*command, "-o", str(tmp_path / "x.txt"))
    assert ran.code == 2 and "x.txt" in ran.err and f"expected: a name that ends in {suffix}\n" in ran.err
    assert f"name it x{suffix}" in ran.err and not any(tmp_path.iterdir())


def test_an_input_definition_is_named_as_yaml(tmp_path: Path) -> None:
    ran = attempt("normalize", "w.parquet", "--inputs", str(tmp_path / "inputs.json"))
    assert ran.code == 2 and "a name that ends in .yaml or .yml" in ran.err


@pytest.mark.parametrize(("name", "format"), [("x.ndjson", "parquet"), ("x.proto", "ndjson")])
def test_a_format_that_contradicts_the_name_is_refused(tmp_path: Path, name: str, format: str) -> None:
    assert f"--format is {format}" in refused(tmp_path, str(ELECTRONS), "--format", format, output=name).err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("overlp: true", "nearest: overlap"),
        ("overlap: [1, 2", "not YAML"),
        ("overlap: true\nscore: sim_fraction\noverlap: false", "'overlap' is given twice"),
        ("- overlap", "a mapping"),
        ("overlap: sometimes", "overlap"),
        ("geometry: {up: [{coefficients: [1]}]}", "geometry"),
        ("geometry: {up: [{below: 1, coefficients: [1]}], down: [{coefficients: [1]}], width: []}", "geometry"),
        ("geometry: {up: [{coefficients: [.nan]}]}", "finite number"),
        ("!!python/object/apply:os.system ['touch hacked']", "not YAML"),
    ],
    ids=["unknown", "broken", "twice", "list", "wrong", "half-geometry", "geometry-with-an-end", "nan", "python"],
)  # fmt: skip
def test_wrong_settings_files(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    assert words in refused(tmp_path, str(ELECTRONS), "-s", str(tmp_path / "s.yaml")).err


def test_no_input_matched(tmp_path: Path) -> None:
    for given in ("nothing.root", str(tmp_path), str(tmp_path / "*.root")):
        assert "no input matched" in refused(tmp_path, given).err


def test_same_file_twice(tmp_path: Path) -> None:
    link = tmp_path / "link.root"
    link.symlink_to(ELECTRONS)
    assert "twice" in refused(tmp_path, str(ELECTRONS), str(link)).err


def test_a_folder_that_cannot_be_listed_is_not_passed_over() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        (Path(name) / "open.root").touch()
        (Path(name) / "below").mkdir()
        (Path(name) / "below" / "closed.root").touch()
        Path(name).chmod(0o755)
        for given in (name, f"{name}/**/*.root"):
            assert len(input_files(given)) == 2
            (Path(name) / "below").chmod(0o700 if os.geteuid() == 0 else 0)
            with not_root(), pytest.raises(InputError, match="a folder cannot be listed"):
                input_files(given)
            (Path(name) / "below").chmod(0o755)


@contextmanager
def not_root() -> Iterator[None]:
    """As a user who may not read everything."""
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(me)


def test_same_event_in_two_files_names_both_and_an_option_keeps_the_first(tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    copy.write_bytes(ELECTRONS.read_bytes())
    ran = refused(tmp_path, str(ELECTRONS), str(copy))
    assert "is there twice" in ran.err and str(ELECTRONS) in ran.err and str(copy) in ran.err
    once, twice = tmp_path / "once.ndjson", tmp_path / "twice.ndjson"
    run("windows", str(ELECTRONS), "-o", str(once))
    ran = run("windows", str(ELECTRONS), str(copy), "-o", str(twice), "--keep-first-duplicates", "--step-events", "5")
    assert "events seen before" in ran.out and "24  left out" in ran.out
    assert once.read_bytes() == twice.read_bytes()


def test_output_folder_that_is_a_file_and_output_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.parquet").mkdir()
    assert "cannot be written" in refused(tmp_path, str(ELECTRONS), output="file/out.parquet").err
    assert "is a folder" in refused(tmp_path, str(ELECTRONS), output="folder.parquet").err
    assert "does not show a format" in refused(tmp_path, str(ELECTRONS), output="out.root").err


def test_output_that_is_an_input(tmp_path: Path) -> None:
    copy = tmp_path / "in.parquet"
    copy.write_bytes(ELECTRONS.read_bytes())
    assert "one of the inputs" in refused(tmp_path, str(copy), output="in.parquet").err
    assert copy.read_bytes() == ELECTRONS.read_bytes()
    copy.write_text("an input that is left out")
    ran = refused(tmp_path, str(ELECTRONS), str(copy), "--skip-bad-files", output="in.parquet")
    assert "one of the inputs" in ran.err and copy.read_text() == "an input that is left out"


@pytest.mark.parametrize("name", ["w.parquet", "w.ndjson", "w.ndjson.zst", "w.ndjson.gz"])
def test_disk_full_half_way(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"the old one")
    with small_files(20_000):
        ran = attempt("windows", str(ELECTRONS), "-o", str(tmp_path / name), "--overlap")
    assert ran.code == 2, ran.err
    assert "error: the output cannot be written" in ran.err and "Traceback" not in ran.err
    assert f"where:    {tmp_path / name}\n" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"the old one"


def test_nan_and_negative_energies_give_the_sentinel_and_no_label(tmp_path: Path) -> None:
    def change(columns: dict[str, Any]) -> None:
        for name, bad in {"pfCluster_rawEnergy": np.nan, "pfCluster_energy": -5.0, "pfCluster_r9": np.inf}.items():
            flat = ak.to_numpy(ak.flatten(columns[name])).copy()
            flat[::3] = bad
            columns[name] = ak.unflatten(flat, ak.num(columns[name]))

    file = tree_file(tmp_path / "unexpected.root", change)
    run("windows", str(file), "-o", str(tmp_path / "w.ndjson"), *IN_RNTUPLE, "--maxnocalow", "100")
    windows = read_ndjson(tmp_path / "w.ndjson")
    clusters = [cluster for window in windows for cluster in window["clusters"]]
    assert any(cluster["en_cluster"] == -999 for cluster in clusters)
    assert all(window["et_seed_calib"] >= 1 for window in windows)


def test_a_bad_file_stops_the_run_before_anything_is_read_or_is_skipped_and_listed(tmp_path: Path) -> None:
    (tmp_path / "bad.root").write_bytes(ELECTRONS.read_bytes()[:9000])
    photons = str(GOLDEN / "photons.root")
    refused(tmp_path, str(ELECTRONS), str(tmp_path / "bad.root"), photons)
    ran = run(
        "windows",
        str(ELECTRONS),
        str(tmp_path / "bad.root"),
        photons,
        "-o",
        str(tmp_path / "w.ndjson"),
        "--skip-bad-files",
    )
    assert "bad file left out" in ran.out and "bad.root" in ran.out and "48  of 2 files" in ran.out


def test_a_file_that_breaks_half_way_gives_nothing_at_all(tmp_path: Path) -> None:
    """Not a part of its windows: that part would depend on the size of the reading steps."""
    good = tree_file(tmp_path / "good.root")
    content = bytearray(good.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 3000] = bytes(3000)
    (tmp_path / "broken.root").write_bytes(content)
    for step in ("1", "100"):
        output = tmp_path / f"{step}.ndjson"
        ran = run("windows", str(tmp_path / "broken.root"), str(GOLDEN / "photons.root"), "-o", str(output),
                  "--skip-bad-files", "--step-events", step)  # fmt: skip
        assert "bad file left out" in ran.out
    assert (tmp_path / "1.ndjson").read_bytes() == (tmp_path / "100.ndjson").read_bytes()
    refused(tmp_path, str(tmp_path / "broken.root"))


@pytest.mark.parametrize(
    "words",
    ["validate IN", "compare IN IN", "convert IN -o OUT.parquet", "normalize IN -o OUT.json", "plot IN -o OUT",
     "reweight IN -o OUT.json", "relabel IN --wp-file flat -o OUT.parquet"],
)  # fmt: skip
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_root_file_where_windows_are_wanted_is_named_as_what_it_is(
    tmp_path: Path, words: str, is_folder: bool
) -> None:
    source = tmp_path / "dumps" if is_folder else ELECTRONS
    if is_folder:
        source.mkdir()
        (source / "x.root").symlink_to(ELECTRONS)
    line = words.replace("IN", str(source)).replace("OUT", str(tmp_path / "out"))
    ran = attempt(*line.split())
    assert ran.code == 2 and "this is a ROOT file" in ran.err and "`ecalwindows windows" in ran.err
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("source", [ELECTRONS, GOLDEN])
def test_root_files_where_tables_of_matches_are_wanted_are_named_as_what_they_are(tmp_path: Path, source: Path) -> None:
    ran = attempt("truth", "working-points", str(source), "-o", str(tmp_path / "wp.json"))
    assert ran.code == 2 and "ROOT files" in ran.err and "`ecalwindows truth match" in ran.err


def test_windows_where_a_root_file_is_wanted_are_named_as_what_they_are(tmp_path: Path) -> None:
    run("windows", str(ELECTRONS), "--events", ":1", "-o", str(tmp_path / "w.parquet"))
    ran = attempt("windows", str(tmp_path / "w.parquet"), "-o", str(tmp_path / "out.parquet"))
    assert ran.code == 2 and "`ecalwindows convert`" in ran.err


def test_internal_errors_show_no_traceback_but_say_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(pq, "ParquetWriter", broken)  # a library that fails as nobody expects
    ran = attempt("windows", str(ELECTRONS), "-o", str(tmp_path / "never.parquet"))
    assert ran.code == 70 and not list(tmp_path.iterdir())
    assert "Traceback" not in ran.err and "ECALWINDOWS_TRACEBACK=1" in ran.err


@pytest.mark.parametrize(
    ("arguments", "name", "ours"),
    [
        (("simulate", "-n", "1", "--pileup", "off", "-o"), "x.root", "file of `ecalwindows simulate`"),
        (("report", str(ELECTRONS), "-o"), "x.html", "page of `ecalwindows report`"),
        (("normalize", str(ELECTRONS), "-o"), "x.json", "factors of `ecalwindows normalize`"),
        (("normalize", str(ELECTRONS), "--inputs"), "x.yaml", "input definition of `ecalwindows normalize`"),
        (("reweight", str(ELECTRONS), "-o"), "x.json", "weights of `ecalwindows reweight`"),
        (("truth", "working-points", str(ELECTRONS), "-o"), "x.json", "map of `ecalwindows truth working-points`"),
    ],
)
@pytest.mark.parametrize("of_dumper", [False, True])
def test_a_file_that_a_command_did_not_make_is_never_replaced(
    arguments: tuple[str, ...], name: str, ours: str, of_dumper: bool, tmp_path: Path
) -> None:
    """Commands that replace their own earlier output without being asked; `tests/commands/test_faults.py` lets them."""
    place, content = tmp_path / name, ELECTRONS.read_bytes() if of_dumper else b"not to be lost"
    place.write_bytes(content)
    ran = attempt(*arguments, str(place))
    assert ran.code == 2 and "another file is there already" in ran.err and ours in ran.err
    assert place.read_bytes() == content and list(tmp_path.iterdir()) == [place]


def test_an_error_advises_no_option_that_the_command_lacks(tmp_path: Path) -> None:
    cut, text = tmp_path / "cut.root", tmp_path / "cut.ndjson.gz"
    cut.write_bytes(ELECTRONS.read_bytes()[:5000])
    text.write_bytes((GOLDEN / "electrons.A.ndjson.gz").read_bytes()[:5000])
    out = str(tmp_path / "w.parquet")
    for arguments in (("windows", str(cut), "-o", out), ("convert", str(text), "-o", out)):
        assert "--skip-bad-files" in attempt(*arguments).err
    for arguments in (("inspect", str(cut)), ("show", str(cut), "--list"), ("validate", str(text))):
        ran = attempt(*arguments)
        assert ran.code == 2 and "copy or make it again" in ran.err and "--skip-bad-files" not in ran.err
