"""Productions on a real HTCondor pool (tools/htcondor-pool.sh): from `submit` to a finished dataset."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from production_maker import write_inputs, write_yaml
from test_cli import run

import ecalwindows
from ecalwindows.production.condor import STATES
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.place import Place
from ecalwindows.production.state import JobState, read_state

pytestmark = pytest.mark.htcondor
SCRIPT = Path(__file__).parents[2] / "tools" / "htcondor-pool.sh"
N, BAD = 12, (4, 9)
LIMIT = 180.0


@dataclass(frozen=True)
class Pool:
    """A running pool; commands run inside it, as the user to whom jobs belong."""

    environment: dict[str, str]
    client: str

    def call(self, what: str) -> None:
        """`up` or `down`; that it fails, fails the run: nothing is skipped silently."""
        ran = subprocess.run(["bash", SCRIPT, what], env=self.environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        said = ["bash", str(SCRIPT), "exec", "env", f"CONDOR_CONFIG={self.client}", "PYTHONDONTWRITEBYTECODE=1", *words]
        return subprocess.run(
            said, env=self.environment, cwd="/", capture_output=True, text=True, check=False, timeout=LIMIT
        )

    def production(self, *words: str) -> subprocess.CompletedProcess[str]:
        """An `ecalwindows production` command."""
        return self.inside(sys.executable, "-m", "ecalwindows", "production", *words)

    def submit(self, *words: str) -> int:
        """Submit; the cluster of the DAG."""
        ran = self.production("submit", *words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return int(ran.stdout.partition(": DAG ")[2].split()[0])

    def jobs(self, cluster: int) -> list[tuple[int, str]]:
        """The jobs of a DAG in the queue, and how they stand."""
        rows = self.inside("condor_q", "-const", f"DAGManJobId == {cluster}", "-af", "ClusterId", "JobStatus")
        return [(int(row.split()[0]), STATES[int(row.split()[1])]) for row in rows.stdout.splitlines()]

    def wait(self, cluster: int) -> int:
        """Wait until a DAG has left the queue; its exit code."""
        wait_for(lambda: not self.inside("condor_q", str(cluster), "-af", "ClusterId").stdout.strip())
        rows = wait_for(lambda: self.inside("condor_history", str(cluster), "-limit", "1", "-af", "ExitCode").stdout)
        return int(rows) if rows.strip().isdecimal() else -1


def wait_for(what: Callable[[], Any], seconds: float = LIMIT) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := what():
            return value
        time.sleep(0.5)
    raise AssertionError("waited in vain")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of one machine; that of $HTC_DIR if one is up there."""
    if os.geteuid() != 0:
        pytest.skip("starting a pool needs root")
    folder = Path(os.environ.get("HTC_DIR") or tmp_path_factory.mktemp("pool"))
    source, venv = Path(ecalwindows.__file__).parents[1], Path(sys.prefix)
    binds = f"/tmp {tmp_path_factory.getbasetemp()} {source} {venv} {sys.base_prefix}"
    wanted = {"HTC_DIR": str(folder), "HTC_PORT": "19618", "HTC_BINDS": binds}
    made = Pool(wanted | os.environ, str(folder / "client.conf"))
    for parent in (folder, *folder.parents):
        if parent.is_relative_to(tmp_path_factory.getbasetemp().parent):
            parent.chmod(0o755)
    made.call("up")
    yield made
    made.call("down")


