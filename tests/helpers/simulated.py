"""Simulated events as tests look at them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ecalwindows.simulation.branches import Nested


def matrix(event: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    """Scores of an event, (n_clusters, n_particles)."""
    return np.asarray(event[f"pfCluster_{name}"].values).reshape(len(event["pfCluster_eta"]), -1)


def lists(nested: Nested) -> list[np.ndarray[Any, Any]]:
    """The lists of a vector of vectors."""
    return [nested.values[first:last] for first, last in pairwise([0, *np.cumsum(nested.counts)])]


def crystal(event: dict[str, Any], prefix: str) -> np.ndarray[Any, Any]:
    """An integer that identifies the crystal of each hit."""
    ieta, iphi, iz = (event[f"{prefix}_{name}"].values.astype(np.int64) for name in ("ieta", "iphi", "iz"))
    return np.asarray((iz * 1000 + ieta) * 1000 + iphi)
