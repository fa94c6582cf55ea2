"""All columns of the table of matched clusters: name, owner of the value, dtype, unit, meaning.

Columns that datasets also have (`core/schema.py`) have the same meaning here, with the main cluster of the caloparticle
as the seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ecalwindows.core.schema import COLUMNS

Owner = Literal["event", "caloparticle", "main cluster", "cluster"]


@dataclass(frozen=True)
class MatchColumn:
    """One column. `of` is the owner of the value, which is repeated in all rows of this owner."""

    name: str
    of: Owner
    dtype: str
    unit: str
    meaning: str


def _known(of: Owner, names: Iterable[str], **meaning: str) -> list[MatchColumn]:
    """Columns of datasets, some with a different meaning."""
    known = [COLUMNS[name] for name in names]
    return [MatchColumn(c.name, of, c.dtype, c.unit, meaning.get(c.name, _without_unmatched(c.meaning))) for c in known]


def _without_unmatched(meaning: str) -> str:
    """The meaning without the value for unmatched windows, because this table has no unmatched rows."""
    for words in (", 0 if unmatched", ", -1 if unmatched", ", -1 if none"):
        meaning = meaning.removesuffix(words)
    return meaning


_COLUMNS = (
    MatchColumn("group_id", "caloparticle", "int64", "", "the caloparticle: hash of sample, run, lumi, event, index"),
    MatchColumn("event_hash", "event", "uint64", "", "hash of sample, run, lumi and event, as splits by event use it"),
    *_known("event", ("run_id", "lumi_id", "event_id", "nVtx", "rho", "obsPU", "truePU")),
    *_known(
        "caloparticle",
        ("calo_index", "flavour", "sim_true_eta", "sim_true_phi", "gen_true_eta", "gen_true_phi", "en_true_sim",
         "et_true_sim", "en_true_sim_good", "et_true_sim_good", "en_true_gen", "et_true_gen"),
        calo_index="index of the caloparticle in its event",
    ),
    MatchColumn("n_matched", "caloparticle", "int32", "", "clusters that belong to the caloparticle"),
    *_known(
        "main cluster",
        ("seed_index", "seed_eta", "seed_phi", "seed_iz", "en_seed", "et_seed", "en_seed_calib", "et_seed_calib",
         "seed_score", "is_seed_calo_matched", "is_seed_mustache_matched", "en_mustache_raw", "en_mustache_calib"),
        seed_index="index of the main cluster among the event's clusters",
        is_seed_calo_matched="as a seed it is matched: its Et and score suffice, the caloparticle lies in its window",
        is_seed_mustache_matched="it is the seed of a supercluster",
    ),
    *_known(
        "cluster",
        ("cl_index", "is_seed", "calo_score", "calo_simen_sig", "calo_simen_PU", "cluster_PUfrac", "en_cluster",
         "et_cluster", "en_cluster_calib", "et_cluster_calib", "cluster_eta", "cluster_phi", "cluster_iz",
         "cluster_deta", "cluster_dphi", "cl_nxtals", "in_geom_mustache", "in_mustache"),
        is_seed="the cluster is the main cluster: the one with the largest score",
        calo_score="association score with the caloparticle",
        calo_simen_sig="simulated energy shared with the caloparticle",
        cluster_PUfrac="pile-up over signal energy of the cluster, 0 without pile-up",
        in_mustache="in the reconstructed supercluster of the main cluster",
    ),
    MatchColumn("in_window", "cluster", "bool", "", "in the window of the main cluster"),
)  # fmt: skip

MATCH_COLUMNS: dict[str, MatchColumn] = {column.name: column for column in _COLUMNS}
"""All columns by name, in the order of the table."""
