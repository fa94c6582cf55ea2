"""Productions on one machine: complete datasets, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.cli import attempt, run
from helpers.production_maker import GARBAGE, copied, write_input, write_inputs, write_yaml
from helpers.production_runs import begun, start, wait_for

from ecalwindows.dataset.record import read_record
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.executors.local import dismiss, start_worker
from ecalwindows.production.executors.pool import Answer
from ecalwindows.production.job_state import read_state
from ecalwindows.production.work_folder import Place, read_plan

pytestmark = pytest.mark.compiled  # jobs are real ones: uncompiled they take minutes
N, BAD = 6, 3
Change = Callable[[Path], Any]


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs of which one is bad."""
    folder = tmp_path_factory.mktemp("inputs") / "dumps"
    write_inputs(folder, N, bad=(BAD,))
    return folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dumps: Path) -> Path:
    """A folder with a finished production, made by two workers."""
    base = tmp_path_factory.mktemp("finished")
    made = run("production", "run", str(begun(base, dumps)), "-j", "2")
    assert f"{N} inputs, 1 left out" in made.out
    return base


@pytest.fixture
def mine(finished: Path, tmp_path: Path) -> Iterator[Path]:
    """The YAML file of a finished production that a test may break: it is put back afterwards."""
    copied(finished, tmp_path / "kept")
    yield finished / "p.yaml"
    shutil.rmtree(finished)
    copied(tmp_path / "kept", finished)


@pytest.fixture(scope="module")
def digest(finished: Path) -> str:
    """Of the dataset of that production."""
    return dataset_digest(finished / "dataset")


def test_a_bad_input_is_counted_with_its_reason(finished: Path) -> None:
    record = read_record(finished / "dataset" / "dataset.json")
    assert [bad["name"] for bad in record.bad_inputs] == [f"dump_{BAD:03d}.root"]
    assert "ROOT file" in record.bad_inputs[0]["reason"] and str(finished) not in record.text()
    assert [each.name for each in record.inputs] == [f"dump_{n:03d}.root" for n in range(N) if n != BAD]
    assert (record.name, record.licence, [each.name for each in record.splits]) == (
        "electrons", "CC-BY-4.0", ["train", "test"],
    )  # fmt: skip


def test_what_differs_from_run_to_run_is_in_run_only(finished: Path) -> None:
    jobs = json.loads((finished / "dataset" / "run" / "jobs.json").read_text())["jobs"]
    assert len(jobs) == N and all(job["attempts"][0]["host"] for job in jobs)
    texts = [path.read_text() for path in (finished / "dataset" / "manifests").glob("*.json")]
    assert len(texts) == N and not any(os.uname().nodename in text or str(finished) in text for text in texts)


def test_no_worker_gives_the_bytes_of_two(dumps: Path, finished: Path, digest: str, tmp_path: Path) -> None:
    run("production", "run", str(begun(tmp_path, dumps)), "-j", "0")
    assert dataset_digest(tmp_path / "dataset") == digest
    assert run("production", "digest", str(finished / "dataset")).out.strip() == digest


def test_a_second_run_has_nothing_to_do(mine: Path) -> None:
    before = (mine.parent / "dataset" / "dataset.json").stat().st_ino
    assert "0 of them made now" in run("production", "run", str(mine), "-j", "0").out
    assert (mine.parent / "dataset" / "dataset.json").stat().st_ino == before


