"""Simulated events: energy sums, fractions, scores, symmetries, independence of chunks and threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.simulated import crystal, lists, matrix

from ecalwindows.core.errors import SettingsError
from ecalwindows.simulation import Gun, SimulationSettings, read_conditions
from ecalwindows.simulation.branches import Nested, branches
from ecalwindows.simulation.chunks import column, simulated_chunks
from ecalwindows.simulation.event import MAX_RUN, Detector, run_number, simulated_event
from ecalwindows.simulation.kernels.crystals import N_CRYSTALS
from ecalwindows.simulation.run import checked
from ecalwindows.simulation.workspace import Workspace

pytestmark = pytest.mark.compiled

N_EVENTS, PILEUP = 24, (10.0, 30.0)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(read_conditions())


@pytest.fixture(scope="module")
def events(detector: Detector) -> list[dict[str, Any]]:
    work = Workspace()
    return [simulated_event(index, 5, Gun(overlap=True), PILEUP, detector, work) for index in range(N_EVENTS)]


def test_events_have_all_branches_of_the_schema(events: list[dict[str, Any]]) -> None:
    assert set(events[0]) == {branch.name for branch in branches(with_pileup=True)}


def test_the_energy_of_a_particle_is_the_sum_of_its_hits_and_not_more_than_generated(
    events: list[dict[str, Any]],
) -> None:
    for event in events:
        hits = [part.sum() for part in lists(event["simHit_energy"])]
        np.testing.assert_allclose(event["caloParticle_simEnergy"], hits, rtol=1e-9)
        assert np.all(event["caloParticle_simEnergy"] <= event["caloParticle_genEnergy"] * (1 + 1e-9))
        assert np.all(event["caloParticle_simEnergyGoodStatus"] <= event["caloParticle_simEnergy"] * (1 + 1e-9))


def test_the_energy_of_a_cluster_is_the_sum_of_its_hits(events: list[dict[str, Any]]) -> None:
    for event in events:
        energies = event["pfClusterHit_rechitEnergy"].values * event["pfClusterHit_fraction"].values
        sums = [part.sum() for part in lists(Nested(event["pfClusterHit_fraction"].counts, energies))]
        np.testing.assert_allclose(event["pfCluster_rawEnergy"], sums, rtol=1e-9)


def test_the_fractions_of_a_crystal_add_up_to_one(events: list[dict[str, Any]]) -> None:
    for event in events:
        _, place = np.unique(crystal(event, "pfClusterHit"), return_inverse=True)
        totals = np.bincount(place.reshape(-1), event["pfClusterHit_fraction"].values)
        np.testing.assert_allclose(totals, 1, atol=1e-9)


def test_scores_and_their_sums_are_between_zero_and_one(events: list[dict[str, Any]]) -> None:
    for event in events:
        score = matrix(event, "sim_fraction")
        seen = event["caloParticle_simEnergy"] > 0
        assert np.all((score[:, seen] >= 0) & (score[:, seen] <= 1))
        assert np.all(score[:, seen].sum(axis=0) <= 1 + 1e-9)
        assert np.all(score[:, ~seen] == -1)


def test_scores_agree_with_their_definition(events: list[dict[str, Any]]) -> None:
    """Loop over the hits of each cluster and particle."""
    event = events[0]
    cells, fractions = crystal(event, "pfClusterHit"), event["pfClusterHit_fraction"]
    clusters = list(zip(lists(Nested(fractions.counts, cells)), lists(fractions), strict=True))
    truths = event["simHit_energy"]
    particles = zip(lists(Nested(truths.counts, crystal(event, "simHit"))), lists(truths), strict=True)
    for p, (sim_cells, sim_energies) in enumerate(particles):
        truth = dict(zip(sim_cells.tolist(), sim_energies.tolist(), strict=True))
        for c, (own, parts) in enumerate(clusters):
            shared = sum(truth.get(cell, 0.0) * part for cell, part in zip(own.tolist(), parts.tolist(), strict=True))
            assert matrix(event, "simEnergy_sharedXtals")[c, p] == pytest.approx(shared)
            assert matrix(event, "sim_nSharedXtals")[c, p] == sum(cell in truth for cell in own.tolist())


def test_the_energy_that_clusters_share_with_pileup_is_below_its_total(events: list[dict[str, Any]]) -> None:
    for event in events:
        assert 0 < event["pfCluster_simEnergy_sharedXtalsPU"].sum() <= event["caloParticlePU_totEnergy"]
        assert np.all(event["pfCluster_simPU_nSharedXtals"] <= event["pfCluster_nXtals"])


def test_seeds_are_above_their_thresholds_and_no_crystal_is_in_a_cluster_twice(events: list[dict[str, Any]]) -> None:
    for event in events:
        in_barrel = event["pfCluster_iz"] == 0
        assert np.all(event["pfCluster_rawEnergy"][in_barrel] > 0.23)
        assert np.all(event["pfCluster_rawEnergy"][~in_barrel] > 0.60)
        cells = crystal(event, "pfClusterHit")
        for own in lists(Nested(event["pfClusterHit_fraction"].counts, cells)):
            assert len(set(own.tolist())) == len(own) > 0


def test_superclusters_hold_clusters_once_with_their_seed_first(events: list[dict[str, Any]]) -> None:
    for event in events:
        members = lists(event["superCluster_pfClustersIndex"])
        assert [part[0] for part in members] == event["superCluster_seedIndex"].tolist()
        flat = event["superCluster_pfClustersIndex"].values
        assert len(set(flat.tolist())) == len(flat)
        sums = [event["pfCluster_rawEnergy"][part].sum() for part in members]
        np.testing.assert_allclose(event["superCluster_rawEnergy"], sums)


def test_shapes_are_numbers_in_their_ranges(events: list[dict[str, Any]]) -> None:
    for event in events:
        values = np.concatenate([event[f"pfCluster_{name}"] for name in ("etaWidth", "phiWidth", "sigmaIetaIeta")])
        assert np.all(np.isfinite(values) & (values >= 0) & (values < 0.5))
        assert np.all((event["pfCluster_r9"] > 0) & (event["pfCluster_r9"] < 1 + 1e-9))


@pytest.mark.parametrize(("chunk", "jobs"), [(1, 1), (5, 2), (24, 3)], ids=["one-by-one", "threads", "all"])
def test_events_do_not_depend_on_chunks_and_threads(
    detector: Detector, events: list[dict[str, Any]], chunk: int, jobs: int
) -> None:
    out = branches(with_pileup=True)
    gun = Gun(overlap=True)
    parts = list(simulated_chunks(N_EVENTS, 5, gun, PILEUP, detector, out, chunk=chunk, jobs=jobs))
    assert sum(n for n, _ in parts) == N_EVENTS
    for branch in out:
        joined = np.concatenate([columns[branch.name].values for _, columns in parts])
        expected = column(branch, [event[branch.name] for event in events])
        assert joined.tobytes() == expected.values.tobytes(), branch.name
        for level, offsets in enumerate(expected.offsets):
            counts = [np.diff(columns[branch.name].offsets[level]) for _, columns in parts]
            np.testing.assert_array_equal(np.concatenate(counts), np.diff(offsets), branch.name)


def test_another_seed_gives_other_events_and_the_work_space_is_unchanged(detector: Detector) -> None:
    work = Workspace()
    first, other, again = (simulated_event(0, seed, Gun(), None, detector, work) for seed in (1, 2, 1))
    assert first["pfCluster_energy"].tolist() == again["pfCluster_energy"].tolist()
    assert first["pfCluster_energy"].tolist() != other["pfCluster_energy"].tolist()
    for array in (work.deposit, work.part, work.truth, work.deposited, work.role, work.is_hit):
        assert not array.any() and len(array) == N_CRYSTALS
    assert np.isnan(work.measured).all() and (work.labels == -1).all()


def test_events_without_pileup_do_not_have_its_branches(detector: Detector) -> None:
    event = simulated_event(0, 1, Gun(), None, detector, Workspace())
    assert set(event) == {branch.name for branch in branches(with_pileup=False)}
    assert event["obsPU"] == 0 and event["nVtx"] == 1


def test_overlapping_particles_are_in_a_common_window(detector: Detector) -> None:
    event = simulated_event(3, 1, Gun(overlap=True, eta=(-2.0, 2.0)), None, detector, Workspace())
    dphi = np.remainder(np.diff(event["caloParticle_genPhi"])[::2] + np.pi, 2 * np.pi) - np.pi
    assert np.all(np.abs(dphi) <= 0.6 + 1e-9)
    assert np.all(np.abs(np.diff(event["caloParticle_genEta"])[::2]) <= 0.1 + 1e-9)


def test_the_detector_is_the_same_on_both_sides_and_in_all_quarters(detector: Detector) -> None:
    """Mean energies of many photons agree between the halves in eta, and between the quarters in phi."""
    work, rows = Workspace(), []
    for index in range(150):
        event = simulated_event(index, 9, Gun("photon", pt=(40, 60)), None, detector, work)
        share = event["caloParticle_simEnergy"] / event["caloParticle_genEnergy"]
        rows.append(np.stack([event["caloParticle_genEta"], event["caloParticle_genPhi"], share]))
    eta, phi, share = np.concatenate(rows, axis=1)
    inside = (np.abs(eta) < 1.4) | ((np.abs(eta) > 1.7) & (np.abs(eta) < 2.8))
    error = share[inside].std() / np.sqrt(inside.sum() / 4)
    expected = share[inside].mean()
    for part in (eta < 0, eta > 0, *((phi >= low) & (phi < low + np.pi / 2) for low in np.arange(-2, 2) * np.pi / 2)):
        assert abs(share[inside & part].mean() - expected) < 4 * error


@pytest.mark.parametrize(("seed", "run"), [(1, 1), (77, 77), (2**31 - 1, 2**31 - 1), (2**31, 1), (0, 2**31 - 1)])
def test_the_run_is_the_seed_so_that_files_of_several_seeds_can_be_combined(seed: int, run: int) -> None:
    assert run_number(seed) == run


def test_no_two_seeds_that_are_accepted_have_the_same_run() -> None:
    last = MAX_RUN - 1
    assert checked(SimulationSettings(seed=last)).seed == last
    assert len({run_number(seed) for seed in (0, 1, last)}) == 3
    with pytest.raises(SettingsError, match="the seed 2147483647"):
        checked(SimulationSettings(seed=MAX_RUN))
