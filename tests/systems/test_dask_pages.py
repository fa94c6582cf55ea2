"""What a run with dask opens to the network: TLS alone. Its HTTP servers listen on this host only and serve nothing."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from helpers.production_maker import write_yaml

pytest.importorskip("distributed", reason="needs the extra dask")
pytest.importorskip("dask_jobqueue", reason="needs the extra dask")

SBATCH = """#!/bin/sh
# Runs the script at once, as a batch system of one machine would, and says its number.
script=$(mktemp {folder}/script.XXXXXX)
cat "${{1:-/dev/stdin}}" > "$script"
setsid sh "$script" > "$script.out" 2>&1 &
echo $! >> {folder}/pids
echo "Submitted batch job $!"
"""

LOOK = """
import json, os, socket, sys
from contextlib import suppress
from pathlib import Path

import psutil
import yaml

from ecalwindows.production.executors.dask.pool import dask_pool
from ecalwindows.production.executors.dask.settings import Dask
from ecalwindows.production.work_folder import Place
from ecalwindows.production.plan import made_plan
from ecalwindows.production.settings import production_of

PAGES = ["/", "/health", "/metrics", "/info/main/workers.html", "/json/counts.json", "/status"]


def status(ip, port, page):
    with suppress(OSError), socket.create_connection((ip.replace("0.0.0.0", "127.0.0.1"), port), timeout=5) as there:
        there.sendall(f"GET {page} HTTP/1.0\\r\\n\\r\\n".encode())
        answer = there.recv(100)
        return answer.split()[1].decode() if answer.startswith(b"HTTP") else None


def main(folder, file):
    production = production_of(yaml.safe_load(Path(file).read_text()), where="the test")
    place = Place(Path(file).parent / "work")
    with dask_pool(Dask(cluster="slurm"), print)(place, made_plan(production, {"ele": []}), 1) as pool:
        pool.client.wait_for_workers(1, timeout=60)
        pids = [os.getpid(), *map(int, (Path(folder) / "pids").read_text().split())]
        first = [psutil.Process(pid) for pid in pids]
        found = {*first, *(child for process in first for child in process.children(recursive=True))}
        sockets = {(each.laddr.ip, each.laddr.port) for process in found
                   for each in process.net_connections("inet") if each.status == psutil.CONN_LISTEN}
        rows = [(ip, port, [status(ip, port, page) for page in PAGES]) for ip, port in sorted(sockets)]
        (Path(folder) / "found.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.fixture
def batch_system(tmp_path: Path) -> Iterator[Path]:
    """A folder with an `sbatch` that runs jobs here; `pids` in it lists them. They are ended afterwards."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH.format(folder=folder)), ("scancel", "#!/bin/sh\nexit 0\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "pids").touch()
    yield folder
    for pid in (folder / "pids").read_text().split():
        with suppress(ProcessLookupError):
            os.killpg(int(pid), signal.SIGKILL)


def test_dask_opens_nothing_but_tls_to_other_machines(batch_system: Path, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(LOOK)
    words = [sys.executable, str(script), str(batch_system), str(write_yaml(tmp_path / "p.yaml"))]
    environment = os.environ | {"PATH": f"{batch_system}:{os.environ['PATH']}"}
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    rows = json.loads((batch_system / "found.json").read_text())
    http = {(ip, port): answers for ip, port, answers in rows if any(answers)}
    assert len(http) == 2, rows  # of scheduler and worker: dask always starts them
    assert len(rows) > len(http)  # the TLS ports of scheduler, worker and nanny
    assert all(ipaddress.ip_address(ip).is_loopback for ip, _ in http), rows
    assert {answer for answers in http.values() for answer in answers} == {"404"}, http
