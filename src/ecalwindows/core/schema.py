"""Every column of a dataset, once: name, level, group, dtype, unit, meaning. Everything else is made from this table.

Names, groups and their order are the contract with existing training code (`ak.from_parquet(path).cl_features`).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Literal, get_args

DATA_MODEL_VERSION = 2
"""Increases when the meaning or the layout of a column changes (history in CHANGELOG.md)."""

SENTINEL = -999.0
"""The value where a definition gives no number (NaN or infinity)."""

Level = Literal["window", "cluster"]
Group = Literal[
    "cl_features", "cl_metadata", "cl_labels",
    "seed_features", "seed_metadata", "window_features", "window_metadata",
]  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a dataset.

    dtype: as stored, a NumPy name or "str"; unit: "GeV", "rad" or "" (a pure number);
    since: the data-model version that brought the column.
    """

    name: str
    level: Level
    group: Group
    dtype: str
    unit: str
    meaning: str
    since: int = 1


PARTICLES = {11: "electron", 22: "photon"}
"""Names of the flavours of windows that are trained with."""

HIT_COMPONENTS: tuple[tuple[str, str, str, str], ...] = (
    ("ieta", "int32", "", "ieta (ix in the endcap) of the crystal"),
    ("iphi", "int32", "", "iphi (iy in the endcap) of the crystal"),
    ("iz", "int32", "", "0 barrel, -1 or +1 endcap"),
    ("energy", "float32", "GeV", "rechit energy"),
    ("energy_fraction", "float32", "GeV", "rechit energy x fraction"),
    ("fraction", "float32", "", "share of the rechit that belongs to the cluster"),
)
"""Name, dtype, unit and meaning of the six numbers of a hit, in the order of `cl_hits` and `seed_hits`."""
HIT_NAMES = tuple(name for name, *_ in HIT_COMPONENTS)
HIT_DTYPES = {name: dtype for name, dtype, *_ in HIT_COMPONENTS}

_SHAPES = (
    ("r9", "E3x3 over the energy of the cluster"),
    ("sigmaIetaIeta", "log-weighted width in ieta"),
    ("sigmaIetaIphi", "log-weighted covariance in ieta and iphi"),
    ("sigmaIphiIphi", "log-weighted width in iphi"),
    ("swissCross", "1 - E4/E1 of the highest crystal"),
)


def _w(group: Group, name: str, unit: str, meaning: str, dtype: str = "float32") -> Column:
    return Column(name, "window", group, dtype, unit, meaning)


def _c(group: Group, name: str, unit: str, meaning: str, dtype: str = "float32", since: int = 1) -> Column:
    return Column(name, "cluster", group, dtype, unit, meaning, since)


def _inputs(level: Level) -> tuple[Callable[..., Column], str]:
    """How a model input of the seed or of a cluster is made, and what it is of."""
    return (partial(_w, "seed_features"), "seed") if level == "window" else (partial(_c, "cl_features"), "cluster")


def _energies(level: Level) -> list[Column]:
    """Raw and calibrated energy and Et with their logarithms, of the seed or of a cluster."""
    make, who = _inputs(level)
    columns = []
    for suffix, kind in (("", "raw"), ("_calib", "calibrated")):
        columns.append(make(f"en_{who}{suffix}", "GeV", f"{kind} energy of the {who}"))
        columns.append(make(f"et_{who}{suffix}", "GeV", f"{kind} transverse energy of the {who}"))
    logs = [make(f"{column.name}_log", "", f"log(1 + {column.name}/GeV)") for column in columns]
    return columns + logs


def _shapes(level: Level) -> list[Column]:
    make, who = _inputs(level)
    who = {"cluster": "cl"}.get(who, who)
    columns = [make(f"{who}_f5_{name}", "", f"{meaning}, full 5x5") for name, meaning in _SHAPES]
    columns += [make(f"{who}_{name}", "", f"{meaning}, with hit fractions") for name, meaning in _SHAPES]
    columns += [
        make(f"{who}_nxtals", "", "number of crystals"),
        make(f"{who}_etaWidth", "", "energy-weighted width in eta"),
        make(f"{who}_phiWidth", "rad", "energy-weighted width in phi"),
    ]
    return columns


