"""Events in chunks, as flat columns with offsets; the same whatever the chunks and however many threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecalwindows.simulate.branches import Nested, OutBranch
from ecalwindows.simulate.event import Detector, simulated_event
from ecalwindows.simulate.gun import Gun
from ecalwindows.simulate.workspace import Workspace

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """A branch of some events: offsets of each level, from the events inwards, and the flat values."""

    offsets: tuple[Index, ...]
    values: NDArray[Any]


def column(branch: OutBranch, events: list[Any]) -> Column:
    """The column of what `simulated_event` gave for a branch."""
    if branch.depth == 0:
        return Column((), np.array(events, branch.dtype))
    if branch.depth == 1:
        return Column((_offsets([len(event) for event in events]),), _joined(events, branch))
    lists: list[Nested] = events
    counts = np.concatenate([np.zeros(0, np.int64), *(event.counts for event in lists)])
    outer = _offsets([len(event.counts) for event in lists])
    return Column((outer, _offsets(counts)), _joined([event.values for event in lists], branch))


def _joined(parts: list[Any], branch: OutBranch) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, branch.dtype), *(np.asarray(part).astype(branch.dtype) for part in parts)])


def _offsets(counts: Any) -> Index:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def simulated_chunks(
    n_events: int, seed: int, gun: Gun, pileup: tuple[float, float] | None, detector: Detector,
    branches: tuple[OutBranch, ...], *, chunk: int, jobs: int,
) -> Iterator[tuple[int, dict[str, Column]]]:  # fmt: skip
    """(number of events, columns) of each chunk, in the order of the events. At most jobs + 1 chunks are in memory."""
    mine = local()

    def simulated(start: int) -> tuple[int, dict[str, Column]]:
        if not hasattr(mine, "work"):
            mine.work = Workspace()
        numbers = range(start, min(start + chunk, n_events))
        events = [simulated_event(number, seed, gun, pileup, detector, mine.work) for number in numbers]
        return len(events), {b.name: column(b, [event[b.name] for event in events]) for b in branches}

    if jobs == 1:
        yield from map(simulated, range(0, n_events, chunk))
        return
    waiting: deque[Future[tuple[int, dict[str, Column]]]] = deque()
    with ThreadPoolExecutor(jobs) as pool:
        for start in range(0, n_events, chunk):
            waiting.append(pool.submit(simulated, start))
            if len(waiting) > jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
