"""The layout of a TFRecord (formats.md): keys, kinds and columns of the context and of the feature lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecalwindows.formats.parquet.definition import features_definition

Kind = Literal["floats", "ints", "text", "tensor", "hits"]

SEED = features_definition("seed").groups
"""The groups of the original dataset; the order of columns is that of the format."""

TRUTH = (
    "nVtx", "rho", "obsPU", "truePU", "sim_true_eta", "sim_true_phi", "en_true_sim", "et_true_sim", "en_true_gen",
    "et_true_gen", "en_true_sim_good", "et_true_sim_good", "sim_true_eta", "sim_true_phi", "gen_true_eta",
    "gen_true_phi", "en_mustache_raw", "et_mustache_raw", "en_mustache_calib", "et_mustache_calib", "nclusters_insc",
    "max_en_cluster_insc", "max_deta_cluster_insc", "max_dphi_cluster_insc", "event_tot_simen_PU", "wtot_simen_PU",
    "wtot_simen_sig",
)  # fmt: skip
"""`w_m`; two columns are in it twice, which is part of the format."""

SEED_LABELS = ("is_seed_calo_matched", "is_seed_calo_seed", "is_seed_mustache_matched")
LABELS = ("is_seed", "is_calo_matched", "is_calo_seed", "in_scluster", "in_geom_mustache", "in_mustache")
HITS = ("ieta", "iphi", "iz", "energy_fraction")
"""Components of a hit, in the order of the rows of `s_h`."""

WEIGHT, CLASS = "weight", "class"
"""Numbers of a record that are not columns: 1 by default; 0 seed unmatched, 1 matched, 2 matched and main cluster."""


@dataclass(frozen=True)
class Feature:
    """One key of a record: kind and columns; `extra` ones are not in the contract and may be absent."""

    key: str
    kind: Kind
    columns: tuple[str, ...]
    extra: bool = False


CONTEXT: tuple[Feature, ...] = (
    Feature("calo_index", "ints", ("calo_index",), extra=True),
    Feature("event_id", "ints", ("event_id",), extra=True),
    Feature("f", "ints", ("flavour",)),
    Feature("lumi_id", "ints", ("lumi_id",), extra=True),
    Feature("n_cl", "ints", ("ncls",)),
    Feature("run_id", "ints", ("run_id",), extra=True),
    Feature("s_f", "floats", SEED["seed_features"]),
    Feature("s_h", "tensor", HITS),
    Feature("s_l", "ints", SEED_LABELS),
    Feature("s_m", "floats", SEED["seed_metadata"]),
    Feature("seed_index", "ints", ("seed_index",), extra=True),
    Feature("w_cl", "ints", (CLASS,)),
    Feature("w_f", "floats", SEED["window_features"]),
    Feature("w_m", "floats", TRUTH),
    Feature("wi", "floats", (WEIGHT,)),
    Feature("window_index", "text", ("window_index",), extra=True),
)
LISTS: tuple[Feature, ...] = (
    Feature("cl_f", "floats", SEED["cl_features"]),
    *(Feature(f"cl_h{number}", "hits", (name,)) for number, name in zip((0, 1, 2, 4), HITS, strict=True)),
    Feature("cl_l", "ints", LABELS),
    Feature("cl_m", "floats", SEED["cl_metadata"]),
)
"""Both in the order of the keys, as protobuf orders a map in its deterministic mode."""

COLUMNS = frozenset(name for feature in CONTEXT + LISTS for name in feature.columns) - {WEIGHT, CLASS}
"""Dataset columns and hit components in a record."""

REQUIRED = COLUMNS - {name for feature in CONTEXT if feature.extra for name in feature.columns}
"""Those that every record must have."""


def part_paths(folder: Path, part: str) -> tuple[Path, Path]:
    """The files of a part: windows whose seed is matched, and the others."""
    return (
        folder / "calo_matched" / f"calomatch_{part}.proto",
        folder / "no_calo_matched" / f"nocalomatch_{part}.proto",
    )
