"""Hypothesis strategies: small random events full of exact edges, and settings to run them with.

Most values come from short lattices of numbers that are exact in float32, so that ties, zeros and clusters
exactly on an edge (or one float32 step beside it) are common rather than rare.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from reference.labels import binned_threshold
from reference.pipeline import Settings
from reference.windows import Geometry, bounds

few = settings(max_examples=settings().max_examples // 2)
many = settings(max_examples=settings().max_examples * 2)
few_or_many = pytest.mark.parametrize(
    "examples", [pytest.param(few, id="few"), pytest.param(many, id="many", marks=pytest.mark.slow)]
)
"""For tests whose examples take long: half as many as others have, and in a slow test twice as many."""
"""Half as many examples as usual, for further tests of the same events: they cost some 30 ms each."""

Event = dict[str, Any]
Position = tuple[float, float, int]
MADE: dict[str, st.SearchStrategy[Any]] = {}
"""Strategies of `sampled_from` below, by what they draw from."""


def f32(x: float) -> float:
    """The nearest number that a float32 branch can hold."""
    with np.errstate(over="ignore"):
        return float(np.float32(x))


def nudged(x: float, steps: int) -> float:
    """`x` in float32, moved by -1, 0 or +1 steps."""
    return float(np.nextafter(np.float32(f32(x)), np.float32(steps * math.inf))) if steps else f32(x)


DYADIC: Geometry = {  # every edge of a dyadic eta is exact
    "up": [
        {"below": 1.5, "inclusive": True, "coefficients": [0.125, 0.0625]},
        {"origin": 1.5, "coefficients": [0.25, 0.0, 0.125]},
    ],
    "down": [{"below": 1.5, "coefficients": [-0.125]}, {"origin": 1.5, "coefficients": [-0.125, -0.25]}],
    "width": [{"below": 2.0, "coefficients": [0.5]}, {"below": None, "coefficients": [1.0, -0.25]}],
}
GEOMETRIES: list[Geometry] = ["v3", "v2", "v1", DYADIC]

WP_ET_EDGES = [1.0, 2.0, 4.0, 16.0]
WP_ETA_EDGES = [0.0, 0.375, 1.5, 3.0]
WP_CONTENT = [0.015625, 0.25, 0.5, 0.0123, 0.125, 0.5, 0.25, 0.015625, 0.001]
threshold = binned_threshold(WP_ET_EDGES, WP_ETA_EDGES, WP_CONTENT)

PI = f32(math.pi)  # a little more than pi
POSITIVE_ETAS = [0.1, 0.25, 0.375, 0.5, 1.3, 1.479, 1.5, 1.6875, 1.7, 1.75, 1.9, 2.0, 2.1, 2.5, 2.7, 3.5]
ETAS = [0.0, -0.0, *[f32(sign * eta) for eta in POSITIVE_ETAS for sign in (1, -1)]]
PHIS = [0.0, 0.5, -0.5, 1.5, 3.0, -3.0, PI, -PI, nudged(PI, -1), -nudged(PI, -1)]
TINY = [nudged(10**-1.1, n) for n in (-1, 0, 1)] + [nudged(1e-3, n) for n in (-1, 0, 1)]
ENERGIES = [
    1.0,
    1.0,
    2.0,
    2.0,
    4.0,
    0.5,
    0.25,
    64.0,
    nudged(1.0, -1),
    nudged(1.0, 1),
    0.0,
    -0.0,
    -0.5,
    -2.0,
    *TINY,
]
ETS = [1.0, 2.0, 2.0, 4.0, 100.0]
STEPS: st.SearchStrategy[int] = st.sampled_from([0, 0, 0, 1, -1])
SCORES = [
    *[0.0, -1.0, 0.5, 0.5, 1.0, 0.125, 0.25, *WP_CONTENT],
    *[value for edge in (1e-4, 1e-2) for value in (edge, math.nextafter(edge, 0), math.nextafter(edge, 1))],
    *[math.nextafter(edge, 0) for edge in WP_CONTENT],
]
SIGNALS = [0.0, 0.5, 1.0, 2.0, 4.0]
SMALL = [0.0, 0.25, 0.5, 1.0, -0.25]
BAD = [math.nan, math.inf, -math.inf]
NOISES = ("noise", "noiseUncalib", "noiseNoFractions", "noiseUncalibNoFractions")
SHOWER = ("swissCross", "r9", "sigmaIetaIeta", "sigmaIetaIphi", "sigmaIphiIphi")
SHAPES = ("etaWidth", "phiWidth", *SHOWER, *(f"full5x5_{name}" for name in SHOWER))
OPTIONAL = (  # branches that a dump may lack together; the PU ones are left out: `pileup: on` demands them
    tuple(f"superCluster_{name}" for name in ("seedIndex", "rawEnergy", "energy", "eta", "phi", "pfClustersIndex")),
    tuple(f"pfCluster_{name}" for name in NOISES),
    tuple(f"pfCluster_{name}" for name in SHAPES),
    ("obsPU", "truePU"),
    ("nVtx",),
    ("rho",),
    ("caloParticle_pdgId",),
    ("caloParticlePU_totEnergy",),
)


def sampled_from(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """As Hypothesis's function, but each strategy is made once: to make one takes longer than to draw from it."""
    key = repr(values)
    if key not in MADE:
        MADE[key] = st.sampled_from(tuple(values))
    return MADE[key]


