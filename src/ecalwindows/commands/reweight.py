"""The driver of `ecalwindows reweight`: datasets to a file of weights, tables, and figures drawn from them."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.files.output import check_output, holds, outputs_together, written_atomically
from ecalwindows.core.progress import Progress
from ecalwindows.studies.reweighting.bins import Choice, chosen_bins
from ecalwindows.studies.reweighting.closure import Closure, closure_tests
from ecalwindows.studies.reweighting.fit import REPORTED, Fit, fitted
from ecalwindows.studies.reweighting.samples import NAMES, Sample, halves
from ecalwindows.studies.reweighting.tables import reweighting_tables
from ecalwindows.studies.reweighting.weights_json import largest_weight, weights_json
from ecalwindows.studies.tables import Columns as Table
from ecalwindows.studies.tables import check_study, write_columns

log = logging.getLogger(__name__)


FIGURES = ("et_eta_electrons", "et_eta_photons", "ncls_eta", "ncls", "weights")
"""Names of the figures, without suffix."""

DESCRIPTION = "Weights of windows for training, derived by ecalwindows reweight"
"""What the file of weights says of itself."""

STATE_FLAVOURS = (
    "add a dataset, or state the flavour of one: `ecalwindows windows` and `convert` have --flavour 11 and 22"
)


@dataclass(frozen=True)
class Options:
    """How weights are derived.

    et, eta, ncls : numbers of bins, or their edges; quantiles : numbers mean bins of equal contents in Et and eta
    flat : what the same in all bins means: "density" per GeV and unit of eta, or "bins" windows a bin
    least : windows of a bin in ncls, fewer are merged with the next; fewer in Et - eta are reported
    cap : no weight of a correction above this
    """

    et: Choice = 10
    eta: Choice = 10
    ncls: Choice = 12
    quantiles: bool = False
    flat: Literal["density", "bins"] = "density"
    least: int = 25
    cap: float | None = None


@dataclass
class Reweighted:
    """What was derived: the fit, the statements checked before and after, numbers of windows.

    problem : why no weights were written, None if they were
    """

    fit: Fit
    tests: dict[str, list[Closure]]
    windows: dict[str, int]
    notes: list[str] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    largest: float = 1.0
    seconds: float = 0.0
    problem: str | None = None


def reweight_datasets(
    inputs: Sequence[str],
    output: str | Path,
    *,
    check: Sequence[str] = (),
    study: str | Path | None = None,
    split: str | None = None,
    options: Options | None = None,
    figures: bool = True,
    progress: Progress | None = None,
) -> Reweighted:
    """Derive weights on a half of the events and check them on the other; write weights, tables and figures.

    inputs : datasets with electrons and photons, together or apart; check : datasets for the check, instead of a half
    study : folder of tables and figures [`<output>_study`]
    Where the windows are too few for the bins, no weights are written, with a warning (`Reweighted.problem`).
    Raises InputError for data that do not serve, SettingsError for wrong options, OutputError.
    """
    began, output = time.monotonic(), Path(output)
    folder = Path(study) if study is not None else output.with_name(f"{output.stem}_study")
    ours = "weights of `ecalwindows reweight`"
    check_output(output, overwrite=True, is_own=holds(DESCRIPTION), ours=ours, suffixes=(".json",))
    names = ("flattening.csv", "photon_to_electron.csv", "check_et_eta.csv", "check_ncls_eta.csv", "closure.csv")
    check_study(folder, names, FIGURES if figures else (), page="closure.csv", mark="when,statement,", by="reweight")
    derive, other = halves(inputs, check, split, progress)
    done, tables = derived(derive, other, options or Options())
    with outputs_together() as group:
        paths = write_columns(folder, tables)
        done.outputs = [*([output] if done.problem is None else []), *paths.values()]
        if figures:
            from ecalwindows.plots.reweighting import draw_reweighting

            done.outputs += draw_reweighting(group.places(paths), folder)
        if done.problem is None:
            with written_atomically([output]) as (place,):
                place.write_text(json.dumps(weights_json(done.fit, DESCRIPTION), indent=1) + "\n", encoding="utf-8")
    if done.problem is not None:
        before = f", and {output} is that of an earlier run" if output.exists() else ""
        log.warning("no weights are written%s: %s", before, done.problem)
    done.seconds = time.monotonic() - began
    return done


def derived(derive: Sample, other: Sample, options: Options) -> tuple[Reweighted, Mapping[str, Table]]:
    """The weights from one half, checked with the other, and tables of both.

    Raises InputError where a flavour has too few windows.
    """
    if options.cap is not None and not 1 < options.cap < math.inf:
        raise SettingsError(
            f"the cap is {options.cap:g}", expected="a number above 1, the mean of the weights", where="--cap",
            todo="give a larger one, or none",
        )  # fmt: skip
    for half, words in ((derive, "to derive weights from"), (other, "to check the weights with")):
        for flavour, name in NAMES.items():
            _refuse_few(half, flavour, name, words, options.least)
    windows = {flavour: derive.windows(flavour) for flavour in NAMES}
    bins = chosen_bins(list(windows.values()), options.et, options.eta, options.ncls, quantiles=options.quantiles)
    target = bins.area if options.flat == "density" else np.ones_like(bins.area)  # wanted in Et - eta, in any scale
    counts = {flavour: each.counts(bins) for flavour, each in windows.items()}
    fit = fitted(counts, bins, target, least=options.least, cap=options.cap)
    check = {flavour: other.windows(flavour).counts(bins) for flavour in NAMES}
    tests = {
        when: closure_tests(fit, target, check, weighted=weighted)
        for when, weighted in (("before", False), ("after", True))
    }
    done = Reweighted(fit, tests, _windows(derive, other), _notes(fit, options))
    done.largest, done.problem = largest_weight(fit), _problem(fit, options)
    return done, reweighting_tables(fit, target, check, tests, options.least)


def _refuse_few(half: Sample, flavour: int, name: str, words: str, least: int) -> None:
    n, needed = int((half.flavour == flavour).sum()), max(least, 1)
    if n < needed:
        there = np.unique(half.flavour).tolist()
        raise InputError(
            f"there are {n:,} windows of {name} (flavour {flavour}) {words}; flavours there: {there}",
            expected=f"matched windows of both flavours, {needed} at least", where="the datasets", todo=STATE_FLAVOURS,
        )  # fmt: skip


def _windows(derive: Sample, other: Sample) -> dict[str, int]:
    found: dict[str, int] = {}
    for half, words in ((derive, "to derive"), (other, "to check")):
        found |= {f"{name}, {words}": int((half.flavour == flavour).sum()) for flavour, name in NAMES.items()}
    rest = sum(int((~np.isin(half.flavour, list(NAMES))).sum()) for half in (derive, other))
    return found | {"unmatched or other flavours": rest, "without Et or eta": derive.skipped + other.skipped}


MAX_USELESS = 0.5
"""No weights are written if the second step does nothing in a larger share of the eta bins, or if a larger share of the
windows of a flavour is in Et - eta bins with too few windows."""


def _problem(fit: Fit, options: Options) -> str | None:
    """Why the weights cannot be used; None if they can."""
    for flavour, counts in fit.counts.items():
        windows = counts.sum(axis=2)
        thin = float(windows[windows < options.least].sum() / windows.sum())
        if thin > MAX_USELESS:
            return (
                f"{thin:.0%} of the {NAMES[flavour]} to derive from are in Et - eta bins with fewer than"
                f" {options.least} windows; give more data, or fewer bins (--et-bins, --eta-bins)"
            )
    has_both = np.min([found.sum(axis=(1, 2)) for found in fit.counts.values()], axis=0) > 0
    one = has_both & (fit.group.max(axis=1) == 0)
    if len(fit.bins.ncls) > 2 and one.sum() > MAX_USELESS * has_both.sum():
        return (
            f"in {int(one.sum())} of {int(has_both.sum())} bins of eta all bins of clusters are merged into one, since"
            f" a flavour has fewer than {options.least} windows in them: there photons do not get the clusters of"
            " electrons; give more data, or fewer bins (--eta-bins, --ncls-bins)"
        )
    return None


def _notes(fit: Fit, options: Options) -> list[str]:
    """What the user should know of the bins, one line for each."""
    notes = []
    for flavour, counts in fit.counts.items():
        windows = counts.sum(axis=2)
        empty, thin = int((windows == 0).sum()), int(((windows > 0) & (windows < options.least)).sum())
        if empty or thin:
            notes.append(
                f"{NAMES[flavour]}: {empty} of {windows.size} Et - eta bins are empty (weight 1), {thin} hold "
                f"fewer than {options.least} windows: give fewer bins (--et-bins, --eta-bins) or more data"
            )
    if len(fit.bins.ncls) > 2 and (alone := int((fit.group.max(axis=1) == 0).sum())):
        notes.append(
            f"in {alone} of {len(fit.group)} bins of eta all bins of clusters are merged into one: there"
            " photons do not get the clusters of electrons"
        )
    if not fit.is_free.all():
        notes.append(f"{int((~fit.is_free).sum())} ncls - eta bins lack a flavour (weight 1): give other --ncls-bins")
    if fit.off > REPORTED:
        notes.append(
            f"both distributions cannot hold at once: sums are up to {fit.off:.1%} off after {fit.iterations:,} steps; "
            "give fewer bins"
        )
    if options.cap is not None:
        notes.append(", ".join(f"{n} bins of {name} at the cap" for name, n in fit.capped.items()))
    return notes
