"""The summary of a run, in which everything adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecalwindows.commands.windows import Report
from ecalwindows.core.names import counted

if TYPE_CHECKING:
    from ecalwindows.commands.truth.match import MatchReport


def summary(report: Report) -> str:
    """Several lines of text: counts by outcome, files, outputs."""
    c = report.counts
    rows = [
        ("events", c.events, f"of {counted(report.n_files, 'file')}"),
        ("clusters", c.clusters, ""),
        ("candidates", c.candidates, "clusters with the Et of a seed"),
        ("  in another window", -c.in_another_window, "made no window"),
        ("  no finite position", -c.without_position, "made no window"),
        ("windows made", c.windows_made, ""),
        ("  matched", c.matched, "to a caloparticle"),
        ("  unmatched: score", c.unmatched_low_score, "of the seed too low"),
        ("  unmatched: position", c.unmatched_gen_outside, "caloparticle outside the window"),
        ("unmatched, dropped", -c.unmatched_dropped, "beyond maxnocalow"),
        ("windows kept", c.windows_kept, f"with {counted(c.clusters_in_windows, 'cluster')}"),
    ]
    if not report.has_truth:
        rows = [row for row in rows if "matched" not in row[0]]
    optional = {"  no finite position", "  unmatched: position"}
    lines = [
        f"{name:<24}{count:>13,}  {words}".rstrip() for name, count, words in rows if count or name not in optional
    ]
    if not report.has_truth:
        lines.append("truth: none (columns of truth are left out, and all windows are kept)")
    lines += reading_notes(report)
    lines += [f"{'replaced' if path in report.replaced else 'written'}: {path}" for path in reversed(report.outputs)]
    return "\n".join(lines)


def reading_notes(report: Report | MatchReport) -> list[str]:
    """What is to be reported of the inputs, one line for each, and how long it took."""
    lines = []
    if report.n_duplicates:
        lines.append(f"{'events seen before':<24}{report.n_duplicates:>13,}  left out, and not counted above")
    if report.n_files:
        used = report.pileup_files
        where = {0: "off (no such branches, or switched off)", report.n_files: "used"}
        lines.append("pile-up: " + where.get(used, f"used in {used} of {counted(report.n_files, 'file')}"))
    lines += [f"bad file left out: {error.where}: {error.found}" for error in report.bad]
    rate = report.counts.events / report.seconds if report.seconds else 0.0
    return [*lines, f"{report.seconds:.1f} s, {rate:,.0f} events/s"]
