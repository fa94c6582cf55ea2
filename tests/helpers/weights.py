"""Files of weights of tests."""

from __future__ import annotations

from typing import Any

ET, ETA, NCLS = [1.0, 10.0, 100.0], [0.0, 1.5, 3.0], [1.0, 5.0, 50.0]
FLAT = {11: [2.0, 3.0, 4.0, 5.0], 22: [0.5, 0.25, 8.0, 1.0]}
"""By flavour: (low Et, barrel), (low Et, endcap), (high Et, barrel), (high Et, endcap)."""

TO_ELECTRONS = [1.5, 1.0, 0.5, 4.0]
"""Photons: (few clusters, barrel), (few, endcap), (many, barrel), (many, endcap)."""


def binning(names: list[str], edges: list[list[float]], content: list[float], flow: str = "error") -> dict[str, Any]:
    return {"nodetype": "multibinning", "inputs": names, "edges": edges, "content": content, "flow": flow}


def by_flavour(content: dict[int, Any]) -> dict[str, Any]:
    items = [{"key": key, "value": value} for key, value in content.items()]
    return {"nodetype": "category", "input": "flavour", "content": items}


def correction(name: str, inputs: list[str], data: Any) -> dict[str, Any]:
    types = {"flavour": "int"}
    variables = [{"name": each, "type": types.get(each, "real")} for each in inputs]
    return {"name": name, "version": 1, "inputs": variables, "output": {"name": "w", "type": "real"}, "data": data}


def weights_file() -> dict[str, Any]:
    """A file of the form in truth.md."""
    flat = {key: binning(["seed_et", "seed_eta"], [ET, ETA], content) for key, content in FLAT.items()}
    photons = {11: 1.0, 22: binning(["ncls", "seed_eta"], [NCLS, ETA], TO_ELECTRONS)}
    total = correction("total_reweighting", ["flavour", "seed_eta", "seed_et", "ncls"], None)
    del total["data"], total["version"]
    total |= {
        "inputs_update": [], "input_op": "*", "output_op": "*",
        "stack": ["flattening_seed_et_eta", "photon_to_electron_weight"],
    }  # fmt: skip
    return {
        "schema_version": 2,
        "corrections": [
            correction("flattening_seed_et_eta", ["flavour", "seed_et", "seed_eta"], by_flavour(flat)),
            correction("photon_to_electron_weight", ["flavour", "ncls", "seed_eta"], by_flavour(photons)),
        ],
        "compound_corrections": [total],
    }
