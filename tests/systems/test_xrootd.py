"""Reading root:// URLs from a real XRootD server (tools/xrootd-server.sh)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.cli import attempt, command, run
from helpers.golden_files import GOLDEN
from helpers.xrootd_server import started_server

pytestmark = pytest.mark.xrootd


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a server's root, and the folder that it serves."""
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "deep").mkdir()
    for name, place in {"electrons.root": ".", "photons.root": "deep"}.items():
        shutil.copy(GOLDEN / name, folder / place / name)
    with started_server() as made:
        made.take(folder, "dumps")
        yield made.url, made.folder


def test_a_remote_file_gives_the_bytes_of_a_local_one(served: tuple[str, Path], tmp_path: Path) -> None:
    url, _ = served
    run("windows", f"{url}/dumps/electrons.root", "-o", str(tmp_path / "remote.parquet"), "--step-events", "10")
    run("windows", str(GOLDEN / "electrons.root"), "-o", str(tmp_path / "local.parquet"))
    assert (tmp_path / "remote.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()


@pytest.mark.parametrize("inputs", ["/dumps", "/dumps/*.root", "/dumps/**/*.root"], ids=["folder", "glob", "deep-glob"])
def test_remote_folders_and_globs(served: tuple[str, Path], tmp_path: Path, inputs: str) -> None:
    ran = run("windows", f"{served[0]}{inputs}", "-o", str(tmp_path / "w.ndjson"))
    assert ("of 1 file" if inputs == "/dumps/*.root" else "of 2 files") in ran.out


@pytest.mark.parametrize("place", ["/nothing.root", "/nothing/", "/nothing/*.root"])
def test_what_is_not_there_is_reported(served: tuple[str, Path], tmp_path: Path, place: str) -> None:
    ran = attempt("windows", f"{served[0]}{place}", "-o", str(tmp_path / "w.ndjson"))
    assert ran.code == 2 and "error: " in ran.err and "expected:" in ran.err, ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_reported(tmp_path: Path) -> None:
    url, limits = "root://localhost:9//dumps/electrons.root", {"XRD_CONNECTIONRETRY": "1", "XRD_CONNECTIONWINDOW": "2"}
    ran = command("windows", url, "-o", str(tmp_path / "w.ndjson"), **limits)
    assert ran.returncode == 2 and "electrons.root" in ran.stderr, ran.stderr


def test_a_cut_remote_file_is_reported(served: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = served
    (folder / "cut.root").write_bytes((GOLDEN / "electrons.root").read_bytes()[:300_000])
    (folder / "cut.root").chmod(0o644)
    ran = attempt("windows", f"{url}/cut.root", "-o", str(tmp_path / "w.ndjson"))
    assert ran.code == 2 and "cut.root" in ran.err, ran.err
