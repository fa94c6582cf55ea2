"""The order of a stream, worked out window by window, as the docstring of `training/order.py` states it."""

from __future__ import annotations

from collections.abc import Sequence

MASK = 2**64 - 1


def splitmix64(x: int) -> int:
    x = (x + 0x9E3779B97F4A7C15) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def permutation(n: int, *identity: int) -> list[int]:
    key = 0
    for number in identity:
        key = splitmix64(key ^ number)
    return sorted(range(n), key=lambda i: (splitmix64(key ^ i), i))


def shuffled(
    sizes: Sequence[int],
    samples: Sequence[int],
    chunks: int,
    identity: Sequence[int],
    bucket: int = 0,
    lengths: Sequence[Sequence[int]] = (),
) -> list[tuple[int, int]]:
    """All windows of an epoch as (block, row); lengths : of the windows of each block, for buckets."""
    by_sample = []
    for sample in range(max(samples) + 1):
        blocks = [block for block, of in enumerate(samples) if of == sample]
        order = permutation(len(blocks), *identity, 1, sample)
        by_sample.append([(blocks[i], row) for i in order for row in range(sizes[blocks[i]])])
    epoch: list[tuple[int, int]] = []
    for number in range(chunks):
        chunk = [w for all_of in by_sample
                 for w in all_of[number * len(all_of) // chunks : (number + 1) * len(all_of) // chunks]]  # fmt: skip
        drawn = [chunk[i] for i in permutation(len(chunk), *identity, 2, number)]
        if bucket:
            places = range(len(epoch), len(epoch) + len(drawn))
            buckets = sorted({place // bucket for place in places})
            by_length = iter(sorted(drawn, key=lambda window: lengths[window[0]][window[1]]))
            held = {}
            for i in permutation(len(buckets), *identity, 3, number):
                n = sum(place // bucket == buckets[i] for place in places)
                held[buckets[i]] = {next(by_length) for _ in range(n)}
            drawn = [window for each in buckets for window in drawn if window in held[each]]
        epoch += drawn
    return epoch


def mixed(totals: Sequence[int], shares: Sequence[float], repeats: bool) -> list[tuple[int, int]]:
    """All windows of a mixture as (dataset, number of the window), in order."""
    end = max((total + 1) / share for total, share in zip(totals, shares, strict=True))
    times = sorted(((j + 0.5) / share, d, j) for d, share in enumerate(shares) for j in range(int(end * share) + 2))
    counts, found = [0] * len(totals), []
    for _, d, j in times:
        if not repeats and counts[d] == totals[d]:
            return found
        counts[d] += 1
        found.append((d, j))
        if repeats and all(count >= total for count, total in zip(counts, totals, strict=True)):
            return found
    raise AssertionError
