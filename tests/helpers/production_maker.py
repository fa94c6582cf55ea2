"""Small productions: inputs with events of their own each, a YAML file, and ways to run it."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import uproot
import yaml

from helpers.golden_files import GOLDEN

GARBAGE = b"this is no ROOT file"


@cache
def _arrays() -> dict[str, Any]:
    with uproot.open(GOLDEN / "electrons.root") as file:
        tree = file["recosimdumper/caloTree"]
        return {name: tree[name].array() for name in tree.keys()}


@cache
def _input(number: int, n_events: int) -> bytes:
    first = (3 * number) % 20
    arrays = {name: array[first : first + n_events] for name, array in _arrays().items()}
    arrays["eventId"] = arrays["eventId"] + 1000 * (number + 1)
    with tempfile.NamedTemporaryFile(suffix=".root") as made:
        with uproot.recreate(made.name) as file:
            file.mkdir("recosimdumper").mkrntuple("caloTree", arrays)
        return Path(made.name).read_bytes()


def write_input(path: Path, number: int, n_events: int = 4) -> Path:
    """Some golden events under event numbers that no other input has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_input(number, n_events))
    return path


def write_inputs(folder: Path, n: int, bad: Sequence[int] = ()) -> list[Path]:
    """Inputs `dump_N.root`; those of the numbers in `bad` are no ROOT files."""
    paths = [folder / f"dump_{number:03d}.root" for number in range(n)]
    for number, path in enumerate(paths):
        if number in bad:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(GARBAGE)
        else:
            write_input(path, number)
    return paths


def interruptible() -> None:
    """For `preexec_fn`: Ctrl-C reaches the program, also where the tests were started in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def write_yaml(path: Path, **settings: Any) -> Path:
    """A production of `dumps/` beside the file, one input a job, with some settings changed."""
    base = path.parent
    values = {
        "name": "electrons",
        "samples": [{"name": "ele", "inputs": [f"{base}/dumps"], "flavour": 11}],
        "output": f"{base}/dataset",
        "files_per_job": 1,
        "windows": {"maxnocalow": 2},
        "splits": {"train": 0.5, "test": 0.5},
        "licence": "CC-BY-4.0",
    } | settings
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def copied(source: Path, folder: Path) -> Path:
    """The inputs of `source` in a folder of its own, with the same times."""
    shutil.copytree(source, folder, copy_function=shutil.copy2)
    return folder
