"""No command writes over what it reads, or over a file of another program that has the name of one of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from helpers.cli import attempt, commands, run
from helpers.golden_files import GOLDEN
from helpers.matches_maker import toy, write_table
from helpers.reweight import dataset
from helpers.reweight import toy as reweighted
from helpers.streams import DEFINITION

from ecalwindows.cli.main import cli
from ecalwindows.cli.types import WRITTEN, HomePath
from ecalwindows.commands.windows import write_windows
from ecalwindows.core.errors import OutputError

ELECTRONS = str(GOLDEN / "electrons.root")
SAMPLE = str(files("ecalwindows") / "data" / "samples" / "electrons.root")

READ_AND_WRITTEN = {
    "settings": ("windows", "d.root", "-s", "x", "-o", "x", "--format", "ndjson"),
    "settings, output first": ("windows", "-o", "x", "-s", "x", "d.root"),
    "one of several outputs": ("windows", "d.root", "-o", "w.parquet", "-o", "x", "-s", "x"),
    "working points": ("windows", "d.root", "--wp-file", "x", "-o", "x", "--format", "parquet"),
    "definition": ("windows", "d.root", "-f", "x", "-o", "x", "--format", "parquet"),
    "weights": ("convert", "w.parquet", "-w", "x", "-o", "x", "--format", "tfrecord"),
    "definition of convert": ("convert", "w.parquet", "-f", "x", "-o", "x", "--format", "parquet"),
    "new working points": ("relabel", "w.parquet", "--wp-file", "x", "-o", "x", "--overwrite"),
    "settings of matches": ("truth", "match", "d.root", "-s", "x", "-o", "x"),
    "scores": ("report", "w.parquet", "--scores", "x", "-o", "x"),
    "conditions": ("simulate", "--conditions", "x", "-o", "x"),
    "settings of a picture": ("show", "d.root", "--event", "1", "-s", "x", "-o", "x"),
    "test tables": ("truth", "working-points", "m.parquet", "--test", "x", "-o", "x"),
    "check datasets": ("reweight", "w.parquet", "--check", "x", "-o", "x"),
    "production": ("production", "plan", "x", "-o", "x"),
}


@pytest.mark.parametrize("name", READ_AND_WRITTEN)
def test_what_is_read_is_not_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x").write_text("a: b")
    ran = attempt(*READ_AND_WRITTEN[name])
    assert ran.code == 2 and "error: the output is one of the inputs" in ran.err
    assert os.listdir() == ["x"] and Path("x").read_text() == "a: b"


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_nor_under_another_name(
    link: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").touch()
    link("s.yaml", "w.parquet")
    ran = attempt("windows", "d.root", "-s", "s.yaml", "-o", "w.parquet")
    assert ran.code == 2 and "error: the output is one of the inputs" in ran.err


def test_nor_is_a_file_that_settings_name(tmp_path: Path) -> None:
    place = tmp_path / "wp.ndjson"
    place.write_bytes(before := (GOLDEN / "wp_test.json").read_bytes())
    with pytest.raises(OutputError, match="the output is one of the inputs"):
        write_windows(ELECTRONS, place, {"wp_file": place})
    assert place.read_bytes() == before


def test_the_names_of_options_that_are_outputs_are_known() -> None:
    """`condor` writes into a folder only."""

    options = [each for command in commands(cli) for each in command.params if isinstance(each.type, HomePath)]
    assert {each.name for each in options if "-o" in each.opts} - {"outputdir"} == WRITTEN - {"definition", "plot"}


def test_factors_and_input_definition_are_two_files(tmp_path: Path) -> None:
    ran = attempt("normalize", "w.parquet", "-o", str(tmp_path / "n"), "--inputs", str(tmp_path / "n"))
    assert ran.code == 2 and "error: two outputs have this file" in ran.err


def test_an_input_in_a_folder_that_is_replaced(tmp_path: Path) -> None:
    """Working points, factors and weights would go with it, as datasets would."""
    out = tmp_path / "ds"
    run("windows", ELECTRONS, "-o", str(tmp_path / "parts" / "a.parquet"), "--events", ":4", "-q")
    run("finalize", str(tmp_path / "parts"), "-o", str(out), "-q")
    (out / "x.json").write_bytes((GOLDEN / "wp_test.json").read_bytes())
    for command, option in (("relabel", "--wp-file"), ("finalize", "--normalisation"), ("finalize", "--reweighting")):
        ran = attempt(command, str(tmp_path / "parts"), option, str(out / "x.json"), "-o", str(out), "--overwrite")
        assert ran.code == 2 and "x.json is in the output, which would be replaced" in ran.err


FOLDERS: dict[str, Sequence[str]] = {
    "truth window-size": ("truth", "window-size", "{in}/m.parquet", "-o", "{out}", "--shares", "80,90"),
    "truth working-points": (
        "truth", "working-points", "{in}/toy.parquet", "-o", "{new}/wp.json", "--folder", "{out}", "--min-entries", "2",
        "--bootstrap", "2", "--et-bins", "1,60,500", "--eta-bins", "0,3",
    ),
    "reweight": (
        "reweight", "{in}/e.parquet", "{in}/p.parquet", "-o", "{new}/w.json", "--study", "{out}", "--eta-bins", "1",
        "--ncls-bins", "1", "--et-bins", "1",
    ),
    "simulate --validate": ("simulate", "--validate", "{out}", "-n", "20", "--pileup", "off", "-j", "1"),
    "compare --plots": ("compare", "{in}/w.parquet", "{in}/w.parquet", "--plots", "{out}"),
}  # fmt: skip


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("inputs")
    run("truth", "match", ELECTRONS, "-o", str(base / "m.parquet"), "-q")
    few = {"features_dict": DEFINITION.groups, "hits_indices": DEFINITION.hits}  # each column is a figure
    (base / "few.json").write_text(json.dumps(few))
    run("windows", ELECTRONS, "-o", str(base / "w.parquet"), "-f", str(base / "few.json"), "-q")
    dataset(base / "e.parquet", reweighted(11, 5000, 1))
    dataset(base / "p.parquet", reweighted(22, 5000, 2))
    write_table(base / "toy.parquet", toy(12_000, lambda et, eta: np.full(np.shape(et), 1e-3)))
    return base


@pytest.mark.parametrize("name", FOLDERS)
def test_a_fixed_name_in_a_folder_replaces_only_what_an_earlier_run_left(
    name: str, inputs: Path, tmp_path: Path
) -> None:
    """Each file of a run, alone in a folder with another content, is refused; files of other names do not matter."""

    def words(out: Path) -> list[str]:
        return [word.format(out=out, new=tmp_path, **{"in": inputs}) for word in FOLDERS[name]]

    own, foreign = tmp_path / "own", tmp_path / "foreign"
    own.mkdir()
    (own / "notes.txt").touch()
    assert attempt(*words(own)).code in (0, 1)
    written = sorted({path.name for path in own.iterdir()} - {"notes.txt"})
    assert attempt(*words(own)).code in (0, 1) and written
    for file in written:
        foreign.mkdir()
        (foreign / file).write_text("mine")
        ran = attempt(*words(foreign))
        assert ran.code == 2 and "error: another file is there already" in ran.err and str(foreign / file) in ran.err
        assert os.listdir(foreign) == [file] and (foreign / file).read_text() == "mine"
        (foreign / file).unlink()
        foreign.rmdir()


def test_a_demo_replaces_demos_only(tmp_path: Path) -> None:
    run("windows", ELECTRONS, "-o", str(tmp_path / "windows.parquet"), "--events", ":4", "-q")
    before = (tmp_path / "windows.parquet").read_bytes()
    ran = attempt("demo", "-o", str(tmp_path))
    assert ran.code == 2 and "error: another file is there already" in ran.err
    assert (tmp_path / "windows.parquet").read_bytes() == before and not (tmp_path / "window.png").exists()
    run("windows", SAMPLE, "-o", str(tmp_path / "windows.parquet"), "--events", ":4", "-q")  # of the sample of a demo
    run("demo", "-o", str(tmp_path))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "window.png").touch()
    assert "error: another file is there already" in attempt("demo", "-o", str(tmp_path / "other")).err


def test_a_plan_replaces_plans_only(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    ran = attempt("production", "plan", "p.yaml", "-o", str(tmp_path / "notes"))
    assert ran.code == 2 and "a plan of `ecalwindows production`" in ran.err
    (tmp_path / "p.yaml").write_text(
        f"name: p\nsamples: [{{name: e, inputs: [{ELECTRONS}]}}]\noutput: {tmp_path}/ds\nfiles_per_job: 1\n"
    )
    for _ in range(2):
        run("production", "plan", str(tmp_path / "p.yaml"), "-o", str(tmp_path / "plan.json"))
