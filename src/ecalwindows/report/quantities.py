"""What a report shows distributions of: the columns of the dataset, and quantities that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Singles
from ecalwindows.core.batch import WindowBatch, window_sum
from ecalwindows.core.geometry import CRACK, Geometry
from ecalwindows.core.schema import COLUMNS, SENTINEL, Level
from ecalwindows.evaluation.events import Windows
from ecalwindows.studies.distributions import (
    SUPERCLUSTERS,
    energies,
    is_drawn,
    response_of,
    selected_energy,
    true_energy,
)

Threshold = Callable[[Floats, Floats], Floats]
"""Raw Et [GeV] and abs(eta) of seeds in, the least score of a true cluster out."""

SUMMARY = "summary"
SCORE, SELECTED = "score", 0.5
"""Column of the scores of a model, and from which score a cluster is selected."""

FIRST = ("et_seed_calib", "et_seed", "seed_eta", "flavour", "nVtx")
"""Columns that are shown first, with the derived quantities."""


@dataclass(frozen=True)
class Quantity:
    """What has a distribution.

    Attributes
    ----------
    key : name on the page, which is unique; column : where its values are
    level : of windows or of clusters
    group, unit, meaning : as of a column
    condition : column that a condition of `Dataset.filter` can name; None where there is none
    region : "barrel" or "endcap" for crystal indices, which mean something else in the other
    """

    key: str
    column: str
    level: Level
    group: str
    unit: str
    meaning: str
    condition: str | None = None
    region: str | None = None

    def values(self, rows: Windows) -> Floats:
        """Its values, float64 (n_windows,) or (n_clusters,); the sentinel where there is none."""
        values = rows.column(self.column).astype(np.float64)
        if self.region is None:
            return values
        is_barrel = rows.column(self.column.rsplit("_", 1)[0] + "_iz") == 0
        return np.where(is_barrel == (self.region == "barrel"), values, SENTINEL)


DERIVED: dict[str, tuple[str, str]] = {
    "clusters": ("", "clusters in the window"),
    "response_true": ("", "raw energy of the true supercluster over the true energy, windows of main clusters"),
    "response_geom_mustache":
        ("", "raw energy of the clusters in the geometric mustache over the true energy, windows of main clusters"),
    "response_mustache":
        ("", "raw energy of the reconstructed supercluster over the true energy, windows of main clusters"),
    "outside_mustache": ("GeV", "raw energy of the true supercluster outside the geometric mustache"),
    "edge_nearness": ("", "largest distance of a true cluster from the middle of the window: 1 is at its edge"),
    "label_closeness": ("", "1 - |score / threshold - 1| of the cluster whose label is nearest to the threshold"),
    "other_energy": ("GeV", "raw energy of clusters of other particles in the window"),
    "response_score": (
        "", "raw energy of the seed and of clusters with a score of at least 0.5, over the true energy, main clusters"
    ),
    "wrong_energy": ("GeV", "raw energy of satellites x |score - label|, matched windows"),
    "crack_nearness": ("", "1 in the middle of the gap between barrel and endcap, 0 at its ends"),
}  # fmt: skip
"""Quantities of windows that follow from columns: unit and meaning."""

RESPONSES = dict(zip(SUPERCLUSTERS, ("response_true", "response_geom_mustache", "response_mustache"), strict=True))
"""The response of each kind of supercluster."""

NOTABLE = {
    "outside_mustache": "most energy outside the mustache",
    "edge_nearness": "true clusters nearest to the edge of the window",
    "clusters": "most clusters",
    "label_closeness": "labels nearest to the threshold",
    "crack_nearness": "in the gap between barrel and endcap",
    "other_energy": "most energy of other particles",
    "wrong_energy": "scores most wrong",
}
"""What makes a window notable: a large value of a quantity, and words for it."""


def quantities(names: Collection[str]) -> list[Quantity]:
    """All quantities of a dataset with these columns, those that are shown first at the beginning."""
    chosen = [FIRST[0] if FIRST[0] in names else FIRST[1], *FIRST[2:]]
    first = [each for name in chosen if name in names for each in _of_column(name, names, SUMMARY)]
    derived = [Quantity(name, name, "window", SUMMARY, *about) for name, about in DERIVED.items() if name in names]
    if SCORE in names:
        derived.append(Quantity(SCORE, SCORE, "cluster", SUMMARY, "", "score of the model"))
    rest = [
        each
        for name, column in COLUMNS.items()
        if name in names and is_drawn(name) and name not in chosen
        for each in _of_column(name, names, column.group)
    ]
    return [*first, *derived, *rest]


def _of_column(name: str, names: Collection[str], group: str) -> list[Quantity]:
    column = COLUMNS[name]
    about = (name, column.level, group, column.unit, column.meaning)
    condition = name if column.level == "window" else None
    who, _, last = name.rpartition("_")
    if last in ("ieta", "iphi") and f"{who}_iz" in names:
        return [Quantity(f"{name}, {region}", *about, condition, region) for region in ("barrel", "endcap")]
    return [Quantity(name, *about, condition)]


OF_LABELS = frozenset({"calo_score", "is_calo_matched", "is_seed", "et_seed", "seed_eta"})
"""Columns with which working points are compared."""


def derived(
    batch: WindowBatch, geometry: Geometry, threshold: Threshold | None, scores: Singles | None = None
) -> dict[str, Floats]:
    """The derived quantities that the columns of a batch allow, float64 (n_windows,); the sentinel for no number.

    scores : of the clusters, float32 (n_clusters,)
    """
    held = batch.names
    n, matched = len(batch), batch.window.get("is_seed_calo_matched")
    found = {"clusters": np.diff(batch.window_offsets).astype(np.float64)}
    if "seed_eta" in held:
        middle, half = sum(CRACK) / 2, (CRACK[1] - CRACK[0]) / 2
        eta = np.abs(batch.window["seed_eta"].astype(np.float64))
        found["crack_nearness"] = np.maximum(0.0, 1 - np.abs(eta - middle) / half)
    if matched is None or not {"in_scluster", "en_cluster"} <= held:
        return found
    inside = batch.column("in_scluster").astype(np.bool_)
    energy = batch.column("en_cluster").astype(np.float64)
    inside = inside & np.repeat(matched.astype(np.bool_), np.diff(batch.window_offsets))
    if "in_geom_mustache" in held:
        geometric = batch.column("in_geom_mustache").astype(np.bool_)
        found["outside_mustache"] = np.where(matched, selected_energy(batch, inside & ~geometric), SENTINEL)
    for kind, raw, exists in energies(batch) if true_energy(batch) else ():
        found[RESPONSES[kind]], _ = response_of(batch, raw, exists)
    if "is_calo_matched_diffcalo" in held:
        found["other_energy"] = selected_energy(batch, batch.column("is_calo_matched_diffcalo").astype(np.bool_))
    if {"cluster_deta", "cluster_dphi", "seed_eta"} <= held:
        found["edge_nearness"] = _largest(batch, _nearness(batch, geometry), inside)
    if scores is not None:
        seed = batch.column("is_seed").astype(np.bool_)
        wrong = window_sum(batch, energy * np.abs(scores.astype(np.float64) - inside) * ~seed)
        found["wrong_energy"] = np.where(matched & (selected_energy(batch, ~seed) != SENTINEL), wrong, SENTINEL)
        if true_energy(batch):
            selected = selected_energy(batch, seed | (scores >= SELECTED))
            found["response_score"], _ = response_of(batch, selected, np.ones(n, np.bool_))
    if threshold is not None and held >= OF_LABELS:
        found["label_closeness"] = _label_closeness(batch, threshold)
    return {name: found[name] for name in DERIVED if name in found and len(found[name]) == n}


def _nearness(batch: WindowBatch, geometry: Geometry) -> Floats:
    """Distance of each cluster from the middle of the window over that of the edge, the larger one of eta and phi."""
    sizes = np.diff(batch.window_offsets)
    up, down, width = np.repeat(geometry.bounds(batch.window["seed_eta"].astype(np.float64)), sizes, axis=1)
    deta, dphi = (batch.column(name).astype(np.float64) for name in ("cluster_deta", "cluster_dphi"))
    in_eta = np.abs(2 * deta - up - down) / (up - down)
    return np.asarray(np.maximum(in_eta, np.abs(dphi) / width), dtype=np.float64)


def _largest(batch: WindowBatch, values: Floats, among: Flags) -> Floats:
    """The largest value in each window among some of its clusters; the sentinel where there are none."""
    if not len(batch):
        return np.zeros(0)
    found = np.maximum.reduceat(np.where(among, values, SENTINEL), batch.window_offsets[:-1])
    return np.asarray(found, dtype=np.float64)


def _label_closeness(batch: WindowBatch, threshold: Threshold) -> Floats:
    """How near the score of a matched cluster, not the seed, is to the threshold that decides its label."""
    et, eta = (batch.window[name].astype(np.float64) for name in ("et_seed", "seed_eta"))
    matched = batch.window["is_seed_calo_matched"].astype(np.bool_)
    least = np.full(len(batch), np.nan)
    least[matched] = threshold(et[matched], np.abs(eta[matched]))
    least = np.repeat(least, np.diff(batch.window_offsets))
    score = batch.column("calo_score").astype(np.float64)
    decides = batch.column("is_calo_matched").astype(np.bool_) & ~batch.column("is_seed").astype(np.bool_)
    decides &= (score >= 0) & (least > 0)
    closeness = 1 - np.abs(score / np.where(decides, least, 1.0) - 1)
    return _largest(batch, closeness, decides)
