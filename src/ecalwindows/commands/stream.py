"""A look at a training stream before a training: what its batches hold, what padding costs, how fast it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array
from ecalwindows.dataset.finalizing.identity import sample_counts
from ecalwindows.training.opened import open_dataset
from ecalwindows.training.padding import PaddedBatch
from ecalwindows.training.stream import stream

UNKNOWN = "unknown"
"""Name of the sample or flavour of windows that have none."""


@dataclass
class StreamFacts:
    """What a stream gives; all numbers but `windows` and `batches` are those of the batches that were read.

    windows, batches, dropped : of an epoch: all windows, batches, and windows that fill no batch
    read_batches, read_windows, clusters, hits : what was read
    samples, flavours : windows by sample and by flavour
    cluster_places, hit_places : places of padded batches
    clusters_cut, hits_cut : what found no place
    first_seconds : until the first batch was there; windows_per_second : of the batches after it, counting
        included; None for one batch
    """

    order: str
    windows: int
    batches: int
    dropped: int
    read_batches: int = 0
    read_windows: int = 0
    clusters: int = 0
    hits: int = 0
    samples: Counter[str] = field(default_factory=Counter)
    flavours: Counter[str] = field(default_factory=Counter)
    cluster_places: int = 0
    hit_places: int = 0
    clusters_cut: int = 0
    hits_cut: int = 0
    first_seconds: float = 0.0
    windows_per_second: float | None = None

    def add(self, batch: Any) -> None:
        """Count a batch."""
        self.read_batches += 1
        self.read_windows += len(batch)
        if isinstance(batch, PaddedBatch):
            self.clusters += int(batch.cl_mask.sum())
            self.hits += int(batch.hit_mask.sum())
            self.cluster_places += batch.cl_mask.size
            self.hit_places += batch.hit_mask.size
            self.clusters_cut += batch.n_clusters_cut
            self.hits_cut += batch.n_hits_cut
        else:
            self.clusters += int(batch.cl_offsets[-1])
            self.hits += int(batch.hit_offsets[-1])
        n, metadata = len(batch), batch.metadata
        counts = sample_counts(metadata["window_index"]) if "window_index" in metadata else {"": n}
        self.samples.update({name or UNKNOWN: count for name, count in counts.items()})
        self.flavours.update(_counts(metadata["flavour"]) if "flavour" in metadata else {UNKNOWN: n})

    @property
    def wasted(self) -> dict[str, float]:
        """Share of the places for clusters and for hits that are empty."""
        found = {"clusters": (self.clusters, self.cluster_places), "hits": (self.hits, self.hit_places)}
        return {name: 1 - n / places for name, (n, places) in found.items() if places}

    @property
    def cut(self) -> dict[str, float]:
        """Share of the clusters that found no place; of hits, of the clusters that found one."""
        found = {"clusters": (self.clusters, self.clusters_cut), "hits": (self.hits, self.hits_cut)}
        return {name: cut / (kept + cut) for name, (kept, cut) in found.items() if kept + cut}


def _counts(values: Array) -> dict[str, int]:
    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(n) for value, n in zip(found, counts, strict=True)}


def look_at_stream(
    datasets: Sequence[str],
    batch_size: int,
    *,
    batches: int,
    where: str | None = None,
    split: str | None = None,
    **settings: Any,
) -> StreamFacts:
    """Read the first batches of a stream, and count what they hold.

    Parameters
    ----------
    datasets : paths
    batches : how many are read at most
    where, split : as of `open_dataset(...).filter`
    settings : of `ecalwindows.stream`

    Raises
    ------
    SettingsError, InputError : as `ecalwindows.stream`
    """
    opened = [open_dataset(path).filter(where, split=split) for path in datasets]
    began = time.perf_counter()
    made = stream(opened, batch_size, **settings)
    facts = StreamFacts(made.order, made.windows, len(made), made.dropped)
    try:
        for batch in islice(made, min(batches, len(made))):
            facts.first_seconds = facts.first_seconds or time.perf_counter() - began
            facts.add(batch)
    finally:
        made.close()
    seconds = time.perf_counter() - began - facts.first_seconds
    if facts.read_batches > 1:
        facts.windows_per_second = (facts.read_windows - batch_size) / seconds
    return facts
