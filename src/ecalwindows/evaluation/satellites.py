"""Satellites, the clusters of matched windows that are not the seed: how well scores separate the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ecalwindows.core.arrays import Array, Singles
from ecalwindows.evaluation.events import Windows
from ecalwindows.evaluation.kernels import bootstrap as kernels
from ecalwindows.evaluation.measuring import BINS, Done, Edges, Measured, Table, bins_of, check_rounds, rows_of
from ecalwindows.evaluation.strategies import checked_threshold
from ecalwindows.studies.working_points.threshold_scan import in_threads, round_keys

MEASURES = (
    "area under ROC", "precision", "recall",
    "area under ROC (by energy)", "precision (by energy)", "recall (by energy)",
)  # fmt: skip
"""What is measured; by energy: each cluster counts by its raw energy."""

WINDOW_COLUMNS = ("is_seed_calo_matched", "et_seed", "seed_eta", "nVtx", "ncls", "flavour")
PAIR_COLUMNS = ("is_seed", "in_scluster", "en_cluster")


def satellites(windows: Windows, scores: Mapping[str, Singles]) -> dict[str, Array]:
    """The satellites of windows.

    Parameters
    ----------
    windows : Windows
        With the window columns `WINDOW_COLUMNS`, those that there are, and the pair columns `PAIR_COLUMNS`.
    scores : dict of float32 (n_pairs,)
        By name of the collection.

    Returns
    -------
    dict of arrays (n_satellites,)
        `event_key`, columns of the window as float32, `is_true`, `energy` [GeV], and `score NAME` of each collection.
    """
    owner = windows.owner
    chosen = np.flatnonzero(windows.window["is_seed_calo_matched"][owner] & ~windows.pair["is_seed"])
    rows = owner[chosen]
    columns = {
        name: windows.window[name][rows].astype(np.float32) for name in WINDOW_COLUMNS[1:] if name in windows.window
    }
    return {
        "event_key": windows.key[rows],
        **columns,
        "is_true": windows.pair["in_scluster"][chosen],
        "energy": windows.pair["en_cluster"][chosen],
        **{f"score {name}": score[chosen] for name, score in scores.items()},
    }


def measure_satellites(
    table: Table,
    names: Sequence[str],
    *,
    threshold: float = 0.5,
    references: Sequence[str] = (),
    rounds: int = 0,
    seed: int = 0,
    bins: Mapping[str, Edges] = BINS,
    done: Done | None = None,
) -> list[Measured]:
    """Measure how well the scores of collections separate the true satellites.

    Parameters
    ----------
    table : dict of arrays
        As `satellites` returns it.
    names : sequence of str
        Collections, of which the table has a column `score NAME`.
    threshold : float
        Score from which a cluster is selected.
    references, rounds, seed, bins, done
        As of `measuring.measure`. Errors are given for all satellites together, and by flavour.

    Returns
    -------
    list of Measured
        `MEASURES` of each collection in each bin.
    """
    check_rounds(rounds, seed)
    limit, keys = checked_threshold(threshold), round_keys(rounds, seed)
    single = {name: edges for name, edges in bins.items() if name in table}
    work = [each for each in bins_of(table, single) if " x " not in each[0].by]

    def one(number: int) -> list[Measured]:
        where, rows = work[number]
        used = keys if where.by in ("all", "flavour") else keys[:0]
        found = np.empty((len(names), len(MEASURES), len(used) + 1))
        for place, name in enumerate(names):
            score = table[f"score {name}"][rows]
            order = np.argsort(-score, kind="stable")
            kept = rows[order]
            found[place] = kernels.separations(
                score[order], table["is_true"][kept], table["energy"][kept].astype(np.float64),
                score[order] >= limit, table["event_key"][kept], used,
            )  # fmt: skip
        return [
            each
            for place, name in enumerate(MEASURES)
            for each in rows_of(where, name, len(rows), names, found[:, place], references)
        ]

    return [each for result in in_threads(one, len(work), done) for each in result]
