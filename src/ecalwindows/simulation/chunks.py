"""Events in chunks, as flat columns with offsets; they do not depend on the chunks and on the number of threads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import local
from typing import Any

import numpy as np

from ecalwindows.core.arrays import Array, Integers, offsets_of
from ecalwindows.core.threads import Threads
from ecalwindows.simulation.branches import Nested, OutBranch
from ecalwindows.simulation.event import Detector, simulated_event
from ecalwindows.simulation.gun import Gun
from ecalwindows.simulation.workspace import Workspace


@dataclass(frozen=True)
class Column:
    """A branch of several events.

    Attributes
    ----------
    offsets : one array int64 per level of vectors, the outer level first
    values : the values of all events, one after another
    """

    offsets: tuple[Integers, ...]
    values: Array


def column(branch: OutBranch, events: list[Any]) -> Column:
    """The column of a branch, from the values that `simulated_event` returned for it."""
    if branch.depth == 0:
        return Column((), np.array(events, branch.dtype))
    if branch.depth == 1:
        return Column((offsets_of([len(event) for event in events]),), _joined(events, branch))
    lists: list[Nested] = events
    counts = np.concatenate([np.zeros(0, np.int64), *(event.counts for event in lists)])
    outer = offsets_of([len(event.counts) for event in lists])
    return Column((outer, offsets_of(counts)), _joined([event.values for event in lists], branch))


def _joined(parts: list[Any], branch: OutBranch) -> Array:
    return np.concatenate([np.zeros(0, branch.dtype), *(np.asarray(part).astype(branch.dtype) for part in parts)])


def simulated_chunks(
    n_events: int, seed: int, gun: Gun, pileup: tuple[float, float] | None, detector: Detector,
    branches: tuple[OutBranch, ...], *, chunk: int, jobs: int,
) -> Iterator[tuple[int, dict[str, Column]]]:  # fmt: skip
    """Simulate events in chunks; yields (number of events, columns by name) of each chunk, in the order of the events.

    Parameters
    ----------
    n_events, seed, gun, pileup, detector : see `simulated_event`
    branches : to be returned
    chunk : number of events per chunk
    jobs : number of threads; at most jobs + 1 chunks are in memory
    """
    thread_data = local()

    def simulated(start: int) -> tuple[int, dict[str, Column]]:
        if not hasattr(thread_data, "work"):
            thread_data.work = Workspace()
        indices = range(start, min(start + chunk, n_events))
        events = [simulated_event(index, seed, gun, pileup, detector, thread_data.work) for index in indices]
        return len(events), {b.name: column(b, [event[b.name] for event in events]) for b in branches}

    with Threads(jobs) as threads:
        yield from threads.results(partial(simulated, start) for start in range(0, n_events, chunk))
