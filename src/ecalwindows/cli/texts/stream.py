"""What `ecalwindows stream --dry-run` prints."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from ecalwindows.commands.stream import StreamFacts
from ecalwindows.core.names import counted

MAX_SHARES = 10
"""Samples, and flavours, that are printed; `--json` has all."""


def stream_json(facts: StreamFacts) -> str:
    """All facts as one JSON object."""
    return json.dumps(vars(facts) | {"wasted": facts.wasted, "cut": facts.cut}, indent=1)


def stream_text(facts: StreamFacts) -> str:
    """A table for people."""
    return "\n".join(_lines(facts))


def _lines(facts: StreamFacts) -> Iterator[str]:
    left = f", {facts.dropped:,} left out" if facts.dropped else ""
    yield _row("an epoch", f"{counted(facts.windows, 'window')} in {counted(facts.batches, 'batch')}{left}")
    yield _row("order", facts.order)
    first = counted(facts.read_batches, "batch").removeprefix("1 ")
    yield f"in the first {first} ({counted(facts.read_windows, 'window')})"
    yield from _shares("samples", facts.samples)
    yield from _shares("flavours", facts.flavours)
    n = facts.read_windows
    yield _row("per window", f"{facts.clusters / n:.1f} clusters, {facts.hits / n:.1f} hits")
    for name, share in facts.wasted.items():
        yield _row(f"{name}: empty", f"{share:7.2%} of the places")
    for name, cut in (("clusters", facts.clusters_cut), ("hits", facts.hits_cut)):
        if name in facts.wasted:
            yield _row(f"{name}: cut", f"{facts.cut.get(name, 0.0):7.2%} ({cut:,})")
    yield "on this machine"
    yield _row("first batch", f"after {facts.first_seconds:.2f} s")
    speed = facts.windows_per_second
    yield _row("then", "unknown: only one batch was read" if speed is None else f"{speed:,.0f} windows/s")


def _shares(what: str, counts: Counter[str]) -> Iterator[str]:
    total = counts.total()
    for number, (name, n) in enumerate(counts.most_common(MAX_SHARES)):
        yield _row("" if number else what, f"{n / total:7.2%} {name}")
    if len(counts) > MAX_SHARES:
        yield _row("", f"and {len(counts) - MAX_SHARES} more (--json lists all)")


def _row(name: str, value: str) -> str:
    return f"  {name:<17} {value}".rstrip()
