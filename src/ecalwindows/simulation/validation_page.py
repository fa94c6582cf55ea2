"""Markdown tables of the validation of the simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """A simulated and a published value.

    tolerance : maximum difference, relative to the published value or, if `absolute`, as it is
    """

    name: str
    simulated: float
    published: float
    tolerance: float
    absolute: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the difference is at most the tolerance."""
        difference = abs(self.simulated - self.published)
        return difference <= self.tolerance * (1 if self.absolute else abs(self.published))


def table(title: str, rows: Sequence[Comparison]) -> str:
    """A Markdown table with one line per comparison."""
    lines = [f"## {title}", "", "| quantity | simulation | published | tolerance | within |", "|---|---|---|---|---|"]
    for row in rows:
        tolerance = f"{row.tolerance:.3g}" if row.absolute else f"{100 * row.tolerance:.0f} %"
        verdict = "yes" if row.agrees else "**no**"
        lines.append(f"| {row.name} | {row.simulated:.4g} | {row.published:.4g} | {tolerance} | {verdict} |")
    return "\n".join(lines) + "\n"


def plain_table(title: str, header: Sequence[str], rows: Sequence[Sequence[float]]) -> str:
    """A Markdown table of numbers."""
    lines = [f"## {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(f"{value:.4g}" for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
