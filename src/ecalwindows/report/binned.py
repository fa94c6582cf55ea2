"""Values as numbers of bins, one byte for each value: small enough for a page, and counts in bins are exact.

A bin contains its lower edge and not its upper edge, compared in float64. So a selection of complete bins is a
selection by limits, and every program that compares the stored values with these limits finds the same numbers.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Bytes, Floats, Integers
from ecalwindows.core.schema import SENTINEL, Level
from ecalwindows.evaluation.events import Windows, joined
from ecalwindows.plots.style import group_look
from ecalwindows.report.quantities import Quantity
from ecalwindows.studies.binning import Binning, binning_of
from ecalwindows.studies.distributions import ALL, UNMATCHED, group_of

Groups = list[tuple[int, int]]
BELOW, ABOVE, NO_NUMBER = 253, 254, 255
"""Codes of values outside of all bins."""

LINES = 7
"""Kinds of lines, so that groups differ without colours."""


def codes(values: Floats, edges: Floats) -> Bytes:
    """The bin of each value, uint8 (n,)."""
    place = np.searchsorted(edges, values, side="right") - 1
    place = np.where(values < edges[0], BELOW, np.where(values >= edges[-1], ABOVE, place))
    return np.where(values == SENTINEL, NO_NUMBER, place).astype(np.uint8)


def binnings(what: Sequence[Quantity], samples: Sequence[Windows]) -> list[Binning]:
    """The bins of each quantity, chosen from the samples of all datasets together."""
    found = []
    for each in what:
        values = np.concatenate([each.values(rows) for rows in samples])
        found.append(binning_of(values[values != SENTINEL]))
    return found


def _group_of(rows: Windows, level: Level) -> tuple[Integers, Integers]:
    return group_of(level, rows.names, rows.column, rows.owner, len(rows))


@dataclass(frozen=True)
class Table:
    """A dataset as the page has it: the sample, then windows that are only in the browser of windows.

    Attributes
    ----------
    rows : all of these windows; n_sample : those of the sample
    text : all codes, packed
    statistics : mean, standard deviation and error of the mean of each quantity in each group of the sample, by index
        of the quantity; of the values alone, without what has no number
    """

    rows: Windows
    n_sample: int
    text: str
    statistics: list[dict[int, tuple[float, float, float]]] = field(default_factory=list)


def group_counts(rows: Windows, level: Level) -> dict[tuple[int, int], int]:
    """How many windows or clusters each group has."""
    flavour, label = _group_of(rows, level)
    keys, numbers = np.unique(4 * flavour + label - ALL, return_counts=True)
    pairs = zip((keys // 4).tolist(), (keys % 4 + ALL).tolist(), strict=True)
    return dict(zip(pairs, numbers.tolist(), strict=True))


def groups_of(found: Iterable[tuple[int, int]]) -> Groups:
    """Groups in order, those with a label first."""
    return sorted(found, key=lambda pair: (pair[1] == UNMATCHED, -pair[1], pair[0]))


def group_names(level: Level, groups: Groups) -> list[dict[str, Any]]:
    """Names of groups with the indices of their colour and of their line."""
    flavours = {11: 0, 22: 1, 0: 4}
    return [
        {"name": group_look(level, flavour, label)[0], "colour": flavours.get(flavour, 3), "line": index % LINES}
        for index, (flavour, label) in enumerate(groups)
    ]


def table(
    what: Sequence[Quantity],
    bins: Sequence[Binning],
    groups: dict[Level, Groups],
    sample: Windows,
    extra: Windows | None,
) -> Table:
    """Everything packed, in this order: clusters of each window (two bytes), groups of windows and clusters, codes."""
    rows = sample if extra is None or not len(extra) else joined([sample, extra])
    pieces = [rows.sizes.astype("<u2").tobytes()]
    place: dict[Level, Integers] = {}
    for level in ("window", "cluster"):
        flavour, label = _group_of(rows, level)
        place[level] = np.full(len(flavour), NO_NUMBER, np.int64)
        for index, (wanted, marked) in enumerate(groups[level]):
            place[level][(flavour == wanted) & (label == marked)] = index
        pieces.append(place[level].astype(np.uint8).tobytes())
    clusters = int(sample.sizes.sum())
    statistics = []
    for each, binning in zip(what, bins, strict=True):
        values = each.values(rows)
        pieces.append(codes(values, binning.edges).tobytes())
        n = len(sample) if each.level == "window" else clusters
        statistics.append(_statistics(values[:n], place[each.level][:n], len(groups[each.level])))
    return Table(rows, len(sample), packed(b"".join(pieces)), statistics)


def _statistics(values: Floats, place: Integers, n: int) -> dict[int, tuple[float, float, float]]:
    known = values != SENTINEL
    found = {}
    for group in range(n):
        chosen = values[known & (place == group)]
        if len(chosen):
            std = float(chosen.std())
            found[group] = float(chosen.mean()), std, std / len(chosen) ** 0.5
    return found


def packed(data: bytes) -> str:
    """Bytes compressed (zlib) and as text (base64)."""
    return base64.b64encode(zlib.compress(data, 6)).decode()
