"""Productions that tests start and interrupt."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.production_maker import copied, interruptible, write_yaml


def begun(base: Path, dumps: Path, **settings: Any) -> Path:
    """The YAML file of a production of its own, with its own copy of the inputs."""
    copied(dumps, base / "dumps")
    return write_yaml(base / "p.yaml", **settings)


def start(file: Path, workers: int = 2) -> subprocess.Popen[str]:
    """A run in a process group of its own."""
    words = [sys.executable, "-m", "ecalwindows", "production", "resume", str(file), "-j", str(workers), "-q"]
    return subprocess.Popen(words, start_new_session=True, preexec_fn=interruptible, stderr=subprocess.PIPE, text=True)


def wait_for(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := what():
            return value
        time.sleep(0.02)
    raise AssertionError("waited in vain")
