"""The branches of RecoSimDumper files that we read (dumper.md): type, default, and which columns they feed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from ecalwindows.core.schema import COLUMNS, SECOND_COLUMNS, TRUTH
from ecalwindows.core.settings import STRATEGIES, WindowSettings

Kind = Literal["int", "float"]
Part = Literal[
    "event", "cluster", "calo", "supercluster", "score", "member", "hits", "simhits", "second", "second member"
]


@dataclass(frozen=True)
class Branch:
    """One branch.

    part  : where `Events` keeps it; key : its name there; depth : 0 number, 1 vector, 2 vector of vectors
    default : value when the branch is absent, None for a required one
    feeds : dataset columns and hit components that need it; empty for a branch that every run needs
    without : the option that does without a required branch
    """

    name: str
    part: Part
    key: str
    depth: int
    kind: Kind
    default: float | None = None
    feeds: frozenset[str] = frozenset()
    without: str = ""


def _feeds(*names: str) -> frozenset[str]:
    return frozenset(names)


def _shape(name: str) -> list[Branch]:
    column = name.replace("full5x5_", "f5_").replace("nXtals", "nxtals")
    return [Branch(f"pfCluster_{name}", "cluster", name, 1, "float", -999.0, _feeds(f"cl_{column}", f"seed_{column}"))]


def _truth(key: str, *columns: str, without: str = "") -> Branch:
    return Branch(f"caloParticle_{key}", "calo", key, 1, "float", None, _feeds(*columns), without)


def _hit(key: str, kind: Kind, *components: str) -> Branch:
    branch = f"pfClusterHit_{key}"
    return Branch(
        branch, "hits", key, 2, kind, None, _feeds(*components), "an output without hits (features definition)"
    )


_MUSTACHE = ("is_seed_mustache_matched", "mustache_seed_index")
SUPERCLUSTERS = "superCluster"
"""The usual collection of superclusters. A dump may lack it; another one that is asked for must be there."""

_SHAPES = ("r9", "sigmaIetaIeta", "sigmaIetaIphi", "sigmaIphiIphi", "swissCross")

BRANCHES: tuple[Branch, ...] = (
    Branch("runId", "event", "run", 0, "int"),
    Branch("lumiId", "event", "lumi", 0, "int"),
    Branch("eventId", "event", "event", 0, "int"),
    Branch("nVtx", "event", "nVtx", 0, "int", -1, _feeds("nVtx")),
    Branch("rho", "event", "rho", 0, "float", -1, _feeds("rho")),
    Branch("obsPU", "event", "obsPU", 0, "float", -1, _feeds("obsPU")),
    Branch("truePU", "event", "truePU", 0, "float", -1, _feeds("truePU")),
    Branch("caloParticle_genEta", "calo", "genEta", 1, "float"),
    Branch("caloParticle_genPhi", "calo", "genPhi", 1, "float"),
    Branch("caloParticle_simIz", "calo", "simIz", 1, "int"),
    _truth("simEta", "sim_true_eta"),
    _truth("simPhi", "sim_true_phi"),
    _truth("simEnergy", "en_true_sim", "et_true_sim"),
    _truth("simEnergyGoodStatus", "en_true_sim_good", "et_true_sim_good", without="--true-energy simEnergy"),
    _truth("genEnergy", "en_true_gen", "et_true_gen"),
    Branch("caloParticle_pdgId", "calo", "pdgId", 1, "int", 0, _feeds("flavour")),
    Branch("pfCluster_energy", "cluster", "energy", 1, "float"),
    Branch("pfCluster_rawEnergy", "cluster", "rawEnergy", 1, "float"),
    Branch("pfCluster_eta", "cluster", "eta", 1, "float"),
    Branch("pfCluster_phi", "cluster", "phi", 1, "float"),
    Branch("pfCluster_iz", "cluster", "iz", 1, "int"),
    Branch("pfCluster_ieta", "cluster", "ieta", 1, "int", None, _feeds("cluster_ieta", "seed_ieta")),
    Branch("pfCluster_iphi", "cluster", "iphi", 1, "int", None, _feeds("cluster_iphi", "seed_iphi")),
    *_shape("nXtals"),
    *_shape("etaWidth"),
    *_shape("phiWidth"),
    *(branch for prefix in ("", "full5x5_") for name in _SHAPES for branch in _shape(prefix + name)),
    Branch("pfCluster_noise", "cluster", "noise", 1, "float", 0, _feeds("noise_en")),
    Branch("pfCluster_noiseUncalib", "cluster", "noiseUncalib", 1, "float", 0, _feeds("noise_en_uncal")),
    Branch("pfCluster_noiseNoFractions", "cluster", "noiseNoFractions", 1, "float", 0, _feeds("noise_en_nofrac")),
    Branch(
        "pfCluster_noiseUncalibNoFractions", "cluster", "noiseUncalibNoFractions", 1, "float", 0,
        _feeds("noise_en_uncal_nofrac"),
    ),
    Branch("pfCluster_simEnergy_sharedXtals", "score", "shared_energy", 2, "float"),
    Branch("pfClusterHit_rechitEnergy", "hits", "rechitEnergy", 2, "float", None, _feeds("energy", "energy_fraction")),
    _hit("fraction", "float", "fraction", "energy_fraction"),
    _hit("ieta", "int", "ieta"),
    _hit("iphi", "int", "iphi"),
    _hit("iz", "int", "iz"),
    Branch(
        "superCluster_seedIndex", "supercluster", "seedIndex", 1, "int", -1,
        _feeds(*_MUSTACHE, "in_mustache", *(f"{e}_mustache_{k}" for e in ("en", "et") for k in ("raw", "calib"))),
    ),
    Branch(
        "superCluster_rawEnergy", "supercluster", "rawEnergy", 1, "float", 0,
        _feeds("en_mustache_raw", "et_mustache_raw"),
    ),
    Branch(
        "superCluster_energy", "supercluster", "energy", 1, "float", 0,
        _feeds("en_mustache_calib", "et_mustache_calib"),
    ),
    Branch("superCluster_eta", "supercluster", "eta", 1, "float", 0, _feeds("et_mustache_raw", "et_mustache_calib")),
    Branch("superCluster_pfClustersIndex", "member", "member", 2, "int", -1, _feeds("in_mustache")),
    *(Branch(f"simHit_{key}", "simhits", key, 2, "float", 0, _feeds("simhits")) for key in ("energy", "eta", "phi")),
    Branch("simHit_iz", "simhits", "iz", 2, "int", 0, _feeds("simhits")),
)  # fmt: skip
"""All branches but the score, whose name is the association strategy's."""

