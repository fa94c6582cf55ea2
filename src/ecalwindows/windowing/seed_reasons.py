"""Why a candidate made a window or did not, event by event (`--debug`)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ecalwindows.core.events import Events, float64
from ecalwindows.windowing.kernels.features import transverse
from ecalwindows.windowing.kernels.windows import points_inside
from ecalwindows.windowing.pipeline import Made
from ecalwindows.windowing.windows import positions


def seed_lines(events: Events, made: Made) -> Iterator[str]:
    """One line per event, then one per cluster with the Et of a seed, by decreasing Et: what it made, and why."""
    eta = float64(events.cluster["eta"])
    et = transverse(float64(events.cluster["energy"]), eta)
    window_of = {int(seed): window for window, seed in enumerate(made.seeds.seed)}
    for event in range(len(events)):
        begin, end = events.cluster_offsets[event], events.cluster_offsets[event + 1]
        order = made.seeds.order[begin:end]
        high = [int(c) for c in order if made.seeds.has_et[c]]
        yield (
            f"run {events.run[event]} lumi {events.lumi[event]} event {events.event[event]}: "
            f"{end - begin} clusters, {int(made.seeds.is_used[high].sum())} candidates"
        )
        for cluster in high:
            yield (
                f"  seed {cluster - begin:>4}  Et {et[cluster]:8.2f} GeV  eta {eta[cluster]:7.3f}"
                f"  phi {events.cluster['phi'][cluster]:7.3f}  {_outcome(events, made, cluster, window_of, event)}"
            )


def _outcome(events: Events, made: Made, cluster: int, window_of: dict[int, int], event: int) -> str:
    if cluster in window_of:
        window = window_of[cluster]
        kept = "kept" if made.keep[window] else "dropped (unmatched, beyond maxnocalow)"
        return f"window {kept}: {_match(made, cluster, window)}"
    if not made.seeds.is_used[cluster]:
        return "no window: without hits or energy, it is left out in mode cmssw"
    if not np.isfinite([events.cluster["eta"][cluster], events.cluster["phi"][cluster]]).all():
        return "no window: its position is not finite"
    begin = int(events.cluster_offsets[event])
    return f"no window: inside that of seed {_holder(events, made, cluster, event) - begin}"


def _match(made: Made, cluster: int, window: int) -> str:
    owner, score = made.association.owner[cluster], made.association.score[cluster]
    if made.seeds.calo[window] >= 0:
        return f"matched to caloparticle {owner}, score {score:.4g}"
    if made.seeds.bad_position[window]:
        return f"unmatched: caloparticle {owner} (score {score:.4g}) is outside the window"
    if owner < 0:
        return "unmatched: no caloparticle has a score"
    return f"unmatched: score {score:.4g} with caloparticle {owner} is too low"


def _holder(events: Events, made: Made, cluster: int, event: int) -> int:
    """The seed of the first window of the event that holds the cluster."""
    seed = made.seeds.seed[made.seeds.event == event]
    places, point = positions(events), np.full(len(seed), cluster)
    inside = points_inside(seed, *places, made.seeds.bounds, *(each[point] for each in places))
    return int(seed[np.argmax(inside)])
