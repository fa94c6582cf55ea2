"""Dumper files with other branches than the golden ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import uproot

from helpers.golden_files import GOLDEN

ELECTRONS = GOLDEN / "electrons.root"
TREE = "recosimdumper/caloTree"


def columns_of_electrons(keep: Callable[[str], bool] = lambda name: True) -> dict[str, Any]:
    """The branches of a golden file, as Awkward Arrays."""
    with uproot.open(ELECTRONS) as file:
        return {name: file[TREE][name].array() for name in file[TREE].keys() if keep(name)}


def as_ntuple(path: Path, columns: dict[str, Any]) -> Path:
    """A dumper file of these branches."""
    with uproot.recreate(path) as file:
        file.mkdir("recosimdumper").mkrntuple("caloTree", columns)
    return path


def without(path: Path, *beginnings: str) -> Path:
    """The golden file without the branches whose names begin so."""
    return as_ntuple(path, columns_of_electrons(lambda name: not name.startswith(beginnings)))


def with_superclusters(path: Path, name: str) -> Path:
    """The golden file with another collection beside the usual one: the same superclusters without the first of each
    event.
    """
    columns = columns_of_electrons()
    usual = {key: column for key, column in columns.items() if key.startswith("superCluster_")}
    return as_ntuple(
        path, columns | {key.replace("superCluster", name): column[:, 1:] for key, column in usual.items()}
    )