def _position(level: Level) -> list[Column]:
    make, who = _inputs(level)
    return [
        make(f"{who}_eta", "", f"eta of the {who}"),
        make(f"{who}_phi", "rad", f"phi of the {who}"),
        make(f"{who}_ieta", "", f"ieta (ix in the endcap) of the {who}", "int32"),
        make(f"{who}_iphi", "", f"iphi (iy in the endcap) of the {who}", "int32"),
        make(f"{who}_iz", "", f"iz of the {who}: 0 barrel, -1 or +1 endcap", "int32"),
    ]


_SUMMARISED = (
    ("en_cluster", "GeV", "raw energy"),
    ("et_cluster", "GeV", "raw transverse energy"),
    ("deta_cluster", "", "absolute cluster_deta"),
    ("dphi_cluster", "rad", "absolute cluster_dphi"),
    ("den_cluster", "GeV", "cluster_den_seed"),
    ("det_cluster", "GeV", "cluster_det_seed"),
)


def _summaries() -> list[Column]:
    words = {"max": "largest", "min": "smallest", "mean": "mean"}
    return [
        _w("window_features", f"{how}_{name}", unit, f"{words[how]} {what} among the clusters of the window")
        for how in words
        for name, unit, what in _SUMMARISED
    ]


def _truth() -> list[Column]:
    columns = [
        _w("window_metadata", "sim_true_eta", "", "simEta of the caloparticle, 0 if unmatched"),
        _w("window_metadata", "sim_true_phi", "rad", "simPhi of the caloparticle, 0 if unmatched"),
        _w("window_metadata", "gen_true_eta", "", "genEta of the caloparticle, 0 if unmatched"),
        _w("window_metadata", "gen_true_phi", "rad", "genPhi of the caloparticle, 0 if unmatched"),
    ]
    good = "simEnergyGoodStatus (or what the setting true_energy names)"
    for name, what in (("sim", "simEnergy"), ("gen", "genEnergy"), ("sim_good", good)):
        for size, meaning in (("en", what), ("et", f"{what} / cosh(genEta)")):
            meaning = f"{meaning} of the caloparticle, 0 if unmatched"
            columns.append(_w("window_metadata", f"{size}_true_{name}", "GeV", meaning))
    return columns


WINDOW_COLUMNS: tuple[Column, ...] = (
    _w("window_metadata", "window_index", "", "<sample>_<run>_<lumi>_<event>_<seed_index>", "str"),
    _w("window_metadata", "run_id", "", "run", "int64"),
    _w("window_metadata", "lumi_id", "", "luminosity section", "int64"),
    _w("window_metadata", "event_id", "", "event", "int64"),
    _w("window_metadata", "seed_index", "", "index of the seed among the event's clusters", "int32"),
    _w("window_metadata", "calo_index", "", "index of the seed's caloparticle, -1 if unmatched", "int32"),
    _w("window_metadata", "flavour", "", "11 electron, 22 photon, 0 unknown", "int32"),
    _w("window_metadata", "is_seed_calo_matched", "", "the seed is matched to a caloparticle", "bool"),
    _w("window_metadata", "is_seed_calo_seed", "", "the seed is the main cluster of its caloparticle", "bool"),
    _w("window_metadata", "is_seed_mustache_matched", "", "the seed is the seed of a supercluster", "bool"),
    _w("window_metadata", "mustache_seed_index", "", "index of that supercluster in the event, -1 if none", "int32"),
    *_position("window"),
    *_energies("window"),
    *_shapes("window"),
    _w("seed_metadata", "seed_score", "", "association score of the seed, -1 if none", "float64"),
    _w("seed_metadata", "seed_simen_sig", "GeV", "simulated energy shared by the seed and its caloparticle"),
    _w("seed_metadata", "seed_simen_PU", "GeV", "simulated pile-up energy in the seed's crystals"),
    _w("seed_metadata", "seed_recoen_PU", "GeV", "reconstructed energy in the seed's crystals hit by pile-up"),
    _w("seed_metadata", "seed_PUfrac", "", "pile-up over signal energy of the seed, -1 if unmatched", "float64"),
    *_truth(),
    _w("window_metadata", "en_mustache_raw", "GeV", "raw energy of the supercluster, 0 if none"),
    _w("window_metadata", "et_mustache_raw", "GeV", "raw transverse energy of the supercluster, 0 if none"),
    _w("window_metadata", "en_mustache_calib", "GeV", "calibrated energy of the supercluster, 0 if none"),
    _w("window_metadata", "et_mustache_calib", "GeV", "calibrated transverse energy of the supercluster, 0 if none"),
    _w("window_metadata", "nVtx", "", "reconstructed vertices", "int32"),
    _w("window_metadata", "rho", "GeV", "energy density of the event"),
    _w("window_metadata", "obsPU", "", "in-time interactions"),
    _w("window_metadata", "truePU", "", "mean number of interactions"),
    _w("window_metadata", "event_tot_simen_PU", "GeV", "simulated pile-up energy of the event"),
    _w("window_metadata", "ncls", "", "clusters in the window", "int32"),
    _w("window_metadata", "nclusters_insc", "", "clusters with in_scluster, 0 if unmatched", "int32"),
    _w("window_metadata", "max_en_cluster_insc", "GeV", "largest raw energy with in_scluster, -1 if unmatched"),
    _w("window_metadata", "max_deta_cluster_insc", "", "largest absolute deta with in_scluster, -1 if unmatched"),
    _w("window_metadata", "max_dphi_cluster_insc", "rad", "largest absolute dphi with in_scluster, -1 if unmatched"),
    *_summaries(),
    _w("window_metadata", "wtot_simen_PU", "GeV", "sum of calo_simen_PU over the window"),
    _w("window_metadata", "wtot_recoen_PU", "GeV", "sum of calo_recoen_PU over the window"),
    _w("window_metadata", "wtot_simen_sig", "GeV", "sum of calo_simen_sig over the window"),
)  # fmt: skip

