"""simFraction working points: the least score of a cluster of the true supercluster, by seed Et and abs(seed eta).

Two kinds of file: correctionlib JSON with one correction `simfraction_thres(seed_et, seed_eta)`, and the older ROOT
files with a TH2 `h2_Minimum_simScore_seedBins` (x: raw Et of the seed, y: abs(eta)), which become the same correction.
Bins include their lower edge; outside the binned range the nearest bin counts, whatever `flow` the file says.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import correctionlib
import correctionlib.schemav2 as schema
import numpy as np
from numpy.typing import NDArray

from ecalwindows.errors import WorkingPointError

CORRECTION = "simfraction_thres"
INPUTS = ("seed_et", "seed_eta")
HISTOGRAM = "h2_Minimum_simScore_seedBins"
PACKAGED = {"default": "default.json", "flat": "flat_1e-3.json"}
"""Maps that come with the package, by the names that stand for them in place of a file.

default : derived from the simulation (`make working-points`, docs/truth.md); flat : 1e-3 everywhere, which no study
derived
"""

Numbers = NDArray[np.float64]


class WorkingPoints:
    """A working-point map. Call it with raw seed Et [GeV] and abs(seed eta), float64 (n,), for thresholds (n,)."""

    def __init__(self, correction_set: str) -> None:
        self.text = correction_set
        self._evaluate = correctionlib.CorrectionSet.from_string(correction_set)[CORRECTION].evaluate

    def __call__(self, seed_et: Numbers, seed_eta: Numbers) -> Numbers:
        return np.asarray(self._evaluate(seed_et, seed_eta), dtype=np.float64)

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkingPoints, (self.text,)


class BinnedWorkingPoints(WorkingPoints):
    """A map from a TH2: the contents of its bins to the last bit.

    (correctionlib's reader of JSON rounds a decimal of 17 digits to a neighbour now and then.)
    """

    def __init__(self, values: Numbers, et_edges: Numbers, eta_edges: Numbers, description: str) -> None:
        super().__init__(correction_json(values, et_edges, eta_edges, description))
        self._map = (values, et_edges, eta_edges, description)

    def __call__(self, seed_et: Numbers, seed_eta: Numbers) -> Numbers:
        values, *edges, _ = self._map
        bins = [
            np.clip(np.searchsorted(along, x, side="right") - 1, 0, len(along) - 2)
            for along, x in zip(edges, (seed_et, seed_eta), strict=True)
        ]
        return np.asarray(values, dtype=np.float64)[bins[0], bins[1]]

    def __reduce__(self) -> tuple[Any, ...]:
        return BinnedWorkingPoints, self._map


def read_working_points(path: str | Path | None) -> WorkingPoints:
    """The map in a file (told apart by its first bytes), or a packaged one: by its name, the default for None.

    Raises WorkingPointError for a file that is neither of the two kinds, or broken.
    """
    if path is None:
        return packaged_working_points()
    if is_packaged(path):
        return packaged_working_points(str(path))
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WorkingPointError(
            f"the working-point file cannot be read: {error.strerror or error}",
            expected=f"a correctionlib JSON file, a ROOT file, or one of {', '.join(PACKAGED)}",
            where=str(path),
            todo="check the path given with --wp-file",
        ) from error
    try:
        return _from_root(path) if content.startswith(b"root") else _from_json(content, path)
    except WorkingPointError:
        raise
    except Exception as error:
        raise WorkingPointError(
            f"the working-point file is broken: {_one_line(error)}",
            expected=f"a correctionlib JSON (schema version 2) with the correction '{CORRECTION}({', '.join(INPUTS)})',"
            f" or a ROOT file with the TH2 '{HISTOGRAM}'",
            where=str(path),
            todo="give another file with --wp-file, or none for the packaged map",
        ) from error


def is_packaged(path: str | Path | None) -> bool:
    """Whether this is the name of a packaged map, and not of a file."""
    return str(path) in PACKAGED


@cache
def packaged_working_points(name: str = "default") -> WorkingPoints:
    """A map that comes with the package; `default` is used where none is given."""
    resource = files("ecalwindows") / "data" / "working_points" / PACKAGED[name]
    return WorkingPoints(resource.read_text(encoding="utf-8"))


def packaged_name(sha256: str | None) -> str:
    """What a packaged map is called in records, by its checksum: those of older versions used the flat one unnamed."""
    flat = hashlib.sha256(packaged_working_points("flat").text.encode()).hexdigest()
    return "flat 1e-3" if sha256 in (flat, None) else "packaged default"


def correction_json(values: Numbers, et_edges: Numbers, eta_edges: Numbers, description: str) -> str:
    """correctionlib JSON of bin contents, values shape (n_et, n_eta)."""
    correction = {
        "name": CORRECTION,
        "description": description,
        "version": 1,
        "inputs": [
            {"name": "seed_et", "type": "real", "description": "raw transverse energy of the seed [GeV]"},
            {"name": "seed_eta", "type": "real", "description": "absolute pseudorapidity of the seed"},
        ],
        "output": {"name": "threshold", "type": "real"},
        "data": {
            "nodetype": "multibinning",
            "inputs": list(INPUTS),
            "edges": [et_edges.tolist(), eta_edges.tolist()],
            "content": values.astype(float).ravel().tolist(),
            "flow": "clamp",
        },
    }
    return json.dumps({"schema_version": 2, "description": description, "corrections": [correction]})


def _from_root(path: Path) -> WorkingPoints:
    import uproot

    with uproot.open(path) as file:
        names = {name.split(";")[0] for name in file.keys()}
        if HISTOGRAM not in names:
            raise WorkingPointError(
                f"the ROOT file has no histogram '{HISTOGRAM}'",
                expected="that TH2 (x: raw Et of the seed, y: abs(eta)); the file holds: "
                + (", ".join(sorted(names)) or "nothing"),
                where=str(path),
                todo="give a working-point file with --wp-file",
            )
        histogram = file[HISTOGRAM]
        if not histogram.classname.startswith("TH2"):
            raise WorkingPointError(
                f"'{HISTOGRAM}' is a {histogram.classname}",
                expected="a TH2 (x: raw Et of the seed, y: abs(eta))",
                where=str(path),
                todo="give a working-point file with --wp-file",
            )
        values, et_edges, eta_edges = histogram.to_numpy()
        if np.isnan(values).any():
            raise ValueError(f"{np.isnan(values).sum()} of {values.size} bins of '{HISTOGRAM}' are NaN")
    return BinnedWorkingPoints(values, et_edges, eta_edges, f"{HISTOGRAM} of {path.name}")


def _from_json(content: bytes, path: Path) -> WorkingPoints:
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    correction_set = schema.CorrectionSet.model_validate_json(content)
    found = {correction.name: correction for correction in correction_set.corrections}
    correction = found.get(CORRECTION)
    if correction is None or tuple(variable.name for variable in correction.inputs) != INPUTS:
        listed = ", ".join(f"{c.name}({', '.join(v.name for v in c.inputs)})" for c in found.values())
        raise WorkingPointError(
            f"the file holds {listed or 'no correction'}",
            expected=f"a correction '{CORRECTION}({', '.join(INPUTS)})'",
            where=str(path),
            todo="give a working-point file with --wp-file (weights files look alike)",
        )
    data = json.loads(content, parse_constant=_no_nan)
    _clamp(data)
    return WorkingPoints(json.dumps(data))


def _no_nan(literal: str) -> float:
    """Infinity, which edges may be; a threshold of NaN would be a label of nobody's making."""
    if literal == "NaN":
        raise ValueError("it holds NaN")
    return float(literal)


def _clamp(node: Any) -> None:
    """Set the flow of every binning below `node` to "clamp", in place."""
    if isinstance(node, dict):
        if node.get("nodetype") in ("binning", "multibinning"):
            node["flow"] = "clamp"
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            _clamp(child)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
