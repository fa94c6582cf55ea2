"""The sample of a working-point study: caloparticles in bins of their main clusters, with their clusters by score.

The sample is read once and kept in memory, with 5 bytes per cluster and about 60 per caloparticle. The results do not
depend on the order of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.arrays import Array, Bytes, Flags, Floats, Integers, Singles, Words, offsets_of
from ecalwindows.core.errors import InputError, SettingsError
from ecalwindows.core.geometry import CRACK
from ecalwindows.core.names import some
from ecalwindows.studies.binning import place_in
from ecalwindows.studies.matches.reading import MADE_BY, Paths, read_matches

ET_EDGES = (1.0, 4.0, 10.0, 15.0, 25.0, 40.0, 50.0, 70.0, 100.0, 150.0, 200.0, 300.0, 500.0)
ETA_EDGES = (0.0, 0.2, 0.4, 0.7, 1.0, 1.15, 1.3, *CRACK, 1.75, 2.0, 2.4, 3.0)
"""Default bins: raw Et of the seed [GeV] and abs(eta) of the seed (docs/truth.md)."""

DECADES = (-4, -1)
FLAT = 1e-3

COLUMNS = (
    "is_seed", "group_id", "event_hash", "flavour", "et_seed", "seed_eta", "en_true_sim_good", "calo_score",
    "en_cluster", "in_window", "in_mustache", "is_seed_mustache_matched", "en_mustache_raw", "is_seed_calo_matched",
)  # fmt: skip


@dataclass(frozen=True)
class Bins:
    """Edges of the bins, increasing; bins include their lower edge."""

    et: tuple[float, ...] = ET_EDGES
    eta: tuple[float, ...] = ETA_EDGES

    def __post_init__(self) -> None:
        for name, edges in (("Et", self.et), ("eta", self.eta)):
            if len(edges) < 2 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any() or edges[0] < 0:
                raise SettingsError(
                    f"the edges of the bins of {name} are {', '.join(f'{edge:g}' for edge in edges) or 'none'}",
                    expected="two or more increasing numbers, none below 0", where=f"--{name.lower()}-bins",
                    todo="write them like --et-bins 1,10,50,500 --eta-bins 0,1.5,3",
                )  # fmt: skip

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of bins of Et and of eta."""
        return len(self.et) - 1, len(self.eta) - 1

    def of(self, et: Floats, eta: Floats) -> Integers:
        """Index of the bin of each seed.

        Parameters
        ----------
        et : float64 (n,), raw Et [GeV]
        eta : float64 (n,), abs(eta)

        Returns
        -------
        int64 (n,): index of the Et bin * number of eta bins + index of the eta bin; -1 outside the bins
        """
        i, j = place_in(self.et, et), place_in(self.eta, eta)
        return np.where((i >= 0) & (j >= 0), i * self.shape[1] + j, -1)


def scan_thresholds(per_decade: int) -> Floats:
    """The thresholds of the scan: 1e-4 to 1e-1 in equal steps of the logarithm, rounded to 6 digits, with 1e-3."""
    first, last = DECADES
    powers = first + np.arange((last - first) * per_decade + 1) / per_decade
    return np.array([float(f"{10.0**power:.6g}") for power in powers])


@dataclass
class Dropped:
    """Numbers of caloparticles that are not in the study, by reason."""

    no_energy: int = 0
    outside: int = 0
    other_flavour: int = 0
    not_a_seed: int = 0


@dataclass(frozen=True)
class Sample:
    """Caloparticles in the order of the input, and their clusters in the window, the main cluster first.

    Attributes
    ----------
    key : uint64 (n,), hash of the event
    bin : int64 (n,), index of the bin
    flavour : int32 (n,)
    true_energy : float64 (n,), simEnergyGoodStatus [GeV]
    mustache : float64 (n,), raw energy of the supercluster of the main cluster [GeV], NaN if there is none
    n_mustache : int64 (n,), number of matched clusters in this supercluster
    offsets : int64 (n + 1,), clusters of caloparticle i are the rows offsets[i] to offsets[i + 1]
    energy : float32 (n_clusters,), raw energy [GeV]
    level : uint8 (n_clusters,), number of thresholds of the scan that the score reaches
    n_rows : number of rows that were read
    dropped : numbers of caloparticles that are left out
    """

    key: Words
    bin: Integers
    flavour: NDArray[np.int32]
    true_energy: Floats
    mustache: Floats
    n_mustache: Integers
    offsets: Integers
    energy: Singles
    level: Bytes
    n_rows: int = 0
    dropped: Dropped = field(default_factory=Dropped)

    def __len__(self) -> int:
        return len(self.key)