@cache
def settings() -> st.SearchStrategy[Settings]:
    """Every option at a few values."""
    return st.builds(
        Settings,
        assoc_strategy=st.sampled_from(["sim_fraction", "sim_fraction", "recoToSim_fraction"]),
        min_et_seed=st.sampled_from([1.0, 1.0, 2.0, 0.5]),
        min_seed_score=st.sampled_from([1e-2, 1e-2, 0.25]),
        min_cluster_score=st.sampled_from([1e-4, 1e-4, 0.125]),
        require_gen_in_window=st.booleans(),
        min_cluster_energy=st.sampled_from([0.0, 0.0, 0.25, 1.0]),
        mode=st.sampled_from(["non-overlapping", "overlapping", "cmssw", "cmssw"]),
        keep=st.sampled_from(["matched", "matched", "all"]),
        maxnocalow=st.sampled_from([0, 1, 2, 100_000]),
        pileup=st.sampled_from(["on", "off"]),
        pu_limit=st.sampled_from([1e6, 0.5, 1.0, 2.0]),
        geometry=st.sampled_from(GEOMETRIES),
        flavour=st.sampled_from(["auto", 11, 22]),
        true_energy=st.sampled_from(["simEnergyGoodStatus", "simEnergyGoodStatus", "simEnergy"]),
        draw_seed=st.sampled_from([0, 1, 2**63, 2**64 - 1]),
        sample=st.sampled_from(["", "electrons"]),
    ).flatmap(with_collections)


def with_collections(chosen: Settings) -> st.SearchStrategy[Settings]:
    """The settings with one or two of the collections of superclusters of the events."""
    names = ("superCluster", "deepSuperCluster")
    pairs = [(names[0], None), names, names[::-1], (names[1], None)]
    return st.sampled_from([replace(chosen, superclusters=one, also_superclusters=two) for one, two in pairs])


@st.composite
def cases(draw: st.DrawFn, broken: bool = False, complete: bool = True) -> tuple[list[Event], Settings]:
    """Events and settings that share a geometry, so that clusters lie on the edges which are asked for."""
    chosen = draw(settings())
    return draw(events(broken=broken, complete=complete, geometry=chosen.geometry)), chosen


@st.composite
def events(
    draw: st.DrawFn, broken: bool = False, complete: bool = True, geometry: Geometry | None = None
) -> list[Event]:
    """Up to three events.

    `broken` adds NaN, infinities and absurd etas; `complete=False` lets optional branches be absent.
    """
    shape = draw(sampled_from(GEOMETRIES)) if geometry is None else geometry
    identities = st.tuples(
        sampled_from([1, 386000]),
        sampled_from([7, 2**31 - 1]),
        sampled_from([1, 2, 2**53 + 1, 2**63 - 1]),
    )
    n_events = draw(sampled_from([0, 1, 1, 1, 2, 3]))
    names = draw(st.lists(identities, min_size=n_events, max_size=n_events, unique=True))
    drawn = [draw(event(name, shape, broken)) for name in names]
    absent = () if complete else draw(st.lists(sampled_from(OPTIONAL), unique=True))
    for group in absent:
        for branch in group:
            for one in drawn:
                one.pop(branch)
    return drawn


