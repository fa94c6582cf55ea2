"""What `ecalwindows compare` found, as text; the verdict is the last line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ecalwindows.commands.compare import Compared
from ecalwindows.core.names import counted
from ecalwindows.validation.comparison import ColumnDifference
from ecalwindows.validation.drift import QUANTILES, Drift
from ecalwindows.validation.matching import KINDS


def comparison_text(found: Compared) -> str:
    """The report. Last line: `equal: N windows`, `DIFFERENT: ...`, or `not compared ...`."""
    lines = list(_head(found))
    if found.comparison.windows:
        lines += ["", *_differences(found)]
    if found.drifts:
        lines += ["", *_drift_table(found.drifts)]
    if found.figures:
        lines += ["", f"{counted(len(found.figures), 'figure')} in {found.figures[0].parent}"]
    return "\n".join([*lines, "", _verdict(found)])


def _head(found: Compared) -> Iterator[str]:
    match = found.match
    for side, path in enumerate(found.paths):
        yield f"{'AB'[side]}: {path}: {counted(match.windows[side], 'window')}"
    if match.kind:
        yield f"{counted(len(match.common), 'common window')} by {match.kind}"
    for side in (0, 1):
        if match.only[side] and match.kind:
            names = found.only[side]
            more = " ..." if match.only[side] > len(names) else ""
            yield f"only in {'AB'[side]}: {counted(match.only[side], 'window')}: {'; '.join(names)}{more}"
        if match.repeated[side]:
            n = counted(match.repeated[side], "window")
            yield f"more than once in {'AB'[side]}: {n}, not compared"
    for side in (0, 1):
        if found.one_sided[side]:
            yield f"columns only in {'AB'[side]}: {', '.join(found.one_sided[side])}"


def _differences(found: Compared) -> Iterator[str]:
    comparison = found.comparison
    differ = [column for column in comparison.columns.values() if column.differ]
    numbers = [column for column in differ if not column.is_label]
    if numbers:
        yield f"{'column':<26}{'values':>12}{'differ':>12}{'max abs':>12}{'max rel':>12}{'-999 in one':>13}  first in"
        yield from (_row(column) for column in numbers)
    for column in differ:
        if column.is_label:
            yield from ["", *_matrix(column)] if numbers or column is not differ[0] else _matrix(column)
    for side, n in enumerate(comparison.clusters_only):
        if n:
            yield f"clusters of common windows only in {'AB'[side]}: {n:,}"
    if comparison.reordered:
        yield f"clusters are in another order in {counted(comparison.reordered, 'window')}"
    if comparison.hits_differ:
        yield f"clusters with another number of hits: {comparison.hits_differ:,}"
    same = len(comparison.columns) - len(differ)
    yield f"{counted(same, 'column')} equal" + (", others not" if differ else "")


def _row(column: ColumnDifference) -> str:
    usual = column.differ > column.one_sentinel
    sizes = f"{column.max_abs:>12.3g}{column.max_rel:>12.3g}" if usual else f"{'-':>12}{'-':>12}"
    return (
        f"{column.name:<26}{column.compared:>12,}{column.differ:>12,}{sizes}{column.one_sentinel or '':>13}"
        f"  {column.offenders[0]}"
    )


def _matrix(column: ColumnDifference) -> list[str]:
    """A label: how often it is what in A (rows) and B (columns)."""
    (nn, ny), (yn, yy) = column.flips.tolist()
    return [
        f"{column.name}: {column.differ:,} of {column.compared:,} flipped, first in {column.offenders[0]}",
        f"{'':14}{'B false':>14}{'B true':>14}",
        f"{'A false':>14}{nn:>14,}{ny:>14,}",
        f"{'A true':>14}{yn:>14,}{yy:>14,}",
    ]


def _drift_table(drifts: Iterable[Drift]) -> Iterator[str]:
    """Two lines per column (A, B), the largest KS distance first."""
    quantiles = "".join(f"{f'{100 * q:g} %':>12}" for q in QUANTILES)
    yield f"{'column':<26}{'KS':>8}{'':>4}{'values':>14}{'mean':>12}{'std':>12}{quantiles}"
    for drift in drifts:
        mark = " *" if drift.ks > drift.noise else ""
        for side, moments in enumerate((drift.a, drift.b)):
            name = f"{drift.name:<26}{drift.ks:>8.3f}{mark:<3}" if side == 0 else f"{'':<37}"
            numbers = "".join(f"{x:>12.4g}" for x in (moments.mean, moments.std, *drift.quantiles[side]))
            lost = f"  and {moments.no_number:,} times -999" if moments.no_number else ""
            yield f"{name}{'AB'[side]}{moments.n:>14,}{numbers}{lost}"
    yield "* beyond what 1 of 20 pairs of samples of one distribution show (values taken as independent)"


def _verdict(found: Compared) -> str:
    match, comparison = found.match, found.comparison
    if found.is_equal:
        return f"equal: {counted(match.windows[0], 'window')}"
    if not match.has_names:
        ways = " or ".join(KINDS)
        return f"not compared window by window: both need the columns of {ways}"
    if not match.kind:
        return f"DIFFERENT: no common windows ({match.windows[0]:,} in A, {match.windows[1]:,} in B)"
    columns = sum(bool(column.differ) for column in comparison.columns.values())
    parts = []
    if comparison.differ:
        where = f" in {counted(columns, 'column')}" if columns else ""
        parts.append(f"{comparison.differ:,} of {counted(comparison.windows, 'common window')} differ{where}")
    for side in (0, 1):
        if match.only[side]:
            parts.append(f"{counted(match.only[side], 'window')} only in {'AB'[side]}")
        if match.repeated[side]:
            parts.append(f"{counted(match.repeated[side], 'window')} repeated in {'AB'[side]}")
    return "DIFFERENT: " + ", ".join(parts)
