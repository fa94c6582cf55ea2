"""The page of an evaluation (README.md): what a person reads in one minute."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecalwindows.core.geometry import BARREL_END
from ecalwindows.core.markup import Markdown, code, markdown, table
from ecalwindows.evaluation.measuring import MIN_ENTRIES, REFERENCES, Measured

PAGE = "README.md"
MARK = "<!-- ecalwindows evaluate -->"
"""By this a folder is known as ours."""

EVENT_MEASURES = (
    "median", "resolution", "sigma_eff", "tails", "completeness", "purity", "found", "seeded", "split", "merged",
    "fakes per event",
)  # fmt: skip
WINDOW_MEASURES = ("area under ROC", "precision", "recall", "area under ROC (by energy)")

MEANING = {
    "median": "median of raw energy over true energy",
    "resolution": "(q84 - q16) / 2 of the response, over its median",
    "sigma_eff": "half of the shortest interval with 68.3 % of the responses",
    "tails": "share of responses further from the median than 3 sigma_eff",
    "completeness": "share of the true raw energy that is in the supercluster",
    "purity": "share of the supercluster's raw energy that is true",
    "found": "a supercluster holds the main cluster of the caloparticle",
    "seeded": "and its seed is the main cluster",
    "split": "another supercluster holds at least 10 % of the true raw energy",
    "merged": "the supercluster holds the main cluster of another caloparticle",
    "fakes per event": "superclusters whose seed belongs to no caloparticle, per event with windows",
}
SIGNIFICANT = 3.0
"""A difference of this number of errors is counted."""

REGIONS = {"barrel": (0.0, BARREL_END), "endcaps": (BARREL_END, math.inf), "across the crack": (0.0, math.inf)}
"""Parts of the detector by abs(eta); a bin belongs to the first one that contains it."""


def page(summary: Mapping[str, Any], measured: Sequence[Measured], files: Sequence[str]) -> str:
    """The text of the page.

    Parameters
    ----------
    summary : content of summary.json
    measured : all numbers
    files : names of the files beside the page
    """
    return "\n".join([MARK, "", *_about(summary), *_events(summary, measured), *_windows(summary, measured),
                      *_bins(summary, measured), *_left_out(summary), *_files(files)])  # fmt: skip


def _about(summary: Mapping[str, Any]) -> Iterator[str]:
    yield markdown("# Evaluation of {}", ", ".join(summary["models"]) or "Mustache and truth")
    yield ""
    for each in summary["datasets"]:
        name = f"{each['name']}@{each['version']}" if "name" in each else ", ".join(each["files"])
        digest = Markdown(f", record SHA-256 {code(each['record_sha256'])}") if "record_sha256" in each else ""
        yield markdown("- dataset {}{}", name, digest)
    if summary["split"]:
        yield markdown("- split {}", summary["split"])
    for name, about in summary["scores"].items():
        yield markdown("- scores {}: {}", name, "; ".join(f"{key} {value}" for key, value in about.items()))
    yield markdown("- {} from a score of {}", " and ".join(summary["strategies"]), f"{summary['threshold']:g}")
    yield markdown("- {}", ", ".join(f"{n:,} {name}" for name, n in summary["counts"].items()))
    yield ""


def _events(summary: Mapping[str, Any], measured: Sequence[Measured]) -> Iterator[str]:
    names = summary["collections"]
    if not names:
        return
    yield "## Superclusters\n"
    errors = ", with errors by bootstrap over events" if summary["bootstrap"]["rounds"] else ""
    yield f"All collections are measured on the same caloparticles{errors}.\n"
    yield from _table(measured, EVENT_MEASURES, names)
    for other in REFERENCES:
        if other in names and len(names) > 1:
            yield f"Differences to {other}{', with their own errors' if errors else ''}:\n"
            yield from _table(measured, EVENT_MEASURES, [name for name in names if name != other], minus=other)
    yield from (markdown("- {}: {}", name, MEANING[name]) for name in EVENT_MEASURES)
    yield ""


def _windows(summary: Mapping[str, Any], measured: Sequence[Measured]) -> Iterator[str]:
    names = list(dict.fromkeys(each.collection for each in measured if each.measure == "area under ROC"))
    if not names:
        return
    yield "## Satellites\n"
    words = "Clusters of matched windows that are not the seed; true: in_scluster; selected: score of at least {}.\n"
    yield markdown(words, f"{summary['threshold']:g}")
    yield from _table(measured, WINDOW_MEASURES, names)


def _table(
    measured: Sequence[Measured], wanted: Sequence[str], names: Sequence[str], *, minus: str | None = None
) -> Iterator[str]:
    known = {(each.measure, each.collection): each for each in measured if each.bin.by == "all"}
    rows = []
    for what in wanted:
        found = [known.get((what, name)) for name in names]
        if any(found):
            rows.append([what, *(_number(each, minus) for each in found)])
    yield from table(["", *names], rows, numbers=range(1, len(names) + 1))


def _number(each: Measured | None, minus: str | None) -> str:
    if each is None:
        return ""
    value, error = (each.value, each.error) if minus is None else each.differences.get(minus, (math.nan, math.nan))
    if not math.isfinite(value):
        return ""
    digits = 4 if not error > 0 else max(0, min(8, 1 - math.floor(math.log10(error))))
    number = f"{value:.{digits}f}" if minus is None else f"{value:+.{digits}f}"
    return f"{number} ± {error:.{digits}f}" if error > 0 else number


def _bins(summary: Mapping[str, Any], measured: Sequence[Measured]) -> Iterator[str]:
    """In how many bins of Et and eta the resolution is better or worse than that of a reference."""
    rows = []
    for name in summary["collections"]:
        for other in REFERENCES:
            for region in REGIONS:
                found = [
                    each.differences[other]
                    for each in measured
                    if each.collection == name and each.measure == "resolution" and other in each.differences
                    and each.bin.by == "et_seed x seed_eta" and each.entries >= MIN_ENTRIES
                    and _region(*each.bin.limits[2:]) == region
                ]  # fmt: skip
                if found:
                    better = sum(value < -SIGNIFICANT * error for value, error in found)
                    worse = sum(value > SIGNIFICANT * error for value, error in found)
                    rows.append([name, other, region, len(found), better, worse])
    if rows:
        yield f"## Resolution in bins of Et and eta with at least {MIN_ENTRIES} caloparticles\n"
        head = ["", "against", "", "bins", "better by 3 errors", "worse by 3 errors"]
        yield from table(head, [[str(cell) for cell in row] for row in rows], numbers=(3, 4, 5))


def _region(low: float, high: float) -> str:
    """The part of the detector in which a bin of abs(eta) lies."""
    return next(name for name, (begin, end) in REGIONS.items() if begin <= low and high <= end)


def _left_out(summary: Mapping[str, Any]) -> Iterator[str]:
    if summary["left_out"] or summary["failed_fits"]:
        yield "## What was left out\n"
        yield from (markdown("- {}", each) for each in summary["left_out"])
        if summary["failed_fits"]:
            yield markdown("- {} fits of the response, see fits.csv", f"{len(summary['failed_fits']):,}")
        yield ""


def _files(files: Sequence[str]) -> Iterator[str]:
    yield "## Files\n"
    pictures = [name for name in files if name.endswith(".png")]
    yield from (markdown("- {}", code(name)) for name in files if not name.endswith((".png", ".pdf")))
    yield ""
    yield from (Markdown(f"![{name.rpartition('/')[2][:-4]}]({name})") for name in pictures)
    yield ""
