"""The summary of `ecalwindows reweight`."""

from __future__ import annotations

from ecalwindows.commands.reweight import Reweighted

UNLIKELY = 1e-3
"""A statement with a smaller probability does not hold."""


def reweighting_summary(done: Reweighted) -> str:
    """Several lines: windows, what was checked before and after, notes on bins, what was written."""
    lines = [f"{name:<30}{n:>12,}" for name, n in done.windows.items() if n or name.startswith(("elec", "phot"))]
    lines.append(f"{'largest total weight':<30}{done.largest:>12.2f}  the mean is 1")
    lines.append("on the half for the check, chi2 / freedom (probability):")
    for before, after in zip(done.tests["before"], done.tests["after"], strict=True):
        holds = "" if after.probability > UNLIKELY else "  DOES NOT HOLD"
        was = f"{before.chi2:,.0f} / {before.dof}"
        lines.append(f"  {after.name:<36}{was:>14} -> {after.chi2:,.1f} / {after.dof} ({after.probability:.2g}){holds}")
    lines += [f"note: {note}" for note in done.notes]
    lines.append(f"{done.seconds:.1f} s")
    lines.append(f"tables{' and figures' if len(done.outputs) > 6 else ''}: {done.outputs[-1].parent}")
    if done.problem is None:
        lines.append(f"wrote {done.outputs[0]}: use it with -w of `ecalwindows windows` and `ecalwindows convert`")
    return "\n".join(lines)
