"""Datasets opened for reading: a lazy handle on files of any format, local or remote."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike, fspath
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa

from ecalwindows.dataset.opening.loading import gathers
from ecalwindows.dataset.opening.padding import PaddedBatch, Padding, gathering_source, padded_batch, padding_of
from ecalwindows.dataset.opening.scan import Scan
from ecalwindows.dataset.opening.selection import Selection
from ecalwindows.dataset.opening.sources import File, dataset_files, dataset_record
from ecalwindows.dataset.parquet.definition import GROUPS, FeaturesDefinition, features_definition
from ecalwindows.dataset.parquet.tables import batch_table, empty_batch
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.errors import SettingsError, near
from ecalwindows.schema import COLUMNS, HIT_COMPONENTS, Column

log = logging.getLogger(__name__)

HIT_NAMES = tuple(name for name, *_ in HIT_COMPONENTS)


def open_dataset(path: str | PathLike[str]) -> Dataset:
    """A handle on a dataset; nothing but its record and the names of its files is read yet.

    path : a finished dataset, its format folder, a flat folder of parts or a single file (.parquet, .ndjson[.gz|.zst],
        .ndjson.tar.gz, .proto), local or as URL (root://, with the extra xrootd)
    Known issues that the record tells are logged as warnings.
    Raises InputError where there are no data, MissingExtraError for root:// without the extra.

    >>> data = ecalwindows.open_dataset("windows.parquet").filter(et_min=5.0, matched=True)
    >>> data.to_awkward().cl_features.et_cluster
    """
    name = fspath(path)
    files, record = dataset_files(name), dataset_record(name)
    for issue in record.known_issues if record else ():
        about = f" (column {issue.column})" if issue.column else ""
        log.warning("%s: known issue of %s: %s%s", name, issue.day, issue.text, about)
    return Dataset(name, Scan(files), record)


@dataclass(frozen=True, repr=False)
class Dataset:
    """A dataset that is read when it is needed, row group by row group; made by `open_dataset`.

    path : as given; record : its dataset.json, None without
    scan : its data files and the limits that all windows pass; chosen : names of the columns selected, None for all
    """

    path: str
    scan: Scan
    record: DatasetRecord | None = None
    chosen: frozenset[str] | None = None
    _told: set[str] = field(default_factory=set, compare=False)

    def __repr__(self) -> str:
        limits = "".join(f", {selection}" for selection in self.scan.selections)
        return f"<Dataset {self.path!r}: files={len(self.scan.files)}{limits}>"

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, none where the dataset was made without."""
        return tuple(dict.fromkeys(file.split for file in self.scan.files if file.split is not None))

    @cached_property
    def columns(self) -> dict[str, Column]:
        """The columns by name: each with group, dtype, unit and meaning; features in the order of formats.md."""
        return {name: COLUMNS[name] for names in self.definition.groups.values() for name in names}

    @cached_property
    def hit_components(self) -> tuple[str, ...]:
        """Names of the numbers of a hit in `cl_h`, in order; none where there are no hits."""
        return tuple(name for name in HIT_NAMES if name in self._names)

    @cached_property
    def definition(self) -> FeaturesDefinition:
        """The columns and hit components as the features definition with which they are read."""
        usual = [name for names in features_definition().groups.values() for name in names]
        order = [name for name in dict.fromkeys([*usual, *COLUMNS]) if name in self._names]
        groups = {group: tuple(name for name in order if COLUMNS[name].group == group) for group in GROUPS}
        hits = tuple(HIT_NAMES.index(name) for name in self.hit_components)
        return FeaturesDefinition({group: names for group, names in groups.items() if names}, hits)

    def filter(
        self,
        *,
        et_min: float | None = None,
        et_max: float | None = None,
        eta_min: float | None = None,
        eta_max: float | None = None,
        matched: bool | None = None,
        split: str | Iterable[str] | None = None,
    ) -> Dataset:
        """A handle on fewer windows; all limits must hold, also those of filters before.

        et_min <= et_seed < et_max (raw Et) [GeV]; eta_min <= abs(seed_eta) < eta_max; matched: is_seed_calo_matched
        split : name or names of splits
        Raises SettingsError for a split that is not there or a limit on a column that the dataset lacks.
        """
        selection = Selection(et_min, et_max, eta_min, eta_max, matched)
        if lacking := sorted(selection.columns - self.scan.names):
            raise self._wrong(f"the filter needs {', '.join(lacking)}", "limits on columns that the dataset has")
        files = self.scan.files if split is None else self._files_of({split} if isinstance(split, str) else set(split))
        return replace(self, scan=replace(self.scan.limited(selection), files=files))

    def _files_of(self, splits: set[str]) -> tuple[File, ...]:
        for name in sorted(splits - set(self.splits)):
            expected = near(name, self.splits) if self.splits else "none: the dataset was made without splits"
            raise self._wrong(f"there is no split '{name}'", expected)
        return tuple(file for file in self.scan.files if file.split in splits)

    def select(self, columns: Iterable[str]) -> Dataset:
        """A handle on fewer columns: names of columns, of groups ("cl_features"), of hit components, or "cl_h".

        Raises SettingsError for an unknown name; the error lists near ones.
        """
        groups = {group: set(names) for group, names in self.definition.groups.items()}
        groups |= {"cl_h": set(self.hit_components)} | {name: {name} for name in self._names}
        chosen: set[str] = set()
        for name in [columns] if isinstance(columns, str) else columns:
            if name not in groups:
                raise self._wrong(f"there is no column or group '{name}'", near(name, groups))
            chosen |= groups[name]
        if not chosen:
            raise self._wrong("no column is selected", "names of columns or groups")
        return replace(self, chosen=frozenset(chosen))

    def __len__(self) -> int:
        return self._n_windows

    @cached_property
    def _n_windows(self) -> int:
        return self.scan.count()

    def __iter__(self) -> Iterator[ak.Array]:
        """The windows, row group by row group (8192 at most), as Awkward Arrays in the layout of formats.md."""
        for table in self._tables():
            if len(table):
                yield ak.from_arrow(table)

    def to_awkward(self) -> ak.Array:
        """All windows as one Awkward Array."""
        return ak.from_arrow(self.to_arrow())

    def to_arrow(self) -> Any:
        """All windows as one `pyarrow.Table`."""
        return pa.concat_tables([batch_table(empty_batch(self._names), self.definition), *self._tables()])

    def _tables(self) -> Iterator[Any]:
        for batch, kept in self.scan.pieces(self.scan.units(), self._names):
            table = batch_table(batch, self.definition)
            yield table if len(kept) == len(batch) else table.take(kept)

    def batches(
        self,
        size: int,
        pad_clusters: int = 45,
        pad_hits: int = 45,
        shuffle: bool = False,
        seed: int = 0,
        features: Sequence[str] | None = None,
        drop_last: bool = False,
    ) -> Iterator[PaddedBatch]:
        """Windows as padded NumPy arrays with masks, `size` at a time (the last batch fewer, or left out).

        pad_clusters, pad_hits : places for the clusters of a window and for the hits of a cluster; what finds none is
            left out (softest clusters first, never the seed) and counted, and a warning tells it once; pad_hits=0
            leaves out all hits and is quicker
        shuffle : row groups in random order, windows drawn at random among those of four at a time; the order follows
            from `seed` alone: give another one in each epoch
        features : columns that become features, by name or group; those of clusters go to `cl_features`, those of
            windows to `seed_features` or `window_features` by their group. By default these three groups
        """
        if size < 1 or pad_clusters < 1 or pad_hits < 0:
            raise self._wrong(f"size={size}, {pad_clusters=}, {pad_hits=}", "sizes of at least 1 (pad_hits: 0)")
        try:
            padding = padding_of(self.definition, pad_clusters, pad_hits, features)
        except KeyError as error:
            name, known = str(error.args[0]), [*self.columns, *self.definition.groups]
            raise self._wrong(f"there is no feature or group '{name}'", near(name, known)) from None
        return self._padded(padding, size, np.random.default_rng(seed) if shuffle else None, drop_last)

    def _padded(
        self, padding: Padding, size: int, rng: np.random.Generator | None, drop_last: bool
    ) -> Iterator[PaddedBatch]:
        units = list(self.scan.units())
        ordered = units if rng is None else [units[i] for i in rng.permutation(len(units))]
        pieces = self.scan.pieces(ordered, padding.columns | {"is_seed"} & self.scan.names)
        sources = ((gathering_source(batch, padding), kept) for batch, kept in pieces)
        n_clusters = n_hits = 0
        try:
            for gather, n in gathers(sources, size, rng=rng, drop_last=drop_last):
                batch = padded_batch(gather, n, padding)
                n_clusters, n_hits = n_clusters + batch.n_clusters_cut, n_hits + batch.n_hits_cut
                yield batch
        finally:
            self._tell_cut(n_clusters, n_hits, padding)

    def _tell_cut(self, n_clusters: int, n_hits: int, padding: Padding) -> None:
        if (n_clusters or n_hits) and not self._told:
            self._told.add("cut")
            log.warning(
                "%s: padding left out %s clusters (pad_clusters=%d) and %s hits of others (pad_hits=%d)",
                self.path, f"{n_clusters:,}", padding.clusters, f"{n_hits:,}", padding.hits,
            )  # fmt: skip

    @property
    def _names(self) -> frozenset[str]:
        """The columns and hit components selected."""
        return self.scan.names if self.chosen is None else self.chosen

    def _wrong(self, found: str, expected: str) -> SettingsError:
        return SettingsError(found, expected=expected, where=self.path, todo="see .columns and .splits of the dataset")
