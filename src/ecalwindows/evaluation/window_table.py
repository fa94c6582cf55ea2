"""What a selection of clusters makes of each window: numbers and energies, with the names of CMS's validation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ecalwindows.core.arrays import Array, Flags, Singles
from ecalwindows.evaluation.caloparticles import or_nan
from ecalwindows.evaluation.events import Windows
from ecalwindows.evaluation.strategies import checked_threshold

Table = dict[str, Array]

IDENTITY = ("run_id", "lumi_id", "event_id", "seed_index", "calo_index")
ABOUT = (
    "is_seed_calo_matched", "is_seed_calo_seed", "en_true_sim", "en_true_sim_good", "en_true_gen", "et_true_gen",
    "en_seed", "et_seed", "seed_eta", "flavour", "nVtx", "rho", "obsPU", "truePU",
)  # fmt: skip
"""Columns of windows that the table repeats, those that the dataset has."""

ENERGIES = {"En": "en_cluster", "Et": "et_cluster"}
TRUE = {"sim": "en_true_sim", "sim_good": "en_true_sim_good", "gen": "en_true_gen"}
PAIR_COLUMNS = ("en_cluster", "et_cluster", "en_cluster_calib", "et_cluster_calib")


def window_table(windows: Windows, score: Singles, mustache: Flags, threshold: float) -> Table:
    """One row per window.

    Parameters
    ----------
    windows : Windows
        With the pair columns `PAIR_COLUMNS` and `in_scluster`, and the window columns of `IDENTITY`.
    score : float32 (n_pairs,)
        Score of each cluster; those from `threshold` on are selected (sel).
    mustache : bool (n_pairs,)
        The clusters of the Mustache (sel_must).
    threshold : float
        Above 0 and at most 1, compared in single precision.

    Returns
    -------
    dict of arrays (n_windows,)
        `ncls_*` and raw `En_*`, `Et_*` [GeV] for tot, true, sel, sel_true, sel_must and sel_must_true; the same sums of
        calibrated energies with `_calib`; ratios `En_ov*`, NaN where the energy below is not above 0.
    """
    true = windows.pair["in_scluster"]
    selected = score >= checked_threshold(threshold)
    groups: Mapping[str, Array] = {
        "tot": np.ones(len(true), bool), "true": true, "sel": selected, "sel_true": selected & true,
        "sel_must": mustache, "sel_must_true": mustache & true,
    }  # fmt: skip
    owner = windows.owner
    table: Table = {name: windows.window[name] for name in (*IDENTITY, *ABOUT) if name in windows.window}
    for name, chosen in groups.items():
        table[f"ncls_{name}"] = np.bincount(owner[chosen], minlength=len(windows))
    for suffix in ("", "_calib"):
        for short, column in ENERGIES.items():
            values = windows.pair[column + suffix].astype(np.float64)
            for name, chosen in groups.items():
                sums = np.bincount(owner[chosen], values[chosen], len(windows)).astype(np.float64)
                table[f"{short}_{name}{suffix}"] = sums
    for suffix in ("", "_calib"):
        for group, end in (("sel", ""), ("sel_must", "_mustache")):
            energy = table[f"En_{group}{suffix}"]
            table[f"En_ovEtrue{suffix}{end}"] = energy / or_nan(table[f"En_true{suffix}"])
            for name, column in TRUE.items():
                if column in windows.window:
                    table[f"En_ovEtrue_{name}{suffix}{end}"] = energy / or_nan(windows.window[column])
    for name in ("sim", "sim_good"):
        if TRUE[name] in windows.window:
            table[f"EnTrue_ovEtrue_{name}"] = table["En_true"] / or_nan(windows.window[TRUE[name]])
    return table
