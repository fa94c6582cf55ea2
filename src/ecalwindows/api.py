"""The Python interface: windows as Awkward Arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak

from ecalwindows.commands.windows import Report, iter_made, prepared, warn_of_inputs
from ecalwindows.core.settings import WindowSettings, read_settings, window_settings
from ecalwindows.dumper.reading import Reading
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.parquet.writer import arrow_table


def iterate_windows(
    inputs: Any,
    settings: WindowSettings | Mapping[str, Any] | str | Path | None = None,
    *,
    features: str | Path | None = None,
    reading: Reading | None = None,
) -> Iterator[ak.Array]:
    """Windows of dumper files, one Awkward Array a reading step: for inputs larger than memory.

    inputs   : a file, folder, glob or root:// URL, or a list of them
    settings : `WindowSettings`, a mapping of them, or the path of a YAML file; defaults otherwise
    features : features definition, "default", "seed" or the path of a JSON file
    Yields records with the fields of the Parquet layout: `cl_features`, ... are n_windows * var * {name: number},
    `window_metadata`, ... n_windows * {name: number}, `cl_h` n_windows * var * var * var * float32.
    Energies in GeV, angles in rad. Steps without a window are left out.
    Raises EcalWindowsError for bad files, settings or working points.
    Source of the definitions: docs of the DeepSC datasets, as made exact in docs/windows.md.
    """
    steps = _tables(inputs, settings, features, reading)
    next(steps)
    yield from (array for array in steps if len(array))


def windows(
    inputs: Any,
    settings: WindowSettings | Mapping[str, Any] | str | Path | None = None,
    *,
    features: str | Path | None = None,
    reading: Reading | None = None,
) -> ak.Array:
    """All windows of dumper files as one Awkward Array; the arguments are those of `iterate_windows`.

    >>> import ecalwindows
    >>> array = ecalwindows.windows("electrons.root", {"overlap": True})
    >>> array.cl_features["et_cluster"]
    """
    steps = list(_tables(inputs, settings, features, reading))
    return ak.concatenate([array for array in steps if len(array)] or steps[:1])


def _tables(
    inputs: Any,
    settings: WindowSettings | Mapping[str, Any] | str | Path | None,
    features: str | Path | None,
    reading: Reading | None,
) -> Iterator[ak.Array]:
    """One array a step, the first one empty."""
    definition, reading = features_definition(features), reading or Reading()
    chosen = _settings(settings)
    checked, threshold = prepared(inputs, chosen, definition.wanted, reading)
    report = Report()
    for made in iter_made(checked, chosen, threshold, reading=reading, report=report):
        yield ak.from_arrow(arrow_table(made.batch, definition))
    warn_of_inputs(checked, report, reading)


def _settings(given: WindowSettings | Mapping[str, Any] | str | Path | None) -> WindowSettings:
    if isinstance(given, WindowSettings):
        return given
    if isinstance(given, str | Path):
        return window_settings(read_settings(given), where=str(given))
    return window_settings(given or {})
