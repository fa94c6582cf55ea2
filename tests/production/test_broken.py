"""What can break under a production on one machine: each a clear word, no damage, and `resume` makes the rest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.cli import Ran, attempt, command, run
from helpers.limits import small_files
from helpers.production_maker import write_inputs
from helpers.production_runs import begun, wait_for

from ecalwindows.core.jit import wanted_folder
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.work_folder import Place

pytestmark = pytest.mark.compiled  # jobs are real ones: uncompiled they take minutes
N = 4
CACHE = {"NUMBA_CACHE_DIR": str(wanted_folder())}
"""What is compiled already is on another disk."""


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs") / "dumps"
    write_inputs(folder, N)
    return folder


@pytest.fixture(scope="module")
def digest(dumps: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the dataset of an undisturbed run."""
    base = tmp_path_factory.mktemp("undisturbed")
    run("production", "run", str(begun(base, dumps)), "-j", "0")
    return dataset_digest(base / "dataset")


def check_resumed(file: Path, digest: str, work: Path | None = None) -> None:
    """`resume` makes the dataset, and nothing is left of what broke."""
    run("production", "resume", str(file), "-j", "0")
    assert dataset_digest(file.parent / "dataset") == digest
    assert not list(file.parent.rglob("*.partial"))
    assert not list(((work or file.parent / "dataset.production") / "scratch").iterdir())


@pytest.mark.parametrize("workers", ["0", pytest.param("2", marks=pytest.mark.slow)])
def test_files_that_may_not_grow_as_on_a_full_disk(workers: str, dumps: Path, digest: str, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    with small_files(20_000):
        ran = attempt("production", "run", str(file), "-j", workers)
    assert ran.code == 2 and "cannot be written: File too large" in ran.err, ran.err
    assert not (tmp_path / "dataset").exists()
    check_resumed(file, digest)


@pytest.mark.slow  # its subject is compiling
def test_half_a_cache_of_compiled_code_is_never_left(
    dumps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    file = begun(tmp_path, dumps, files_per_job=N, max_retries=0)
    with small_files(20_000):
        ran = command("production", "run", str(file), "-j", "1")
    assert ran.returncode == 2 and "which compile again: [Errno 27]" in ran.stderr, ran.stderr
    assert "ele-00000: failed: " in ran.stderr and "File too large" in ran.stderr.partition("ele-00000: failed: ")[2]
    left = [path for path in (tmp_path / "dataset.production" / "numba").rglob("*") if path.is_file()]
    assert all(path.stat().st_size < 20000 for path in left), left  # nothing is cut off
    (tmp_path / "dataset.production" / "numba" / ".half.partial").mkdir(parents=True)  # as kill -9 leaves it
    ran = command("production", "resume", str(file), "-j", "1")
    assert ran.returncode == 0, ran.stderr
    assert [path.name[0] == "." for path in (tmp_path / "dataset.production" / "numba").iterdir()] == [False]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_full(dumps: Path, digest: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        file = begun(tmp_path, dumps, work_folder=f"{disk}/work")
        ran = attempt("production", "run", str(file), "-j", "1")
        assert ran.code == 2 and "No space left on device" in ran.err, ran.err
        assert not (tmp_path / "dataset").exists()
        subprocess.run(["mount", "-o", "remount,size=60m", disk], check=True)
        check_resumed(file, digest, disk / "work")
    finally:
        subprocess.run(["umount", disk], check=True)


def run_until(file: Path, event: Callable[[], object], action: Callable[[], object]) -> Ran:
    """What a run prints during which something happens after an event."""

    def watch() -> None:
        wait_for(event)
        action()

    watcher = threading.Thread(target=watch)
    watcher.start()
    ran = attempt("production", "resume", str(file), "-j", "1", "-q")
    watcher.join()
    return ran


@pytest.mark.slow  # one folder that vanishes is in the test below
def test_a_work_folder_that_vanishes_in_the_middle(dumps: Path, digest: str, tmp_path: Path) -> None:
    file, work = begun(tmp_path, dumps), tmp_path / "dataset.production"
    ran = run_until(file, (work / "jobs" / "ele-00001.json").exists, lambda: work.rename(tmp_path / "moved"))
    assert ran.code == 2 and "expected:" in ran.err and "Traceback" not in ran.err, ran.err
    assert not (tmp_path / "dataset").exists()
    shutil.rmtree(work, ignore_errors=True)
    (tmp_path / "moved").rename(work)
    check_resumed(file, digest)


def test_a_folder_of_outputs_that_vanishes_in_the_middle(dumps: Path, digest: str, tmp_path: Path) -> None:
    file, place = begun(tmp_path, dumps), Place(tmp_path / "dataset.production")
    moved = tmp_path / "moved"
    ran = run_until(file, place.state("ele-00002").exists, lambda: place.parts("parquet").rename(moved))
    assert ran.code == 2 and "parts are not complete: no dataset was made" in ran.err, ran.err
    assert not (tmp_path / "dataset").exists()
    check_resumed(file, digest)


def test_a_plan_that_was_edited_is_refused_until_it_is_put_back(dumps: Path, digest: str, tmp_path: Path) -> None:
    file, place = begun(tmp_path, dumps), Place(tmp_path / "dataset.production")
    run("production", "run", str(file), "-j", "0")
    complete = place.plan.read_text()
    content = json.loads(complete)
    content["plan"]["jobs"].pop()
    for text, words in ((json.dumps(content), "the plan was edited"), (complete[:-100], "the plan cannot be read")):
        place.plan.write_text(text)
        for words_given in (
            ["run", str(file), "-j", "0"],
            ["resume", str(file), "-j", "0"],
            ["task", str(place.plan), "0"],
        ):
            refused = attempt("production", *words_given)
            assert refused.code == 2 and words in refused.err and "next:" in refused.err
        assert dataset_digest(tmp_path / "dataset") == digest
    place.plan.write_text(complete)
    assert "0 of them made now" in run("production", "resume", str(file), "-j", "0").out
