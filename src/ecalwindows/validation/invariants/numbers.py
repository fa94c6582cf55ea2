"""Numbers that follow from others: Et, logarithms, sums and extremes; and the value where there is no number."""

from __future__ import annotations

import numpy as np

from ecalwindows.core.schema import COLUMNS, SENTINEL
from ecalwindows.validation.invariants.seen import Flags, Invariant, Part, Seen, follows, invariant, part

FILLS = np.array([-99.0, -9999.0, -99999.0, -999999.0, *np.finfo(np.float32).max * np.array([-1.0, 1.0])])
"""What other programs write where there is no number."""


def _no_fill(name: str) -> Part:
    """No value that other programs write where there is no number; integers always have a number."""

    fills = FILLS[1:] if "_den_" in name or "_det_" in name else FILLS  # a difference may well be -99 GeV
    fills = fills if COLUMNS[name].dtype.startswith("float") else np.array([SENTINEL])

    def holds(seen: Seen) -> Flags:
        return seen.by_window(name, ~np.isin(seen.of(name), fills))

    return part({name}, holds)


NUMBERS: tuple[Invariant, ...] = (
    invariant("transverse", "Et is energy / cosh(eta)", *follows("transverse")),
    invariant("logs", "x_log is log(1 + x), -999 where 1 + x is not above 0", *follows("logs")),
    invariant("ncls", "ncls is the number of clusters", *follows("ncls")),
    invariant("maxima", "max_* are the largest over the clusters", *follows("maxima")),
    invariant("minima", "min_* are the smallest over the clusters", *follows("minima")),
    invariant("means", "mean_* are the means over the clusters", *follows("means")),
    invariant("sums", "wtot_* are the sums over the clusters", *follows("sums")),
    invariant(
        "sentinel", "-999 alone is written where there is no number, and never among integers",
        *(_no_fill(name) for name, column in COLUMNS.items() if column.dtype not in ("str", "bool", "int64")),
    ),
)  # fmt: skip
