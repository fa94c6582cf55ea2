"""Complete events become superclusters of several collections; their tables are written and collected."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

from ecalwindows.core.arrays import Array
from ecalwindows.core.errors import InputError, no_windows
from ecalwindows.evaluation.caloparticles import EVENT_NAMES, FAKE_ET, above, collection, supercluster_energies
from ecalwindows.evaluation.events import Windows, events_of
from ecalwindows.evaluation.kernels.bootstrap import means
from ecalwindows.evaluation.measuring import Bin, Measured, rows_of
from ecalwindows.evaluation.satellites import satellites
from ecalwindows.evaluation.strategies import superclusters
from ecalwindows.evaluation.window_table import window_table
from ecalwindows.formats.parquet.writer import TableWriter
from ecalwindows.studies.working_points.threshold_scan import round_keys

Table = dict[str, Array]

SCORE = "score "
"""What the columns of scores begin with."""

CMS_CSV = {11: "validation_dataset_ele", 22: "validation_dataset_gamma"}
"""Names of the tables (.csv) that CMS's plotting scripts read, by flavour."""


class TableFile:
    """A table that is written piece by piece, as `<path>.parquet` and `<path>.csv`."""

    def __init__(self, path: Path, stack: ExitStack, *, delimiter: str = ",", parquet: bool = True) -> None:
        self._path, self._stack, self._delimiter, self._has_parquet = path, stack, delimiter, parquet
        self._parquet: TableWriter | None = None
        self._csv: Any = None

    def take(self, columns: Table) -> None:
        """Append rows."""
        table = pa.table({name: pa.array(column) for name, column in columns.items()})
        if self._csv is None:
            options = pc.WriteOptions(delimiter=self._delimiter, quoting_style="needed")
            self._csv = self._stack.enter_context(
                pc.CSVWriter(Path(f"{self._path}.csv"), table.schema, write_options=options)
            )
            if self._has_parquet:
                self._parquet = self._stack.enter_context(TableWriter(Path(f"{self._path}.parquet")))
        self._csv.write_table(table)
        if self._parquet:
            self._parquet.put(table)


