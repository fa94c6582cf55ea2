"""What `ecalwindows validate` found, as text: one line per invariant, the verdict last."""

from __future__ import annotations

from ecalwindows.commands.validate import Validation
from ecalwindows.core.names import counted, some
from ecalwindows.validation.invariants import Outcome

MAX_MISSING = 2
"""Columns and settings that are reported as missing."""


def validation_text(validation: Validation) -> str:
    """The report. Last line: `valid: ...` or `INVALID: ...`."""
    lines = [f"{validation.path}: {counted(validation.windows, 'window')}, {counted(validation.clusters, 'cluster')}"
             f" in {counted(validation.files, 'file')}", ""]  # fmt: skip
    for outcome in validation.outcomes.values():
        lines += _lines(outcome)
    lines.append("")
    lines += [f"known issue: {issue}" for issue in validation.issues]
    lines += [f"warning: {warning}" for warning in validation.warnings]
    return "\n".join([*lines, _verdict(validation)])


def _lines(outcome: Outcome) -> list[str]:
    if not outcome.checked and not outcome.failed:
        why = f"lacks {some(sorted(outcome.missing), MAX_MISSING)}" if outcome.missing else "there is nothing to check"
        return [f"{'-':>10}  {outcome.name:<20} not checked, {why}"]
    if not outcome.failed:
        without = f" (lacks {some(sorted(outcome.missing), MAX_MISSING)})" if outcome.missing else ""
        return [f"{'ok':>10}  {outcome.name:<20} {outcome.sentence}{without}"]
    found = f"FAILED {outcome.failed:,} of {outcome.checked:,}: {outcome.name}: {outcome.sentence}"
    more = outcome.failed - len(outcome.offenders)
    return [found, *(f"{'':12}{offender}" for offender in outcome.offenders), *([f"{'':12}..."] if more > 0 else [])]


def _verdict(validation: Validation) -> str:
    found = validation.outcomes.values()
    unchecked = sum(not outcome.checked and not outcome.failed for outcome in found)
    checked = len(found) - unchecked
    skipped = f", {unchecked} not checked" if unchecked else ""
    if validation.failed:
        names = ", ".join(outcome.name for outcome in validation.failed)
        return f"INVALID: {len(validation.failed)} of {checked} invariants fail ({names}){skipped}"
    return f"valid: {counted(validation.windows, 'window')}, {counted(checked, 'invariant')} hold{skipped}"
