"""Tables of the study of the window size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ecalwindows.core.arrays import Array, Floats, Integers
from ecalwindows.studies.tables import Columns, from_rows, joined
from ecalwindows.studies.window_size.boxes import BOUNDS, Boxes, Line, mean_shares
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


def _bins(edges: Floats) -> dict[str, Floats]:
    return {"eta_low": edges[:-1], "eta_high": edges[1:]}


def _boxes(edges: Floats, boxes: Sequence[Boxes]) -> Columns:
    parts = []
    for each in boxes:
        part: dict[str, Array] = {"share": np.full(len(each.eta), each.share), **_bins(edges)}
        part |= {"eta": each.eta, "caloparticles": each.n}
        for name, values, errors in zip(BOUNDS, each.bounds, each.errors, strict=True):
            part |= {name: values, f"{name}_error": errors}
        parts.append(part)
    return joined(parts)


def _lines(lines: Mapping[float, Sequence[Line]]) -> Columns:
    rows = [
        (share, line.bound, knot, height, line.chi2, line.dof)
        for share, found in lines.items()
        for line in found
        for knot, height in zip(line.knots.tolist(), line.heights.tolist(), strict=True)
    ]
    return from_rows(("share", "bound", "eta", "height", "chi2", "dof"), rows)


def _contained(found: Containment, inside: Mapping[str, Integers]) -> Columns:
    """Shares by geometry; `seed_side` is the energy on the side of the seed, the maximum for any window."""
    n, edges, parts = found.n, found.eta_edges, list[Columns]()
    for name, sums in {**inside, "seed_side": found.same_side}.items():
        share, error = mean_shares(sums, n)
        columns = {"caloparticles": n.sum(axis=1), "share": share, "error": error}
        parts.append({"geometry": [name] * len(share)} | _bins(edges) | columns)
        total = np.array([sums.sum() / UNIT / max(int(n.sum()), 1)])
        _, error = mean_shares(sums.sum(axis=0)[None], n.sum(axis=0)[None])
        columns = {"caloparticles": np.array([n.sum()]), "share": total, "error": error}
        parts.append({"geometry": [name]} | _bins(edges[[0, -1]]) | columns)
    return joined(parts)
