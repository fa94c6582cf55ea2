"""One runner a production."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ecalwindows.production.errors import LockedError
from ecalwindows.production.job_state import Process, process_start
from ecalwindows.production.lock import has_runner, locked

HOLD = """
import sys
from pathlib import Path
from ecalwindows.production.lock import locked
with locked(Path(sys.argv[1]), print):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its input ends."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None and other.stdout.readline() == "held\n"
    return other


def end(other: subprocess.Popen[str]) -> None:
    other.communicate()


def written(path: Path, **owner: object) -> Path:
    path.write_text(json.dumps({"host": socket.gethostname(), "pid": 1, "pid_started": "x", "started": "then"} | owner))
    return path


def test_a_second_runner_is_refused_with_host_and_pid(tmp_path: Path) -> None:
    other = holder(tmp_path / "lock")
    with pytest.raises(LockedError) as caught, locked(tmp_path / "lock", print):
        pass
    assert f"process {other.pid} on {socket.gethostname()}" in str(caught.value)
    end(other)


def test_when_the_first_has_ended_nothing_is_reported(tmp_path: Path) -> None:
    end(holder(tmp_path / "lock"))
    reported: list[str] = []
    with locked(tmp_path / "lock", reported.append):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()
    assert reported == [] and (tmp_path / "lock").read_text() == ""


def test_status_can_show_whether_somebody_runs_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not has_runner(path)
    with locked(path, print):
        assert has_runner(path)
    assert not has_runner(path)
    assert not has_runner(written(path, pid=os.getpid()))  # that number is another process now
    assert has_runner(written(path, host="elsewhere"))  # for all that can be seen from here


def test_a_killed_runner_is_taken_over_and_reported(tmp_path: Path) -> None:
    other = holder(tmp_path / "lock")
    other.kill()
    end(other)
    reported: list[str] = []
    with locked(tmp_path / "lock", reported.append):
        pass
    assert len(reported) == 1 and f"process {other.pid} on" in reported[0] and "is dead" in reported[0]


def test_a_number_that_another_process_has_now_is_a_dead_runner(tmp_path: Path) -> None:
    reported: list[str] = []
    with locked(written(tmp_path / "lock", pid=os.getpid()), reported.append):
        pass
    assert "is dead" in reported[0]


def test_a_living_runner_is_seen_where_the_file_system_has_no_locks(tmp_path: Path) -> None:
    me = {"pid": os.getpid(), "pid_started": process_start(os.getpid())}
    with pytest.raises(LockedError), locked(written(tmp_path / "lock", **me), print):
        pass


def test_a_runner_on_another_host_is_taken_over_only_when_asked_for(tmp_path: Path) -> None:
    path, reported = written(tmp_path / "lock", host="elsewhere", pid=12), list[str]()
    with pytest.raises(LockedError, match="process 12 on elsewhere"), locked(path, reported.append):
        pass
    with locked(path, reported.append, break_lock=True):
        pass
    assert "process 12 on elsewhere" in reported[0]


def test_a_broken_lock_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("{broken")
    with locked(tmp_path / "lock", print):
        pass


def test_processes_are_known_by_their_start() -> None:
    start = process_start(os.getpid())
    me = Process(host=socket.gethostname(), pid=os.getpid(), pid_started=start or "")
    assert start and me.is_alive
    assert me.model_copy(update={"pid_started": "another"}).is_alive is False
    assert me.model_copy(update={"host": "elsewhere"}).is_alive is None
