"""Columns of windows and clusters (docs/columns.md). NaN and infinity are replaced later, by `finite`."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from .association import Owner
from .labels import ClusterTruth, SeedTruth, in_supercluster, pu_fraction, supercluster_of
from .mustache import in_geometric_mustache
from .windows import Point, delta_eta, delta_phi, transverse

Event = dict[str, Any]
Row = dict[str, Any]
MISSING = -999.0
SHAPES = {
    "f5_r9": "pfCluster_full5x5_r9",
    "f5_sigmaIetaIeta": "pfCluster_full5x5_sigmaIetaIeta",
    "f5_sigmaIetaIphi": "pfCluster_full5x5_sigmaIetaIphi",
    "f5_sigmaIphiIphi": "pfCluster_full5x5_sigmaIphiIphi",
    "f5_swissCross": "pfCluster_full5x5_swissCross",
    "r9": "pfCluster_r9",
    "sigmaIetaIeta": "pfCluster_sigmaIetaIeta",
    "sigmaIetaIphi": "pfCluster_sigmaIetaIphi",
    "sigmaIphiIphi": "pfCluster_sigmaIphiIphi",
    "swissCross": "pfCluster_swissCross",
    "etaWidth": "pfCluster_etaWidth",
    "phiWidth": "pfCluster_phiWidth",
    "nxtals": "pfCluster_nXtals",
}
NOISE = {
    "noise_en": "pfCluster_noise",
    "noise_en_uncal": "pfCluster_noiseUncalib",
    "noise_en_nofrac": "pfCluster_noiseNoFractions",
    "noise_en_uncal_nofrac": "pfCluster_noiseUncalibNoFractions",
}
SUMMARISED = {
    "en_cluster": "en_cluster",
    "et_cluster": "et_cluster",
    "deta_cluster": "cluster_deta",
    "dphi_cluster": "cluster_dphi",
    "den_cluster": "cluster_den_seed",
    "det_cluster": "cluster_det_seed",
}


def log1(x: float) -> float:
    """log(1 + x), NaN if it does not exist."""
    return math.log(1 + x) if 1 + x > 0 else math.nan


def finite(value: Any) -> Any:
    """The same value with -999 in place of every NaN and infinity, at any depth."""
    if isinstance(value, dict):
        return {name: finite(v) for name, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    return MISSING if isinstance(value, float) and not math.isfinite(value) else value


def with_nan(choose: Callable[[Sequence[float]], float], values: Sequence[float]) -> float:
    """Maximum or minimum, NaN if one of the values is NaN."""
    return math.nan if any(math.isnan(v) for v in values) else choose(values)


def total(values: Sequence[float]) -> float:
    """The sum from left to right (the built-in function compensates rounding since Python 3.12)."""
    result = 0.0
    for value in values:
        result = result + value
    return result


def column(event: Event, branch: str, default: float) -> Sequence[float]:
    """A branch of the clusters, or the default value for all clusters if it is missing."""
    return event[branch] if branch in event else [default] * len(event["pfCluster_eta"])


def shapes(event: Event, cluster: int, prefix: str) -> Row:
    """Shower shapes of a cluster."""
    return {f"{prefix}_{name}": column(event, branch, MISSING)[cluster] for name, branch in SHAPES.items()}


def hits(event: Event, cluster: int) -> list[list[float]]:
    """ieta, iphi, iz, energy, energy x fraction, fraction of each hit."""
    parts = ("ieta", "iphi", "iz", "rechitEnergy", "fraction")
    rows = zip(*(event[f"pfClusterHit_{part}"][cluster] for part in parts), strict=True)
    return [[ieta, iphi, iz, energy, energy * fraction, fraction] for ieta, iphi, iz, energy, fraction in rows]


def pileup_column(event: Event, branch: str, cluster: int, pileup: bool) -> float:
    """A pile-up branch, 0 without pile-up."""
    return event[branch][cluster] if pileup else 0.0


def energies(event: Event, cluster: int, name: str) -> Row:
    """Raw and calibrated energy and Et of a cluster, and their logs."""
    eta = event["pfCluster_eta"][cluster]
    raw, calibrated = event["pfCluster_rawEnergy"][cluster], event["pfCluster_energy"][cluster]
    row = {
        f"en_{name}": raw,
        f"et_{name}": transverse(raw, eta),
        f"en_{name}_calib": calibrated,
        f"et_{name}_calib": transverse(calibrated, eta),
    }
    return row | {f"{key}_log": log1(value) for key, value in row.items()}


def cluster_row(
    event: Event,
    points: Sequence[Point],
    cluster: int,
    seed: int,
    own: Owner,
    truth: ClusterTruth,
    calo: int,
    pileup: bool,
) -> Row:
    """One cluster of one window."""
    point = points[cluster]
    raw = event["pfCluster_rawEnergy"]
    dphi = delta_phi(points[seed], point)
    den = raw[seed] - raw[cluster]
    det = transverse(raw[seed], points[seed].eta) - transverse(raw[cluster], point.eta)
    signal = event["pfCluster_simEnergy_sharedXtals"][cluster][calo] if truth.is_calo_matched else 0.0
    return {
        "cl_index": cluster,
        "is_seed": cluster == seed,
        "in_geom_mustache": in_geometric_mustache(points[seed].eta, dphi, raw[cluster], point.eta),
        "is_calo_matched": truth.is_calo_matched,
        "is_calo_matched_diffcalo": truth.is_calo_matched_diffcalo,
        "other_calo_index": truth.other_calo_index,
        "is_calo_seed": truth.is_calo_seed,
        "is_any_calo_seed": truth.is_any_calo_seed,
        "in_scluster": truth.in_scluster,
        "calo_score": own.score,
        "calo_simen_sig": signal,
        "calo_simen_PU": pileup_column(event, "pfCluster_simEnergy_sharedXtalsPU", cluster, pileup),
        "calo_recoen_PU": pileup_column(event, "pfCluster_recoEnergy_sharedXtalsPU", cluster, pileup),
        "calo_nxtals_PU": pileup_column(event, "pfCluster_simPU_nSharedXtals", cluster, pileup),
        "cluster_PUfrac": truth.pu_fraction,
        "cluster_ieta": event["pfCluster_ieta"][cluster],
        "cluster_iphi": event["pfCluster_iphi"][cluster],
        "cluster_eta": point.eta,
        "cluster_phi": point.phi,
        "cluster_dphi": dphi,
        "cluster_iz": point.iz,
        **energies(event, cluster, "cluster"),
        **{name: column(event, branch, 0.0)[cluster] if pileup else 0.0 for name, branch in NOISE.items()},
        **shapes(event, cluster, "cl"),
        "cl_hits": hits(event, cluster),
        "cluster_deta": delta_eta(points[seed], point),
        "cluster_den_seed": den,
        "cluster_det_seed": det,
        "cluster_den_seed_log": log1(den),
        "cluster_det_seed_log": log1(det),
    }


def seed_row(event: Event, points: Sequence[Point], seed: int, own: Owner, truth: SeedTruth, pileup: bool) -> Row:
    """The seed of a window."""
    fraction = pu_fraction(seed, truth.calo, event) if pileup and truth.calo != -1 else -1.0
    signal = event["pfCluster_simEnergy_sharedXtals"][seed][truth.calo] if truth.calo != -1 else 0.0
    return {
        "seed_index": seed,
        "is_seed_calo_matched": truth.calo != -1,
        "calo_index": truth.calo,
        "is_seed_calo_seed": truth.is_calo_seed,
        "seed_score": own.score,
        "seed_simen_sig": signal,
        "seed_simen_PU": pileup_column(event, "pfCluster_simEnergy_sharedXtalsPU", seed, pileup),
        "seed_recoen_PU": pileup_column(event, "pfCluster_recoEnergy_sharedXtalsPU", seed, pileup),
        "seed_PUfrac": fraction if pileup else 0.0,
        "seed_eta": points[seed].eta,
        "seed_phi": points[seed].phi,
        "seed_iz": points[seed].iz,
        "seed_ieta": event["pfCluster_ieta"][seed],
        "seed_iphi": event["pfCluster_iphi"][seed],
        **energies(event, seed, "seed"),
        **shapes(event, seed, "seed"),
        "seed_hits": hits(event, seed),
    }


def truth_row(event: Event, calo: int, true_energy: str) -> Row:
    """The caloparticle of a window, zeros if there is none."""
    positions = ("simEta", "simPhi", "genEta", "genPhi")
    kinds = {"sim": "simEnergy", "gen": "genEnergy", "sim_good": true_energy}
    row: Row = {}
    for name in positions:
        value = event[f"caloParticle_{name}"][calo] if calo != -1 else 0.0
        row[f"{name[:3]}_true_{name[3:].lower()}"] = value
    for name, branch in kinds.items():
        energy = event[f"caloParticle_{branch}"][calo] if calo != -1 else 0.0
        row[f"en_true_{name}"] = energy
        row[f"et_true_{name}"] = transverse(energy, row["gen_true_eta"])
    return row


def mustache_row(event: Event, seed: int, settings: Any) -> Row:
    """The supercluster of a window, zeros if there is none; and that of the second collection, if one is read."""
    found = supercluster_of(seed, event, settings.superclusters)
    row: Row = {"is_seed_mustache_matched": found != -1, "mustache_seed_index": found}
    row |= supercluster_energies(event, found, settings.superclusters, "mustache")
    if settings.also_superclusters:
        name = settings.also_superclusters
        found = supercluster_of(seed, event, name)
        row |= {f"has_{name}": found != -1} | supercluster_energies(event, found, name, name)
    return row


def supercluster_energies(event: Event, supercluster: int, collection: str, name: str) -> Row:
    """Energies of a supercluster, zeros if there is none."""
    row: Row = {}
    for kind, branch in {"raw": "rawEnergy", "calib": "energy"}.items():
        energy = event[f"{collection}_{branch}"][supercluster] if supercluster != -1 else 0.0
        eta = event[f"{collection}_eta"][supercluster] if supercluster != -1 else 0.0
        row[f"en_{name}_{kind}"] = energy
        row[f"et_{name}_{kind}"] = transverse(energy, eta)
    return row


def in_superclusters(event: Event, cluster: int, seed: int, settings: Any) -> Row:
    """Whether a cluster is in the supercluster of the seed, in each collection that is read."""
    names = {"in_mustache": settings.superclusters}
    if settings.also_superclusters:
        names[f"in_{settings.also_superclusters}"] = settings.also_superclusters
    return {
        column: in_supercluster(cluster, supercluster_of(seed, event, name), event, name)
        for column, name in names.items()
    }


def event_row(event: Event, pileup: bool) -> Row:
    """The columns that all windows of an event have in common."""
    return {
        "run_id": event["runId"],
        "lumi_id": event["lumiId"],
        "event_id": event["eventId"],
        "nVtx": event.get("nVtx", -1),
        "rho": event.get("rho", -1.0),
        "obsPU": event.get("obsPU", -1.0),
        "truePU": event.get("truePU", -1.0),
        "event_tot_simen_PU": event.get("caloParticlePU_totEnergy", 0.0) if pileup else 0.0,
    }


def summary_row(clusters: Sequence[Row], matched: bool) -> Row:
    """Maxima, minima, means and sums over the clusters of a window."""
    row: Row = {"ncls": len(clusters)}
    for name, field in SUMMARISED.items():
        is_angle = field in ("cluster_deta", "cluster_dphi")
        values = [abs(cluster[field]) if is_angle else cluster[field] for cluster in clusters]
        row[f"max_{name}"] = with_nan(max, values)
        row[f"min_{name}"] = with_nan(min, values)
        row[f"mean_{name}"] = total(values) / len(values)
    for name in ("simen_PU", "recoen_PU", "simen_sig"):
        row[f"wtot_{name}"] = total([cluster[f"calo_{name}"] for cluster in clusters])
    chosen = [cluster for cluster in clusters if cluster["in_scluster"]] if matched else []
    row["nclusters_insc"] = len(chosen)
    row["max_en_cluster_insc"] = with_nan(max, [c["en_cluster"] for c in chosen]) if matched else -1.0
    row["max_deta_cluster_insc"] = with_nan(max, [abs(c["cluster_deta"]) for c in chosen]) if matched else -1.0
    row["max_dphi_cluster_insc"] = with_nan(max, [abs(c["cluster_dphi"]) for c in chosen]) if matched else -1.0
    return row


def flavour(event: Event, calo: int, setting: str | int) -> int:
    """The flavour of the settings, or abs(PDG id) of the caloparticle."""
    if setting != "auto":
        return int(setting)
    return abs(event["caloParticle_pdgId"][calo]) if calo != -1 and "caloParticle_pdgId" in event else 0


def window_index(sample: str, event: Event, seed: int) -> str:
    """The name of a window; without a sample, there is no separator at its start."""
    parts = [str(event[branch]) for branch in ("runId", "lumiId", "eventId")] + [str(seed)]
    return "_".join([sample, *parts] if sample else parts)
