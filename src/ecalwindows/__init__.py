"""ecalwindows: from RecoSimDumper ROOT files to verified datasets of CMS ECAL detector windows.

>>> import ecalwindows
>>> array = ecalwindows.windows("electrons.root")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecalwindows.api import iterate_windows, show, windows
    from ecalwindows.commands.report import write_report
    from ecalwindows.commands.windows import write_windows
    from ecalwindows.core.settings import WindowSettings
    from ecalwindows.core.version import version as __version__
    from ecalwindows.dumper.reading import Reading
    from ecalwindows.training.adaptors import tf_dataset, torch_dataset
    from ecalwindows.training.opened import open_dataset
    from ecalwindows.training.stream import Stream, stream

__all__ = [
    "Reading", "Stream", "WindowSettings", "__version__", "iterate_windows", "open_dataset", "show", "stream",
    "tf_dataset", "torch_dataset", "windows", "write_report", "write_windows",
]  # fmt: skip

_HOMES = {
    "windows": "ecalwindows.api",
    "iterate_windows": "ecalwindows.api",
    "show": "ecalwindows.api",
    "write_report": "ecalwindows.commands.report",
    "write_windows": "ecalwindows.commands.windows",
    "open_dataset": "ecalwindows.training.opened",
    "Stream": "ecalwindows.training.stream",
    "stream": "ecalwindows.training.stream",
    "tf_dataset": "ecalwindows.training.adaptors",
    "torch_dataset": "ecalwindows.training.adaptors",
    "Reading": "ecalwindows.dumper.reading",
    "WindowSettings": "ecalwindows.core.settings",
}


def __getattr__(name: str) -> Any:
    """Import on first use: `import ecalwindows` stays quick (PEP 562)."""
    from importlib import import_module

    if name == "__version__":
        return import_module("ecalwindows.core.version").version
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ecalwindows' has no attribute '{name}'")


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