def read_sample(
    paths: Paths, bins: Bins, thresholds: Floats, *, flavour: int | None = None, seeds_only: bool = False
) -> Sample:
    """Read the caloparticles of tables of matched clusters.

    Parameters
    ----------
    paths : files or folders of tables
    bins : caloparticles outside are left out
    thresholds : float64 (n_thresholds,), of the scan, increasing
    flavour : if given, only caloparticles of this flavour
    seeds_only : only caloparticles whose main cluster can be the seed of a matched window

    Raises
    ------
    InputError : if a caloparticle appears twice, or if no caloparticle remains
    """
    dropped, groups, rows = Dropped(), [], 0
    pieces: list[dict[str, Array]] = []
    flavours: set[int] = set()
    for table in read_matches(paths, COLUMNS):
        groups.append(table["group_id"][table["is_seed"]])
        flavours |= {int(value) for value in np.unique(table["flavour"])}
        pieces.append(_piece(table, bins, thresholds, flavour, seeds_only, dropped))
        rows += len(table["is_seed"])
    _refuse_twice(groups, paths)
    _refuse_none(pieces, flavour, flavours, paths)
    joined = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    offsets = offsets_of(joined.pop("number"))
    return Sample(**joined, offsets=offsets, n_rows=rows, dropped=dropped)


def _piece(
    table: dict[str, Array], bins: Bins, thresholds: Floats, flavour: int | None, seeds_only: bool, dropped: Dropped
) -> dict[str, Array]:
    """The columns of a sample from a part of the table."""
    first = np.flatnonzero(table["is_seed"])
    of_first = {name: column[first] for name, column in table.items()}
    keep = np.ones(len(first), dtype=np.bool_)
    place = bins.of(of_first["et_seed"].astype(np.float64), np.abs(of_first["seed_eta"].astype(np.float64)))
    for reason, bad in (
        ("other_flavour", np.zeros_like(keep) if flavour is None else of_first["flavour"] != flavour),
        ("not_a_seed", ~of_first["is_seed_calo_matched"] if seeds_only else np.zeros_like(keep)),
        ("no_energy", ~(of_first["en_true_sim_good"] > 0)),
        ("outside", place < 0),
    ):
        setattr(dropped, reason, getattr(dropped, reason) + int((keep & bad).sum()))
        keep &= ~bad
    group = np.cumsum(table["is_seed"]) - 1
    inside = keep[group] & table["in_window"]
    in_mustache = np.bincount(group[table["in_mustache"]], minlength=len(first))
    return {
        "key": of_first["event_hash"][keep],
        "bin": place[keep],
        "flavour": of_first["flavour"][keep],
        "true_energy": of_first["en_true_sim_good"][keep].astype(np.float64),
        "mustache": np.where(
            of_first["is_seed_mustache_matched"], of_first["en_mustache_raw"].astype(np.float64), np.nan
        )[keep],
        "n_mustache": in_mustache[keep].astype(np.int64),
        "number": np.bincount(group[inside], minlength=len(first))[keep],
        "energy": table["en_cluster"][inside],
        "level": np.searchsorted(thresholds, table["calo_score"][inside], side="right").astype(np.uint8),
    }


def _refuse_twice(groups: list[Array], paths: Paths) -> None:
    all_groups = np.sort(np.concatenate(groups)) if groups else np.zeros(0)
    n_twice = int((all_groups[1:] == all_groups[:-1]).sum())
    if n_twice:
        raise InputError(
            f"{n_twice:,} caloparticles appear twice in the tables",
            expected="every event once in a sample", where=_paths_text(paths),
            todo=f"leave out a table, or name samples with the same event numbers: `{MADE_BY} --sample NAME`",
        )  # fmt: skip


def _refuse_none(pieces: list[dict[str, Array]], flavour: int | None, flavours: set[int], paths: Paths) -> None:
    if any(len(piece["key"]) for piece in pieces):
        return
    if flavour is not None and flavour not in flavours:
        raise InputError(
            f"no caloparticle has the flavour {flavour}",
            expected=f"a flavour of the tables: {', '.join(map(str, sorted(flavours))) or 'the tables are empty'}",
            where=_paths_text(paths), todo="give tables with this flavour, or another --flavour",
        )  # fmt: skip
    raise InputError(
        "no caloparticle is left for the study", expected="main clusters inside the bins", where=_paths_text(paths),
        todo=f"give more tables (`{MADE_BY}`), or other bins",
    )  # fmt: skip


def _paths_text(paths: Paths) -> str:
    names = [str(paths)] if isinstance(paths, str) or not hasattr(paths, "__iter__") else [str(path) for path in paths]
    return some(names, 5)


def rows_by_bin(sample: Sample, chosen: Flags, n_bins: int) -> Iterator[Integers]:
    """Yield the rows of the chosen caloparticles of each bin, in the order of the bins."""
    rows = np.flatnonzero(chosen)
    rows = rows[np.argsort(sample.bin[rows], kind="stable")]
    ends = np.searchsorted(sample.bin[rows], np.arange(n_bins + 1))
    for begin, end in pairwise(ends.tolist()):
        yield rows[begin:end]