def numbers(lattice: Sequence[float], broken: bool) -> st.SearchStrategy[float]:
    """A number of the lattice, sometimes a bad one."""
    return numbers_of(tuple(lattice), broken)


@cache
def numbers_of(lattice: tuple[float, ...], broken: bool) -> st.SearchStrategy[float]:
    """`numbers`, made once for each lattice."""
    good = sampled_from(lattice)
    return st.one_of(good, good, good, sampled_from(BAD)) if broken else good


@st.composite
def position(
    draw: st.DrawFn, anchors: Sequence[Position], geometry: Geometry, broken: bool, near: bool = False
) -> Position:
    """Somewhere, or at an edge of the window of an earlier position, or one float32 step beside that edge.

    near : not somewhere else, and in the same part of the detector
    """
    if anchors and (near or draw(st.integers(0, 3))):
        eta_seed, phi_seed, iz = draw(sampled_from(anchors))
        a = eta_seed if math.isfinite(eta_seed) else 0.0
        edge = bounds(geometry, a)
        sign = -1 if a < 0 else 1
        deta = draw(sampled_from([0.0, 0.0, 0.0625, -0.0625, edge.up, edge.up, edge.down, edge.down]))
        dphi = draw(sampled_from([0.0, 0.25, edge.width, edge.width, -edge.width, -edge.width]))
        eta = nudged(a + sign * deta, draw(STEPS) if deta else 0)
        phi = phi_seed - dphi
        if abs(phi) > math.pi and math.isfinite(phi):
            phi = math.remainder(phi, 2 * math.pi)
        phi = nudged(phi, draw(STEPS) if dphi else 0)
    else:
        eta, phi = draw(sampled_from(ETAS)), draw(sampled_from(PHIS))
        iz = 0 if abs(eta) < 1.479 else (1 if eta > 0 else -1)
    if broken and draw(st.integers(0, 7)) == 0:
        eta = draw(sampled_from([*BAD, 30.0, -30.0, 1e30]))
    if broken and draw(st.integers(0, 7)) == 0:
        phi = draw(sampled_from(BAD))
    if not near and draw(st.integers(0, 7)) == 0:
        iz = draw(sampled_from([-1, 0, 1]))
    return eta, phi, iz


@st.composite
def energy(draw: st.DrawFn, eta: float, broken: bool) -> float:
    """An energy of the lattice, or one whose Et is a round number (or a step beside it)."""
    if broken and draw(st.integers(0, 7)) == 0:
        return draw(sampled_from([*BAD, 2.0**60, f32(1e38)]))
    if draw(st.integers(0, 2)) == 0 or not abs(eta) < 20:
        return draw(sampled_from(ENERGIES))
    return nudged(draw(sampled_from(ETS)) * math.cosh(eta), draw(STEPS))


@st.composite
def event(draw: st.DrawFn, identity: tuple[int, int, int], geometry: Geometry, broken: bool) -> Event:
    """One event with all branches."""
    n_clusters, n_calos = (
        draw(sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 8])),
        draw(sampled_from([0, 1, 2, 3])),
    )
    clusters: list[Position] = []
    for _ in range(n_clusters):
        clusters.append(draw(position(clusters, geometry, broken)))
    calos = [draw(position(clusters, geometry, broken)) for _ in range(n_calos)]
    return draw(event_of(identity, clusters, calos, broken))


@st.composite
def close_by_cases(draw: st.DrawFn) -> tuple[list[Event], Settings]:
    """Events with pairs of particles whose windows overlap, and settings that keep windows of both.

    Clusters are around the particles. Most belong to the nearest one, some to another of the pair, with equal scores or
    scores at a limit; a pair in an endcap may have its mirror image in the other one.
    """
    keep, mode = sampled_from(["all", "all", "matched"]), sampled_from(["cmssw", "cmssw", "cmssw", "overlapping"])
    chosen = replace(draw(settings()), assoc_strategy="sim_fraction", keep=draw(keep), mode=draw(mode))
    names = [(1, 7, number) for number in range(draw(sampled_from([1, 1, 2])))]
    return [draw(close_by_event(name, chosen.geometry)) for name in names], chosen


