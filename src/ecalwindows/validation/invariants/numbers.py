"""Numbers that follow from others: Et, logarithms, sums and extremes; and what stands where there is no number."""

from __future__ import annotations

import numpy as np

from ecalwindows.core.schema import COLUMNS, SENTINEL
from ecalwindows.validation.invariants.seen import (
    TOLERANCE,
    Flags,
    Invariant,
    Part,
    Seen,
    close,
    flags,
    invariant,
    part,
)
from ecalwindows.windowing.kernels import features as arithmetic

LOGS = tuple(name for name in COLUMNS if name.endswith("_log"))
SOURCES = {"den_cluster": "cluster_den_seed", "det_cluster": "cluster_det_seed", "deta_cluster": "cluster_deta",
           "dphi_cluster": "cluster_dphi", "en_cluster": "en_cluster", "et_cluster": "et_cluster"}  # fmt: skip
"""What is summarised, and the column it is of (deta and dphi: absolute)."""

SUMS = {"wtot_simen_PU": "calo_simen_PU", "wtot_recoen_PU": "calo_recoen_PU", "wtot_simen_sig": "calo_simen_sig"}
TRANSVERSE = (
    ("et_cluster", "en_cluster", "cluster_eta"), ("et_cluster_calib", "en_cluster_calib", "cluster_eta"),
    ("et_seed", "en_seed", "seed_eta"), ("et_seed_calib", "en_seed_calib", "seed_eta"),
    ("et_true_sim", "en_true_sim", "gen_true_eta"), ("et_true_gen", "en_true_gen", "gen_true_eta"),
    ("et_true_sim_good", "en_true_sim_good", "gen_true_eta"),
)  # fmt: skip

FILLS = np.array([-99.0, -9999.0, -99999.0, -999999.0, *np.finfo(np.float32).max * np.array([-1.0, 1.0])])
"""What other programs put where there is no number."""


def by_window(seen: Seen, name: str, flags: Flags) -> Flags:
    """Flags of a column, of its windows or its clusters, as flags of windows."""
    return flags if COLUMNS[name].level == "window" else seen.all_of(flags)


def _transverse(et: str, en: str, eta: str) -> Part:
    def holds(seen: Seen) -> Flags:
        energy, at = seen.of(en), seen.of(eta)
        known = (energy != SENTINEL) & (at != SENTINEL)
        return by_window(seen, et, close(seen.of(et), arithmetic.transverse(energy, at)) | ~known)

    return part((et, en, eta), holds)


def _log(name: str) -> Part:
    def holds(seen: Seen) -> Flags:
        x = seen.of(name.removesuffix("_log"))
        unsure = (np.abs(1.0 + x) <= TOLERANCE * np.abs(x)) | (x == SENTINEL)  # x was rounded when it was stored
        slope = np.abs(x) / np.where(unsure, 1.0, np.abs(1.0 + x))
        right = close(seen.of(name), arithmetic.log_one_plus(x), 1.0 + slope)
        return by_window(seen, name, right | unsure)

    return part((name, name.removesuffix("_log")), holds)


def values_of(seen: Seen, source: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The column that is summarised: deta and dphi absolute, the sentinel as it is."""
    values = seen.of(source)
    is_size = source in ("cluster_deta", "cluster_dphi")
    return np.where(values == SENTINEL, values, np.abs(values)) if is_size else values


def _summary(how: str, name: str) -> Part:
    def holds(seen: Seen) -> Flags:
        values = values_of(seen, SOURCES[name])
        high, low, total = seen.summaries(values)
        number = np.maximum(np.diff(seen.offsets), 1)
        expected = {"max": high, "min": low, "mean": total / number}[how]
        scale = np.where(how == "mean", np.nan_to_num(seen.summaries(np.abs(values))[0]), 0.0)
        return flags(np.logical_or(close(seen.of(f"{how}_{name}"), expected, scale), np.isnan(total)))

    return part((f"{how}_{name}", SOURCES[name]), holds)


def _sum(name: str) -> Part:
    def holds(seen: Seen) -> Flags:
        values = seen.of(SUMS[name])
        total = seen.summaries(values)[2]
        scale = np.nan_to_num(seen.summaries(np.where(values == SENTINEL, values, np.abs(values)))[2])
        return flags(np.logical_or(close(seen.of(name), total, scale), np.isnan(total)))

    return part((name, SUMS[name]), holds)


def _no_fill(name: str) -> Part:
    """No other program's stand-in; integers always have a number."""

    fills = FILLS[1:] if "_den_" in name or "_det_" in name else FILLS  # a difference may well be -99 GeV
    fills = fills if COLUMNS[name].dtype.startswith("float") else np.array([SENTINEL])

    def holds(seen: Seen) -> Flags:
        return by_window(seen, name, ~np.isin(seen.of(name), fills))

    return part({name}, holds)


NUMBERS: tuple[Invariant, ...] = (
    invariant("transverse", "Et is energy / cosh(eta)", *(_transverse(*names) for names in TRANSVERSE)),
    invariant("logs", "x_log is log(1 + x), -999 where 1 + x is not above 0", *(_log(name) for name in LOGS)),
    invariant(
        "ncls", "ncls is the number of clusters",
        part({"ncls"}, lambda seen: seen.of("ncls") == np.diff(seen.offsets)),
    ),
    invariant("maxima", "max_* are the largest over the clusters", *(_summary("max", name) for name in SOURCES)),
    invariant("minima", "min_* are the smallest over the clusters", *(_summary("min", name) for name in SOURCES)),
    invariant("means", "mean_* are the means over the clusters", *(_summary("mean", name) for name in SOURCES)),
    invariant("sums", "wtot_* are the sums over the clusters", *(_sum(name) for name in SUMS)),
    invariant(
        "sentinel", "-999 alone stands where there is no number, and never among integers",
        *(_no_fill(name) for name, column in COLUMNS.items() if column.dtype not in ("str", "bool", "int64")),
    ),
)  # fmt: skip
