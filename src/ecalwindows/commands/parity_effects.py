"""What each difference between training and CMSSW changes in the scores of a model and in its resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ecalwindows.commands.parity_data import Reading
from ecalwindows.core.arrays import Array, Singles
from ecalwindows.core.batch import WindowBatch, window_sum
from ecalwindows.core.progress import Steps
from ecalwindows.dataset.finalizing.identity import batch_keys
from ecalwindows.evaluation.measuring import MIN_ENTRIES, measure
from ecalwindows.evaluation.models import Model
from ecalwindows.studies.parity.forms import Name, column_of, columns_needed, forms_of, left_out_by_cmssw, with_pairs
from ecalwindows.training.inputs import InputDefinition, MeanStd

TRAINED, TOGETHER = "as trained", "all together"
THRESHOLD = 0.5
ROUNDS = 100
"""Rounds of the bootstrap."""

TRUTH = (
    "is_seed_calo_matched", "is_seed_calo_seed", "en_true_sim_good", "window_index", "run_id", "lumi_id", "event_id",
)  # fmt: skip
"""Columns that the resolution needs."""


@dataclass(frozen=True)
class Change:
    """What CMSSW does otherwise.

    Attributes
    ----------
    forms : form of inputs of windows
    membership, geometry : whether the clusters that CMSSW leaves out are left out
    constants : inputs that CMSSW does not know, fed as this number
    scalers : mean and width of inputs
    """

    forms: Mapping[Name, str] = field(default_factory=dict)
    membership: bool = False
    geometry: bool = False
    constants: Mapping[Name, float] = field(default_factory=dict)
    scalers: Mapping[Name, tuple[float, float]] = field(default_factory=dict)

    def __or__(self, other: Change) -> Change:
        return Change(
            {**self.forms, **other.forms}, self.membership or other.membership, self.geometry or other.geometry,
            {**self.constants, **other.constants}, {**self.scalers, **other.scalers},
        )  # fmt: skip


@dataclass
class Effect:
    """What a difference changes.

    Attributes
    ----------
    difference : str
        Its kind, or `all together`.
    clusters : int
        (window, cluster) pairs with a score.
    mean_change, largest_change : float
        Of the scores, absolute.
    flipped : float
        Share of the clusters that change sides of the threshold 0.5.
    resolution : float or None
        Effective resolution of the raw energy that is selected in a window; None where it was not measured.
    resolution_change, resolution_error : float or None
        Difference to the inputs of the training, and its error.
    """

    difference: str
    clusters: int = 0
    mean_change: float = 0.0
    largest_change: float = 0.0
    flipped: float = 0.0
    resolution: float | None = None
    resolution_change: float | None = None
    resolution_error: float | None = None


def effects(
    reading: Reading, model: Model, trained: Mapping[Name, str], changes: Mapping[str, Change], steps: Steps
) -> tuple[list[Effect], list[str]]:
    """Scores with the inputs of the training, with each change, and with all together.

    Parameters
    ----------
    reading : gives the windows
    model : with a definition of the convention `training`
    trained : form of each input in the training
    changes : by kind of difference

    Returns
    -------
    effects, and notes on what was not measured
    """
    together = Change()
    for each in changes.values():
        together = together | each
    ways = {TRAINED: Change()} | dict(changes) | ({TOGETHER: together} if len(changes) > 1 else {})
    models = {name: replace(model, definition=_rescaled(model.definition, way.scalers)) for name, way in ways.items()}
    needed = columns_needed(trained, reading.names)
    computed = {column_of(level, name) for level, name in trained if level == "windows"}
    missing = sorted({*model.columns} - {"ncls"} - computed - reading.names)
    if missing:
        return [], [f"the effects were not measured: the dataset has no {', '.join(missing)}"]
    columns = (needed | {*model.columns} | {*TRUTH, "en_cluster", "et_cluster_calib"}) & reading.names
    made = {name: Effect(name) for name in ways}
    responses: dict[str, list[Array]] = {name: [] for name in ways}
    keys: list[Array] = []
    for batch in reading.batches(columns, steps):
        scores = {name: _scores(models[name], batch, trained, way) for name, way in ways.items()}
        for name, score in scores.items():
            _add(made[name], scores[TRAINED], score)
        if set(TRUTH) <= columns:
            _respond(batch, scores, responses, keys)
    for effect in made.values():
        effect.mean_change /= max(effect.clusters, 1)
        effect.flipped /= max(effect.clusters, 1)
    notes = _resolve(made, responses, keys)
    return list(made.values()), notes


def _rescaled(definition: InputDefinition, scalers: Mapping[Name, tuple[float, float]]) -> InputDefinition:
    """The definition with other means and widths."""
    by_column = {(level, column_of(level, name)): numbers for (level, name), numbers in scalers.items()}
    parts: dict[str, Any] = {}
    for level, part in definition.parts.items():
        features = tuple(
            MeanStd(name=each.name, scaler="mean_std", mean=by_column[level, each.name][0],
                    std=by_column[level, each.name][1]) if (level, each.name) in by_column else each
            for each in part.features
        )  # fmt: skip
        parts[level] = part.model_copy(update={"features": features})
    return definition.model_copy(update=parts)


def _scores(model: Model, batch: WindowBatch, trained: Mapping[Name, str], way: Change) -> Singles:
    """The scores of all clusters; 0 for those that are left out."""
    kept = np.ones(len(batch.pair_cluster), np.bool_)
    if way.membership or way.geometry:
        before, outside = left_out_by_cmssw(batch)
        kept = ~((before & way.membership) | (outside & way.geometry))
        batch = with_pairs(batch, kept)
    score = np.zeros(len(kept), np.float32)
    score[kept] = model.scores(_fed(batch, {**trained, **way.forms}, way.constants))
    return score


def _fed(batch: WindowBatch, forms: Mapping[Name, str], constants: Mapping[Name, float]) -> WindowBatch:
    """The windows with inputs of windows in these forms, and inputs that are constant."""
    window, pair, cluster = dict(batch.window), dict(batch.pair), dict(batch.cluster)
    window.setdefault("ncls", np.diff(batch.window_offsets).astype(np.int32))
    asked = [key for key in forms if key[0] == "windows" and key not in constants]
    for key, values in forms_of(batch, asked).items():
        window[column_of(*key)] = values[forms[key]].astype(np.float32)
    for (level, name), number in constants.items():
        column = column_of(level, name)
        home = window if level == "windows" else pair if column in pair else cluster
        if column in home:
            home[column] = np.full(len(home[column]), number, np.float32)
    return replace(batch, window=window, pair=pair, cluster=cluster)


def _add(effect: Effect, before: Array, after: Array) -> None:
    change = np.abs(after.astype(np.float64) - before)
    effect.clusters += len(change)
    effect.mean_change += float(change.sum())
    effect.largest_change = max(effect.largest_change, float(change.max(initial=0.0)))
    effect.flipped += int(((before >= THRESHOLD) != (after >= THRESHOLD)).sum())


def _respond(
    batch: WindowBatch, scores: Mapping[str, Array], responses: Mapping[str, list[Array]], keys: list[Array]
) -> None:
    """The response of the windows of main clusters: raw energy that is selected over the true energy."""
    true = batch.window["en_true_sim_good"].astype(np.float64)
    rows = np.flatnonzero(batch.window["is_seed_calo_matched"] & batch.window["is_seed_calo_seed"] & (true > 0))
    keys.append(batch_keys(batch, "")[rows])
    energy = batch.column("en_cluster").astype(np.float64)
    for name, score in scores.items():
        selected = window_sum(batch, np.where(score >= THRESHOLD, energy, 0.0))
        responses[name].append((selected[rows] / true[rows]).astype(np.float32))


def _resolve(made: Mapping[str, Effect], responses: Mapping[str, list[Array]], keys: list[Array]) -> list[str]:
    """Put the resolutions into the effects; returns notes on what was not measured."""
    n = sum(map(len, keys))
    if n < MIN_ENTRIES:
        return [f"the resolution was not measured: {n:,} windows of main clusters, fewer than {MIN_ENTRIES}"]
    key = np.concatenate(keys)
    tables = {name: {"event_key": key, "response": np.concatenate(pieces)} for name, pieces in responses.items()}
    for each in measure(tables, references=(TRAINED,), rounds=ROUNDS, bins={}):
        if each.measure == "resolution" and each.bin.by == "all":
            effect = made[each.collection]
            effect.resolution = each.value
            if TRAINED in each.differences:
                effect.resolution_change, effect.resolution_error = each.differences[TRAINED]
    return []