SECOND_BRANCHES: tuple[Branch, ...] = tuple(
    replace(
        branch, part="second" if branch.part == "supercluster" else "second member", default=None,
        without="leaving out --also-superclusters",
    )
    for branch in BRANCHES if branch.part in ("supercluster", "member")
)  # fmt: skip
"""The branches of a collection that is read beside the first one, under the names of the usual one."""

PILEUP_BRANCHES: tuple[Branch, ...] = (
    Branch("pfCluster_simEnergy_sharedXtalsPU", "cluster", "simEnergy_sharedXtalsPU", 1, "float", 0),
    Branch(
        "pfCluster_recoEnergy_sharedXtalsPU", "cluster", "recoEnergy_sharedXtalsPU", 1, "float", 0,
        _feeds("calo_recoen_PU", "seed_recoen_PU", "wtot_recoen_PU"),
    ),
    Branch(
        "pfCluster_simPU_nSharedXtals", "cluster", "simPU_nSharedXtals", 1, "float", 0, _feeds("calo_nxtals_PU")
    ),
)  # fmt: skip
"""The branches that make a dump one with pile-up: all of them, or it counts as one without."""

PILEUP_TOTAL = Branch(
    "caloParticlePU_totEnergy", "event", "caloParticlePU_totEnergy", 0, "float", 0, _feeds("event_tot_simen_PU")
)

ALL_HITS = frozenset({"ieta", "iphi", "iz", "energy", "energy_fraction", "fraction"})
EVERYTHING = frozenset(COLUMNS) | ALL_HITS
"""All dataset columns and hit components: what NDJSON holds."""


SIMHITS = frozenset({"simhits"})
"""Wanted by studies: the simulated hits of caloparticles. No dataset holds them."""


def score_branch(strategy: str) -> Branch:
    """The branch of the association score."""
    return Branch(f"pfCluster_{strategy}", "score", "score", 2, "float", without="another --assoc-strategy")


def _chosen(branch: Branch, settings: WindowSettings) -> Branch:
    """The branch itself, or the one that the settings name in its place."""
    if branch.key == "simEnergyGoodStatus":
        return replace(branch, name=f"caloParticle_{settings.true_energy}")
    if branch.part in ("supercluster", "member") and settings.superclusters != SUPERCLUSTERS:
        name = settings.superclusters + branch.name.removeprefix(SUPERCLUSTERS)
        return replace(branch, name=name, default=None, without=f"--superclusters {SUPERCLUSTERS}")
    return branch


def second_branches(name: str | None) -> list[Branch]:
    """The branches of the collection that is read beside the first one; none without."""
    feeds = frozenset(column.name for column in SECOND_COLUMNS[name]) if name else frozenset[str]()
    return [
        replace(branch, name=f"{name}{branch.name.removeprefix(SUPERCLUSTERS)}", feeds=feeds)
        for branch in (SECOND_BRANCHES if name else ())
    ]


def is_of_truth(branch: Branch) -> bool:
    """Whether a branch is about caloparticles."""
    return branch.part in ("calo", "score", "simhits")


def truth_found(names: Collection[str]) -> bool:
    """Whether a file has any branch of caloparticles or of scores with them."""
    scores = {f"pfCluster_{name}" for name in STRATEGIES}
    return any(name.startswith("caloParticle_") or name in scores for name in names)


def branches_needed(wanted: Collection[str], settings: WindowSettings, *, use_pileup: bool) -> list[Branch]:
    """The branches that the wanted columns and hit components need.

    Hits are named as in `schema.HIT_COMPONENTS` (no dataset column has those names). A flavour that the settings
    give is read from no branch, and another true energy or collection of superclusters from its own branches. Without
    truth, nothing of caloparticles is read.
    """
    branches = [score_branch(settings.assoc_strategy), *(_chosen(branch, settings) for branch in BRANCHES)]
    branches += second_branches(settings.also_superclusters)
    if use_pileup:
        branches += [*PILEUP_BRANCHES, PILEUP_TOTAL]
    else:
        branches = [branch for branch in branches if not branch.key.startswith("noise")]
    if not settings.has_truth:
        branches = [branch for branch in branches if not is_of_truth(branch)]
        wanted = frozenset(wanted) - TRUTH
    wanted = frozenset(wanted) - (set() if settings.fixed_flavour is None else {"flavour"})
    if wanted & ALL_HITS or settings.mode == "cmssw":
        wanted |= {"energy"}  # it also gives the number of hits, and mode cmssw needs this
    return [branch for branch in branches if not branch.feeds or branch.feeds & wanted]
