"""A real XRootD server (tools/xrootd-server.sh) in a folder of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "xrootd-server.sh"


@dataclass(frozen=True)
class Server:
    """A running server: its URL and the folder that it serves."""

    url: str
    folder: Path
    environment: dict[str, str]

    def call(self, what: str) -> None:
        """`up` or `down`; that it fails, fails the run."""
        ran = subprocess.run(["bash", SCRIPT, what], env=self.environment, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr

    def take(self, folder: Path, name: str) -> None:
        """Serve a copy of a folder."""
        shutil.copytree(folder, self.folder / name)
        subprocess.run(["chmod", "-R", "a+rX", self.folder / name], check=True)


@contextmanager
def started_server() -> Iterator[Server]:
    """A server at a free port, in a folder that its own user may enter."""
    if os.geteuid() != 0:
        pytest.skip("starting a server needs root")
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="ecalwindows-xrootd-", dir="/tmp"))
    folder.chmod(0o755)
    environment = os.environ | {"XRD_DIR": str(folder), "XRD_PORT": str(port), "XRD_DATA": str(folder / "data")}
    made = Server(f"root://localhost:{port}/", folder / "data", environment)
    made.call("up")
    try:
        yield made
    finally:
        made.call("down")
        shutil.rmtree(folder)
