"""One window in eta and phi: crystals coloured by energy, clusters, seed, edge of the window, mustache, truth."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Polygon, Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from ecalwindows.core.arrays import Flags, Floats, Integers
from ecalwindows.core.batch import WindowBatch
from ecalwindows.core.geometry import Geometry
from ecalwindows.core.schema import COLUMNS, HIT_COMPONENTS, PARTICLES, SECOND_COLUMNS, SENTINEL
from ecalwindows.plots.shapes import crystal_corners, mustache_outline, unwrapped, window_edge
from ecalwindows.plots.style import cms_style, save_figure

MUSTACHE_ET = 1.0
"""The mustache is drawn for clusters of this Et [GeV]."""

# Okabe and Ito's colours, for colour-blind readers; the shapes and lines differ too.
TRUE, OTHER_CALO, UNRELATED, MUSTACHE, SEED, EDGE = "#D55E00", "#CC79A7", "0.2", "#009E73", "#F0E442", "black"
ENERGIES = LinearSegmentedColormap.from_list("ecal_energies", ["#e8eef7", "#a9c4e4", "#5b8fc9", "#27559b", "#0b2352"])
FONT_SIZE = 12
STAR: dict[str, Any] = {"ls": "", "marker": "*", "mfc": SEED, "mec": "black"}
"""Marker of the seed, a star; its size depends on the figure."""
GENERATED: dict[str, Any] = {"ls": "", "marker": "+", "ms": 22, "mew": 1.8, "c": TRUE}
"""Marker of the generated position: its arms are longer than the star of the seed, which may lie on it."""
HALO = [withStroke(linewidth=3.5, foreground="white")]

NEEDED = frozenset({"seed_eta", "seed_phi", "cluster_eta", "cluster_phi", "et_cluster"})
"""Columns that are required to draw a window."""

HITS = frozenset({"ieta", "iphi", "iz", "energy_fraction"})
"""Components of the hits that are required to draw crystals."""


def draw_window(batch: WindowBatch, number: int, geometry: Geometry, path: Path | None = None) -> Figure:
    """Draw one window; phi is continuous around the seed.

    Parameters
    ----------
    batch : windows with at least the columns `NEEDED`; crystals are drawn if it has hits
    number : index of the window in the batch, from 0
    geometry : shape of the windows of the batch
    path : if given, the figure is also saved there; suffix .png (150 dpi), .pdf or another format of matplotlib

    Raises
    ------
    IndexError : if the batch has no such window
    OutputError : if the figure cannot be saved
    """
    view = _View.of(batch, number, geometry)
    with cms_style(FONT_SIZE):
        figure = Figure(figsize=(8, 7), dpi=150)
        axes = figure.add_axes((0.105, 0.085, 0.575, 0.825))
        _draw_crystals(figure, axes, view)
        _draw_mustache(axes, view)
        axes.add_patch(Rectangle(*view.edge, fill=False, ec=EDGE, lw=1.4, ls=(0, (6, 3)), gid="window", zorder=3))
        _draw_clusters(axes, view)
        _draw_truth(axes, view)
        _finish(figure, axes, view)
        if path is not None:
            save_figure(figure, path)
    return figure


@dataclass(frozen=True)
class _View:
    """The data of one window that the figure needs. Angles [rad] are within pi of the seed's phi; energies are in GeV.

    Attributes
    ----------
    window : its row of the window columns
    is_matched : whether its seed is matched to a caloparticle
    eta, phi, et : float64 (n_clusters,), of its clusters
    in_scluster, other_calo, is_seed : bool (n_clusters,), labels; in_scluster is False in an unmatched window
    crystals : float64 (n_crystals, 4, 2), corners
    energy : float64 (n_crystals,), rechit energy x fraction, summed over the clusters
    edge : lower left corner, width in eta, height in phi
    """

    window: dict[str, Any]
    is_matched: bool
    eta: Floats
    phi: Floats
    et: Floats
    in_scluster: Flags
    other_calo: Flags
    is_seed: Flags
    crystals: Floats
    energy: Floats
    edge: tuple[tuple[float, float], float, float]

    @property
    def has_position(self) -> bool:
        """Whether the generated position can be drawn."""
        return self.is_matched and {"gen_true_eta", "gen_true_phi"} <= self.window.keys()

    @classmethod
    def of(cls, batch: WindowBatch, number: int, geometry: Geometry) -> _View:
        if not 0 <= number < len(batch):
            raise IndexError(f"the batch has {len(batch)} windows, but no window with the index {number}")
        window = {name: column[number].item() for name, column in batch.window.items()}
        pairs = slice(*batch.window_offsets[number : number + 2])
        seed_phi, is_matched = window["seed_phi"], window.get("is_seed_calo_matched", False)

        def flag(name: str) -> Flags:
            return pair_flag(batch, name)[pairs]

        cells, energy = crystal_energies(batch, batch.pair_cluster[pairs])
        crystals = crystal_corners(*cells.T)
        centre = crystals[..., 1].mean(axis=1, keepdims=True)
        crystals[..., 1] += unwrapped(centre, seed_phi) - centre
        return cls(
            window=window,
            is_matched=is_matched,
            eta=batch.column("cluster_eta")[pairs].astype(float),
            phi=unwrapped(batch.column("cluster_phi")[pairs], seed_phi),
            et=batch.column("et_cluster")[pairs].astype(float),
            in_scluster=flag("in_scluster") & is_matched,
            other_calo=flag("is_calo_matched_diffcalo"),
            is_seed=flag("is_seed"),
            crystals=crystals,
            energy=energy,
            edge=window_edge(window["seed_eta"], seed_phi, geometry),
        )


def pair_flag(batch: WindowBatch, name: str) -> Flags:
    """A flag of clusters, bool (n_pairs,); False if the batch does not have this column."""
    return batch.pair[name].astype(np.bool_) if name in batch.pair else np.zeros(len(batch.pair_cluster), np.bool_)


def crystal_energies(batch: WindowBatch, clusters: Integers) -> tuple[Integers, Floats]:
    """Crystals of clusters with energy, (n, 3): ieta, iphi and iz; and their energies [GeV], summed over the clusters.

    There are none if the batch does not have `HITS`.
    """
    if not batch.hits.keys() >= HITS:
        return np.zeros((0, 3), np.int64), np.zeros(0)
    rows = np.concatenate([np.arange(*batch.hits_offsets[c : c + 2]) for c in clusters] or [np.arange(0)])
    cells = np.stack([batch.hits[name][rows].astype(np.int64) for name in ("ieta", "iphi", "iz")], axis=1)
    cells, place = np.unique(cells, axis=0, return_inverse=True)
    weights = batch.hits["energy_fraction"][rows].astype(np.float64)
    energy: Floats = np.bincount(place.reshape(-1), weights, minlength=len(cells)).astype(np.float64)
    return cells[energy > 0], energy[energy > 0]


def _draw_crystals(figure: Figure, axes: Axes, view: _View) -> None:
    if not len(view.energy):
        return
    unit = next(unit for name, _, unit, _ in HIT_COMPONENTS if name == "energy_fraction")
    highest = view.energy.max()
    lowest = min(max(view.energy.min(), 1e-4 * highest), 0.5 * highest)
    crystals = PolyCollection(
        list(view.crystals), array=view.energy, cmap=ENERGIES, norm=LogNorm(lowest, highest),
        edgecolors="0.6", linewidths=0.3, gid="crystals", zorder=1,
    )  # fmt: skip
    axes.add_collection(crystals, autolim=False)
    bar = figure.colorbar(crystals, cax=figure.add_axes((0.72, 0.085, 0.028, 0.42)))
    bar.set_label(rf"crystal energy $\times$ fraction [{unit}]", fontsize=11)


def _draw_mustache(axes: Axes, view: _View) -> None:
    outline = mustache_outline(view.window["seed_eta"], MUSTACHE_ET)
    if len(outline):
        corners = outline + np.array([view.window["seed_eta"], view.window["seed_phi"]])
        axes.add_patch(Polygon(corners, fc=MUSTACHE, alpha=0.10, ec="none", zorder=0))
        axes.add_patch(Polygon(corners, fill=False, ec=MUSTACHE, lw=1.6, gid="mustache", zorder=3))


def marker_area(et: Any) -> Any:
    """Area of a marker [points^2], which increases with the logarithm of Et [GeV]."""
    return 60 + 55 * np.log1p(np.maximum(et, 0))


def _kinds(view: _View) -> dict[str, tuple[Flags, dict[str, Any]]]:
    """The clusters by truth: for each label, which clusters have it, and the style of their markers."""
    other = view.other_calo & ~view.in_scluster
    return {
        "in true supercluster": (view.in_scluster, {"marker": "o", "edgecolors": TRUE, "linewidths": 2.2}),
        "of another particle": (other, {"marker": "D", "edgecolors": OTHER_CALO, "linewidths": 2.0}),
        "other cluster" if view.is_matched else "cluster": (
            ~(view.in_scluster | other),
            {"marker": "o", "edgecolors": UNRELATED, "linewidths": 1.1},
        ),
    }


def _draw_clusters(axes: Axes, view: _View) -> None:
    for label, (which, style) in _kinds(view).items():
        if which.any():
            axes.scatter(
                view.eta[which], view.phi[which], s=marker_area(view.et[which]), facecolors="none", gid=label, zorder=5,
                path_effects=HALO, **style,
            )  # fmt: skip
    seed = view.is_seed
    axes.plot(view.eta[seed], view.phi[seed], ms=10, mew=0.8, gid="seed", zorder=7, **STAR)


def _draw_truth(axes: Axes, view: _View) -> None:
    if view.has_position:
        eta, phi = view.window["gen_true_eta"], unwrapped(view.window["gen_true_phi"], view.window["seed_phi"])
        axes.plot([eta], [phi], gid="generated", zorder=6.5, path_effects=HALO, **GENERATED)


def _finish(figure: Figure, axes: Axes, view: _View) -> None:
    """Add limits, labels, title and legend."""
    (left, low), width, height = view.edge
    boundary = math.copysign(math.pi, view.window["seed_phi"])
    beyond = low < boundary < low + height
    axes.set(
        xlim=(left - 0.06 * width, left + 1.06 * width), ylim=(low - 0.03 * height, low + 1.03 * height),
        xlabel=r"$\eta$",
        ylabel=rf"$\phi$ [{COLUMNS['seed_phi'].unit}]" + (r", continued beyond $\pm\pi$" if beyond else ""),
    )  # fmt: skip
    if beyond:
        axes.axhline(boundary, c="0.5", lw=0.8, ls=":", gid="turn", zorder=2)
    axes.grid(c="0.92", lw=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    figure.text(0.02, 0.985, "\n".join(_title(view)), ha="left", va="top", fontsize=11, linespacing=1.35, gid="title")
    figure.legend(handles=_handles(view), loc="upper left", bbox_to_anchor=(0.685, 0.92), frameon=False)


def _title(view: _View) -> tuple[str, str]:
    """The two lines of the title, from the available columns."""
    w = view.window
    ids = {"run": "run_id", "lumi": "lumi_id", "event": "event_id", "seed": "seed_index"}
    event = ", ".join(f"{word} {w[name]}" for word, name in ids.items() if name in w)
    et = f"{found[0]} $E_T$ = {found[1]:.1f} GeV, " if (found := seed_et(w)) else ""
    first = rf"{event}; seed: {et}$\eta$ = ${w['seed_eta']:.2f}$"
    return first, "; ".join(filter(None, (_truth_words(view), _found_words(w))))


def seed_et(window: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Whether the Et of the seed is calibrated or raw, and the Et [GeV]; None if the windows do not have it."""
    kinds = {"calibrated": "et_seed_calib", "raw": "et_seed"}
    return next(((words, window[name]) for words, name in kinds.items() if name in window), None)


