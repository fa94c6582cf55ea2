"""Where dask's workers may be, and what a batch system is asked for. What they do: tests/systems/test_slurm.py."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from helpers.cli import attempt
from helpers.production_maker import write_yaml

from ecalwindows.core.errors import EcalWindowsError, SettingsError
from ecalwindows.production.executors.dask.pool import cluster_values, dask_pool
from ecalwindows.production.executors.dask.settings import Dask, checked_address
from ecalwindows.production.settings import production_of
from ecalwindows.production.work_folder import Place

PAGE = Path(__file__).parents[2] / "docs" / "production.md"
SAFE = [
    "tls://node1:8786",
    "wss://node1",
    "tcp://127.0.0.1:8786",
    "127.3.0.1:8786",
    "localhost:8786",
    "tcp://[::1]:8786",
]
OPEN = [
    "tcp://node1:8786", "node1:8786", "tcp://10.0.0.1:8786", "ws://node1:8786", "ucx://node1:8786", "tcp://[fe80::1]:8786",
    "tcp://localhost.example.org:8786", "tcp://127.0.0.1.example.org:8786", "tcp://0.0.0.0:8786", "TCP://node1",
]  # fmt: skip


@pytest.mark.parametrize("address", SAFE)
def test_an_address_that_nobody_else_can_listen_to(address: str) -> None:
    assert checked_address(address) == address


@pytest.mark.parametrize("address", OPEN)
def test_an_unencrypted_address_elsewhere_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="is not encrypted") as caught:
        checked_address(address)
    assert caught.value.where == address and "--allow-insecure" in caught.value.todo
    assert checked_address(address, allow_insecure=True) == address


def test_the_command_refuses_it_before_anything_is_done(tmp_path: Path) -> None:
    file = write_yaml(tmp_path / "p.yaml")
    for word in ("run", "submit", "resume"):
        ran = attempt("production", word, str(file), "--executor", "dask", "--scheduler", "tcp://node1:8786")
        assert ran.code == 2 and "is not encrypted" in ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


def test_the_block_of_the_docs_is_what_a_batch_system_is_asked_for(tmp_path: Path) -> None:
    blocks = [part.partition("```")[0] for part in PAGE.read_text().split("```yaml\n")[1:]]
    (block,) = (yaml.safe_load(text) for text in blocks if text.startswith("dask:"))
    values = yaml.safe_load(write_yaml(tmp_path / "p.yaml").read_text())
    wanted = production_of(values | block, where="the docs").dask
    asked = cluster_values(wanted, Place(tmp_path), "electrons")
    assert (asked["cores"], asked["processes"], asked["memory"], asked["queue"]) == (4, 1, "8 GB", "standard")
    assert (asked["account"], asked["walltime"], asked["interface"]) == ("t3", "04:00:00", "ib0")
    assert asked["job_extra_directives"] == ["--nodelist=node17"]
    assert asked["log_directory"] == asked["shared_temp_directory"] == f"{tmp_path}/dask"


def test_an_account_is_a_project_where_the_batch_system_says_so(tmp_path: Path) -> None:
    asked = cluster_values(Dask(cluster="lsf", account="t3"), Place(tmp_path), "electrons")
    assert asked["project"] == "t3" and "account" not in asked


@pytest.mark.parametrize("name", ["with blank", "$(touch x)", "a;b", "per%cent", "quo'te", "new\nline"])
def test_a_folder_that_a_batch_script_would_read_as_shell_words_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="batch scripts cannot hold"):
        cluster_values(Dask(cluster="slurm"), Place(tmp_path / name), "electrons")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"wrokers": 3}, "nearest: workers"),
        ({"cluster": "slurm", "scheduler": "tls://x:1"}, "leave one of them out"),
        ({"queue": "a b"}, "should match pattern"),
        ({"job_script_prologue": ["a\nb"]}, "should match pattern"),
        ({"extra": {"protocol": "tcp://"}}, "'protocol' cannot be in extra"),
        ({"cluster": "cron"}, "Input should be 'slurm'"),
    ],
    ids=["unknown", "two-places", "queue", "prologue", "encryption", "cluster"],
)
def test_settings_that_mean_nothing(block: dict[str, object], words: str, tmp_path: Path) -> None:
    ran = attempt("production", "run", str(write_yaml(tmp_path / "p.yaml", dask=block)), "--executor", "dask")
    assert ran.code == 2 and words in ran.err and "next:" in ran.err


def test_no_word_of_where_workers_are(tmp_path: Path) -> None:
    ran = attempt("production", "run", str(write_yaml(tmp_path / "p.yaml")), "--executor", "dask")
    assert ran.code == 2 and "not specified where dask's workers are" in ran.err


@pytest.mark.parametrize(
    "words",
    [("--scheduler", "tls://x:1"), ("--allow-insecure",), ("--executor", "dask", "-j", "2")],
    ids=["scheduler", "insecure", "workers"],
)
def test_options_that_do_not_go_together(words: tuple[str, ...], tmp_path: Path) -> None:
    file = write_yaml(tmp_path / "p.yaml", dask={"cluster": "slurm"})
    assert "dask" in (ran := attempt("production", "run", str(file), *words)).err and ran.code == 2


def test_the_extra_is_named_where_dask_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(EcalWindowsError) as caught:
        dask_pool(Dask(cluster="slurm"), print)
    assert caught.value.todo == 'pip install "ecalwindows[dask]"'


def test_what_dask_is_asked_for_beside_stays_when_extra_asks_for_more(tmp_path: Path) -> None:
    extra = {"worker_extra_args": ["--lifetime", "1h"], "scheduler_options": {"port": 8786}}
    block = Dask(cluster="slurm", job_script_prologue=("module load python",), extra=extra)
    asked = cluster_values(block, Place(tmp_path), "electrons")
    assert asked["worker_extra_args"] == [
        "--no-dashboard", "--dashboard-address", "127.0.0.1:0", "--lifetime", "1h",
    ]  # fmt: skip
    assert asked["scheduler_options"] == {"dashboard": False, "dashboard_address": "127.0.0.1:0", "port": 8786}
    assert asked["job_script_prologue"][-1] == "module load python"
