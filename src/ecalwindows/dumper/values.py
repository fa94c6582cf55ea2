"""What the numbers of a dumper file may be: integers that fit their columns, places in the detector, indices.

A value that cannot be is an error that names branch, entry and value: stored as it is, it would give wrong windows
that look right. NaN and infinity are no such values (docs/windows.md, "Unusual input").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.core.events import Column, Events, Index
from ecalwindows.dumper.branches import Branch
from ecalwindows.dumper.errors import bad_file

Flags = NDArray[np.bool_]

INT32, INT64 = np.iinfo(np.int32), np.iinfo(np.int64)
WIDE = frozenset({"run", "lumi", "event", "member"})
"""Keys of the integers that are int64 in `Events`; all others are int32."""

BARREL_ETA, BARREL_PHI, ENDCAP = (np.int32(number) for number in (85, 360, 100))
"""Largest abs(ieta) and iphi of the barrel, and largest ix and iy of an endcap; the smallest is 1."""


def integers(branch: Branch, values: Column, path: str) -> NDArray[Any]:
    """The values of a branch of integers in the dtype that `Events` keeps them in.

    Parameters
    ----------
    branch : the branch, of kind "int"
    values : integers of any width, (n,)
    path : file, for the error

    Returns
    -------
    int64 (n,) for run, lumi, event and the members of superclusters, else int32 (n,)

    Raises
    ------
    BadFileError
        for a value that the dtype cannot hold. The lowest int32 cannot be a pdgId, as its absolute value is none.
    """
    dtype = INT64 if branch.key in WIDE else INT32
    lowest = dtype.min + 1 if branch.key == "pdgId" else dtype.min
    if len(values) and not (np.can_cast(values.dtype, dtype.dtype) and lowest == dtype.min):
        for value in (int(values.min()), int(values.max())):
            if not lowest <= value <= dtype.max:
                found = f"branch '{branch.name}' holds {value}"
                raise bad_file(path, found, f"integers from {lowest} to {dtype.max}")
    return values.astype(dtype.dtype, copy=False)


def check_values(events: Events, branches: Collection[Branch], path: str, first: int) -> None:
    """Refuse crystals that do not exist, and indices of clusters that are not there.

    Parameters
    ----------
    events : of a step, as they were read
    branches : those that were read; the columns of branches that were not read hold defaults
    path, first : the file, and the entry of the first event

    Raises
    ------
    BadFileError
        names the branch, the value and the entry
    """
    check = _Check(events, frozenset(branch.name for branch in branches), path, first)
    by_cluster, by_calo = events.cluster_offsets, events.calo_offsets
    check.crystals("pfCluster_", events.cluster, by_cluster)
    check.crystals("pfClusterHit_", events.hits, events.hits_offsets[by_cluster])
    check.side("caloParticle_simIz", events.calo["simIz"], by_calo)
    if events.simhits is not None and events.simhits_offsets is not None:
        check.side("simHit_iz", events.simhits["iz"], events.simhits_offsets[by_calo])
    for branch in branches:
        if branch.key in ("seedIndex", "member"):
            of = events.second if branch.part.startswith("second") else events.first
            index, rows = (
                (of.member, of.member_offsets[of.offsets])
                if branch.key == "member"
                else (of.columns["seedIndex"], of.offsets)
            )
            check.indices(branch.name, index, rows)


@dataclass(frozen=True)
class _Check:
    """Looks at columns of a step; `rows`, int64 (n_events + 1,), are where each event begins in a column."""

    events: Events
    read: frozenset[str]
    path: str
    first: int

    def crystals(self, prefix: str, columns: Mapping[str, Column], rows: Index) -> None:
        """iz, ieta and iphi are those of a crystal."""
        self.side(f"{prefix}iz", columns["iz"], rows)
        barrel: Any = columns["iz"] == 0 if f"{prefix}iz" in self.read else None
        for key, within, expected in (
            ("ieta", _is_ieta, "ieta from -85 to 85 without 0; in an endcap ix from 1 to 100"),
            ("iphi", _is_iphi, "iphi from 1 to 360; in an endcap iy from 1 to 100"),
        ):
            if f"{prefix}{key}" in self.read:
                self._refuse(f"{prefix}{key}", columns[key], within(columns[key], barrel), rows, expected)

    def side(self, name: str, iz: Column, rows: Index) -> None:
        """The part of the detector is one of three."""
        if name in self.read:
            self._refuse(name, iz, (iz >= -1) & (iz <= 1), rows, "iz 0 in the barrel, -1 or 1 in an endcap")

    def indices(self, name: str, index: Column, rows: Index) -> None:
        """Indices are those of clusters of the same event, or -1 for none."""
        n_clusters = np.repeat(np.diff(self.events.cluster_offsets), np.diff(rows))
        good = (index >= -1) & (index < n_clusters)
        if not good.all():
            n = int(n_clusters[np.argmin(good)])
            self._refuse(name, index, good, rows, f"an index below {n:,}, the clusters of the event; or -1 for none")

    def _refuse(self, name: str, column: Column, good: Flags, rows: Index, expected: str) -> None:
        if not good.all():
            row = int(np.argmin(good))
            entry = self.first + int(np.searchsorted(rows, row, side="right")) - 1
            raise bad_file(self.path, f"branch '{name}' holds {column[row]} in entry {entry}", expected)


def _is_ieta(ieta: Column, barrel: Any) -> Flags:
    """Whether there are crystals of this ieta (ix); `barrel` None: unknown where."""
    good: Flags = (ieta >= -BARREL_ETA) & (ieta <= ENDCAP) & (ieta != 0)
    return good if barrel is None else good & ((ieta >= 1) | barrel) & ((ieta <= BARREL_ETA) | ~barrel)


def _is_iphi(iphi: Column, barrel: Any) -> Flags:
    """Whether there are crystals of this iphi (iy)."""
    good: Flags = (iphi >= 1) & (iphi <= BARREL_PHI)
    return good if barrel is None else good & ((iphi <= ENDCAP) | barrel)
