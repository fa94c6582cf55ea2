"""The summary of `ecalwindows normalize`."""

from __future__ import annotations

from shlex import quote

from ecalwindows.commands.normalize import Normalisation


def normalisation_summary(done: Normalisation, output: str | None, definition: str | None) -> str:
    """Several lines: what was taken in, the columns with values that are no numbers, the next step."""
    factors = done.factors
    columns = {name: moments for level in factors.levels.values() for name, moments in level.items()}
    gaps = {name: moments.no_number for name, moments in columns.items() if moments.no_number}
    rows = [("data files", len(done.files)), ("windows", factors.windows), ("clusters", factors.clusters)]
    rows += [(f"columns of {level}s", len(found)) for level, found in factors.levels.items()]
    lines = [f"{name:<24}{number:>13,}" for name, number in rows]
    left_out = "counted as numbers" if factors.keep_sentinels else "left out"
    lines.append(f"{'columns with gaps':<24}{len(gaps):>13,}  -999 {left_out}" if gaps else "no column has gaps (-999)")
    lines += [f"  {name:<22}{n:>13,}  of {columns[name].n + n:,}" for name, n in sorted(gaps.items(), key=_count)[:8]]
    lines.append(f"{done.seconds:.1f} s")
    if definition:
        lines.append(f"wrote {definition}: what a model is fed, for `stream(inputs=...)` (docs/training.md)")
    if output:
        lines.append(f"wrote {output}: record it with `ecalwindows finalize ... --normalisation {quote(output)}`")
    return "\n".join(lines)


def _count(gap: tuple[str, int]) -> tuple[int, str]:
    return -gap[1], gap[0]
