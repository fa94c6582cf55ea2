"""The summary of `ecalwindows finalize`."""

from __future__ import annotations

from ecalwindows.commands.finalize import Finalized
from ecalwindows.core.names import counted
from ecalwindows.dataset.finalizing.card import COUNTS


def finalized_summary(done: Finalized) -> str:
    """Several lines: parts, counts that add up, splits, what was written."""
    record = done.record
    rows = [(f"parts ({', '.join(form.format for form in record.forms)})", done.n_parts, "all as their manifests say")]
    rows += [(name, record.counts[key], words) for key, name, words in COUNTS if record.counts.get(key)]
    if "windows_kept" not in record.counts:
        rows.append(("windows", record.windows, ""))
    rows += [(f"  {split.name}", split.windows, f"of {counted(split.events, 'event')}") for split in record.splits]
    lines = [f"{name:<24}{number:>13,}  {words}".rstrip() for name, number, words in rows]
    lines += [f"known issue: {issue.text}" for issue in record.known_issues]
    lines += [f"left out: {bad.get('name', '')}: {bad.get('reason', '')}" for bad in record.bad_inputs]
    lines.append(f"{done.seconds:.1f} s")
    lines.append(f"{'replaced' if done.replaced else 'finalized'}: {record.title} in {done.path}")
    return "\n".join(lines)
