"""Numbers with errors: all collections on the same caloparticles and satellites, with the same bootstrap weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Floats
from ecalwindows.core.errors import InputError, SettingsError, refuse_missing
from ecalwindows.core.geometry import CRACK
from ecalwindows.evaluation.kernels import bootstrap as kernels
from ecalwindows.studies.binning import place_in
from ecalwindows.studies.working_points.threshold_scan import in_threads, round_keys

Edges = tuple[float, ...]

ROUNDS = 400
"""Rounds of the bootstrap."""

MIN_ENTRIES = 50
"""Caloparticles from which a bin is drawn; with fewer it is in the tables only."""

BINS: Mapping[str, Edges] = {
    "et_seed": (1, 5, 10, 20, 40, 70, 100, 200, 500),
    "seed_eta": (0, 0.5, 1.0, *CRACK, 2.0, 2.5, 3.0),
    "nVtx": (0, 20, 30, 40, 50, 60, 80, 1000),
    "ncls": (1, 2, 3, 5, 8, 12, 20, 1000),
}
"""Edges of the bins by column of the main cluster's window; eta by its absolute value."""

ENERGY = ("response", "response_calib", "response_gen")
"""Kinds of response: raw and calibrated energy over the true energy, and raw energy over the generated one."""

WIDTHS = ("median", "resolution", "sigma_eff", "tails")
"""What is measured of a response."""

SHARES = ("completeness", "purity")
"""Means over the caloparticles that all collections found."""

RATES = ("found", "seeded", "split", "merged")
"""Shares of all caloparticles."""

REFERENCES = ("mustache", "truth")
"""Collections with which the others are compared."""


@dataclass(frozen=True)
class Bin:
    """Which entries are taken: all, those of a bin, or those of a bin in two quantities.

    Attributes
    ----------
    by : str
        `all`, a column, or two columns with ` x ` between.
    limits : tuple of float
        Lower and upper edge for each column.
    """

    by: str = "all"
    limits: tuple[float, ...] = ()

    @property
    def label(self) -> str:
        """The limits as text."""
        if self.by == "flavour":
            return f"{self.limits[0]:g}"
        return ", ".join(f"{low:g}-{high:g}" for low, high in zip(self.limits[::2], self.limits[1::2], strict=True))


@dataclass(frozen=True)
class Measured:
    """One number of one collection in one bin.

    Attributes
    ----------
    value, error : float
        The number and its error from the bootstrap; NaN where there is none.
    differences : dict
        By name of the reference: difference to it and the error of the difference.
    entries : int
        Entries of the bin that the number is made of.
    """

    bin: Bin
    collection: str
    measure: str
    entries: int
    value: float
    error: float
    differences: Mapping[str, tuple[float, float]]


Table = Mapping[str, Array]
Done = Callable[[], None]


def bins_of(table: Table, edges: Mapping[str, Edges]) -> Iterator[tuple[Bin, Array]]:
    """Yield the bins of caloparticles with any entry, and their rows: all, by column, by flavour, by Et and eta."""
    n = len(table["event_key"])
    yield Bin(), np.arange(n)
    places = {name: _places(table, name, edges[name]) for name in edges if name in table}
    for name, place in places.items():
        for k in np.unique(place[place >= 0]):
            yield Bin(name, (edges[name][k], edges[name][k + 1])), np.flatnonzero(place == k)
    if "flavour" in table:
        for flavour in np.unique(table["flavour"]):
            yield Bin("flavour", (float(flavour), float(flavour))), np.flatnonzero(table["flavour"] == flavour)
    if {"et_seed", "seed_eta"} <= places.keys():
        both = np.stack([places["et_seed"], places["seed_eta"]])
        for i, j in np.unique(both[:, (both >= 0).all(axis=0)], axis=1).T:
            limits = (edges["et_seed"][i], edges["et_seed"][i + 1], edges["seed_eta"][j], edges["seed_eta"][j + 1])
            yield Bin("et_seed x seed_eta", limits), np.flatnonzero((both[0] == i) & (both[1] == j))


def _places(table: Table, name: str, edges: Edges) -> Array:
    """The bin of each entry, -1 outside."""
    return place_in(edges, np.abs(table[name]) if name.endswith("_eta") else table[name])


