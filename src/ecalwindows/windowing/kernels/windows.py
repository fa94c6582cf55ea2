"""Loops of `windowing.py`: order, seeds, members, selection."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ecalwindows.core.jit import array_kernel, kernel


@kernel
def wrapped(angle: Any) -> Any:
    """The same angle in [-pi, pi]; unchanged when it is there already."""
    if not abs(angle) > math.pi:
        return angle
    if abs(angle) == np.inf:
        return np.nan
    rest = np.fmod(angle, 2 * math.pi)
    if rest > math.pi:
        return rest - 2 * math.pi
    if rest < -math.pi:
        return rest + 2 * math.pi
    return rest


@kernel
def is_inside(seed_eta: float, seed_phi: float, up: float, down: float, width: float, eta: float, phi: float) -> bool:
    """Whether (eta, phi) lies in the window of a seed; all bounds inclusive; false for NaN."""
    deta = eta - seed_eta if seed_eta >= 0 else seed_eta - eta
    return down <= deta <= up and abs(wrapped(seed_phi - phi)) <= width


@kernel
def sort_rows(order: Any, spare: Any, key: Any, begin: int, end: int) -> None:
    """Order the row numbers in order[begin:end] by decreasing key, ties as they are, NaN last (merge sort)."""
    size = 1
    while size < end - begin:
        for low in range(begin, end, 2 * size):
            middle = min(low + size, end)
            high = min(low + 2 * size, end)
            left, right = low, middle
            for place in range(low, high):
                take_right = left >= middle
                if left < middle and right < high:
                    a, b = key[order[left]], key[order[right]]
                    take_right = b > a or (math.isnan(a) and not math.isnan(b))
                if take_right:
                    spare[place] = order[right]
                    right += 1
                else:
                    spare[place] = order[left]
                    left += 1
        for place in range(begin, end):  # numba takes 2 s to compile an assignment of slices
            order[place] = spare[place]
        size *= 2


@array_kernel
def order_in_groups(offsets: Any, key: Any, is_wanted: Any) -> Any:
    """Row numbers of each group: the wanted ones by decreasing key, ties in row order, NaN last; then the others."""
    order = np.empty(len(key), np.int64)
    spare = np.empty(len(key), np.int64)
    for group in range(len(offsets) - 1):
        end = offsets[group]
        for wanted in (True, False):
            for row in range(offsets[group], offsets[group + 1]):
                if is_wanted[row] == wanted:
                    order[end] = row
                    end += 1
            if wanted:
                sort_rows(order, spare, key, offsets[group], end)
    return order


@array_kernel
def seeds(offsets: Any, order: Any, is_candidate: Any, eta: Any, phi: Any, iz: Any, bounds: Any, overlap: bool) -> Any:
    """The candidates that make a window, in order.

    bounds : float64 (3, n_clusters), up, down and width of the window that each cluster would make.
    Returns (seed (n_windows,), windows per event (n_events,), candidates inside another window per event (n_events,)).
    """
    n_events = len(offsets) - 1
    seed = np.empty(len(order), np.int64)
    made = np.zeros(n_events, np.int64)
    inside = np.zeros(n_events, np.int64)
    n = 0
    for event in range(n_events):
        first = n
        for row in range(offsets[event], offsets[event + 1]):
            c = order[row]
            if not is_candidate[c]:
                continue
            free = True
            if not overlap:
                for w in range(first, n):
                    s = seed[w]
                    if iz[s] == iz[c] and is_inside(
                        eta[s], phi[s], bounds[0, s], bounds[1, s], bounds[2, s], eta[c], phi[c]
                    ):
                        free = False
                        break
            if free:
                seed[n] = c
                n += 1
            else:
                inside[event] += 1
        made[event] = n - first
    return seed[:n].copy(), made, inside


@array_kernel
def points_inside(seed: Any, eta: Any, phi: Any, iz: Any, bounds: Any, at_eta: Any, at_phi: Any, at_iz: Any) -> Any:
    """For each window: whether a point (one per window) is in it. bool (n_windows,)."""
    inside = np.zeros(len(seed), np.bool_)
    for w in range(len(seed)):
        s = seed[w]
        inside[w] = iz[s] == at_iz[w] and is_inside(
            eta[s], phi[s], bounds[0, s], bounds[1, s], bounds[2, s], at_eta[w], at_phi[w]
        )
    return inside


@array_kernel
def members(offsets: Any, order: Any, eta: Any, phi: Any, iz: Any, bounds: Any, seed: Any, event: Any) -> Any:
    """The clusters in each window, the seed included, in the order of `order`.

    Returns (window_offsets (n_windows + 1,), cluster (n_pairs,)).
    """
    window_offsets = np.zeros(len(seed) + 1, np.int64)
    cluster = np.empty(max(16, 4 * len(seed)), np.int64)
    n = 0
    for w in range(len(seed)):
        s = seed[w]
        begin, end = offsets[event[w]], offsets[event[w] + 1]
        if n + end - begin > len(cluster):
            longer = np.empty(2 * len(cluster) + end - begin, np.int64)
            for place in range(n):
                longer[place] = cluster[place]
            cluster = longer
        for row in range(begin, end):
            c = order[row]
            if c == s or (
                iz[c] == iz[s] and is_inside(eta[s], phi[s], bounds[0, s], bounds[1, s], bounds[2, s], eta[c], phi[c])
            ):
                cluster[n] = c
                n += 1
        window_offsets[w + 1] = n
    return window_offsets, cluster[:n].copy()


@array_kernel
def members_after(
    offsets: Any, et: Any, is_used: Any, eta: Any, phi: Any, iz: Any, bounds: Any, seed: Any, event: Any
) -> Any:
    """The seed of each window, then the used clusters after it in Et (ties: in row) that are in the window, by Et.

    The windows of an event follow each other; their seeds are used.
    Returns (window_offsets (n_windows + 1,), cluster (n_pairs,)).
    """
    window_offsets = np.zeros(len(seed) + 1, np.int64)
    cluster = np.empty(max(16, 4 * len(seed)), np.int64)
    size = np.zeros(3, np.int64)  # used clusters of an event by iz (-1, 0, 1)
    row = np.empty((3, 0), np.int64)
    at_eta = np.empty((3, 0), np.float64)
    n = 0
    for w in range(len(seed)):
        s = seed[w]
        if w == 0 or event[w] != event[w - 1]:
            begin, end = offsets[event[w]], offsets[event[w] + 1]
            if end - begin > row.shape[1]:
                row = np.empty((3, 2 * (end - begin)), np.int64)
                at_eta = np.empty((3, 2 * (end - begin)), np.float64)
            size[:] = 0
            for c in range(begin, end):
                if is_used[c]:
                    part = 2 if iz[c] > 0 else 0 if iz[c] < 0 else 1
                    row[part, size[part]], at_eta[part, size[part]] = c, eta[c]
                    size[part] += 1
        part = 2 if iz[s] > 0 else 0 if iz[s] < 0 else 1
        if n + size[part] + 1 > len(cluster):
            longer = np.empty(2 * len(cluster) + size[part] + 1, np.int64)
            for place in range(n):
                longer[place] = cluster[place]
            cluster = longer
        cluster[n] = s
        n += 1
        first = n
        seed_eta, seed_phi = eta[s], phi[s]
        up, down, width = bounds[0, s], bounds[1, s], bounds[2, s]
        for place in range(size[part]):
            deta = at_eta[part, place] - seed_eta if seed_eta >= 0 else seed_eta - at_eta[part, place]
            if down <= deta <= up:
                c = row[part, place]
                is_after = et[c] < et[s] or (et[c] == et[s] and c > s)
                if is_after and abs(wrapped(seed_phi - phi[c])) <= width:
                    at = n
                    while at > first and et[cluster[at - 1]] < et[c]:
                        cluster[at] = cluster[at - 1]
                        at -= 1
                    cluster[at] = c
                    n += 1
        window_offsets[w + 1] = n
    return window_offsets, cluster[:n].copy()


@array_kernel
def kept(made: Any, is_matched: Any, key: Any, max_unmatched: int) -> Any:
    """Which windows of each event are kept (windows.md section 8), in the order of decreasing Et.

    With M matched and N > M unmatched windows: all matched, the first M unmatched, and of the other unmatched the
    min(max_unmatched, N - M) with the smallest keys (ties: the first). bool (n_windows,).
    """
    keep = np.zeros(len(is_matched), np.bool_)
    start = 0
    for event in range(len(made)):
        stop = start + made[event]
        matched = 0
        for w in range(start, stop):
            if is_matched[w]:
                keep[w] = True
                matched += 1
        if max_unmatched > 0:
            left = min(max_unmatched, (stop - start) - 2 * matched)
            for w in range(start, stop):
                if not is_matched[w] and matched > 0:
                    keep[w] = True
                    matched -= 1
            for _ in range(left):
                chosen = -1
                for w in range(start, stop):
                    if not keep[w] and (chosen < 0 or key[w] < key[chosen]):
                        chosen = w
                keep[chosen] = True
        start = stop
    return keep


@array_kernel
def wrapped_differences(a: Any, b: Any) -> Any:
    """a - b wrapped into [-pi, pi], float64 (n,)."""
    result = np.empty(len(a), np.float64)
    for i in range(len(a)):
        result[i] = wrapped(a[i] - b[i])
    return result
