"""The required size of windows: the smallest boxes that contain a share of the energy, and lines through them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ecalwindows.core.arrays import Flags, Floats, Integers
from ecalwindows.core.geometry import Geometry, Piece
from ecalwindows.studies.kernels.containment import smallest_box
from ecalwindows.studies.window_size.containment import BLOCKS, CELLS, LOW, STEPS, UNIT, ZERO, Containment

BOUNDS = ("up", "down", "width")
REPLICAS = 50
"""Number of bootstrap draws of blocks."""

OFTEN = 0.95
"""A box is accepted if boxes exist in at least this share of the draws; otherwise it exists by chance."""

MAX_GAP = 0.25
"""Lines are drawn across bins without a box, between bins with one, if they are not wider than this in eta.

Between barrel and endcap (1.4442 to 1.566) no box may contain the share, because much of the energy is far away."""

MAX_OUTSIDE = 1.5
"""Fitted windows may leave out this times the energy that their name says, over all bins."""

MAX_OUTSIDE_IN_BIN = 3.0
"""The same in each bin with a box, beyond three standard deviations."""

COVERED = 0.3, 2.7
"""The bins must begin below the first, and end above the second: the lines reach from 0 to 3."""

HALF_CRYSTAL = 0.0087
"""Bounds are at least so far from the seed."""

MIN_HEIGHT = 0.5
"""Lines whose height at a knot is below this share of the smallest box are refused: the data have no such window."""

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
    n: Integers

    @property
    def found(self) -> Flags:
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
        cells = np.tensordot(draws, found.grid[place], 1)  # exact: integers below 2**53
        for draw, weights in enumerate(draws):
            below = np.zeros((CELLS[0] + 1, CELLS[1] + 1))
            below[1:, 1:] = cells[draw].cumsum(axis=0).cumsum(axis=1)
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
    """Up, down and width; NaN if no box contains the wanted energy, or only one that reaches the end of the grid, and
    where no energy is wanted: a draw of blocks without caloparticles.
    """
    first, last, width = smallest_box(below, ZERO, wanted)
    if not wanted or first <= 0 or last == CELLS[0] or width == CELLS[1]:
        return (math.nan, math.nan, math.nan)
    return (round(LOW + last * STEPS[0], 6), round(LOW + first * STEPS[0], 6), round(width * STEPS[1], 6))


def _spread(replicas: Floats) -> Floats:
    """Standard deviation over the replicas with a box; NaN if fewer than two have one."""
    known = np.isfinite(replicas)
    n = known.sum(axis=0)
    mean = np.where(known, replicas, 0).sum(axis=0) / np.maximum(n, 1)
    squares = (np.where(known, replicas - mean, 0) ** 2).sum(axis=0)
    return np.where(n > 1, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def mean_shares(inside: Integers, n: Integers) -> tuple[Floats, Floats]:
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
    One line for each bound; none if the boxes do not determine all parameters.
    """
    here = boxes.found & np.isfinite(boxes.errors).all(axis=0)
    eta = boxes.eta[here]
    all_knots = np.array([0.0, *knots, 3.0])
    design = np.stack([np.interp(eta, all_knots, row) for row in np.eye(len(all_knots))], axis=1)
    if not len(eta) or np.linalg.matrix_rank(design) < len(all_knots):  # NumPy 2.1 has no rank of an empty matrix
        return []
    lines = []
    for number, bound in enumerate(BOUNDS):
        y, error = boxes.bounds[number][here], boxes.errors[number][here]
        heights = np.linalg.lstsq(design / error[:, None], y / error, rcond=None)[0]
        chi2 = float((((y - design @ heights) / error) ** 2).sum())
        lines.append(Line(bound, all_knots, heights, chi2, len(y) - len(all_knots)))
    return lines


