"""The physics of the simulation: showers, tracks, material, electronics, geometry."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from ecalwindows.core.errors import SettingsError
from ecalwindows.simulation import Gun, read_conditions
from ecalwindows.simulation.event import Detector, Workspace, particle_hits, simulated_event
from ecalwindows.simulation.gun import APART_ETA, APART_PHI, Particles, generated_particles
from ecalwindows.simulation.kernels import tracker
from ecalwindows.simulation.kernels.cluster_shapes import covariances
from ecalwindows.simulation.kernels.crystals import (
    N_BARREL,
    N_CRYSTALS,
    N_TOWERS,
    NONE,
    barrel_crystal,
    endcap_crystal,
    shifted,
    tower_beside,
    tower_of,
)
from ecalwindows.simulation.kernels.draws import hashed, normal, poisson, quantile, stream, uniform
from ecalwindows.simulation.kernels.electronics import mark_full_readout, reconstructed_energy
from ecalwindows.simulation.kernels.pileup import parametrised_interactions, start_particle
from ecalwindows.simulation.physics import (
    central_showers,
    core_width,
    published_maximum,
    radiated_shares,
    shower_maximum,
    test_beam_resolution,
)

test_beam_resolution.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def detector() -> Detector:
    with np.errstate(over="ignore"):
        return Detector(read_conditions())


def test_one_small_event_without_compiling(detector: Detector) -> None:
    """The kernels also run as plain Python, which is how their coverage is measured."""
    with np.errstate(over="ignore"):
        event = simulated_event(0, 1, Gun("electron", (3, 3), (1.2, 1.7), 2), (1.0, 2.0), detector, Workspace())
    assert np.all(event["caloParticle_simEnergy"] <= event["caloParticle_genEnergy"])


@pytest.mark.parametrize(
    ("u", "expected"), [(0.5, 0.0), (0.975, 1.959963985), (0.001, -3.090232306)], ids=["middle", "high", "tail"]
)
def test_quantiles_of_the_normal_distribution(u: float, expected: float) -> None:
    assert quantile(u) == pytest.approx(expected, abs=1e-7)


@pytest.mark.compiled
def test_draws_have_the_moments_of_their_distributions() -> None:
    state = stream(1, 2, 3)
    flat, bell, counts = (np.array([draw() for _ in range(20000)]) for draw in (
        lambda: uniform(state), lambda: normal(state), lambda: poisson(state, 7.5)))  # fmt: skip
    assert (flat.mean(), flat.var()) == (pytest.approx(0.5, abs=0.01), pytest.approx(1 / 12, abs=0.003))
    assert (bell.mean(), bell.var()) == (pytest.approx(0, abs=0.03), pytest.approx(1, abs=0.05))
    assert (counts.mean(), counts.var()) == (pytest.approx(7.5, abs=0.1), pytest.approx(7.5, abs=0.4))


@pytest.mark.compiled
def test_streams_differ_by_seed_event_and_purpose() -> None:
    keys = {int(stream(*numbers)[0]) for numbers in np.ndindex(4, 8, 4)}
    assert len(keys) == 128
    assert 0 < hashed(stream(1, 1, 1)[0], 0) < 1


def test_the_crystals_are_those_of_cms(detector: Detector) -> None:
    crystals = detector.crystals
    assert crystals.exists[:N_BARREL].all()
    assert crystals.exists[N_BARREL:].sum() == pytest.approx(2 * 7324, rel=0.06)
    assert set(crystals.ieta[:N_BARREL].tolist()) == {*range(-85, 0), *range(1, 86)}
    assert (crystals.neighbours[crystals.exists] != NONE).sum(axis=1).max() == 8


@pytest.mark.parametrize("index", [0, 359, 30599, 30600, 61199], ids=str)
def test_a_barrel_crystal_is_found_at_its_position(detector: Detector, index: int) -> None:
    assert barrel_crystal(detector.crystals.eta[index], detector.crystals.phi[index]) == index


@pytest.mark.parametrize(("ix", "iy", "side"), [(30, 70, 1), (90, 50, -1), (50, 20, 1)])
def test_an_endcap_crystal_is_found_at_points_on_its_axis(detector: Detector, ix: int, iy: int, side: int) -> None:
    index = N_BARREL + (side > 0) * 10000 + (ix - 1) * 100 + iy - 1
    crystals = detector.crystals
    assert (crystals.ieta[index], crystals.iphi[index], crystals.iz[index]) == (ix, iy, side)
    for depth in (0.0, 20.0):
        x, y, z = crystals.position[index] + depth * crystals.axis[index]
        assert endcap_crystal(x, y, z, crystals.exists) == index


@pytest.mark.parametrize("charge", [-1.0, 1.0])
def test_the_path_of_a_charged_particle_has_the_right_radius(charge: float) -> None:
    """phi changes by arcsin(r / 2R) up to the radius r of the barrel, with R [cm] = pt / (0.003 x field)."""
    row = np.zeros(tracker.COLUMNS)
    start_particle(row, 2.0, 0.3, 0.5, charge, 0.0)
    assert tracker.move_to_face(row, 3.8)
    radius = 2.0 / (0.003 * 3.8)
    assert math.hypot(row[tracker.X], row[tracker.Y]) == pytest.approx(129)
    assert math.atan2(row[tracker.Y], row[tracker.X]) - 0.5 == pytest.approx(-charge * math.asin(129 / (2 * radius)))
    assert math.hypot(row[tracker.PX], row[tracker.PY]) == pytest.approx(2.0)


def test_a_soft_particle_does_not_reach_the_barrel() -> None:
    row = np.zeros(tracker.COLUMNS)
    start_particle(row, 0.7, 0.0, 0.0, 1.0, 0.0)
    assert not tracker.move_to_face(row, 3.8)


@pytest.mark.compiled
@pytest.mark.parametrize(("abs_eta", "share"), [(0.0, 0.33), (1.5, 0.86)], ids=["centre", "most-material"])
def test_electrons_radiate_as_published(detector: Detector, abs_eta: float, share: float) -> None:
    assert radiated_shares(abs_eta, 1500, detector).mean() == pytest.approx(share, rel=0.1)


@pytest.mark.compiled
@pytest.mark.parametrize("energy", [10.0, 100.0])
def test_showers_are_deepest_where_published(energy: float) -> None:
    assert shower_maximum(energy, 500) == pytest.approx(published_maximum(energy), rel=0.08)


@pytest.mark.compiled
def test_the_lateral_containment_is_near_the_published_value() -> None:
    shares = central_showers(120.0, 60, read_conditions(), is_photon=False).deposited.mean(axis=0)
    np.testing.assert_allclose(shares, [0.78, 0.94, 0.97], rtol=0.03)


@pytest.mark.compiled
@pytest.mark.parametrize("energy", [10.0, 30.0, 100.0])
def test_the_resolution_is_that_of_the_test_beam(energy: float) -> None:
    measured = central_showers(energy, 500, read_conditions(), is_photon=True).measured[:, 1]
    assert core_width(measured) == pytest.approx(test_beam_resolution(energy), rel=0.2)


@pytest.mark.compiled
def test_there_are_more_clusters_where_there_is_more_material(detector: Detector) -> None:
    def clusters(eta: float) -> float:
        gun, work = Gun("electron", (20, 40), (eta, eta + 0.1)), Workspace()
        events = [simulated_event(index, 2, gun, None, detector, work) for index in range(30)]
        return float(np.mean([(event["pfCluster_sim_fraction"].values > 1e-3).sum() / 4 for event in events]))

    assert clusters(1.3) > 1.5 * clusters(0.0)


@pytest.mark.compiled
@pytest.mark.parametrize(("abs_eta", "material"), [(0.0, 0.40), (1.0, 0.85), (1.5, 2.0), (2.5, 1.3)], ids=str)
def test_photons_convert_according_to_the_material(detector: Detector, abs_eta: float, material: float) -> None:
    row, stack = np.zeros(tracker.COLUMNS), np.zeros((tracker.MAX_ROWS, tracker.COLUMNS))
    there, n_converted = np.zeros(tracker.MAX_ROWS, np.bool_), 0
    start_particle(row, 50.0, abs_eta, 0.0, 0.0, 0.0)
    for index in range(2000):
        n_converted += tracker.track_to_crystals(stream(9, index, 1), row, *detector.tracking, stack, there) > 1
    assert n_converted / 2000 == pytest.approx(1 - math.exp(-7 / 9 * material), abs=0.03)


@pytest.mark.compiled
@pytest.mark.parametrize(
    ("eta", "low", "high"), [((0.1, 1.3), 0.0085, 0.0100), ((1.7, 2.4), 0.0215, 0.0270)], ids=["barrel", "endcap"]
)
def test_photons_have_the_width_of_those_of_cms(
    detector: Detector, eta: tuple[float, float], low: float, high: float
) -> None:
    """sigmaIetaIeta is just below CMS's usual cuts of 0.010 and 0.027 (EGM-14-001, EGM-17-001); R9 is mostly near 1."""
    gun, work = Gun("photon", (40.0, 80.0), eta), Workspace()
    events = [simulated_event(index, 8, gun, None, detector, work) for index in range(30)]
    hard = [event["pfCluster_energy"] > 0.5 * event["caloParticle_genEnergy"].min() for event in events]
    width, r9 = (
        np.concatenate([event[f"pfCluster_full5x5_{name}"][kept] for event, kept in zip(events, hard, strict=True)])
        for name in ("sigmaIetaIeta", "r9")
    )
    assert low < np.median(width) < high
    assert (r9 > 0.94).mean() > 0.6


