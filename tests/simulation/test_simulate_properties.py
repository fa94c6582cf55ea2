"""Properties of all simulated events: sums of energy, fractions, scores; symmetries of the detector."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from helpers.simulated import crystal, lists, matrix
from hypothesis import given, settings
from hypothesis import strategies as st

from ecalwindows.simulation import Gun, read_conditions
from ecalwindows.simulation.branches import Nested
from ecalwindows.simulation.event import Detector, measure_energies, particle_hits, pf_clusters, simulated_event
from ecalwindows.simulation.gun import Particles, generated_particles
from ecalwindows.simulation.kernels.crystals import LENGTH, N_BARREL
from ecalwindows.simulation.kernels.draws import stream
from ecalwindows.simulation.kernels.pileup import collect_deposits
from ecalwindows.simulation.kernels.showers import (
    MAX_RADIUS,
    N_SLICES,
    SLICE,
    X0,
    deposit_hadron,
    deposit_shower,
    deposit_soft_shower,
    longitudinal_profile,
    radial_profile,
    set_frame,
)
from ecalwindows.simulation.kernels.tracker import COLUMNS
from ecalwindows.simulation.truth import Deposits
from ecalwindows.simulation.workspace import Clusters, Workspace

pytestmark = pytest.mark.compiled

QUICK = settings(max_examples=20)
SEEDS = st.integers(0, 2**62)


@cache
def detector() -> Detector:
    return Detector(read_conditions())


@cache
def uniform_detector() -> Detector:
    """A detector without noise, in which all crystals are the same."""
    even = {"threshold_spread": 0.0, "calibration_spread": 0.0, "dead_share": 0.0, "photostatistics": 0.0}
    silent = {"threshold_sigmas_barrel": 1e9, "threshold_sigmas_endcap": 1e9}
    return Detector(read_conditions().model_copy(update=even | silent))


@st.composite
def guns(draw: st.DrawFn) -> Gun:
    low, width = draw(st.floats(-3.2, 3.0)), draw(st.floats(0, 3))
    kind = draw(st.sampled_from(("electron", "photon", "mixed")))
    pt, per_event = draw(st.sampled_from((0.5, 3.0, 40.0, 900.0))), draw(st.integers(1, 6))
    overlap = per_event > 1 and draw(st.booleans())
    return Gun(kind, (pt / 2, pt), (low, min(low + width, 3.2)), per_event, overlap)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """An event with some pile-up."""
    pileup = draw(st.sampled_from(((0.0, 0.0), (3.0, 9.0), (20.0, 30.0))))
    return simulated_event(draw(st.integers(0, 99)), draw(SEEDS), draw(guns()), pileup, detector(), Workspace())


def by_cluster(event: dict[str, Any], weights: Any) -> Any:
    """Sums over the hits of each cluster."""
    return np.array([part.sum() for part in lists(Nested(event["pfClusterHit_fraction"].counts, weights))])


@QUICK
@given(events())
def test_the_energy_of_a_cluster_is_that_of_particles_pileup_and_noise(event: dict[str, Any]) -> None:
    energies = event["pfClusterHit_rechitEnergy"].values * event["pfClusterHit_fraction"].values
    np.testing.assert_allclose(by_cluster(event, energies), event["pfCluster_rawEnergy"], rtol=1e-9)
    signal = matrix(event, "simEnergy_sharedXtals").sum(axis=1)
    parts = signal + event["pfCluster_simEnergy_sharedXtalsPU"] + event["pfCluster_noise"]
    np.testing.assert_allclose(parts, event["pfCluster_rawEnergy"], rtol=1e-9, atol=1e-9)


@QUICK
@given(events())
def test_no_particle_deposits_more_than_its_energy(event: dict[str, Any]) -> None:
    deposited = np.array([part.sum() for part in lists(event["simHit_energy"])])
    np.testing.assert_allclose(event["caloParticle_simEnergy"], deposited, rtol=1e-9)
    assert np.all(deposited <= event["caloParticle_genEnergy"] * (1 + 1e-9))
    assert all(np.all(part > 0) for part in lists(event["simHit_energy"]))


@QUICK
@given(events())
def test_the_fractions_of_each_crystal_add_up_to_one(event: dict[str, Any]) -> None:
    fractions = event["pfClusterHit_fraction"].values
    assert np.all((fractions > 0) & (fractions <= 1))
    _, place = np.unique(crystal(event, "pfClusterHit"), return_inverse=True)
    np.testing.assert_allclose(np.bincount(place.reshape(-1), fractions), 1, atol=1e-9)


@QUICK
@given(events())
def test_scores_are_fractions(event: dict[str, Any]) -> None:
    """Scores are between 0 and 1, or -1 for a particle without energy; those of a particle add up to at most 1.

    Without hit fractions, a crystal of two clusters counts in both, and the sum can be above 1.
    """
    seen = event["caloParticle_simEnergy"] > 0
    weighted, unweighted = matrix(event, "sim_fraction"), matrix(event, "sim_fraction_noHitsFraction")
    for score in (weighted, unweighted):
        assert np.all((score[:, seen] >= 0) & (score[:, seen] <= 1 + 1e-9)) and np.all(score[:, ~seen] == -1)
    assert np.all(weighted <= unweighted + 1e-12)
    assert np.all(weighted[:, seen].sum(axis=0) <= 1 + 1e-9)
    shared = matrix(event, "simEnergy_sharedXtals")
    np.testing.assert_allclose(shared[:, seen], weighted[:, seen] * event["caloParticle_simEnergy"][seen], rtol=1e-9)
    n_shared = matrix(event, "sim_nSharedXtals")
    assert np.all(n_shared <= event["pfCluster_nXtals"][:, None]) and np.all((n_shared > 0) == (shared > 0))
    for name, below in (("recoToSim_fraction", shared), ("recoToSim_fraction_sharedXtals", shared)):
        assert np.all((matrix(event, name) == -1) == (below == 0))


@QUICK
@given(st.floats(0.05, 2000), st.floats(0.1, 1.3), st.floats(-3, 3), SEEDS)
def test_energy_that_is_not_deposited_has_leaked(energy: float, eta: float, phi: float, seed: int) -> None:
    """Each kind of shower deposits a part of its energy, never more."""
    work, exists = Workspace(), detector().crystals.exists
    frame = np.zeros((5, 3))
    set_frame(entering(energy, eta, phi), frame)
    of_electron = 0.5 if energy >= 0.15 else 0.3  # 4,500 showers each: at least 0.61 at 0.15 GeV, 0.41 at 0.06 GeV
    for kind, least in (("electron", of_electron), ("photon", 0.0), ("soft", 0.3), ("pion", 0.0)):
        state = stream(seed, 1, 1)
        where = (frame, energy)
        if kind in ("electron", "photon"):
            n = deposit_shower(
                state, *where, kind == "photon", 100.0, exists, work.deposit, work.touched, 0, np.zeros(N_SLICES)
            )
        elif kind == "soft":
            n = deposit_soft_shower(state, *where, False, 100, exists, work.deposit, work.touched, 0)
        else:
            n = deposit_hadron(state, *where, True, exists, work.deposit, work.touched, 0)
        _, deposits = collect_deposits(work.deposit, work.touched, n, 0.0)
        assert np.all(deposits > 0)
        assert least * energy <= deposits.sum() <= energy * (1 + 1e-9), kind


@QUICK
@given(st.floats(10.0, 2000), SEEDS)
def test_deposits_and_leakage_are_the_energy_of_the_particle(energy: float, seed: int) -> None:
    """The expected leakage: energy deeper than 23 cm, and energy of each slice outside the maximum radius."""
    work, share, frame = Workspace(), np.zeros(N_SLICES), np.zeros((5, 3))
    alpha, beta = longitudinal_profile(stream(seed, 2, 2), energy)
    set_frame(entering(energy, 0.3, 0.0), frame)
    n = deposit_shower(
        stream(seed, 2, 2),
        frame,
        energy,
        False,
        100.0,
        detector().crystals.exists,
        work.deposit,
        work.touched,
        0,
        share,
    )
    shares, leaked = share / share.sum(), 0.0
    for i, (part, depth) in enumerate(zip(shares, X0 * SLICE * (np.arange(N_SLICES) + 0.5), strict=True)):
        core, tail, weight = radial_profile((i + 0.5) * SLICE * beta / (alpha - 1), math.log(energy))
        beyond = [1 / (1 + (MAX_RADIUS / radius) ** 2) for radius in (core, tail)]
        leaked += part * (1.0 if depth >= LENGTH else weight * beyond[0] + (1 - weight) * beyond[1])
    assert 0.02 < leaked < 0.15
    deposits = collect_deposits(work.deposit, work.touched, n, 0.0)[1].sum()
    assert deposits / energy + leaked == pytest.approx(1, abs=0.015)


def entering(energy: float, eta: float, phi: float) -> Any:
    """A photon from the centre of the detector, at the front face of the barrel."""
    direction = np.array([math.cos(phi), math.sin(phi), math.sinh(eta)])
    return np.array([0.0, *(129.0 * direction), *(energy / math.cosh(eta) * direction), 0.0, 0.0])[:COLUMNS]


def rotated(particles: Particles, turn: float) -> Particles:
    return replace(particles, phi=np.remainder(particles.phi + turn + math.pi, 2 * math.pi) - math.pi)


def mirrored(particles: Particles) -> Particles:
    return replace(particles, eta=-particles.eta, z=-particles.z)


def shot(particles: Particles, seed: int) -> tuple[Deposits, Clusters]:
    """Deposits and clusters in the uniform detector; the random numbers do not depend on the particles."""
    work, none = Workspace(), Deposits.of([], [])
    signal = particle_hits(particles, 1, seed, uniform_detector(), work)
    measure_energies(signal, none, 1, seed, uniform_detector(), work)
    return signal, pf_clusters(1, seed, uniform_detector(), work)


def places(cells: Any, turn: int = 0, side: int = 1) -> list[tuple[int, ...]]:
    """(iz, ieta or ix, iphi or iy) of crystals after a rotation by `turn` degrees, mirrored if `side` is -1."""
    crystals = uniform_detector().crystals
    moved = []
    for first, second, iz in zip(crystals.ieta[cells], crystals.iphi[cells], crystals.iz[cells], strict=True):
        if iz == 0:
            moved.append((0, side * int(first), (int(second) - 1 + turn) % 360 + 1))
            continue
        x, y = int(first), int(second)
        for _ in range(turn // 90):
            x, y = 101 - y, x
        moved.append((side * int(iz), x, y))
    return moved


def assert_moved(before: tuple[Deposits, Clusters], after: tuple[Deposits, Clusters], turn: int, side: int) -> None:
    """Assert that the second event is the first one, rotated by `turn` degrees and mirrored if `side` is -1.

    Endcaps are compared only after rotations by full quarters; soft daughters of particles in the barrel reach them.
    """
    (signal, found), (other, moved) = before, after
    in_endcaps_too = turn % 90 == 0
    for (first, last), (one, end) in zip(pairwise(signal.offsets), pairwise(other.offsets), strict=True):
        expected = dict(zip(places(signal.cells[first:last], turn, side), signal.energies[first:last], strict=True))
        got = dict(zip(places(other.cells[one:end]), other.energies[one:end], strict=True))
        kept = sorted(place for place in expected if in_endcaps_too or place[0] == 0)
        assert sorted(place for place in got if in_endcaps_too or place[0] == 0) == kept
        np.testing.assert_allclose([got[place] for place in kept], [expected[place] for place in kept], rtol=1e-9)
    here, there = (np.lexsort((-c.raw, (c.seed >= N_BARREL) & (not in_endcaps_too))) for c in (found, moved))
    n = len(here) if in_endcaps_too else int((found.seed < N_BARREL).sum())
    assert n > 0
    here, there = here[:n], there[:n]
    np.testing.assert_allclose(moved.raw[there], found.raw[here], rtol=1e-6)
    np.testing.assert_allclose(moved.eta[there], side * found.eta[here], atol=1e-6)
    turned = moved.phi[there] - found.phi[here] - math.radians(turn)
    np.testing.assert_allclose(np.remainder(turned + math.pi, 2 * math.pi), math.pi, atol=1e-6)


@st.composite
def shots(draw: st.DrawFn, low: float, high: float) -> tuple[Particles, int]:
    """Some particles within a range of eta, and a seed."""
    seed = draw(SEEDS)
    gun = Gun(draw(st.sampled_from(("electron", "photon"))), (5.0, 200.0), (low, high), 2)
    return generated_particles(gun, np.random.default_rng(seed), 3.6), seed


@QUICK
@given(shots(-1.0, 1.0), st.integers(1, 17))
def test_the_barrel_is_the_same_after_each_supermodule(shot_: tuple[Particles, int], supermodules: int) -> None:
    particles, seed = shot_
    turned = rotated(particles, math.radians(20 * supermodules))
    assert_moved(shot(particles, seed), shot(turned, seed), 20 * supermodules, 1)


@QUICK
@given(shots(1.7, 2.8), st.integers(1, 3))
def test_an_endcap_is_the_same_after_each_quarter(shot_: tuple[Particles, int], quarters: int) -> None:
    particles, seed = shot_
    assert_moved(shot(particles, seed), shot(rotated(particles, quarters * math.pi / 2), seed), 90 * quarters, 1)


@QUICK
@given(shots(-2.9, 2.9))
def test_the_halves_of_the_detector_are_mirror_images(shot_: tuple[Particles, int]) -> None:
    particles, seed = shot_
    assert_moved(shot(particles, seed), shot(mirrored(particles), seed), 0, -1)
