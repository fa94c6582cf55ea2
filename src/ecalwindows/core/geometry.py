"""Shapes of windows (windows.md section 3): how far a window reaches from its seed, as functions of abs(seed eta).

v3 and v2: DeepSC productions of Run 3; v1: ACAT 2021. A shape of the user's own is a mapping in the settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from ecalwindows.core.arrays import Floats
from ecalwindows.core.setting_types import Float as Finite
from ecalwindows.core.setting_types import Frozen

BARREL_END = 1.479
"""abs(eta) where the barrel of the calorimeter ends and the endcaps begin (CMS, JINST 3 (2008) S08004)."""
CRACK = (1.4442, 1.566)
"""The part of abs(eta) between both that analyses with electrons and photons leave out."""


class Piece(Frozen):
    """A polynomial on a range of a = abs(seed eta): c0 + c1 d + c2 d^2 + ... with d = a - origin."""

    below: Finite | None = Field(None, description="The piece holds for a < below; the last piece has none.")
    inclusive: bool = Field(False, description="The piece holds for a = below too.")
    origin: Finite = Field(0.0, description="Where d is 0.")
    coefficients: Annotated[tuple[Finite, ...], Field(min_length=1)] = Field(description="c0, c1, ...")

    def value(self, a: Floats) -> Floats:
        """The polynomial at `a`, term by term from the left (the order decides the last bit)."""
        d = a - self.origin
        total, power = np.full_like(d, self.coefficients[0]), d
        for coefficient in self.coefficients[1:]:
            total = total + coefficient * power
            power = power * d
        return total


class Geometry(Frozen):
    """Bounds of a window: down <= deta <= up and abs(dphi) <= width, each piecewise polynomial in abs(seed eta)."""

    up: Annotated[tuple[Piece, ...], Field(min_length=1)] = Field(description="Largest deta (away from eta 0).")
    down: Annotated[tuple[Piece, ...], Field(min_length=1)] = Field(description="Smallest deta, negative.")
    width: Annotated[tuple[Piece, ...], Field(min_length=1)] = Field(description="Largest abs(dphi) in rad.")

    @model_validator(mode="after")
    def _pieces_in_order(self) -> Geometry:
        for pieces in (self.up, self.down, self.width):
            edges = [piece.below for piece in pieces]
            if edges[-1] is not None or None in edges[:-1]:
                raise ValueError("every piece but the last needs `below`, the last has none")
            if any(left >= right for left, right in pairwise(edges[:-1])):  # type: ignore[operator]
                raise ValueError("the pieces must be ordered by increasing `below`")
        return self

    def bounds(self, seed_eta: Floats) -> Floats:
        """Up, down and width for each seed. Shape (3, n). Only + and x: the same bits on every machine."""
        a = np.abs(seed_eta)
        return np.stack([_evaluate(pieces, a) for pieces in (self.up, self.down, self.width)])


def _evaluate(pieces: Sequence[Piece], a: Floats) -> Floats:
    value = np.full_like(a, np.nan)
    free = ~np.isnan(a)
    for piece in pieces:
        if piece.below is None:
            here = free
        else:
            here = free & ((a <= piece.below) if piece.inclusive else (a < piece.below))
        value[here] = piece.value(a[here])
        free = free & ~here
    return value


def _piece(*coefficients: float, below: float | None = None, origin: float = 0.0, inclusive: bool = False) -> Piece:
    return Piece(below=below, inclusive=inclusive, origin=origin, coefficients=coefficients)


_SLOPE = 0.1 / 1.5
_UP_V3 = (_piece(0.1, _SLOPE, below=1.5, inclusive=True), _piece(0.2, _SLOPE, origin=1.5))
_WIDTH_V3 = (_piece(0.7, -(0.1 / 3)),)

GEOMETRIES: dict[str, Geometry] = {
    "v3": Geometry(
        up=_UP_V3,
        down=(_piece(-0.1, below=1.5, inclusive=True), _piece(-0.1, -(0.2 / 1.5), origin=1.5)),
        width=_WIDTH_V3,
    ),
    "v2": Geometry(
        up=_UP_V3,
        down=(_piece(-0.1, below=1.5, inclusive=True), _piece(-0.1, -_SLOPE, origin=1.5)),
        width=_WIDTH_V3,
    ),
    "v1": Geometry(
        up=(
            _piece(0.075, below=0.1),
            _piece(0.0758929, -0.0178571, 0.0892857, below=1.3),
            _piece(0.2, below=1.7),
            _piece(0.625, -0.25, below=1.9),
            _piece(0.15),
        ),
        down=(_piece(-0.075, below=2.1), _piece(0.31875, -0.1875, below=2.5), _piece(-0.15)),
        width=(_piece(0.6, below=1.9), _piece(1.075, -0.25, below=2.7), _piece(0.4)),
    ),
}
"""The named geometries."""


def _in_single_precision(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    return tuple(
        piece if piece.below is None else piece.model_copy(update={"below": float(np.float32(piece.below))})
        for piece in pieces
    )


CMSSW_V1 = Geometry(**{side: _in_single_precision(getattr(GEOMETRIES["v1"], side)) for side in Geometry.model_fields})
"""v1 as CMSSW compares it: the edges in single precision (2.1f), all else in double precision."""

GeometryName = Literal["v1", "v2", "v3"]


def geometry_of(geometry: Any, mode: str | None = None) -> Geometry:
    """A `Geometry` from its name or from itself; v1 in mode cmssw is `CMSSW_V1`."""
    if isinstance(geometry, Geometry):
        return geometry
    return CMSSW_V1 if (geometry, mode) == ("v1", "cmssw") else GEOMETRIES[geometry]
