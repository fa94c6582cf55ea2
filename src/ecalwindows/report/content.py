"""The content of a page from one dataset, or from two: what the script needs, and the text of the overview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecalwindows.core.markup import code, html, markdown, table
from ecalwindows.core.schema import COLUMNS, SENTINEL, Level
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.evaluation.events import Windows
from ecalwindows.evaluation.separation import Roc
from ecalwindows.plots.gallery import HEADS
from ecalwindows.plots.style import group_look
from ecalwindows.report import binned, views
from ecalwindows.report.quantities import NOTABLE, SUMMARY, Quantity
from ecalwindows.studies.binning import Binning
from ecalwindows.studies.distributions import LEVELS
from ecalwindows.studies.normalization import Factors
from ecalwindows.validation.drift import NOISE, Distributions, drifts, ks_distance

KINDS = (views.RANDOM, *NOTABLE.values())
"""Kinds of windows in the browser of windows."""

MAX_POINTS = 400
"""Points of a curve."""

MAX_DRIFTS = 40
"""Rows of the table of distances; the distributions show all of them."""

Drifts = Mapping[str, tuple[float, float]]
"""Distance of the distributions, and the distance by chance, by key of the quantity."""


@dataclass
class Side:
    """A dataset and what was found in all of its windows.

    label : "A" or "B"; path : as given; title : name and version
    record, stated : its record, and what manifests state
    files, bytes : of its data; notes : what is not known
    sample, notable : windows; factors : moments of the columns; groups : numbers of each flavour and label
    distributions : for a comparison; roc : of scores; split : the only one that was read
    digest : one hash of the dataset, as recorded
    """

    label: str
    path: str
    title: str
    record: DatasetRecord | None
    stated: Mapping[str, Any]
    files: int
    bytes: int
    notes: list[str]
    sample: Windows
    notable: Windows
    factors: Factors
    groups: Mapping[Level, Mapping[tuple[int, int], int]]
    distributions: Distributions = field(default_factory=Distributions)
    roc: Roc | None = None
    split: str | None = None
    digest: str | None = None
    shown: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Counts from events to windows."""
        return self.record.counts if self.record else self.stated.get("counts", {})

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings with which the windows were made."""
        return self.record.settings if self.record else self.stated.get("settings", {})


def meta(
    sides: Sequence[Side], what: Sequence[Quantity], bins: Sequence[Binning], tables: Sequence[binned.Table],
    groups: Mapping[Level, binned.Groups], distances: Drifts,
) -> dict[str, Any]:  # fmt: skip
    """What the script of the page needs to know."""
    return {
        "tables": [
            {
                "id": f"table-{side.label}", "label": side.label, "name": side.title, "windows": side.factors.windows,
                "rows": len(one.rows), "clusters": int(one.rows.sizes.sum()), "sample": len(side.sample),
                "sampleClusters": int(side.sample.sizes.sum()),
            }
            for side, one in zip(sides, tables, strict=True)
        ],
        "heads": {SUMMARY: "Key quantities"} | {key: words for key, words in HEADS.items() if key != "overview"},
        "groups": {level: binned.group_names(level, groups[level]) for level in LEVELS},
        "quantities": [
            {
                "key": each.key, "column": each.column, "level": each.level, "group": each.group, "unit": each.unit,
                "meaning": each.meaning, "condition": each.condition, "region": each.region,
                "bool": each.column in COLUMNS and COLUMNS[each.column].dtype == "bool",
                "edges": binning.edges.tolist(), "log": binning.is_log,
                "statistics": [one.statistics[index] for one in tables],
                "totals": [_total(each, side.factors) for side in sides],
                "drift": distances.get(each.key),
            }
            for index, (each, binning) in enumerate(zip(what, bins, strict=True))
        ],
        "kinds": list(KINDS), "constants": views.constants(), "viewNotes": sides[0].notes,
    }  # fmt: skip


def _total(quantity: Quantity, factors: Factors) -> list[float] | None:
    """Values, others, mean, standard deviation, minimum and maximum of a column in all windows, as of `normalize`."""
    moments = factors.levels[quantity.level].get(quantity.key)
    return None if moments is None else [moments.n, moments.no_number, *moments.statistics]


def facts(side: Side) -> list[tuple[str, str]]:
    """What the page shows of a dataset, in words."""
    n, sampled = side.factors.windows, len(side.sample)
    drawn = f"all {n:,} windows" if sampled == n else (
        f"{sampled:,} of {n:,} windows, a sample of complete events: those with the smallest hashes (dataset/splits.py)"
    )  # fmt: skip
    kept = side.counts.get("windows_kept", n)
    return [
        ("dataset", side.path),
        *([("digest", side.digest)] if side.digest else []),
        ("split", side.split or "all"),
        ("data files", f"{side.files:,}" + (f", {side.bytes:,} bytes" if side.bytes else "")),
        ("windows", f"{n:,}" + (f"; the counts from events to windows are those of all {kept:,}" if kept != n else "")),
        ("clusters in windows", f"{side.factors.clusters:,}"),
        ("distributions", drawn),
        ("statistics of columns", "all windows"),
        (
            "single windows",
            f"{side.shown:,}: random ones in bins of Et and eta, and the {views.PER_KIND} most notable of each kind",
        ),
        *(("note", note) for note in side.notes),
    ]


def labels(side: Side) -> Iterator[list[str]]:
    """Rows of a table: level, group, number and share of all windows or clusters."""
    for level in LEVELS:
        total = sum(n for n in side.groups[level].values())
        for flavour, label in binned.groups_of(side.groups[level]):
            n = side.groups[level][flavour, label]
            yield [f"{level}s", group_look(level, flavour, label)[0], f"{n:,}", f"{100 * n / total:.2f} %"]


def distances(a: Side, b: Side, what: Sequence[Quantity], compared: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Kolmogorov-Smirnov distances: of columns those of `compare`, of other quantities those of the samples."""
    found = {each.name: (each.ks, each.noise) for each in drifts(a.distributions, b.distributions, compared)}
    for each in what:
        is_name = each.column in COLUMNS and COLUMNS[each.column].dtype == "int64"
        if each.key not in found and not is_name:
            x, y = (np.sort(values[values != SENTINEL]) for values in (each.values(a.sample), each.values(b.sample)))
            noise = NOISE * np.sqrt(1 / len(x) + 1 / len(y)) if len(x) and len(y) else np.nan
            found[each.key] = ks_distance(x, y), float(noise)
    return {key: pair for key, pair in found.items() if np.isfinite(pair).all()}


