"""The summary of `ecalwindows plot`."""

from __future__ import annotations

from ecalwindows.commands.plot import Plotted
from ecalwindows.core.names import some
from ecalwindows.plots.gallery import PAGE


def plotted_summary(plotted: Plotted) -> str:
    """Several lines: what was read and drawn, what was not there, where to look."""
    rows = [
        ("data files", plotted.files), ("windows", plotted.windows), ("clusters", plotted.clusters),
        ("columns drawn", len(plotted.columns)), ("figures", len(plotted.figures)),
    ]  # fmt: skip
    lines = [f"{name:<16}{number:>13,}" for name, number in rows]
    if plotted.absent:
        lines.append(f"columns that the data do not have: {some(plotted.absent)}")
    if plotted.partial:
        lines.append(f"columns that only some files have: {some(plotted.partial)}")
    lines.append(f"{plotted.seconds:.1f} s")
    lines.append(f"wrote {plotted.folder}: look at {plotted.folder / PAGE}; the numbers are in {plotted.folder}/tables")
    return "\n".join(lines)
