"""Writers of dumper files: RNTuples with uproot, TTrees with the C++ types of dumper files with ROOT."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import awkward as ak
import numpy as np

from ecalwindows.core.errors import broken_extra, missing_extra
from ecalwindows.simulation.branches import OutBranch
from ecalwindows.simulation.chunks import Column

FOLDER, TREE = "recosimdumper", "caloTree"
Format = Literal["ttree", "rntuple"]


class Writer(Protocol):
    """A file to which chunks of events are written."""

    def write(self, n_events: int, columns: dict[str, Column]) -> None:
        """Add n_events events, as columns by branch."""

    def close(self) -> None:
        """Finish the file."""


def has_root() -> bool:
    """Whether ROOT's Python bindings are installed."""
    return find_spec("ROOT") is not None


def open_writer(path: Path, format: Format, branches: tuple[OutBranch, ...]) -> Writer:
    """Open a new file. Raises MissingExtraError if the format is ttree and ROOT is not installed."""
    if format == "rntuple":
        return RNTupleWriter(path, branches)
    purpose = "write TTrees (RNTuples do not need it: --format rntuple)"
    if not has_root():
        raise missing_extra("ROOT", "simulate", purpose)
    from ecalwindows.simulation.ttree import TTreeWriter

    try:
        return TTreeWriter(path, branches)
    except ImportError as error:
        raise broken_extra("ROOT", "simulate", purpose, error) from error


def as_awkward(column: Column) -> Any:
    """The column as an Awkward Array, without a copy."""
    layout: Any = ak.contents.NumpyArray(column.values)
    for offsets in reversed(column.offsets):
        layout = ak.contents.ListOffsetArray(ak.index.Index64(offsets), layout)
    return ak.Array(layout)


class RNTupleWriter:
    """Writes an RNTuple `recosimdumper/caloTree`."""

    def __init__(self, path: Path, branches: tuple[OutBranch, ...]) -> None:
        import uproot

        self.file = uproot.recreate(path, compression=uproot.ZSTD(5))
        empty = {b.name: as_awkward(Column((np.zeros(1, np.int64),) * b.depth, np.zeros(0, b.dtype))) for b in branches}
        self.tuple = self.file.mkdir(FOLDER).mkrntuple(TREE, empty)

    def write(self, n_events: int, columns: dict[str, Column]) -> None:
        """Add n_events events as one cluster of the RNTuple."""
        self.tuple.extend({name: as_awkward(column) for name, column in columns.items()})

    def close(self) -> None:
        """Finish the file."""
        self.file.close()
