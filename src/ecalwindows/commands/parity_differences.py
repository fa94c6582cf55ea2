"""Differences between training and CMSSW that settings of a dataset and scalers show, and what cannot be said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from ecalwindows.commands.parity_inputs import Difference
from ecalwindows.commands.parity_sums import CUT, FROM_ZERO, SIGNED, Counts, Measured
from ecalwindows.studies.parity.forms import ABSOLUTE, FED, MEMBERS
from ecalwindows.studies.parity.scalers import Verdict

FEW_WINDOWS = 1000
"""With fewer there is a warning."""


def of_dataset(settings: Mapping[str, Any], counts: Counts) -> Iterator[Difference]:
    """Windows that are not those that CMSSW makes."""
    share = f"{counts.before:,} of {counts.clusters:,} clusters come before the seed in Et"
    mode = settings.get("mode")
    if mode not in (None, "cmssw") or counts.before:
        more = "" if mode != "non-overlapping" else "; seeds inside another window make no window"
        yield Difference(
            "membership", "dataset", (), f"{f'mode {mode}: ' if mode else ''}{share}{more}",
            "every seed makes a window, of itself and the clusters after it in Et", "made without --mode cmssw",
        )  # fmt: skip
    geometry = settings.get("geometry")
    if geometry not in (None, "v1") or counts.outside:
        name = f"geometry {geometry if isinstance(geometry, str) else 'of its own'}: " if geometry else ""
        yield Difference(
            "geometry", "dataset", (), f"{name}{counts.outside:,} of {counts.clusters:,} clusters are outside v1",
            "geometry v1; clusters of v1 that are not in the dataset cannot be counted", "made without --mode cmssw",
        )  # fmt: skip
    if settings.get("min_et_seed", 1.0) != 1.0 or counts.low_seeds:
        found = f"seeds from {settings.get('min_et_seed', 'an unknown')} GeV, {counts.low_seeds:,} of them up to 1 GeV"
        yield Difference("membership", "dataset", (), found, "seeds with a calibrated Et above 1 GeV")
    if settings.get("min_cluster_energy", 0.0) != 0.0:
        found = f"clusters from {settings['min_cluster_energy']} GeV"
        yield Difference("membership", "dataset", (), found, "all clusters with hits and an energy above 0")


def of_scalers(verdicts: list[Verdict]) -> Iterator[Difference]:
    """Scalers that do not fit, by reason: those of other forms first."""
    bad = [each for each in verdicts if not each.fits]
    rest = []
    for kind, form, fed in (("absolute", ABSOLUTE, SIGNED), ("zero", MEMBERS, FROM_ZERO)):
        mine = [each for each in bad if kind_of(each) == kind]
        if mine:
            reasons = "; ".join(dict.fromkeys(each.reason for each in mine))
            constant = [each.input.name for each in mine if each.is_always_zero]
            more = f"; {', '.join(constant)} is constant" if constant else ""
            names = tuple(each.input.stated for each in mine)
            yield Difference(kind, "windows", names, reasons, fed + more, f"trained on {form}")
    for each in bad:
        if kind_of(each) == "scaler":
            rest.append(each)
    by_reason: dict[tuple[str, str], list[Verdict]] = {}
    for each in rest:
        by_reason.setdefault((each.input.level, each.reason.partition(":")[0]), []).append(each)
    for (level, reason), each_of in by_reason.items():
        kind = "order" if reason.startswith("mean and width are those of") and each_of[0].likely is None else "scaler"
        names = tuple(each.input.stated for each in each_of)
        worst = max((max(map(abs, each.pulls)) for each in each_of if each.pulls), default=math.nan)
        found = "minimum and maximum do not fit" if math.isnan(worst) else f"off by up to {worst:,.0f} errors"
        yield Difference(kind, level, names, found, "mean and width of the dataset", reason)


def kind_of(each: Verdict) -> str:
    """Of a scaler that does not fit: what it shows."""
    if each.form == FED and each.input.level == "windows":
        if each.likely == ABSOLUTE:
            return "absolute"
        if each.likely == MEMBERS or each.is_always_zero:
            return "zero"
    return "scaler"


def warnings_of(measured: Measured, verdicts: list[Verdict]) -> Iterator[str]:
    """What cannot be said, or is no difference."""
    counts = measured.counts
    if counts.windows < FEW_WINDOWS:
        yield (
            f"the sample is small: {counts.windows:,} windows of {counts.events:,} events; deviations of less than "
            f"some {500 / math.sqrt(counts.windows):.0f} % of a width cannot be seen"
        )
    few = [each.input.stated for each in verdicts if each.pulls and each.statistics and each.statistics.is_uncertain]
    if few:
        yield f"a few events decide mean and width, so only large deviations can be seen: {', '.join(few)}"
    if none := [each.input.stated for each in verdicts if each.statistics is None and each.input.scaler != "None"]:
        yield f"not compared, as the dataset has no such column: {', '.join(none)}"
    if not counts.hits:
        yield "the dataset has no hits: nothing can be said of them"
    if 0 < counts.cut <= CUT * counts.clusters:
        yield f"{counts.cut:,} of {counts.clusters:,} clusters have no place among {measured.given.places}"
    if counts.hits_cut and counts.energy_cut <= CUT * counts.energy:
        yield f"{counts.hits_cut:,} of {counts.hits:,} hits have no place among {measured.given.hits}"
    constant = [
        each.input.name for each in verdicts
        if each.fits and each.form == FED and each.statistics and each.statistics.is_constant
    ]  # fmt: skip
    if constant:
        yield f"constant in CMSSW: {', '.join(constant)}"