@pytest.mark.compiled
def test_energy_is_lost_in_the_crack(detector: Detector) -> None:
    def seen(eta: float) -> Any:
        gun, work = Gun("photon", (50, 50), (eta, eta)), Workspace()
        events = [simulated_event(index, 3, gun, None, detector, work) for index in range(20)]
        return np.mean([event["caloParticle_simEnergy"] / event["caloParticle_genEnergy"] for event in events])

    assert seen(1.49) < 0.8 < 0.9 < min(seen(1.2), seen(2.0))


@pytest.mark.compiled
@pytest.mark.parametrize(("eta", "degrees"), [(0.4363, 0.5), (0.7854, 0.5), (0.3, 10.0)], ids=["1-2", "2-3", "phi"])
def test_some_energy_is_lost_between_modules_and_supermodules(detector: Detector, eta: float, degrees: float) -> None:
    """Photons from the centre: some percent is lost at the edge of a module, nothing one crystal away from it."""

    def seen(at_eta: float, at_degrees: float) -> float:
        work, lost = Workspace(), []
        for index in range(60):
            one = Particles(*(np.array([x]) for x in (22, 0, 50.0, at_eta, math.radians(at_degrees))), z=0.0)
            lost.append(particle_hits(one, index, 4, without_material, work).sums()[0] / one.energy[0])
        return float(np.median(lost))

    without_material = Detector(detector.conditions.model_copy(update={"material_x0": (0.0,) * 13}))
    middle = seen(eta + 0.035, degrees + 2)
    assert middle == pytest.approx(0.97, abs=0.01)
    assert 0.80 * middle < seen(eta, degrees) < 0.95 * middle


