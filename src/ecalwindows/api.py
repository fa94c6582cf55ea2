"""The Python interface: windows as Awkward Arrays and as figures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import awkward as ak

from ecalwindows.commands.windows import Report, iter_made, prepared, warn_of_inputs
from ecalwindows.core.schema import TRUTH
from ecalwindows.core.settings import GivenSettings, settings_of
from ecalwindows.dumper.reading import Reading, reading_of
from ecalwindows.formats.parquet.definition import features_definition
from ecalwindows.formats.parquet.writer import arrow_table

if TYPE_CHECKING:
    from ecalwindows.plots.style import Figure

log = logging.getLogger(__name__)


def iterate_windows(
    inputs: Any,
    settings: GivenSettings = None,
    *,
    features: str | Path | None = None,
    reading: Reading | Mapping[str, Any] | None = None,
) -> Iterator[ak.Array]:
    """Windows of dumper files, one Awkward Array per reading step: for inputs larger than memory.

    inputs   : a file, folder, glob or root:// URL, or a list of them
    settings : `WindowSettings`, a mapping of them, or the path of a YAML file; defaults otherwise
    reading  : how inputs are read, `Reading` or a dictionary of its fields
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
    settings: GivenSettings = None,
    *,
    features: str | Path | None = None,
    reading: Reading | Mapping[str, Any] | None = None,
) -> ak.Array:
    """All windows of dumper files as one Awkward Array; the arguments are those of `iterate_windows`.

    >>> import ecalwindows
    >>> array = ecalwindows.windows("electrons.root", {"mode": "overlapping"})
    >>> array.cl_features["et_cluster"]
    """
    steps = list(_tables(inputs, settings, features, reading))
    return ak.concatenate([array for array in steps if len(array)] or steps[:1])


def _tables(
    inputs: Any,
    settings: GivenSettings,
    features: str | Path | None,
    reading: Reading | Mapping[str, Any] | None,
) -> Iterator[ak.Array]:
    """One array per step; the first one is empty."""
    chosen, reading = settings_of(settings), reading_of(reading)
    definition = features_definition(features).with_second(chosen.also_superclusters)
    checked, threshold, chosen = prepared(inputs, chosen, definition.wanted, reading)
    definition = definition if chosen.has_truth else definition.without(TRUTH)
    report = Report()
    for made in iter_made(checked, chosen, threshold, reading=reading, report=report):
        yield ak.from_arrow(arrow_table(made.batch, definition))
    warn_of_inputs(checked, report, reading)


def show(
    source: str | Path,
    *,
    window: str | None = None,
    event: str | int | None = None,
    settings: GivenSettings = None,
) -> Figure:
    """Draw one window, or all windows of one event.

    Parameters
    ----------
    source : a dataset of any format, or a dumper file (.root), from which the windows are made first
    window : window_index of the window, <sample>_<run>_<lumi>_<event>_<seed_index>; the sample may be left out
    event : N, "RUN:LUMI:N" or "SAMPLE:RUN:LUMI:N"; give either this or `window`
    settings : with which windows of a dumper file are made, in any form that `windows` accepts; by default also without
        truth

    Returns
    -------
    figure of matplotlib, not saved

    Raises
    ------
    InputError : if there is no such window or event; the error lists the nearest ones
    SettingsError : if not exactly one window or event is given, or settings for a dataset

    >>> ecalwindows.show("windows.parquet", event=17).savefig("event.png")
    """
    from ecalwindows.commands.show import drawn  # imports matplotlib, which nothing else here needs

    figure, _, _, notes = drawn(
        str(source), window=window, event=None if event is None else str(event),
        settings=None if settings is None else settings_of(settings),
    )  # fmt: skip
    for note in notes:
        log.warning("%s: %s", source, note)
    return figure
