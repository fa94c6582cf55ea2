"""Weights as correctionlib JSON (schema version 2), the format that `formats/weights.py` reads."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.arrays import Floats
from ecalwindows.studies.binning import shortened
from ecalwindows.studies.reweighting.fit import ELECTRON, PHOTON, Fit

FLATTENING, TO_ELECTRONS, TOTAL = "flattening_seed_et_eta", "photon_to_electron_weight", "total_reweighting"
ERROR = "_error"
"""The statistical error of a weight is a correction, too, with this suffix to its name."""

INPUTS = {
    "flavour": ("int", "11 electron, 22 photon; any other weighs 1"),
    "seed_eta": ("real", "absolute pseudorapidity of the seed"),
    "seed_et": ("real", "raw transverse energy of the seed [GeV]"),
    "ncls": ("real", "clusters in the window"),
}


def weights_json(fit: Fit, description: str) -> dict[str, Any]:
    """The correction set with weights and errors, in the form of correctionlib's JSON."""
    et_eta, ncls_eta = ("seed_et", "seed_eta"), ("ncls", "seed_eta")
    edges = {"seed_et": fit.bins.et, "seed_eta": fit.bins.eta, "ncls": fit.bins.ncls}

    def binned(names: tuple[str, str], values: Floats) -> dict[str, Any]:
        return {
            "nodetype": "multibinning",
            "inputs": list(names),
            "edges": [edges[name].tolist() for name in names],
            "content": shortened(values.T.ravel(), 10).tolist(),
            "flow": "clamp",
        }

    flat = {flavour: binned(et_eta, values) for flavour, values in fit.flat.items()}
    flat_error = {flavour: binned(et_eta, values) for flavour, values in fit.flat_error.items()}
    second: dict[int, Any] = {ELECTRON: 1.0, PHOTON: binned(ncls_eta, fit.to_electrons)}
    second_error: dict[int, Any] = {ELECTRON: 0.0, PHOTON: binned(ncls_eta, fit.to_electrons_error)}
    words = "weight that makes the distribution of seed Et and abs(eta) flat for each flavour"
    words_second = "weight that brings photons' distribution of clusters and abs(seed eta) to that of electrons"
    return {
        "schema_version": 2,
        "description": description,
        "corrections": [
            _correction(FLATTENING, words, et_eta, flat, 1.0),
            _correction(TO_ELECTRONS, words_second, ncls_eta, second, 1.0),
            _correction(FLATTENING + ERROR, "statistical error of " + FLATTENING, et_eta, flat_error, 0.0),
            _correction(TO_ELECTRONS + ERROR, "statistical error of " + TO_ELECTRONS, ncls_eta, second_error, 0.0),
        ],
        "compound_corrections": [
            {
                "name": TOTAL,
                "description": f"{FLATTENING} x {TO_ELECTRONS}; its mean is 1 for each flavour",
                "inputs": [_input(name) for name in INPUTS],
                "output": {"name": "weight", "type": "real"},
                "inputs_update": [],
                "input_op": "*",
                "output_op": "*",
                "stack": [FLATTENING, TO_ELECTRONS],
            }
        ],
    }


def _correction(
    name: str, description: str, binned: tuple[str, str], by_flavour: dict[int, Any], other: float
) -> dict[str, Any]:
    content = [{"key": int(key), "value": value} for key, value in by_flavour.items()]
    return {
        "name": name,
        "description": description,
        "version": 1,
        "inputs": [_input(each) for each in ("flavour", *binned)],
        "output": {"name": "weight", "type": "real"},
        "data": {"nodetype": "category", "input": "flavour", "content": content, "default": other},
    }


def _input(name: str) -> dict[str, str]:
    kind, meaning = INPUTS[name]
    return {"name": name, "type": kind, "description": meaning}


def largest_weight(fit: Fit) -> float:
    """The maximum of the total weight in bins with windows."""
    return max(float(np.max(fit.weights(flavour) * (counts > 0))) for flavour, counts in fit.counts.items())