def fit_problem(boxes: Boxes, edges: Floats, lines: Sequence[Line]) -> str | None:
    """Why the lines are no description of the windows: None if they are one.

    Parameters
    ----------
    boxes : smallest boxes for one share
    edges : float64 (n_eta + 1,), of the bins of abs(seed eta)
    lines : of `broken_lines`
    """
    if edges[0] > COVERED[0] or edges[-1] < COVERED[1]:
        return f"the bins reach from abs(eta) {edges[0]:g} to {edges[-1]:g} only, and windows are needed from 0 to 3"
    if (few := boxes.n < LEAST).any():
        return f"there are fewer than {LEAST} caloparticles at abs(eta) {_ranges(edges, few)}"
    missing = ~boxes.found
    if missing[0] or missing[-1] or _widest(edges, missing) > MAX_GAP:
        return f"no box surely contains it at abs(eta) {_ranges(edges, missing)}"
    if not lines:
        return "there are too few bins for so many --knots"
    for number, line in enumerate(lines):
        smallest = float(np.maximum(_distance(line.bound, boxes.bounds[number][boxes.found]), HALF_CRYSTAL).min())
        heights = np.maximum(_distance(line.bound, line.heights[1:-1]), HALF_CRYSTAL)  # beyond the ends there is no box
        if (low := heights < MIN_HEIGHT * smallest).any():
            place = int(np.flatnonzero(low)[0]) + 1
            return (
                f"the line of '{line.bound}' would be at {line.heights[place]:.3g} at abs(eta) {line.knots[place]:g},"
                f" and no box is smaller than {smallest:.3g}"
            )
    return None


def share_problem(boxes: Boxes, edges: Floats, inside: Integers, n: Integers) -> str | None:
    """Why fitted windows do not contain what their name says: None if they do.

    Parameters
    ----------
    boxes : smallest boxes for the share
    edges : float64 (n_eta + 1,), of the bins of abs(seed eta)
    inside : int64 (n_eta, BLOCKS), sums of shares in the fitted windows, in units of 1 / UNIT
    n : int64 (n_eta, BLOCKS), numbers of caloparticles
    """
    wanted = 1 - boxes.share
    total = float(inside.sum() / UNIT / n.sum())
    if 1 - total > MAX_OUTSIDE * wanted:
        return f"its windows would contain {100 * total:.4g} %"
    shares, errors = mean_shares(inside, n)
    far = boxes.found & (1 - shares > MAX_OUTSIDE_IN_BIN * wanted + 3 * np.nan_to_num(errors))
    if far.any():
        place = int(np.flatnonzero(far)[0])
        where = f"{edges[place]:g} to {edges[place + 1]:g}"
        return f"its windows would contain {100 * shares[place]:.4g} % at abs(eta) {where}"
    return None


def _distance(bound: str, values: Floats) -> Floats:
    """Distances of a bound from the seed, negative on the wrong side."""
    return -values if bound == "down" else values


def _runs(chosen: Flags) -> list[tuple[int, int]]:
    """First and last + 1 of each run of chosen bins."""
    steps = np.flatnonzero(np.diff(np.concatenate([[False], chosen, [False]]).astype(np.int8)))
    return list(zip(steps[::2].tolist(), steps[1::2].tolist(), strict=True))


def _widest(edges: Floats, chosen: Flags) -> float:
    return max((float(edges[last] - edges[first]) for first, last in _runs(chosen)), default=0.0)


def _ranges(edges: Floats, chosen: Flags) -> str:
    return ", ".join(f"{edges[first]:g} to {edges[last]:g}" for first, last in _runs(chosen))


def fitted_geometry(lines: Sequence[Line]) -> Geometry:
    """The lines as a geometry, with five digits. Bounds are at least half a crystal, so that they contain the seed."""
    pieces = {line.bound: _pieces(line) for line in lines}
    return Geometry(up=pieces["up"], down=pieces["down"], width=pieces["width"])


def _pieces(line: Line) -> tuple[Piece, ...]:
    """The straight pieces between neighbouring knots; the last one continues beyond abs(eta) 3."""
    is_down = line.bound == "down"
    heights = np.minimum(line.heights, -HALF_CRYSTAL) if is_down else np.maximum(line.heights, HALF_CRYSTAL)
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
