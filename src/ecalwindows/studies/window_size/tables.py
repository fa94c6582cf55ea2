"""Tables of the study of the window size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ecalwindows.core.arrays import Floats, Integers
from ecalwindows.studies.tables import Columns, joined
from ecalwindows.studies.window_size.boxes import Boxes, Line, mean_shares
from ecalwindows.studies.window_size.containment import UNIT, Containment


def window_size_tables(
    found: Containment, boxes: Sequence[Boxes], lines: Mapping[float, Sequence[Line]], inside: Mapping[str, Integers]
) -> dict[str, Columns]:
    """All tables by name.

    Parameters
    ----------
    found : sums over caloparticles
    boxes : smallest boxes for each share
    lines : fitted lines by share
    inside : int64 (n_eta, BLOCKS), shares in the windows of each geometry, fitted ones included
    """
    edges = found.eta_edges
    return {"boxes": _boxes(edges, boxes), "lines": _lines(lines), "contained": _contained(found, inside)}


def _bins(edges: Floats) -> dict[str, list[float]]:
    return {"eta_low": edges[:-1].tolist(), "eta_high": edges[1:].tolist()}


def _boxes(edges: Floats, boxes: Sequence[Boxes]) -> Columns:
    parts = []
    for each in boxes:
        part: dict[str, Sequence[Any]] = {"share": [each.share] * len(each.eta), **_bins(edges)}
        part |= {"eta": each.eta.tolist(), "caloparticles": each.n.tolist()}
        for name, values, errors in zip(("up", "down", "width"), each.bounds, each.errors, strict=True):
            part |= {name: values.tolist(), f"{name}_error": errors.tolist()}
        parts.append(part)
    return joined(parts)


def _lines(lines: Mapping[float, Sequence[Line]]) -> Columns:
    rows = [
        (share, line.bound, knot, height, line.chi2, line.dof)
        for share, found in lines.items()
        for line in found
        for knot, height in zip(line.knots.tolist(), line.heights.tolist(), strict=True)
    ]
    names = ("share", "bound", "eta", "height", "chi2", "dof")
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _contained(found: Containment, inside: Mapping[str, Integers]) -> Columns:
    """Shares by geometry; `seed_side` is the energy on the side of the seed, the maximum for any window."""
    parts = []
    for name, sums in {**inside, "seed_side": found.same_side}.items():
        share, error = mean_shares(sums, found.n)
        parts.append(
            {"geometry": [name] * len(share)}
            | _bins(found.eta_edges)
            | {"caloparticles": found.n.sum(axis=1).tolist(), "share": share.tolist(), "error": error.tolist()}
        )
        total = float(sums.sum() / UNIT / max(int(found.n.sum()), 1))
        parts.append(
            {
                "geometry": [name],
                "eta_low": [float(found.eta_edges[0])],
                "eta_high": [float(found.eta_edges[-1])],
                "caloparticles": [int(found.n.sum())],
                "share": [total],
                "error": [float(mean_shares(sums.sum(axis=0)[None], found.n.sum(axis=0)[None])[1][0])],
            }
        )
    return joined(parts)
