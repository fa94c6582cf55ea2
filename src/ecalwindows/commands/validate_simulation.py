"""`ecalwindows simulate --validate FOLDER`: compare the simulation with published values, in tables and plots."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ecalwindows.commands.windows import write_windows
from ecalwindows.core.arrays import Floats
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.errors import SettingsError
from ecalwindows.core.files.output import (
    check_names,
    check_output,
    outputs_apart,
    outputs_together,
    write_text_atomically,
)
from ecalwindows.core.geometry import BARREL_END
from ecalwindows.core.settings import WindowSettings
from ecalwindows.dataset.folder_output import has_page
from ecalwindows.plots.simulation import draw_curves, draw_phi_spread
from ecalwindows.simulation.event import Detector
from ecalwindows.simulation.gun import Gun
from ecalwindows.simulation.physics import (
    CONTAINED,
    RADIATED,
    central_showers,
    core_width,
    published_maximum,
    radiated_shares,
    shower_maximum,
    test_beam_resolution,
)
from ecalwindows.simulation.run import SimulationSettings, checked, simulate_file

log = logging.getLogger(__name__)

TITLE = "# Validation of the simulation"
PICTURES = ("resolution.png", "bremsstrahlung.png", "phi_spread.png", "clusters_by_eta.png", "energy_by_eta.png")

ENERGIES = (10.0, 30.0, 100.0)
N_SHOWERS = 400
"""Maximum number of showers and tracks of each kind; with fewer events as many as those."""
MIN_EVENTS = 20
"""With fewer events, some of the compared samples could be empty."""
FEW_EVENTS = 1000
"""With fewer events, values differ from the published ones by chance: there is a warning."""
ETA_EDGES = (0.0, 0.5, 1.0, 1.3, 1.4, BARREL_END, 1.55, 1.65, 1.8, 2.0, 2.3, 2.6, 3.0)


def write_validation(folder: str | Path, settings: SimulationSettings) -> Iterator[str]:
    """Write `validation.md` and its plots; yields one line of text after each part.

    Parameters
    ----------
    folder : made if it does not exist
    settings : number of events of the comparison with CMS's sample, seed, pile-up, conditions and number of threads

    Raises
    ------
    SettingsError : if a setting has an impossible value
    OutputError : if a file cannot be written
    """
    settings, page = checked(settings), Path(folder) / "validation.md"
    is_own = lambda path: has_page(path.parent, page=page.name, mark=TITLE)  # noqa: E731
    check_names(
        page.parent, [page.name, *PICTURES], is_own=is_own, ours="a folder of `ecalwindows simulate --validate`"
    )
    check_output(page, overwrite=True)
    if settings.events < MIN_EVENTS:
        raise SettingsError(
            f"{settings.events} events", expected=f"{MIN_EVENTS} or more, better 3000", where="-n",
            todo="ask for more events with -n, or write a file with -o instead of --validate",
        )  # fmt: skip
    if settings.events < FEW_EVENTS:
        log.warning(
            "%s events are few: values of windows differ from the published ones by chance; give %s or more with -n",
            f"{settings.events:,}", f"{FEW_EVENTS:,}",
        )  # fmt: skip
    parts = []
    with outputs_together():
        for name, part in (
            ("showers", _showers), ("tracks", _tracks), ("phi spread", _phi_spread), ("windows", _windows),
        ):  # fmt: skip
            parts.append(part(page.parent, settings))
            yield f"{name}: done"
        write_text_atomically(page, f"{TITLE}\n\n" + "\n".join(parts))
    yield f"{page}: {sum(part.count('| yes |') for part in parts)} values agree with the published ones, " + (
        f"{sum(part.count('| **no** |') for part in parts)} do not"
    )


def _n_showers(settings: SimulationSettings) -> int:
    return min(N_SHOWERS, settings.events)


def _showers(folder: Path, settings: SimulationSettings) -> str:
    showers = [
        central_showers(energy, _n_showers(settings), settings.conditions, is_photon=True) for energy in ENERGIES
    ]
    resolution = [core_width(shower.measured[:, 1]) for shower in showers]
    formula = [test_beam_resolution(energy) for energy in ENERGIES]
    draw_curves(
        np.array(ENERGIES), 100 * np.array(resolution), (np.array(ENERGIES), 100 * np.array(formula)),
        ("E [GeV]", "resolution, 3x3 crystals [%]", "test beam"), folder / "resolution.png", xscale="log",
    )  # fmt: skip
    rows = [
        Comparison(f"resolution at {energy:g} GeV", simulated, published_value, 0.2)
        for energy, simulated, published_value in zip(ENERGIES, resolution, formula, strict=True)
    ]
    rows += [
        Comparison(f"shower maximum at {energy:g} GeV [X0]", shower_maximum(energy), published_maximum(energy), 0.08)
        for energy in ENERGIES
    ]
    shower = central_showers(120.0, _n_showers(settings), settings.conditions, is_photon=False)
    rows += [
        Comparison(f"energy in {name} at 120 GeV", float(simulated), published_value, 0.03)
        for simulated, (name, published_value) in zip(shower.deposited.mean(axis=0), CONTAINED.items(), strict=True)
    ]
    return table("Showers: photons on the centre of a barrel crystal, noise of the test beam", rows)


def _tracks(folder: Path, settings: SimulationSettings) -> str:
    detector, eta, n = Detector(settings.conditions), np.linspace(0, 2.8, 15), _n_showers(settings)
    mean = np.array([radiated_shares(a, n, detector).mean() for a in eta])
    draw_curves(
        eta, mean, (np.array(list(RADIATED)), np.array(list(RADIATED.values()))),
        (r"$|\eta|$", "mean share radiated", "EGM-13-001"), folder / "bremsstrahlung.png", ylim=(0, 1),
    )  # fmt: skip
    rows = [
        Comparison(f"share radiated at abs(eta) {a:g}", float(radiated_shares(a, 5 * n, detector).mean()), share, 0.1)
        for a, share in RADIATED.items()
    ]
    return table("Electrons: bremsstrahlung before the crystals", rows)


def _phi_spread(folder: Path, settings: SimulationSettings) -> str:
    gun = Gun("electron", pt=(5.0, 25.0))
    batches = _simulated_windows(replace(settings, events=min(settings.events, 500), gun=gun, pileup=None))
    seed_eta = np.concatenate([np.repeat(b.window["seed_eta"], np.diff(b.window_offsets)) for b in batches])
    is_other = (_pairs(batches, "is_seed") == 0) & (_pairs(batches, "in_scluster") > 0)
    deta, dphi, et = (_pairs(batches, name)[is_other] for name in ("cluster_deta", "cluster_dphi", "et_cluster"))
    draw_phi_spread(seed_eta[is_other], deta, dphi, et, folder / "phi_spread.png")
    spread = float(dphi.std()), float(deta.std())
    return plain_table(
        "Clusters of electrons of 5 to 25 GeV around their seeds", ("width in phi [rad]", "width in eta"), [spread]
    )


def _windows(folder: Path, settings: SimulationSettings) -> str:
    batches, published = _simulated_windows(replace(settings, gun=Gun("mixed"))), published_windows()
    rows = [
        row for name, moments in published["clusters"].items() for row in _moments(name, _pairs(batches, name), moments)
    ]
    for name, moments in published["windows"].items():
        rows += _moments(name, np.concatenate([batch.window[name] for batch in batches]), moments)
    return table("Windows: non-overlapping, v3, matched, no gen check; electrons and photons, pt 1-500 GeV", rows) + (
        "\n" + _by_eta(folder, batches)
    )


def published_windows() -> dict[str, dict[str, tuple[float, float]]]:
    """Published mean and standard deviation of columns in a sample of CMS, by `clusters` or `windows` and by name."""
    text = (files("ecalwindows") / "data" / "published" / "windows_2023.yaml").read_text(encoding="utf-8")
    published: dict[str, dict[str, tuple[float, float]]] = yaml.safe_load(text)
    return published


def _moments(name: str, values: Any, moments: tuple[float, float]) -> list[Comparison]:
    """Compare mean and standard deviation; the tolerance of a mean near zero is relative to the standard deviation."""
    (mean, width), simulated = moments, (float(values.mean(dtype=float)), float(values.std(dtype=float)))
    near_zero = abs(mean) < 0.25 * width
    return [
        Comparison(f"{name}, mean", simulated[0], mean, 0.02 * width if near_zero else 0.15, near_zero),
        Comparison(f"{name}, standard deviation", simulated[1], width, 0.15),
    ]


def _by_eta(folder: Path, batches: list[WindowBatch]) -> str:
    """Table and plots by the generated abs(eta): clusters per window, supercluster energy over true energy."""
    window = {
        name: np.concatenate([batch.window[name] for batch in batches]).astype(float)
        for name in ("gen_true_eta", "ncls", "nclusters_insc", "en_mustache_raw", "en_true_gen")
    }
    rows = []
    for low, high in pairwise(ETA_EDGES):
        in_range = (np.abs(window["gen_true_eta"]) >= low) & (np.abs(window["gen_true_eta"]) < high)
        if in_range.any():
            inside = {name: values[in_range] for name, values in window.items()}
            ratio = float(np.median(inside["en_mustache_raw"] / inside["en_true_gen"]))
            rows.append((low, high, inside["ncls"].mean(), inside["nclusters_insc"].mean(), ratio))
    points = np.array(rows).reshape(-1, 5)
    middle = points[:, :2].mean(axis=1)
    for column, label, name in ((3, "true clusters per window", "clusters"), (4, "energy / true energy", "energy")):
        draw_curves(middle, points[:, column], None, (r"$|\eta|$", label, ""), folder / f"{name}_by_eta.png")
    header = (
        "abs(eta) from", "to", "clusters per window", "true clusters per window", "median supercluster / true energy"
    )  # fmt: skip
    return plain_table("By abs(eta)", header, rows)


def _simulated_windows(settings: SimulationSettings) -> list[WindowBatch]:
    """The windows of a simulated file, made with the settings of CMS's sample."""
    batches: list[WindowBatch] = []
    with tempfile.TemporaryDirectory() as folder, outputs_apart():
        sample = Path(folder) / "sample.root"
        simulate_file(sample, replace(settings, format="rntuple"))
        write_windows(
            str(sample), Path(folder) / "windows.parquet", WindowSettings(require_gen_in_window=False),
            observer=lambda _, made: batches.append(made.batch),
        )  # fmt: skip
    return batches