@pytest.mark.compiled
def test_clusters_of_the_endcaps_are_harder(detector: Detector) -> None:
    """Clusters of pile-up, at the thresholds of 2023."""
    gun, work = Gun("photon", (1, 1), (0.0, 0.0), 1), Workspace()
    events = [simulated_event(index, 6, gun, (60.0, 60.0), detector, work) for index in range(6)]
    energy, eta = (np.concatenate([event[f"pfCluster_{name}"] for event in events]) for name in ("energy", "eta"))
    barrel, inner = np.abs(eta) < 1.4, np.abs(eta) > 2.4
    assert 2 * np.median(energy[barrel]) < np.median(energy[(np.abs(eta) > 1.6) & ~inner]) < np.median(energy[inner])


def test_conditions_that_a_file_leaves_out_are_those_of_run3(tmp_path: Any) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("pileup_response: 1\n")
    mine = read_conditions(path)
    assert mine == read_conditions().model_copy(update={"name": str(path), "pileup_response": 1.0})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("nam: x", ["unknown key 'nam'", "name"]),
        ("material_share: [0.5, 0.2]", ["material_share"]),
        ("- 1", ["no settings"]),
        ("a: [", ["conditions cannot be read"]),
    ],
    ids=["unknown-key", "wrong-table", "a-list", "no-yaml"],
)
def test_bad_conditions_are_refused(tmp_path: Any, change: str, words: list[str]) -> None:
    from importlib.resources import files

    path = tmp_path / "mine.yaml"
    text = (files("ecalwindows") / "data" / "conditions" / "run3.yaml").read_text()
    key = change.partition(":")[0]
    kept = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key}:"))
    path.write_text(change if key in ("- 1", "a") else f"{kept}\n{change}\n")
    with pytest.raises(SettingsError) as caught:
        read_conditions(path)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.compiled