def parts(base: Path) -> Path:
    return base / "dataset.production" / "parts" / "parquet"


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def change_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Change, str]] = {
    "part-gone": (lambda base: (parts(base) / "ele-00001.train.parquet").unlink(), "ele-00001 was broken"),
    "part-cut": (lambda base: os.truncate(parts(base) / "ele-00001.train.parquet", 100), "ele-00001 was broken"),
    "one-bit": (lambda base: change_byte(parts(base) / "ele-00002.test.parquet"), "(checksum)"),
    "manifest-gone": (
        lambda base: (parts(base) / "_ecalwindows/manifests/ele-00004.parquet.json").unlink(), "is missing",
    ),
    "manifest-edited": (
        lambda base: grow(parts(base) / "_ecalwindows/manifests/ele-00004.parquet.json"), "has other content",
    ),
    "state-gone": (lambda base: (base / "dataset.production/jobs/ele-00000.json").unlink(), "1 of them made now"),
    "state-cut": (lambda base: os.truncate(base / "dataset.production/jobs/ele-00000.json", 9), "1 of them made now"),
    "half-a-plan": (
        lambda base: (base / "dataset.production/.plan.json.host.999.partial").write_bytes(b"{"), "0 of them made now",
    ),
    "untracked-part": (lambda base: (parts(base) / "ele-00077.parquet").write_bytes(b"x"), "0 of them made now"),
    "dataset-file": (
        lambda base: change_byte(base / "dataset/parquet/train/part-00000.parquet"), "finalized:",
    ),
    "dataset-gone": (lambda base: (base / "dataset").rename(base / "moved"), "finalized:"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_resume_makes_damaged_files_again(damage: str, mine: Path, digest: str) -> None:
    change, words = DAMAGE[damage]
    change(mine.parent)
    ran = run("production", "resume", str(mine), "-j", "0")
    assert words in ran.out + ran.err
    assert dataset_digest(mine.parent / "dataset") == digest
    assert not list(mine.parent.rglob("*.partial"))


def no_links(*_: object) -> None:
    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))


