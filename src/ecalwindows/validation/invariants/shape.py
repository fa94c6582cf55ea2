"""Seeds, positions and order: what windows.md says in its sections 3 to 5; and numbers that follow from others."""

from __future__ import annotations

import numpy as np

from ecalwindows.core.arrays import Flags
from ecalwindows.core.schema import COLUMNS, SENTINEL
from ecalwindows.validation.invariants.seen import Holds, Invariant, Part, Seen, flags, follows, invariant, part
from ecalwindows.windowing.derived import ROUNDED, RULES
from ecalwindows.windowing.kernels import features as arithmetic
from ecalwindows.windowing.kernels.windows import wrapped_differences


def _inside(seen: Seen) -> Flags:
    up, down, width = seen.geometry.bounds(seen.of("seed_eta")).astype(np.float32)[:, seen.window]
    deta, dphi = seen.batch.column("cluster_deta"), np.abs(seen.batch.column("cluster_dphi"))
    inside = (down <= deta) & (deta <= up) & (dphi <= width)
    return seen.all_of(inside | seen.of("is_seed"))  # for an impossible eta the bounds may leave nothing but the seed


def _dphi(seen: Seen) -> Flags:
    expected, stored = RULES["cluster_dphi"][0].values(seen.values), seen.values["cluster_dphi"]
    apart = np.abs(wrapped_differences(stored, expected))
    return seen.all_of((apart <= ROUNDED * np.pi) | (np.isnan(stored) & np.isnan(expected)))


def _order(seen: Seen) -> Flags:
    et = seen.of("et_cluster_calib")
    rises = np.zeros(len(et), dtype=np.bool_)
    rises[1:] = (et[1:] > et[:-1]) & (seen.window[1:] == seen.window[:-1]) & (et[:-1] != SENTINEL)
    return seen.all_of(~rises)


def _once(seen: Seen) -> Flags:
    index = seen.batch.column("cl_index").astype(np.int64)
    order = np.lexsort((index, seen.window))
    again = np.zeros(len(index), dtype=np.bool_)
    again[order[1:]] = (index[order[1:]] == index[order[:-1]]) & (seen.window[order[1:]] == seen.window[order[:-1]])
    return seen.all_of(~again & (index >= 0))


def _in_mode_cmssw(holds: Holds, *needs: str) -> Part:
    """A part for windows of mode cmssw; it holds for all others."""

    def holds_in_mode(seen: Seen) -> Flags:
        return holds(seen) if seen.settings["mode"] == "cmssw" else np.ones(len(seen.batch), dtype=np.bool_)

    return part(holds_in_mode, "is_seed", "setting mode", *needs)


def _seed_first(seen: Seen) -> Flags:
    is_first = np.zeros(len(seen.window), dtype=np.bool_)
    is_first[seen.offsets[:-1][np.diff(seen.offsets) > 0]] = True
    return seen.all_of(~seen.of("is_seed") | is_first)


def _not_above(seen: Seen) -> Flags:
    et, of_seed = seen.of("et_cluster_calib"), seen.each("et_seed_calib")
    return seen.all_of(seen.of("is_seed") | (et <= of_seed) | (et == SENTINEL) | (of_seed == SENTINEL))


def _after_seed(seen: Seen) -> Flags:
    """Exact, from energies and etas, which are stored as they are in the dump."""
    energy, of_seed = seen.of("en_cluster_calib"), seen.of("en_seed_calib")
    et = arithmetic.transverse(energy, seen.of("cluster_eta"))
    seed_et = arithmetic.transverse(of_seed, seen.of("seed_eta"))[seen.window]
    after = (et < seed_et) | ((et == seed_et) & (seen.of("cl_index") > seen.each("seed_index")))
    return seen.all_of(seen.of("is_seed") | after | (energy == SENTINEL) | (of_seed[seen.window] == SENTINEL))


