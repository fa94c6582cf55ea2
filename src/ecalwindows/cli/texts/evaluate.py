"""What `ecalwindows evaluate` prints when it is done."""

from __future__ import annotations

import math

from ecalwindows.commands.evaluate import Evaluated
from ecalwindows.evaluation.page import PAGE

SHOWN = ("median", "resolution", "completeness", "purity", "found", "fakes per event", "area under ROC")


def evaluated_text(found: Evaluated) -> str:
    """Several lines: what was read, the numbers of all collections, what was left out, outputs."""
    counts = [f"{name:<32}{n:>13,}" for name, n in found.counts.items()]
    return "\n".join([*counts, *_numbers(found), *_rest(found)])


def _numbers(found: Evaluated) -> list[str]:
    known = {(each.measure, each.collection): each for each in found.measured if each.bin.by == "all"}
    names = list(dict.fromkeys(each.collection for each in found.measured))
    if not names:
        return []
    lines = [f"{'':<18}" + "".join(f"{name[-22:]:>24}" for name in names)]
    for what in SHOWN:
        cells = []
        for name in names:
            each = known.get((what, name))
            cells.append(f"{each.value:.5f} +- {each.error:.5f}" if each and math.isfinite(each.value) else "")
        if any(cells):
            lines.append(f"{what:<18}" + "".join(f"{cell:>24}" for cell in cells))
    return lines


def _rest(found: Evaluated) -> list[str]:
    lines = [f"left out: {each}" for each in found.left_out]
    if failed := sum(bool(fit.problem) for *_, fit in found.fits):
        lines.append(f"left out: {failed:,} of {len(found.fits):,} fits of the response (fits.csv says why)")
    return [*lines, f"{found.seconds:.1f} s", f"written: {found.folder}/ ({len(found.files):,} files; read {PAGE})"]