@st.composite
def close_by_event(draw: st.DrawFn, identity: tuple[int, int, int], geometry: Geometry) -> Event:
    """One event of `close_by_cases`."""
    eta, phi = draw(sampled_from(ETAS)), draw(sampled_from(PHIS))
    first = (eta, phi, 0 if abs(eta) < 1.479 else (1 if eta > 0 else -1))
    calos = [first, draw(position([first], geometry, False, near=True))]
    if draw(st.booleans()):
        calos += [(-eta, phi, -iz) for eta, phi, iz in calos[: draw(st.integers(1, 2))]]
    clusters, nearest = list(calos), list(range(len(calos)))
    for _ in range(draw(st.integers(0, 4))):
        particle = draw(st.integers(0, len(calos) - 1))
        clusters.append(draw(position([calos[particle]], geometry, False, near=True)))
        nearest.append(particle)
    made = draw(event_of(identity, clusters, calos, False))
    for c, (eta, _, _) in enumerate(calos):
        made["pfCluster_energy"][c] = f32(draw(sampled_from([2.0, 4.0, 4.0, 100.0])) * math.cosh(eta))
        if draw(st.integers(0, 3)):
            for name in ("ieta", "iphi", "iz", "rechitEnergy", "fraction", "eta", "phi"):
                made[f"pfClusterHit_{name}"][c] = [1]
    low = sampled_from([0.0, 0.0, 0.0, 1e-4, math.nextafter(1e-4, 1), 0.125])
    high = sampled_from([0.125, 0.5, 0.5, 1.0, 0.25, 1e-2, math.nextafter(1e-2, 1), 0.0])
    made["pfCluster_sim_fraction"] = [
        [draw(high if particle == own else low) for particle in range(len(calos))] for own in nearest
    ]
    return made


@st.composite
def event_of(
    draw: st.DrawFn,
    identity: tuple[int, int, int],
    clusters: Sequence[Position],
    calos: Sequence[Position],
    broken: bool,
) -> Event:
    """An event with clusters and caloparticles at these positions, and all branches."""
    of_event: Event = dict(zip(("runId", "lumiId", "eventId"), identity, strict=True))
    of_event |= {
        "rho": draw(numbers([0.0, 25.5], broken)),
        "nVtx": draw(sampled_from([0, 50])),
        "obsPU": draw(numbers([60.0], broken)),
        "truePU": draw(numbers([60.1], broken)),
        "caloParticlePU_totEnergy": draw(numbers([0.0, 128.5], broken)),
    }
    of_event |= draw(caloparticles(calos, broken)) | draw(pfclusters(clusters, len(calos), broken))
    found = draw(superclusters(len(clusters), broken))
    return of_event | found | second_collection(found)


@st.composite
def caloparticles(draw: st.DrawFn, calos: Sequence[Position], broken: bool) -> Event:
    """The caloparticle branches."""
    columns: Event = {f"caloParticle_{name}": [] for name in ("genEta", "genPhi", "simIz")}
    for branch, values in zip(columns, zip(*calos, strict=True), strict=False):
        columns[branch] = list(values)
    for name in ("simEnergy", "simEnergyGoodStatus", "genEnergy", "genPt", "simPt"):
        columns[f"caloParticle_{name}"] = [draw(numbers([0.0, 1.0, 10.0, 64.5], broken)) for _ in calos]
    columns["caloParticle_simEta"] = [draw(numbers(ETAS, broken)) for _ in calos]
    columns["caloParticle_simPhi"] = [draw(numbers(PHIS, broken)) for _ in calos]
    columns["caloParticle_pdgId"] = [draw(sampled_from([11, -11, 22])) for _ in calos]
    columns["caloParticle_simIeta"] = [1 + calo for calo in range(len(calos))]
    columns["caloParticle_simIphi"] = [2 + calo for calo in range(len(calos))]
    return columns


