"""The summary of `ecalwindows truth match`."""

from __future__ import annotations

from shlex import quote

from ecalwindows.cli.texts.windows import reading_notes
from ecalwindows.commands.truth.match import MatchReport
from ecalwindows.core.names import counted


def match_text(report: MatchReport) -> str:
    """Several lines of text: counts by outcome, files, output, next step."""
    c = report.counts
    rows = [
        ("events", c.events, f"of {counted(report.n_files, 'file')}"),
        ("clusters", c.clusters, ""),
        ("  of nobody", -c.of_nobody, "no score above the limit"),
        ("matched clusters", c.matched, "rows of the table"),
        ("caloparticles", c.caloparticles, ""),
        ("  without clusters", -c.without_clusters, "not in the table"),
        ("in the table", c.with_clusters, "each with a main cluster"),
    ]
    lines = [f"{name:<24}{count:>13,}  {words}".rstrip() for name, count, words in rows]
    lines += reading_notes(report)
    lines.append(f"{'replaced' if report.replaced else 'written'}: {report.output}")
    lines.append(f"next: ecalwindows truth working-points {quote(str(report.output))} -o wp.json")
    return "\n".join(lines)