@pytest.fixture(scope="module")
def base(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that jobs may write to, with inputs and the dataset that a local run makes of them."""
    folder = tmp_path_factory.mktemp("htcondor")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    write_inputs(folder / "dumps", N, bad=BAD)
    run("production", "run", str(begun(folder, "local")))
    return folder


@pytest.fixture(scope="module")
def digest(base: Path) -> str:
    return dataset_digest(base / "local" / "dataset")


def begun(base: Path, name: str, **settings: Any) -> Path:
    """The YAML file of a production in a folder of its own, to which everybody may write."""
    folder = base / name
    folder.mkdir()
    folder.chmod(0o1777)
    samples = [{"name": "ele", "inputs": f"{base}/dumps", "flavour": 11}]
    return write_yaml(folder / "p.yaml", **({"samples": samples, "htcondor": {"request_memory": "300 MB"}} | settings))


def states(place: Place) -> list[JobState]:
    found = (read_state(path) for path in (place.work / "jobs").glob("*.json"))
    return [state for state in found if state]


def test_submit_alone_makes_the_dataset_of_a_local_run(pool: Pool, base: Path, digest: str) -> None:
    file = begun(base, "plain")
    cluster = pool.submit(str(file))
    refused = pool.production("run", str(file))
    assert refused.returncode == 2 and f"DAG {cluster}" in refused.stderr, refused.stderr
    assert pool.wait(cluster) == 0
    assert dataset_digest(base / "plain" / "dataset") == digest
    assert len(list((base / "plain" / "dataset.production" / "numba").iterdir())) == 1
    assert "0 of them made now" in pool.production("run", str(file), "-j", "1").stdout


def test_jobs_that_are_removed_or_killed_are_tried_again(pool: Pool, base: Path, digest: str) -> None:
    file = begun(base, "tried")
    cluster, place = pool.submit(str(file)), Place(base / "tried" / "dataset.production")
    running = wait_for(lambda: [job for job, state in pool.jobs(cluster) if state == "running"])
    pool.inside("condor_rm", str(running[0]))
    state = wait_for(lambda: next((each for each in states(place) if each.outcome == "running"), None))
    pool.inside("kill", "-9", str(state.attempts[-1].pid))
    assert pool.wait(cluster) == 0
    assert dataset_digest(base / "tried" / "dataset") == digest


def test_a_job_held_for_memory_says_so_and_runs_again_with_more(pool: Pool, base: Path, digest: str) -> None:
    file = begun(base, "held", files_per_job=12, htcondor={"request_memory": "10 MB", "max_memory": "2 GB"})
    cluster = pool.submit(str(file))
    assert pool.wait(cluster) == 0
    log = next((base / "held" / "dataset.production" / "htcondor" / "001").glob("*.nodes.log")).read_text()
    assert "it runs again with more" in log
    assert dataset_digest(base / "held" / "dataset")


def test_a_removed_dag_leaves_no_record_and_resume_makes_the_rest(pool: Pool, base: Path, digest: str) -> None:
    file = begun(base, "removed")
    cluster = pool.submit(str(file))
    wait_for(lambda: list((base / "removed" / "dataset.production" / "jobs").glob("*.json")))
    pool.inside("condor_rm", str(cluster))
    pool.wait(cluster)
    wait_for(lambda: not pool.jobs(cluster))
    assert not (base / "removed" / "dataset").exists()
    assert pool.wait(pool.submit(str(file), "--resume")) == 0
    assert dataset_digest(base / "removed" / "dataset") == digest


def test_a_part_that_cannot_be_made_fails_the_dag_and_is_named(pool: Pool, base: Path) -> None:
    file = begun(base, "strict", strict=True, max_retries=0)
    assert pool.wait(pool.submit(str(file))) != 0
    folder = base / "strict" / "dataset.production" / "htcondor" / "001"
    assert "ele-00004" in (folder / "finish.log").read_text() and list(folder.glob("*.rescue001"))
    assert not (base / "strict" / "dataset").exists()
    status = pool.production("status", str(file)).stdout
    assert f"failed: ele-{BAD[0]:05d}" in status and f"dump_{BAD[0]:03d}.root" in status


def test_a_pool_that_stops_half_way(pool: Pool, base: Path, digest: str) -> None:
    lease = {
        "request_memory": "300 MB",
        "extra": {"job_lease_duration": "20"},
    }  # else the schedd waits 40 min for nodes
    file = begun(base, "stopped", htcondor=lease)
    cluster = pool.submit(str(file))
    wait_for(lambda: len(list((base / "stopped" / "dataset.production" / "jobs").glob("*.json"))) > 2)
    pool.call("down")
    pool.call("up")
    pool.wait(cluster)
    if not (base / "stopped" / "dataset").exists():
        assert pool.production("resume", str(file)).returncode == 0
    assert dataset_digest(base / "stopped" / "dataset") == digest
