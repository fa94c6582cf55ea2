"""Weights of windows for training (truth.md, "Reweighting"), from one of two kinds of file.

Today's: correctionlib JSON with the compound or plain correction `total_reweighting(flavour, seed_eta, seed_et, ncls)`:
flavour of the matched caloparticle (0 for none), abs(eta) and raw Et of the seed, clusters in the window. Outside the
binned range the nearest bin is used, whatever `flow` the file has; a flavour that is not in the file has weight 1.
Old: ROOT with a TH2 `weight` (x: raw Et of the seed, y: clusters), for all flavours and for none; nearest bins as well.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np

from ecalwindows.core.arrays import Array, Floats
from ecalwindows.core.corrections import (
    LARGEST_FLOAT32,
    Domain,
    Limits,
    WrongCorrectionError,
    binned_map,
    checked_correction,
    checked_results,
    correction_data,
    file_bytes,
    nodes,
    read_histogram,
)
from ecalwindows.core.errors import SettingsError, one_line

CORRECTION = "total_reweighting"
INPUTS = ("flavour", "seed_eta", "seed_et", "ncls")
HISTOGRAM = "weight"
HISTOGRAM_INPUTS = ("seed_et", "ncls")

LIMITS = Limits("weight", 0.0, LARGEST_FLOAT32)
"""Limits of a weight, which is stored as float32."""

DOMAINS = {
    "flavour": Domain((0, 1, 11, 13, 15, 22, 211, 1e4), integer=True),
    "seed_eta": Domain((*np.linspace(0, 3, 31).tolist(),)),
    "seed_et": Domain((*np.geomspace(1, 1000, 31).tolist(),)),
    "ncls": Domain((*range(1, 21), 30, 50, 70, 100, 150, 200), integer=True),
}
"""The inputs, and the values at which formulas are evaluated."""


class Weights:
    """A weight map. Call it with flavour, seed_eta, seed_et [GeV] and ncls, (n,), for weights float64 (n,).

    origin : name and checksum of the file, for the manifest
    """

    def __init__(self, correction_set: str, origin: tuple[str, str] | None = None) -> None:
        self.text, self.origin = correction_set, origin
        corrections = correctionlib.CorrectionSet.from_string(correction_set)
        known = corrections.compound if CORRECTION in list(corrections.compound) else corrections
        self._correction = known[CORRECTION]

    def __call__(self, flavour: Array, seed_eta: Array, seed_et: Array, ncls: Array) -> Floats:
        """The weights. Raises SettingsError for one that is negative or not finite."""
        given = dict(zip(INPUTS, (flavour, np.abs(seed_eta), seed_et, ncls), strict=True))
        types = {"int": np.int64, "real": np.float64}
        used = {
            variable.name: given[variable.name].astype(types[variable.type]) for variable in self._correction.inputs
        }
        values = np.asarray(self._correction.evaluate(*used.values()), dtype=np.float64)
        try:
            return checked_results(values, LIMITS, used)
        except WrongCorrectionError as error:
            raise _wrong(f"the weights are wrong: {error}", self.origin[0] if self.origin else "weights") from error

    def __reduce__(self) -> tuple[type[Weights], tuple[Any, ...]]:
        return Weights, (self.text, self.origin)


def read_weights(path: str | Path) -> Weights:
    """The weights in a file (its first bytes show which kind it is).

    Raises
    ------
    SettingsError : for a file that is neither of the two kinds, or broken, or in which any bin, formula or category
        gives no weight: these are finite and not negative
    """
    try:
        content = file_bytes(path)
        weights = _from_root(path) if content.startswith(b"root") else _from_json(content)
        weights.origin = Path(path).name, hashlib.sha256(content).hexdigest()
    except SettingsError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise _wrong(f"the weights file cannot be read: {reason}", path) from error
    return weights


def _from_root(path: str | Path) -> Weights:
    return from_histogram(*read_histogram(path, HISTOGRAM, LIMITS), f"{HISTOGRAM} of {Path(path).name}")


def from_histogram(values: Array, et_edges: Array, ncls_edges: Array, description: str) -> Weights:
    """Weights from the bin contents of a TH2, values shape (n_et, n_ncls)."""
    inputs = [{"name": name, "type": "real"} for name in HISTOGRAM_INPUTS]
    return Weights(binned_map(CORRECTION, description, inputs, "weight", (et_edges, ncls_edges), values))


def _from_json(content: bytes) -> Weights:
    data = correction_data(content)
    for node in nodes(data):
        if node.get("nodetype") == "category" and node.get("input") == "flavour" and node.get("default") is None:
            node["default"] = 1.0  # a flavour that is not listed has weight 1
    return Weights(checked_correction(data, CORRECTION, DOMAINS, LIMITS))


def _wrong(found: str, path: str | Path) -> SettingsError:
    return SettingsError(
        found,
        expected=f"a correctionlib JSON (schema version 2) with '{CORRECTION}({', '.join(INPUTS)})',"
        f" or a ROOT file with a TH2 '{HISTOGRAM}' (x: raw Et of the seed, y: clusters); {LIMITS} in every bin",
        where=str(path),
        todo="give another file with -w, or none: then all windows weigh 1",
    )
