"""Figures of a validation of the simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ecalwindows.plots.shapes import mustache_outline
from ecalwindows.plots.style import cms_style

Floats = NDArray[np.float64]
OURS, PUBLISHED = "#0072B2", "#D55E00"


def _figure(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(c="0.92", lw=0.6)
    return figure, axes


def draw_curves(
    x: Floats, ours: Floats, published: tuple[Floats, Floats] | None, labels: tuple[str, str, str], path: Path,
    **scale: Any,
) -> Figure:  # fmt: skip
    """Simulation as points, the published values (x, y) as a line or crosses. labels: x, y, published."""
    with cms_style(14):
        figure, axes = _figure(labels[0], labels[1])
        axes.plot(x, ours, "o-", c=OURS, label="simulation", gid="simulation")
        if published is not None:
            line = "x" if len(published[0]) < len(x) else "--"
            axes.plot(*published, line, c=PUBLISHED, ms=10, mew=2.5, label=labels[2], gid="published")
            axes.legend()
        axes.set(**scale)
        figure.savefig(path)
    return figure


def draw_phi_spread(seed_eta: Floats, deta: Floats, dphi: Floats, et: Floats, path: Path) -> Figure:
    """Clusters of electrons around their seeds, in four ranges of abs(eta), with the mustache of a 1 GeV cluster.

    seed_eta, deta (outwards), dphi [rad], et [GeV] : (n_clusters,), of the clusters that are no seeds
    """
    with cms_style(14):
        figure = Figure(figsize=(10, 8), dpi=120, layout="constrained")
        for place, (low, high) in enumerate(((0.0, 0.8), (0.8, 1.479), (1.479, 2.0), (2.0, 2.8)), start=1):
            axes = figure.add_subplot(2, 2, place)
            here = (np.abs(seed_eta) >= low) & (np.abs(seed_eta) < high)
            axes.scatter(dphi[here], deta[here], s=8 + 6 * np.sqrt(et[here]), c=OURS, alpha=0.5, lw=0, gid="clusters")
            outline = mustache_outline((low + high) / 2, 1.0)
            if len(outline):
                axes.plot(outline[:, 1], outline[:, 0], c=PUBLISHED, gid="mustache")
            axes.set(xlim=(-0.6, 0.6), ylim=(-0.15, 0.2), xlabel=r"$\Delta\phi$ [rad]", ylabel=r"$\Delta\eta$")
            axes.set_title(rf"{low:g} < $|\eta|$ < {high:g}", fontsize=11)
        figure.savefig(path)
    return figure