@st.composite
def pfclusters(draw: st.DrawFn, clusters: Sequence[Position], n_calos: int, broken: bool) -> Event:
    """The cluster branches and those of their hits."""
    n = range(len(clusters))
    columns: Event = {f"pfCluster_{name}": [] for name in ("eta", "phi", "iz")}
    for branch, values in zip(columns, zip(*clusters, strict=True), strict=False):
        columns[branch] = list(values)
    energies: list[float] = []
    for c, (eta, _, _) in enumerate(clusters):
        same_eta = [energies[other] for other in range(c) if abs(clusters[other][0]) == abs(eta)]  # for equal Et
        repeated = bool(same_eta) and draw(st.booleans())
        energies.append(draw(sampled_from(same_eta)) if repeated else draw(energy(eta, broken)))
    columns["pfCluster_energy"] = energies
    columns["pfCluster_rawEnergy"] = [
        columns["pfCluster_energy"][c] if draw(st.booleans()) else draw(energy(clusters[c][0], broken)) for c in n
    ]
    columns["pfCluster_ieta"] = [draw(st.integers(-85, 100)) for _ in n]
    columns["pfCluster_iphi"] = [draw(st.integers(1, 360)) for _ in n]
    tables = {"sim_fraction": SCORES, "recoToSim_fraction": SCORES, "simEnergy_sharedXtals": SIGNALS}
    for name, lattice in tables.items():
        columns[f"pfCluster_{name}"] = [[draw(numbers(lattice, broken)) for _ in range(n_calos)] for _ in n]
    for name in ("simEnergy_sharedXtalsPU", "recoEnergy_sharedXtalsPU", "simPU_nSharedXtals"):
        columns[f"pfCluster_{name}"] = [draw(numbers(SIGNALS, broken)) for _ in n]
    offset = draw(st.integers(0, 20))  # the plain columns differ between clusters and names, that is enough
    lattice = [*SMALL, *BAD] if broken and draw(st.booleans()) else SMALL
    for k, name in enumerate((*SHAPES, *NOISES)):
        columns[f"pfCluster_{name}"] = [lattice[(offset + 3 * k + c) % len(lattice)] for c in n]
    columns["pfCluster_nXtals"] = [float(c % 5) for c in n]
    n_hits = [draw(st.integers(0, 4)) for _ in n]
    for k, name in enumerate(("ieta", "iphi", "iz")):
        columns[f"pfClusterHit_{name}"] = [[(k + c + h) % 3 - 1 for h in range(n_hits[c])] for c in n]
    for k, name in enumerate(("rechitEnergy", "fraction", "eta", "phi")):
        columns[f"pfClusterHit_{name}"] = [
            [lattice[(offset + k + c + 2 * h) % len(lattice)] for h in range(n_hits[c])] for c in n
        ]
    return columns


@st.composite
def superclusters(draw: st.DrawFn, n_clusters: int, broken: bool) -> Event:
    """Superclusters whose indices may be repeated, -1 or out of range."""
    n = range(draw(st.integers(0, 3)))
    index = st.integers(-1, n_clusters + 1)
    etas = [draw(sampled_from(ETAS)) for _ in n]
    return {
        "superCluster_seedIndex": [draw(index) for _ in n],
        "superCluster_rawEnergy": [draw(energy(eta, broken)) for eta in etas],
        "superCluster_energy": [draw(energy(eta, broken)) for eta in etas],
        "superCluster_eta": etas,
        "superCluster_phi": [draw(numbers(PHIS, broken)) for _ in n],
        "superCluster_pfClustersIndex": [draw(st.lists(index, max_size=4)) for _ in n],
    }


def second_collection(found: Event) -> Event:
    """Another collection: the seeds are the next clusters, and each has the energies and the members of another one."""
    seeds = "superCluster_seedIndex"
    others = {name: values[1:] + values[:1] for name, values in found.items()} | {seeds: [i + 1 for i in found[seeds]]}
    return {name.replace("superCluster", "deepSuperCluster"): values for name, values in others.items()}
