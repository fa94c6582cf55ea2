"""The required size of windows: the smallest boxes that contain a share of the energy, and lines through them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecalwindows.geometry import Geometry, Piece
from ecalwindows.kernels.containment import smallest_box
from ecalwindows.studies.containment import BLOCKS, CELLS, LOW, STEPS, UNIT, ZERO, Containment, Floats, Whole

BOUNDS = ("up", "down", "width")
REPLICAS = 50
"""Number of bootstrap draws of blocks."""

OFTEN = 0.95
"""A box is accepted if boxes exist in at least this share of the draws; otherwise it exists by chance."""

LEAST = 20
"""Minimum number of caloparticles of a bin with a box."""


@dataclass(frozen=True)
class Boxes:
    """The smallest boxes that contain a share of the simulated energy, by bin of eta.

    Attributes
    ----------
    share : of the simulated energy
    eta : float64 (n_eta,), mean abs(seed eta)
    bounds, errors : float64 (3, n_eta), up, down and width [rad]; NaN in bins without a box
    n : int64 (n_eta,), number of caloparticles
    """

    share: float
    eta: Floats
    bounds: Floats
    errors: Floats
    n: Whole

    @property
    def found(self) -> NDArray[np.bool_]:
        """Bins with a box."""
        return np.asarray(np.isfinite(self.bounds).all(axis=0))


@dataclass(frozen=True)
class Line:
    """A piecewise linear function fitted to one bound.

    Attributes
    ----------
    bound : up, down or width
    knots, heights : float64 (n_knots,), abs(eta) and values where the lines meet
    chi2, dof : of the fit
    """

    bound: str
    knots: Floats
    heights: Floats
    chi2: float
    dof: int


def smallest_boxes(found: Containment, shares: Sequence[float]) -> list[Boxes]:
    """The boxes for each share, with errors from the bootstrap and from the size of the cells."""
    draws = block_draws()
    bounds = np.full((len(shares), 1 + REPLICAS, 3, len(found.n)), np.nan)
    for place in np.flatnonzero(found.n.sum(axis=1) >= LEAST).tolist():
        for draw, weights in enumerate(draws):
            below = np.zeros((CELLS[0] + 1, CELLS[1] + 1))
            below[1:, 1:] = np.tensordot(weights, found.grid[place], 1).cumsum(axis=0).cumsum(axis=1)
            total = UNIT * float(weights @ found.n[place])
            for number, share in enumerate(shares):
                bounds[number, draw, :, place] = _box(below, share * total)
    bounds[:, 0] = np.where(np.isfinite(bounds).mean(axis=1) >= OFTEN, bounds[:, 0], np.nan)
    n = found.n.sum(axis=1)
    eta = np.divide(found.sum_eta.sum(axis=1) / UNIT, n, out=np.full(len(n), np.nan), where=n > 0)
    rounding = np.array([STEPS[0], STEPS[0], STEPS[1]])[:, None] / math.sqrt(12)
    return [
        Boxes(share, eta, each[0], np.hypot(_spread(each[1:]), np.where(np.isfinite(each[0]), rounding, np.nan)), n)
        for share, each in zip(shares, bounds, strict=True)
    ]


def block_draws() -> Floats:
    """Weights of the blocks: all 1, then REPLICAS draws with replacement, float64 (1 + REPLICAS, BLOCKS)."""
    drawn = np.random.default_rng(0).multinomial(BLOCKS, np.full(BLOCKS, 1 / BLOCKS), REPLICAS)
    return np.concatenate([np.ones((1, BLOCKS)), drawn.astype(np.float64)])


def _box(below: Floats, wanted: float) -> tuple[float, float, float]:
    """Up, down and width; NaN if no box contains the wanted energy, or only one that reaches the end of the grid."""
    first, last, width = smallest_box(below, ZERO, wanted)
    if first <= 0 or last == CELLS[0] or width == CELLS[1]:
        return (math.nan, math.nan, math.nan)
    return (round(LOW + last * STEPS[0], 6), round(LOW + first * STEPS[0], 6), round(width * STEPS[1], 6))


def _spread(replicas: Floats) -> Floats:
    """Standard deviation over the replicas with a box; NaN if fewer than two have one."""
    known = np.isfinite(replicas)
    n = known.sum(axis=0)
    mean = np.where(known, replicas, 0).sum(axis=0) / np.maximum(n, 1)
    squares = (np.where(known, replicas - mean, 0) ** 2).sum(axis=0)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def mean_shares(inside: Whole, n: Whole) -> tuple[Floats, Floats]:
    """Mean share inside and its bootstrap error, float64 (n_eta,) each; NaN without caloparticles.

    Parameters
    ----------
    inside : int64 (n_eta, BLOCKS), sums of shares, in units of 1 / UNIT
    n : int64 (n_eta, BLOCKS), numbers of caloparticles
    """
    draws = block_draws()
    calos = draws @ n.T
    shares = np.divide(draws @ inside.T / UNIT, calos, out=np.full(calos.shape, np.nan), where=calos > 0)
    return shares[0], _spread(shares[1:])


def broken_lines(boxes: Boxes, knots: Sequence[float]) -> list[Line]:
    """Fit a piecewise linear function to each bound, with the errors of the boxes (least squares).

    Parameters
    ----------
    boxes : smallest boxes for one share
    knots : abs(eta) where the lines meet

    Returns
    -------
    One line for each bound; none if there are fewer boxes than parameters.
    """
    here = boxes.found & np.isfinite(boxes.errors).all(axis=0)
    eta = boxes.eta[here]
    if len(eta) < len(knots) + 2:
        return []
    all_knots = np.array([0.0, *knots, 3.0])
    design = np.stack([np.interp(eta, all_knots, row) for row in np.eye(len(all_knots))], axis=1)
    lines = []
    for number, bound in enumerate(BOUNDS):
        y, error = boxes.bounds[number][here], boxes.errors[number][here]
        heights = np.linalg.lstsq(design / error[:, None], y / error, rcond=None)[0]
        chi2 = float((((y - design @ heights) / error) ** 2).sum())
        lines.append(Line(bound, all_knots, heights, chi2, len(y) - len(all_knots)))
    return lines


def fitted_geometry(lines: Sequence[Line]) -> Geometry:
    """The lines as a geometry, with five digits. Bounds are at least half a crystal, so that they contain the seed."""
    pieces = {line.bound: _pieces(line) for line in lines}
    return Geometry(up=pieces["up"], down=pieces["down"], width=pieces["width"])


def _pieces(line: Line) -> tuple[Piece, ...]:
    """The straight pieces between neighbouring knots; the last one continues beyond abs(eta) 3."""
    half = 0.0087
    heights = np.minimum(line.heights, -half) if line.bound == "down" else np.maximum(line.heights, half)
    slopes = np.diff(heights) / np.diff(line.knots)
    ends: list[float | None] = [*line.knots[1:-1].tolist(), None]
    return tuple(
        Piece(
            below=end,
            inclusive=False,
            origin=float(origin),
            coefficients=(float(f"{height:.5g}"), float(f"{slope:.5g}")),
        )
        for end, origin, height, slope in zip(ends, line.knots[:-1], heights[:-1], slopes, strict=True)
    )
