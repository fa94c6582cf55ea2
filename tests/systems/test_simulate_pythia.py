"""Pile-up from Pythia 8: comparison with the parametrisation and with published densities, files with its pile-up."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from helpers.cli import run

from ecalwindows.simulation import Gun, read_conditions
from ecalwindows.simulation.branches import branches
from ecalwindows.simulation.chunks import simulated_chunks
from ecalwindows.simulation.event import Detector
from ecalwindows.simulation.kernels.pileup import Library
from ecalwindows.simulation.minimum_bias import minimum_bias

pytestmark = pytest.mark.pythia8
pytest.importorskip("pythia8mc", reason="Pythia's Python bindings are not installed (extra `pythia8mc`)")

TOOL = runpy.run_path(str(Path(__file__).parents[2] / "tools" / "tune_pileup.py"))
INTERACTIONS = 5000
BY_ETA, BY_PT = 0.10, 0.15
"""Tolerance of the parametrisation in addition to the statistical error: in a bin of eta, and above a pt."""


@pytest.fixture(scope="module")
def pythia() -> Library:
    return minimum_bias(3, INTERACTIONS, min_energy=0.0)


@pytest.fixture(scope="module")
def rows(pythia: Library) -> list[Any]:
    return TOOL["compared"](pythia, TOOL["parametrised"](read_conditions(), 4 * INTERACTIONS, 3))


def test_the_parametrisation_gives_the_same_numbers_and_energies_by_eta(rows: list[Any]) -> None:
    by_eta = [row for row in rows if "abs(eta)" in row.name]
    assert len(by_eta) == 3 * 2 * 5
    assert [row for row in by_eta if abs(row.ratio - 1) > BY_ETA + 3 * row.error] == []


def test_the_parametrisation_has_the_same_spectra(rows: list[Any]) -> None:
    by_pt = [row for row in rows if "above" in row.name]
    assert len(by_pt) == 3 * 5
    assert [row for row in by_pt if abs(row.ratio - 1) > BY_PT + 3 * row.error] == []


def test_the_packaged_numbers_are_those_of_the_fit(pythia: Library) -> None:
    fit, conditions = TOOL["fitted"](pythia), read_conditions()
    np.testing.assert_allclose(fit["pileup_per_eta"], conditions.pileup_per_eta, rtol=0.06)
    np.testing.assert_allclose(fit["pileup_eta_tilt"], conditions.pileup_eta_tilt, atol=0.06)
    own = (conditions.pileup_pt_scale_gev, conditions.pileup_pt_power)
    np.testing.assert_allclose(
        mean_pt(fit["pileup_pt_scale_gev"], fit["pileup_pt_power"]), mean_pt(*own), rtol=0.05
    )  # fmt: skip


def mean_pt(scale: Any, power: Any) -> Any:
    """Mean pt of the spectrum pt (1 + pt / scale)^-power."""
    return 2 * np.asarray(scale) / (np.asarray(power) - 3)


def test_the_charged_density_is_near_the_measured_one(pythia: Library) -> None:
    """5.49 +- 0.17 charged hadrons per unit of eta (CMS, 13 TeV, PLB 751 (2015) 143).

    Here, weak decays add about 12 %, and the energy of 13.6 TeV adds about 1 %.
    """
    density = TOOL["per_interaction"](pythia, TOOL["of_kind"](pythia)[0] & TOOL["within"](pythia, 0, 0.5))[:, 0].mean()
    assert density == pytest.approx(5.49 * 1.13, rel=0.08)


def test_the_same_seed_gives_the_same_interactions(pythia: Library) -> None:
    again, other = minimum_bias(3, 500, min_energy=0.0), minimum_bias(4, 500, min_energy=0.0)
    np.testing.assert_array_equal(again.particles, pythia.particles[: len(again.particles)])
    assert len(other.particles) != len(again.particles)


def test_files_made_with_it_have_the_pile_up_of_the_parametrisation(tmp_path: Path) -> None:
    options = ("-n", "150", "--pileup", "40", "--seed", "5", "--format", "rntuple", "-q")
    means, errors = [], []
    for name, more in (("pythia", ("--pileup-source", "pythia8")), ("parametrised", ())):
        run("simulate", "-o", str(tmp_path / f"{name}.root"), *options, *more)
        with uproot.open(tmp_path / f"{name}.root") as file:
            events = file["recosimdumper/caloTree"].arrays(["caloParticlePU_totEnergy", "pfCluster_eta"])
        numbers = np.array([events["caloParticlePU_totEnergy"], [len(eta) for eta in events["pfCluster_eta"]]])
        means.append(numbers.mean(axis=1))
        errors.append(numbers.std(axis=1) / np.sqrt(numbers.shape[1]))
    statistical = 3 * np.hypot(*errors)
    assert np.all(np.abs(means[0] - means[1]) < 0.1 * means[1] + statistical), (means, errors)


def test_threads_do_not_change_the_events(pythia: Library) -> None:
    detector, out = Detector(read_conditions(), pythia), branches(with_pileup=True)
    one, two = (
        [
            columns["pfCluster_energy"].values.tolist()
            for _, columns in simulated_chunks(8, 1, Gun(), (20.0, 20.0), detector, out, chunk=2, jobs=jobs)
        ]
        for jobs in (1, 2)
    )
    assert one == two and all(one)
