"""A real HTCondor pool (tools/htcondor-pool.sh) and productions on it; every wait has a limit and shows the logs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ecalwindows
from ecalwindows.core.jit import cache_folder, sources_digest
from ecalwindows.production.digest import dataset_digest
from ecalwindows.production.executors.htcondor.submit import STATES
from ecalwindows.production.job_state import JobState, read_state
from ecalwindows.production.work_folder import Place
from helpers.cli import run
from helpers.production_maker import write_inputs, write_yaml

SCRIPT = Path(__file__).parents[2] / "tools" / "htcondor-pool.sh"
N, BAD = 12, (4, 9)
UNUSUAL_NAMES = {0: "with blank, comma and 'quotes\".root", 1: "$(x) `y` %s ;.root", 2: "two\nlines.root"}
USER = os.environ.get("HTC_USER", "condorci")
"""To whom jobs belong."""

SMALL = {"request_memory": "300 MB", "request_disk": "100 MB"}
"""What jobs ask for: four of them run side by side on a machine whose disk is nearly full, too."""

ALONE = {"run_as_owner": "False"}
"""Has a job run as a user who has no files: as if there were no shared file system."""

LIMIT = 120.0
"""Seconds that anything may take."""

GATE = """
if [ -n "$_CONDOR_SCRATCH_DIR" ]; then
    [ ! -e {unseen} ] || {{ echo "the job sees what it should not"; exit 9; }}
    while [ -e {gate}/closed ] && [ ! -e {gate}/open ]; do sleep 0.2; done
fi
"""
"""What jobs read first (as the setup.sh of a view): they wait while there is a file `closed`."""


FILL = """
if [ -n "$_CONDOR_SCRATCH_DIR" ]; then
    held=$(head -c 200000000 /dev/zero | tr '\\0' x); sleep 10; unset held
fi
"""
"""Has jobs hold 200 MB for so long that the pool surely sees it."""


@dataclass(frozen=True)
class Pool:
    """A running pool; commands run inside it, as the user to whom jobs belong."""

    environment: dict[str, str]
    folder: Path
    caches: Path

    def call(self, what: str) -> None:
        """`up` or `down`; that it fails, fails the run: nothing is skipped silently."""
        ran = subprocess.run(["bash", SCRIPT, what], env=self.environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    def inside(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command inside."""
        own = (f"CONDOR_CONFIG={self.folder}/client.conf", f"XDG_CACHE_HOME={self.caches}", "PYTHONDONTWRITEBYTECODE=1")
        said = ["bash", str(SCRIPT), "exec", "env", *own, *words]
        return subprocess.run(
            said, env=self.environment, cwd="/", capture_output=True, text=True, check=False, timeout=LIMIT
        )

    def clear(self) -> None:
        """Remove all jobs and wait until they have left: what a failed test has left would keep the slots."""
        self.inside("condor_rm", "-all")
        until = time.monotonic() + LIMIT
        while self.inside("condor_q", "-allusers", "-af", "ClusterId").stdout.strip():
            assert time.monotonic() < until, self.inside("condor_q", "-allusers", "-nobatch").stdout
            self.inside("condor_rm", "-all")  # again: the last node of a DAG runs even then
            time.sleep(0.3)

    def production(self, *words: str) -> subprocess.CompletedProcess[str]:
        """An `ecalwindows production` command."""
        return self.inside(sys.executable, "-m", "ecalwindows", "production", *words)


