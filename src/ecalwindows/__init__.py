"""ecalwindows: from RecoSimDumper ROOT files to proven datasets of CMS ECAL detector windows.

>>> import ecalwindows
>>> array = ecalwindows.windows("electrons.root")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecalwindows.api import iterate_windows, windows
    from ecalwindows.config import WindowSettings
    from ecalwindows.dataset.opening.training import open_dataset
    from ecalwindows.run import Reading, write_windows
    from ecalwindows.version import version as __version__

__all__ = ["Reading", "WindowSettings", "__version__", "iterate_windows", "open_dataset", "windows", "write_windows"]

_HOMES = {
    "windows": "ecalwindows.api",
    "iterate_windows": "ecalwindows.api",
    "write_windows": "ecalwindows.run",
    "open_dataset": "ecalwindows.dataset.opening.training",
    "Reading": "ecalwindows.run",
    "WindowSettings": "ecalwindows.config",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import ecalwindows` stays quick (PEP 562)."""
    from importlib import import_module

    if name == "__version__":
        return import_module("ecalwindows.version").version
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ecalwindows' has no attribute '{name}'")