def comparison(a: Side, b: Side, distances: Drifts) -> Iterator[str]:
    """The text on two datasets: numbers, labels, counts and settings side by side, distances of distributions."""
    yield markdown("## Compared with B: {}\n", b.title)
    rows = [(name, one, other) for (name, one), (_, other) in zip(_compared(a), _compared(b), strict=True)]
    yield from table(("", "A", "B"), rows)
    for issue in b.record.known_issues if b.record else ():
        yield markdown("- known issue of B: {}: {}", issue.day.isoformat(), issue.text)
    yield "\n### Labels\n"
    yield from table(("", "", "A", "B", "difference in errors"), list(_balance(a, b)), (2, 3, 4))
    yield "### Distances of distributions\n"
    yield (
        "The largest distance of the cumulative distributions (Kolmogorov-Smirnov), and what two samples of one "
        "distribution reach by chance in 5 % of cases. Means and widths are those of all windows.\n"
    )
    largest = sorted(distances.items(), key=lambda pair: (-pair[1][0], pair[0]))
    cells = [[code(key), f"{ks:.3f}" + (" *" if ks > noise else ""), f"{noise:.3f}", *_means(key, a, b)]
             for key, (ks, noise) in largest[:MAX_DRIFTS]]  # fmt: skip
    yield from table(
        ("", "distance", "by chance", "mean of A", "mean of B", "width of A", "width of B"), cells, range(1, 7)
    )
    if len(largest) > MAX_DRIFTS:
        yield f"and {len(largest) - MAX_DRIFTS} smaller ones; the distributions are in the order of their distance.\n"
    yield from _side_by_side("From events to windows", a.counts, b.counts, every=True)
    yield from _side_by_side("Settings that differ", a.settings, b.settings, every=False)


def _compared(side: Side) -> list[tuple[str, str]]:
    wanted = ("dataset", "split", "data files", "windows", "clusters in windows", "distributions")
    return [(name, value) for name, value in facts(side) if name in wanted] + [
        ("digest", side.digest or "not recorded")
    ]


def _means(key: str, a: Side, b: Side) -> list[str]:
    level = COLUMNS[key].level if key in COLUMNS else "window"
    found = [side.factors.levels[level].get(key) for side in (a, b)]
    numbers = [each.statistics if each is not None and each.n else None for each in found]
    return ["" if each is None else f"{each[i]:.4g}" for i in (0, 1) for each in numbers]


