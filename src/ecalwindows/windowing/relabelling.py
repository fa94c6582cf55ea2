"""New working points on finished windows: `in_scluster` and what follows from it, from stored columns alone.

The same bits as a new production: energies and eta are stored as the float32 of the dump, scores and pile-up
fractions in float64, and the largest of rounded numbers is the rounded largest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from ecalwindows.core.arrays import Flags
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.schema import SENTINEL
from ecalwindows.windowing.derived import INSIDE, RULES, Values, as_stored
from ecalwindows.windowing.labels import Threshold, thresholds_at

LABEL = "in_scluster"
FOLLOWING = ("nclusters_insc", *INSIDE)
"""Columns that are made from the label by the rules of `derived.py`."""

CHANGED = (LABEL, *FOLLOWING)
"""The columns that follow from working points."""

DECISIVE = frozenset({
    "is_seed", "is_calo_matched", "calo_score", "cluster_PUfrac", "is_seed_calo_matched", "en_seed", "seed_eta",
})  # fmt: skip
"""What the label follows from."""


def columns_needed(held: Collection[str]) -> frozenset[str]:
    """The columns without which those of `CHANGED` that a dataset holds cannot be made."""
    needs = {need for name in FOLLOWING if name in held for need in RULES[name][0].needs}
    return DECISIVE | needs - {LABEL}


def relabelled(batch: WindowBatch, threshold: Threshold, *, pu_limit: float) -> WindowBatch:
    """The batch with the columns of `CHANGED` that it holds made again.

    Parameters
    ----------
    batch
        Windows of a dataset.
    threshold
        The new working points.
    pu_limit
        Largest pile-up over signal energy of a true cluster, above 0. Without pile-up the fraction is 0 everywhere,
        which passes every limit.
    """
    inside = in_supercluster(batch, threshold, pu_limit)
    values = Values(replace(batch, pair=dict(batch.pair) | {LABEL: inside}), as_stored=True)
    names = [name for name in FOLLOWING if name in batch.window]
    fresh = {name: as_stored(RULES[name][0].values(values), batch.window[name].dtype.str) for name in names}
    pair = {name: inside if name == LABEL else column for name, column in batch.pair.items()}
    return replace(batch, pair=pair, window=dict(batch.window) | fresh)


def in_supercluster(batch: WindowBatch, threshold: Threshold, pu_limit: float) -> Flags:
    """The label `in_scluster` (windows.md section 5), bool (n_pairs,)."""
    fraction, score = batch.column("cluster_PUfrac"), batch.column("calo_score")
    passes = (fraction != SENTINEL) & (fraction < pu_limit)  # the sentinel is infinity, or no number
    raw, eta = (batch.column(name).astype(np.float64) for name in ("en_seed", "seed_eta"))
    matched = batch.column("is_seed_calo_matched") & (raw != SENTINEL)  # the sentinel is no raw energy
    lowest = thresholds_at(raw, eta, matched, threshold)[batch.window_of_pair]
    reaches = (score >= lowest) | ((score == SENTINEL) & ~np.isnan(lowest))  # the sentinel is an infinite score
    return np.asarray(batch.column("is_seed") | (batch.column("is_calo_matched") & passes & reaches))
