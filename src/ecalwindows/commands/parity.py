"""The driver of `ecalwindows parity`: does CMSSW feed a model what it was trained on?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecalwindows.commands.parity_data import (
    SETTINGS,
    Counts,
    Measured,
    Reading,
    kind_of,
    of_dataset,
    of_scalers,
    warnings_of,
)
from ecalwindows.commands.parity_effects import Change, Effect, effects
from ecalwindows.commands.parity_inputs import Difference, Given, read_given, tensors_differ
from ecalwindows.core.errors import InputError, SettingsError, no_windows
from ecalwindows.core.progress import Progress, Steps
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.evaluation.models import ModelFile, read_model
from ecalwindows.studies.parity.forms import ABSOLUTE, FED, MEMBERS, Name
from ecalwindows.studies.parity.scalers import SIGMA, Verdict
from ecalwindows.training.inputs import CMSSW_NAMES, InputDefinition


@dataclass
class Parity:
    """What `parity` found.

    inputs, convention : what was compared, and how its features are computed
    dataset : path, and the settings of its windows, as far as they are known
    counts : what was read
    verdicts : for each input whether its scaler fits
    differences : all of them; there is none where training and CMSSW agree
    effects : with a model, what each difference changes
    notes : what cannot be said, or is no difference
    """

    inputs: str
    convention: str
    dataset: dict[str, Any]
    counts: Counts
    verdicts: list[Verdict]
    differences: list[Difference]
    notes: list[str]
    effects: list[Effect] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        """Whether CMSSW feeds what the model was trained on."""
        return not self.differences


def parity(
    inputs: str | Path | InputDefinition,
    dataset: str | Path,
    *,
    model: str | Path | None = None,
    split: str | None = None,
    max_windows: int | None = None,
    sigma: float = SIGMA,
    progress: Progress | None = None,
) -> Parity:
    """Find every difference between what a model was trained on and what CMSSW feeds it.

    Parameters
    ----------
    inputs
        Input definition, its file, or a folder with CMSSW's text files.
    dataset
        The dataset of the training, or one like it.
    model
        The model (`.onnx` or `.pb`): its tensors are compared too, and for each difference the change of its scores
        and of the effective resolution is measured.
    split
        Only this split of the dataset.
    max_windows
        Read at most about this number of windows.
    sigma
        Errors by which means and widths of scalers may be off.
    progress
        Called with steps done, steps in all, and windows read so far.

    Returns
    -------
    Parity
        `agrees` is true where there is no difference.

    Raises
    ------
    SettingsError, InputError
        For files that cannot be read, and a dataset without the columns that are needed.
    """
    if not sigma > 0 or (max_windows is not None and max_windows < 1):
        raise SettingsError(
            f"sigma is {sigma} and max_windows {max_windows}", expected="numbers above 0", where="--sigma, --windows",
            todo="correct them",
        )  # fmt: skip
    if model is not None and Path(model).suffix.lower() not in (".onnx", ".pb"):
        raise InputError(
            f"'{model}' is no model", expected="an ONNX file (.onnx) or a frozen graph (.pb)", where="--model",
            todo="correct the name",
        )  # fmt: skip
    graph = read_model(Path(model), 1) if model is not None else None
    given = read_given(inputs, graph)
    opened = Dataset.at(str(dataset)).filter(split=split)
    reading = Reading(opened, given, max_windows)
    steps = Steps(progress, len(reading.units) * (2 if graph else 1))
    settings, notes = _settings(opened)
    measured = Measured(given, settings)
    for batch in reading.batches(reading.columns, steps):
        measured.take(batch)
    if not measured.counts.windows:
        raise no_windows(str(dataset))
    verdicts = measured.verdicts(sigma)
    about = {"path": str(dataset), **settings}
    differences = [
        *of_dataset(settings, measured.counts), *given.differences, *measured.values(),
        *of_scalers(verdicts), *measured.padding(), *measured.overflows(),
    ]  # fmt: skip
    notes += warnings_of(measured, verdicts)
    found = Parity(given.where, given.convention, about, measured.counts, verdicts, differences, notes)
    if graph is not None:
        _measure_effects(found, given, graph, reading, measured, steps)
    return found


HOW = {
    "names": "effect of names: inputs that CMSSW does not know are fed as their means",
    "scaler": "effect of scalers: mean and width of the dataset in place of those that do not fit",
}


def _settings(dataset: Dataset) -> tuple[dict[str, Any], list[str]]:
    """The settings of the windows, and what is not known of them."""
    if dataset.record is not None:
        known: list[Mapping[str, Any]] = [dataset.record.settings]
    else:
        known = [each.settings for each in dataset.scan.manifests() if each is not None]
    settings: dict[str, Any] = {}
    for name in SETTINGS:
        values = [each[name] for each in known if name in each]
        if values:
            settings[name] = next((value for value in values if value != SETTINGS[name]), values[0])
    missing = [name for name in ("mode", "geometry") if name not in settings]
    notes = [f"nothing states the {' and '.join(missing)} of the dataset: windows were compared by their clusters"]
    return settings, notes if missing else []


def _measure_effects(
    found: Parity, given: Given, graph: ModelFile, reading: Reading, measured: Measured, steps: Steps
) -> None:
    """What each difference changes in scores and resolution."""
    why = tensors_differ(given, graph)
    if why is not None or given.definition is None:
        found.notes.append(f"the effects were not measured: {why}")
        return
    trained = {
        each.input.key: each.likely if kind_of(each) in ("absolute", "zero") and each.likely else each.form
        for each in found.verdicts
    }
    changes = _changes(found, measured.counts, trained)
    if not changes:
        found.notes.append("the effects were not measured: no difference changes an input")
        return
    source = graph.model("model", given.definition)
    found.effects, notes = effects(reading, source, trained, changes, steps)
    found.notes += [*notes, *(HOW[kind] for kind in changes if found.effects and kind in HOW)]


def _changes(found: Parity, counts: Counts, trained: Mapping[Name, str]) -> dict[str, Change]:
    """What CMSSW does otherwise, by kind of difference."""
    changes: dict[str, Change] = {}
    kinds = {each.kind for each in found.differences}
    for kind, form in (("absolute", ABSOLUTE), ("zero", MEMBERS)):
        mine = {key: FED for key, own in trained.items() if own == form and kind in kinds}
        if mine:
            changes[kind] = Change(forms=mine)
    if counts.before:
        changes["membership"] = Change(membership=True)
    if counts.outside:
        changes["geometry"] = Change(geometry=True)
    unknown = {
        each.input.key: each.statistics.mean if each.statistics else each.input.scale[0]
        for each in found.verdicts if each.input.name not in CMSSW_NAMES[each.input.level]
    }  # fmt: skip
    if unknown:
        changes["names"] = Change(constants=unknown)
    scalers: dict[Name, tuple[float, float]] = {}
    for each in found.verdicts:
        if not each.fits and kind_of(each) == "scaler" and each.statistics and each.input.scaler == "MeanRms":
            scalers[each.input.key] = each.statistics.mean, each.statistics.width or 1.0
    if scalers:
        changes["scaler"] = Change(scalers=scalers)
    return changes
