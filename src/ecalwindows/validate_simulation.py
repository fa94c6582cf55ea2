"""`ecalwindows simulate --validate FOLDER`: the simulation beside published values, as tables and plots."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from ecalwindows.batch import WindowBatch
from ecalwindows.config import WindowSettings
from ecalwindows.dataset.output import check_output, written_aside
from ecalwindows.errors import SettingsError
from ecalwindows.plots.simulation import draw_curves, draw_phi_spread
from ecalwindows.reports.simulation import Comparison, plain_table, table
from ecalwindows.run import write_windows
from ecalwindows.simulate.event import Detector
from ecalwindows.simulate.gun import Gun
from ecalwindows.simulate.physics import (
    CONTAINED,
    RADIATED,
    Showers,
    central_showers,
    core_width,
    published_maximum,
    radiated_shares,
    shower_maximum,
    test_beam_resolution,
)
from ecalwindows.simulate.run import SimulationSettings, checked, simulate_file

Floats = NDArray[np.float64]

ENERGIES = (10.0, 30.0, 100.0)
N_SHOWERS = 400
FEWEST = 20
"""Events below which there may be no cluster of a kind."""
ETA_EDGES = (0.0, 0.5, 1.0, 1.3, 1.4, 1.479, 1.55, 1.65, 1.8, 2.0, 2.3, 2.6, 3.0)


def write_validation(folder: str | Path, settings: SimulationSettings) -> Iterator[str]:
    """Write `validation.md` and its plots to the folder (made if need be); yields a line on each part.

    settings : number of events of the comparison with CMS's sample, its seed, pile-up, conditions and threads
    Raises OutputError and SettingsError.
    """
    settings, page = checked(settings), Path(folder) / "validation.md"
    check_output(page, overwrite=True)
    if settings.events < FEWEST:
        raise SettingsError(
            f"{settings.events} events", expected=f"{FEWEST} or more to compare with, better 3000", where="-n",
            todo="give more with -n, or write a file with -o instead of --validate",
        )  # fmt: skip
    parts = []
    for name, part in (
        ("showers", _showers), ("tracks", _tracks), ("phi spread", _phi_spread), ("windows", _windows),
    ):  # fmt: skip
        parts.append(part(page.parent, settings))
        yield f"{name}: done"
    with written_aside([page]) as (aside,):
        aside.write_text("# Validation of the simulation\n\n" + "\n".join(parts), encoding="utf-8")
    yield f"{page}: {sum(part.count('| yes |') for part in parts)} numbers agree with the published ones, " + (
        f"{sum(part.count('| **no** |') for part in parts)} do not"
    )


def _showers(folder: Path, settings: SimulationSettings) -> str:
    showers = [central_showers(energy, N_SHOWERS, settings.conditions, is_photon=True) for energy in ENERGIES]
    resolution = [core_width(shower.measured[:, 1]) for shower in showers]
    formula = [test_beam_resolution(energy) for energy in ENERGIES]
    draw_curves(
        np.array(ENERGIES), 100 * np.array(resolution), (np.array(ENERGIES), 100 * np.array(formula)),
        ("E [GeV]", "resolution, 3x3 crystals [%]", "test beam"), folder / "resolution.png", xscale="log",
    )  # fmt: skip
    rows = [
        Comparison(f"resolution at {energy:g} GeV", ours, theirs, 0.2)
        for energy, ours, theirs in zip(ENERGIES, resolution, formula, strict=True)
    ]
    rows += [
        Comparison(f"shower maximum at {energy:g} GeV [X0]", shower_maximum(energy), published_maximum(energy), 0.08)
        for energy in ENERGIES
    ]
    return table(
        "Showers: photons on the centre of a barrel crystal, noise of the test beam", rows + _contained(settings)
    )


def _contained(settings: SimulationSettings) -> list[Comparison]:
    shower: Showers = central_showers(120.0, N_SHOWERS, settings.conditions, is_photon=False)
    shares = shower.deposited.mean(axis=0)
    return [
        Comparison(f"energy in {name} at 120 GeV", float(ours), theirs, 0.03)
        for ours, (name, theirs) in zip(shares, CONTAINED.items(), strict=True)
    ]


def _tracks(folder: Path, settings: SimulationSettings) -> str:
    detector, eta = Detector(settings.conditions), np.linspace(0, 2.8, 15)
    mean = np.array([radiated_shares(a, N_SHOWERS, detector).mean() for a in eta])
    draw_curves(
        eta, mean, (np.array(list(RADIATED)), np.array(list(RADIATED.values()))),
        (r"$|\eta|$", "mean share radiated", "EGM-13-001"), folder / "bremsstrahlung.png", ylim=(0, 1),
    )  # fmt: skip
    rows = [
        Comparison(
            f"share radiated at abs(eta) {a:g}", float(radiated_shares(a, 5 * N_SHOWERS, detector).mean()), share, 0.1
        )
        for a, share in RADIATED.items()
    ]
    return table("Electrons: bremsstrahlung before the crystals", rows)


def _phi_spread(folder: Path, settings: SimulationSettings) -> str:
    gun = Gun("electron", pt=(5.0, 25.0))
    batches = _made(replace(settings, events=min(settings.events, 500), gun=gun, pileup=None))
    others = {name: _pairs(batches, name) for name in ("cluster_deta", "cluster_dphi", "et_cluster")}
    seed_eta = np.concatenate([np.repeat(b.window["seed_eta"], np.diff(b.window_offsets)) for b in batches])
    kept = (_pairs(batches, "is_seed") == 0) & (_pairs(batches, "in_scluster") > 0)
    deta, dphi, et = (others[name][kept] for name in ("cluster_deta", "cluster_dphi", "et_cluster"))
    draw_phi_spread(seed_eta[kept], deta, dphi, et, folder / "phi_spread.png")
    spread = float(dphi.std()), float(deta.std())
    return plain_table(
        "Clusters of electrons of 5 to 25 GeV beside their seeds", ("width in phi [rad]", "width in eta"), [spread]
    )


def _windows(folder: Path, settings: SimulationSettings) -> str:
    batches, published = _made(replace(settings, gun=Gun("mixed"))), published_windows()
    rows = [
        row for name, known in published["clusters"].items() for row in _moments(name, _pairs(batches, name), known)
    ]
    for name, known in published["windows"].items():
        rows += _moments(name, np.concatenate([batch.window[name] for batch in batches]), known)
    return table("Windows: non-overlapping, v3, matched, no gen check; electrons and photons, pt 1-500 GeV", rows) + (
        "\n" + _by_eta(folder, batches)
    )


def published_windows() -> dict[str, dict[str, tuple[float, float]]]:
    """Mean and standard deviation of columns of `clusters` and of `windows` in a sample of CMS."""
    text = (files("ecalwindows") / "data" / "published" / "windows_2023.yaml").read_text(encoding="utf-8")
    published: dict[str, dict[str, tuple[float, float]]] = yaml.safe_load(text)
    return published


def _moments(name: str, values: Any, known: tuple[float, float]) -> list[Comparison]:
    """Mean and standard deviation; a mean near zero is compared in standard deviations."""
    near_zero = abs(known[0]) < 0.25 * known[1]
    return [
        Comparison(
            f"{name}, mean",
            float(values.mean(dtype=float)),
            known[0],
            0.02 * known[1] if near_zero else 0.15,
            near_zero,
        ),
        Comparison(f"{name}, standard deviation", float(values.std(dtype=float)), known[1], 0.15),
    ]


def _by_eta(folder: Path, batches: list[WindowBatch]) -> str:
    """Clusters per window and supercluster energy over true energy, by the generated abs(eta)."""
    window = {
        name: np.concatenate([batch.window[name] for batch in batches]).astype(float)
        for name in ("gen_true_eta", "ncls", "nclusters_insc", "en_mustache_raw", "en_true_gen")
    }
    rows = []
    for low, high in pairwise(ETA_EDGES):
        here = (np.abs(window["gen_true_eta"]) >= low) & (np.abs(window["gen_true_eta"]) < high)
        if here.any():
            ratio = np.median(window["en_mustache_raw"][here] / window["en_true_gen"][here])
            rows.append((low, high, window["ncls"][here].mean(), window["nclusters_insc"][here].mean(), float(ratio)))
    points = np.array(rows).reshape(-1, 5)
    middle = points[:, :2].mean(axis=1)
    for column, label, name in ((3, "true clusters per window", "clusters"), (4, "energy / true energy", "energy")):
        draw_curves(middle, points[:, column], None, (r"$|\eta|$", label, ""), folder / f"{name}_by_eta.png")
    header = ("from abs(eta)", "to", "clusters per window", "of the particle", "supercluster / true energy, median")
    return plain_table("By direction: material, crack, endcaps", header, rows)


def _made(settings: SimulationSettings) -> list[WindowBatch]:
    """Windows of a simulated file, as CMS's sample was made."""
    batches: list[WindowBatch] = []
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.root"
        simulate_file(sample, replace(settings, format="rntuple"))
        write_windows(
            str(sample), Path(folder) / "windows.parquet", WindowSettings(require_gen_in_window=False),
            observer=lambda _, made: batches.append(made.batch),
        )  # fmt: skip
    return batches


def _pairs(batches: list[WindowBatch], name: str) -> Floats:
    return np.concatenate([batch.column(name) for batch in batches]).astype(np.float64)