@pytest.mark.parametrize("has_links", [True, False])
def test_files_of_parts_get_a_second_name_in_the_dataset_or_are_copied(
    has_links: bool, mine: Path, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(mine.parent / "dataset")
    if not has_links:
        monkeypatch.setattr(os, "link", no_links)
    run("production", "resume", str(mine), "-j", "0")
    assert dataset_digest(mine.parent / "dataset") == digest
    same = {file.stat().st_ino for file in parts(mine.parent).iterdir()}
    files = list((mine.parent / "dataset").rglob("part-*.parquet"))
    assert files and all((file.stat().st_ino in same) == has_links for file in files)


def test_resume_makes_a_dataset_again_whose_files_were_not_written_as_their_parts_are(
    mine: Path, digest: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copyfile

    def copied_wrongly(source: Path, target: Path) -> None:
        copy(source, target)
        with target.open("r+b") as file:
            file.seek(20)  # windows, which are not read to make the dataset
            file.write(b"other")

    shutil.rmtree(mine.parent / "dataset")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", no_links)
        patch.setattr(shutil, "copyfile", copied_wrongly)
        run("production", "resume", str(mine), "-j", "0")
    assert dataset_digest(mine.parent / "dataset") != digest
    run("production", "resume", str(mine), "-j", "0")
    assert dataset_digest(mine.parent / "dataset") == digest


def test_changed_inputs_are_refused_by_run_and_taken_by_resume(mine: Path) -> None:
    write_input(mine.parent / "dumps" / "dump_100.root", 100)
    write_input(mine.parent / "dumps" / f"dump_{BAD:03d}.root", BAD)
    (mine.parent / "dumps" / "dump_000.root").unlink()
    refused = attempt("production", "run", str(mine), "-j", "0")
    assert refused.code == 2 and "1 added" in refused.err and "1 changed" in refused.err and "1 removed" in refused.err
    ran = run("production", "resume", str(mine), "-j", "0")
    assert "2 of them made now" in ran.out and "6 inputs\n" in ran.out
    record = read_record(mine.parent / "dataset" / "dataset.json")
    assert len(record.inputs) == N and record.bad_inputs == []


def test_other_settings_are_refused_with_the_difference(mine: Path) -> None:
    values = yaml.safe_load(mine.read_text()) | {"windows": {"maxnocalow": 3}}
    mine.write_text(yaml.safe_dump(values))
    for mode in ("run", "resume"):
        refused = attempt("production", mode, str(mine), "-j", "0")
        assert refused.code == 2 and "maxnocalow: was 2, is 3" in refused.err
    assert f"{N} of them made now" in run("production", "run", str(mine), "-j", "0", "--redo").out


def test_another_licence_is_only_finalized_again(mine: Path) -> None:
    mine.write_text(yaml.safe_dump(yaml.safe_load(mine.read_text()) | {"licence": "MIT"}))
    ran = run("production", "run", str(mine), "-j", "0")
    assert "0 of them made now" in ran.out and "finalized:" in ran.out
    assert read_record(mine.parent / "dataset" / "dataset.json").licence == "MIT"


def test_what_the_file_no_longer_says_is_not_in_the_record(mine: Path, digest: str) -> None:
    before = mine.read_text()
    said = {"licence": "MIT", "citation": "a paper", "contact": "me", "date": "2026-01-31", "derived_from": ["old@1"]}
    mine.write_text(yaml.safe_dump(yaml.safe_load(before) | said))
    run("production", "run", str(mine), "-j", "0")
    assert dataset_digest(mine.parent / "dataset") != digest
    mine.write_text(before)
    run("production", "run", str(mine), "-j", "0")
    assert dataset_digest(mine.parent / "dataset") == digest


def test_strict_refuses_a_bad_input_and_leaves_no_record(dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    ran = attempt("production", "run", str(file), "-j", "1", "--strict", "-q")
    assert ran.code == 2 and f"1 of {N} parts are not complete" in ran.err and "ele-00003.log" in ran.err
    log = Place(tmp_path / "dataset.production").log(f"ele-{BAD:05d}").read_text()
    assert "error: " in log and GARBAGE.decode() not in log
    assert len(read_plan(tmp_path / "dataset.production" / "plan.json").jobs) == N
    assert not (tmp_path / "dataset").exists()
    status = run("production", "status", str(file)).out
    assert f"dump_{BAD:03d}.root" in status and "failed: ele-00003" in status


def test_nothing_but_bad_inputs_makes_no_dataset(tmp_path: Path) -> None:
    write_inputs(tmp_path / "dumps", 2, bad=(0, 1))
    ran = attempt("production", "run", str(write_yaml(tmp_path / "p.yaml")), "-j", "0")
    assert ran.code == 2 and "none of the 2 inputs can be read" in ran.err
    assert not (tmp_path / "dataset").exists()


@pytest.mark.parametrize("format", ["ndjson", "tfrecord"])
def test_other_formats(format: str, dumps: Path, tmp_path: Path) -> None:
    run("production", "run", str(begun(tmp_path, dumps, formats=[format], files_per_job=4)), "-j", "0")
    assert read_record(tmp_path / "dataset" / "dataset.json").format == format
    assert dataset_digest(tmp_path / "dataset")


def test_several_formats_and_samples(dumps: Path, tmp_path: Path) -> None:
    samples = [
        {"name": "one", "inputs": f"{tmp_path}/dumps/dump_00[0-2].root", "flavour": 11},
        {"name": "two", "inputs": f"{tmp_path}/dumps/dump_00[3-5].root", "flavour": 22},
    ]
    file = begun(tmp_path, dumps, formats=["ndjson", "parquet"], files_per_job=2, samples=samples)
    run("production", "run", str(file), "-j", "0")
    record = read_record(tmp_path / "dataset" / "dataset.json")
    assert [form.format for form in record.forms] == ["parquet", "ndjson"] and record.windows > 0
    assert [each.name for each in record.samples] == ["one", "two"]
    assert attempt("validate", str(tmp_path / "dataset" / "ndjson")).code == 0
    damaged = tmp_path / "dataset" / record.forms[1].files[0].name
    damaged.write_bytes(b"")
    assert "finalized" in run("production", "resume", str(file), "-j", "0").out
    assert damaged.stat().st_size == record.forms[1].files[0].bytes
    assert dataset_digest(tmp_path / "dataset")


NAMES = ["a b", "it's", 'quo"te', "$(touch x)", "`x`", "new\nline", "semi;colon&|", "*", "é"]


def test_names_reach_jobs_as_data(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        write_input(tmp_path / "dumps" / f"{name}.root", number, n_events=1)
    file = write_yaml(tmp_path / "p.yaml", files_per_job=len(NAMES))
    run("production", "run", str(file), "-j", "1")
    names = [each.name for each in read_record(tmp_path / "dataset" / "dataset.json").inputs]
    assert sorted(names) == sorted(f"{name}.root" for name in NAMES)
    assert not list(tmp_path.rglob("x"))


def test_a_task_is_a_command(dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    work = tmp_path / "dataset.production"
    run("production", "plan", str(file), "-o", str(work / "plan.json"))
    for number in range(N):
        run("production", "task", str(work / "plan.json"), str(number))
    assert "0 of them made now" in run("production", "run", str(file), "-j", "0").out
    refused = attempt("production", "task", str(work / "plan.json"), str(N))
    assert refused.code == 2 and f"there is no job {N}" in refused.err


def test_a_task_refuses_an_input_that_changed_since_the_plan(dumps: Path, tmp_path: Path) -> None:
    plan = tmp_path / "work" / "plan.json"
    run("production", "plan", str(begun(tmp_path, dumps)), "-o", str(plan))
    (tmp_path / "dumps" / "dump_000.root").unlink()
    write_input(tmp_path / "dumps" / "dump_001.root", 50)
    for number, words in (("0", "an input is gone"), ("1", "an input has changed")):
        ran = attempt("production", "task", str(plan), number)
        assert ran.code == 2 and words in ran.err


def test_checksums_are_in_plan_and_record(dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    run("production", "run", str(file), "-j", "0", "--checksums")
    for path in (tmp_path / "dumps").iterdir():
        path.touch()
    assert "0 of them made now" in run("production", "run", str(file), "-j", "0").out
    assert all(each.sha256 for each in read_record(tmp_path / "dataset" / "dataset.json").inputs)


def test_an_output_that_holds_something_else_is_refused(dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "thesis.tex").write_text("precious")
    ran = attempt("production", "run", str(file), "-j", "0")
    assert ran.code == 2 and "the output holds something else" in ran.err
    assert (tmp_path / "dataset" / "thesis.tex").read_text() == "precious"


def test_what_somebody_put_beside_the_dataset_is_not_removed_with_it(mine: Path) -> None:
    notes = mine.parent / "dataset" / "notes.txt"
    notes.write_text("precious")
    mine.write_text(mine.read_text().replace("CC-BY-4.0", "MIT"))
    ran = attempt("production", "run", str(mine), "-j", "0")
    assert ran.code == 2 and "notes.txt" in ran.err and "move that elsewhere" in ran.err
    assert notes.read_text() == "precious"


def test_a_record_that_cannot_be_read_is_reported_with_the_way_out(mine: Path, digest: str) -> None:
    (mine.parent / "dataset" / "dataset.json").write_text("garbage")
    ran = attempt("production", "resume", str(mine), "-j", "0")
    assert ran.code == 2 and "remove the folder of the dataset" in ran.err
    shutil.rmtree(mine.parent / "dataset")
    run("production", "resume", str(mine), "-j", "0")
    assert dataset_digest(mine.parent / "dataset") == digest


@pytest.mark.parametrize("work", ["dataset", "dataset/work"])
def test_a_work_folder_in_the_dataset_is_refused_before_jobs_run(work: str, dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps, work_folder=str(tmp_path / work))
    ran = attempt("production", "run", str(file), "-j", "0")
    assert ran.code == 2 and "the work folder is in the folder of the dataset" in ran.err
    assert not (tmp_path / "dataset").exists()


def test_the_plan_is_reported_with_sizes_and_jobs(dumps: Path, tmp_path: Path) -> None:
    out = run("production", "plan", str(begun(tmp_path, dumps)), "--jobs", "--estimate").out
    assert f"ele{N:>31}" in out and "job 5: ele-00005" in out and "time of one processor" in out
    assert not (tmp_path / "dataset.production").exists()


def test_an_estimate_is_of_all_formats(dumps: Path, tmp_path: Path) -> None:
    """A production of NDJSON was refused for the features definition that it does not have."""
    formats = ["ndjson", "tfrecord", "parquet"]
    out = run("production", "plan", str(begun(tmp_path, dumps, formats=formats)), "--estimate").out
    assert "time of one processor" in out and "ele" in out


def test_status_and_report_of_a_finished_production(mine: Path) -> None:
    status = run("production", "status", str(mine), "--watch").out
    assert f"all{N:>31}         0         0         0" in status and "the dataset is finished" in status
    report = run("production", "report", str(mine), "--plot", str(mine.parent / "jobs.png")).out
    assert f"jobs done{N:>27}" in report and (mine.parent / "jobs.png").stat().st_size > 1000


def test_pictures_go_into_new_folders_too_and_wrong_names_are_reported(mine: Path) -> None:
    run("production", "report", str(mine), "--plot", str(mine.parent / "new" / "jobs.svg"))
    assert (mine.parent / "new" / "jobs.svg").is_file()
    ran = attempt("production", "report", str(mine), "--plot", str(mine.parent / "jobs.txt"))
    assert ran.code == 2 and "cannot be written as '.txt'" in ran.err, ran.err
    run("production", "report", str(mine), "--plot", str(mine.parent / "new" / "jobs.svg"))
    (mine.parent / "new" / "jobs.svg").write_text("<svg/>")
    ran = attempt("production", "report", str(mine), "--plot", str(mine.parent / "new" / "jobs.svg"))
    assert ran.code == 2 and "another file is there already" in ran.err and not ran.out


def test_status_names_the_inputs_to_blame_and_that_nobody_goes_on(tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "dumps", 3)
    shutil.copy(paths[1], tmp_path / "dumps" / "again.root")
    file = write_yaml(tmp_path / "p.yaml", files_per_job=10)
    assert attempt("production", "run", str(file), "-j", "0").code == 2
    reported = run("production", "status", str(file), "--watch").out
    assert "failed: ele-00000: event" in reported and "is there twice" in reported and "nobody runs it" in reported
    inputs = [line.rpartition("/")[2] for line in reported.splitlines() if line.startswith("  input: ")]
    assert inputs == ["again.root", "dump_001.root"]


@pytest.mark.parametrize("settings", [{}, {"merge": 2}, {"kind": "matches", "splits": {}}], ids=str)
def test_the_same_events_in_two_jobs_are_reported_with_their_inputs(settings: dict[str, Any], tmp_path: Path) -> None:
    paths = write_inputs(tmp_path / "dumps", 4)
    shutil.copy(paths[0], tmp_path / "dumps" / "last.root")
    file = write_yaml(tmp_path / "p.yaml", **settings)
    ran = attempt("production", "run", str(file), "-j", "0")
    assert ran.code == 2 and not (tmp_path / "dataset").exists()
    reported = ran.err.partition("  next:")
    assert (
        "/dump_000.root'" in reported[0] and "/last.root'" in reported[0] and "leave the inputs out" in reported[2]
    ), ran.err
    (tmp_path / "dumps" / "last.root").unlink()
    assert "finalized" in run("production", "resume", str(file), "-j", "0").out


def test_folders_and_links_to_nothing_that_are_called_root(dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps, files_per_job=10)
    (tmp_path / "dumps" / "folder.root").mkdir()
    (tmp_path / "dumps" / "link.root").symlink_to(tmp_path / "nothing")
    out = run("production", "run", str(file), "-j", "0").out
    assert f"{N + 1} inputs, 2 left out" in out and "link.root: it is not a file" in out


# ---- processes that die ----


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def killed(file: Path, after: float, *, group: bool) -> None:
    """Start a run and kill -9 its parent, or all of its processes, after some seconds; all must be gone then."""
    process = start(file)
    time.sleep(after)
    workers = children(process.pid) if process.poll() is None else []
    if group and process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.communicate()
    wait_for(lambda: not any(is_there(worker) for worker in workers), 5.0)


def killed_alone(file: Path, after: float) -> None:
    """The same with a run of one process, which has all modules already."""
    child = os.fork()
    if child == 0:
        attempt("production", "resume", str(file), "-j", "0", "-q")
        os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def check_after_kill(base: Path, dumps: Path, digest: str, kill: Callable[[Path], None], times: int = 1) -> None:
    file = begun(base, dumps)
    for _ in range(times):
        kill(file)
    run("production", "resume", str(file), "-j", "0")
    assert dataset_digest(base / "dataset") == digest
    assert not list((base / "dataset.production" / "scratch").iterdir())
    assert not list(base.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True], ids=["the-parent", "the-group"])
def test_after_kill_9_resume_gives_the_same_dataset(group: bool, dumps: Path, digest: str, tmp_path: Path) -> None:
    check_after_kill(tmp_path, dumps, digest, lambda file: killed(file, 1.8, group=group))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kill_9_at_random_moments(seed: int, dumps: Path, digest: str, tmp_path: Path) -> None:
    """Of the parent (6 seeds), of it and its workers (4), and of runs of one process, where more of them are cheap."""
    draw = random.Random(seed)
    if seed < 10:
        group = seed >= 6
        check_after_kill(tmp_path, dumps, digest, lambda file: killed(file, draw.uniform(0.3, 4.0), group=group), 2)
    else:
        check_after_kill(tmp_path, dumps, digest, lambda file: killed_alone(file, draw.uniform(0.0, 0.6)), 4)


def test_a_killed_worker_is_replaced_and_ctrl_c_ends_all(dumps: Path, digest: str, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    process, place = start(file, workers=1), Place(tmp_path / "dataset.production")
    (worker,) = wait_for(lambda: children(process.pid))
    first = place.state("ele-00000")
    wait_for(first.exists)
    os.kill(process.pid, signal.SIGSTOP)  # it lives, but is slow
    for mode in ("run", "resume"):
        second = attempt("production", mode, str(file), "-j", "0")
        assert second.code == 2 and f"process {process.pid} on {os.uname().nodename}" in second.err
    os.kill(process.pid, signal.SIGCONT)
    os.kill(worker, signal.SIGKILL)
    (other,) = wait_for(lambda: [pid for pid in children(process.pid) if pid != worker])
    wait_for(place.state("ele-00001").exists)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "stopped: parts that are done are kept" in err
    assert not is_there(other) and not list(place.scratch.iterdir())
    assert place.lock.read_text() == ""
    run("production", "resume", str(file), "-j", "0")
    assert dataset_digest(tmp_path / "dataset") == digest
    states = [read_state(place.state(f"ele-{n:05d}")) for n in range(2)]
    errors = [each.error for state in states if state for each in state.attempts]
    assert any("signal 9" in (error or "") for error in errors)


def test_a_worker_that_the_batch_system_ends_says_so_wherever_it_was(finished: Path) -> None:
    worker = start_worker(Place(finished / "dataset.production"))
    status = Path(f"/proc/{worker.process.pid}/status")
    wait_for(lambda: int(re.findall(r"SigCgt:\s*(\w+)", status.read_text())[0], 16) >> signal.SIGTERM - 1 & 1)
    worker.process.terminate()  # it imports libraries, or waits for a job
    answer = worker.answer()
    dismiss([worker])
    assert answer == Answer(error="it was stopped", again=True, lost=True)


def test_a_full_disk_and_a_vanished_folder_are_reported(dumps: Path, tmp_path: Path) -> None:
    file = begun(tmp_path, dumps)
    folder = parts(tmp_path)
    folder.parent.mkdir(parents=True)
    folder.write_text("in the way of the folder")  # stands for a folder that cannot be written
    ran = attempt("production", "run", str(file), "-j", "0")
    assert ran.code == 2 and "cannot be written" in ran.err, ran.err
    assert not (tmp_path / "dataset").exists()
    folder.unlink()
    run("production", "resume", str(file), "-j", "0")


def check_report(base: Path, digest: str, **settings: Any) -> None:
    """A production with a report: it is in the record, and the digest is that of the same without."""
    base.mkdir()
    run("production", "run", str(write_yaml(base / "p.yaml", report=True, **settings)), "-j", "0", "-q")
    dataset = base / "dataset"
    assert dataset_digest(dataset) == digest
    page = next(dataset.rglob("report.html"))
    assert digest in page.read_text() and str(base) not in page.read_text()
    run("validate", str(dataset))
    run("log", "note", str(dataset), "a note")
    pages = [each.name for each in read_record(page.parent / "dataset.json").pages]
    assert page.relative_to(dataset).as_posix() in pages
    page.write_text("changed")
    assert attempt("validate", str(dataset)).code == 1


def test_a_report_is_in_the_record_and_the_digest_is_that_without(dumps: Path, digest: str, tmp_path: Path) -> None:
    samples = [{"name": "ele", "inputs": [str(dumps)], "flavour": 11}]
    check_report(tmp_path / "with", digest, samples=samples)


@pytest.mark.slow
def test_a_report_in_the_layout_flat_is_in_the_record_too(dumps: Path, tmp_path: Path) -> None:
    samples = [{"name": "ele", "inputs": [str(dumps / "dump_000.root")], "flavour": 11}]
    settings: dict[str, Any] = {"samples": samples, "layout": "flat", "splits": {}}
    run("production", "run", str(write_yaml(tmp_path / "p.yaml", **settings)), "-j", "0", "-q")
    check_report(tmp_path / "with", dataset_digest(tmp_path / "dataset"), **settings)


def test_splits_may_be_changed_without_making_parts_again(mine: Path, digest: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in parts(mine.parent).rglob("*") if path.is_file()}
    for splits in ({"a": "1/3", "b": "2/3"}, {}, {"train": 0.5, "test": 0.5}):
        write_yaml(mine, splits=splits)
        assert "0 of them made now" in run("production", "resume", str(mine), "-j", "0").out
        record = read_record(mine.parent / "dataset" / "dataset.json")
        assert [split.name for split in record.splits] == [*splits]
    assert dataset_digest(mine.parent / "dataset") == digest
    assert {path: path.stat().st_mtime_ns for path in parts(mine.parent).rglob("*") if path.is_file()} == before
