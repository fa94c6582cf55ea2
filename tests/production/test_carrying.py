"""Jobs that see none of the user's files: packed, done elsewhere, and taken home."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import attempt, run
from helpers.golden_files import GOLDEN
from helpers.limits import small_files
from helpers.production_maker import write_inputs, write_yaml
from helpers.tar_files import unpack

from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.job_state import read_state
from ecalwindows.production.work_folder import Place, read_plan

UNUSUAL = ("with blank, comma and 'quotes\".root", "$(x) `y` %s ;.root", "two\nlines.root")


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A folder that jobs elsewhere do not see."""
    folder = tmp_path / "ours $(x)"
    for path, name in zip(write_inputs(folder / "dumps", 4, bad=(2,)), UNUSUAL, strict=False):
        path.rename(path.with_name(name))
    shutil.copyfile(GOLDEN / "wp_test.json", folder / "work, $(ing) points.json")
    return folder


def begun(folder: Path, **settings: Any) -> Place:
    """A production whose submit files are written."""
    windows = {"maxnocalow": 2, "wp_file": f"{folder}/work, $(ing) points.json"}
    values = {"files_per_job": 2, "windows": windows, "htcondor": {"files": "transfer"}} | settings
    run("production", "submit", str(write_yaml(folder / "p.yaml", **values)), "--dry-run")
    return Place(folder / "dataset.production")


def transferred(place: Place, number: int, scratch: Path) -> Path:
    """What HTCondor does: all that goes along, at the top of a folder of the job."""
    submitted = place.work / "htcondor" / "dry-run"
    part = read_plan(place.plan).jobs[number].part
    shutil.copytree(submitted / "carried" / part, scratch)
    shutil.copy(submitted / "carried" / "common.tar.gz", scratch)
    return scratch


def test_jobs_elsewhere_make_the_dataset_of_a_local_run(ours: Path, tmp_path: Path) -> None:
    place = begun(ours)
    for number in (1, 0):
        scratch = transferred(place, number, tmp_path / f"job{number}")
        shutil.move(ours, tmp_path / "hidden")
        run("production", "carried", str(scratch))
        shutil.move(tmp_path / "hidden", ours)
        out = run("production", "take", str(place.plan), str(number), str(scratch / "result.tar")).out
        assert out.startswith(f"taken: ele-0000{number}: ") and not (scratch / "result.tar").exists()
    run("production", "finish", str(place.work))
    made = dataset_digest(ours / "dataset")
    state = read_state(place.state("ele-00001"))
    assert state is not None and [bad.path for bad in state.bad] == [f"{ours}/dumps/two\nlines.root"]
    run("production", "run", str(ours / "p.yaml"), "-j", "0", "--redo")
    assert made == dataset_digest(ours / "dataset")


def test_no_name_of_an_input_is_in_a_submit_file(ours: Path) -> None:
    folder = begun(ours).work / "htcondor" / "dry-run"
    assert not any("dumps" in path.read_text() for path in folder.glob("*.*"))
    assert sorted(path.name for path in folder.rglob("input*")) == [
        "input-0000",
        "input-0000",
        "input-0001",
        "input-0001",
    ]


def test_jobs_without_results_are_reported(ours: Path) -> None:
    place = begun(ours)
    ran = attempt("production", "take", str(place.plan), "0", "nothing.tar", "--code", "-9")
    assert ran.code == 1 and "the job ended with -9 and nothing came back" in ran.err
    assert "failed: ele-00000" in run("production", "status", str(ours / "p.yaml")).out


def test_a_full_disk_at_home_is_reported_and_what_came_back_is_kept(ours: Path, tmp_path: Path) -> None:
    place = begun(ours)
    scratch = transferred(place, 0, tmp_path / "job")
    run("production", "carried", str(scratch))
    words = ("production", "take", str(place.plan), "0", str(scratch / "result.tar"))
    with small_files(2_000):
        ran = attempt(*words)
    assert ran.code == 2 and "what came back from ele-00000 cannot be unpacked: File too large" in ran.err
    state = read_state(place.state("ele-00000"))
    assert state is not None and state.outcome == "failed" and "cannot be unpacked" in (state.error or "")
    assert run(*words).out.startswith("taken: ele-00000: ")


def test_a_job_that_fails_reports_why_at_home(ours: Path, tmp_path: Path) -> None:
    place = begun(ours, strict=True)
    scratch = transferred(place, 1, tmp_path / "job")
    ran = attempt("production", "carried", str(scratch))
    assert ran.code != 0
    archive = str(scratch / "result.tar")
    assert attempt("production", "take", str(place.plan), "1", archive, "--code", str(ran.code)).code == ran.code
    state = read_state(place.state("ele-00001"))
    assert state is not None and state.outcome == "failed" and "ROOT" in str(state.error)


def test_a_part_that_comes_back_broken_is_not_taken(ours: Path, tmp_path: Path) -> None:
    place = begun(ours)
    scratch = transferred(place, 0, tmp_path / "job")
    run("production", "carried", str(scratch))
    unpack(scratch / "result.tar", tmp_path / "opened")
    part = next((tmp_path / "opened" / "parts").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    with tarfile.open(scratch / "result.tar", "w") as archive:
        archive.add(tmp_path / "opened", ".")
    ran = attempt("production", "take", str(place.plan), "0", str(scratch / "result.tar"))
    assert ran.code != 0 and "a part came back broken" in ran.err
    assert not place.parts("parquet").exists()


def test_inputs_that_changed_while_the_job_ran_are_noticed(ours: Path, tmp_path: Path) -> None:
    place = begun(ours)
    scratch = transferred(place, 0, tmp_path / "job")
    run("production", "carried", str(scratch))
    write_inputs(ours / "dumps", 1)[0].rename(ours / "dumps" / UNUSUAL[1])
    ran = attempt("production", "take", str(place.plan), "0", str(scratch / "result.tar"))
    assert ran.code != 0 and "an input has changed since the plan was made" in ran.err
