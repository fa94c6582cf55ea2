"""Chosen windows of a block are put in their places in a batch: each number is copied once."""

from __future__ import annotations

from typing import Any

from ecalwindows.core.jit import array_kernel, kernel

AHEAD = 6
"""Windows by which memory is loaded before it is copied: rows are anywhere in a block, and memory is slow to answer."""

LINE, MOST = 16, 640
"""Numbers of a line of the cache, and those of a window that are loaded ahead; the processor goes on by itself."""


@kernel
def load_ahead(values: Any, first: int, last: int) -> float:
    """Load the numbers first, ..., last - 1 of a flat array; the sum of some of them, which makes it happen."""
    found = 0.0
    for i in range(first, min(last, first + MOST), LINE):
        found += values[i]
    return found


@kernel
def copy_numbers(values: Any, out: Any) -> None:
    """`out[:] = values`, for which numba takes a second to compile the text of its error."""
    if len(out) != len(values):
        raise ValueError("the numbers of a window are not as many as its offsets say")
    for k in range(len(values)):
        out[k] = values[k]


@kernel
def place_of(place: int, seed: int, places: int, seed_first: bool) -> int:
    """The place of a cluster of a window, -1 where it finds none. seed : place of the seed in the window, -1 for none.

    seed_first : the seed has place 0; else its own, or the last one if that is beyond the end.
    """
    if seed_first:
        at = 0 if place == seed else place + 1 if place < seed else place
    elif place == seed and place >= places:
        at = places - 1
    elif place == places - 1 and seed >= places:
        at = places
    else:
        at = place
    return at if at < places else -1


@array_kernel
def fill_padded(
    offsets: Any, pair_cluster: Any, window_seed: Any, hits_offsets: Any, features: Any, labels: Any, hits: Any,
    rows: Any, targets: Any, seed_first: bool, out_features: Any, out_labels: Any, out_mask: Any, out_hits: Any,
    out_hit_mask: Any,
) -> Any:  # fmt: skip
    """Put windows `rows` at `targets` of a padded batch; returns the numbers of clusters and hits without a place,
    and a number without a meaning.

    offsets, pair_cluster, window_seed, hits_offsets : of the block; features, labels : of its clusters; hits : float32
    out_... : arrays of the batch, (n, clusters, ...) and (n, clusters, hits, ...), zeros where nothing is written
    """
    n_places, n_hit_places = out_mask.shape[1], out_hit_mask.shape[2]
    n_features, n_labels, n_components = features.shape[1], labels.shape[1], hits.shape[1]
    clusters_cut = hits_cut = 0
    in_features, in_hits, to_hits, ahead = features.reshape(-1), hits.reshape(-1), out_hits.reshape(-1), 0.0
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            begin, stop = offsets[rows[i + AHEAD]], offsets[rows[i + AHEAD] + 1]
            ahead += load_ahead(in_features, begin * n_features, stop * n_features)
            if n_hit_places > 0 and n_components > 0:
                begin, stop = hits_offsets[begin], hits_offsets[stop]
                ahead += load_ahead(in_hits, begin * n_components, stop * n_components)
        first, end, target = offsets[rows[i]], offsets[rows[i] + 1], targets[i]
        seed = -1
        for pair in range(first, end):
            if pair_cluster[pair] == window_seed[rows[i]]:
                seed = pair - first
        for pair in range(first, end):
            at = place_of(pair - first, seed, n_places, seed_first)
            if at < 0:
                clusters_cut += 1
                continue
            out_mask[target, at] = True
            for k in range(n_features):
                out_features[target, at, k] = features[pair, k]
            for k in range(n_labels):
                out_labels[target, at, k] = labels[pair, k]
            if n_hit_places == 0 or n_components == 0:
                continue
            begin, n = hits_offsets[pair], hits_offsets[pair + 1] - hits_offsets[pair]
            if n > n_hit_places:
                hits_cut += n - n_hit_places
                n = n_hit_places
            out_hit_mask[target, at, :n] = True
            to = (target * n_places + at) * n_hit_places * n_components
            copy_numbers(
                in_hits[begin * n_components : (begin + n) * n_components], to_hits[to : to + n * n_components]
            )
    return clusters_cut, hits_cut, ahead


@array_kernel
def clear_padded(mask: Any, hit_mask: Any, features: Any, labels: Any, hits: Any) -> None:
    """Put zeros where `fill_padded` has written, as the masks show: hits of a cluster have its first places."""
    flat = hits.reshape(-1)
    n_hit_places, n = hit_mask.shape[2], hits.shape[2] * hits.shape[3]
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if not mask[i, j]:
                continue
            mask[i, j] = False
            for k in range(features.shape[2]):
                features[i, j, k] = 0
            for k in range(labels.shape[2]):
                labels[i, j, k] = False
            k = 0
            while k < n_hit_places and hit_mask[i, j, k]:
                hit_mask[i, j, k] = 0
                k += 1
            first = (i * mask.shape[1] + j) * n
            flat[first : first + k * hits.shape[3]] = 0


