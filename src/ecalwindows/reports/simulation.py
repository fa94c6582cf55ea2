"""The page of a validation of the simulation: tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One number beside its published value. tolerance: of the ratio, or of the difference where `absolute`."""

    name: str
    ours: float
    published: float
    tolerance: float
    absolute: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the tolerance."""
        difference = abs(self.ours - self.published)
        return difference <= self.tolerance * (1 if self.absolute else abs(self.published))


def table(title: str, rows: Sequence[Comparison]) -> str:
    """A table with a line for each comparison."""
    lines = [f"## {title}", "", "| quantity | simulation | published | tolerance | within |", "|---|---|---|---|---|"]
    for row in rows:
        tolerance = f"{row.tolerance:.3g}" if row.absolute else f"{100 * row.tolerance:.0f} %"
        verdict = "yes" if row.agrees else "**no**"
        lines.append(f"| {row.name} | {row.ours:.4g} | {row.published:.4g} | {tolerance} | {verdict} |")
    return "\n".join(lines) + "\n"


def plain_table(title: str, header: Sequence[str], rows: Sequence[Sequence[float]]) -> str:
    """A table of numbers."""
    lines = [f"## {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(f"{value:.4g}" for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
