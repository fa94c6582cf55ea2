"""simFraction working points: the minimum score of a cluster of the true supercluster, by seed Et and abs(seed eta).

Two kinds of file: correctionlib JSON with one correction `simfraction_thres(seed_et, seed_eta)`, and the older ROOT
files with a TH2 `h2_Minimum_simScore_seedBins` (x: raw Et of the seed, y: abs(eta)), which become the same correction.
Bins include their lower edge; outside the binned range the nearest bin is used, whatever `flow` the file has.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import correctionlib
import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.core.corrections import (
    Domain,
    Limits,
    MissingCorrectionError,
    WrongCorrectionError,
    binned_map,
    checked_correction,
    checked_results,
    correction_data,
    file_bytes,
    read_histogram,
)
from ecalwindows.core.errors import WorkingPointError, one_line

CORRECTION = "simfraction_thres"
INPUTS = ("seed_et", "seed_eta")
HISTOGRAM = "h2_Minimum_simScore_seedBins"
PACKAGED = {"default": "default.json", "flat": "flat_1e-3.json"}
"""Maps that come with the package, by the names that replace the name of a file.

default : derived from the simulation (`make working-points`, docs/truth.md); flat : 1e-3 everywhere, which no study
derived
"""


DOMAINS = {
    "seed_et": Domain((*np.geomspace(1, 1000, 31).tolist(),)),
    "seed_eta": Domain((*np.linspace(0, 3, 31).tolist(),)),
}
"""Raw seed Et [GeV] and abs(seed eta) at which formulas are tried."""

SHARES = ("sim_fraction", "sim_fraction_noHitsFraction", "recoToSim_fraction", "recoToSim_fraction_sharedXtals")
"""Association strategies whose scores are shares: no cluster but the seed would pass a threshold above 1."""

LARGEST_SCORE = 1e6
"""Of the other strategies, which count crystals or add energies [GeV]."""


def threshold_limits(strategy: str | None) -> Limits:
    """What a threshold on the scores of an association strategy may be."""
    return Limits("threshold", 0.0, 1.0 if strategy in SHARES else LARGEST_SCORE)


class WorkingPoints:
    """A working-point map. Call it with raw seed Et [GeV] and abs(seed eta), float64 (n,), for thresholds (n,).

    correction_set : correctionlib JSON; limits : of a threshold; where : the file, for messages
    """

    def __init__(self, correction_set: str, limits: Limits | None = None, where: str = "the packaged map") -> None:
        self.text = correction_set
        self.limits, self.where = limits or threshold_limits(SHARES[0]), where
        self._evaluate = correctionlib.CorrectionSet.from_string(correction_set)[CORRECTION].evaluate

    def __call__(self, seed_et: Floats, seed_eta: Floats) -> Floats:
        """The thresholds. Raises WorkingPointError for one that is none."""
        values = np.asarray(self._evaluate(seed_et, seed_eta), dtype=np.float64)
        try:
            return checked_results(values, self.limits, dict(zip(INPUTS, (seed_et, seed_eta), strict=True)))
        except WrongCorrectionError as error:
            raise _wrong(f"the working points are wrong: {error}", self.where, self.limits) from error

    def check(self, strategy: str) -> None:
        """Raise WorkingPointError where a threshold means nothing for the scores of an association strategy."""
        limits = threshold_limits(strategy)
        if limits.high < self.limits.high:
            try:
                checked_correction(json.loads(self.text), CORRECTION, DOMAINS, limits, all_inputs=True)
            except WrongCorrectionError as error:
                raise _wrong(f"the working points are not for '{strategy}': {error}", self.where, limits) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return WorkingPoints, (self.text, self.limits, self.where)


class BinnedWorkingPoints(WorkingPoints):
    """A map from a TH2: the contents of its bins to the last bit.

    (correctionlib's reader of JSON rounds a decimal of 17 digits to a neighbour now and then.)
    """

    def __init__(
        self, values: Floats, et_edges: Floats, eta_edges: Floats, description: str, limits: Limits | None = None
    ) -> None:
        super().__init__(correction_json(values, et_edges, eta_edges, description), limits)
        self._map = (values, et_edges, eta_edges, description)

    def __call__(self, seed_et: Floats, seed_eta: Floats) -> Floats:
        values, *edges, _ = self._map
        bins = [
            np.clip(np.searchsorted(along, x, side="right") - 1, 0, len(along) - 2)
            for along, x in zip(edges, (seed_et, seed_eta), strict=True)
        ]
        return np.asarray(values, dtype=np.float64)[bins[0], bins[1]]

    def __reduce__(self) -> tuple[Any, ...]:
        return BinnedWorkingPoints, (*self._map, self.limits)


def read_working_points(path: str | Path | None, strategy: str | None = SHARES[0]) -> WorkingPoints:
    """The map in a file (its first bytes show which kind it is), or a packaged one: by its name, the default for None.

    Parameters
    ----------
    path : correctionlib JSON (may be a gzip file) or ROOT file; name of a packaged map; None for the default map
    strategy : association strategy to whose scores the thresholds belong: thresholds of shares are at most 1; None
        where it is not known yet (`WorkingPoints.check` it then)

    Raises
    ------
    WorkingPointError : for a file that is neither of the two kinds, or broken, or in which any bin or formula gives no
        threshold
    """
    if path is None:
        return packaged_working_points()
    if is_packaged(path):
        return packaged_working_points(str(path))
    path, limits = Path(path), threshold_limits(strategy)
    try:
        content = file_bytes(path)
        return _from_root(path, limits) if content.startswith(b"root") else _from_json(content, path, limits)
    except MissingCorrectionError as error:
        raise _wrong(f"{error}; weights files look the same", str(path), limits) from error
    except WorkingPointError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, not of uproot
            raise WorkingPointError(
                f"the working-point file cannot be read: {error.strerror or error}", where=str(path),
                expected=f"a correctionlib JSON file, a ROOT file, or one of {', '.join(PACKAGED)}",
                todo="check the path given with --wp-file",
            ) from error  # fmt: skip
        raise _wrong(f"the working-point file is broken: {one_line(error)}", str(path), limits) from error


def _wrong(found: str, where: str, limits: Limits) -> WorkingPointError:
    return WorkingPointError(
        found,
        expected=f"a correctionlib JSON (schema version 2) with the correction '{CORRECTION}({', '.join(INPUTS)})',"
        f" or a ROOT file with the TH2 '{HISTOGRAM}' (x: raw Et of the seed, y: abs(eta)); {limits} in every bin",
        where=where,
        todo="give another file with --wp-file, or none for the packaged map",
    )


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


def correction_json(values: Floats, et_edges: Floats, eta_edges: Floats, description: str) -> str:
    """correctionlib JSON of bin contents, values shape (n_et, n_eta)."""
    inputs = [
        {"name": "seed_et", "type": "real", "description": "raw transverse energy of the seed [GeV]"},
        {"name": "seed_eta", "type": "real", "description": "absolute pseudorapidity of the seed"},
    ]
    return binned_map(CORRECTION, description, inputs, "threshold", (et_edges, eta_edges), values)


def _from_root(path: Path, limits: Limits) -> WorkingPoints:
    return BinnedWorkingPoints(*read_histogram(path, HISTOGRAM, limits), f"{HISTOGRAM} of {path.name}", limits)


def _from_json(content: bytes, path: Path, limits: Limits) -> WorkingPoints:
    text = checked_correction(correction_data(content), CORRECTION, DOMAINS, limits, all_inputs=True)
    return WorkingPoints(text, limits, str(path))
