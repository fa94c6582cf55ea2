"""Slow, plain reference implementations of `evaluation`: one event at a time, in sets and dictionaries.

An event is a list of windows: {"seed": cluster, "et": calibrated Et, "calo": number or -1, "is_main": bool,
"clusters": [(cluster, is_true, score, other_calo)]}; `energy` has the raw energy of each cluster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Event = dict[str, Any]


def ordered(event: Event) -> list[dict[str, Any]]:
    """The windows by decreasing calibrated Et of the seed, as they are where it is equal."""
    return sorted(event["windows"], key=lambda window: -window["et"])


def caloparticles(event: Event, made: list[tuple[int, list[int]]]) -> list[dict[str, Any]]:
    """How the superclusters hold each caloparticle with a main cluster, in the order of `ordered`.

    made : superclusters as seed and clusters, in order
    """
    windows, energy = ordered(event), event["energy"]
    main_of = {other: calo for w in windows for other, _, _, calo in w["clusters"] if calo >= 0}
    main_of |= {w["seed"]: w["calo"] for w in windows if w["is_main"]}
    found = []
    for window in windows:
        if not window["is_main"]:
            continue
        true = [cluster for cluster, is_true, *_ in window["clusters"] if is_true]
        inside = {cluster for cluster, *_ in window["clusters"]}
        own = next((number for number, (_, clusters) in enumerate(made) if window["seed"] in clusters), None)
        held = [math.fsum(energy[c] for c in clusters if c in true) for _, clusters in made]
        total = math.fsum(energy[c] for c in true)
        beyond = {
            cluster
            for other in windows
            if other is not window and other["calo"] == window["calo"]
            for cluster, is_true, *_ in other["clusters"]
            if is_true and cluster not in inside
        }
        clusters = made[own][1] if own is not None else []
        raw = math.fsum(energy[c] for c in clusters)
        elsewhere = max((each for number, each in enumerate(held) if number != own), default=0.0)
        found.append(
            {
                "found": own is not None,
                "seeded": own is not None and made[own][0] == window["seed"],
                "energy": raw if own is not None else math.nan,
                "completeness": held[own] / total if own is not None and total > 0 else math.nan,
                "purity": held[own] / raw if own is not None and raw > 0 else math.nan,
                "split": total > 0 and elsewhere >= 0.1 * total,
                "merged": any(main_of.get(c, window["calo"]) != window["calo"] for c in clusters),
                "n_true": len(true),
                "n_out_of_reach": len(beyond),
                "energy_out_of_reach": math.fsum(energy[c] for c in beyond),
            }
        )
    return found


def drawn(values: Any, weights: Any) -> Any:
    """Values, each as often as its weight."""
    return np.repeat(np.asarray(values, float), np.asarray(weights, int))


def responses(values: Any, weights: Any) -> tuple[float, float, float, float]:
    """Median, effective resolution, half of the shortest interval with 68.3 %, and the share beyond three halves."""
    all_of_them = np.sort(drawn(values, weights))
    if not len(all_of_them):
        return (math.nan,) * 4
    low, middle, high = np.quantile(all_of_them, [0.16, 0.5, 0.84])
    n = math.ceil(0.683 * len(all_of_them))
    half = min(all_of_them[i + n - 1] - all_of_them[i] for i in range(len(all_of_them) - n + 1)) / 2
    beyond = float(np.mean(np.abs(all_of_them - middle) > 3 * half))
    return float(middle), float((high - low) / 2 / middle) if middle > 0 else math.nan, float(half), beyond