def _balance(a: Side, b: Side) -> Iterator[list[str]]:
    for level in LEVELS:
        totals = [sum(n for n in side.groups[level].values()) for side in (a, b)]
        for group in binned.groups_of({*a.groups[level], *b.groups[level]}):
            shares = [side.groups[level].get(group, 0) / n for side, n in zip((a, b), totals, strict=True)]
            errors = [np.sqrt(p * (1 - p) / n) for p, n in zip(shares, totals, strict=True)]
            error = float(np.hypot(*errors)) or _common_error(shares, totals)
            cells = [f"{100 * p:.2f} ± {100 * e:.2f} %" for p, e in zip(shares, errors, strict=True)]
            apart = f"{(shares[1] - shares[0]) / error:+.1f}" if error > 0 else ""
            yield [f"{level}s", group_look(level, *group)[0], *cells, apart]


def _common_error(shares: Sequence[float], totals: Sequence[int]) -> float:
    """Error of the difference of two shares that are 0 and 1, from the share in both together; 0 if they are equal."""
    share = float(np.average(shares, weights=totals))
    return float(np.sqrt(share * (1 - share) * sum(1 / n for n in totals)))


def _side_by_side(head: str, a: Mapping[str, Any], b: Mapping[str, Any], *, every: bool) -> Iterator[str]:
    rows = [
        (name, *(f"{side[name]:,}" if isinstance(side.get(name), int) else str(side.get(name, "")) for side in (a, b)))
        for name in dict.fromkeys((*a, *b))
        if every or a.get(name) != b.get(name)
    ]
    if rows:
        yield f"### {head}\n"
        yield from table(("", "A", "B"), rows, (1, 2) if every else ())


def scores_text(side: Side, name: str) -> Iterator[str]:
    """The text on the scores of a model."""
    assert side.roc is not None
    response = {key: side.sample.window[key] for key in ("response_score", "response_mustache", "response_true")
                if key in side.sample.window}  # fmt: skip
    yield markdown("## Scores: {}\n", name)
    yield (
        "Area under the ROC curve of the satellites (clusters of matched windows that are not the seed), all windows: "
        f"**{side.roc.area:.5f}**. The response is the raw energy over the true energy, in windows of main clusters of "
        "the sample; `response_score` takes the seed and the clusters with a score of at least 0.5 (without the steps "
        "of `ecalwindows evaluate`, which resolves overlaps of windows).\n"
    )
    rows = []
    for key, values in response.items():
        known = values[values != SENTINEL]
        if len(known):
            low, middle, high = np.quantile(known, (0.16, 0.5, 0.84)).tolist()
            rows.append([code(key), f"{len(known):,}", f"{middle:.4f}", f"{(high - low) / 2 / middle:.4f}"])
    yield from table(("", "windows", "median", "(q84 - q16) / 2 over the median"), rows, (1, 2, 3))


def roc_picture(curve: Roc) -> str:
    """The ROC curve as a picture for the page."""
    keep = np.unique(np.linspace(0, len(curve.true_rate) - 1, MAX_POINTS).astype(int))
    rates = zip(curve.false_rate[keep].tolist(), curve.true_rate[keep].tolist(), strict=True)
    points = " ".join(f"{50 + 240 * x:.1f},{250 - 240 * y:.1f}" for x, y in rates)
    ticks = "".join(
        f'<path class="grid" d="M{50 + 240 * t:.0f},10V250M50,{250 - 240 * t:.0f}H290"/>'
        f'<text x="{50 + 240 * t:.0f}" y="266" text-anchor="middle">{t:g}</text>'
        f'<text x="45" y="{254 - 240 * t:.0f}" text-anchor="end">{t:g}</text>'
        for t in (0, 0.2, 0.4, 0.6, 0.8, 1)
    )
    words = html("share of other clusters selected"), html("share of true clusters selected")
    return (
        f'<svg id="roc" class="small" viewBox="0 0 300 290" role="img" aria-label="ROC curve">{ticks}'
        f'<path class="axis" d="M50,10V250H290"/><polyline class="curve" points="{points}"/>'
        f'<text x="290" y="284" text-anchor="end">{words[0]}</text>'
        f'<text x="14" y="12" text-anchor="end" transform="rotate(-90 14 12)">{words[1]}</text></svg>\n'
    )