CLUSTER_COLUMNS: tuple[Column, ...] = (
    _c("cl_metadata", "cl_index", "", "index among the event's clusters", "int32"),
    _c("cl_labels", "is_seed", "", "the cluster is the seed", "bool"),
    _c("cl_labels", "is_calo_matched", "", "belongs to the seed's caloparticle", "bool"),
    _c("cl_labels", "is_calo_matched_diffcalo", "", "belongs to another caloparticle", "bool"),
    _c("cl_labels", "is_calo_seed", "", "main cluster of the seed's caloparticle, within the pile-up limit", "bool"),
    _c("cl_labels", "is_any_calo_seed", "", "is_calo_seed, or main cluster of another caloparticle", "bool", since=2),
    _c("cl_labels", "in_scluster", "", "belongs in the true supercluster", "bool"),
    _c("cl_labels", "in_geom_mustache", "", "inside CMS's mustache around the seed", "bool"),
    _c("cl_labels", "in_mustache", "", "in the reconstructed supercluster of the seed", "bool"),
    _c("cl_metadata", "other_calo_index", "", "the other caloparticle whose main cluster this is, else -1", "int32"),
    *_position("cluster"),
    _c("cl_features", "cluster_deta", "", "(eta - seed eta) x sign of the seed eta"),
    _c("cl_features", "cluster_dphi", "rad", "seed phi - phi, wrapped to [-pi, pi]"),
    *_energies("cluster"),
    _c("cl_features", "cluster_den_seed", "GeV", "raw energy of the seed minus the cluster's"),
    _c("cl_features", "cluster_det_seed", "GeV", "raw transverse energy of the seed minus the cluster's"),
    _c("cl_features", "cluster_den_seed_log", "", "log(1 + cluster_den_seed/GeV)"),
    _c("cl_features", "cluster_det_seed_log", "", "log(1 + cluster_det_seed/GeV)"),
    *_shapes("cluster"),
    _c("cl_metadata", "calo_score", "", "association score with the cluster's own caloparticle, -1 if none", "float64"),
    _c("cl_metadata", "calo_simen_sig", "GeV", "simulated energy shared with the seed's caloparticle, else 0"),
    _c("cl_metadata", "calo_simen_PU", "GeV", "simulated pile-up energy in the cluster's crystals"),
    _c("cl_metadata", "calo_recoen_PU", "GeV", "reconstructed energy in crystals hit by pile-up"),
    _c("cl_metadata", "calo_nxtals_PU", "", "crystals hit by pile-up"),
    _c("cl_metadata", "cluster_PUfrac", "", "pile-up over signal energy of the cluster, -1 if not matched", "float64"),
    _c("cl_metadata", "noise_en", "GeV", "noise in the cluster"),
    _c("cl_metadata", "noise_en_uncal", "GeV", "noise before calibration"),
    _c("cl_metadata", "noise_en_nofrac", "GeV", "noise without hit fractions"),
    _c("cl_metadata", "noise_en_uncal_nofrac", "GeV", "noise before calibration, without hit fractions"),
)  # fmt: skip

