"""Dumper files from columns: RNTuple through uproot, TTree with the true C++ types through ROOT (extra `simulate`)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import awkward as ak
import numpy as np

from ecalwindows.errors import broken_extra, missing_extra
from ecalwindows.simulate.branches import OutBranch
from ecalwindows.simulate.chunks import Column

FOLDER, TREE = "recosimdumper", "caloTree"
Format = Literal["ttree", "rntuple"]


class Writer(Protocol):
    """A file that takes chunks of events."""

    def write(self, n_events: int, columns: dict[str, Column]) -> None:
        """Add these events."""

    def close(self) -> None:
        """Finish the file."""


def has_root() -> bool:
    """Whether ROOT's Python bindings are installed."""
    return find_spec("ROOT") is not None


def opened(path: Path, format: Format, branches: tuple[OutBranch, ...]) -> Writer:
    """A new file. Raises MissingExtraError when TTree is asked for without ROOT."""
    if format == "rntuple":
        return RNTupleWriter(path, branches)
    if not has_root():
        raise missing_extra("ROOT", "simulate", "write TTrees (RNTuple needs none: --format rntuple)")
    from ecalwindows.simulate.ttree import TTreeWriter

    try:
        return TTreeWriter(path, branches)
    except ImportError as error:
        raise broken_extra("ROOT", "simulate", "write TTrees (RNTuple needs none: --format rntuple)", error) from error


def as_awkward(column: Column) -> Any:
    """The column as an Awkward Array, without copies."""
    layout: Any = ak.contents.NumpyArray(column.values)
    for offsets in reversed(column.offsets):
        layout = ak.contents.ListOffsetArray(ak.index.Index64(offsets), layout)
    return ak.Array(layout)


class RNTupleWriter:
    """An RNTuple `recosimdumper/caloTree`."""

    def __init__(self, path: Path, branches: tuple[OutBranch, ...]) -> None:
        import uproot

        self.file = uproot.recreate(path, compression=uproot.ZSTD(5))
        empty = {b.name: as_awkward(Column((np.zeros(1, np.int64),) * b.depth, np.zeros(0, b.dtype))) for b in branches}
        self.tuple = self.file.mkdir(FOLDER).mkrntuple(TREE, empty)

    def write(self, n_events: int, columns: dict[str, Column]) -> None:
        """Add these events as a cluster."""
        self.tuple.extend({name: as_awkward(column) for name, column in columns.items()})

    def close(self) -> None:
        """Finish the file."""
        self.file.close()
