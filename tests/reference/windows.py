"""Geometry, seeds, clusters of windows, selection of windows, counts (docs/windows.md)."""

import math
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

Geometry = str | Mapping[str, Sequence[Mapping[str, Any]]]
Item = TypeVar("Item")
MASK = 2**64 - 1


class Point(NamedTuple):
    """A direction and its part of the detector (iz: 0 barrel, -1 and +1 endcaps)."""

    eta: float
    phi: float
    iz: int

    def is_finite(self) -> bool:
        """Whether eta and phi are numbers: a candidate without a position makes no window."""
        return math.isfinite(self.eta) and math.isfinite(self.phi)


class Bounds(NamedTuple):
    """The edges of a window: down <= deta <= up and |dphi| <= width."""

    up: float
    down: float
    width: float


def transverse(energy: float, eta: float) -> float:
    """Energy over cosh(eta)."""
    try:
        return energy / math.cosh(eta)
    except OverflowError:
        return energy / math.inf


# Geometry


def bounds_v3(a: float) -> Bounds:
    """The shape v3 of Run 3 productions."""
    up = 0.1 + (0.1 / 1.5) * a if a <= 1.5 else 0.2 + (0.1 / 1.5) * (a - 1.5)
    down = -0.1 if a <= 1.5 else -0.1 - (0.2 / 1.5) * (a - 1.5)
    return Bounds(up, down, 0.7 - (0.1 / 3) * a)


def bounds_v2(a: float) -> Bounds:
    """The shape v2: like v3, with another lower edge in the endcaps."""
    down = -0.1 if a <= 1.5 else -0.1 - (0.1 / 1.5) * (a - 1.5)
    return bounds_v3(a)._replace(down=down)


def bounds_v1(a: float) -> Bounds:
    """The shape v1 of ACAT 2021."""
    if a < 0.1:
        up = 0.075
    elif a < 1.3:
        up = 0.0758929 - 0.0178571 * a + 0.0892857 * (a * a)
    elif a < 1.7:
        up = 0.2
    elif a < 1.9:
        up = 0.625 - 0.25 * a
    else:
        up = 0.15
    if a < 2.1:
        down = -0.075
    elif a < 2.5:
        down = 0.31875 - 0.1875 * a
    else:
        down = -0.15
    if a < 1.9:
        width = 0.6
    elif a < 2.7:
        width = 1.075 - 0.25 * a
    else:
        width = 0.4
    return Bounds(up, down, width)


def single(number: float) -> float:
    """A number in single precision."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


def bounds_cmssw(a: float) -> Bounds:
    """The shape of CMS's reconstruction: v1 with the edges in single precision (2.1f)."""
    up = 0.15
    if a < single(0.1):
        up = 0.075
    elif a < single(1.3):
        up = 0.0758929 - 0.0178571 * a + 0.0892857 * (a * a)
    elif a < single(1.7):
        up = 0.2
    elif a < single(1.9):
        up = 0.625 - 0.25 * a
    down = -0.15
    if a < single(2.1):
        down = -0.075
    elif a < single(2.5):
        down = 0.31875 - 0.1875 * a
    width = 0.4
    if a < single(1.9):
        width = 0.6
    elif a < single(2.7):
        width = 1.075 - 0.25 * a
    return Bounds(up, down, width)


def piece_value(piece: Mapping[str, Any], a: float) -> float:
    """c0 + c1 d + c2 (d d) + ..., with d = a - origin, added from left to right."""
    d: float = a - piece.get("origin", 0.0)
    value: float = piece["coefficients"][0]
    power = 1.0
    for coefficient in piece["coefficients"][1:]:
        power = power * d
        value = value + coefficient * power
    return value


def piecewise(pieces: Sequence[Mapping[str, Any]], a: float) -> float:
    """The value of the first piece that contains `a`."""
    for piece in pieces:
        below = piece.get("below")
        if below is None or a < below or (piece.get("inclusive", False) and a == below):
            return piece_value(piece, a)
    raise ValueError(f"no piece holds {a}")


def bounds(geometry: Geometry, eta_seed: float) -> Bounds:
    """The edges of the window of a seed."""
    a = abs(eta_seed)
    if isinstance(geometry, str):
        return {"v1": bounds_v1, "v2": bounds_v2, "v3": bounds_v3, "cmssw": bounds_cmssw}[geometry](a)
    return Bounds(*(piecewise(geometry[side], a) for side in ("up", "down", "width")))


def delta_eta(seed: Point, point: Point) -> float:
    """(eta - eta_s) * sign(eta_s), with sign(0) = sign(-0) = +1; +0 for the seed itself."""
    return seed.eta - point.eta if seed.eta < 0 else point.eta - seed.eta


def delta_phi(seed: Point, point: Point) -> float:
    """phi of the seed minus phi of the point, wrapped into [-pi, pi]."""
    difference = seed.phi - point.phi
    if not math.isfinite(difference) or abs(difference) <= math.pi:
        return difference
    return math.remainder(difference, 2 * math.pi)


