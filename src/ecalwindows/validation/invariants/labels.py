"""Truth labels and what goes with them (windows.md sections 4 to 6, 8 and 9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ecalwindows.core.arrays import Flags
from ecalwindows.core.schema import COLUMNS, SECOND_COLUMNS, SENTINEL
from ecalwindows.validation.invariants.seen import (
    SETTING,
    Invariant,
    Part,
    Seen,
    close,
    flags,
    follows,
    invariant,
    part,
)
from ecalwindows.windowing.derived import IDENTITY, INSIDE
from ecalwindows.windowing.kernels.features import joined_numbers

MATCHED = "is_seed_calo_matched"
TRUTH = tuple(name for name, column in COLUMNS.items() if "_true_" in name and column.level == "window")
FLAGS = ("is_calo_matched", "is_calo_matched_diffcalo", "is_calo_seed", "is_any_calo_seed")
MUSTACHE = ("en_mustache_raw", "et_mustache_raw", "en_mustache_calib", "et_mustache_calib", "in_mustache")


def _only_with(flag: str, *others: str) -> Part:
    """A cluster has the flag only if it has one of the others."""

    def holds(seen: Seen) -> Flags:
        return seen.all_of(~seen.of(flag) | np.any([seen.of(other) for other in others], axis=0))

    return part(holds, flag, *others)


def _unmatched(name: str, *values: Any) -> Part:
    """In an unmatched window the column (for all its clusters) has one of these values."""

    def holds(seen: Seen) -> Flags:
        right = np.isin(seen.of(name), values)
        return flags(np.logical_or(seen.of(MATCHED), seen.by_window(name, right)))

    return part(holds, MATCHED, name)


def _alone(seen: Seen) -> Flags:
    return flags(np.logical_or(seen.of(MATCHED), seen.all_of(seen.of("in_scluster") == seen.of("is_seed"))))


def _seed_has(flag: str, *, matched: bool) -> Part:
    """The seed has the flag (in matched windows only, or in all)."""

    def holds(seen: Seen) -> Flags:
        has_one, value = seen.at_seed(flag)
        needed = has_one & seen.of(MATCHED) if matched else has_one
        return flags(np.logical_or(value, ~needed))

    return part(holds, flag, "is_seed", *([MATCHED] if matched else []))


def _other_calo(seen: Seen) -> Flags:
    other, own = seen.of("other_calo_index"), seen.each("calo_index")
    return seen.all_of((other == -1) | ((other >= 0) & (other != own)))


def _main_cluster(seen: Seen) -> Flags:
    """The main cluster is the seed where the seed is it; no other cluster can be."""
    has_one, at_seed = seen.at_seed("is_calo_seed")
    others = seen.count(seen.of("is_calo_seed") & ~seen.of("is_seed"))
    return np.where(seen.of("is_seed_calo_seed"), others == 0, ~at_seed | ~has_one)


def _above(flag: str, score: str, setting: str) -> Part:
    """Where the flag is set the score is above the limit (an infinite one is stored as the sentinel)."""

    def holds(seen: Seen) -> Flags:
        value = seen.of(score)
        right = ~seen.of(flag) | (value > seen.settings[setting]) | (value == SENTINEL)
        right |= seen.is_rounded_to(score, seen.settings[setting])
        return seen.by_window(flag, right)

    return part(holds, flag, score, SETTING + setting)


def _fraction(seen: Seen) -> Flags:
    pileup, signal, ratio = seen.of("calo_simen_PU"), seen.of("calo_simen_sig"), seen.of("cluster_PUfrac")
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = np.where(signal == 0, SENTINEL, pileup / signal)
    right = np.where(seen.of("is_calo_matched"), close(ratio, expected), ratio == -1)
    unknown = (pileup == SENTINEL) | (signal == SENTINEL)
    without = (ratio == 0) & (pileup == 0)
    return seen.all_of(right | unknown) | seen.all_of(without)


def _within_limit(flag: str, *unless: str) -> Part:
    """A cluster with the flag passes the pile-up limit (the sentinel never does)."""

    def holds(seen: Seen) -> Flags:
        ratio = seen.of("cluster_PUfrac")
        passes = (ratio != SENTINEL) & (ratio < seen.settings["pu_limit"])
        passes |= seen.is_rounded_to("cluster_PUfrac", seen.settings["pu_limit"])
        return seen.all_of(np.any([~seen.of(flag), passes, *(seen.of(other) for other in unless)], axis=0))

    return part(holds, flag, *unless, "cluster_PUfrac", "setting pu_limit")


def _without(flag: str, name: str) -> Part:
    """Without a supercluster the column (for all clusters) is 0 or false."""

    def holds(seen: Seen) -> Flags:
        nothing = seen.by_window(name, seen.of(name) == 0)
        return flags(np.logical_or(seen.of(flag), nothing))

    return part(holds, name, flag)


def _fixed_flavour(seen: Seen) -> Flags:
    wanted, flavour = seen.settings["flavour"], seen.of("flavour")
    nothing = ~seen.of(MATCHED) & (flavour == 0)  # also with a fixed flavour: 0 is what TFRecord has there
    return flags(np.logical_or(nothing, (seen.of(MATCHED) & (flavour >= 0)) if wanted == "auto" else flavour == wanted))


def _kept(seen: Seen) -> Flags:
    keeps_others = seen.settings["maxnocalow"] > 0 or seen.settings.get("keep") == "all"
    return flags(np.logical_or(seen.of(MATCHED), keeps_others))


def _identity_text(seen: Seen) -> Flags:
    """The text ends in run, lumi, event and seed index; a text of another kind (random letters) says nothing."""
    numbers = np.stack([seen.batch.column(name).astype(np.int64) for name in IDENTITY], axis=1)
    ends, data = joined_numbers(np.zeros(0, np.uint8), np.ascontiguousarray(numbers))
    text, lengths = seen.batch.window_index, np.diff(ends)
    shift = text.offsets[1:] - ends[1:]  # from a place in the numbers to that in the text
    row = np.repeat(np.arange(len(text)), lengths)
    fits = np.diff(text.offsets) >= lengths
    place = np.where(fits[row], np.arange(len(data)) + shift[row], 0)
    wrong = np.bincount(row[data != text.data[place]], minlength=len(text)) > 0
    before = np.maximum(text.offsets[1:] - lengths - 1, 0)
    begins = (np.diff(text.offsets) == lengths) | (text.data[before] == ord("_"))
    underscores = np.add.reduceat(np.append(text.data == ord("_"), False).astype(np.int64), text.offsets[:-1])
    return flags(np.logical_or(fits & ~wrong & begins, underscores < 3))


LABELS: tuple[Invariant, ...] = (
    invariant(
        "matched window", "is_seed_calo_matched goes with a calo_index; only then can the seed be the main cluster",
        *follows("matched window"),
        part(lambda seen: seen.of("calo_index") >= -1, "calo_index"),
        part(lambda seen: ~seen.of("is_seed_calo_seed") | seen.of(MATCHED), MATCHED, "is_seed_calo_seed"),
    ),
    invariant(
        "unmatched labels", "without a caloparticle there are no calo labels, and only the seed is in_scluster",
        *(_unmatched(name, False) for name in FLAGS), _unmatched("other_calo_index", -1),
        part(_alone, MATCHED, "in_scluster", "is_seed"),
    ),
    invariant(
        "unmatched truth", "without a caloparticle truth values are 0 and PU fractions -1 (0 without pile-up)",
        *(_unmatched(name, 0) for name in (*TRUTH, "seed_simen_sig", "calo_simen_sig", "nclusters_insc")),
        *(_unmatched(name, -1) for name in INSIDE),
        *(_unmatched(name, -1, 0) for name in ("seed_PUfrac", "cluster_PUfrac")),
    ),
    invariant(
        "matched seed", "the seed is in_scluster, and in a matched window is_calo_matched",
        _seed_has("in_scluster", matched=False), _seed_has("is_calo_matched", matched=True),
    ),
    invariant(
        "in_scluster", "only the seed and is_calo_matched clusters are in_scluster",
        _only_with("in_scluster", "is_seed", "is_calo_matched"),
    ),
    invariant(
        "one caloparticle", "is_calo_matched and is_calo_matched_diffcalo exclude each other",
        part(lambda seen: seen.all_of(~(seen.of(FLAGS[0]) & seen.of(FLAGS[1]))), *FLAGS[:2]),
    ),
    invariant(
        "calo seed",
        "at most one is_calo_seed: matched, the seed if is_seed_calo_seed; is_any_calo_seed are it and other main ones",
        part(lambda seen: seen.count(seen.of("is_calo_seed")) <= 1, "is_calo_seed"),
        _only_with("is_calo_seed", "is_calo_matched"),
        part(_main_cluster, "is_calo_seed", "is_seed", "is_seed_calo_seed"), *follows("calo seed"),
    ),
    invariant(
        "other caloparticle", "other_calo_index goes only with is_calo_matched_diffcalo, and is not the window's",
        part(lambda seen: seen.all_of((seen.of("other_calo_index") < 0) | seen.of(FLAGS[1])),
             "other_calo_index", FLAGS[1]),
        part(_other_calo, "other_calo_index", "calo_index"),
    ),
    invariant(
        "scores", "what is matched has a score above the limit",
        *(_above(flag, "calo_score", "min_cluster_score") for flag in FLAGS[:2]),
        _above(MATCHED, "seed_score", "min_seed_score"),
    ),
    invariant(
        "simulated energy", "calo_simen_sig is 0 unless is_calo_matched",
        part(lambda seen: seen.all_of(seen.of(FLAGS[0]) | (seen.of("calo_simen_sig") == 0)),
             FLAGS[0], "calo_simen_sig"),
    ),
    invariant(
        "PU fraction", "cluster_PUfrac is pile-up over signal if is_calo_matched, else -1; 0 without pile-up",
        part(_fraction, "calo_simen_PU", "calo_simen_sig", "cluster_PUfrac", "is_calo_matched"),
    ),
    invariant(
        "PU limit", "in_scluster (but for the seed) and is_calo_seed clusters pass the pile-up limit",
        _within_limit("in_scluster", "is_seed"), _within_limit("is_calo_seed"),
    ),
    invariant(
        "nclusters_insc", "nclusters_insc is the number of in_scluster clusters, 0 if unmatched",
        *follows("nclusters_insc"),
    ),
    invariant(
        "extremes insc", "max_*_insc are the largest of the in_scluster clusters, -1 if unmatched",
        *follows("extremes insc"),
    ),
    invariant(
        "mustache", "without a supercluster its index is -1, its energies are 0 and no cluster is in it",
        *follows("mustache"), *(_without("is_seed_mustache_matched", name) for name in MUSTACHE),
        *(
            _without(f"has_{name}", column.name)
            for name, columns in SECOND_COLUMNS.items() for column in columns if column.name != f"has_{name}"
        ),
    ),
    invariant(
        "geometric mustache", "in_geom_mustache follows from raw energies and positions",
        *follows("geometric mustache"),
    ),
    invariant(
        "flavour", "the flavour is that of the settings, 0 in unmatched windows if auto",
        part(_fixed_flavour, "flavour", MATCHED, "setting flavour"),
    ),
    invariant(
        "selection", "with maxnocalow 0 every window is matched, unless keep is all",
        part(_kept, MATCHED, "setting maxnocalow"),
    ),
    invariant(
        "identity", "window_index names run, lumi, event and seed_index",
        part(_identity_text, "window_index", *IDENTITY),
    ),
)  # fmt: skip
