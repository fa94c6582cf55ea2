"""How well scores separate the true clusters of windows from the others: ROC, its area, precision, recall, calibration.

Which clusters are measured is the caller's choice; CMS measures the satellites (clusters that are not the seed) of
matched windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Integers, Singles
from ecalwindows.core.errors import InputError
from ecalwindows.evaluation.strategies import checked_scores, checked_threshold

N_GROUPS = 10
"""Groups of clusters, ordered by score, in which the calibration of a score is measured."""


@dataclass(frozen=True)
class Roc:
    """The ROC curve: one point per score that occurs, after the point (0, 0).

    Attributes
    ----------
    threshold : float64 (n_points,)
        Clusters with this score or a higher one are selected; infinite at the first point.
    true_rate, false_rate : float64 (n_points,)
        Share of the true clusters, and of the other ones, that is selected; NaN without any.
    area : float
        Area under the curve; equal scores count half. NaN without true clusters or without others.
    """

    threshold: Floats
    true_rate: Floats
    false_rate: Floats
    area: float


@dataclass(frozen=True)
class Selection:
    """What a threshold selects.

    Attributes
    ----------
    precision : float
        Share of the selected clusters that is true; NaN if none is selected.
    recall : float
        Share of the true clusters that is selected; NaN if none is true.
    """

    precision: float
    recall: float


@dataclass(frozen=True)
class Calibration:
    """Mean score and share of true clusters in groups of clusters, by increasing score.

    Attributes
    ----------
    n : int64 (10,)
        Clusters in each group. Clusters with equal scores are in one group, so groups can differ in size.
    score, true_share : float64 (10,)
        Mean score, and share of true clusters; NaN in a group without clusters.
    """

    n: Integers
    score: Floats
    true_share: Floats


def roc(score: Singles, is_true: Flags, *, weight: Floats | None = None) -> Roc:
    """Return the ROC curve of scores.

    Parameters
    ----------
    score : float32 (n,)
        Score in [0, 1] of each cluster.
    is_true : bool (n,)
        True for the clusters that belong to the caloparticle.
    weight : float64 (n,), optional
        Weight of each cluster, such as its raw energy in GeV; 1 where it is not given.

    Returns
    -------
    Roc
        The points and the area.

    Raises
    ------
    InputError
        For scores outside [0, 1], and for arrays that do not fit each other.
    """
    values, truth, weights = _checked(score, is_true, weight)
    distinct, place = np.unique(-values, return_inverse=True)
    true = np.bincount(place, weights * truth, len(distinct)).astype(np.float64)
    other = np.bincount(place, weights * ~truth, len(distinct)).astype(np.float64)
    true_rate, false_rate = _share_up_to(true), _share_up_to(other)
    area = float(np.sum(np.diff(false_rate) * (true_rate[1:] + true_rate[:-1]) / 2)) if len(distinct) else np.nan
    return Roc(np.concatenate([[np.inf], -distinct.astype(np.float64)]), true_rate, false_rate, area)


def selection(score: Singles, is_true: Flags, *, weight: Floats | None = None, threshold: float = 0.5) -> Selection:
    """Return precision and recall at a threshold, which is compared in single precision; see `roc` for the arguments.

    Raises
    ------
    SettingsError
        For a threshold outside (0, 1].
    InputError
        As `roc`.
    """
    limit = checked_threshold(threshold)
    values, truth, weights = _checked(score, is_true, weight)
    selected = values >= limit
    both = float(weights[selected & truth].sum())
    return Selection(_ratio(both, float(weights[selected].sum())), _ratio(both, float(weights[truth].sum())))


def calibration(score: Singles, is_true: Flags) -> Calibration:
    """Return mean score and share of true clusters in ten groups of clusters; see `roc` for the arguments.

    A cluster is in the group of its rank, counted from 0 by increasing score: ten times the rank of the first cluster
    with the same score, over the number of clusters. The order of the clusters does not matter.

    Raises
    ------
    InputError
        As `roc`.
    """
    values, truth, _ = _checked(score, is_true, None)
    group = N_GROUPS * np.searchsorted(np.sort(values), values) // max(len(values), 1)
    n = np.bincount(group, minlength=N_GROUPS)
    size = np.where(n > 0, n, np.nan)
    mean = np.bincount(group, values, N_GROUPS) / size
    return Calibration(n.astype(np.int64), mean, np.bincount(group, truth, N_GROUPS) / size)


def _share_up_to(weights: Floats) -> Floats:
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    return sums / sums[-1] if sums[-1] > 0 else np.full(len(sums), np.nan)


def _ratio(part: float, total: float) -> float:
    return part / total if total > 0 else np.nan


def _checked(score: Singles, is_true: Flags, weight: Floats | None) -> tuple[Singles, Flags, Floats]:
    truth = np.asarray(is_true)
    if truth.dtype != np.bool_ or truth.ndim != 1:
        raise InputError(
            f"`is_true` has the type {truth.dtype} and the shape {truth.shape}", expected="one bool per cluster",
            where="is_true", todo="give True for clusters that belong to the caloparticle, False for others",
        )  # fmt: skip
    weights = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    if weights.shape != truth.shape or not (np.isfinite(weights) & (weights >= 0)).all():
        raise InputError(
            f"`weight` has the shape {weights.shape}, or a weight is negative or not a number",
            expected=f"one weight of at least 0 per cluster, ({len(truth)},)", where="weight",
            todo="give the raw energies of the same clusters",
        )  # fmt: skip
    return checked_scores(score, len(truth)), truth, weights