def _truth_words(view: _View) -> str:
    if "is_seed_calo_matched" not in view.window:
        return ""
    if not view.is_matched:
        return "not matched to a caloparticle"
    particle = PARTICLES.get(view.window.get("flavour", 0), "caloparticle")
    energy = view.window.get("en_true_sim")
    is_known = energy is not None and energy != SENTINEL
    return f"matched to {particle}" + (f": true energy {energy:.1f} GeV" if is_known else "")


def _with_energy(word: str, energy: float) -> str:
    return f"{word} {energy:.1f} GeV (calibrated)" if energy != SENTINEL else f"{word} without an energy"


def _found_words(window: dict[str, Any]) -> str:
    """The supercluster of the seed, and that of a second collection."""
    known = [("is_seed_mustache_matched", "mustache", "supercluster")] + [(f"has_{n}", n, n) for n in SECOND_COLUMNS]
    return ", ".join(
        _with_energy(word, window[f"en_{name}_calib"]) if window[flag] else f"no {word}"
        for flag, name, word in known
        if flag in window and f"en_{name}_calib" in window
    )


def _handles(view: _View) -> list[Any]:
    """Entries of the legend: the kinds of objects in the figure, and three marker sizes."""
    empty: dict[str, Any] = {"ls": "", "mfc": "none"}
    handles: list[Any] = [Line2D([], [], ms=10, mew=0.8, label="seed", **STAR)]
    for label, (which, style) in _kinds(view).items():
        if which.any():
            look = {"marker": style["marker"], "mec": style["edgecolors"], "mew": style["linewidths"]}
            handles.append(Line2D([], [], ms=9, label=f"{label} ({which.sum()})", **empty, **look))
    if view.has_position:
        handles.append(Line2D([], [], label="generated position", **GENERATED | {"ms": 13}))
    handles.append(Line2D([], [], c=EDGE, lw=1.4, ls=(0, (6, 3)), label="window"))
    mustache = rf"mustache ($E_T$ = {MUSTACHE_ET:g} GeV)"
    handles.append(Patch(fc=(*to_rgb(MUSTACHE), 0.12), ec=MUSTACHE, lw=1.6, label=mustache))
    sizes = {rf"$E_T$ = {et:g} GeV": math.sqrt(marker_area(et)) for et in (0.5, 5.0, 50.0)}
    return handles + [
        Line2D([], [], marker="o", mec="0.35", ms=ms, label=label, **empty) for label, ms in sizes.items()
    ]
