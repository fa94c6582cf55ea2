"""Model inputs and truth values of windows and clusters: gathers and a few formulas (windows.md section 10).

Everything is float64 here; `stored` rounds once and replaces what is not finite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Array, offsets_of
from ecalwindows.core.batch import Text
from ecalwindows.core.events import Events, Superclusters, float64
from ecalwindows.core.kernels.gather import gathered_rows
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, SENTINEL
from ecalwindows.windowing.association import Association, score_with
from ecalwindows.windowing.derived import LOGS_OF_SEED, OF_SEED, SHAPES
from ecalwindows.windowing.kernels import features as kernels
from ecalwindows.windowing.kernels.windows import wrapped_differences
from ecalwindows.windowing.labels import Labels, pileup_fraction
from ecalwindows.windowing.windows import Members

Columns = dict[str, Array]

NOISE = {
    "noise_en": "noise",
    "noise_en_uncal": "noiseUncalib",
    "noise_en_nofrac": "noiseNoFractions",
    "noise_en_uncal_nofrac": "noiseUncalibNoFractions",
}
PILEUP = {
    "calo_simen_PU": "simEnergy_sharedXtalsPU",
    "calo_recoen_PU": "recoEnergy_sharedXtalsPU",
    "calo_nxtals_PU": "simPU_nSharedXtals",
}


@dataclass(frozen=True)
class Differences:
    """Cluster against seed, float64 (n_pairs,): deta, dphi [rad], raw energy and raw Et of seed minus cluster [GeV]."""

    deta: Array
    dphi: Array
    den: Array
    det: Array


def cluster_columns(events: Events, association: Association, members: Members, *, use_pileup: bool) -> Columns:
    """The columns that belong to a cluster alone, one row for each of `members.used`."""
    used = members.used
    cluster = {name: column[used] for name, column in events.cluster.items()}
    eta = float64(cluster["eta"])
    columns: Columns = {
        "cl_index": used - events.cluster_offsets[events.cluster_event[used]],
        "calo_score": association.score[used],
    }
    for name in ("eta", "phi", "ieta", "iphi", "iz"):
        columns[f"cluster_{name}"] = cluster[name]
    for suffix, branch in (("", "rawEnergy"), ("_calib", "energy")):
        energy = float64(cluster[branch])
        columns[f"en_cluster{suffix}"] = energy
        columns[f"et_cluster{suffix}"] = kernels.transverse(energy, eta)
    for name in ("en_cluster", "et_cluster", "en_cluster_calib", "et_cluster_calib"):
        columns[f"{name}_log"] = kernels.log_one_plus(columns[name])
    for name in SHAPES:
        columns[f"cl_f5_{name}"] = cluster[f"full5x5_{name}"]
        columns[f"cl_{name}"] = cluster[name]
    columns |= {"cl_nxtals": cluster["nXtals"], "cl_etaWidth": cluster["etaWidth"], "cl_phiWidth": cluster["phiWidth"]}
    nothing = np.zeros(len(used))
    for name, branch in (PILEUP | NOISE).items():
        columns[name] = cluster[branch] if use_pileup else nothing
    return columns


def differences(members: Members, cluster: Columns) -> Differences:
    """Differences between the clusters of a window and its seed."""
    seed, other = members.seed_row[members.window], members.pair_row
    seed_eta, eta = float64(cluster["cluster_eta"])[seed], float64(cluster["cluster_eta"])[other]
    phi = float64(cluster["cluster_phi"])
    return Differences(
        deta=np.where(seed_eta >= 0, eta - seed_eta, seed_eta - eta),
        dphi=wrapped_differences(phi[seed], phi[other]),
        den=cluster["en_cluster"][seed] - cluster["en_cluster"][other],
        det=cluster["et_cluster"][seed] - cluster["et_cluster"][other],
    )


def pair_columns(difference: Differences, labels: Labels) -> Columns:
    """The columns of a cluster that depend on its window, (n_pairs,)."""
    return {
        "is_seed": labels.is_seed,
        "is_calo_matched": labels.is_calo_matched,
        "is_calo_matched_diffcalo": labels.is_calo_matched_diffcalo,
        "is_calo_seed": labels.is_calo_seed,
        "is_any_calo_seed": labels.is_any_calo_seed,
        "in_scluster": labels.in_scluster,
        "in_geom_mustache": labels.in_geom_mustache,
        "in_mustache": labels.in_mustache,
        "other_calo_index": labels.other_calo_index,
        "cluster_deta": difference.deta,
        "cluster_dphi": difference.dphi,
        "cluster_den_seed": difference.den,
        "cluster_det_seed": difference.det,
        "cluster_den_seed_log": kernels.log_one_plus(difference.den),
        "cluster_det_seed_log": kernels.log_one_plus(difference.det),
        "calo_simen_sig": labels.signal,
        "cluster_PUfrac": labels.pu_fraction,
    }


def seed_columns(events: Events, members: Members, cluster: Columns, *, use_pileup: bool) -> Columns:
    """The columns of the seed, (n_windows,)."""
    seed = members.seed_row
    signal = score_with(events, events.shared_energy, members.seed, members.calo)
    columns = {name: cluster[same][seed] for name, same in (OF_SEED | LOGS_OF_SEED).items() if same in cluster}
    return columns | {
        "seed_simen_sig": signal,
        "seed_PUfrac": pileup_fraction(events, members.seed, signal, members.calo >= 0, use_pileup),
    }


def truth_columns(events: Events, members: Members, labels: Labels, *, flavour: int | None) -> Columns:
    """The caloparticle and the supercluster of the window, (n_windows,); 0 where there is none."""
    matched = members.calo >= 0

    def of_calo(branch: str) -> Array:
        column = events.calo[branch]
        if not len(column):
            return np.zeros(len(members))
        return np.where(matched, column[np.where(matched, events.calo_offsets[members.event] + members.calo, 0)], 0)

    columns: Columns = {
        "calo_index": members.calo,
        "is_seed_calo_matched": matched,
        "is_seed_calo_seed": labels.seed_is_main,
        "flavour": np.abs(of_calo("pdgId")) if flavour is None else np.full(len(members), flavour),
    }
    for name in ("sim", "gen"):
        columns[f"{name}_true_eta"] = of_calo(f"{name}Eta")
        columns[f"{name}_true_phi"] = of_calo(f"{name}Phi")
    gen_eta = float64(columns["gen_true_eta"])
    for name, branch in (("sim", "simEnergy"), ("gen", "genEnergy"), ("sim_good", "simEnergyGoodStatus")):
        energy = float64(of_calo(branch))
        columns[f"en_true_{name}"] = energy
        columns[f"et_true_{name}"] = kernels.transverse(energy, gen_eta)
    found, first = labels.supercluster >= 0, events.first.offsets[members.event]
    columns["is_seed_mustache_matched"] = found
    columns["mustache_seed_index"] = np.where(found, labels.supercluster - first, -1)
    return columns | _supercluster_energies(events.first, labels.supercluster, "mustache")


def second_columns(events: Events, labels: Labels, name: str) -> tuple[Columns, Columns]:
    """The columns of the second collection of superclusters, (n_windows,) and (n_pairs,)."""
    found = {f"has_{name}": labels.second >= 0}
    return found | _supercluster_energies(events.second, labels.second, name), {f"in_{name}": labels.in_second}


def _supercluster_energies(collection: Superclusters, chosen: Array, name: str) -> Columns:
    """Energies of the supercluster of each window, (n_windows,); 0 where there is none (`chosen` is -1)."""

    def of_chosen(branch: str) -> Array:
        column = float64(collection.columns[branch])
        if not len(column):
            return np.zeros(len(chosen))
        return np.where(chosen >= 0, column[np.where(chosen >= 0, chosen, 0)], 0.0)

    columns, eta = Columns(), of_chosen("eta")
    for kind, branch in (("raw", "rawEnergy"), ("calib", "energy")):
        columns[f"en_{name}_{kind}"] = of_chosen(branch)
        columns[f"et_{name}_{kind}"] = kernels.transverse(columns[f"en_{name}_{kind}"], eta)
    return columns


def window_columns(
    events: Events, members: Members, cluster: Columns, difference: Differences, labels: Labels, *, use_pileup: bool
) -> Columns:
    """Identity, event quantities, and sums and extremes over the window, (n_windows,)."""
    event = members.event
    columns: Columns = {
        "run_id": events.run[event],
        "lumi_id": events.lumi[event],
        "event_id": events.event[event],
        "ncls": np.diff(members.offsets),
    }
    for name in ("nVtx", "rho", "obsPU", "truePU"):
        columns[name] = events.scalars[name][event]
    total = events.scalars["caloParticlePU_totEnergy"][event]
    columns["event_tot_simen_PU"] = total if use_pileup else np.zeros(len(members))
    values = {
        "en_cluster": cluster["en_cluster"][members.pair_row],
        "et_cluster": cluster["et_cluster"][members.pair_row],
        "deta_cluster": np.abs(difference.deta),
        "dphi_cluster": np.abs(difference.dphi),
        "den_cluster": difference.den,
        "det_cluster": difference.det,
    }
    for name, value in values.items():
        high, low, total = kernels.summaries(members.offsets, value)
        columns |= {f"max_{name}": high, f"min_{name}": low, f"mean_{name}": total / columns["ncls"]}
    for name in ("simen_PU", "recoen_PU"):
        value = float64(cluster[f"calo_{name}"])[members.pair_row]
        columns[f"wtot_{name}"] = kernels.summaries(members.offsets, value)[2]
    columns["wtot_simen_sig"] = kernels.summaries(members.offsets, labels.signal)[2]
    return columns | _supercluster_columns(members, values, labels)


def _supercluster_columns(members: Members, values: Columns, labels: Labels) -> Columns:
    """Number and extremes of the clusters with `in_scluster`: 0 and -1 in unmatched windows."""
    matched = members.calo >= 0
    number = np.bincount(members.window[labels.in_scluster], minlength=len(members))
    columns: Columns = {"nclusters_insc": np.where(matched, number, 0)}
    offsets = offsets_of(number)
    for name in ("en_cluster", "deta_cluster", "dphi_cluster"):
        high = kernels.summaries(offsets, values[name][labels.in_scluster])[0]
        columns[f"max_{name}_insc"] = np.where(matched, high, -1.0)
    return columns


def window_indices(sample: str, columns: Columns) -> Text:
    """The text `<sample>_<run>_<lumi>_<event>_<seed_index>` of each window (no first part without a sample)."""
    numbers = np.stack([columns[name] for name in ("run_id", "lumi_id", "event_id", "seed_index")], axis=1)
    first = np.frombuffer(f"{sample}_".encode() if sample else b"", dtype=np.uint8).copy()  # else compiled once more
    return Text(*kernels.joined_numbers(first, np.ascontiguousarray(numbers, dtype=np.int64)))


def hit_columns(events: Events, members: Members) -> tuple[Array, Columns]:
    """Offsets of the hits of `members.used`, int64, and the six numbers of each hit, (n_hits,), as stored."""
    offsets, rows = gathered_rows(events.hits_offsets, members.used)
    hits = {name: column[rows] for name, column in events.hits.items()}
    energy = hits["rechitEnergy"]
    columns = hits | {"energy": energy, "energy_fraction": float64(energy) * float64(hits["fraction"])}
    return offsets, {name: rounded(columns[name], dtype) for name, dtype, _, _ in HIT_COMPONENTS}


def stored(columns: Columns) -> Columns:
    """The columns in their stored dtypes, without NaN or infinity."""
    return {name: rounded(column, COLUMNS[name].dtype) for name, column in columns.items()}


def rounded(column: Array, dtype: str) -> Array:
    """One column rounded once to its stored dtype; what is not finite there becomes -999.

    Raises OverflowError for an integer that the dtype cannot hold.
    """
    if column.dtype.kind in "iu" and dtype.startswith("int") and not np.can_cast(column.dtype, dtype):
        limits = np.iinfo(dtype)
        if len(column) and not (limits.min <= int(column.min()) and int(column.max()) <= limits.max):
            raise OverflowError(f"a number of {column.min()} ... {column.max()} is no {dtype}")
    with np.errstate(over="ignore"):
        result = column.astype(dtype)
    if result.dtype.kind == "f" and not (finite := np.isfinite(result)).all():
        result = np.where(finite, result, result.dtype.type(SENTINEL))
    return result
