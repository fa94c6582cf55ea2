"""The factors of `ecalwindows normalize`, as a training reads them, and the input definition made from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ecalwindows.core.errors import InputError
from ecalwindows.core.files.json_files import UnreadableError, read_object, reason_of
from ecalwindows.core.schema import SENTINEL
from ecalwindows.training.cmssw_files import TRAINING_NAMES, cmssw_definition
from ecalwindows.training.inputs import CMSSW_CLUSTER, Convention, InputDefinition, input_definition

Factors = Mapping[str, Mapping[str, Mapping[str, float]]]
"""{"cluster": {"mean": {column: number}, "std": .., "min": .., "max": ..}, "window": {..}}"""

Scaler = Literal["mean_std", "min_max"]

LEVELS = {"cluster": "cl_features", "window": "window_features"}
"""Levels of a file of factors, and the group of columns for each level."""

STATISTICS = ("mean", "std", "min", "max")

HIT_INPUTS: tuple[dict[str, Any], ...] = (
    {"name": "ieta", "scaler": "min_max", "min": -85.0, "max": 100.0},
    {"name": "iphi", "scaler": "min_max", "min": 1.0, "max": 360.0},
    {"name": "iz", "scaler": "none"},
    {"name": "energy_fraction", "scaler": "none"},
)
"""Inputs of hits, which have no factors: crystals are scaled by the range of their indices, energies are in GeV."""


def read_factors(path: str | Path) -> dict[str, Any]:
    """The content of a file of `ecalwindows normalize`: factors by level, and perhaps other keys.

    Raises
    ------
    InputError : for a file without mean, std, min and max, as numbers that agree, of the same columns
    """
    try:
        content = read_object(Path(path).resolve())
        for level in LEVELS:
            _check(content, level)
    except (UnreadableError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"the file holds no normalisation factors: {reason_of(error)}",
            expected='{"cluster": {"mean": {column: number}, "std": .., "min": .., "max": ..}, "window": {..}}',
            where=str(path),
            todo="make it with `ecalwindows normalize`",
        ) from error
    return content


def _check(content: Mapping[str, Any], level: str) -> None:
    """Raise ValueError or others for factors of a level that are no numbers, or do not agree."""
    columns = [{*content[level][key]} for key in STATISTICS]
    if not columns[0] or any(names != columns[0] for names in columns):
        raise ValueError(f"mean, std, min and max of '{level}' are not of the same columns")
    numbers = [value for key in STATISTICS for value in content[level][key].values()]
    if not all(type(value) in (int, float) and math.isfinite(value) for value in numbers):
        raise ValueError(f"a factor of '{level}' is no finite number")
    for name, std in content[level]["std"].items():
        mean, least, largest = (content[level][key][name] for key in ("mean", "min", "max"))
        if not _is_empty(content[level], name) and (std < 0 or not least <= mean <= largest):
            raise ValueError(f"mean {mean:g}, std {std:g}, min {least:g} and max {largest:g} of '{name}' do not agree")


def _is_empty(factors: Mapping[str, Mapping[str, float]], name: str) -> bool:
    """Whether a column held no number: all its factors are -999."""
    return {factors[key][name] for key in STATISTICS} == {SENTINEL}


def _is_constant(factors: Mapping[str, Mapping[str, float]], name: str) -> bool:
    return factors["min"][name] == factors["max"][name]


def scaled_input(name: str, factors: Mapping[str, Mapping[str, float]], scaler: Scaler = "mean_std") -> dict[str, Any]:
    """An input of a definition, with its factors; one that is constant is divided by 1, so that it enters as 0.

    Parameters
    ----------
    factors : {"mean": {column: number}, "std": .., "min": .., "max": ..}

    Raises
    ------
    KeyError : if there are no factors for it, or it has no numbers
    """
    if _is_empty(factors, name):
        raise KeyError(name)
    of = {key: factors[key][name] for key in scaler.split("_")}
    if scaler == "mean_std":
        of["std"] = of["std"] or 1.0
    elif _is_constant(factors, name):
        of["max"] = of["min"] + 1.0
    return {"name": name, "scaler": scaler, **of}


def inputs_with_factors(
    factors: Factors, *, scaler: Scaler = "mean_std", convention: Convention = "training"
) -> InputDefinition:
    """The input definition with the columns that have factors, and with four numbers per hit.

    Parameters
    ----------
    factors : {"cluster": {"mean": {column: number}, "std": .., "min": .., "max": ..}, "window": {..}}
    scaler : which of them are used: (x - mean) / std, or (x - min) / (max - min)
    convention : by which the columns were computed

    Returns
    -------
    definition with the tensors clusters, cluster_mask, windows, hits and hit_mask. A constant column is divided by 1;
    one without any number (all its factors are -999) is left out. In the convention `cmssw` the tensors are those of
    CMSSW, features of windows are those that a training has too, and constant inputs are left out
    """
    is_cmssw = convention == "cmssw"

    def features(level: str) -> list[dict[str, Any]]:
        names = [name for name in factors[level]["mean"] if not _is_empty(factors[level], name)]
        if is_cmssw:
            usual = (*CMSSW_CLUSTER, *TRAINING_NAMES["windows"].values())
            names = [name for name in names if name in usual and not _is_constant(factors[level], name)]
        return [scaled_input(name, factors[level], scaler) for name in names]

    if is_cmssw:
        of_hits = [each | {"name": each["name"].replace("energy_fraction", "en_withfrac")} for each in HIT_INPUTS]
        inputs = {"clusters": features("cluster"), "windows": features("window"), "hits": of_hits}
        return cmssw_definition(inputs, where="the factors")
    clusters = {"tensor": "clusters", "mask": "cluster_mask", "features": features("cluster")}
    windows = {"tensor": "windows", "features": features("window")}
    hits = {"tensor": "hits", "mask": "hit_mask", "features": list(HIT_INPUTS)}
    return input_definition({"clusters": clusters, "windows": windows, "hits": hits}, where="the factors")
