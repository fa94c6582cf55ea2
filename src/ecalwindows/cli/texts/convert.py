"""The summary of a conversion."""

from __future__ import annotations

from ecalwindows.commands.convert import Conversion
from ecalwindows.core.names import counted, some
from ecalwindows.core.schema import COLUMNS, HIT_NAMES
from ecalwindows.formats.ndjson.reader import in_order

MAX_NAMES = 12


def summary(done: Conversion) -> str:
    """Several lines of text: what came in, what was unexpected in it, what was written."""
    lines = [
        f"{'files':<24}{done.n_files:>13,}",
        f"{'windows':<24}{done.windows:>13,}  with {counted(done.clusters, 'cluster')}",
    ]
    notes = done.notes
    lines += [f"{counted(n, 'unusable line')}: {reason}" for reason, n in in_order(notes.reasons).items()]
    lines += [f"  {found}" for found in notes.reported]
    found = (
        ("filled from other columns", done.filled),
        ("left out, the input does not have them", done.absent),
        ("left out, only some lines have them", notes.missing),
        ("left out, not columns of ecalwindows", notes.unknown),
    )
    lines += [f"{what}: {listed(names)}" for what, names in found if names]
    lines += [f"left out, no regular file: {what}" for what in notes.skipped]
    for error in done.bad:
        kept = done.kept.get(error.where, 0)
        lines.append(f"bad file: {error.where}: {error.found}; {counted(kept, 'window')} of it kept")
    rate = done.windows / done.seconds if done.seconds else 0.0
    lines.append(f"{done.seconds:.1f} s, {rate:,.0f} windows/s")
    verb = "replaced" if done.replaced else "written"
    return "\n".join(lines + [f"{verb}: {path}" for path in reversed(done.outputs)])


def listed(names: set[str]) -> str:
    """Names in the order of the columns, then the others, hits last; the first ones only."""
    names, hits = names.difference(HIT_NAMES), names.intersection(HIT_NAMES)
    order = {name: place for place, name in enumerate(COLUMNS)}
    ordered = sorted(names, key=lambda name: (order.get(name, len(order)), name))
    ordered += ["hits"] if len(hits) == len(HIT_NAMES) else sorted(f"hits' {name}" for name in hits)
    return some(ordered, MAX_NAMES)