def _with_energy(seen: Seen) -> Flags:
    energy = seen.of("en_cluster_calib")
    return seen.all_of((energy > seen.settings["min_cluster_energy"]) | (energy == SENTINEL))


def _hard_seed(seen: Seen) -> Flags:
    et = seen.batch.column("et_seed_calib")
    return flags((et >= np.float32(seen.settings["min_et_seed"])) | (et == SENTINEL))  # infinite in the dump


SHAPE: tuple[Invariant, ...] = (
    invariant(
        "one seed", "exactly one cluster of a window is its seed",
        part(lambda seen: seen.count(seen.of("is_seed")) == 1, "is_seed"),
    ),
    invariant("seed columns", "the seed's columns are those of its cluster", *follows("seed columns")),
    invariant(
        "inside", "every cluster is in the window around the seed",
        part(_inside, "seed_eta", "cluster_deta", "cluster_dphi", "is_seed", "setting geometry"),
    ),
    invariant(
        "same iz", "every cluster is in the part of the detector that the seed is in",
        part(lambda seen: seen.all_of(np.isin(seen.of("cluster_iz"), (-1, 0, 1))), "cluster_iz"),
        part(lambda seen: seen.all_of(seen.of("cluster_iz") == seen.each("seed_iz")), "cluster_iz", "seed_iz"),
    ),
    invariant(
        "differences", "deta, dphi, den and det are those of seed and cluster",
        *follows("differences"), part(_dphi, "cluster_dphi", "seed_phi", "cluster_phi"),
    ),
    invariant("order", "clusters are in the order of decreasing calibrated Et", part(_order, "et_cluster_calib")),
    invariant(
        "after the seed", "in mode cmssw the seed is first; the others come after it in Et and have energy",
        _in_mode_cmssw(_seed_first),
        _in_mode_cmssw(_not_above, "et_cluster_calib", "et_seed_calib"),
        _in_mode_cmssw(
            _after_seed, "en_cluster_calib", "cluster_eta", "en_seed_calib", "seed_eta", "cl_index", "seed_index"
        ),
        _in_mode_cmssw(_with_energy, "en_cluster_calib", "setting min_cluster_energy"),
    ),
    invariant("each cluster once", "no cluster is twice in a window", part(_once, "cl_index")),
    invariant(
        "seed Et", "the calibrated Et of the seed is at least that of a seed",
        part(_hard_seed, "et_seed_calib", "setting min_et_seed"),
    ),
)  # fmt: skip


FILLS = np.array([-99.0, -9999.0, -99999.0, -999999.0, *np.finfo(np.float32).max * np.array([-1.0, 1.0])])
"""What other programs write where there is no number."""


def _no_fill(name: str) -> Part:
    """No value that other programs write where there is no number; integers always have a number."""

    fills = FILLS[1:] if "_den_" in name or "_det_" in name else FILLS  # a difference may well be -99 GeV
    fills = fills if COLUMNS[name].dtype.startswith("float") else np.array([SENTINEL])

    def holds(seen: Seen) -> Flags:
        return seen.by_window(name, ~np.isin(seen.of(name), fills))

    return part(holds, name)


NUMBERS: tuple[Invariant, ...] = (
    invariant("transverse", "Et is energy / cosh(eta)", *follows("transverse")),
    invariant("logs", "x_log is log(1 + x), -999 where 1 + x is not above 0", *follows("logs")),
    invariant("ncls", "ncls is the number of clusters", *follows("ncls")),
    invariant("maxima", "max_* are the largest over the clusters", *follows("maxima")),
    invariant("minima", "min_* are the smallest over the clusters", *follows("minima")),
    invariant("means", "mean_* are the means over the clusters", *follows("means")),
    invariant("sums", "wtot_* are the sums over the clusters", *follows("sums")),
    invariant(
        "sentinel", "-999 alone is written where there is no number, and never among integers",
        *(_no_fill(name) for name, column in COLUMNS.items() if column.dtype not in ("str", "bool", "int64")),
    ),
)  # fmt: skip
