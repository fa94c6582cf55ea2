"""Inputs of a window as CMS's reconstruction computes them, written from cmssw.md alone, cluster by cluster."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

NAMES = (
    "cl_energy", "cl_et", "cl_eta", "cl_phi", "cl_ieta", "cl_iphi", "cl_iz",
    "cl_seed_dEta", "cl_seed_dPhi", "cl_seed_dEnergy", "cl_seed_dEt", "cl_nxtals",
)  # fmt: skip


def et(cluster: dict[str, float]) -> float:
    return cluster["energy"] / math.cosh(cluster["eta"])


def wrapped(angle: float) -> float:
    while angle > math.pi:
        angle -= 2 * math.pi
    while angle < -math.pi:
        angle += 2 * math.pi
    return angle


def features(seed: dict[str, float], cluster: dict[str, float]) -> dict[str, float]:
    """The twelve features of a cluster, in double precision."""
    plain = {f"cl_{name}": cluster[name] for name in ("energy", "eta", "phi", "ieta", "iphi", "iz", "nxtals")}
    return plain | {
        "cl_et": et(cluster),
        "cl_seed_dEta": (cluster["eta"] - seed["eta"]) * (-1 if seed["eta"] < 0 else 1),
        "cl_seed_dPhi": wrapped(seed["phi"] - cluster["phi"]),
        "cl_seed_dEnergy": seed["energy"] - cluster["energy"],
        "cl_seed_dEt": et(seed) - et(cluster),
    }


def window_features(clusters: Sequence[dict[str, float]]) -> dict[str, float]:
    """Maximum and minimum, which start from 0, and mean of each feature, in single precision."""
    made = {}
    for name in NAMES:
        high = low = mean = np.float32(0)
        for cluster in clusters:
            value = cluster[name]
            high, low = np.float32(max(value, float(high))), np.float32(min(value, float(low)))
            mean = np.float32(float(mean) + value / len(clusters))
        made |= {f"max_{name}": float(high), f"min_{name}": float(low), f"avg_{name}": float(mean)}
    return made


def scaled(value: float, scaler: str, par1: str, par2: str) -> np.float32:
    """An input as it is fed: `par1` and `par2` as they are written in the text file."""
    one, two = np.float32(par1), np.float32(par2)
    if scaler == "MeanRms":
        return np.float32((value - float(one)) / float(two))
    if scaler == "MinMax":
        return np.float32((value - float(one)) / float(two - one))
    return np.float32(value)


def tensors(
    windows: Sequence[Sequence[dict[str, Any]]],
    lines: dict[str, list[tuple[str, str, str, str]]],
    places: int,
    hits: int,
) -> dict[str, np.ndarray[Any, Any]]:
    """The five tensors of windows, each a list of clusters with the seed first; `lines` by level."""
    n = len(windows)
    made: dict[str, Any] = {
        "input_1": np.zeros((n, places, len(lines["clusters"])), np.float32),
        "input_2": np.zeros((n, len(lines["windows"])), np.float32),
        "input_3": np.zeros((n, places, hits, len(lines["hits"])), np.float32),
        "input_4": np.zeros((n, places, 1), np.float32),
        "input_5": np.zeros(n, np.float32),
    }
    for w, clusters in enumerate(windows):
        known = [features(clusters[0], cluster) for cluster in clusters]
        of_window = window_features(known)
        made["input_2"][w] = [scaled(of_window[name], *rest) for name, *rest in lines["windows"]]
        made["input_5"][w] = len(clusters)
        for place, cluster in enumerate(clusters[:places]):
            made["input_1"][w, place] = [scaled(known[place][name], *rest) for name, *rest in lines["clusters"]]
            made["input_4"][w, place] = place == 0
            for k, hit in enumerate(cluster["hits"][:hits]):
                made["input_3"][w, place, k] = [scaled(hit[name], *rest) for name, *rest in lines["hits"]]
    return made
