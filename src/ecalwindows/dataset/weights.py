"""Weights of windows for training (truth.md, "Reweighting"), from one of two kinds of file.

Today's: correctionlib JSON with the compound or plain correction `total_reweighting(flavour, seed_eta, seed_et, ncls)`:
flavour of the matched caloparticle (0 for none), abs(eta) and raw Et of the seed, clusters in the window. Outside the
binned range the nearest bin counts, whatever `flow` the file says; a flavour that the file does not know weighs 1.
Old: ROOT with a TH2 `weight` (x: raw Et of the seed, y: clusters), for all flavours and for none; nearest bins as well.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np
from numpy.typing import NDArray

from ecalwindows.errors import SettingsError

CORRECTION = "total_reweighting"
INPUTS = ("flavour", "seed_eta", "seed_et", "ncls")
HISTOGRAM = "weight"
HISTOGRAM_INPUTS = ("seed_et", "ncls")

Numbers = NDArray[Any]


class Weights:
    """A weight map. Call it with flavour, seed_eta, seed_et [GeV] and ncls, (n,), for weights float64 (n,).

    origin : name and checksum of the file, for the manifest
    """

    def __init__(self, correction_set: str, origin: tuple[str, str] | None = None) -> None:
        self.text, self.origin = correction_set, origin
        corrections = correctionlib.CorrectionSet.from_string(correction_set)
        known = corrections.compound if CORRECTION in list(corrections.compound) else corrections
        self._correction = known[CORRECTION]

    def __call__(self, flavour: Numbers, seed_eta: Numbers, seed_et: Numbers, ncls: Numbers) -> NDArray[np.float64]:
        given = dict(zip(INPUTS, (flavour, np.abs(seed_eta), seed_et, ncls), strict=True))
        types = {"int": np.int64, "real": np.float64}
        arguments = [given[variable.name].astype(types[variable.type]) for variable in self._correction.inputs]
        return np.asarray(self._correction.evaluate(*arguments), dtype=np.float64)

    def __reduce__(self) -> tuple[type[Weights], tuple[Any, ...]]:
        return Weights, (self.text, self.origin)


def read_weights(path: str | Path) -> Weights:
    """The weights in a file (told apart by its first bytes).

    Raises SettingsError for a file that is neither of the two kinds, or broken, or gives weights that are no numbers.
    """
    try:
        content = Path(path).read_bytes()
        weights = _from_root(path) if content.startswith(b"root") else _from_json(content)
        weights.origin = Path(path).name, hashlib.sha256(content).hexdigest()
        return _checked(weights, path)
    except SettingsError:
        raise
    except Exception as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:300] or type(error).__name__
        raise _wrong(f"the weights file cannot be read: {reason}", path) from error


def _checked(weights: Weights, path: str | Path) -> Weights:
    """The weights, tried once at a point of each flavour."""
    inputs = {variable.name for variable in weights._correction.inputs}
    if not inputs <= set(INPUTS):
        raise _wrong(f"its '{CORRECTION}' wants {', '.join(sorted(inputs - set(INPUTS)))}", path)
    tried = weights(np.array([0, 11, 22]), np.ones(3), np.full(3, 10.0), np.full(3, 5.0))
    if not np.isfinite(tried).all():
        raise _wrong(f"its '{CORRECTION}' gives a weight that is no number", path)
    return weights


def _from_root(path: str | Path) -> Weights:
    import uproot

    with uproot.open(path) as file:
        names = {name.split(";")[0] for name in file.keys()}
        if HISTOGRAM not in names or not file[HISTOGRAM].classname.startswith("TH2"):
            raise _wrong(
                f"the ROOT file has no TH2 '{HISTOGRAM}'; it holds: {', '.join(sorted(names)) or 'nothing'}", path
            )
        values, et_edges, ncls_edges = file[HISTOGRAM].to_numpy()
    return from_histogram(values, et_edges, ncls_edges, f"{HISTOGRAM} of {Path(path).name}")


def from_histogram(values: Numbers, et_edges: Numbers, ncls_edges: Numbers, description: str) -> Weights:
    """Weights from the bin contents of a TH2, values shape (n_et, n_ncls)."""
    correction = {
        "name": CORRECTION,
        "description": description,
        "version": 1,
        "inputs": [{"name": name, "type": "real"} for name in HISTOGRAM_INPUTS],
        "output": {"name": "weight", "type": "real"},
        "data": {
            "nodetype": "multibinning",
            "inputs": list(HISTOGRAM_INPUTS),
            "edges": [et_edges.tolist(), ncls_edges.tolist()],
            "content": values.astype(float).ravel().tolist(),
            "flow": "clamp",
        },
    }
    return Weights(json.dumps({"schema_version": 2, "description": description, "corrections": [correction]}))


def _from_json(content: bytes) -> Weights:
    data = json.loads(gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content)
    _completed(data)
    return Weights(json.dumps(data))


def _completed(node: Any) -> None:
    """Below `node`, in place: the flow of every binning is "clamp"; a flavour that is not listed weighs 1."""
    if isinstance(node, dict):
        if node.get("nodetype") in ("binning", "multibinning"):
            node["flow"] = "clamp"
        if node.get("nodetype") == "category" and node.get("input") == "flavour" and node.get("default") is None:
            node["default"] = 1.0
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            _completed(child)


def _wrong(found: str, path: str | Path) -> SettingsError:
    return SettingsError(
        found,
        expected=f"a correctionlib JSON (schema version 2) with '{CORRECTION}({', '.join(INPUTS)})',"
        f" or a ROOT file with a TH2 '{HISTOGRAM}' (x: raw Et of the seed, y: clusters)",
        where=str(path),
        todo="give another file with -w, or none: then all windows weigh 1",
    )