Collection = Literal["superCluster", "deepSuperCluster", "retunedSuperCluster"]
"""The collections of superclusters that can be read beside the first one, which fills the columns of the mustache."""


def _second(name: str) -> tuple[Column, ...]:
    """The columns of a collection of superclusters that is read beside the first one."""
    columns = [_w("window_metadata", f"has_{name}", "", f"the seed is the seed of a supercluster of {name}", "bool")]
    for suffix, kind in (("raw", "raw"), ("calib", "calibrated")):
        for size, what in (("en", "energy"), ("et", "transverse energy")):
            meaning = f"{kind} {what} of the supercluster of {name}, 0 if none"
            columns.append(_w("window_metadata", f"{size}_{name}_{suffix}", "GeV", meaning))
    columns.append(_c("cl_labels", f"in_{name}", "", f"in the supercluster of {name} of the seed", "bool"))
    return tuple(replace(column, since=2) for column in columns)


SECOND_COLUMNS: dict[str, tuple[Column, ...]] = {name: _second(name) for name in get_args(Collection)}
"""By collection; a dataset holds the columns of the one that the setting `also_superclusters` names, and no others."""

SECOND = frozenset(column.name for columns in SECOND_COLUMNS.values() for column in columns)
"""Columns of all collections that can be read beside the first one."""

COLUMNS: dict[str, Column] = {
    column.name: column for column in (*WINDOW_COLUMNS, *CLUSTER_COLUMNS, *chain(*SECOND_COLUMNS.values()))
}
"""All columns by name, in the order in which NDJSON writes those of windows and those of clusters."""


def absent_second(name: str | None) -> frozenset[str]:
    """The columns of second collections that windows do not have where `name` is read beside the first one."""
    return SECOND - {column.name for column in SECOND_COLUMNS.get(name or "", ())}


def in_order(names: Container[str]) -> list[str]:
    """Names of columns and hit components in the order of the schema."""
    return [name for name in (*COLUMNS, *HIT_NAMES) if name in names]


def second_in(held: Iterable[frozenset[str]]) -> str | None:
    """The second collection of superclusters of which all files have columns. `held` : the columns of each file"""
    names = [each & SECOND for each in held]
    known = ((name, {column.name for column in columns}) for name, columns in SECOND_COLUMNS.items())
    return next((name for name, columns in known if names and all(each & columns for each in names)), None)


TRUTH = frozenset({
    "calo_index", "is_seed_calo_matched", "is_seed_calo_seed", "seed_score", "seed_simen_sig", "seed_simen_PU",
    "seed_recoen_PU", "seed_PUfrac", *(column.name for column in _truth()), "event_tot_simen_PU", "nclusters_insc",
    "max_en_cluster_insc", "max_deta_cluster_insc", "max_dphi_cluster_insc", "wtot_simen_PU", "wtot_recoen_PU",
    "wtot_simen_sig", "is_calo_matched", "is_calo_matched_diffcalo", "is_calo_seed", "is_any_calo_seed", "in_scluster",
    "other_calo_index",
    "calo_score", "calo_simen_sig", "calo_simen_PU", "calo_recoen_PU", "calo_nxtals_PU", "cluster_PUfrac",
    "noise_en", "noise_en_uncal", "noise_en_nofrac", "noise_en_uncal_nofrac",
})  # fmt: skip
"""Columns of caloparticles, pile-up and noise, which only a simulation has: windows without truth do not have them."""

EVENT_COLUMNS: dict[str, str] = {
    "run_id": "run",
    "lumi_id": "luminosity section",
    "event_id": "event",
    "n_windows_matched": "windows made whose seed is matched",
    "n_windows_nomatched": "windows made whose seed is not matched",
    "n_seeds_good": "the same as n_windows_matched",
    "n_seeds_bad_calo_position": "windows whose seed has the score, but whose caloparticle lies outside",
    "n_seeds_in_other_window": "candidates that made no window because they lie in one",
}
"""The per-event counts (`<stem>.events.csv`), all int64, before windows are selected: name and meaning."""