@dataclass
class OnPool:
    """A production in a folder of its own, and its DAG."""

    pool: Pool
    file: Path
    gate: Path
    cluster: int = 0

    @property
    def folder(self) -> Path:
        return self.file.parent

    @property
    def place(self) -> Place:
        return Place(self.folder / "dataset.production")

    @property
    def dataset(self) -> Path:
        return self.folder / "dataset"

    @property
    def submitted(self) -> Path:
        """The folder of the submit files of the last submission."""
        return max((self.place.work / "htcondor").glob("[0-9]*"))

    def command(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.pool.production(name, str(self.file), *words)

    def submit(self, *words: str) -> OnPool:
        ran = self.command("submit", *words)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        self.cluster = int(ran.stdout.partition(": DAG ")[2].split()[0])
        return self

    def jobs(self, wanted: str = "") -> list[int]:
        """The jobs of the DAG in the queue, all or those in the wanted state."""
        rows = self.pool.inside("condor_q", "-const", f"DAGManJobId == {self.cluster}", "-af", "ClusterId", "JobStatus")
        found = [(int(row.split()[0]), STATES[int(row.split()[1])]) for row in rows.stdout.splitlines()]
        return [job for job, state in found if not wanted or state == wanted]

    def states(self, outcome: str = "") -> list[JobState]:
        found = (read_state(path) for path in (self.place.work / "jobs").glob("*.json"))
        return [state for state in found if state and (not outcome or state.outcome == outcome)]

    def close_gate(self) -> None:
        """From now on jobs wait before they do anything."""
        (self.gate / "closed").touch()

    def fill_memory(self) -> OnPool:
        """Have the jobs use memory before they begin."""
        with (self.gate / "setup.sh").open("a") as file:
            file.write(FILL)
        return self

    def open_gate(self) -> None:
        (self.gate / "open").touch()

    def ended(self) -> int:
        """Wait until the DAG has left the queue; its exit code, -1 for none."""
        self.wait_for(lambda: not self.in_queue())
        words = ("condor_history", str(self.cluster), "-limit", "1", "-af", "ExitCode")
        code: str = self.wait_for(lambda: self.pool.inside(*words).stdout).strip()
        return int(code) if code.isdecimal() else -1

    def remove(self) -> None:
        """Remove the DAG, and its last node where that is held."""
        assert self.pool.inside("condor_rm", str(self.cluster)).returncode == 0
        held = f"DAGManJobId == {self.cluster} && JobStatus == 5"
        self.wait_for(lambda: self.pool.inside("condor_rm", "-const", held) and not self.in_queue())

    def in_queue(self) -> bool:
        """Whether the DAG is."""
        return bool(self.pool.inside("condor_q", str(self.cluster), "-af", "ClusterId").stdout.strip())

    def succeeds(self) -> None:
        """Wait until the DAG has ended well."""
        code = self.ended()
        assert code == 0, self.reported(f"the DAG ended with {code}")

    def digest(self) -> str:
        assert (self.dataset / "dataset.json").is_file(), self.reported("there is no dataset")
        return dataset_digest(self.dataset)

    def wait_for(self, what: Callable[[], Any], seconds: float = LIMIT, every: float = 0.3) -> Any:
        """What it gives as soon as that is something."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if value := what():
                return value
            time.sleep(every)
        raise AssertionError(self.reported(f"waited {seconds:.0f} s in vain"))

    def reported(self, why: str) -> str:
        """Why, with the queue and the ends of all logs."""
        logs = sorted((self.place.work / "htcondor").glob("[0-9]*/*")) + sorted((self.place.work / "logs").glob("*"))
        wanted = [path for path in logs if path.suffix in (".log", ".out", ".err") and path.stat().st_size]
        ends = "".join(f"\n==> {path} <==\n{path.read_text(errors='replace')[-3000:]}" for path in wanted)
        queue = self.pool.inside("condor_q", "-nobatch").stdout + self.pool.inside("condor_q", "-hold").stdout
        for job in self.jobs("idle")[:1]:
            queue += self.pool.inside("condor_q", "-better-analyze", str(job)).stdout
        queue += self.pool.inside("condor_status", "-af:h", "Name", "State", "Cpus", "Memory", "Disk").stdout
        return f"{why}\n{queue}{ends}\n{self.command('status').stdout}"


@dataclass(frozen=True)
class Ground:
    """A folder that jobs may write to, with inputs, and the digests of what a local run makes of them."""

    pool: Pool
    folder: Path
    digests: dict[str, str]

    @property
    def hidden(self) -> Path:
        """A folder that the user sees where jobs are submitted, but not jobs with `ALONE`."""
        return self.folder / "hidden"

    def begun(self, name: str, *, hidden: bool = False, **settings: Any) -> OnPool:
        """A production in a folder of its own; its jobs have a gate."""
        above, gate = self.hidden if hidden else self.folder, self.folder / f"{name}.gate"
        for folder in (above / name, gate):
            folder.mkdir()
            folder.chmod(0o1777)
        (gate / "setup.sh").write_text(
            GATE.format(gate=gate, unseen=self.hidden / "seen" if hidden else gate / "nothing")
        )
        htcondor = SMALL | {"view": str(gate)} | settings.pop("htcondor", {})
        samples = [{"name": "ele", "inputs": f"{above}/dumps", "flavour": 11}]
        values = {"samples": samples, "htcondor": htcondor} | settings
        return OnPool(self.pool, write_yaml(above / name / "p.yaml", **values), gate)

    def compile_once(self) -> None:
        """Give the jobs' user what this one has compiled: each production copies it into its own folder."""
        run("windows", f"{self.folder}/dumps/dump_003.root", "-o", f"{self.folder}/first.parquet", "--maxnocalow", "2")
        theirs = self.pool.caches / "ecalwindows" / "numba"
        compiled = cache_folder()
        assert compiled is not None
        shutil.copytree(compiled, theirs / sources_digest())
        for path in (self.pool.caches, *self.pool.caches.rglob("*")):
            shutil.chown(path, USER)
            path.chmod(0o700)

    def digest(self, **settings: Any) -> str:
        """The digest of the dataset that a local run makes with these settings."""
        key = repr(sorted(settings.items()))
        if key not in self.digests:
            local = self.begun(f"local{len(self.digests)}", **settings)
            run("production", "run", str(local.file), "-j", "2")
            self.digests[key] = dataset_digest(local.dataset)
        return self.digests[key]


def open_folder(parent: str, stack: list[Path]) -> Path:
    """A folder that everybody may write to; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="ecalwindows-condor-", dir=parent))
    folder.chmod(0o1777)
    stack.append(folder)
    return folder


@contextmanager
def started_pool(seen: Path, stack: list[Path]) -> Iterator[Pool]:
    """A pool of one machine, whose jobs see this folder; that of $HTC_DIR if one was made there."""
    folder = Path(os.environ.get("HTC_DIR") or open_folder("/tmp", stack))
    folder.mkdir(parents=True, exist_ok=True)
    source, venv = Path(ecalwindows.__file__).parents[1], Path(sys.prefix)
    binds = [seen, source, venv, Path(sys.base_prefix)]
    wanted = {"HTC_DIR": str(folder), "HTC_PORT": "19618", "HTC_STRICT": "1"}
    wanted |= {"HTC_BINDS": " ".join([os.environ.get("HTC_BINDS", ""), *map(str, binds)])}
    made = Pool(os.environ | wanted, folder, seen / "caches")
    made.call("up")
    made.inside("condor_rm", "-all")  # what a former run has left
    try:
        yield made
    finally:
        made.call("down")


@contextmanager
def made_ground() -> Iterator[Ground]:
    """A pool with inputs beside. Not below /tmp: there a DAGMan as strict as that of real pools refuses its logs."""
    if os.geteuid() != 0:
        pytest.skip("starting a pool needs root")
    stack: list[Path] = []
    try:
        folder = open_folder("/var/tmp", stack)
        paths = write_inputs(folder / "dumps", N, bad=BAD)
        for number, name in UNUSUAL_NAMES.items():
            paths[number].rename(paths[number].with_name(name))
        shutil.copytree(folder / "dumps", folder / "hidden" / "dumps", copy_function=shutil.copy2)
        (folder / "hidden" / "seen").touch()
        with started_pool(folder, stack) as pool:
            shutil.chown(folder / "hidden", USER)
            (folder / "hidden").chmod(0o700)
            made = Ground(pool, folder, {})
            made.compile_once()
            yield made
    finally:
        for each in stack:
            shutil.rmtree(each, ignore_errors=True)
