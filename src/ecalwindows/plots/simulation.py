"""Figures of the validation of the simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ecalwindows.core.arrays import Floats
from ecalwindows.core.geometry import BARREL_END
from ecalwindows.plots.shapes import mustache_outline
from ecalwindows.plots.style import cms_style, save_figure

SIMULATED, PUBLISHED = "#0072B2", "#D55E00"


@cms_style(14)
def draw_curves(
    x: Floats, simulated: Floats, published: tuple[Floats, Floats] | None, labels: tuple[str, str, str], path: Path,
    **scale: Any,
) -> Figure:  # fmt: skip
    """Draw simulated values as connected points, and published values as crosses or as a dashed line.

    Parameters
    ----------
    x, simulated : float64 (n,), the simulated curve
    published : x and y of the published values, or None
    labels : labels of the x axis, the y axis and the published values
    path : of the picture
    **scale : settings of the axes, see `Axes.set`
    """
    figure = Figure(figsize=(7, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot(xlabel=labels[0], ylabel=labels[1])
    axes.grid(c="0.92", lw=0.6)
    axes.plot(x, simulated, "o-", c=SIMULATED, label="simulation", gid="simulation")
    if published is not None:
        line = "x" if len(published[0]) < len(x) else "--"
        axes.plot(*published, line, c=PUBLISHED, ms=10, mew=2.5, label=labels[2], gid="published")
        axes.legend()
    axes.set(**scale)
    save_figure(figure, path)
    return figure


@cms_style(14)
def draw_phi_spread(seed_eta: Floats, deta: Floats, dphi: Floats, et: Floats, path: Path) -> Figure:
    """Draw the clusters of electrons around their seeds, in four ranges of abs(eta), with a mustache of 1 GeV of Et.

    Parameters
    ----------
    seed_eta : float64 (n_clusters,), eta of the seed of each cluster that is not a seed
    deta : float64 (n_clusters,), distance from the seed in eta, positive away from the centre of the detector
    dphi : float64 (n_clusters,), distance in phi [rad]
    et : float64 (n_clusters,), transverse energy [GeV]
    path : of the picture
    """
    figure = Figure(figsize=(10, 8), dpi=120, layout="constrained")
    for place, (low, high) in enumerate(((0.0, 0.8), (0.8, BARREL_END), (BARREL_END, 2.0), (2.0, 2.8)), start=1):
        axes = figure.add_subplot(2, 2, place)
        here = (np.abs(seed_eta) >= low) & (np.abs(seed_eta) < high)
        size = 8 + 6 * np.sqrt(et[here])
        axes.scatter(dphi[here], deta[here], s=size, c=SIMULATED, alpha=0.5, lw=0, gid="clusters")
        outline = mustache_outline((low + high) / 2, 1.0)
        if len(outline):
            axes.plot(outline[:, 1], outline[:, 0], c=PUBLISHED, gid="mustache")
        axes.set(xlim=(-0.6, 0.6), ylim=(-0.15, 0.2), xlabel=r"$\Delta\phi$ [rad]", ylabel=r"$\Delta\eta$")
        axes.set_title(rf"{low:g} < $|\eta|$ < {high:g}", fontsize=11)
    save_figure(figure, path)
    return figure
