"""From scores to physics: superclusters made of scores, and how good they are.

For notebooks: `superclusters` of windows as Awkward Array, and `measure`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecalwindows.evaluation.arrays import superclusters
    from ecalwindows.evaluation.measuring import measure

__all__ = ["measure", "superclusters"]


def __getattr__(name: str) -> Any:
    """Import on first use (PEP 562)."""
    from importlib import import_module

    homes = {"superclusters": "ecalwindows.evaluation.arrays", "measure": "ecalwindows.evaluation.measuring"}
    if name not in homes:
        raise AttributeError(f"module 'ecalwindows.evaluation' has no attribute '{name}'")
    return getattr(import_module(homes[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