class Collected:
    """Superclusters, caloparticles, windows and satellites of complete events.

    Parameters
    ----------
    folder : of the tables
    stack : closes them
    models : collections that have a table of windows of their own
    references : the other collections
    strategies : of the models; references are made by the first one
    threshold : score from which a cluster is taken
    min_et : superclusters with less raw Et are left out [GeV]
    has_truth, is_complete : what can be measured
    mustache : column of the Mustache, None without
    cms_csv : write the tables of CMS's scripts

    Attributes
    ----------
    caloparticles : by collection, tables of the same caloparticles
    """

    def __init__(
        self, folder: Path, stack: ExitStack, *, models: Sequence[str], references: Sequence[str],
        strategies: Sequence[str], threshold: float, has_truth: bool, is_complete: bool, mustache: str | None,
        cms_csv: bool = False, min_et: float = 0.0,
    ) -> None:  # fmt: skip
        self._folder, self._stack, self._threshold, self._min_et = folder, stack, threshold, min_et
        self._models, self._names = models, [*models, *references]
        self._has_truth, self._is_complete, self._mustache, self._cms_csv = has_truth, is_complete, mustache, cms_csv
        several = len(strategies) > 1
        self.ways = {
            (f"{name} {strategy}" if several else name): (name, strategy) for name in models for strategy in strategies
        } | {name: (name, strategies[0]) for name in references}
        self._caloparticles: dict[str, list[Table]] = {way: [] for way in self.ways}
        self._fakes: dict[str, list[Array]] = {way: [] for way in self.ways}
        self._n_superclusters = dict.fromkeys(self.ways, 0)
        self._keys: list[Array] = []
        self._satellites: list[Table] = []
        self._files: dict[str, TableFile] = {}
        self.n_windows = self.n_clusters = self.n_matched = 0

    def take(self, windows: Windows) -> None:
        """Take the windows of complete events; each collection has a column `score NAME` of clusters."""
        events = events_of(windows)
        windows = events.windows
        self.n_windows += len(windows)
        self.n_clusters += int(windows.offsets[-1])
        self._keys.append(events.key)
        scores = {name: windows.pair[SCORE + name] for name in self._names}
        if self._has_truth:
            self.n_matched += int(windows.window["is_seed_calo_matched"].sum())
            self._satellites.append(
                satellites(windows, {name: scores[name] for name in self._names if name != "truth"})
            )
            mustache = windows.pair[self._mustache] if self._mustache else np.zeros(len(windows.pair["is_seed"]), bool)
            for name in self._models:
                table = window_table(windows, scores[name], mustache, self._threshold)
                self._file(f"windows_{name}").take(table)
                if self._cms_csv:
                    self._write_cms(table, name)
        if not self._is_complete:
            return
        for way, (name, strategy) in self.ways.items():
            made = superclusters(scores[name], events.graphs, strategy=strategy, threshold=self._threshold)
            made = above(events, made, self._min_et)
            if self._has_truth:
                found = collection(events, made)
                table = found.superclusters
                self._caloparticles[way].append(found.caloparticles)
                self._fakes[way].append(found.fakes)
            else:
                identity = {each: windows.window[each][made.window] for each in (*EVENT_NAMES, "seed_index")}
                table = identity | supercluster_energies(events, made)
            self._n_superclusters[way] += len(made.window)
            rows = {each: values for each, values in table.items() if each != "event_key"}
            self._file("superclusters").take({"collection": np.full(len(made.window), way)} | rows)

    def _file(self, name: str, **how: Any) -> TableFile:
        if name not in self._files:
            self._files[name] = TableFile(self._folder / name, self._stack, **how)
        return self._files[name]

    def _write_cms(self, table: Table, model: str) -> None:
        folder = self._folder if len(self._models) == 1 else self._folder / f"cms_{model}"
        folder.mkdir(exist_ok=True)
        for flavour, file in CMS_CSV.items():
            rows = np.flatnonzero(table["flavour"] == flavour)
            name = str((folder / file).relative_to(self._folder))
            found = self._file(name, delimiter=";", parquet=False)
            found.take({each: values[rows] for each, values in table.items()})

    def finish(self, where: str) -> None:
        """Write the table of caloparticles. Raises InputError for no windows, and for an event in two places."""
        if not self.n_windows:
            raise no_windows(where)
        keys = np.concatenate(self._keys)
        if twice := len(keys) - len(np.unique(keys)):
            raise InputError(
                f"{twice:,} events are in two places", expected="each event (sample, run, lumi, event) in one dataset,"
                " its windows one after the other", where=where,
                todo="leave one of the datasets out, or give samples names of their own (--sample)",
            )  # fmt: skip
        for way, table in self.caloparticles.items():
            self._file("caloparticles").take({"collection": np.full(len(table["found"]), way)} | table)

    @cached_property
    def caloparticles(self) -> dict[str, Table]:
        """The caloparticles of each collection; to be asked for when all windows are taken."""
        return {way: _joined(tables) for way, tables in self._caloparticles.items() if tables}

    @cached_property
    def satellites(self) -> Table:
        """The satellites of matched windows; to be asked for when all windows are taken."""
        return _joined(self._satellites)

    @property
    def counts(self) -> dict[str, int]:
        """What was read and made."""
        counts = {"events": sum(map(len, self._keys)), "windows": self.n_windows}
        if self._has_truth:
            counts["matched windows"] = self.n_matched
        counts["clusters in windows"] = self.n_clusters
        tables = self.caloparticles
        if tables:
            first = next(iter(tables.values()))
            counts["caloparticles"] = len(first["found"])
            counts["found by all collections"] = int(np.all([each["found"] for each in tables.values()], axis=0).sum())
            counts["true clusters out of reach"] = int(first["n_out_of_reach"].sum())
        return counts | {f"superclusters of {way}": n for way, n in self._n_superclusters.items() if self._is_complete}

    def measured_fakes(self, references: Sequence[str], rounds: int, seed: int) -> list[Measured]:
        """Superclusters per event whose seed belongs to no caloparticle: all, and in bins of their Et."""
        ways = [way for way, pieces in self._fakes.items() if pieces]
        if not ways:
            return []
        counts = np.stack([np.concatenate(self._fakes[way], axis=1) for way in ways])
        key, keys = np.concatenate(self._keys), round_keys(rounds, seed)
        found = list(
            rows_of(Bin(), "fakes per event", len(key), ways, means(counts.sum(axis=1), key, keys), references)
        )
        for place, (low, high) in enumerate(pairwise(FAKE_ET)):
            values = means(np.ascontiguousarray(counts[:, place]), key, keys)
            where = Bin("et of the supercluster", (low, high))
            found += rows_of(where, "fakes per event", len(key), ways, values, references)
        return found


def _joined(tables: Sequence[Table]) -> Table:
    return {name: np.concatenate([each[name] for each in tables]) for name in tables[0]} if tables else {}