def test_particles_have_a_minimum_distance_unless_they_overlap() -> None:
    """A particle that finds no free direction is generated nevertheless."""
    for index in range(500):
        made = generated_particles(Gun(per_event=4), np.random.default_rng(index), 3.6)
        for i, j in combinations(range(4), 2):
            across = abs(math.remainder(made.phi[i] - made.phi[j], 2 * math.pi))
            assert abs(made.eta[i] - made.eta[j]) >= APART_ETA or across >= APART_PHI
    crowd = generated_particles(Gun(per_event=200), np.random.default_rng(0), 3.6)
    assert len(crowd.pt) == 200 and np.all(np.abs(crowd.eta) <= 3)


def test_crystals_of_negative_energy_count_in_the_sum_but_not_in_the_mean() -> None:
    """As in CMS's EcalClusterTools; otherwise the mean would be far outside the block."""
    block = np.zeros((5, 5))
    block[2, 2], block[2, 3], block[0, 0] = 1.0, 0.5, -0.49
    out = np.zeros(5)
    covariances(np.int32(17 * 360), block, block.sum(), out)
    weights = np.array([4.7 + math.log(energy / block.sum()) for energy in (1.0, 0.5)])
    steps = np.array([0.0, 1.0]) - 0.5 / 1.5
    assert out[4] == pytest.approx(0.01745 * math.sqrt((weights * steps**2).sum() / weights.sum()))
    assert out[2] == out[3] == 0


def test_crystals_far_from_towers_with_energy_are_zero_suppressed(detector: Detector) -> None:
    crystals, least = detector.crystals, np.array([3.0, 3.0])
    centre = next(index for index in range(85 * 360 + 100, N_BARREL) if not crystals.dead[index])
    for et, is_full in ((2.4, False), (2.6, True)):
        measured, full = np.full(N_CRYSTALS, np.nan), np.zeros(N_TOWERS, np.bool_)
        measured[centre] = et * math.cosh(crystals.eta[centre])
        beside, far = shifted(centre, 5, 0, crystals.exists), shifted(centre, 10, 0, crystals.exists)
        measured[beside] = measured[far] = -0.1
        mark_full_readout(measured, 2.5, crystals, np.zeros(N_TOWERS), full)
        assert full.sum() == (9 if is_full else 0)
        key = np.uint64(1)
        assert reconstructed_energy(centre, key, crystals, measured, full, least) == measured[centre]
        assert reconstructed_energy(beside, key, crystals, measured, full, least) == (-0.1 if is_full else 0)
        assert reconstructed_energy(far, key, crystals, measured, full, least) == 0


def test_each_crystal_has_a_tower_and_towers_have_25_crystals_at_most(detector: Detector) -> None:
    numbers = np.flatnonzero(detector.crystals.exists)
    towers = np.array([tower_of(index) for index in numbers])
    count = np.bincount(towers, minlength=N_TOWERS)
    assert np.all(count[: 34 * 72] == 25) and count.max() == 25 and len(count) == N_TOWERS
    assert tower_beside(0, -1, 0) == tower_beside(33 * 72, 1, 0) == -1 and tower_beside(71, 0, 1) == 0
    assert tower_beside(34 * 72, 0, -1) == -1 and tower_beside(34 * 72, 1, 1) == 34 * 72 + 21


@pytest.mark.compiled
def test_full_5x5_shapes_of_a_satellite_are_those_of_the_shower_that_it_shares_crystals_with(
    detector: Detector,
) -> None:
    """The centre is the crystal with the most energy, even if it mostly belongs to others: R9 is far above 1."""
    gun, work = Gun("photon", (200.0, 200.0), (0.2, 0.8), 2), Workspace()
    r9 = np.concatenate([simulated_event(i, 4, gun, None, detector, work)["pfCluster_full5x5_r9"] for i in range(20)])
    assert (r9 > 10).any() and (np.abs(r9 - 0.95) < 0.1).sum() >= 20


def test_parametrised_interactions_are_the_same_however_many_are_made() -> None:
    """Each has a random stream of its own; the counts say which particles it has."""
    conditions = read_conditions()
    how = conditions.pileup_activity, Detector(conditions).spectrum
    (few_counts, few), (counts, many) = (parametrised_interactions(n, 3, *how) for n in (4, 60))
    assert len(counts) == 60 and counts.sum() == len(many) > 1024
    assert (counts >= 0).all() and np.array_equal(few_counts, counts[:4])
    np.testing.assert_array_equal(few, many[: few_counts.sum()])
    assert np.isfinite(many).all() and (many[:, 2] > 0).all()
