"""Productions on dask workers: of a scheduler that is there, and of a real Slurm (tools/slurm.sh)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import command, run
from helpers.production_maker import interruptible, write_inputs, write_yaml

from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.job_state import Attempt, read_state
from ecalwindows.production.work_folder import Place

pytest.importorskip("distributed", reason="needs the extra dask")
pytestmark = pytest.mark.slurm
SCRIPT = Path(__file__).parents[2] / "tools" / "slurm.sh"
N, BAD = 8, (3,)
LIMIT = 240.0
SCHEDULER = """
import sys
import distributed
if __name__ == "__main__":
    with distributed.LocalCluster(2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0") as made:
        print(made.scheduler_address, flush=True)
        sys.stdin.read()
"""


def wait_for(what: Callable[[], Any], seconds: float = LIMIT) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := what():
            return value
        time.sleep(0.1)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A folder that every user may enter, with inputs and the dataset that a local run makes of them."""
    folder = Path(tempfile.mkdtemp(prefix="ecalwindows-slurm-", dir="/tmp"))
    folder.chmod(0o755)
    write_inputs(folder / "dumps", N, bad=BAD)
    run("production", "run", str(begun(folder, "local")), "-j", "2")
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def digest(base: Path) -> str:
    return dataset_digest(base / "local" / "dataset")


def begun(base: Path, name: str, **settings: Any) -> Path:
    """The YAML file of a production in a folder of its own."""
    (base / name).mkdir()
    samples = [{"name": "ele", "inputs": f"{base}/dumps", "flavour": 11}]
    return write_yaml(base / name / "p.yaml", samples=samples, **settings)


def place(base: Path, name: str) -> Place:
    return Place(base / name / "dataset.production")


def attempts(base: Path, name: str) -> list[Attempt]:
    """All attempts at all jobs."""
    states = (read_state(place(base, name).state(f"ele-{number:05d}")) for number in range(N))
    return [attempt for state in states if state for attempt in state.attempts]


def start(file: Path, *words: str) -> subprocess.Popen[str]:
    """A run in a process group of its own."""
    said = [sys.executable, "-m", "ecalwindows", "production", "resume", str(file), "--executor", "dask", *words]
    return subprocess.Popen(
        said,
        start_new_session=True,
        preexec_fn=interruptible,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


# ---- a scheduler that is there ----


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """The address of a scheduler with two workers, in another process."""
    (tmp_path / "scheduler.py").write_text(SCHEDULER)
    words = [sys.executable, str(tmp_path / "scheduler.py")]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.communicate(timeout=60)


def test_the_workers_of_a_scheduler_make_the_dataset_of_a_local_run(scheduler: str, base: Path, digest: str) -> None:
    file = begun(base, "address")
    ran = command("production", "submit", str(file), "--executor", "dask", "--scheduler", scheduler)
    assert ran.returncode == 0 and f"{N} inputs, 1 left out" in ran.stdout, ran.stderr
    assert f"{N} of {N} jobs" in ran.stderr and "left" in ran.stderr
    assert dataset_digest(base / "address" / "dataset") == digest
    assert {each.executor for each in attempts(base, "address")} == {"dask"}


def test_ctrl_c_ends_jobs_on_dask_workers_and_resume_goes_on(scheduler: str, base: Path, digest: str) -> None:
    file = begun(base, "stopped")
    process = start(file, "--scheduler", scheduler)
    jobs = wait_for(lambda: [each.pid for each in attempts(base, "stopped") if not each.seconds])
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 130 and "stopped: parts that are done are kept" in err, err
    assert not any(is_there(pid) for pid in jobs)
    assert not list(place(base, "stopped").scratch.iterdir())
    run("production", "resume", str(file), "-j", "0")
    assert dataset_digest(base / "stopped" / "dataset") == digest


def test_jobs_end_when_the_run_is_killed(scheduler: str, base: Path, digest: str) -> None:
    file = begun(base, "killed")
    process = start(file, "--scheduler", scheduler)
    jobs = wait_for(lambda: [each.pid for each in attempts(base, "killed") if not each.seconds])
    process.kill()
    process.communicate(timeout=LIMIT)
    wait_for(lambda: not any(is_there(pid) for pid in jobs), 20)
    run("production", "resume", str(file), "-j", "0")
    assert dataset_digest(base / "killed" / "dataset") == digest


def test_a_killed_job_is_tried_again(scheduler: str, base: Path, digest: str) -> None:
    file = begun(base, "tried")
    process = start(file, "--scheduler", scheduler)
    first = wait_for(lambda: next((each for each in attempts(base, "tried") if not each.seconds), None))
    os.kill(first.pid, signal.SIGKILL)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    assert "its process died (signal 9)" in [each.error for each in attempts(base, "tried")]
    assert dataset_digest(base / "tried" / "dataset") == digest


def test_a_scheduler_that_is_lost_is_reported(base: Path, tmp_path: Path) -> None:
    file = begun(base, "lost")
    (tmp_path / "scheduler.py").write_text(SCHEDULER)
    other = subprocess.Popen(
        [sys.executable, str(tmp_path / "scheduler.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    process = start(file, "--scheduler", other.stdout.readline().strip())
    wait_for(lambda: attempts(base, "lost"))
    other.kill()
    _, err = process.communicate(timeout=LIMIT)
    other.communicate()
    assert process.returncode == 2 and "the dask scheduler was lost" in err, err


def test_no_scheduler_is_reported(base: Path) -> None:
    words = ["production", "run", str(begun(base, "none")), "--executor", "dask", "--scheduler", "tcp://localhost:9"]
    ran = command(*words, DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT="2s")
    assert ran.returncode == 2 and "the dask scheduler cannot be reached" in ran.stderr


# ---- Slurm ----


@pytest.fixture(scope="module")
def slurm() -> Iterator[dict[str, str]]:
    """A Slurm of one machine: the environment of its clients. That it does not come up, fails the run."""
    if os.geteuid() != 0:
        pytest.skip("starting Slurm needs root")
    folder = Path(tempfile.mkdtemp(prefix="ecalwindows-slurmd-", dir="/tmp"))
    folder.chmod(0o755)
    environment = os.environ | {"SLURM_DIR": str(folder), "SLURM_CONF": str(folder / "slurm.conf")}

    def call(what: str) -> None:
        ran = subprocess.run(["bash", SCRIPT, what], env=environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    call("up")
    yield environment
    call("down")
    shutil.rmtree(folder)


@pytest.fixture
def on_slurm(slurm: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The block `dask:` of a production on it."""
    monkeypatch.setenv("SLURM_CONF", slurm["SLURM_CONF"])
    return {"cluster": "slurm", "workers": 2, "memory": "900 MB", "interface": "lo", "walltime": "00:20:00"}


def queue() -> list[str]:
    ran = subprocess.run(["squeue", "-h", "-o", "%i", "-t", "RUNNING"], capture_output=True, text=True, check=True)
    return ran.stdout.split()


def test_slurm_makes_the_dataset_of_a_local_run(on_slurm: dict[str, Any], base: Path, digest: str) -> None:
    file = begun(base, "slurm", dask=on_slurm | {"queue": "main", "job_script_prologue": ["export PROLOGUE=was-read"]})
    ran = command("production", "run", str(file), "--executor", "dask")
    assert ran.returncode == 0 and f"{N} inputs, 1 left out" in ran.stdout, ran.stderr
    assert dataset_digest(base / "slurm" / "dataset") == digest
    log = "".join(path.read_text() for path in (place(base, "slurm").work / "dask").glob("*.err"))
    assert "tls://" in log and "tcp://" not in log
    wait_for(lambda: not queue(), 30)


def test_a_batch_job_that_is_cancelled_is_replaced(on_slurm: dict[str, Any], base: Path, digest: str) -> None:
    file = begun(base, "cancelled", dask=on_slurm | {"workers": 1})
    process = start(file)
    wait_for(lambda: attempts(base, "cancelled"))
    subprocess.run(["scancel", *queue()], check=True)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    errors = [each.error for each in attempts(base, "cancelled")]
    assert len(errors) > N  # which of both processes ends first is not known: the dask worker, or its job's
    assert {"its dask worker died", "it was stopped"} & set(errors)
    assert dataset_digest(base / "cancelled" / "dataset") == digest


def test_what_slurm_refuses_is_reported_in_its_words(on_slurm: dict[str, Any], base: Path) -> None:
    ran = command(
        "production", "run", str(begun(base, "refused", dask=on_slurm | {"queue": "nope"})), "--executor", "dask"
    )
    assert ran.returncode == 2 and "invalid partition specified: nope" in ran.stderr
    assert not (base / "refused" / "dataset").exists() and not queue()
