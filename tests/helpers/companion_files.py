"""The smallest files of normalisation factors and of weights that training code can read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FACTORS: dict[str, Any] = {
    level: {key: {name: 1.5} for key in ("mean", "std", "min", "max")}
    for level, name in (("cluster", "en_cluster"), ("window", "max_en_cluster"))
}
INPUTS = [("flavour", "int"), ("seed_eta", "real"), ("seed_et", "real"), ("ncls", "real")]
WEIGHTS: dict[str, Any] = {
    "schema_version": 2,
    "corrections": [
        {
            "name": "total_reweighting", "version": 1, "data": 1.5, "output": {"name": "weight", "type": "real"},
            "inputs": [{"name": name, "type": kind} for name, kind in INPUTS],
        }
    ],
}  # fmt: skip


def write_factors(path: Path, content: Any = FACTORS) -> Path:
    """A file of normalisation factors."""
    path.write_text(json.dumps(content))
    return path


def write_weights(path: Path, content: Any = WEIGHTS) -> Path:
    """A file of weights."""
    path.write_text(json.dumps(content))
    return path