def inside(geometry: Geometry, seed: Point, point: Point) -> bool:
    """Whether the point is inside the window of the seed."""
    if point.iz != seed.iz:
        return False
    edge = bounds(geometry, seed.eta)
    in_eta = edge.down <= delta_eta(seed, point) <= edge.up
    return in_eta and abs(delta_phi(seed, point)) <= edge.width


# Seeds and members


def by_decreasing_et(indices: Sequence[int], et: Sequence[float]) -> list[int]:
    """Indices by decreasing Et, NaN last, the lower index first if equal."""
    return sorted(indices, key=lambda i: (math.isnan(et[i]), 0.0 if math.isnan(et[i]) else -et[i], i))


def candidates(et: Sequence[float], min_et_seed: float) -> list[int]:
    """The clusters that can be seeds, in their order."""
    return by_decreasing_et([i for i in range(len(et)) if et[i] >= min_et_seed], et)


def seeds(
    points: Sequence[Point], et: Sequence[float], min_et_seed: float, geometry: Geometry, overlap: bool
) -> tuple[list[int], int]:
    """The seeds in order, and the number of candidates inside an earlier window."""
    made: list[int] = []
    n_in_other_window = 0
    for candidate in candidates(et, min_et_seed):
        point = points[candidate]
        if not point.is_finite():
            continue
        if not overlap and any(inside(geometry, points[seed], point) for seed in made):
            n_in_other_window += 1
            continue
        made.append(candidate)
    return made, n_in_other_window


def members(seed: int, points: Sequence[Point], et: Sequence[float], geometry: Geometry) -> list[int]:
    """The clusters of a window by decreasing Et, with the seed in any case."""
    inside_window = [i for i in range(len(points)) if i == seed or inside(geometry, points[seed], points[i])]
    return by_decreasing_et(inside_window, et)


# Windows of CMS's reconstruction (section 1 of its description: lists, seeds, windows)


def reconstruction_list(
    points: Sequence[Point],
    energy: Sequence[float],
    et: Sequence[float],
    n_hits: Sequence[int],
    in_barrel: bool,
    min_energy: float,
    min_et_seed: float,
) -> tuple[list[int], int]:
    """Clusters of the barrel or of both endcaps in the order of the reconstruction; so many first ones can be seeds."""
    usable = [
        i for i, point in enumerate(points) if (point.iz == 0) == in_barrel and n_hits[i] and energy[i] > min_energy
    ]
    ordered = by_decreasing_et(usable, et)
    front = [i for i in ordered if et[i] > min_et_seed]
    return front + [i for i in ordered if i not in front], len(front)


def reconstruction_windows(
    points: Sequence[Point],
    energy: Sequence[float],
    et: Sequence[float],
    n_hits: Sequence[int],
    geometry: Geometry,
    min_energy: float,
    min_et_seed: float,
) -> dict[int, list[int]]:
    """Each seed with its window: the seed, then the clusters after it in its list that are inside."""
    windows = {}
    for in_barrel in (True, False):
        listed, n_seeds = reconstruction_list(points, energy, et, n_hits, in_barrel, min_energy, min_et_seed)
        for place, seed in enumerate(listed[:n_seeds]):
            if points[seed].is_finite():
                after = listed[place + 1 :]
                windows[seed] = [seed, *(i for i in after if inside(geometry, points[seed], points[i]))]
    return windows


# Which windows are kept


def splitmix64(x: int) -> int:
    """One step of the SplitMix64 generator."""
    x = (x + 0x9E3779B97F4A7C15) & MASK
    z = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draw_key(draw_seed: int, run: int, lumi: int, event: int, seed_index: int) -> int:
    """The key of an unmatched window; the windows with the smallest keys are chosen."""
    h = splitmix64(draw_seed & MASK)
    for value in (run, lumi, event, seed_index):
        h = splitmix64(h ^ (value & MASK))
    return h


def kept(matched: Sequence[bool], keys: Sequence[int], seed_indices: Sequence[int], maxnocalow: int) -> list[int]:
    """Indices of the selected windows of an event; the windows are in the order of decreasing seed Et."""
    good = [w for w in range(len(matched)) if matched[w]]
    bad = [w for w in range(len(matched)) if not matched[w]]
    if maxnocalow == 0:
        return good
    if len(bad) <= len(good):
        return sorted(good + bad)
    highest, others = bad[: len(good)], bad[len(good) :]
    n_drawn = min(maxnocalow, len(bad) - len(good))
    drawn = sorted(others, key=lambda w: (keys[w], seed_indices[w]))[:n_drawn]
    return sorted(good + highest + drawn)


def counts(matched: Sequence[bool], bad_position: Sequence[bool], n_in_other_window: int) -> dict[str, int]:
    """The counts of an event, over all of its windows before the selection."""
    return {
        "n_windows_matched": sum(matched),
        "n_windows_nomatched": len(matched) - sum(matched),
        "n_seeds_good": sum(matched),
        "n_seeds_bad_calo_position": sum(bad_position),
        "n_seeds_in_other_window": n_in_other_window,
    }