def _pairs(batches: list[WindowBatch], name: str) -> Floats:
    """A column of all (window, cluster) pairs."""
    return np.concatenate([batch.column(name) for batch in batches]).astype(np.float64)


@dataclass(frozen=True)
class Comparison:
    """A simulated and a published value.

    tolerance : maximum difference, relative to the published value or, if `absolute`, as it is
    """

    name: str
    simulated: float
    published: float
    tolerance: float
    absolute: bool = False

    @property
    def agrees(self) -> bool:
        """Whether the difference is at most the tolerance."""
        difference = abs(self.simulated - self.published)
        return difference <= self.tolerance * (1 if self.absolute else abs(self.published))


def table(title: str, rows: Sequence[Comparison]) -> str:
    """A Markdown table with one line per comparison."""
    cells = []
    for row in rows:
        tolerance = f"{row.tolerance:.3g}" if row.absolute else f"{100 * row.tolerance:.0f} %"
        verdict = "yes" if row.agrees else "**no**"
        cells.append([row.name, f"{row.simulated:.4g}", f"{row.published:.4g}", tolerance, verdict])
    return _markdown_table(title, ("quantity", "simulation", "published", "tolerance", "within"), cells)


def plain_table(title: str, header: Sequence[str], rows: Sequence[Sequence[float]]) -> str:
    """A Markdown table of numbers."""
    return _markdown_table(title, header, [[f"{value:.4g}" for value in row] for row in rows])


def _markdown_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in (header, *rows)]
    return "\n".join([f"## {title}", "", lines[0], "|" + "---|" * len(header), *lines[1:]]) + "\n"
