"""Reading root:// URLs from a real XRootD server (tools/xrootd-server.sh)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from golden_files import GOLDEN
from test_cli import attempt, command, run

pytestmark = pytest.mark.xrootd
SERVER = Path(__file__).parents[2] / "tools" / "xrootd-server.sh"
PORT = "21094"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Path]]:
    """The URL of a server's root, and the folder that it serves: one that the server's own user may enter."""
    if os.geteuid() != 0:
        pytest.skip("starting a server needs root")
    folder = Path(tempfile.mkdtemp(prefix="ecalwindows-xrootd-", dir="/tmp"))
    folder.chmod(0o755)
    environment = os.environ | {"XRD_DIR": str(folder), "XRD_PORT": PORT, "XRD_DATA": str(folder / "data")}
    up = subprocess.run(["bash", SERVER, "up"], env=environment, capture_output=True, text=True, check=False)
    assert up.returncode == 0, up.stderr  # a server that does not come up fails the run: nothing is skipped silently
    (folder / "data" / "dumps" / "deep").mkdir(parents=True)
    for name, place in {"electrons.root": "dumps", "photons.root": "dumps/deep"}.items():
        shutil.copy(GOLDEN / name, folder / "data" / place / name)
    subprocess.run(["chmod", "-R", "a+rX", folder / "data"], check=True)
    yield f"root://localhost:{PORT}/", folder / "data"
    subprocess.run(["bash", SERVER, "down"], env=environment, check=True)
    shutil.rmtree(folder)


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
def test_what_is_not_there_is_told(served: tuple[str, Path], tmp_path: Path, place: str) -> None:
    ran = attempt("windows", f"{served[0]}{place}", "-o", str(tmp_path / "w.ndjson"))
    assert ran.code == 2 and "error: " in ran.err and "expected:" in ran.err, ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    url, limits = "root://localhost:9//dumps/electrons.root", {"XRD_CONNECTIONRETRY": "1", "XRD_CONNECTIONWINDOW": "2"}
    ran = command("windows", url, "-o", str(tmp_path / "w.ndjson"), **limits)
    assert ran.returncode == 2 and "electrons.root" in ran.stderr, ran.stderr


def test_a_cut_remote_file_is_told(served: tuple[str, Path], tmp_path: Path) -> None:
    url, folder = served
    (folder / "cut.root").write_bytes((GOLDEN / "electrons.root").read_bytes()[:300_000])
    (folder / "cut.root").chmod(0o644)
    ran = attempt("windows", f"{url}/cut.root", "-o", str(tmp_path / "w.ndjson"))
    assert ran.code == 2 and "cut.root" in ran.err, ran.err
