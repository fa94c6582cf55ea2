"""The summary of `ecalwindows report`."""

from __future__ import annotations

from ecalwindows.commands.report import Reported


def reported_summary(done: Reported) -> str:
    """Several lines: what was read and what is shown."""
    rows = [
        ("windows", done.windows), ("clusters", done.clusters), ("in distributions", done.sampled),
        ("single windows", done.shown), ("bytes", done.bytes),
    ]  # fmt: skip
    lines = [f"{name:<17}{number:>13,}" for name, number in rows]
    lines += [*done.notes, f"{done.seconds:.1f} s", f"wrote {done.path}"]
    return "\n".join(lines)
