"""A dataset opened for a training: the handle that `ecalwindows.open_dataset` returns, with batches of one shape."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import numpy as np

from ecalwindows.core.errors import near
from ecalwindows.dataset.reading.opened import Dataset
from ecalwindows.dataset.reading.scan import Unit
from ecalwindows.training.loading import gathers
from ecalwindows.training.padding import PaddedBatch, Padding, gathering_source, padded_batch, padding_of
from ecalwindows.training.stream import Stream, stream

log = logging.getLogger(__name__)


def open_dataset(path: str | PathLike[str]) -> TrainingDataset:
    """A handle on a dataset; nothing but its record and the names of its files is read yet.

    path : a finished dataset, its format folder, a flat folder of parts or a single file (.parquet, .ndjson[.gz|.zst],
        .ndjson.tar.gz, .proto), local or as URL (root://, with the extra xrootd)
    Known issues in the record are logged as warnings.
    Files are compared with what record or manifest state of them when they are read (`dataset.stated`).
    Raises InputError where there are no data or files of the record are missing, MissingExtraError for root:// without
    the extra.

    >>> data = ecalwindows.open_dataset("windows.parquet").filter(et_min=5.0, matched=True)
    >>> data.to_awkward().cl_features.et_cluster
    """
    return TrainingDataset.at(path)


@dataclass(frozen=True, repr=False)
class TrainingDataset(Dataset):
    """A dataset with batches for a training; made by `open_dataset`."""

    _warned: set[str] = field(default_factory=set, compare=False)

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
            left out (softest clusters first, never the seed) and counted, and a warning says so once; pad_hits=0
            leaves out all hits and is quicker
        shuffle : row groups in random order, windows drawn at random among those of four at a time; the order follows
            from `seed` alone: give another one in each epoch
        features : columns that become features, by name or group; those of clusters go to `cl_features`, those of
            windows to `seed_features` or `window_features` by their group. By default these three groups
        """
        if size < 1 or pad_clusters < 1 or pad_hits < 0 or seed < 0:
            raise self._wrong(
                f"size={size}, {pad_clusters=}, {pad_hits=}, {seed=}",
                "sizes of at least 1 (pad_hits and seed: 0)",
                "correct them",
            )
        try:
            names = [features] if isinstance(features, str) else features
            padding = padding_of(self.definition, pad_clusters, pad_hits, names)
        except KeyError as error:
            name, known = str(error.args[0]), [*self.columns, *self.definition.groups]
            raise self._wrong(
                f"there is no feature or group '{name}'", near(name, known), "name a column or a group"
            ) from None
        return self._padded(padding, size, np.random.default_rng(seed) if shuffle else None, drop_last)

    def stream(
        self, batch_size: int, *, where: Any = None, split: str | Iterable[str] | None = None, **settings: Any
    ) -> Stream:
        """A stream of batches for a training: with ranks, workers, resume, and an order of the complete dataset.

        split, where : as of `filter`; settings : those of `ecalwindows.stream`
        Raises SettingsError and InputError as `ecalwindows.stream` and `filter`.

        >>> for batch in data.stream(512, seed=1, split="train", workers=2):
        ...     step(batch.cl_features, batch.cl_mask)
        """
        chosen = self if where is None and split is None else self.filter(where, split=split)
        return stream(chosen, batch_size, **settings)

    def _padded(
        self, padding: Padding, size: int, rng: np.random.Generator | None, drop_last: bool
    ) -> Iterator[PaddedBatch]:
        ordered: Iterable[Unit] = self.scan.units()  # in order, no file is opened before its windows are wanted
        if rng is not None:
            units = list(ordered)
            ordered = [units[i] for i in rng.permutation(len(units))]
        pieces = self.scan.pieces(ordered, padding.columns | {"is_seed"} & self.scan.names)
        sources = ((gathering_source(batch, padding), kept) for batch, kept in pieces)
        n_clusters = n_hits = 0
        try:
            for gather, n in gathers(sources, size, rng=rng, drop_last=drop_last):
                batch = padded_batch(gather, n, padding)
                n_clusters, n_hits = n_clusters + batch.n_clusters_cut, n_hits + batch.n_hits_cut
                yield batch
        finally:
            self._warn_of_cut(n_clusters, n_hits, padding)

    def _warn_of_cut(self, n_clusters: int, n_hits: int, padding: Padding) -> None:
        if (n_clusters or n_hits) and not self._warned:
            self._warned.add("cut")
            log.warning(
                "%s: padding left out %s clusters (pad_clusters=%d) and %s hits of other clusters (pad_hits=%d)",
                self.path, f"{n_clusters:,}", padding.clusters, f"{n_hits:,}", padding.hits,
            )  # fmt: skip