@kernel
def fill_texts(offsets: Any, data: Any, rows: Any, targets: Any, out_offsets: Any, out: Any) -> None:
    """Copy texts `rows` to those at `targets`; offsets : where the bytes of each text begin."""
    for i in range(len(rows)):
        first, at = offsets[rows[i]], out_offsets[targets[i]]
        for k in range(offsets[rows[i] + 1] - first):
            out[at + k] = data[first + k]


@array_kernel
def fill_flat(
    offsets: Any, features: Any, labels: Any, hits_offsets: Any, rows: Any, targets: Any, cl_offsets: Any,
    out_features: Any, out_labels: Any, hit_counts: Any,
) -> float:  # fmt: skip
    """Put the clusters of windows `rows` in those of the windows `targets` of a flat batch; count their hits.

    cl_offsets : first cluster of each window of the batch
    """
    in_features, in_labels = features.reshape(-1), labels.reshape(-1)
    to_features, to_labels = out_features.reshape(-1), out_labels.reshape(-1)
    n_features, n_labels = features.shape[1], labels.shape[1]
    ahead = 0.0
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            begin = offsets[rows[i + AHEAD]]
            ahead += load_ahead(in_features, begin * n_features, offsets[rows[i + AHEAD] + 1] * n_features)
            ahead += load_ahead(hits_offsets, begin, begin + 1)
        first, end, at = offsets[rows[i]], offsets[rows[i] + 1], cl_offsets[targets[i]]
        last = at + end - first
        copy_numbers(
            in_features[first * n_features : end * n_features], to_features[at * n_features : last * n_features]
        )
        copy_numbers(in_labels[first * n_labels : end * n_labels], to_labels[at * n_labels : last * n_labels])
        for j in range(end - first):
            hit_counts[at + j] = hits_offsets[first + j + 1] - hits_offsets[first + j]
    return ahead


@array_kernel
def fill_flat_hits(
    offsets: Any, hits_offsets: Any, hits: Any, rows: Any, targets: Any, cl_offsets: Any, hit_offsets: Any, out: Any
) -> float:
    """Put the hits of windows `rows` where their clusters have theirs: `hit_offsets` of each cluster of the batch."""
    in_hits, to_hits, n_components = hits.reshape(-1), out.reshape(-1), hits.shape[1]
    ahead = 0.0
    for i in range(len(rows)):
        if i + AHEAD < len(rows):
            begin, stop = hits_offsets[offsets[rows[i + AHEAD]]], hits_offsets[offsets[rows[i + AHEAD] + 1]]
            ahead += load_ahead(in_hits, begin * n_components, stop * n_components)
        first, end = hits_offsets[offsets[rows[i]]], hits_offsets[offsets[rows[i] + 1]]
        at = hit_offsets[cl_offsets[targets[i]]]
        last = at + end - first
        copy_numbers(
            in_hits[first * n_components : end * n_components], to_hits[at * n_components : last * n_components]
        )
    return ahead


@array_kernel
def fill_rows(values: Any, rows: Any, targets: Any, out: Any) -> float:
    """Copy rows `rows` of a matrix to rows `targets` of another."""
    flat, n, ahead = values.reshape(-1), values.shape[1], 0.0
    for i in range(len(rows)):
        ahead += load_ahead(flat, rows[i] * n, rows[i] * n + n)
    for i in range(len(rows)):
        for k in range(values.shape[1]):
            out[targets[i], k] = values[rows[i], k]
    return ahead


@kernel
def fill_columns(values: Any, rows: Any, targets: Any, out: Any) -> None:
    """Copy rows `rows` of a matrix to columns `targets` of another."""
    for k in range(values.shape[1]):
        for i in range(len(rows)):
            out[k, targets[i]] = values[rows[i], k]


@array_kernel
def fill_windows(
    seeds: Any, windows: Any, singles: Any, doubles: Any, integers: Any, ids: Any, flags: Any, rows: Any, targets: Any,
    out_seeds: Any, out_windows: Any, out_singles: Any, out_doubles: Any, out_integers: Any, out_ids: Any,
    out_flags: Any,
) -> float:  # fmt: skip
    """Put what there is once for each of the windows `rows` at `targets` of a batch.

    seeds, windows : features, (n, n_features), and rows of the batch
    singles, doubles, integers, ids, flags : metadata by dtype, (n, n_columns), and columns of the batch
    """
    ahead = fill_rows(seeds, rows, targets, out_seeds) + fill_rows(windows, rows, targets, out_windows)
    fill_columns(singles, rows, targets, out_singles)
    fill_columns(doubles, rows, targets, out_doubles)
    fill_columns(integers, rows, targets, out_integers)
    fill_columns(ids, rows, targets, out_ids)
    fill_columns(flags, rows, targets, out_flags)
    return ahead


@kernel
def fill_scaled(
    values: Any, shift: Any, width: Any, none: Any, replaces: bool, instead: Any, out: Any, feature: int, flag: int
) -> None:
    """Column `feature` of a matrix of inputs: (value - shift) / width, `instead` for `none` if it `replaces`.

    values : float32, one for each row; flag : a column that gets 1 where the value is `none`, -1 for no such column
    """
    for row in range(len(values)):
        value = values[row]
        if value == none and flag >= 0:
            out[row, flag] = 1
        out[row, feature] = instead if replaces and value == none else (value - shift) / width
