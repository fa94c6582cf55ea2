"""Datasets opened for reading: a lazy handle on files of any format, local or remote."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from os import PathLike, fspath
from typing import Any, Self

import awkward as ak
import numpy as np
import pyarrow as pa

from ecalwindows.core.batch import WindowBatch, empty_batch
from ecalwindows.core.errors import (
    EcalWindowsError,
    SettingsError,
    UnknownColumnError,
    near,
    refuse_missing,
    unknown_column,
)
from ecalwindows.core.names import counted
from ecalwindows.core.schema import COLUMNS, HIT_NAMES, Column
from ecalwindows.dataset.reading.expression import condition, limits
from ecalwindows.dataset.reading.scan import Scan
from ecalwindows.dataset.reading.sources import File, dataset_files, dataset_record, files_of_record
from ecalwindows.dataset.record import DatasetRecord
from ecalwindows.formats.parquet.definition import GROUPS, FeaturesDefinition, features_definition
from ecalwindows.formats.parquet.writer import arrow_table

log = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Dataset:
    """A dataset that is read when it is needed, row group by row group.

    path : as given; record : its dataset.json, None without
    scan : its data files and the limits that all windows pass; chosen : names of the columns selected, None for all
    """

    path: str
    scan: Scan
    record: DatasetRecord | None = None
    chosen: frozenset[str] | None = None

    @classmethod
    def at(cls, path: str | PathLike[str]) -> Self:
        """A handle on the dataset at a path or URL; known issues of its record are logged as warnings.

        Raises InputError where there are no data or files of the record are missing.
        """
        name = fspath(path)
        files, record = dataset_files(name), dataset_record(name)
        for issue in record.known_issues if record else ():
            about = f" (column {issue.column})" if issue.column else ""
            log.warning("%s: known issue of %s: %s%s", name, issue.day, issue.text, about)
        return cls(name, Scan(files_of_record(name, files, record)), record)

    def __repr__(self) -> str:
        """Windows, splits, columns and size, as far as records and headers state them; no windows are read."""
        try:
            groups = dict(self.definition.groups) | ({"cl_h": self.hit_components} if self.hit_components else {})
            columns = f"{len(self.columns)} in " + ", ".join(f"{name} ({len(names)})" for name, names in groups.items())
            windows = self._described_windows()
        except (EcalWindowsError, OSError):
            columns = windows = "unknown: the data cannot be read"
        return "\n".join(
            [
                f"<Dataset {self.path!r}",
                f"  windows: {windows}",
                f"  splits:  {', '.join(self.splits) or 'none'}",
                f"  columns: {columns}",
                f"  size:    {self._described_size()}>",
            ]
        )

    def _described_windows(self) -> str:
        """The number of windows, and the limits that they pass."""
        limits = "; ".join(each.text for each in self.scan.selections)
        if "_n_windows" in self.__dict__:
            return f"{self._n_windows:,}" + (f" with {limits}" if limits else "")
        stated = self.scan.stated_windows(self.record)
        n = "not counted yet (len() counts them)" if stated is None else f"{stated:,}"
        return f"{n}, before the limits {limits}" if limits else n

    def _described_size(self) -> str:
        """The number of files, and their size where it is known."""
        sizes = [file.bytes for file in self.scan.files]
        size = "" if None in sizes else f"{sum(filter(None, sizes)) / 1e6:,.1f} MB in "
        return f"{size}{counted(len(sizes), 'file')}"

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
        where: Any = None,
        *,
        et_min: float | None = None,
        et_max: float | None = None,
        eta_min: float | None = None,
        eta_max: float | None = None,
        matched: bool | None = None,
        split: str | Iterable[str] | None = None,
        **equal: Any,
    ) -> Self:
        """A handle on fewer windows; all limits must hold, also those of filters before.

        et_min <= et_seed < et_max (raw Et) [GeV]; eta_min <= abs(seed_eta) < eta_max; matched: is_seed_calo_matched
        split : name or names of splits
        where : a condition on columns with one number per window: text in the syntax of pandas' query, for example
            "flavour == 11 and abs(seed_eta) < 1.4442", or a `pyarrow.compute.Expression`. -999 (no number)
            passes no <, <=, >, >=
        equal : a value, or a list of values, by name of the column, for example flavour=11
        Raises SettingsError for an unknown split or a condition that cannot be read, UnknownColumnError for a limit on
        a column that is not there.

        >>> data.filter(flavour=11).filter("et_seed > 5 and nclusters_insc > 1")
        """
        given = limits(et_min=et_min, et_max=et_max, eta_min=eta_min, eta_max=eta_max, matched=matched)
        conditions = [given] if given.code else []
        conditions += [condition(where, **equal)] if where is not None or equal else []
        for each in conditions:
            refuse_missing(
                each.columns, self.scan.names, self.path, found="the filter needs {}, which the dataset does not have",
                todo="give limits on other columns", kind=UnknownColumnError,
            )  # fmt: skip
        files = self.scan.files if split is None else self._files_of({split} if isinstance(split, str) else set(split))
        selections = (*self.scan.selections, *conditions)
        return replace(self, scan=replace(self.scan, files=files, selections=selections))

    def _files_of(self, splits: set[str]) -> tuple[File, ...]:
        for name in sorted(splits - set(self.splits)):
            expected = near(name, self.splits) if self.splits else "none: the dataset was made without splits"
            raise self._wrong(f"there is no split '{name}'", expected, "name a split of this dataset")
        return tuple(file for file in self.scan.files if file.split in splits)

    def select(self, columns: Iterable[str]) -> Self:
        """A handle on fewer columns: names of columns, of groups ("cl_features"), of hit components, or "cl_h".

        Raises UnknownColumnError, a SettingsError, for an unknown name; the error lists near names.
        """
        groups = {group: set(names) for group, names in self.definition.groups.items()}
        groups |= {"cl_h": set(self.hit_components)} | {name: {name} for name in self._names}
        chosen: set[str] = set()
        for name in [columns] if isinstance(columns, str) else columns:
            if name not in groups:
                raise unknown_column(name, groups, self.path, "column or group")
            chosen |= groups[name]
        if not chosen:
            raise self._wrong("no column is selected", "names of columns or groups", "name at least one")
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
        return pa.concat_tables([self._table(empty_batch(self._names)), *self._tables()])

    def _tables(self) -> Iterator[Any]:
        for batch, kept in self.scan.pieces(self.scan.units(), self._names):
            table = self._table(batch)
            yield table if len(kept) == len(batch) else table.take(kept)

    def _table(self, batch: WindowBatch) -> Any:
        """The selected columns as a `pyarrow.Table`; without `cl_h` where no hit component is selected."""
        if self.definition.hits:
            return arrow_table(batch, self.definition)
        name = HIT_NAMES[0]
        nothing = replace(batch, hits=empty_batch([name]).hits, hits_offsets=np.zeros_like(batch.hits_offsets))
        return arrow_table(nothing, replace(self.definition, hits=(0,))).drop_columns(["cl_h"])

    @property
    def _names(self) -> frozenset[str]:
        """The columns and hit components selected."""
        return self.scan.names if self.chosen is None else self.chosen

    def _wrong(self, found: str, expected: str, todo: str) -> SettingsError:
        return SettingsError(found, expected=expected, where=self.path, todo=todo)
