"""New working points on finished windows: `in_scluster` and what is made from it, from stored columns alone.

The same bits as a fresh production: energies and eta are stored as the float32 of the dump, scores and pile-up
fractions in float64, and the largest of rounded numbers is the rounded largest.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.batch import Array, WindowBatch
from ecalwindows.core.schema import SENTINEL
from ecalwindows.windowing.kernels import features as arithmetic
from ecalwindows.windowing.labels import Threshold, thresholds_at

Flags = NDArray[np.bool_]

LABEL, NUMBER = "in_scluster", "nclusters_insc"
EXTREMES = {
    "max_en_cluster_insc": "en_cluster",
    "max_deta_cluster_insc": "cluster_deta",
    "max_dphi_cluster_insc": "cluster_dphi",
}
"""Columns over the clusters with the label, and what each is the largest absolute value of."""

CHANGED = (LABEL, NUMBER, *EXTREMES)
"""The columns that follow from working points."""

DECISIVE = frozenset({
    "is_seed", "is_calo_matched", "calo_score", "cluster_PUfrac", "is_seed_calo_matched", "en_seed", "seed_eta",
})  # fmt: skip
"""What the label follows from."""


def columns_needed(held: Collection[str]) -> frozenset[str]:
    """The columns without which those of `CHANGED` that a dataset holds cannot be made."""
    return DECISIVE | {source for name, source in EXTREMES.items() if name in held}


def relabelled(batch: WindowBatch, threshold: Threshold, *, pu_limit: float) -> WindowBatch:
    """The batch with the columns of `CHANGED` that it holds made anew.

    pu_limit : largest pile-up over signal energy of a true cluster, above 0. Without pile-up the fraction is 0
        everywhere, which passes every limit.
    """
    window = np.repeat(np.arange(len(batch)), np.diff(batch.window_offsets))
    inside = in_supercluster(batch, window, threshold, pu_limit)
    fresh = supercluster_columns(batch, window, inside)
    return replace(
        batch,
        pair={name: inside if name == LABEL else column for name, column in batch.pair.items()},
        window={name: fresh.get(name, column) for name, column in batch.window.items()},
    )


def in_supercluster(batch: WindowBatch, window: NDArray[np.int64], threshold: Threshold, pu_limit: float) -> Flags:
    """The label `in_scluster` (windows.md section 5), bool (n_pairs,). `window` : the window of each pair."""
    fraction, score = batch.column("cluster_PUfrac"), batch.column("calo_score")
    passes = (fraction != SENTINEL) & (fraction < pu_limit)  # the sentinel stands for infinity, or for no number
    least = window_thresholds(batch, threshold)[window]
    reaches = (score >= least) | ((score == SENTINEL) & ~np.isnan(least))  # the sentinel stands for an infinite score
    flags: Flags = batch.column("is_seed") | (batch.column("is_calo_matched") & passes & reaches)
    return flags


def window_thresholds(batch: WindowBatch, threshold: Threshold) -> NDArray[np.float64]:
    """`labels.thresholds_at` the seeds of windows, of which the sentinel stands for no raw energy."""
    raw, eta = (batch.column(name).astype(np.float64) for name in ("en_seed", "seed_eta"))
    return thresholds_at(raw, eta, batch.column("is_seed_calo_matched") & (raw != SENTINEL), threshold)


def supercluster_columns(batch: WindowBatch, window: NDArray[np.int64], inside: Flags) -> dict[str, Array]:
    """Number and extremes of the clusters with the label, as far as the batch holds them: 0 and -1 if unmatched."""
    matched = batch.column("is_seed_calo_matched")
    number = np.bincount(window[inside], minlength=len(batch))
    offsets = np.concatenate([[0], np.cumsum(number)])
    fresh: dict[str, Array] = {}
    if NUMBER in batch.window:
        fresh[NUMBER] = np.where(matched, number, 0).astype(batch.window[NUMBER].dtype)
    for name in EXTREMES.keys() & batch.window.keys():
        values = batch.column(EXTREMES[name])[inside]
        fresh[name] = _largest(values if name == "max_en_cluster_insc" else np.abs(values), values, offsets, matched)
    return fresh


def _largest(size: Array, stored: Array, offsets: NDArray[np.int64], matched: Flags) -> Array:
    """The largest size of each group, the sentinel where a stored value is it; -1 if unmatched. float32 (n_windows,)"""
    high = arithmetic.summaries(offsets, np.where(stored == SENTINEL, np.nan, size.astype(np.float64)))[0]
    return np.where(matched, np.where(np.isfinite(high), high, SENTINEL), -1.0).astype(np.float32)