def measure(
    collections: Mapping[str, Table],
    *,
    references: Sequence[str] = REFERENCES,
    rounds: int = ROUNDS,
    seed: int = 0,
    bins: Mapping[str, Edges] = BINS,
    done: Done | None = None,
) -> list[Measured]:
    """Measure superclusters on the same caloparticles with the same bootstrap weights.

    Parameters
    ----------
    collections : dict of tables
        By name, the caloparticles of each collection (`caloparticles.Collection`, or the rows of a collection in
        caloparticles.parquet): the same ones in the same order, as dictionaries of arrays or lists.
        Needed are `event_key` uint64 and the columns of `ENERGY`, `SHARES` and `RATES` that are to be measured.
    references : sequence of str
        Collections with which the others are compared, those that there are.
    rounds, seed : int
        Number and seed of the rounds. The weights follow from event, round and seed alone.
    bins : dict
        Edges by column.
    done : callable, optional
        Called after each bin.

    Returns
    -------
    list of Measured
        Responses, completeness and purity are measured on the caloparticles that all collections found, the rates on
        all. Calibrated and generated responses in all, and by flavour.

    Raises
    ------
    InputError
        If the collections do not have the same caloparticles, or no `event_key`.
    SettingsError
        For a number of rounds that is not 0 (no errors) or 2 to 10,000.
    """
    check_rounds(rounds, seed)
    used, types = ("event_key", *bins, "flavour", *ENERGY, *SHARES, *RATES), {"event_key": np.uint64}
    collections = {
        name: {each: np.asarray(table[each], types.get(each)) for each in used if each in table}
        for name, table in collections.items()
    }
    tables = list(collections.values())
    if not tables:
        return []
    for name, table in collections.items():
        refuse_missing(
            ["event_key"], table, name, found="the caloparticles have no {}", expected="the hash of their events",
            todo="take the rows of caloparticles.parquet with this column",
        )  # fmt: skip
    key = tables[0]["event_key"]
    for name, table in collections.items():
        if not np.array_equal(table["event_key"], key):
            raise InputError(
                f"'{name}' has other caloparticles than '{next(iter(collections))}'",
                expected="the same caloparticles in the same order", where="collections",
                todo="make all collections of the same windows",
            )  # fmt: skip
    work, keys = list(bins_of(tables[0], bins)), round_keys(rounds, seed)

    def one(number: int) -> list[Measured]:
        return list(_measured(collections, *work[number], keys, references))

    return [each for result in in_threads(one, len(work), done) for each in result]


def check_rounds(rounds: int, seed: int) -> None:
    """Raise SettingsError for a number of rounds that is not 0 (no errors) or 2 to 10,000, and for a seed of none."""
    if seed and not rounds:
        raise SettingsError(
            f"the seed {seed} of a bootstrap of 0 rounds", expected="rounds that are drawn", where="--seed",
            todo="leave it out, or give --bootstrap",
        )  # fmt: skip
    if rounds and not 2 <= rounds <= 10_000:
        raise SettingsError(
            f"{rounds} rounds of the bootstrap",
            expected="0 (no errors), or 2 to 10,000",
            where="--bootstrap",
            todo="correct it",
        )


def _measured(
    collections: Mapping[str, Table], where: Bin, rows: Array, keys: Array, references: Sequence[str]
) -> Iterator[Measured]:
    """All numbers of a bin."""
    names, tables = list(collections), list(collections.values())
    key = tables[0]["event_key"][rows]
    kinds = [kind for kind in ENERGY if all(kind in table for table in tables)]
    for kind in kinds if where.by in ("all", "flavour") else kinds[:1]:
        response = np.stack([table[kind][rows] for table in tables]).astype(np.float64)
        common = np.isfinite(response).all(axis=0)
        found = kernels.responses(np.compress(common, response, axis=1), key[common], keys)
        for number, name in enumerate(WIDTHS):
            label = name if kind == "response" else f"{name} ({kind})"
            yield from rows_of(where, label, int(common.sum()), names, found[:, number], references)
    for group, only_common in ((SHARES, True), (RATES, False)):
        for name in group:
            if not all(name in table for table in tables):
                continue
            values = np.stack([table[name][rows] for table in tables]).astype(np.float64)
            chosen = np.isfinite(values).all(axis=0) if only_common else np.ones(len(rows), bool)
            means = kernels.means(np.compress(chosen, values, axis=1), key[chosen], keys)
            yield from rows_of(where, name, int(chosen.sum()), names, means, references)


def rows_of(
    where: Bin, what: str, entries: int, names: Sequence[str], values: Floats, references: Sequence[str]
) -> Iterator[Measured]:
    """One number of each collection, with errors and differences.

    values : float64 (n_collections, n_rounds + 1), the sample first
    """
    for name, own in zip(names, values, strict=True):
        others = {other: own - values[names.index(other)] for other in references if other in names and other != name}
        differences = {other: (float(each[0]), _spread(each[1:])) for other, each in others.items()}
        yield Measured(where, name, what, entries, float(own[0]), _spread(own[1:]), differences)


def _spread(values: Floats) -> float:
    """The standard deviation of the rounds that gave a number, NaN with fewer than two."""
    kept = values[np.isfinite(values)]
    return float(np.std(kept, ddof=1)) if len(kept) > 1 else float("nan")


def measured_table(found: Sequence[Measured], references: Sequence[str] = REFERENCES) -> dict[str, list[Any]]:
    """The numbers as columns of a table, one row per number."""
    table: dict[str, list[Any]] = {
        "by": [each.bin.by for each in found],
        "bin": [each.bin.label for each in found],
        "collection": [each.collection for each in found],
        "measure": [each.measure for each in found],
        "entries": [each.entries for each in found],
        "value": [each.value for each in found],
        "error": [each.error for each in found],
    }
    for place, name in enumerate(("low", "high", "low_2", "high_2")):
        table[name] = [each.bin.limits[place] if place < len(each.bin.limits) else float("nan") for each in found]
    for other in references:
        nothing = (float("nan"), float("nan"))
        table[f"minus_{other}"] = [each.differences.get(other, nothing)[0] for each in found]
        table[f"minus_{other}_error"] = [each.differences.get(other, nothing)[1] for each in found]
    return table
